#!/usr/bin/python3
"""Drives and nodes that are lost for good: what stands in their place empty is filled, and then carries the store alone with the rest."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster_store import SIZES, Store, await_redundant, await_true, flashctl, healed, run, states, without  # noqa: E402
from node import Node  # noqa: E402
from nodes import Nodes  # noqa: E402
from tap import Report  # noqa: E402

FULL = "--full" in sys.argv
LONG_AWAY = 1500 if FULL else 200  # objects of 1 MB: more log than a node keeps across a start for who is away
report = Report("replaced: ")


def test_drive(store):
    nodes = store.nodes
    first, drive = nodes.members[0], nodes.drives_of(0)[1]
    os.rename(drive, drive + ".old")
    os.mkdir(drive)
    store.put_many(nodes.members[1], "during-", 40, SIZES)
    await_redundant(store, [drive])
    report.ok("an empty drive in the place of a lost one is filled while requests come in")
    metrics = store.ask(first, "/flashstor/metrics").decode()
    filled = [line for line in metrics.splitlines() if line.startswith("flashstor_fill_rows_total")]
    report.check("metrics say how many rows were copied", bool(filled) and float(filled[0].split()[-1]) > 0, str(filled))
    without(store, nodes.members[1], "the new drive carries the store with the three others", report)
    await_true("all is healed", 60, lambda: healed(store))
    shutil.rmtree(drive + ".old")
    first.stop()
    first.start()
    nodes.await_ready(60, [first])
    await_true("the new drive is known after a start", 60, lambda: healed(store), lambda: str(states(store, first)))
    report.ok("a replaced drive is known again after a start of its node")


def bring_back(store, member, drive, kept):
    """Puts the drive that is at `kept` back in the place of what stands at `drive`, and waits until all is healed."""
    member.stop()
    shutil.rmtree(drive)
    os.rename(kept, drive)
    member.start()
    store.nodes.await_ready(60, [member])
    await_true("the right drive is back", 60, lambda: healed(store), lambda: str(states(store, member)))


def test_old_drive(store):
    """A drive that comes back after another took its place is told apart."""
    nodes = store.nodes
    member, drive = nodes.members[1], nodes.drives_of(1)[0]
    os.rename(drive, drive + ".old")
    os.mkdir(drive)
    await_redundant(store, [drive])
    member.stop()
    os.rename(drive, drive + ".new")
    os.rename(drive + ".old", drive)
    member.start()
    nodes.await_ready(60, [member])
    await_true("the old drive is kept out", 30, lambda: any("was replaced" in error for _, error in states(store, member).values()),
               lambda: str(states(store, member)))
    report.ok("a drive that was replaced and comes back is kept out, in words")
    bring_back(store, member, drive, drive + ".new")


def tree(path):
    """Every file under `path` with its size and when it was last changed."""
    return sorted((os.path.join(folder, name), *os.stat(os.path.join(folder, name))[6:9:2]) for folder, _, files in os.walk(path) for name in files)


def test_foreign_drive(store):
    """A drive of another deployment, or a directory with other files, in a drive's place: the node starts without it."""
    nodes = store.nodes
    member, drive = nodes.members[1], nodes.drives_of(1)[0]
    with Node(1) as other:
        stranger = other.drives[0]
        other.stop()
        pictures = os.path.join(other.data, "pictures")
        os.mkdir(pictures)
        with open(os.path.join(pictures, "holiday.jpg"), "w", encoding="ascii") as picture:
            picture.write("x")
        for place, word in ((stranger, "deployment"), (pictures, "holiday.jpg")):
            member.stop()
            os.rename(drive, drive + ".away")
            shutil.copytree(place, drive)
            before = tree(drive)
            member.start()
            nodes.await_ready(60, [member])
            await_true(f"what is no drive of ours is told ({word})", 30,
                       lambda: any(state == "foreign" and word in error for state, error in states(store, member).values()),  # noqa: B023
                       lambda: f"{states(store, member)} {member.tail()}")
            store.put_many(member, f"beside-{word}-", 10, SIZES)
            report.check(f"a node starts without what is no drive of its deployment ({word}), and writes nothing to it", tree(drive) == before, str(before))
            bring_back(store, member, drive, drive + ".away")


def passes(store, depth):
    """How many passes the scanner of the set's leader has made."""
    return store.admin(store.nodes.members[0], "heal")[depth]


def test_node(store):
    nodes = store.nodes
    lost = nodes.members[2]
    lost.kill()
    store.put_many(nodes.members[0], "meanwhile-", 60, SIZES)
    for drive in nodes.drives_of(2):
        shutil.rmtree(drive)
    lost.start()
    nodes.await_ready(60, [lost])
    await_redundant(store, nodes.drives_of(2))
    report.ok("a node replaced empty is filled from the others")
    told = {store.admin(member, "heal")["healed"] for member in nodes.members}
    report.check("whichever node is asked tells how many shards the leader has healed", len(told) == 1 and min(told) > 0, str(told))
    without(store, nodes.members[0], "the new node carries the store with another one", report)
    await_true("all is healed", 60, lambda: healed(store))
    done = flashctl(nodes, lost, "admin", "heal", "n")
    report.check("flashctl admin heal tells of it", done.returncode == 0 and "waiting" in done.stdout, done.stdout + done.stderr)
    for depth in ("scans", "deep_scans"):
        for member in nodes.members:
            before = passes(store, depth)
            done = flashctl(nodes, member, "admin", "heal", "--deep" if depth == "deep_scans" else "--scan", "n")
            assert done.returncode == 0, done.stderr
            await_true(f"{depth} asked for at node {member.number + 1}", 30, lambda: passes(store, depth) > before)
    report.ok("a scan can be asked for at any node, wherever the set is led")


def test_long_away(store):
    """A node that missed more than the logs keep is filled anew, and keeps the shards that it has."""
    nodes = store.nodes
    away = nodes.members[1]
    away.kill()
    store.put_many(nodes.members[0], "long-", LONG_AWAY, [1_000_000], at_once=16)
    for member in (nodes.members[0], nodes.members[2]):
        member.stop()
        member.start()
        nodes.await_ready(60, [member])
    away.start()
    nodes.await_ready(60, [away])
    await_true("it is filled anew", 60, lambda: "too far behind" in away.tail(400), lambda: away.tail(20))
    seen, words = [], []

    def healed_and_noted():
        seen.append(store.admin(nodes.members[0], "heal"))
        if seen[-1]["eta_s"] > 0:
            words.append(flashctl(nodes, nodes.members[0], "admin", "heal", "n").stdout)
        return healed(store)
    await_true("all is healed", 180, healed_and_noted, lambda: f"{states(store, away)} {store.admin(nodes.members[0], 'heal')}")
    if FULL or any(one["rate_bytes_s"] for one in seen):
        good = [one for one in seen if one["active"] and one["queue"] > 0 and one["rate_bytes_s"] > 100_000]
        report.check("while it is healed its rate is told", good, str(seen[len(seen) // 2]))
    else:
        report.skip("while it is healed its rate is told", "it was over before it was measured; --full heals more")
    if FULL:
        report.check("and the time that is left", any("/s, " in line and " left" in line for line in words), f"{words[:1]} {seen[len(seen) // 2]}")
        after = store.admin(nodes.members[0], "heal")
        report.check("and nothing of it when it is done", not after["rate_bytes_s"] and not after["eta_s"] and not after["active"], str(after))
    report.ok("a node that missed more than the logs keep is filled anew")
    without(store, nodes.members[2], "a node that was away for long carries the store with another one", report)


def test(nodes):
    nodes.start()
    store = Store(nodes)
    await_true("a bucket", 30, lambda: store.client(nodes.members[0]).request("PUT", "/store")[0] in (200, 409))
    store.put_many(nodes.members[0], "before-", 80, SIZES)
    test_drive(store)
    test_old_drive(store)
    test_foreign_drive(store)
    test_node(store)
    test_long_away(store)


run(report, Nodes(3, 2, options=["--parity", "2"]), test)
