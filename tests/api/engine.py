"""An engine under test, for the tests in Python: raw HTTP over its socket, TAP, the engine's processes, hostile archives."""
import hashlib, io, json, os, re, socket, subprocess, sys, tarfile, time

DIR = os.environ["BULWARK_DIR"]
SOCK = os.environ["BULWARK_SOCKET"]

n = failed = 0


def check(name, good, *more):
    global n, failed
    n += 1
    print(f"{'ok' if good else 'not ok'} {n} - {name}", flush=True)
    if not good:
        failed += 1
        for m in more:
            print("#   " + repr(m)[:600], flush=True)
    return good


def done():
    print(f"1..{n}\n{n - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.text = body.decode("utf-8", "replace")

    def message(self):
        try:
            v = json.loads(self.text)
            return v.get("message", self.text) if isinstance(v, dict) else self.text
        except ValueError:
            return self.text

    def __repr__(self):
        return f"{self.status} {self.text[:300]}"


class Closed(Exception):
    pass


class Conn:
    def __init__(self, timeout=20):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(timeout)
        self.s.connect(SOCK)
        self.buf = b""

    def send(self, data):
        """What the engine does not want to read any more is no error of ours."""
        try:
            self.s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def fill(self):
        try:
            x = self.s.recv(65536)
        except ConnectionResetError:
            x = b""
        if not x:
            return False
        self.buf += x
        return True

    def answer(self, head=False):
        while b"\r\n\r\n" not in self.buf:
            if not self.fill():
                raise Closed(self.buf)
        top, self.buf = self.buf.split(b"\r\n\r\n", 1)
        lines = top.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {}
        for l in lines[1:]:
            k, v = l.split(":", 1)
            headers[k.lower()] = v.strip()
        if status == 100:
            return self.answer(head)
        body = b""
        if head or status in (204, 304):
            pass
        elif headers.get("transfer-encoding") == "chunked":
            while True:
                while b"\r\n" not in self.buf:
                    if not self.fill():
                        raise Closed(body)
                size, self.buf = self.buf.split(b"\r\n", 1)
                want = int(size, 16) + 2
                while len(self.buf) < want:
                    if not self.fill():
                        raise Closed(body)
                body += self.buf[:want - 2]
                self.buf = self.buf[want:]
                if want == 2:
                    break
        elif "content-length" in headers:
            want = int(headers["content-length"])
            while len(self.buf) < want:
                if not self.fill():
                    raise Closed(self.buf)
            body, self.buf = self.buf[:want], self.buf[want:]
        else:
            while self.fill():
                pass
            body, self.buf = self.buf, b""
        return Answer(status, headers, body)

    def closed(self, timeout=8):
        """Whether the engine ends the connection, without another answer."""
        self.s.settimeout(timeout)
        try:
            while self.fill():
                pass
        except socket.timeout:
            return False
        return self.buf == b""

    def close(self):
        self.s.close()


def raw(data, timeout=20, head=False):
    c = Conn(timeout)
    try:
        c.send(data)
        return c.answer(head)
    except (Closed, socket.timeout) as x:
        return Answer(0, {}, repr(x).encode())
    finally:
        c.close()


def call(method, path, body=None, headers=None, timeout=60):
    h = {"Host": "d", "Connection": "close"}
    if body is not None:
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        h["Content-Type"] = "application/json"
        h["Content-Length"] = str(len(body))
    h.update(headers or {})
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in h.items() if v is not None) + "\r\n"
    return raw(head.encode("utf-8", "surrogateescape") + (body or b""), timeout)


def serves():
    return call("GET", "/_ping").status == 200


def pids():
    out = subprocess.check_output([DIR + "/engine", "pids"], text=True).split()
    found = {}
    for p in out:
        try:
            # the unpackers come and go
            exe = os.path.basename(os.readlink(f"/proc/{p}/exe"))
            if exe != "bulwark-unpacker":
                found[int(p)] = exe
        except OSError:
            pass
    return found


def pid_of(name):
    return [p for p, exe in pids().items() if exe == name]


def log_size():
    return os.path.getsize(DIR + "/log")


def log_since(at):
    with open(DIR + "/log", errors="replace") as f:
        f.seek(at)
        return f.read()


def store_is_clean(wait=10):
    """Nothing half-made is in the store."""
    for _ in range(int(wait * 20)):
        left = [d for d in ("store/tmp", "store/trash") if os.listdir(f"{DIR}/root/{d}")]
        if not left:
            return True
        time.sleep(0.05)
    return False


# ---- archives
def add(t, name, data=b"", **kw):
    i = tarfile.TarInfo(name)
    i.size = len(data)
    i.mode = 0o755 if kw.get("type") == tarfile.DIRTYPE else 0o644
    for k, v in kw.items():
        setattr(i, k, v)
    t.addfile(i, io.BytesIO(data))
    return t


def tar(*entries):
    """Entries: (name, data, {attributes})."""
    f = io.BytesIO()
    with tarfile.open(fileobj=f, mode="w", format=tarfile.GNU_FORMAT) as t:
        for e in entries:
            add(t, e[0], *(e[1:2] or (b"",)), **(e[2] if len(e) > 2 else {}))
    return f.getvalue()


def config(layers, **more):
    v = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]},
         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(l).hexdigest() for l in layers]}}
    v.update(more)
    return json.dumps(v).encode()


def archive(layers, tags=("bad:1",), conf=None, manifest=None, extra=()):
    """As docker save writes it."""
    conf = config(layers) if conf is None else conf
    names = [f"{i}/layer.tar" for i in range(len(layers))]
    if manifest is None:
        manifest = json.dumps([{"Config": "c.json", "RepoTags": list(tags), "Layers": names}]).encode()
    return tar(*zip(names, layers), ("c.json", conf), *extra, ("manifest.json", manifest))


def load(data, path="/images/load?quiet=1", timeout=120):
    """Status and error text of a load: an error comes as an answer, or in the stream."""
    a = call("POST", path, data, {"Content-Type": "application/x-tar"}, timeout)
    for line in a.text.splitlines():
        try:
            v = json.loads(line)
        except ValueError:
            continue
        if "error" in v:
            return a.status, v["error"]
        if "message" in v:
            return a.status, v["message"]
    return a.status, "" if a.status == 200 else a.text


def images():
    return sorted(i["Id"] for i in json.loads(call("GET", "/images/json?all=1").text))
