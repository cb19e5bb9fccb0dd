#!/usr/bin/python3
"""Inside with-engine, with the hostile worker in the place of the real one: each attack in a process of its own."""
import os, socket, subprocess, sys, time

here = os.path.dirname(os.path.abspath(__file__))
names_of = lambda kind: subprocess.check_output([os.environ["BULWARK_BUILD"] + "/tests/drills/hostile-names", kind], text=True).split()
n = failed = 0


def ok(good, text, why=""):
    global n, failed
    n += 1
    failed += not good
    print("%s %d - %s" % ("ok" if good else "not ok", n, text) + ("" if good else " # " + why))


def ask(name):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(os.environ["BULWARK_SOCKET"])
    try:
        s.sendall(name.encode() + b"\n")
        return s.recv(200).decode().strip() or "ended"
    except (ConnectionError, socket.timeout) as e:
        return "ended" if isinstance(e, ConnectionError) else "timeout"
    finally:
        s.close()


def log():
    return open(os.environ["BULWARK_DIR"] + "/log").read()


def pinged():
    for _ in range(100):
        if ask("ping") == "pong":
            return True
        time.sleep(0.05)
    return False


for name in names_of("attacks"):
    before = log().count("level=attack")
    answer = ask(name)
    good = answer.startswith("refused") or answer == "ended"
    if answer == "ended":
        for _ in range(40):
            if log().count("level=attack") > before:
                break
            time.sleep(0.05)
        good = log().count("level=attack") > before
        answer = "killed, logged: %s" % good
    ok(good, "worker: %s" % name, answer)
for name in names_of("malformed") + ["wrong_side"]:
    before = log().count("level=attack")
    answer = ask(name)
    ok(answer == "cut off" and log().count("level=attack") > before, "worker sends %s: cut off and logged" % name, answer)
ok(pinged(), "the broker still serves")
code = "import socket,os;s=socket.socket(socket.AF_UNIX);s.connect(os.environ['BULWARK_SOCKET']);s.sendall(b'ping\\n');print(s.recv(99).decode().strip())"
os.chmod(os.environ["BULWARK_SOCKET"], 0o666)
out = subprocess.run(["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups", "/usr/bin/python3", "-c", code], capture_output=True, text=True)
ok(out.stdout.strip() == "pong", "another uid has a worker of its own and is served", out.stdout + out.stderr)
print("1..%d" % n)
print("%d passed, %d failed" % (n - failed, failed))
sys.exit(1 if failed else 0)
