#!/usr/bin/python3
"""One bucket mounted on two nodes and served by S3 on a third: what one does the others see within a second; locks exclude each other
across nodes, and are free again when the node of their holder dies."""
import fcntl
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster_store import Store, await_true  # noqa: E402
from nodes import Nodes  # noqa: E402
from tap import Report  # noqa: E402
from two_mounts import no_fuse, on_two_mounts  # noqa: E402

BUCKET = "both"
WITHIN = 1.0  # promised seconds until the others see a change
GIVE_UP = 20  # a machine that stands still is no failure; the figure is printed
report = Report("mounts on several nodes: ")


class Places:
    """The bucket at three places: mounts through nodes 1 and 2, S3 at node 3."""

    def __init__(self, store, mounts):
        self.store, self.mounts, self.slowest = store, mounts, 0.0

    def s3(self, method, name, body=b""):
        return self.store.client(self.store.nodes.members[2]).request(method, f"/{BUCKET}/{name}", body)

    def get(self, name):
        status, data, _ = self.s3("GET", name)
        return data if status == 200 else None

    def read(self, number, name):
        try:
            with open(os.path.join(self.mounts[number], name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def size(self, number, name):
        return os.stat(self.at(number, name)).st_size if os.path.exists(self.at(number, name)) else None

    def at(self, number, name):
        return os.path.join(self.mounts[number], name)

    def seen(self, name, wanted, names=None):
        """Until all three show it; names: what a listing of the mounts has to have."""
        began = time.monotonic()

        def all_of_them():
            return (self.get(name) == wanted and all(self.read(number, name) == wanted for number in (0, 1)) and
                    all(self.size(number, name) == (wanted if wanted is None else len(wanted)) for number in (0, 1)) and
                    (names is None or all(sorted(os.listdir(mount)) == names for mount in self.mounts)))
        await_true(f"{name} is the same everywhere", GIVE_UP, all_of_them,
                   lambda: f"S3 {str(self.get(name))[:60]}, mounts {[str(self.read(number, name))[:60] for number in (0, 1)]}, {[os.listdir(m) for m in self.mounts]}")
        self.slowest = max(self.slowest, time.monotonic() - began)


def create(places, number):
    assert places.read(1 - number, "new") is None  # now its kernel remembers that it is not there
    with open(places.at(number, "new"), "wb") as file:
        file.write(b"made by %d" % number)
    places.seen("new", b"made by %d" % number, ["new"])
    places.s3("DELETE", "new")
    places.seen("new", None, [])


def put(places):
    places.s3("PUT", "put", b"x" * 5000)
    places.seen("put", b"x" * 5000, ["put"])
    places.s3("PUT", "put", b"shorter")
    places.seen("put", b"shorter", ["put"])
    os.unlink(places.at(0, "put"))
    places.seen("put", None, [])


def renamed(places):
    with open(places.at(0, "one"), "wb") as file:
        file.write(b"moves")
    places.seen("one", b"moves", ["one"])
    os.rename(places.at(1, "one"), places.at(1, "two"))
    places.seen("two", b"moves", ["two"])
    assert places.get("one") is None
    os.unlink(places.at(0, "two"))
    places.seen("two", None, [])


def appended(places):
    """In turns through both mounts: each appends behind what the other has closed."""
    wanted = b""
    for turn in range(6):
        line = b"line %d\n" % turn
        with open(places.at(turn % 2, "log"), "ab") as file:
            file.write(line)
        wanted += line
        places.seen("log", wanted, ["log"])


def unlinked_open(places):
    """A file that lost its name lives on while it is open, also when the bucket is mounted anew at another node meanwhile."""
    file = os.open(places.at(0, "nameless"), os.O_RDWR | os.O_CREAT)
    os.write(file, b"still here")
    os.fsync(file)
    os.unlink(places.at(0, "nameless"))
    member = places.store.nodes.members[1]
    member.stop()
    member.start()
    places.store.nodes.await_ready(60, [member])
    await_true("it is mounted again", 30, lambda: os.path.ismount(places.mounts[1]))
    places.seen("nameless", None)
    os.pwrite(file, b"!", 10)
    os.fsync(file)
    assert os.pread(file, 100, 0) == b"still here!"
    os.close(file)


def truncated(places):
    os.truncate(places.at(1, "log"), 9)
    places.seen("log", b"line 0\nli", ["log"])
    with open(places.at(0, "log"), "r+b") as file:
        file.seek(7)
        file.write(b"LI" + b"y" * 3000)
    places.seen("log", b"line 0\nLI" + b"y" * 3000, ["log"])
    os.unlink(places.at(1, "log"))
    places.seen("log", None, [])


class Locker:
    """A process that takes locks on one file through one mount."""

    PROGRAM = """
import errno, fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
print("open", flush=True)
for line in sys.stdin:
    how, flags, start, length = line.split()
    try:
        if how == "flock":
            fcntl.flock(file, int(flags))
        else:
            fcntl.lockf(file, int(flags), int(length), int(start))
        print("ok", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
"""

    def __init__(self, path):
        self.process = subprocess.Popen([sys.executable, "-c", self.PROGRAM, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.answer() == "open"

    def begin(self, how, flags, start=0, length=0):
        self.process.stdin.write(f"{how} {flags} {start} {length}\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().strip()

    def ask(self, *words):
        self.begin(*words)
        return self.answer()

    def end(self):
        self.process.stdin.close()
        self.process.wait(60)


def exclude(places, how):
    """Nobody has what another holds, whichever node it came through; a wait ends with the unlock."""
    one, two = (Locker(places.at(number, "locked")) for number in (0, 1))
    try:
        assert one.ask(how, fcntl.LOCK_EX | fcntl.LOCK_NB) == "ok"
        assert two.ask(how, fcntl.LOCK_EX | fcntl.LOCK_NB) == "EAGAIN"
        assert two.ask(how, fcntl.LOCK_SH | fcntl.LOCK_NB) == "EAGAIN"
        two.begin(how, fcntl.LOCK_EX)
        assert one.ask(how, fcntl.LOCK_UN) == "ok"
        assert two.answer() == "ok"
        assert one.ask(how, fcntl.LOCK_SH | fcntl.LOCK_NB) == "EAGAIN"
        assert two.ask(how, fcntl.LOCK_SH | fcntl.LOCK_NB) == "ok"
        assert one.ask(how, fcntl.LOCK_SH | fcntl.LOCK_NB) == "ok"
        two.end()  # its end drops it
        await_true("the holder's end frees its lock", GIVE_UP, lambda: one.ask(how, fcntl.LOCK_EX | fcntl.LOCK_NB) == "ok")
    finally:
        one.end()
        two.end()


def ranges(places):
    one, two = (Locker(places.at(number, "locked")) for number in (0, 1))
    try:
        assert one.ask("lockf", fcntl.LOCK_EX | fcntl.LOCK_NB, 0, 100) == "ok"
        assert two.ask("lockf", fcntl.LOCK_EX | fcntl.LOCK_NB, 100, 100) == "ok"
        assert two.ask("lockf", fcntl.LOCK_EX | fcntl.LOCK_NB, 99, 1) == "EAGAIN"
        assert two.ask("flock", fcntl.LOCK_EX | fcntl.LOCK_NB) == "ok"  # of another space
        assert one.ask("lockf", fcntl.LOCK_UN, 50, 50) == "ok"
        assert two.ask("lockf", fcntl.LOCK_EX | fcntl.LOCK_NB, 99, 1) == "ok"
    finally:
        one.end()
        two.end()


COUNTING = """
import fcntl, os, sys
path, rounds = sys.argv[1], int(sys.argv[2])
for _ in range(rounds):
    lock = os.open(path + ".lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with open(path, "r+b") as file:
        number = int(file.read())
        file.seek(0)
        file.write(b"%06d" % (number + 1))
    os.close(lock)
"""


def counted(places):
    """A counter in a file, read and written under flock by processes on both nodes: none of the steps is lost."""
    with open(places.at(0, "counter"), "wb") as file:
        file.write(b"%06d" % 0)
    places.seen("counter", b"000000")
    open(places.at(0, "counter.lock"), "wb").close()
    places.seen("counter.lock", b"")
    rounds = 25
    processes = [subprocess.Popen([sys.executable, "-c", COUNTING, places.at(number, "counter"), str(rounds)]) for number in (0, 1, 0, 1)]
    assert [process.wait(120) for process in processes] == [0] * 4
    places.seen("counter", b"%06d" % (4 * rounds))


def holder_killed(places):
    """The node of a holder dies: who waits at another node has the lock soon after."""
    member = places.store.nodes.members[1]
    one, two = (Locker(places.at(number, "locked")) for number in (0, 1))
    try:
        assert two.ask("flock", fcntl.LOCK_EX | fcntl.LOCK_NB) == "ok"
        one.begin("flock", fcntl.LOCK_EX)
        began = time.monotonic()
        member.kill()
        assert one.answer() == "ok"
        print(f"    the lock of a node that died was another's after {time.monotonic() - began:.1f} s", flush=True)
        assert one.ask("flock", fcntl.LOCK_UN) == "ok"
    finally:
        two.process.kill()
        two.process.wait()
        one.end()
    member.start()
    places.store.nodes.await_ready(60, [member])
    await_true("it is mounted again", 30, lambda: os.path.ismount(places.mounts[1]) and places.read(1, "locked") == b"")


def leader_killed(places):
    """Whoever keeps the locks dies: they stay with their holders."""
    nodes = places.store.nodes
    path = places.store.admin(nodes.members[0], "info")["sets"][0]["leader_path"]
    leader = next(member for member in nodes.members if f"/node{member.number + 1}/" in path)
    if leader.number != 2:
        leader.stop()  # hands over; the mount goes with it
        leader.start()
        nodes.await_ready(60, [leader])
        await_true("it is mounted again", 30, lambda: os.path.ismount(places.mounts[leader.number]))
    one, two = (Locker(places.at(number, "locked")) for number in (0, 1))
    try:
        assert one.ask("flock", fcntl.LOCK_EX | fcntl.LOCK_NB) == "ok"
        nodes.members[2].kill()
        assert two.ask("flock", fcntl.LOCK_EX | fcntl.LOCK_NB) == "EAGAIN"
        assert one.ask("flock", fcntl.LOCK_UN) == "ok"
        assert two.ask("flock", fcntl.LOCK_EX | fcntl.LOCK_NB) == "ok"
    finally:
        one.end()
        two.end()
    nodes.members[2].start()
    nodes.await_ready(60, [nodes.members[2]])


def main():
    no_fuse(report)
    nodes = Nodes(3, 2, options=["--parity", "2"])

    def body(mounts):
        places = Places(Store(nodes), mounts)
        for number in (0, 1):
            report.run(f"a file made at node {number + 1} and deleted by S3", create, places, number)
        report.run("a put by S3, another over it, an unlink", put, places)
        report.run("a rename at one node of what was made at another", renamed, places)
        report.run("appends in turns", appended, places)
        report.run("truncation, bytes written over, unlink", truncated, places)
        report.run("a file without a name, and a mount that begins meanwhile", unlinked_open, places)
        print(f"    everybody saw each change after {places.slowest:.2f} s at most (promised: {WITHIN:.0f} s after the answer)", flush=True)
        open(places.at(0, "locked"), "wb").close()
        places.seen("locked", b"")
        for how in ("flock", "lockf"):
            report.run(f"{how} excludes across nodes", exclude, places, how)
        report.run("ranges of fcntl exclude across nodes", ranges, places)
        report.run("100 steps of a counter under flock at two nodes", counted, places)
        report.run("the death of a holder's node frees its lock", holder_killed, places)
        report.run("locks outlive the death of the node that keeps them", leader_killed, places)
    on_two_mounts(report, nodes, BUCKET, body)


main()
