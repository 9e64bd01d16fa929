#!/usr/bin/python3
# build: release
"""Mixed load does not make the node grow: after its caches are full, resident memory stays where it is.

memory_growth_test.py [--full]     three quarters of a minute, with --full an hour; starts flashstor-s3d for itself

The caches are given 16 MiB. They, RocksDB's tables and the logs take minutes to be full, so the short form finds a leak of about a KiB
a request, and the hour of --full a small one.
Memory that a burst of connections needed must go back when they have closed.
"""
import os
import random
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from node import Node  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

MIB = 1 << 20
FULL = "--full" in sys.argv
WARM, LOAD = (300, 3300) if FULL else (20, 25)
MOST_GROWTH = (12 if FULL else 32) * MIB
WORKERS = 4
report = Report("memory: ")


def resident(node):
    with open(f"/proc/{node.process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) * 1024


class Worker(threading.Thread):
    """Puts, reads, lists and deletes its own keys, of sizes that take every path."""

    def __init__(self, node, number):
        super().__init__(daemon=True)
        self.client, self.random, self.number = Client(node), random.Random(number), number
        self.ended, self.done, self.bad = False, 0, []

    def run(self):
        while not self.ended:
            key = f"/mixed/w{self.number}/{self.random.randrange(3000)}"
            kind = self.random.random()
            if kind < 0.4:
                size = self.random.choice([0, 100, 4096, 4096, 4096, 20_000, 200_000] + [1_500_000] * (self.random.random() < 0.05))
                status, good = self.client.request("PUT", key, b"x" * size)[0], (200,)
            elif kind < 0.7:
                status, good = self.client.request("GET", key)[0], (200, 404)
            elif kind < 0.85:
                status, good = self.client.request("DELETE", key)[0], (204,)
            elif kind < 0.95:
                status, good = self.client.request("GET", "/mixed", query={"list-type": "2", "prefix": f"w{self.number}/1"})[0], (200,)
            else:
                status, good = self.client.request("GET", "/mixed/none")[0], (404,)
            self.done += 1
            if status not in good:
                self.bad.append(status)


def mixed_load():
    with Node(arguments=["--memory", "16"]) as node:
        if Client(node).request("PUT", "/mixed")[0] != 200:
            raise RuntimeError("no bucket")
        workers = [Worker(node, number) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        time.sleep(WARM)
        before = resident(node)
        highest, end = before, time.monotonic() + LOAD
        while time.monotonic() < end:
            time.sleep(1)
            highest = max(highest, resident(node))
        for worker in workers:
            worker.ended = True
        for worker in workers:
            worker.join(60)
        bad = [status for worker in workers for status in worker.bad]
        report.check("every request was answered as it should be", not bad, str(bad[:20]))
        growth = highest - before
        report.check("mixed load does not make the node grow", growth < MOST_GROWTH,
                     f"from {before / MIB:.1f} MiB to {highest / MIB:.1f} MiB in {LOAD} s")
        print(f"    {sum(worker.done for worker in workers)} requests, {before / MIB:.1f} MiB, then at most {highest / MIB:.1f} MiB", flush=True)
        connections_burst(node)


def connections_burst(node, count=1500):
    """Half a PUT of 64 KiB on each of many connections, all dropped: what they took is given back."""
    before = resident(node)
    target, headers = Client(node).sign("PUT", "/mixed/half")
    head = f"PUT {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items()) + "Content-Length: 65536\r\n\r\n"
    sockets = []
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", node.port))
        one.sendall(head.encode() + b"x" * 32768)
        sockets.append(one)
    deadline = time.monotonic() + 30
    while resident(node) - before < count * 16384 and time.monotonic() < deadline:
        time.sleep(0.05)
    during = resident(node)
    report.check("an active connection takes at most 96 KiB", during - before < count * 96 * 1024, f"{(during - before) / count / 1024:.1f} KiB each")
    for one in sockets:
        one.close()
    deadline = time.monotonic() + 30
    while resident(node) - before > 32 * MIB and time.monotonic() < deadline:
        time.sleep(0.1)
    after = resident(node)
    report.check("memory of connections that are gone is given back", after - before <= 32 * MIB,
                 f"{before / MIB:.0f} MiB before, {during / MIB:.0f} MiB with {count} connections, {after / MIB:.0f} MiB 30 s after them")
    print(f"    {before / MIB:.0f} MiB, with {count} connections {during / MIB:.0f} MiB, after them {after / MIB:.0f} MiB", flush=True)


report.run("mixed load and a burst of connections", mixed_load)
report.end()
