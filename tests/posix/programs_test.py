#!/usr/bin/python3
"""Everyday programs and system calls on a mounted bucket must behave as on a local disk."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), HERE]
import calls  # noqa: E402
import doors  # noqa: E402
from tap import Report  # noqa: E402

QUIET_GIT = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com", "GIT_COMMITTER_NAME": "t",
             "GIT_COMMITTER_EMAIL": "t@example.com", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}


def sh(*command, where=None):
    """Runs a program; its output, or an error with all that it said."""
    done = subprocess.run(command, cwd=where, env=dict(os.environ, **QUIET_GIT), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command} gave {done.returncode}: {done.stdout[-1500:]}"
    return done.stdout


def make_tree(top):
    """A local tree with what copies get wrong: empty and odd names, modes, times, links, sizes around 4 KiB and 1 MiB."""
    for folder in ("", "empty", "one/two/three", "space and ünïcode"):
        os.makedirs(os.path.join(top, folder), exist_ok=True)
    for n in range(60):
        with open(os.path.join(top, "one/two", f"f{n}"), "wb") as file:
            file.write(os.urandom(n * 331))
    for size in (0, 1, 4095, 4096, 4097, (1 << 20) - 1, (1 << 20) + 1, 5_000_000):
        with open(os.path.join(top, "space and ünïcode", f"s {size}"), "wb") as file:
            file.write(os.urandom(size))
    os.chmod(os.path.join(top, "one/two/f1"), 0o751)
    os.chmod(os.path.join(top, "one/two/f2"), 0o400)
    os.utime(os.path.join(top, "one/two/f3"), ns=(10**18, 10**18 + 123456789))
    os.symlink("two/f1", os.path.join(top, "one/link"))
    os.symlink("nowhere", os.path.join(top, "dangling"))
    for link in ("one/link", "dangling"):  # old, since rsync leaves a link's time alone when only its nanoseconds differ
        os.utime(os.path.join(top, link), ns=(10**18, 10**18 + 987654321), follow_symlinks=False)
    os.link(os.path.join(top, "one/two/f4"), os.path.join(top, "one/hard"))


def same(local, mounted):
    sh("diff", "-r", "--no-dereference", local, mounted)
    for folder, folders, files in os.walk(local):
        for name in folders + files:
            mine = os.lstat(os.path.join(folder, name))
            other = os.lstat(os.path.join(mounted, os.path.relpath(folder, local), name))
            assert mine.st_mode == other.st_mode, (name, oct(mine.st_mode), oct(other.st_mode))
            if name in files:
                assert mine.st_mtime_ns == other.st_mtime_ns, (name, mine.st_mtime_ns, other.st_mtime_ns)


def copy(local, top):
    sh("cp", "-a", local, f"{top}/cp")
    same(local, f"{top}/cp")


def rsync(local, top):
    sh("rsync", "-aH", f"{local}/", f"{top}/rsync/")
    same(local, f"{top}/rsync")
    assert os.stat(f"{top}/rsync/one/hard").st_nlink == 2
    again = sh("rsync", "-aHi", "--checksum", f"{local}/", f"{top}/rsync/")
    assert again == "", f"a second run found differences: {again}"


def tar(local, top):
    os.mkdir(f"{top}/tar")
    sh("tar", "-C", local, "--format=posix", "-cf", f"{top}/t.tar", ".")
    sh("tar", "-C", f"{top}/tar", "-xpf", f"{top}/t.tar")
    same(local, f"{top}/tar")
    with tempfile.TemporaryDirectory() as back:
        sh("tar", "-C", f"{top}/tar", "--format=posix", "-czf", f"{top}/back.tgz", ".")
        sh("tar", "-C", back, "-xzpf", f"{top}/back.tgz")
        same(local, back)


def git(local, top):
    sh("git", "init", "-q", "repo", where=top)
    for n in range(5):
        sh("cp", "-a", f"{local}/one/two/f{n + 10}", f"{top}/repo/file{n}")
        sh("git", "add", "-A", where=f"{top}/repo")
        sh("git", "commit", "-qm", f"commit {n}", where=f"{top}/repo")
    sh("git", "clone", "-q", "repo", "clone", where=top)
    sh("git", "gc", "-q", where=f"{top}/repo")
    for name in ("repo", "clone"):
        sh("git", "fsck", "--full", "--strict", where=f"{top}/{name}")
        assert sh("git", "status", "--porcelain", where=f"{top}/{name}") == ""
        assert len(sh("git", "log", "--oneline", where=f"{top}/{name}").splitlines()) == 5


def sqlite(mode, _, top):
    import sqlite3
    path = f"{top}/{mode}.db"
    base = sqlite3.connect(path)
    assert base.execute(f"pragma journal_mode={mode}").fetchone()[0] == mode
    base.execute("create table t(a integer primary key, b blob)")
    for n in range(20):
        with base:
            base.executemany("insert into t(b) values(?)", [(os.urandom(200),) for _ in range(50)])
    try:
        with base:
            base.execute("delete from t")
            raise KeyError  # rolls back
    except KeyError:
        pass
    other = sqlite3.connect(path)
    assert other.execute("select count(*) from t").fetchone()[0] == 1000
    base.close()
    other.close()
    base = sqlite3.connect(path)
    assert base.execute("pragma integrity_check").fetchone()[0] == "ok"
    base.execute("vacuum")
    base.close()
    assert sh("sqlite3", path, "select count(*) from t; pragma integrity_check;").split() == ["1000", "ok"]


def gcc(_, top):
    os.mkdir(f"{top}/c")
    with open(f"{top}/c/m.c", "w", encoding="ascii") as file:
        file.write('#include <stdio.h>\n#include "v.h"\nint main(void) { printf("%d\\n", V); return 0; }\n')
    for value in (41, 42):
        with open(f"{top}/c/v.h", "w", encoding="ascii") as file:
            file.write(f"#define V {value}\n")
        sh("gcc", "-O1", "-c", "m.c", "-o", "m.o", where=f"{top}/c")
        sh("gcc", "m.o", "-o", "m", where=f"{top}/c")
        assert sh(f"{top}/c/m") == f"{value}\n"


PROGRAMS = [("cp -a", "cp", copy), ("rsync -a", "rsync", rsync), ("tar in and out", "tar", tar), ("git", "git", git),
            ("sqlite with a rollback journal", "sqlite3", lambda *a: sqlite("delete", *a)),
            ("sqlite with a write-ahead log", "sqlite3", lambda *a: sqlite("wal", *a)), ("gcc", "gcc", gcc)]


def through(door, report, local):
    say = lambda name: name if door.kind == doors.NODE else f"{name}, by {door.kind}"  # noqa: E731
    for name, program, test in PROGRAMS:
        if shutil.which(program) is None:
            report.skip(say(name), f"{program} is not installed")
        else:
            report.run(say(name), test, local, door.mount)
    for number, (name, test) in enumerate(calls.TESTS):
        folder = os.path.join(door.mount, f"call{number}")
        os.mkdir(folder)
        report.run(say(name), test, folder)


def main():
    report = Report("posix: ")
    if doors.why_not():
        report.skip("all", doors.why_not())
        report.end()
    local = tempfile.mkdtemp(prefix="flashstor-local-", dir=os.environ.get("FLASHSTOR_TEST_DIR"))
    try:
        make_tree(local)
        for kind in doors.ALL:
            with doors.Door(kind, "posix") as door:
                through(door, report, local)
    finally:
        shutil.rmtree(local, ignore_errors=True)
    report.end()


if __name__ == "__main__":
    main()
