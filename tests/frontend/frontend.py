#!/usr/bin/env python3
"""The worker alone, under its role's sandbox, with a stand-in for the broker: what clients send, good and bad.

usage: frontend.py FAKE-BROKER WORKER        (root; else it is skipped)
"""
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

if os.geteuid() != 0:
    print("frontend: skipped, it needs root to drop to the worker's user")
    sys.exit(77)

fake, worker = sys.argv[1:3]
top = tempfile.mkdtemp(prefix="bulwark-frontend-")
os.chmod(top, 0o755)
os.mkdir(top + "/empty")
exe = shutil.copy(worker, top + "/worker")
os.chmod(exe, 0o755)
path = top + "/sock"
log = top + "/x.log"
LINES = 200000


def write_log(name, first, last, mode):
    with open(name, mode) as f:
        for i in range(first, last):
            f.write('{"log":"line %d with some text to make it as long as lines are\\n","stream":"%s","time":"2026-01-02T%02d:%02d:00.%09dZ"}\n'
                    % (i, "stderr" if i % 4 == 0 else "stdout", i // 14400 % 24, i // 240 % 60, i))


write_log(log, 0, LINES, "w")
engine = subprocess.Popen(["unshare", "-n", "-m", "--", fake, exe, path, top + "/empty", "500", log], stderr=open(top + "/err", "w"))
failures = []


def check(name, good, detail=""):
    print(("ok   " if good else "FAIL ") + name, "" if good else str(detail)[:600])
    if not good:
        failures.append(name)


def connect():
    for _ in range(50):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        try:
            s.connect(path)
            return s
        except OSError:
            time.sleep(0.1)
    raise SystemExit("no engine: " + open(top + "/err").read())


def read_all(s):
    data = b""
    while True:
        try:
            piece = s.recv(1 << 20)
        except ConnectionResetError:
            break
        if not piece:
            break
        data += piece
    return data


def raw(text):
    """Sends bytes, closes the sending side only when the answer came; returns all that came."""
    s = connect()
    s.sendall(text if isinstance(text, bytes) else text.encode())
    data = read_all(s)
    s.close()
    return data


def request(method, target, body=None, headers="", close=True):
    head = f"{method} {target} HTTP/1.1\r\nHost: d\r\n{headers}"
    if close:
        head += "Connection: close\r\n"
    if body is not None:
        if "Content-Type" not in headers:
            head += "Content-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n"
    return parse(raw(head.encode() + b"\r\n" + (body.encode() if isinstance(body, str) else body or b"")))


def parse(data):
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin1").split("\r\n")
    headers = {l.split(":", 1)[0].lower(): l.split(":", 1)[1].strip() for l in lines[1:] if ":" in l}
    status = int(lines[0].split(" ")[1]) if len(lines[0].split(" ")) > 1 else 0
    if headers.get("transfer-encoding") == "chunked":
        out, at = [], 0
        while at < len(body):
            end = body.index(b"\r\n", at)
            n = int(body[at:end], 16)
            if n == 0:
                break
            out.append(body[end + 2:end + 2 + n])
            at = end + 2 + n + 2
        body = b"".join(out)
    return status, headers, body


def frames(body):
    out = {1: [], 2: []}
    at = 0
    while at < len(body):
        n = int.from_bytes(body[at + 4:at + 8], "big")
        out[body[at]].append(body[at + 8:at + 8 + n])
        at += 8 + n
    return {k: b"".join(v) for k, v in out.items()}


def message(answer):
    return json.loads(answer[2])["message"]


def test_versions():
    s, h, b = request("HEAD", "/_ping")
    check("ping by HEAD", s == 200 and h["api-version"] == "1.50" and h["content-length"] == "0" and b == b"" and h["ostype"] == "linux", h)
    s, h, b = request("GET", "/v1.24/_ping")
    check("ping by GET", s == 200 and b == b"OK" and "no-store" in h["cache-control"])
    check("too old", b"is too old. Minimum supported API version is 1.24" in request("GET", "/v1.23/info")[2])
    check("too new", message(request("GET", "/v1.51/info")).endswith("is too new. Maximum supported API version is 1.50"))
    s, h, b = request("GET", "/v1.50/nothing")
    check("unknown path", s == 404 and "api-version" not in h and message((s, h, b)) == "page not found")
    check("wrong method", request("PUT", "/containers/json")[0] == 404)
    s, h, b = request("GET", "//v1.50//info?a=b")
    check("double slashes", s == 301 and h["location"] == "/v1.50/info?a=b", h)
    check("options", request("OPTIONS", "/anything")[0] == 200)
    check("not built", request("GET", "/containers/x/checkpoints")[0] == 501 and "checkpoints is not implemented" in message(request("GET", "/containers/x/checkpoints")))
    check("not a swarm", request("GET", "/services")[0] == 503)
    check("no plug-in", request("GET", "/plugins/x/json")[0] == 404)


def test_bad_input():
    bad = {
        "bare LF": "GET / HTTP/1.1\nHost: d\n\n",
        "both lengths": "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two lengths": "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        "folded": "GET /info HTTP/1.1\r\nHost: d\r\nX: a\r\n b\r\n\r\n",
        "NUL": "GET /in\0fo HTTP/1.1\r\nHost: d\r\n\r\n",
        "no host": "GET /info HTTP/1.1\r\n\r\n",
        "long line": "GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: d\r\n\r\n",
        "large head": "GET / HTTP/1.1\r\nHost: d\r\n" + "X: " + "a" * 70000,
        "many headers": "GET / HTTP/1.1\r\nHost: d\r\n" + "X: a\r\n" * 200 + "\r\n",
        "bad chunk": "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "huge chunk": "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "huge body": "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n",
        "bad escape": "GET /containers/%zz/json HTTP/1.1\r\nHost: d\r\n\r\n",
    }
    for name, text in bad.items():
        s, h, b = parse(raw(text))
        check("refused: " + name, 400 <= s < 500 and h.get("connection") == "close" and b"message" in b, (s, b))
    # a smuggled request after a refused one is never served
    data = raw("GET /info HTTP/1.1\r\nHost: d\r\nX : y\r\n\r\nGET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
    check("nothing is served after a refusal", data.count(b"HTTP/1.1") == 1)


def test_connection():
    data = raw("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n" * 50 + "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    check("pipelined requests", data.count(b"HTTP/1.1 200") == 51)
    s = connect()
    for c in b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n":
        s.sendall(bytes([c]))
    check("head byte by byte", b"200 OK" in read_all(s))
    s = connect()
    s.sendall(b"POST /volumes/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
    check("100 Continue", s.recv(100).startswith(b"HTTP/1.1 100"))
    for c in b"8\r\n{\"Name\":\r\n5;x=y\r\n\"v1\"}\r\n0\r\n\r\n":
        s.sendall(bytes([c]))
    check("chunked body", parse(read_all(s))[0] == 201)


def test_json():
    def create(body, headers=""):
        return request("POST", "/containers/create?name=x", body, headers)

    check("create", create('{"Image":"busybox","Cmd":"ls","HostConfig":{"Memory":0}}')[0] == 201)
    check("no body", message(request("POST", "/containers/create")) == "invalid JSON: got EOF while reading request body")
    check("empty config", message(create("{}")) == "config cannot be empty in order to create a container")
    check("trailing data", message(create('{"Image":"a"} x')) == "unexpected content after JSON")
    check("other type", message(create("x", "Content-Type: text/plain\r\n")) == "unsupported Content-Type header (text/plain): must be 'application/json'")
    check("wrong type", "HostConfig.Memory" in message(create('{"Image":"a","HostConfig":{"Memory":"1"}}')))
    check("deep", create('{"Image":' + "[" * 100000)[0] == 400)
    check("image missing", create('{"Image":"missing"}')[0] == 404)
    good = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]})
    check("seccomp profile", create(json.dumps({"Image": "a", "HostConfig": {"SecurityOpt": ["seccomp=" + good]}}))[0] == 201)
    s, h, b = create(json.dumps({"Image": "a", "HostConfig": {"SecurityOpt": ["seccomp={\"defaultAction\":\"X\"}"]}}))
    check("bad seccomp profile", s == 400 and message((s, h, b)).startswith("Decoding seccomp profile failed"), b)
    r = request("POST", "/containers/x/update", body='{"Memory":67108864,"PidsLimit":-5}')
    check("update", r[0] == 200 and b'{"Warnings":[]}' in r[2], r)
    r = request("GET", "/containers/x/stats?stream=0&one-shot=1")
    check("stats", r[0] == 200 and b'"memory_stats":{"usage":7,"limit":8}' in r[2], r)
    r = create('{"Image":"a","HostConfig":{"DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"]]}]}}')
    check("gpus are refused", r[0] == 400 and message(r) == 'could not select device driver "" with capabilities: [[gpu]]', r)
    check("start with a body", request("POST", "/containers/x/start", "{\"Binds\":[]}")[0] == 400)
    check("already started", request("POST", "/containers/running/start")[0] == 304)
    check("resize without size", request("POST", "/containers/x/resize?w=1")[0] == 400)
    check("filters in both forms", request("GET", "/containers/json?filters=%7B%22label%22%3A%5B%22a%22%5D%7D")[0] == 200)
    check("unknown filter", message(request("GET", "/containers/json?filters=%7B%22zzz%22%3A%7B%22a%22%3Atrue%7D%7D")) == "invalid filter 'zzz'")
    check("bad filters", message(request("GET", "/containers/json?filters=x")) == "invalid filter")


def test_list():
    s = connect()
    times = []
    for _ in range(20):
        t = time.perf_counter()
        s.sendall(b"GET /containers/json HTTP/1.1\r\nHost: d\r\n\r\n")
        data = s.recv(1 << 20)
        n = int(parse(data)[1]["content-length"])
        while len(data) < n:
            data += s.recv(1 << 20)
        times.append(time.perf_counter() - t)
    items = json.loads(data.partition(b"\r\n\r\n")[2])
    check("list of 500", len(items) == 500 and items[0]["State"] == "running" and items[0]["Status"].startswith("Up "))
    print("     list of 500 containers: %.1f ms (stand-in and client included)" % (sorted(times)[10] * 1000))


def test_logs():
    t = time.perf_counter()
    s, h, b = request("GET", "/v1.50/containers/x/logs?stdout=1&stderr=1")
    spent = time.perf_counter() - t
    out = frames(b)
    check("all lines", out[1].count(b"\n") == LINES * 3 // 4 and out[2].count(b"\n") == LINES // 4 and "multiplexed" in h["content-type"])
    print("     %d lines read in %.0f ms (client included)" % (LINES, spent * 1000))
    check("raw type below 1.42", "raw-stream" in request("GET", "/v1.41/containers/x/logs?stdout=1&tail=1")[1]["content-type"])
    out = frames(request("GET", "/containers/x/logs?stdout=1&stderr=1&tail=3&timestamps=1")[2])
    check("tail", out[1].count(b"\n") + out[2].count(b"\n") == 3 and b"2026-01-02T" in out[1] and b".000199999Z line 199999" in out[1], out)
    check("no stream chosen", request("GET", "/containers/x/logs")[0] == 400)
    check("since", frames(request("GET", "/containers/x/logs?stdout=1&since=4000000000")[2])[1] == b"")
    since = frames(request("GET", "/containers/x/logs?stdout=1&stderr=1&until=1767322800")[2])
    check("until", 0 < since[1].count(b"\n") < LINES)


def test_follow():
    s = connect()
    s.sendall(b"GET /containers/x/logs?stdout=1&stderr=1&tail=1&follow=1 HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    data = s.recv(65536)
    while b"line 199999" not in data:
        data += s.recv(65536)
    write_log(log, LINES, LINES + 5, "a")
    request("POST", "/containers/x/rename?name=d")
    os.rename(log, log + ".1")
    write_log(log, LINES + 5, LINES + 9, "w")
    request("POST", "/containers/x/rename?name=r")
    request("POST", "/containers/x/rename?name=e")
    out = frames(parse(data + read_all(s))[2])
    text = out[1] + out[2]
    check("followed over a rotation", sorted(int(l.split()[1]) for l in text.splitlines()) == list(range(LINES - 1, LINES + 9)), text)


def test_streams():
    s = connect()
    s.sendall(b"POST /containers/x/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n\r\n")
    head = s.recv(4096)
    check("wait sends its head at once", head.startswith(b"HTTP/1.1 200") and b"StatusCode" not in head)
    request("POST", "/containers/x/start")
    check("wait ends with the status", b'{"StatusCode":7}' in s.recv(4096))
    s.close()
    check("bad condition", request("POST", "/containers/x/wait?condition=zz")[0] == 400)
    s = connect()
    s.sendall(b"POST /containers/x/wait HTTP/1.1\r\nHost: d\r\n\r\n")
    s.recv(4096)
    s.close()
    for _ in range(50):
        if "wait cancelled" in open(top + "/err").read():
            break
        time.sleep(0.1)
    check("a wait ends with its client", "wait cancelled" in open(top + "/err").read())
    data = raw("POST /v1.50/containers/x/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\ninput")
    check("attach", data.startswith(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream") and data.endswith(b"hello\ninput"), data)
    data = raw("POST /v1.40/containers/x/attach?stream=1 HTTP/1.1\r\nHost: d\r\n\r\n")
    check("attach without upgrade", data.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"), data)
    data = raw("POST /containers/missing/attach?stream=1 HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n\r\n")
    check("attach that fails", data == b"HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nNo such container: missing\r\n", data)
    check("bad detach keys", request("POST", "/containers/x/attach?detachKeys=ctrl-%25")[0] == 400)
    body = b'{"Detach":false,"Tty":false}'
    data = raw(b"POST /exec/1/start HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    check("exec start repeats the headers", b"101 UPGRADED" in data and b"Api-Version: 1.50" in data and data.endswith(b"execed\n"))
    s, h, b = request("GET", "/events?until=1")
    check("events", json.loads(b)["status"] == "start" and json.loads(b)["Actor"]["Attributes"]["name"] == "name1")


def test_transfer():
    size = 40 << 20
    s, h, b = request("POST", "/images/load", b"x" * size, "Content-Type: application/x-tar\r\n")
    check("load", s == 200 and b"%d bytes" % size in b and b'{"stream":"Loaded image: busybox:latest\\n"}\r\n' in b, b[:300])
    s, h, b = request("POST", "/images/load", b"bad" + b"x" * size, "Content-Type: application/x-tar\r\n")
    check("load that fails early", s == 400 and b"invalid tar header" in b, (s, b[:300]))
    s, h, b = request("GET", "/images/busybox/get")
    check("save", s == 200 and len(b) == 64 << 20)
    check("save of nothing", request("GET", "/images/missing/get")[0] == 404)
    s = connect()
    s.sendall(b"GET /images/busybox/get HTTP/1.1\r\nHost: d\r\n\r\n")
    s.recv(1000)
    s.close()
    s = connect()
    s.sendall(b"POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: 1000\r\n\r\nabc")
    s.close()
    check("import", request("POST", "/images/create?fromSrc=-&repo=a&changes=CMD+x", b"x" * 1000, "Content-Type: text/plain\r\n")[0] == 200)
    check("bad change", request("POST", "/images/create?fromSrc=-&changes=RUN+x", b"x" * 1000, "Content-Type: text/plain\r\n")[0] == 400)
    check("pull", request("POST", "/images/create?fromImage=busybox")[0] == 501)


def path_stat(headers):
    return json.loads(base64.b64decode(headers.get("x-docker-container-path-stat", ""), validate=True) or b"{}")


def test_archive():
    found = {"name": "f", "size": 3, "mode": 0o644, "mtime": "2017-07-14T02:40:00Z", "linkTarget": ""}
    s, h, b = request("HEAD", "/containers/x/archive?path=/f")
    check("what stands at a path", s == 200 and path_stat(h) == found, (s, h))
    s, h, b = request("GET", "/containers/x/archive?path=/f")
    check("an archive", s == 200 and path_stat(h) == found and h["content-type"] == "application/x-tar" and len(b) == 64 << 20, (s, h, len(b)))
    for method in "HEAD", "GET", "PUT":
        check(f"{method} without a path", request(method, "/containers/x/archive", b"" if method == "PUT" else None)[0] == 400)
        s, h, b = request(method, "/containers/x/archive?path=/missing", b"x" * 100000 if method == "PUT" else None)
        check(f"{method} of nothing", s == 404 and (method == "HEAD" or b"Could not find the file /missing in container x" in b), (s, b[:300]))
    s, h, b = request("PUT", "/containers/x/archive?path=/d&noOverwriteDirNonDir=1&copyUIDGID=true", b"x" * (20 << 20), "Content-Type: application/x-tar\r\n")
    check("an archive is taken", s == 200 and b == b"", (s, b[:300]))
    s, h, b = request("PUT", "/containers/x/archive?path=/d", b"bad" + b"x" * (20 << 20))
    check("an archive that is refused early", s == 400 and b"invalid tar header" in b, (s, b[:300]))
    s = parse(raw(b"PUT /containers/x/archive?path=/d HTTP/1.1\r\nHost: d\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
    check("in chunks", s[0] == 200, s)
    c = connect()
    c.sendall(b"GET /containers/x/archive?path=/f HTTP/1.1\r\nHost: d\r\n\r\n")
    c.recv(1000)
    c.close()
    check("the next is served after one that went away", request("HEAD", "/containers/x/archive?path=/f")[0] == 200)


def test_files():
    check("export of a missing container", request("GET", "/containers/missing/export")[0] == 404)
    check("export streams", len(request("GET", "/containers/x/export")[2]) > 0)
    check("changes of a missing container", request("GET", "/containers/missing/changes")[0] == 404)
    check("commit", request("POST", "/commit?container=x&repo=a&tag=b&changes=CMD+x")[0] == 201)
    check("commit with a configuration", request("POST", "/commit?container=x", b'{"Cmd":["a"]}', "Content-Type: application/json\r\n")[0] == 201)
    check("commit with a bad change", request("POST", "/commit?container=x&changes=RUN+x")[0] == 400)
    check("commit without a container", request("POST", "/commit")[0] == 404)
    check("sizes of volumes", b'"RefCount":1,"Size":12' in request("GET", "/system/df")[2])


def test_many():
    socks = [connect() for _ in range(300)]
    for s in socks:
        s.sendall(b"GET /containers/json HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    check("300 clients at once", all(b"name499" in read_all(s) for s in socks))


try:
    for test in [f for n, f in list(globals().items()) if n.startswith("test_")]:
        test()
    time.sleep(2)
    pids = open(f"/proc/{engine.pid}/task/{engine.pid}/children").read().split()
    rss = [l for l in open(f"/proc/{pids[0]}/status") if l.startswith("VmRSS")]
    print("     worker:", rss[0].strip())
    check("the worker gave its memory back", int(rss[0].split()[1]) < 20000 or "libasan" in open(f"/proc/{pids[0]}/maps").read(), rss)
    check("the worker still runs", "worker ended" not in open(top + "/err").read(), open(top + "/err").read())
finally:
    engine.terminate()
    engine.wait()
    shutil.rmtree(top)
print("%d failed" % len(failures) if failures else "all good")
sys.exit(1 if failures else 0)
