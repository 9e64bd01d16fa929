#!/usr/bin/python3
"""Files that programs on two nodes have open at once: what one writes the other sees, under a lock at once and else within a second; nobody's
bytes are cut off or written over by who knew the file of before; an open of a file that was just written anew reads all of it."""
import os
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster_store import await_true  # noqa: E402
from nodes import Nodes  # noqa: E402
from tap import Report  # noqa: E402
from two_mounts import no_fuse, on_two_mounts  # noqa: E402

BUCKET = "both"
GIVE_UP = 20
report = Report("files open on several nodes: ")

COUNTING = """
import fcntl, os, sys
how, path, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
file = os.open(path, os.O_RDWR)
for _ in range(rounds):
    if how == "flock":
        fcntl.flock(file, fcntl.LOCK_EX)
    else:
        fcntl.lockf(file, fcntl.LOCK_EX)
    number = int(os.pread(file, 6, 0))
    os.pwrite(file, b"%06d" % (number + 1), 0)
    if how == "fsync":
        os.fsync(file)
    if how == "flock":
        fcntl.flock(file, fcntl.LOCK_UN)
    else:
        fcntl.lockf(file, fcntl.LOCK_UN)
"""

INSERTING = """
import sqlite3, sys
for number in range(int(sys.argv[2])):
    base = sqlite3.connect(sys.argv[1], timeout=60)
    with base:
        base.execute("insert into t values (?, ?)", (sys.argv[3], number))
    base.close()
base = sqlite3.connect(sys.argv[1], timeout=60)
for number in range(int(sys.argv[2])):
    with base:
        base.execute("insert into t values (?, ?)", (sys.argv[3] + " again", number))
base.close()
"""


APPENDING = """
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for number in range(int(sys.argv[2])):
    os.write(file, b"%s: line %d%s\\n" % (sys.argv[3].encode(), number, b"." * (number * 37 % 300)))
    if number % 50 == 49:
        os.fsync(file)
os.close(file)
"""


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def both(mounts, program, *words):
    processes = [subprocess.Popen([sys.executable, "-c", program, *[word.format(mount=mount) for word in words], str(number)])
                 for number, mount in enumerate(mounts)]
    assert [process.wait(300) for process in processes] == [0, 0]


def counted(mounts, how):
    """Each has the file open all the while: read and written under the lock, no step is lost."""
    write(os.path.join(mounts[0], "counter"), b"000000")
    rounds = 40
    both(mounts, COUNTING, how, "{mount}/counter", str(rounds))
    for mount in mounts:
        await_true("the counter", GIVE_UP, lambda mount=mount: int(read(os.path.join(mount, "counter"))) == 2 * rounds,
                   lambda mount=mount: str(read(os.path.join(mount, "counter"))))
    os.unlink(os.path.join(mounts[0], "counter"))


def database(mounts):
    path = [os.path.join(mount, "base.db") for mount in mounts]
    base = sqlite3.connect(path[0])
    base.execute("create table t (who text, number integer)")
    base.close()
    both(mounts, INSERTING, "{mount}/base.db", "15")
    for each in path:
        base = sqlite3.connect(each, timeout=60)
        assert base.execute("pragma integrity_check").fetchone()[0] == "ok"
        found = base.execute("select count(*) from t").fetchone()[0]
        assert found == 60, f"{found} rows of 60"
        base.close()
    os.unlink(path[0])


def written_anew(mounts):
    """An open right behind the close of another node reads the new bytes, all of them."""
    torn = 0
    for turn in range(60):
        text = bytes([65 + turn % 26]) * (10 + (turn * 37) % 500)
        writer, reader = mounts if turn < 30 else reversed(mounts)  # whose kernel knows the size of the turn before
        write(os.path.join(writer, "anew"), text)
        file = os.open(os.path.join(reader, "anew"), os.O_RDONLY)
        torn += os.read(file, 1000) != text  # without a look at its size before, as cp does
        os.close(file)
    assert torn == 0, f"{torn} of 60 reads were of something else"
    os.unlink(os.path.join(mounts[0], "anew"))


def followed(mounts):
    """What `tail -f` does: a reader that stays at the end sees what is appended elsewhere."""
    write(os.path.join(mounts[0], "log"), b"first\n")
    slowest = 0.0
    with open(os.path.join(mounts[1], "log"), "rb", buffering=0) as reader, open(os.path.join(mounts[0], "log"), "ab", buffering=0) as writer:
        assert reader.read() == b"first\n"
        for turn in range(4):
            line = b"line %d\n" % turn
            writer.write(line)
            os.fsync(writer.fileno())
            began, got = time.monotonic(), []

            def more(got=got):
                got.append(reader.read())
                return b"".join(got) == line
            await_true("the line", GIVE_UP, more, lambda got=got: str(got))
            slowest = max(slowest, time.monotonic() - began)
            assert os.stat(os.path.join(mounts[1], "log")).st_size == os.stat(os.path.join(mounts[0], "log")).st_size
    print(f"    a reader at the end saw each line after {slowest:.2f} s at most", flush=True)
    os.unlink(os.path.join(mounts[0], "log"))


def appended(mounts):
    """Two writers with O_APPEND that sync each line, in turns: no line is written over."""
    files = [os.open(os.path.join(mount, "lines"), os.O_WRONLY | os.O_CREAT | os.O_APPEND) for mount in mounts]
    wanted = b""
    for turn in range(20):
        line = b"%d: line %d\n" % (turn % 2, turn)
        os.write(files[turn % 2], line)
        os.fsync(files[turn % 2])
        wanted += line
    for file in files:
        os.close(file)
    for mount in mounts:
        await_true("all lines", GIVE_UP, lambda mount=mount: read(os.path.join(mount, "lines")) == wanted,
                   lambda mount=mount: str(read(os.path.join(mount, "lines"))))
    os.unlink(os.path.join(mounts[0], "lines"))


def appended_at_once(mounts):
    """Two writers with O_APPEND that do not wait for each other: each line is there once and whole, in its writer's order."""
    both(mounts, APPENDING, "{mount}/log", "1000")
    wanted = [sorted(b"%d: line %d%s" % (writer, number, b"." * (number * 37 % 300)) for writer in (0, 1) for number in range(1000))]
    for mount in mounts:
        def lines(mount=mount):
            return read(os.path.join(mount, "log")).splitlines()
        await_true("all lines", GIVE_UP, lambda lines=lines: [sorted(lines())] == wanted, lambda lines=lines: f"{len(lines())} lines")
        for writer in (b"0:", b"1:"):
            numbers = [int(line.split()[2].rstrip(b".")) for line in lines() if line.startswith(writer)]
            assert numbers == sorted(numbers)
    os.unlink(os.path.join(mounts[0], "log"))


def grown(mounts):
    """Who writes into the front of a file cuts off nothing that another node put behind it."""
    write(os.path.join(mounts[0], "grown"), b"0" * 100)
    front, back = (os.open(os.path.join(mount, "grown"), os.O_RDWR) for mount in mounts)
    assert os.pread(back, 100, 0) == b"0" * 100
    os.pwrite(front, b"front", 0)
    os.pwrite(back, b"b" * 5000, 100)
    os.fsync(back)
    os.fsync(front)
    os.close(front)
    os.close(back)
    for mount in mounts:
        await_true("both", GIVE_UP, lambda mount=mount: read(os.path.join(mount, "grown")) == b"front" + b"0" * 95 + b"b" * 5000)
    os.unlink(os.path.join(mounts[0], "grown"))


def main():
    no_fuse(report)
    nodes = Nodes(3, 2, options=["--parity", "2"])

    def body(mounts):
        for how in ("flock", "lockf", "fsync"):
            report.run(f"80 steps of an open counter under {how}", counted, mounts, how)
        report.run("inserts into one sqlite database", database, mounts)
        report.run("files written anew and read at once elsewhere", written_anew, mounts)
        report.run("a reader that follows a file", followed, mounts)
        report.run("lines appended in turns", appended, mounts)
        report.run("lines appended at once", appended_at_once, mounts)
        report.run("written at the front and behind", grown, mounts)
    on_two_mounts(report, nodes, BUCKET, body)


main()
