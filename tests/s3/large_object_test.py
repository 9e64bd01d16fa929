#!/usr/bin/python3
"""Large objects in bounded memory: one PUT, one multipart upload with parts side by side, GETs of both, byte for byte, and
the healing of a drive that lost its part of one.

large_object_test.py [--full]     1 GiB each, with --full 5 GiB; starts flashstor-s3d of FLASHSTOR_BUILD for itself

What is tested is how much the node's resident memory grows at its peak: less than 64 MiB, whatever the object's size.
"""
import http.client
import json
import os
import random
import re
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from node import Node  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

MIB = 1 << 20
FULL = "--full" in sys.argv
SIZE = (5 if FULL else 1) << 30
PART = 128 * MIB
MOST_GROWTH = 64 * MIB
BLOCK = random.Random(11).randbytes(MIB + 4096)
report = Report("large objects: ")


def block_of(number):
    """The MiB of the object at `number`: no two neighbours are equal, so that a stripe in the wrong place is seen."""
    start = number * 37 % 4096
    return memoryview(BLOCK)[start:start + MIB]


def status_kib(node, name):
    with open(f"/proc/{node.process.pid}/status") as status:
        return int(re.search(rf"{name}:\s+(\d+)", status.read())[1])


def growth_of(node, work):
    """Bytes by which the node's resident memory grew at its peak while `work` ran."""
    with open(f"/proc/{node.process.pid}/clear_refs", "w") as peak:
        peak.write("5")  # the peak starts anew
    before = status_kib(node, "VmRSS")
    work()
    return (status_kib(node, "VmHWM") - before) * 1024


def open_request(node, method, path, query=None, length=None):
    target, headers = Client(node).sign(method, path, query)
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=120)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if length is not None:
        connection.putheader("Content-Length", str(length))
    connection.endheaders()
    return connection


def send(node, path, first, size, query=None):
    """PUT of `size` bytes from block `first` on; gives the ETag."""
    connection = open_request(node, "PUT", path, query, size)
    for number in range(first, first + size // MIB):
        connection.send(block_of(number))
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"PUT answered {answer.status}: {text[:300]!r}")
    return answer.headers["ETag"]


def receive(node, path):
    connection = open_request(node, "GET", path)
    answer = connection.getresponse()
    if answer.status != 200 or int(answer.headers["Content-Length"]) != SIZE:
        raise RuntimeError(f"GET answered {answer.status}, {answer.headers['Content-Length']} bytes")
    piece = bytearray(MIB)
    for number in range(SIZE // MIB):
        view = memoryview(piece)
        while len(view):
            got = answer.readinto(view)
            if not got:
                raise RuntimeError(f"the object ended in block {number}")
            view = view[got:]
        if piece != block_of(number):
            raise RuntimeError(f"wrong bytes in block {number}")
    connection.close()


def upload_in_parts(node, path, at_once=2):
    client = Client(node)
    status, text, _ = client.request("POST", path, query={"uploads": ""})
    if status != 200:
        raise RuntimeError(f"the upload was not begun: {status}")
    upload = re.search(rb"<UploadId>([^<]+)", text)[1].decode()
    numbers, etags, problems = list(range(1, SIZE // PART + 1)), {}, []

    def work():
        while numbers and not problems:
            number = numbers.pop(0)
            try:
                etags[number] = send(node, path, (number - 1) * (PART // MIB), PART, {"partNumber": number, "uploadId": upload})
            except Exception as problem:
                problems.append(problem)

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etags[n]}</ETag></Part>" for n in sorted(etags))
    status, text, _ = client.request("POST", path, f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode(), {"uploadId": upload})
    if status != 200 or b"<ETag>" not in text:
        raise RuntimeError(f"the upload was not completed: {status} {text[:300]!r}")


def lose_and_heal(node, number=2):
    """Empties a drive and waits until it holds again what it had."""
    client, path = Client(node), node.drives[number - 1]

    def admin(what):
        return json.loads(client.request("GET", f"/flashstor/admin/v1/{what}")[1])

    def whole():
        info = admin("info")
        drive = next(d for d in info["nodes"][0]["drives"] if d["path"] == path)
        return drive["uuid"] != lost and info["sets"][0]["healthy"]

    lost = next(d for d in admin("info")["nodes"][0]["drives"] if d["path"] == path)["uuid"]
    for name in os.listdir(path):
        shutil.rmtree(os.path.join(path, name))
    end = time.monotonic() + 300
    while not whole():
        if time.monotonic() > end:
            raise RuntimeError(f"not healed: {admin('info')} {admin('heal')}")
        time.sleep(0.1)
    if admin("heal")["bytes_healed"] < SIZE // 2:
        raise RuntimeError("healed without having rebuilt the object's shard")


def round_trip(kind, put):
    """On a node of its own, so that the disk holds one object at a time."""
    with Node() as node:
        if Client(node).request("PUT", "/large")[0] != 200:
            raise RuntimeError("no bucket")
        send(node, "/large/warm", 0, 16 * MIB)
        for name, work in ((f"{kind} of {SIZE >> 30} GiB", lambda: put(node, "/large/object")), (f"GET after {kind}", lambda: receive(node, "/large/object")),
                           (f"healing after {kind}", lambda: lose_and_heal(node))):
            growth = growth_of(node, work)
            if not os.environ.get("FLASHSTOR_SANITIZED"):  # whose memory is not the product's
                report.check(f"{name} grows the node by less than {MOST_GROWTH >> 20} MiB", growth < MOST_GROWTH, f"it grew by {growth / MIB:.1f} MiB")
            print(f"    {name}: {growth / MIB:.1f} MiB", flush=True)


report.run("PUT in one piece comes back", round_trip, "PUT in one piece", lambda node, path: send(node, path, 0, SIZE))
report.run("multipart comes back", round_trip, "multipart PUT", upload_in_parts)
report.end()
