#!/usr/bin/python3
"""logpeers.py KIND ADDRESS OUT [key=value...]: one endpoint of a log driver, as small as it can be. What arrives is appended to OUT, a line for each record: as it is
(syslog) or as JSON. KIND: syslog-udp, syslog-tcp, syslog-octets, unixgram, gelf-udp, gelf-tcp, fluentd, journald, splunk, aws, gcp. Nothing but the standard library."""
import base64, gzip, hashlib, hmac, http.server, json, os, socket, ssl, struct, sys, threading, zlib

kind, address, out_path = sys.argv[1:4]
options = dict(o.split("=", 1) for o in sys.argv[4:])
out = open(out_path, "ab", buffering=0)
lock = threading.Lock()


def say(record):
    data = record if isinstance(record, bytes) else json.dumps(record, sort_keys=True).encode()
    with lock:
        out.write(data.rstrip(b"\n") + b"\n")


class Unpacker:
    """MessagePack, as much as the forward protocol uses; read blocks until there is enough"""
    def __init__(self, read):
        self.read = read

    def number(self, n):
        return int.from_bytes(self.read(n), "big")

    def item(self):
        c = self.number(1)
        if c < 0x80:
            return c
        if c < 0x90:
            return {self.item(): self.item() for _ in range(c & 15)}
        if c < 0xa0:
            return [self.item() for _ in range(c & 15)]
        if c < 0xc0:
            return self.read(c & 31).decode("utf-8", "replace")
        if c in (0xcc, 0xcd, 0xce, 0xcf):
            return self.number(1 << (c - 0xcc))
        if c in (0xd9, 0xda, 0xdb):
            return self.read(self.number(1 << (c - 0xd9))).decode("utf-8", "replace")
        if c in (0xdc, 0xdd):
            return [self.item() for _ in range(self.number(2 << (c - 0xdc)))]
        if c in (0xde, 0xdf):
            return {self.item(): self.item() for _ in range(self.number(2 << (c - 0xde)))}
        if c == 0xd7:
            assert self.number(1) == 0
            return {"sec": self.number(4), "nsec": self.number(4)}
        if c == 0xc0:
            return None
        raise ValueError("MessagePack byte %x" % c)


def pack_str(s):
    assert len(s) < 256
    return bytes([0xd9, len(s)]) + s.encode()


def fluentd(conn):
    f = conn.makefile("rb")

    def read(n):
        data = f.read(n)
        if len(data) != n:
            raise EOFError
        return data

    u = Unpacker(read)
    while True:
        tag, entries, option = u.item()
        assert option["size"] == len(entries)
        for when, record in entries:
            say({"tag": tag, "time": when, "record": record})
        if "chunk" in option:
            conn.sendall(b"\x81" + pack_str("ack") + pack_str(option["chunk"]))


def lines(conn):
    for line in conn.makefile("rb"):
        say(line)


def octets(conn):
    f = conn.makefile("rb")
    while True:
        n = b""
        while not n.endswith(b" "):
            c = f.read(1)
            if not c:
                return
            n += c
        say(b"[" + n.strip() + b"]" + f.read(int(n)))


def zeros(conn):
    rest = b""
    while True:
        data = conn.recv(65536)
        if not data:
            return
        rest += data
        *whole, rest = rest.split(b"\0")
        for w in whole:
            say(json.loads(w))


def gelf_message(data):
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    elif data[:1] == b"\x78":
        data = zlib.decompress(data)
    say(json.loads(data))


chunks = {}


def gelf(data):
    if data[:2] != b"\x1e\x0f":
        gelf_message(data)
        return
    key, number, count = data[2:10], data[10], data[11]
    chunks.setdefault(key, {})[number] = data[12:]
    if len(chunks[key]) == count:
        parts = chunks.pop(key)
        gelf_message(b"".join(parts[i] for i in range(count)))


def journald(data):
    fields, at = {}, 0
    while at < len(data):
        end = data.index(b"\n", at)
        line = data[at:end]
        if b"=" in line:
            key, value = line.split(b"=", 1)
            at = end + 1
        else:
            n = struct.unpack_from("<Q", data, end + 1)[0]
            key, value = line, data[end + 9:end + 9 + n]
            assert data[end + 9 + n:end + 10 + n] == b"\n"
            at = end + 10 + n
        fields[key.decode()] = value.decode("utf-8", "replace")
    say(fields)


def serve_datagrams(s, handle):
    while True:
        data, fds, _, _ = socket.recv_fds(s, 1 << 20, 4) if s.family == socket.AF_UNIX else (s.recv(1 << 16), [], 0, 0)
        for fd in fds:
            data = os.pread(fd, 1 << 24, 0)
            os.close(fd)
        handle(data)


def serve_stream(s, handle, tls=None):
    def one(conn):
        try:
            handle(tls.wrap_socket(conn, server_side=True) if tls else conn)
        except (EOFError, OSError, ssl.SSLError):
            pass
        conn.close()
    while True:
        conn, _ = s.accept()
        threading.Thread(target=one, args=(conn,), daemon=True).start()


def listen(family, type_, where):
    s = socket.socket(family, type_)
    if family == socket.AF_UNIX:
        if os.path.exists(where):
            os.unlink(where)
        s.bind(where)
        os.chmod(where, 0o666)
    else:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if type_ == socket.SOCK_DGRAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else socket.SO_RCVBUF, 1 << 23)
        s.bind(("127.0.0.1", int(where)))
    if type_ == socket.SOCK_STREAM:
        s.listen(16)
    return s


def split_json(text):
    at, found = 0, []
    while at < len(text):
        value, at = json.JSONDecoder().raw_decode(text, at)
        found.append(value)
    return found


def sign_aws(handler, body):
    """the signature of a request as AWS computes it (Signature Version 4), from what the client says that it signed"""
    said = dict(p.strip().split("=", 1) for p in handler.headers["Authorization"].split(" ", 1)[1].split(","))
    _, date, region, service, _ = said["Credential"].split("/")
    names = said["SignedHeaders"].split(";")
    canonical = "\n".join([handler.command, handler.path, "", *["%s:%s" % (n, handler.headers[n].strip()) for n in names], "", said["SignedHeaders"], hashlib.sha256(body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", handler.headers["X-Amz-Date"], "/".join([date, region, service, "aws4_request"]), hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + options["secret"]).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == said["Signature"]


groups, streams = set(), set()


def aws(handler, body):
    action, request = handler.headers["X-Amz-Target"].split(".")[1], json.loads(body)
    if not sign_aws(handler, body):
        return 403, {"__type": "InvalidSignatureException"}
    say({"action": action, "request": request, "format": handler.headers.get("x-amzn-logs-format"), "token": handler.headers.get("X-Amz-Security-Token")})
    group, stream = request["logGroupName"], request.get("logStreamName")
    if action == "CreateLogGroup":
        groups.add(group)
    elif group not in groups:
        return 400, {"__type": "com.amazonaws.logs#ResourceNotFoundException", "message": "The specified log group does not exist."}
    elif action == "CreateLogStream" and (group, stream) in streams:
        return 400, {"__type": "ResourceAlreadyExistsException"}
    elif action == "CreateLogStream":
        streams.add((group, stream))
    return 200, {}


def splunk(handler, body):
    if handler.headers["Authorization"] != "Splunk " + options["token"]:
        return 403, {"text": "Invalid token", "code": 4}
    if handler.command == "OPTIONS":
        return 200, {}
    if handler.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    for event in split_json(body.decode()):
        say(dict(event, path=handler.path))
    return 200, {"text": "Success", "code": 0}


def gcp(handler, body):
    if handler.path == "/token":
        # a JWT of our key, whose signature openssl checked in the test would be; here its claims are looked at
        form = dict(p.split("=", 1) for p in body.decode().split("&"))
        head, claims, signature = form["assertion"].split(".")
        raw = lambda t: base64.urlsafe_b64decode(t + "=" * (-len(t) % 4))
        for name, data in (("jwt.text", (head + "." + claims).encode()), ("jwt.sig", raw(signature))):
            open(out_path + "." + name, "wb").write(data)
        say({"claims": json.loads(raw(claims)), "head": json.loads(raw(head))})
        return 200, {"access_token": "token-of-the-test", "expires_in": 3600, "token_type": "Bearer"}
    if handler.headers["Authorization"] != "Bearer token-of-the-test":
        return 401, {"error": {"status": "UNAUTHENTICATED"}}
    request = json.loads(body)
    for entry in request["entries"]:
        say({"entry": entry, "logName": request["logName"], "resource": request["resource"], "path": handler.path})
    return 200, {}


def serve_http(where, answer, tls):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                status, reply = answer(self, body)
            except Exception as e:
                status, reply = 500, {"error": repr(e)}
            data = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_OPTIONS = do_GET = serve

        def log_message(self, *args):
            pass

    http.server.ThreadingHTTPServer.allow_reuse_address = True
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(where)), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    print("ready", flush=True)
    server.serve_forever()


tls = None
if "cert" in options:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options["cert"], options["key"])
    if "client_ca" in options:
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(options["client_ca"])
http_kinds = {"aws": aws, "splunk": splunk, "gcp": gcp}
if kind in http_kinds:
    serve_http(address, http_kinds[kind], tls)
INET, UNIX, STREAM, DGRAM = socket.AF_INET, socket.AF_UNIX, socket.SOCK_STREAM, socket.SOCK_DGRAM
family = UNIX if "/" in address else INET
handlers = {"syslog-udp": (DGRAM, say), "syslog-tcp": (STREAM, lines), "syslog-octets": (STREAM, octets), "unixgram": (DGRAM, say), "gelf-udp": (DGRAM, gelf),
            "gelf-tcp": (STREAM, zeros), "fluentd": (STREAM, fluentd), "journald": (DGRAM, journald)}
type_, handle = handlers[kind]
s = listen(family, type_, address)
print("ready", flush=True)
if type_ == DGRAM:
    serve_datagrams(s, handle)
else:
    serve_stream(s, handle, tls)
