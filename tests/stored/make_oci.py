#!/usr/bin/env python3
"""Turns a docker-archive with one layer into an OCI layout with a gzip layer and nothing else: make_oci.py IN OUT"""
import gzip
import hashlib
import io
import json
import sys
import tarfile

src = tarfile.open(sys.argv[1])
read = lambda name: src.extractfile(name).read()
entry = json.loads(read("manifest.json"))[0]
blobs = []


def blob(kind, data):
    digest = hashlib.sha256(data).hexdigest()
    blobs.append((digest, data))
    return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest, "size": len(data)}


manifest = {"schemaVersion": 2, "config": blob("config.v1+json", read(entry["Config"])),
            "layers": [blob("layer.v1.tar+gzip", gzip.compress(read(n), 1)) for n in entry["Layers"]]}
other = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + "0" * 64, "size": 1,
         "platform": {"os": "linux", "architecture": "s390x"}}
index = blob("index.v1+json", json.dumps({"manifests": [other, blob("manifest.v1+json", json.dumps(manifest).encode())]}).encode())
index["annotations"] = {"io.containerd.image.name": "docker.io/library/oci-busybox:1"}
with tarfile.open(sys.argv[2], "w") as out:
    files = [("blobs/sha256/" + d, b) for d, b in blobs]
    files += [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", json.dumps({"schemaVersion": 2, "manifests": [index]}).encode())]
    for name, data in files:
        t = tarfile.TarInfo(name)
        t.size = len(data)
        out.addfile(t, io.BytesIO(data))
