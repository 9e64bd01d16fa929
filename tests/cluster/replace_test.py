#!/usr/bin/python3
"""Drives and nodes that are lost for good: what stands in their place empty is filled, and then carries the store alone with the rest."""
import concurrent.futures
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from node import program  # noqa: E402
from nodes import Nodes  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

FULL = "--full" in sys.argv
SIZES = [0, 200, 4096, 70_000, 700_000, 3_000_000]
LONG_AWAY = 200  # objects of 1 MB: more log than a node keeps across a start for who is away
report = Report("replaced: ")


def body_of(key, size):
    seed = hashlib.sha256(f"{key} {size}".encode()).digest()
    return (seed * (size // 32 + 1))[:size]


class Store:
    """What was written, and whether it is still there."""

    def __init__(self, nodes):
        self.nodes, self.sizes = nodes, {}
        self.local = threading.local()

    def client(self, member, timeout=20):
        clients = self.local.__dict__.setdefault("clients", {})
        if member.number not in clients:
            class Facts:
                port, access, secret = member.port, self.nodes.access, self.nodes.secret
            clients[member.number] = Client(Facts, timeout=timeout)
        return clients[member.number]

    def put(self, member, key, size):
        end = time.monotonic() + 30
        while True:
            try:
                if self.client(member).request("PUT", f"/store/{key}", body_of(key, size))[0] == 200:
                    self.sizes[key] = size
                    return
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > end:
                raise RuntimeError(f"PUT {key} did not succeed in 30 s")
            time.sleep(0.02)

    def put_many(self, member, prefix, count, sizes, at_once=8):
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda n: self.put(member, f"{prefix}{n}", sizes[n % len(sizes)]), range(count)))

    def wrong(self, member, seconds=20):
        """Keys that cannot be read back at `member`; each is tried until `seconds` have passed."""
        end, wrong = time.monotonic() + seconds, []
        for key, size in sorted(self.sizes.items()):
            while True:
                try:
                    status, data, _ = self.client(member).request("GET", f"/store/{key}")
                except (OSError, http.client.HTTPException):
                    status, data = 0, b""
                if status == 200 or time.monotonic() > end:
                    break
                time.sleep(0.05)
            if status != 200 or data != body_of(key, size):
                wrong.append(f"{key}: {status}, {len(data)} of {size} bytes {data[:80]!r}")
        return wrong

    def ask(self, member, path):
        """The body of a GET; a connection that the node's stop broke is opened anew."""
        for last in (False, True):
            try:
                status, data, _ = self.client(member).request("GET", path)
                return data if status == 200 else b""
            except (OSError, http.client.HTTPException):
                if last:
                    raise

    def admin(self, member, what):
        return json.loads(self.ask(member, f"/flashstor/admin/v1/{what}") or b"{}")


def await_true(what, seconds, condition, detail=lambda: ""):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s {detail()}")
        time.sleep(0.05)


def states(store, member):
    info = store.admin(member, "info")
    return {drive["path"].split("//")[-1]: (drive["state"], drive["error"]) for node in info["nodes"] for drive in node["drives"]}


def healed(store):
    """Every node sees every drive at work, nothing is being filled or waits to be healed, and a pass found nothing missing."""
    try:
        infos = [store.admin(member, "info") for member in store.nodes.members]
        heals = [store.admin(member, "heal") for member in store.nodes.members]
    except (OSError, http.client.HTTPException):
        return False
    return (all(drive["state"] == "online" for info in infos for node in info["nodes"] for drive in node["drives"]) and
            all(heal["queue"] == 0 and heal["filling_drives"] == 0 and not heal["scanning"] for heal in heals))


def flashctl(nodes, member, *words):
    environment = dict(os.environ, FLASHSTORE_CONFIG_DIR=os.path.join(nodes.data, "flashctl"))
    subprocess.run([program("flashctl"), "alias", "set", "n", member.endpoint, nodes.access, nodes.secret], env=environment, check=True, stdout=subprocess.DEVNULL)
    return subprocess.run([program("flashctl"), *words], env=environment, capture_output=True, text=True, check=False)


def shards_of(drive):
    """How many shard files lie on a drive."""
    return sum(len(files) for _, _, files in os.walk(os.path.join(drive, "shards")))


def await_redundant(store, drives, seconds=120):
    """Until the drives hold as many shard files as the others, and nothing is left to heal."""
    others = [drive for number in range(store.nodes.count) for drive in store.nodes.drives_of(number) if drive not in drives]
    most = max(shards_of(drive) for drive in others)
    await_true("the new drives hold their shards", seconds, lambda: healed(store) and all(shards_of(drive) >= most for drive in drives),
               lambda: f"{[shards_of(drive) for drive in drives]} of {most} shard files; {states(store, store.nodes.members[0])} "
                       f"{[store.admin(member, 'heal') for member in store.nodes.members]}")


def without(store, gone, name):
    """Everything can be read while `gone` is down: what is left is just enough."""
    nodes = store.nodes
    gone.kill()
    reader = next(member for member in nodes.members if member is not gone)
    wrong = store.wrong(reader)
    report.check(name, not wrong, "\n".join(wrong[:8]))
    gone.start()
    nodes.await_ready(60, [gone])


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
    without(store, nodes.members[1], "the new drive carries the store with the three others")
    await_true("all is healed", 60, lambda: healed(store))
    shutil.rmtree(drive + ".old")
    first.stop()
    first.start()
    nodes.await_ready(60, [first])
    await_true("the new drive is known after a start", 60, lambda: healed(store), lambda: str(states(store, first)))
    report.ok("a replaced drive is known again after a start of its node")


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
    member.stop()
    shutil.rmtree(drive)
    os.rename(drive + ".new", drive)
    member.start()
    nodes.await_ready(60, [member])
    await_true("the right drive is back", 60, lambda: healed(store), lambda: str(states(store, member)))


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
    without(store, nodes.members[0], "the new node carries the store with another one")
    await_true("all is healed", 60, lambda: healed(store))
    done = flashctl(nodes, lost, "admin", "heal", "n")
    report.check("flashctl admin heal tells of it", done.returncode == 0 and "waiting" in done.stdout, done.stdout + done.stderr)


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
    await_true("all is healed", 180, lambda: healed(store), lambda: f"{states(store, away)} {store.admin(nodes.members[0], 'heal')}")
    report.ok("a node that missed more than the logs keep is filled anew")
    without(store, nodes.members[2], "a node that was away for long carries the store with another one")


def main():
    nodes = Nodes(3, 2, options=["--parity", "2"])
    try:
        nodes.start()
        store = Store(nodes)
        await_true("a bucket", 30, lambda: store.client(nodes.members[0]).request("PUT", "/store")[0] in (200, 409))
        store.put_many(nodes.members[0], "before-", 80, SIZES)
        test_drive(store)
        test_old_drive(store)
        test_node(store)
        test_long_away(store)
        report.check("nodes stop in order", [member.stop() for member in nodes.members] == [0, 0, 0])
    except Exception as problem:
        logs = "\n".join(f"node {m.number + 1}: {m.tail(12)}" for m in nodes.members)
        report.fail("the test itself", f"{problem!r}\n{logs}")
    finally:
        nodes.remove()
    report.end()


main()
