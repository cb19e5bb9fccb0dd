#!/usr/bin/env python3
"""No disk and no memory, inside with-engine on a small disk (see full-disk)."""
import gzip, json, os, re, subprocess, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from engine import *

DOCKER = os.environ.get("DOCKER", "docker")
before, log_at = pids(), log_size()
was = images()
MB = 1 << 20


def run(*args, timeout=120):
    return subprocess.run([DOCKER, *args], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout)


def good_after(name, ok, *more):
    check(name, ok and serves() and pids() == before, *more, pids(), before)


def room():
    s = os.statvfs(DIR)
    return s.f_bavail * s.f_frsize


def refused(name, data, text, path="/images/load?quiet=1"):
    status, message = load(data, path)
    clean = store_is_clean(20)
    good_after(name, message != "" and re.search(text, message) and images() == was and clean, status, message, images() == was, clean)


# ---- bombs: a file of 256 GiB, of which 2.5 GiB are there, in 2.5 MB: as an archive, as a layer, as an import
free = room()
zeros = gzip.compress(b"\0" * (64 * MB), 9)
head = tarfile.TarInfo("zeros")
head.size = 4096 * 64 * MB
plain = head.tobuf(format=tarfile.GNU_FORMAT)
inner = gzip.compress(plain) + zeros * 40
refused("a bomb as a whole archive", inner, "no space left on device|too large|EOF")
refused("a bomb as a layer", archive([inner]), "no space left on device|too large|EOF")
refused("a bomb as an import", inner, "no space left on device|too large|EOF", "/images/create?fromSrc=-&repo=bomb")
entries = b"".join(tarfile.TarInfo(f"d{i // 100}/f{i}").tobuf(format=tarfile.GNU_FORMAT) for i in range(100000)) + b"\0" * 1024
refused("a layer of more files than the disk can hold", archive([gzip.compress(entries, 1)], conf=config([entries])), "no space left on device|more than")
check("the disk is as free as before", room() > free - 4 * MB, free, room())

# ---- a container fills the disk
a = run("run", "--name", "full", "busybox", "sh", "-c", "dd if=/dev/zero of=/x bs=1M 2>&1; echo rest >/y; echo $?")
good_after("a container that fills the disk is told so", "No space left on device" in a.stdout + a.stderr, a)
for name, args, text in (
        ("create", ("create", "--name", "c2", "busybox", "true"), ""), ("a volume", ("volume", "create", "v2"), ""), ("run", ("run", "--rm", "busybox", "echo", "hi"), "")):
    a = run(*args)
    said = a.stderr.strip()
    # small things may still find room; if not, the error is the disk's
    good_after(f"full disk: {name}", a.returncode == 0 or "no space left on device" in said.lower() or "disk is full" in said, a)
big = os.urandom(8 * MB)
layer = tar(("big", big))
refused("full disk: load", archive([layer]), "no space left on device")
refused("full disk: import", layer, "no space left on device", "/images/create?fromSrc=-&repo=bomb")
a = run("ps", "-a", "--format", "{{.Names}}")
good_after("full disk: the list still comes", "full" in a.stdout.split(), a)
a = run("logs", "full")
good_after("full disk: logs still come", a.returncode == 0, a)
a = run("inspect", "-f", "{{.State.ExitCode}}", "full")
good_after("full disk: inspect still comes", a.returncode == 0, a)
# to the last byte, from outside: the broker's own database cannot grow either
with open(DIR + "/ballast", "wb") as f:
    try:
        while True:
            f.write(b"x" * 4096)
            f.flush()
    except OSError:
        pass
said = ""
for i in range(300):
    a = run("create", "--name", f"db{i}", "--label", "l=" + "x" * 30000, "busybox", "true")
    if a.returncode:
        said = a.stderr.strip()
        break
good_after("full database: create", re.search("no space left on device|disk is full|full", said, re.I), said)
a = run("run", "--rm", "busybox", "echo", "hi")
good_after("full database: run", a.returncode == 0 or re.search("no space left|full", a.stderr, re.I), a)
a = run("rm", "-f", "full")
good_after("full disk: the container that fills it can be removed", a.returncode == 0 or re.search("no space left|full", a.stderr, re.I), a)
os.unlink(DIR + "/ballast")
a = run("rm", "-f", "full") if a.returncode else a
for _ in range(200):
    if room() > free // 2:
        break
    time.sleep(0.05)
check("its room comes back", room() > free // 2, free, room())
names = run("ps", "-aq").stdout.split()
a = run("rm", "-f", *names) if names else None
good_after("what was made can be removed", not run("ps", "-aq").stdout, a)
run("volume", "rm", "-f", "v2")
a = run("run", "--rm", "busybox", "echo", "hi")
good_after("then all works again", a.stdout == "hi\n", a)
status, message = load(archive([layer]))
good_after("a load too", status == 200 and message == "", status, message)
for i in images():
    if i not in was:
        call("DELETE", f"/images/{i}?force=1")


# ---- memory
def limit(p, soft):
    # as the process's own user, so that CAP_SYS_RESOURCE is not needed
    ids = re.search(r"Uid:\s(\d+).*\nGid:\s(\d+)", open(f"/proc/{p}/status").read())
    subprocess.run(["setpriv", "--reuid", ids[1], "--regid", ids[2], "--clear-groups", "prlimit", "--pid", str(p), f"--as={soft}:"], check=True)


def limited(name, more):
    """The process may map no more than it has and a bit."""
    p = pid_of(name)[0]
    limit(p, int(open(f"/proc/{p}/statm").read().split()[0]) * 4096 + more)
    return p


def at_once(n, fn):
    out = [None] * n

    def one(i):
        out[i] = fn(i)
    ts = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    return out


large = json.dumps({"Image": "busybox", "Env": [f"A{i}=" + "x" * 1000 for i in range(3500)]}).encode()
p = limited("bulwark-worker", 6 * MB)
out = at_once(8, lambda i: call("POST", "/containers/create", large, timeout=30))
limit(p, "unlimited")
bad = [a for a in out if a.status not in (201, 500, 503, 0) or (a.status == 500 and "memory" not in a.text)]
good_after("a worker without memory: 8 large requests", not bad and any(a.status != 201 for a in out), [a.status for a in out], bad[:2])
good_after("and it works afterwards", call("POST", "/containers/create", large, timeout=30).status == 201)
for i in run("ps", "-aq").stdout.split():
    run("rm", i)
p = limited("bulwark-broker", 3 * MB)
out = at_once(8, lambda i: call("POST", "/containers/create", large, timeout=30))
limit(p, "unlimited")
bad = [a for a in out if a.status not in (201, 500, 503, 0) or (a.status == 500 and "memory" not in a.text)]
good_after("a broker without memory: 8 large requests", not bad and any(a.status != 201 for a in out), [a.status for a in out], bad[:2])
made = call("POST", "/containers/create", large, timeout=30)
good_after("and it works afterwards", made.status == 201, made)
ids = run("ps", "-aq", "--no-trunc").stdout.split()
good_after("what was created can be removed, and nothing else is there", len(ids) == len([a for a in out if a.status == 201]) + 1 and all(run("rm", i).returncode == 0 for i in ids), len(ids))
p = limited("bulwark-stored", 0)
refused("a store without memory: load", archive([tar(("x", b"x"))]), "memory|Cannot allocate|not available|without an answer|could not")
a = run("run", "--rm", "busybox", "echo", "hi")
limit(p, "unlimited")
good_after("a store without memory: run", a.returncode == 0 or re.search("memory|not available|without an answer", a.stderr), a)
p = limited("bulwark-runtime", 0)
out = at_once(6, lambda i: run("run", "--rm", "busybox", "echo", "hi"))
limit(p, "unlimited")
bad = [a for a in out if a.returncode and not re.search("memory|not available", a.stderr)]
good_after("a runtime without memory: 6 runs", not bad, bad[:2])
a = run("run", "--rm", "busybox", "echo", "hi")
good_after("and all works afterwards", a.stdout == "hi\n", a)
log = log_since(log_at)
odd = [l for l in log.splitlines() if re.search(r"was killed|ended with (status|signal)|restart(ed|ing)|signal \d+|level=attack", l)]
check("no process ended, no rule was broken", not odd, odd[:5])
done()
