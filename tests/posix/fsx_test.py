#!/usr/bin/python3
"""Random reads, writes, truncates, holes, syncs and reopens of one mounted file against a model in memory.

A failure prints its seed: `fsx_test.py SEED...` runs those alone.
"""
import ctypes
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), HERE]
import doors  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

SEEDS = [1, 2, 3, 4, 5, 6]
STEPS = 1500
# Small files keep writes inside one segment, large ones cross segment and stripe ends.
LARGEST = {0: 20_000, 1: 300_000, 2: 6_000_000}
LIBC = ctypes.CDLL(None, use_errno=True)


class Fsx:
    def __init__(self, seed, path, s3, key):
        self.random, self.path, self.s3, self.key = random.Random(seed), path, s3, key
        self.largest = LARGEST[seed % len(LARGEST)]
        self.model, self.file, self.steps = bytearray(), os.open(path, os.O_RDWR | os.O_CREAT), []

    def span(self, end):
        """An offset up to `end` and a size; ends near 4 KiB borders come often, since mistakes live there."""
        offset = self.random.randrange(end + 1)
        if self.random.random() < 0.3:
            offset = min(end, max(0, offset // 4096 * 4096 + self.random.choice((-1, 0, 1))))
        return offset, self.random.randrange(1, self.random.choice((16, 5000, 70_000)))

    def write(self):
        offset, size = self.span(self.largest)
        data = self.random.randbytes(size)
        assert os.pwrite(self.file, data, offset) == size
        if offset > len(self.model):
            self.model.extend(bytes(offset - len(self.model)))
        self.model[offset:offset + size] = data
        return offset, size

    def read(self):
        offset, size = self.span(len(self.model))
        assert os.pread(self.file, size, offset) == self.model[offset:offset + size], (offset, size)
        return offset, size

    def truncate(self):
        size = self.random.choice((0, self.random.randrange(self.largest), len(self.model) // 2, len(self.model) + 5000))
        os.ftruncate(self.file, size)
        del self.model[size:]
        self.model.extend(bytes(size - len(self.model)))
        return (size,)

    def punch(self):
        offset, size = self.span(len(self.model))
        done = LIBC.fallocate(self.file, 3, ctypes.c_long(offset), ctypes.c_long(size))  # PUNCH_HOLE | KEEP_SIZE
        assert done == 0, os.strerror(ctypes.get_errno())
        size = max(0, min(size, len(self.model) - offset))
        self.model[offset:offset + size] = bytes(size)
        return offset, size

    def sync(self):
        os.fsync(self.file)
        if self.random.random() < 0.3:
            self.compare_by_s3()
        return ()

    def reopen(self):
        os.close(self.file)
        self.file = os.open(self.path, os.O_RDWR)
        return ()

    def drop(self):
        """Forgets the kernel's copy of the pages, so that the next read asks the node."""
        os.fsync(self.file)
        os.posix_fadvise(self.file, 0, 0, os.POSIX_FADV_DONTNEED)
        return ()

    def compare(self):
        assert os.fstat(self.file).st_size == len(self.model)
        self.differs(os.pread(self.file, len(self.model) + 1, 0))
        return ()

    def compare_by_s3(self):
        status, body, _ = self.s3.request("GET", self.key)
        assert status == 200, status
        self.differs(body)

    def differs(self, seen):
        if seen != self.model:
            at = next((n for n, (a, b) in enumerate(zip(seen, self.model)) if a != b), min(len(seen), len(self.model)))
            raise AssertionError(f"{len(seen)} bytes for {len(self.model)}, first difference at {at}")

    def run(self):
        kinds = [self.write] * 8 + [self.read] * 8 + [self.truncate, self.punch, self.punch, self.sync, self.reopen,
                                                      self.drop, self.compare]
        try:
            for _ in range(STEPS):
                kind = self.random.choice(kinds)
                self.steps.append(kind.__name__)
                self.steps.append(kind())
            os.fsync(self.file)
            self.compare()
            self.compare_by_s3()
        except (AssertionError, OSError) as error:
            raise AssertionError(f"step {len(self.steps) // 2}: {error}; last steps {self.steps[-16:]}") from error
        finally:
            os.close(self.file)


def main():
    report = Report("posix fsx: ")
    if doors.why_not():
        report.skip("all", doors.why_not())
        report.end()
    chosen = [int(text) for text in sys.argv[1:] if text.isdigit()]
    for number, kind in enumerate(doors.ALL):
        with doors.Door(kind, "fsx") as door:
            for seed in chosen or SEEDS[number::len(doors.ALL)]:
                test = Fsx(seed, os.path.join(door.mount, f"file{seed}"), Client(door.node), f"/fsx/file{seed}")
                report.run(f"{STEPS} random steps by {kind}, seed {seed}", test.run)
    report.end()


if __name__ == "__main__":
    main()
