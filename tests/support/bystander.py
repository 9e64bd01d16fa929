"""What a node's other clients notice, what its metrics count and how much memory it holds while a test does it harm."""
import os
import re
import threading
import time

from signed import Client


class Bystander(threading.Thread):
    """Puts and gets its own objects all the while and compares the bytes."""

    def __init__(self, node, bucket):
        super().__init__(daemon=True)
        self.client, self.bucket = Client(node), bucket
        self.ended = False
        self.times, self.wrong = [], []

    def run(self):
        turn = 0
        while not self.ended:
            turn += 1
            body = os.urandom(4096)
            began = time.monotonic()
            try:
                put = self.client.request("PUT", f"/{self.bucket}/bystander/{turn % 20}", body)[0]
                status, data = self.client.request("GET", f"/{self.bucket}/bystander/{turn % 20}")[:2]
                if (put, status) != (200, 200) or data != body:
                    self.wrong.append(f"turn {turn}: PUT {put}, GET {status}, {len(data)} bytes")
            except Exception as problem:  # noqa: BLE001: whatever it is, the bystander was disturbed
                self.wrong.append(f"turn {turn}: {problem!r}")
            self.times.append(time.monotonic() - began)
            time.sleep(0.01)

    def end(self, report, name):
        """Stops it; its figures are printed, and it must never have been answered wrongly."""
        self.ended = True
        self.join()
        ordered = sorted(self.times)
        if ordered:
            print(f"    bystander during {name}: {len(ordered)} PUT and GET, median {ordered[len(ordered) // 2] * 1e3:.1f} ms, "
                  f"p99 {ordered[int(len(ordered) * 0.99)] * 1e3:.1f} ms, longest {ordered[-1] * 1e3:.1f} ms", flush=True)
        report.check(f"{name}: another client is served all the while", ordered and not self.wrong, "\n".join(self.wrong[:10]))


def metrics(node):
    """Every sample: name and labels as they are written, to value."""
    status, text = Client(node).request("GET", "/flashstor/metrics")[:2]
    assert status == 200, (status, text)
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.decode().splitlines() if line and line[0] != "#"}


class Counting:
    """How much samples grew since it was made."""

    def __init__(self, node):
        self.node, self.before = node, metrics(node)

    def grown(self):
        now = metrics(self.node)
        return {name: value - self.before.get(name, 0) for name, value in now.items() if value != self.before.get(name, 0)}


def memory_mib(node, field="VmRSS"):
    """Resident memory of the node's process."""
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as status:
        return int(re.search(rf"{field}:\s+(\d+) kB", status.read())[1]) / 1024
