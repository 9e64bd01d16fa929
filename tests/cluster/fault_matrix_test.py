#!/usr/bin/python3
"""Stores of 3 and 4 real nodes under mixed load of S3 and mounts, in network namespaces, while nodes, links and drives go wrong. Every
operation of every client is on record, and must fit one order per key: nothing acknowledged is lost, no bytes are wrong, no read is stale.
While a fault lasts the others go on, and no key is without writes for longer than the fault's bound (three times that in the short form,
which runs where other things do).

    fault_matrix_test.py [--full] [--shape="3 nodes"|"4 nodes"|"two sets"] [words of faults' names]"""
import os
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "faults")]
from cluster_store import Store, await_true, flashctl, healed, states  # noqa: E402
from drives_store import Faults  # noqa: E402
from history_client import FILES, PLAIN, VERSIONS  # noqa: E402
from history_load import Judge, Load  # noqa: E402
from network import run_in_hub  # noqa: E402
from node_faults import chosen  # noqa: E402
from nodes import Nodes  # noqa: E402
from tap import Report  # noqa: E402

FULL = "--full" in sys.argv
SHAPES_WANTED = [word.partition("=")[2] for word in sys.argv[1:] if word.startswith("--shape=")]
WORDS = [word for word in sys.argv[1:] if not word.startswith("--")]
ENOUGH = 15                     # successes of each other client while a fault lasts, before it is mended
PATIENCE = 10 if FULL else 30   # seconds for that
SLACK = 1 if FULL else 3        # times the bound that a fault's outage may take
SHAPES = {"3 nodes": (3, 2, 2, 1), "4 nodes": (4, 2, 2, 1), "two sets": (3, 6, 3, 2)}  # nodes, drives of each, parity, sets that come out
report = Report("fault matrix: ")


class Table:
    def __init__(self):
        self.rows = [("shape", "fault", "operations", "unknown", "longest outage", "bound", "bitten", "seconds")]

    def add(self, *row):
        self.rows.append(tuple(map(str, row)))

    def __str__(self):
        widths = [max(len(row[n]) for row in self.rows) for n in range(len(self.rows[0]))]
        return "\n".join("    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in self.rows)


class Matrix:
    """A store of one shape, on which one fault after the other is tried."""

    def __init__(self, shape, network, table):
        self.shape, self.network, self.table, self.rounds = shape, network, table, 0
        count, drives, parity, self.sets = SHAPES[shape]
        self.nodes = Nodes(count, drives, options=["--parity", str(parity)], network=network)
        self.faults = Faults(self.nodes.data)
        self.nodes.environment = self.faults.environment
        self.mounts = []
        self.store = Store(self.nodes)
        self.done = []  # loads that were judged

    def start(self):
        nodes = self.nodes
        can_mount = os.access("/dev/fuse", os.R_OK | os.W_OK)
        local, remote = (os.path.join(nodes.data, name) for name in ("mount-local", "mount-remote"))
        if can_mount:
            os.makedirs(local)
            os.makedirs(remote)
            nodes.members[0].options = ["--mount", f"{FILES}={local}"]
            self.mounts = [(local, nodes.members[0]), (remote, nodes.members[1])]
        else:
            report.skip("clients through mounts", "no /dev/fuse")
        nodes.start()
        assert f"sets={self.sets} " in nodes.members[0].output(), nodes.members[0].output()
        client = self.store.client(nodes.members[0])
        for bucket in (PLAIN, VERSIONS, FILES):
            await_true("a bucket", 30, lambda: client.request("PUT", f"/{bucket}")[0] in (200, 409))
        versioned = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        assert client.request("PUT", f"/{VERSIONS}", versioned, query={"versioning": ""})[0] == 200
        if can_mount:
            done = flashctl(nodes, nodes.members[1], "mount", "--remote", f"n/{FILES}", remote)
            assert done.returncode == 0, done.stdout + done.stderr

    def close(self):
        for directory, _ in self.mounts:
            subprocess.run(["fusermount3", "-uz", directory], check=False, stderr=subprocess.DEVNULL)
        self.nodes.remove()

    def await_healed(self):
        await_true("all is healed", 400, lambda: healed(self.store),
                   lambda: f"{states(self.store, self.nodes.members[0])} {[self.store.admin(member, 'heal') for member in self.nodes.members]}")

    def leader(self):
        """The node that leads the first set, and its drive that does."""
        def led_from():
            return self.store.admin(self.nodes.members[0], "info")["sets"][0]["leader_path"]
        await_true("a leader", 30, led_from)
        path = led_from()
        drives = ((member, drive) for member in self.nodes.members for drive in self.nodes.drives_of(member.number))
        return next((member, drive) for member, drive in drives if path.endswith(drive))

    def run(self, kind):
        nodes, began = self.nodes, time.monotonic()
        self.await_healed()
        victim, drive = self.leader() if kind.at_leader else (nodes.members[self.rounds % nodes.count], None)
        self.rounds += 1
        fault = kind(nodes, self.faults, self.network, victim, drive or nodes.drives_of(victim.number)[0])
        load = Load(nodes, f"r{self.rounds}", self.mounts, self.rounds)
        everybody = load.processes
        others = load.of([member for member in nodes.members if member not in fault.victims], ("s3", "probe"))
        try:
            load.await_successes(everybody, began, ENOUGH, 60)
            struck = time.monotonic()
            fault.strike()
            try:
                fault.wait(fault.hold_full if FULL else fault.hold)
                go_on = load.seen_successes(others, time.monotonic(), ENOUGH, PATIENCE)
                bitten, how = fault.bitten()
            finally:
                fault.mend()
            load.await_successes(everybody, time.monotonic(), ENOUGH, 90)
        finally:
            stuck = load.end()
        self.await_healed()
        for member in nodes.members:
            load.read_all(self.store.client(member), member.number + 1)
        self.judge(load, fault, victim, struck, (bitten, how), began, stuck, go_on)

    def judge(self, load, fault, victim, struck, bitten, began, stuck, go_on):
        where = f"{self.shape}, {fault.name} (node {victim.number + 1})"
        others = [member for member in self.nodes.members if member not in fault.victims] or self.nodes.members
        outage, key = max(load.outage(load.of(others, ("probe",)), struck), load.longest_write(load.of(others, ("s3",)), struck))
        allowed = fault.allowed()
        judge = Judge(load).judge()
        calls, unknown = load.counts()
        self.table.add(self.shape, fault.name, calls, unknown, f"{outage:.2f} s", f"{allowed:.1f} s", bitten[1], f"{time.monotonic() - began:.0f}")
        print(self.table.rows[-1], flush=True)
        bad = [f"{words}: {len(each)}\n" + "\n".join(each[:3]) for words, each in
               (("acknowledged writes lost", judge.lost), ("wrong bytes", judge.wrong), ("stale or impossible answers", judge.stale),
                ("histories that could not be followed", judge.open)) if each]
        if not bitten[0]:
            bad.append(f"the fault has not bitten: {bitten[1]}")
        if stuck:
            bad.append(f"clients that do not end: {stuck}")
        report.check(f"{where}: nothing lost, wrong or stale", not bad, "\n".join(bad))
        report.check(f"{where}: every other client goes on while it lasts", go_on, f"not {ENOUGH} successes of each in {PATIENCE} s")
        report.check(f"{where}: no key is without writes for {allowed * SLACK:.1f} s", outage < allowed * SLACK, f"{outage:.2f} s: {key}")
        self.done.append(load)

    def end(self):
        """What earlier rounds wrote has outlived the later faults."""
        wrong = []
        for load in self.done:
            for key, reads in load.final.items():
                before = next(answer for line, answer in reversed(reads) if line["kind"] == "read")
                status, _, headers = self.store.client(self.nodes.members[-1]).request("GET", f"/{key}")
                if (status, headers.get("ETag")) != (before["status"], before["etag"]):
                    wrong.append(f"{key}: {status} {headers.get('ETag')} after {before['status']} {before['etag']}")
        report.check(f"{self.shape}: what each round left has outlived the later ones", not wrong and self.done, "\n".join(wrong[:5]))


def run_with(shape, network, table):
    if network is not None:
        network.count = SHAPES[shape][0]
    matrix = Matrix(shape, network, table)
    try:
        matrix.start()
        for kind in chosen(shape, FULL, WORDS, int(time.time() // 86_400)):
            if kind.takes_network and network is None:
                report.skip(f"{shape}, {kind.name}", "network namespaces take root")
            else:
                matrix.run(kind)
        matrix.end()
    except Exception as problem:
        report.fail(f"{shape}: the test itself", f"{problem!r}\n{traceback.format_exc()}\n" +
                    "\n".join(f"node {m.number + 1}: {m.tail(20)}" for m in matrix.nodes.members))
    finally:
        matrix.close()


def main():
    network, table = run_in_hub(4), Table()
    for shape in SHAPES:
        if not SHAPES_WANTED or shape in SHAPES_WANTED:
            run_with(shape, network, table)
    print(table, flush=True)
    report.end()


main()
