#!/usr/bin/python3
"""logfiles.py make FILE MB | numbers FILE | rotation DIR SIZE | demux: what tests/api/logs needs to know of log files."""
import glob, os, struct, sys


def frames(data):
    at = 0
    while at < len(data):
        assert data[at:at + 3] == b"\xb0LF", "no frame at %d" % at
        n, seq = struct.unpack_from("<IQ", data, at + 4)
        yield seq, at, 32 + n
        at += 32 + n


def records(path):
    data = open(path, "rb").read()
    if data[:1] == b"\xb0":
        return [n for _, _, n in frames(data)]
    return [len(l) for l in data.splitlines(True)]


def make(path, megabytes):
    block = b"".join(b"%08d %s\n" % (i, b"the quick brown fox jumps over the lazy dog " * (i % 5)) for i in range(10000))
    left = int(megabytes) << 20
    with open(path, "wb") as f:
        i = 0
        while left > 0:
            piece = (b"block %d\n" % i + block)[:left]
            f.write(piece)
            left -= len(piece)
            i += 1


def numbers(path):
    seqs = [s for s, _, _ in frames(open(path, "rb").read())]
    assert seqs == list(range(seqs[0], seqs[-1] + 1)), "the numbers have gaps"
    print("%d-%d" % (seqs[0], seqs[-1]))


def rotation(where, size):
    size = int(size)
    names = [n for n in glob.glob(where + "/*.log*")]
    names.sort(key=lambda n: -int(n.rsplit(".", 1)[1]) if n[-1].isdigit() else 0)
    for older, newer in zip(names, names[1:]):
        n = os.path.getsize(older)
        if n > size or n + records(newer)[0] <= size:
            print("%s holds %d of %d bytes" % (older, n, size))
    print("%d files, exact" % len(names))


def demux():
    data, at = sys.stdin.buffer.read(), 0
    while at + 8 <= len(data):
        n = struct.unpack_from(">I", data, at + 4)[0]
        sys.stdout.buffer.write(data[at + 8:at + 8 + n])
        at += 8 + n


{"make": make, "numbers": numbers, "rotation": rotation, "demux": demux}[sys.argv[1]](*sys.argv[2:])
