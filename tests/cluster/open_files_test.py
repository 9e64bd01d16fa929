#!/usr/bin/python3
"""A file that is open on one node, with bytes that are not published, while another node renames it: it goes on under its new name, and no
byte is lost. On one set, and on two, where half of the renames are to another set."""
import errno
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster_store import Store, await_true  # noqa: E402
from nodes import Nodes  # noqa: E402
from tap import Report  # noqa: E402
from two_mounts import no_fuse, on_two_mounts  # noqa: E402

BUCKET = "both"
SMALL, STREAMED = 3000, 5_000_000
WITHIN = 20  # a machine that stands still is no failure


class Places:
    """Two mounts of the bucket: node 1 renames, node 2 has the file open; S3 at node 3 looks."""

    def __init__(self, store, mounts):
        self.store, self.mounts = store, mounts

    def get(self, name):
        status, data, _ = self.store.client(self.store.nodes.members[2]).request("GET", f"/{BUCKET}/{name}")
        return data if status == 200 else None

    def renamer(self, name):
        return os.path.join(self.mounts[0], name)

    def holder(self, name):
        return os.path.join(self.mounts[1], name)

    def open_dirty(self, name, body):
        file = os.open(self.holder(name), os.O_RDWR | os.O_CREAT | os.O_EXCL)
        assert os.write(file, body) == len(body)
        await_true(f"the other node sees {name}", WITHIN, lambda: os.path.exists(self.renamer(name)))
        return file


def content(name, size):
    return random.Random(name).randbytes(size)


def check_goes_on(places, file, name, body):
    """fstat, write, fsync, read and close of a descriptor whose file is at `name` now."""
    assert os.fstat(file).st_size == len(body)
    os.pwrite(file, b"!", len(body) // 2)
    body = body[:len(body) // 2] + b"!" + body[len(body) // 2 + 1:]
    os.fsync(file)
    assert places.get(name) == body, f"{name}: {str(places.get(name))[:60]}"
    assert os.pread(file, len(body) + 1, 0) == body
    os.pwrite(file, b"and the end", len(body))
    os.close(file)
    body += b"and the end"
    assert places.get(name) == body
    await_true(f"{name} at the renamer", WITHIN, lambda: os.path.getsize(places.renamer(name)) == len(body))
    with open(places.renamer(name), "rb") as seen:
        assert seen.read() == body


def renamed(places, size, count):
    files = {}
    for number in range(count):
        name = f"file{size}-{number}"
        files[name] = places.open_dirty(name, content(name, size))
    for name in files:
        os.rename(places.renamer(name), places.renamer(name + "-moved"))
    for name, file in files.items():
        check_goes_on(places, file, name + "-moved", content(name, size))
        assert places.get(name) is None
        os.unlink(places.renamer(name + "-moved"))


def chain(places):
    file = places.open_dirty("chain", content("chain", SMALL))
    names = ["chain", "b", "c", "d", "chain", "e", "c", "end"]
    for before, after in zip(names, names[1:]):
        os.rename(places.renamer(before), places.renamer(after))
    with open(places.renamer("chain"), "wb") as other:
        other.write(b"another")
    check_goes_on(places, file, "end", content("chain", SMALL))
    assert places.get("chain") == b"another"
    for name in ("chain", "end"):
        os.unlink(places.renamer(name))


def directory(places):
    os.makedirs(places.holder("dir/sub"))
    files = {name: places.open_dirty(name, content(name, SMALL)) for name in ("dir/one", "dir/sub/two")}
    os.rename(places.renamer("dir"), places.renamer("moved"))
    os.makedirs(places.renamer("dir"))
    with open(places.renamer("dir/one"), "wb") as other:
        other.write(b"another")
    for name, file in files.items():
        check_goes_on(places, file, name.replace("dir", "moved"), content(name, SMALL))
    assert places.get("dir/one") == b"another"


def lost(places):
    """What loses its name at another node, and what another file takes the name of, is stale; and the other file is not touched."""
    gone = places.open_dirty("gone", b"x")
    replaced = places.open_dirty("replaced", b"y")
    with open(places.renamer("winner"), "wb") as other:
        other.write(b"winner")
    os.unlink(places.renamer("gone"))
    os.rename(places.renamer("winner"), places.renamer("replaced"))
    for file in (gone, replaced):
        try:
            os.fsync(file)
            raise AssertionError("it was synced to nowhere")
        except OSError as error:
            assert error.errno == errno.ESTALE, error
        os.close(file)
    assert places.get("replaced") == b"winner" and places.get("gone") is None
    os.unlink(places.renamer("replaced"))


class Renamer(threading.Thread):
    """Gives a file one name after the other until it is told to end."""

    def __init__(self, places, names):
        super().__init__(daemon=True)
        self.places, self.names, self.at, self.ended, self.renames, self.failure = places, names, names[0], False, 0, None

    def run(self):
        choice = random.Random(1)
        try:
            while not self.ended:
                after = choice.choice([name for name in self.names if name != self.at])
                os.rename(self.places.renamer(self.at), self.places.renamer(after))
                self.at = after
                self.renames += 1
        except OSError as problem:
            self.failure = problem


def exercised(places, seed, steps):
    """Any writes, cuts, reads and syncs of a file that never stays where it is; all bytes are compared all the while."""
    choice = random.Random(seed)
    names = [f"moving{number}" for number in range(6)]
    file = places.open_dirty(names[0], b"")
    renamer = Renamer(places, names)
    renamer.start()
    model = bytearray()
    for step in range(steps):
        what = choice.choices(["write", "cut", "read", "sync"], [6, 1, 4, 3])[0]
        if what == "write":
            offset = choice.randrange(len(model) + 1000)
            data = choice.randbytes(choice.choice([1, 100, 5000, 200_000, 2_500_000]))
            os.pwrite(file, data, offset)
            model.extend(bytes(max(0, offset + len(data) - len(model))))
            model[offset:offset + len(data)] = data
        elif what == "cut":
            size = choice.randrange(len(model) + 2000)
            os.ftruncate(file, size)
            model = model[:size] + bytes(max(0, size - len(model)))
        elif what == "read":
            offset = choice.randrange(len(model) + 100)
            length = choice.randrange(1, 300_000)
            assert os.pread(file, length, offset) == model[offset:offset + length], f"seed {seed}, step {step}"
        else:
            os.fsync(file)
    renamer.ended = True
    renamer.join(120)
    assert renamer.failure is None, renamer.failure
    assert renamer.renames >= 3, renamer.renames
    os.close(file)
    assert places.get(renamer.at) == bytes(model), f"seed {seed}: {len(places.get(renamer.at) or b'')} bytes instead of {len(model)}"
    assert [name for name in names if places.get(name) is not None] == [renamer.at]
    os.unlink(places.renamer(renamer.at))
    print(f"    seed {seed}: {steps} steps beside {renamer.renames} renames", flush=True)


def killed(places):
    """Whoever renames dies when the rename has been answered."""
    names = [f"widow{number}" for number in range(6)]
    files = {name: places.open_dirty(name, content(name, SMALL)) for name in names}
    for name in names:
        os.rename(places.renamer(name), places.renamer(name + "-moved"))
    member = places.store.nodes.members[0]
    member.kill()
    for name, file in files.items():
        end = time.monotonic() + 60
        while True:  # a set whose leader died answers when it has another
            try:
                os.fsync(file)
                break
            except OSError as error:
                assert error.errno != errno.ESTALE and time.monotonic() < end, error
                time.sleep(0.2)
        os.close(file)
        await_true(f"{name} is whole", 60, lambda name=name: places.get(name + "-moved") == content(name, SMALL))
    member.start()
    places.store.nodes.await_ready(60, [member])


def on(layout, drives, parity):
    report = Report(f"open on one node, renamed on another, {layout}: ")
    nodes = Nodes(3, drives, options=["--parity", str(parity)])

    def body(mounts):
        places = Places(Store(nodes), mounts)
        report.run("small files", renamed, places, SMALL, 8)
        report.run("files whose bytes stream", renamed, places, STREAMED, 4)
        report.run("one name after the other, and back", chain, places)
        report.run("the directory", directory, places)
        report.run("what is unlinked or replaced", lost, places)
        for seed in (1, 2):
            report.run(f"any operations, seed {seed}", exercised, places, seed, 150)
        report.run("the renamer's node dies", killed, places)
    try:
        on_two_mounts(report, nodes, BUCKET, body)
    except SystemExit as ended:
        return ended.code


def main():
    no_fuse(Report("open files: "))
    sys.exit(max(on("one set", 2, 2), on("two sets", 6, 3)))


main()
