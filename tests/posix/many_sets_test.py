#!/usr/bin/python3
"""More drives than a set has: names of one folder lie in several sets, and programs must not notice when they rename."""
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), HERE]
import calls  # noqa: E402
import doors  # noqa: E402
import programs_test as programs  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

BUCKET = "sets"
# Not these: over sets files and folders are not exchanged, nor files linked (EXDEV).
LEFT_OUT = {"hard links", "rename over an open file", "RENAME_EXCHANGE of files and of folders"}


def renames(door, top):
    s3 = Client(door.node)
    for n in range(60):
        data = os.urandom(1 + n * 3000)
        calls.put(f"{top}/a{n}", data)
        calls.put(f"{top}/c{n}", b"to be replaced")
        before = os.stat(f"{top}/a{n}")
        os.rename(f"{top}/a{n}", f"{top}/b{n}")
        os.rename(f"{top}/b{n}", f"{top}/c{n}")
        after = os.stat(f"{top}/c{n}")
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
        assert calls.get(f"{top}/c{n}") == data
        key = os.path.relpath(f"{top}/c{n}", door.mount)
        assert s3.request("GET", f"/{BUCKET}/{key}")[1] == data
    assert sorted(os.listdir(top)) == sorted(f"c{n}" for n in range(60))


def claims(_, top):
    """Four threads claim each of 50 jobs by renaming it: one gets each."""
    for n in range(50):
        calls.put(f"{top}/job{n}", b"%d" % n)
    won = [[] for _ in range(4)]

    def worker(number):
        for n in range(50):
            try:
                os.rename(f"{top}/job{n}", f"{top}/worker{number}-{n}")
                won[number].append(n)
            except FileNotFoundError:
                pass

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sum(won, [])) == list(range(50)), won
    assert len(os.listdir(top)) == 50


def written_while_renamed(_, top):
    with open(f"{top}/n0", "wb", buffering=0) as file:
        for n in range(30):
            file.write(b"%05d" % n + b"x" * (n * 40_000))
            os.rename(f"{top}/n{n}", f"{top}/n{n + 1}")
    wanted = b"".join(b"%05d" % n + b"x" * (n * 40_000) for n in range(30))
    assert calls.get(f"{top}/n30") == wanted and os.listdir(top) == ["n30"]


def tree(top, files=120):
    """Files, folders and an empty one; gives what lies at each path below."""
    wanted = {}
    for folder in ("", "one/", "one/two/", "three/"):
        os.makedirs(f"{top}/{folder}", exist_ok=True)
        for n in range(files // 4):
            wanted[f"{folder}f{n}"] = os.urandom(1 + n * 700)
            calls.put(f"{top}/{folder}f{n}", wanted[f"{folder}f{n}"])
    os.mkdir(f"{top}/empty")
    return wanted


def is_at(top, wanted):
    found = {os.path.relpath(os.path.join(folder, name), top) for folder, _, names in os.walk(top) for name in names}
    assert found == set(wanted), found ^ set(wanted)
    for path, data in wanted.items():
        assert calls.get(f"{top}/{path}") == data, path
    assert os.path.isdir(f"{top}/empty")


def folders(door, top):
    wanted = tree(f"{top}/from")
    inode = os.stat(f"{top}/from").st_ino
    with open(f"{top}/from/one/open", "wb", buffering=0) as file:
        file.write(b"before, ")
        os.rename(f"{top}/from", f"{top}/to")
        file.write(b"after")
    assert calls.get(f"{top}/to/one/open") == b"before, after"
    wanted["one/open"] = b"before, after"
    is_at(f"{top}/to", wanted)
    assert os.stat(f"{top}/to").st_ino == inode and os.listdir(top) == ["to"]
    s3, key = Client(door.node), os.path.relpath(top, door.mount)
    for path, data in wanted.items():
        assert s3.request("GET", f"/{BUCKET}/{key}/to/{path}")[1] == data
        assert s3.request("GET", f"/{BUCKET}/{key}/from/{path}")[0] == 404
    os.mkdir(f"{top}/there")
    os.rename(f"{top}/to/one", f"{top}/there")
    os.rename(f"{top}/there", f"{top}/to/one")
    is_at(f"{top}/to", wanted)
    calls.put(f"{top}/file", b"")
    calls.refused(errno.ENOTEMPTY, os.rename, f"{top}/to/three", f"{top}/to/one")
    calls.refused(errno.ENOTDIR, os.rename, f"{top}/to", f"{top}/file")
    calls.refused(errno.EINVAL, os.rename, f"{top}/to", f"{top}/to/one/x")


def folder_renamed_by_a_node_that_dies(door, top):
    wanted = tree(f"{top}/from", 400)
    renaming = subprocess.Popen([sys.executable, "-c", f"import os; os.rename({top + '/from'!r}, {top + '/to'!r})"],
                                stderr=subprocess.DEVNULL)
    while not (os.path.isdir(f"{top}/to") and len(os.listdir(f"{top}/to")) > 10):
        assert renaming.poll() is None, "the rename was over before the node was killed"
    door.node.kill()
    renaming.wait()
    door.detach()
    door.node.start()
    deadline = time.monotonic() + 60  # the mount does not wait for what may be a million names
    while os.listdir(top) != ["to"]:
        assert time.monotonic() < deadline, os.listdir(top)
        time.sleep(0.05)
    is_at(f"{top}/to", wanted)


def changed_where_it_came_to(door, top):
    """Files whose bytes stayed in the set of an earlier name are written to, renamed, and unlinked while they are open."""
    s3 = Client(door.node)
    for n in range(30):
        data = os.urandom(1 + n * 9000)
        calls.put(f"{top}/a{n}", data)
        os.rename(f"{top}/a{n}", f"{top}/b{n}")
        with open(f"{top}/b{n}", "ab", buffering=0) as file:
            file.write(b"more")
            os.fsync(file.fileno())
        data += b"more"
        for name in ("c", "d", "b"):
            calls.put(f"{top}/new", b"to be replaced")
            os.rename(f"{top}/b{n}", f"{top}/{name}{n}")
            with open(f"{top}/{name}{n}", "r+b", buffering=0) as file:
                os.pwrite(file.fileno(), name.encode(), 0)
                os.fsync(file.fileno())
                data = name.encode() + data[1:]
            os.rename(f"{top}/{name}{n}", f"{top}/new")
            os.rename(f"{top}/new", f"{top}/b{n}")
        assert calls.get(f"{top}/b{n}") == data
        key = os.path.relpath(f"{top}/b{n}", door.mount)
        assert s3.request("GET", f"/{BUCKET}/{key}")[1] == data
        with open(f"{top}/b{n}", "r+b", buffering=0) as file:
            os.unlink(f"{top}/b{n}")
            file.seek(0, os.SEEK_END)
            file.write(b"unseen")
            os.fsync(file.fileno())
            file.seek(0)
            assert file.read() == data + b"unseen"
    assert os.listdir(top) == []


def keep_versions(door):
    state = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    status, body = Client(door.node).request("PUT", f"/{BUCKET}", state, {"versioning": ""})[:2]
    assert status == 200, body


def main():
    report = Report("posix many sets: ")
    if doors.why_not():
        report.skip("all", doors.why_not())
        report.end()
    local = tempfile.mkdtemp(prefix="flashstor-local-", dir=os.environ.get("FLASHSTOR_TEST_DIR"))
    try:
        programs.make_tree(local)
        os.unlink(os.path.join(local, "one/hard"))
        with doors.Door(doors.NODE, BUCKET, drives=18) as door:
            own = [("120 renames keep bytes, inode and times", renames), ("a rename claims a file once", claims),
                   ("a file is written while it is renamed", written_while_renamed)]
            own += [("a folder of 120 files is renamed", folders),
                    ("a folder's rename cut off by SIGKILL is ended by the next mount", folder_renamed_by_a_node_that_dies)]
            for name, test in own:
                folder = os.path.join(door.mount, name.replace(" ", "-"))
                os.mkdir(folder)
                report.run(name, test, door, folder)
            for name, program, test in programs.PROGRAMS:
                if program == "rsync":
                    continue  # with -H it checks hard links
                if shutil.which(program) is None:
                    report.skip(name, f"{program} is not installed")
                else:
                    report.run(name, test, local, door.mount)
            for number, (name, test) in enumerate(calls.TESTS):
                if name in LEFT_OUT:
                    continue
                folder = os.path.join(door.mount, f"call{number}")
                os.mkdir(folder)
                report.run(name, test, folder)
            report.run("the bucket keeps versions from now on", keep_versions, door)
            for name, test in [*own[:4], ("a file is changed where renames brought it", changed_where_it_came_to)]:
                folder = os.path.join(door.mount, "versions-" + name.replace(" ", "-"))
                os.mkdir(folder)
                report.run(f"{name}, with versions", test, door, folder)
            with_versions = os.path.join(door.mount, "versions")
            os.mkdir(with_versions)
            for name, program, test in programs.PROGRAMS:
                if program != "rsync" and shutil.which(program) is not None:
                    report.run(f"{name}, with versions", test, local, with_versions)
    finally:
        shutil.rmtree(local, ignore_errors=True)
    report.end()


if __name__ == "__main__":
    main()
