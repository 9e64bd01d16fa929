#!/usr/bin/python3
"""SIGKILL at random moments under S3 load: nothing that was answered is lost, nothing has wrong bytes, every restart serves."""
import hashlib
import http.client
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from node import Node  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

KILLS = 300 if "--full" in sys.argv else 20
WRITERS = 6
SIZES = [0, 100, 4096, 4096, 20_000, 300_000, 3_000_000]


def body_of(key, generation, size):
    """Bytes that name their key and generation, so that a reader knows which write it sees."""
    head = f"{key} {generation} {size} ".encode()
    seed = hashlib.sha256(head).digest()
    return (head + seed * (size // 32 + 1))[:max(size, len(head))]


class Writer(threading.Thread):
    """Writes, overwrites and deletes its own keys; remembers what was answered and what may have happened."""

    def __init__(self, client, number, seed):
        super().__init__(daemon=True)
        self.client, self.number, self.random = client, number, random.Random(seed)
        self.running = threading.Event()
        self.ended = False
        self.state = {}      # key -> bytes or None: the last answered outcome
        self.maybe = {}      # key -> outcomes that may or may not have happened since
        self.answered = self.unknown = 0

    def run(self):
        generation = 0
        while not self.ended:
            if not self.running.wait(0.2):
                continue
            generation += 1
            key = f"w{self.number}/k{self.random.randrange(30)}"
            delete = self.random.random() < 0.15
            value = None if delete else body_of(key, generation, self.random.choice(SIZES))
            self.maybe.setdefault(key, []).append(value)
            try:
                status = self.client.request("DELETE" if delete else "PUT", f"/faults/{key}", value or b"")[0]
            except (OSError, http.client.HTTPException):
                self.unknown += 1
                continue
            if status in (200, 204):
                self.state[key], self.maybe[key] = value, []
                self.answered += 1
            else:
                self.unknown += 1


def verify(client, writers):
    """What is wrong, in words. What it sees counts as decided from now on."""
    wrong = []
    for writer in writers:
        for key in sorted(set(writer.state) | set(writer.maybe)):
            allowed = [writer.state.get(key)] + writer.maybe.get(key, [])
            status, data = client.request("GET", f"/faults/{key}")[:2]
            seen = data if status == 200 else None
            if status not in (200, 404) or seen not in allowed:
                head = data[:40] if data else b""
                wrong.append(f"{key}: status {status}, {len(data or b'')} bytes {head!r}; {len(allowed)} outcomes were possible")
            writer.state[key], writer.maybe[key] = seen, []
    return wrong


def main():
    report = Report("faults: ")
    seed = int(os.environ.get("FLASHSTOR_SEED", random.randrange(1 << 30)))
    rng = random.Random(seed)
    print(f"    seed {seed} (FLASHSTOR_SEED repeats the schedule of kills)")
    wrong, longest = [], 0.0
    with Node() as node:
        client = Client(node)
        assert client.request("PUT", "/faults")[0] == 200
        writers = [Writer(Client(node), n, seed + n) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        in_flight = 0
        for kill in range(KILLS):
            for writer in writers:
                writer.running.set()
            time.sleep(rng.uniform(0.02, 0.4))  # the moment of the kill is the test's input, not something awaited
            node.kill()
            for writer in writers:
                writer.running.clear()
            before = sum(writer.unknown for writer in writers)
            start = time.monotonic()
            node.start()
            longest = max(longest, time.monotonic() - start)
            time.sleep(0.25)  # lets the requests that were cut notice it
            in_flight += sum(writer.unknown for writer in writers) > before
            wrong += [f"kill {kill}: {each}" for each in verify(Client(node), writers)]
            if wrong:
                break
        answered = sum(writer.answered for writer in writers)
        for writer in writers:
            writer.ended = True
            writer.running.set()
        for writer in writers:
            writer.join()
    print(f"    {KILLS} kills, {in_flight} hit requests in flight, {answered} answered writes, longest restart {longest:.2f} s")
    report.check(f"{KILLS} kills lose nothing that was answered", not wrong, "\n".join(wrong[:20]))
    report.check("the writers were answered between the kills", answered > KILLS, f"{answered} answers")
    report.end()


main()
