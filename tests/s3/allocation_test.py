#!/usr/bin/python3
# build: release
"""GET and HEAD of an object that a node has answered before take no memory of the heap.

The node runs under tests/support/count_allocations.c, which counts every malloc and operator new of the process. Requests go
over one connection in batches, with the headers that clients send beside; the least of the batches counts, since the node does
something by itself now and then (it looks at its drives once a second, and on a busy machine most batches take longer). That the counter counts is shown by a request
that does allocate.
"""
import mmap
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from node import Node  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

BATCHES, BATCH, WARM = 31, 100, 300
BUCKET, KEY = "/a-bucket-with-a-long-name", "/a-bucket-with-a-long-name/some/folder/object-0000000000017"
METADATA = {"Content-Type": "application/x-something-of-its-own", "x-amz-meta-a-name-of-mine": "a value that is not short"}
report = Report("allocations: ")


class Counter:
    def __init__(self, directory):
        self.library = os.path.join(directory, "count_allocations.so")
        self.path, self.trace = os.path.join(directory, "count"), os.path.join(directory, "trace")
        source = os.path.join(HERE, "..", "support", "count_allocations.c")
        subprocess.run([os.environ.get("CC", "clang-19"), "-O1", "-fPIC", "-shared", "-o", self.library, source, "-ldl"], check=True)
        with open(self.path, "w+b") as out:
            out.write(bytes(4096))
            out.flush()
            self.map = mmap.mmap(out.fileno(), 4096)

    @property
    def environment(self):
        return {"LD_PRELOAD": self.library, "COUNT_ALLOCATIONS": self.path, "COUNT_TRACE": self.trace}

    def now(self):
        return struct.unpack("<Q", self.map[:8])[0]


class Wire:
    """One connection; the bytes of a request are made beforehand."""

    def __init__(self, node):
        self.socket = socket.create_connection(("127.0.0.1", node.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request, head_only):
        self.socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.receive()
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        left = 0 if head_only else int(fields[b"content-length"]) - len(body)
        while left > 0:
            left -= len(self.receive())
        return int(head[9:12])

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise RuntimeError("the node closed the connection")
        return data


def bytes_of(client, method, path, query=None, headers=None):
    target, signed = client.sign(method, path, query, headers)
    return f"{method} {target} HTTP/1.1\r\n{''.join(f'{name}: {value}' + chr(13) + chr(10) for name, value in signed.items())}\r\n".encode()


def per_request(wire, counter, request, head_only, good):
    """Allocations of the least batch, for each request of it."""
    for _ in range(WARM):
        if wire.ask(request, head_only) != good:
            raise RuntimeError(f"not {good}: {request[:200]!r}")
    batches = []
    for _ in range(BATCHES):
        before = counter.now()
        for _ in range(BATCH):
            wire.ask(request, head_only)
        batches.append(counter.now() - before)
    return min(batches) / BATCH


def measure(directory):
    counter = Counter(directory)
    with Node(data=os.path.join(directory, "node"), environment=counter.environment) as node:
        client = Client(node)
        assert client.request("PUT", BUCKET)[0] == 200
        assert client.request("PUT", KEY, os.urandom(4096), headers=METADATA)[0] == 200
        time.sleep(0.5)  # what follows a write (confirming record) is over
        rows = [("GET", "GET", {}), ("HEAD", "HEAD", {}),
                ("GET of a range", "GET", {"Range": "bytes=100-199"}),
                ("GET with what SDKs send", "GET", {"User-Agent": "Boto3/1.34 md/Botocore#1.34 ua/2.0 os/linux#6.1", "Accept-Encoding": "identity",
                                                    "amz-sdk-invocation-id": "0b0e8f0e-0000-4000-8000-000000000000", "amz-sdk-request": "attempt=1"})]
        for name, method, headers in rows:
            good, request, head_only = 206 if "Range" in headers else 200, bytes_of(client, method, KEY, headers=headers), method == "HEAD"
            wire = Wire(node)
            each = per_request(wire, counter, request, head_only, good)
            print(f"    {name}: {each:.4f} allocations a request", flush=True)
            if not report.check(f"{name} allocates nothing", each == 0, f"{each:.3f} a request"):
                describe(wire, counter, request, head_only)
        opened = b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}]}' % BUCKET[1:].encode()
        assert client.request("PUT", BUCKET, opened, query={"policy": ""})[0] == 204
        wire, anonymous = Wire(node), f"GET {KEY} HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\n\r\n".encode()
        for name, request in (("GET under a bucket policy", bytes_of(client, "GET", KEY)), ("GET by anybody", anonymous)):
            each = per_request(wire, counter, request, False, 200)
            print(f"    {name}: {each:.4f} allocations a request", flush=True)
            if not report.check(f"{name} allocates nothing", each == 0, f"{each:.3f} a request"):
                describe(wire, counter, request, False)
        planted = per_request(Wire(node), counter, bytes_of(client, "GET", BUCKET, {"list-type": "2"}), False, 200)
        report.check("the counter counts: a listing allocates", planted >= 1, f"{planted:.3f} a request")
        after = client.request("PUT", KEY, b"another")[0], client.request("GET", KEY)[1]
        report.check("what was answered out of memory is replaced by a PUT", after == (200, b"another"), str(after))


def describe(wire, counter, request, head_only):
    """Who allocates, for whoever has to find out."""
    counter.map[8:12] = struct.pack("<i", 60)
    for _ in range(3):
        wire.ask(request, head_only)
    counter.map[8:12] = struct.pack("<i", 0)
    if not os.path.exists(counter.trace):
        return print("    # nobody allocated this time", flush=True)
    with open(counter.trace) as trace:
        print("".join("    # " + line for line in trace.readlines()[:60]), flush=True)


def main():
    directory = tempfile.mkdtemp(prefix="flashstor-test-", dir=os.environ.get("FLASHSTOR_TEST_DIR"))
    try:
        report.run("count", measure, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    report.end()


main()
