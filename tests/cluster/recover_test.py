#!/usr/bin/python3
"""A set that has lost the majority of its drives for good goes on when an administrator says so, and is whole again with new drives."""
import errno
import http.client
import json
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster_store import SIZES, Store, await_redundant, await_true, body_of, flashctl, healed, run, states, without  # noqa: E402
from nodes import Nodes  # noqa: E402
from tap import Report  # noqa: E402

report = Report("recovered: ")


def refused(store, member):
    try:
        return store.client(member).request("PUT", "/store/refused", b"x")[0] == 503
    except (OSError, http.client.HTTPException):
        return False


def refused_in(store, member):
    began = time.monotonic()
    return time.monotonic() - began if refused(store, member) else 1e9


def recover_words(nodes, member):
    done = flashctl(nodes, member, "admin", "set", "recover", "--yes", "n", "1")
    return done.stderr if done.returncode != 0 else "it was done"


def test_mount(store):
    """A mount of the set that takes no changes."""
    mount = os.path.join(store.nodes.data, "mount")
    if not os.path.ismount(mount):
        report.skip("a mount is read and refuses changes", "no /dev/fuse")
        return
    key = next(key for key, size in store.sizes.items() if size)
    with open(os.path.join(mount, key), "rb") as file:
        report.check("a mount reads on", file.read() == body_of(key, store.sizes[key]))
    told = {}
    for what, change in (("a new file", saved), ("a new directory", os.mkdir), ("an unlink", lambda _: os.unlink(os.path.join(mount, key))),
                         ("a rename", lambda path: os.rename(os.path.join(mount, key), path))):
        try:
            change(os.path.join(mount, "new-name"))
            told[what] = "done"
        except OSError as error:
            told[what] = errno.errorcode[error.errno]
    report.check("and says that it is read-only (EROFS)", set(told.values()) == {"EROFS"}, str(told))


def saved(path):
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.write(file, b"x")
        os.fsync(file)
    finally:
        os.close(file)


def record(store, member):
    """The record that enough drives hold an object rides on a later entry, or is made within a second, and is known to all nodes with the one
    after that; until then it takes a leader, or drives that the set no longer has here, to say so."""
    for _ in range(2):
        for method in ("PUT", "DELETE"):
            store.client(member).request(method, "/store/rides-on", b"x")


def test_recover(store):
    """Six drives, three of them lost: no majority, and just enough shards."""
    nodes = store.nodes
    first, second, third = nodes.members
    done = flashctl(nodes, first, "admin", "set", "recover", "--yes", "n", "1")
    report.check("a set that has a leader is not recovered", done.returncode != 0 and "leader" in done.stderr, done.stdout + done.stderr)
    lost = nodes.drives_of(1)[1]
    record(store, first)
    third.kill()
    os.rename(lost, lost + ".lost")
    await_true("the set takes no changes", 60, lambda: refused(store, first))
    for member in (first, second):
        wrong = store.wrong(member)
        report.check(f"without a leader everything is read at node {member.number + 1}", not wrong, "\n".join(wrong[:8]))
        listed = store.ask(member, "/store?list-type=2&prefix=before-").count(b"<Key>")
        report.check(f"and listed at node {member.number + 1}", listed == len(store.sizes), f"{listed} of {len(store.sizes)}")
    report.check("changes are refused at once", refused_in(store, second) < 1.0)
    test_mount(store)
    ready = [store.ask(member, "/flashstor/health/ready") != b"" for member in (first, second)]
    cluster = [store.ask(member, "/flashstor/health/cluster") != b"" for member in (first, second)]
    report.check("health says ready to read, not to write", all(ready) and not any(cluster), f"{ready} {cluster}")
    done = flashctl(nodes, first, "admin", "set", "recover", "n", "1")
    report.check("it takes --yes", done.returncode != 0 and "--yes" in done.stderr, done.stdout + done.stderr)
    done = None

    def answered():  # a leader that hears nobody any more takes itself for one up to an election timeout longer
        nonlocal done
        done = flashctl(nodes, first, "admin", "set", "recover", "--yes", "--json", "n", "1")
        return "has a leader" not in done.stdout + done.stderr
    await_true("the leader has given up", 30, answered)
    facts = json.loads(done.stdout or "{}")
    good = done.returncode == 0 and facts.get("standing") == 3 and facts.get("lost") == 3 and facts.get("whole") is True
    report.check("flashctl admin set recover goes on with three of six drives", good, done.stdout + done.stderr)
    wrong = store.wrong(first, 30)
    report.check("everything can be read", not wrong, "\n".join(wrong[:8]))
    for drive in nodes.drives_of(2):
        shutil.rmtree(drive)
    third.start()
    nodes.await_ready(60, [third])
    store.put_many(first, "after-", 40, SIZES)
    report.ok("with new drives it takes changes again")
    os.rename(lost + ".lost", lost)
    await_true("the lost drive is taken for what it is", 60, lambda: "was declared lost" in second.tail(400), lambda: second.tail())
    await_redundant(store, nodes.drives_of(2) + [lost])
    report.ok("new drives are filled, and a lost one that comes back is filled anew")


def test_afterwards(store):
    nodes = store.nodes
    for member in nodes.members:
        member.kill()
    for member in nodes.members:
        member.start()
    nodes.await_ready(90)
    await_true("all is healed", 90, lambda: healed(store), lambda: str(states(store, nodes.members[0])))
    report.ok("the set is what it became after all nodes were killed")
    for member in nodes.members:
        without(store, member, f"everything can be read without node {member.number + 1}", report)
        await_true("all is healed", 90, lambda: healed(store))


def test_too_few(store):
    """One drive of six: what only the others acknowledged may be missing, and that has to be said."""
    nodes = store.nodes
    first, second, third = nodes.members
    second.kill()
    third.kill()
    drive = nodes.drives_of(0)[1]
    os.rename(drive, drive + ".lost")
    status = store.client(first).request("GET", "/store/before-1")[0]
    report.check("with too few drives to be sure of the rows reads are an error, never an old version", status == 503, str(status))
    await_true("it says what may be missing", 60, lambda: "may be missing" in recover_words(nodes, first))
    report.ok("with too few drives it says what may be missing, and does nothing")
    os.rename(drive + ".lost", drive)
    second.start()
    third.start()
    nodes.await_ready(60)
    await_true("all is healed", 90, lambda: healed(store))
    report.ok("and nothing was changed by asking")


def test(nodes):
    mount = os.path.join(nodes.data, "mount")
    if os.access("/dev/fuse", os.R_OK | os.W_OK):
        os.mkdir(mount)
        nodes.members[0].options = ["--mount", f"store={mount}"]
    nodes.start()
    store = Store(nodes)
    await_true("a bucket", 30, lambda: store.client(nodes.members[0]).request("PUT", "/store")[0] in (200, 409))
    store.put_many(nodes.members[0], "before-", 80, SIZES)
    await_true("every drive has its shards", 60, lambda: healed(store))
    test_recover(store)
    test_afterwards(store)
    test_too_few(store)


run(report, Nodes(3, 2), test)
