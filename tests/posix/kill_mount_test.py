#!/usr/bin/python3
"""SIGKILL of the node in the middle of writes through a mount: what fsync confirmed is there afterwards, renames are whole."""
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), HERE]
import doors  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

BUCKET = "kill"


class Writer(threading.Thread):
    """Appends to, patches and renames files of its own until the mount dies; knows what was confirmed and what may be."""

    def __init__(self, mount, number, seed):
        super().__init__(daemon=True)
        self.mount, self.number, self.random = mount, number, random.Random(seed)
        self.confirmed, self.tried, self.names, self.rounds = {}, {}, {}, 0

    def run(self):
        try:
            while True:
                self.one_round()
                self.rounds += 1
        except OSError:
            pass  # the node is gone: that is the point

    def one_round(self):
        key = (self.number, self.random.randrange(8))
        name = self.names.get(key, ["w%d-%d-0" % key])[-1]
        self.names.setdefault(key, [name])
        data = bytearray(self.confirmed.get(key, b""))
        offset = self.random.randrange(len(data) + 1)
        piece = self.random.randbytes(self.random.choice((100, 5000, 200_000)))
        data[offset:offset + len(piece)] = piece
        self.tried[key] = bytes(data)
        file = os.open(f"{self.mount}/{name}", os.O_RDWR | os.O_CREAT)
        try:
            os.pwrite(file, piece, offset)
            os.fsync(file)
            self.confirmed[key] = bytes(data)
        finally:
            os.close(file)
        if self.random.random() < 0.3:
            other = "w%d-%d-%d" % (*key, self.random.randrange(1000))
            self.names[key] = [name, other]
            os.rename(f"{self.mount}/{name}", f"{self.mount}/{other}")
            self.names[key] = [other]


def check(writer, mount, s3):
    present = set(os.listdir(mount))
    for key, confirmed in writer.confirmed.items():
        names = [name for name in writer.names[key] if name in present]
        assert len(names) == 1, f"{writer.names[key]} became {names}"
        with open(f"{mount}/{names[0]}", "rb") as file:
            seen = file.read()
        # The write that was under way may have happened, wholly or in the pieces that the kernel made of it.
        tried = writer.tried[key]
        assert len(seen) in (len(confirmed), len(tried)) or len(confirmed) < len(seen) < len(tried), (names, len(seen))
        wrong = [at for at in range(len(seen)) if seen[at] not in (confirmed[at:at + 1] + tried[at:at + 1])]
        assert not wrong, f"{names[0]}: byte {wrong[0]} of {len(seen)} was never written"
        status, body, _ = s3.request("GET", f"/{BUCKET}/{names[0]}")
        assert status == 200 and body == seen, (names, status)


def kill_while_writing(door, seed):
    start = random.Random(seed)
    writers = [Writer(door.mount, seed * 10 + n, seed * 10 + n) for n in range(3)]
    for writer in writers:
        writer.start()
    end = time.monotonic() + 30
    wanted = start.randrange(5, 60)
    while sum(writer.rounds for writer in writers) < wanted:
        assert time.monotonic() < end, "the writers do not get on"
        time.sleep(0.005)
    door.node.kill()
    for writer in writers:
        writer.join(30)
        assert not writer.is_alive(), "a write hangs on a mount whose node is gone"
    door.node.start()
    for writer in writers:
        check(writer, door.mount, Client(door.node))


def main():
    report = Report("posix kill: ")
    if doors.why_not():
        report.skip("all", doors.why_not())
        report.end()
    rounds = 30 if "--full" in sys.argv else 5
    for drives in (4, 18):
        with doors.Door(doors.NODE, BUCKET, drives=drives) as door:
            for seed in range(1, rounds + 1):
                report.run(f"SIGKILL while three write, {drives} drives, round {seed}", kill_while_writing, door, seed)
    report.end()


if __name__ == "__main__":
    main()
