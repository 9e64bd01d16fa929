#!/usr/bin/python3
"""Every node of a store of two sets is stopped and started again, one after the other, under load: a node hands over what it leads before it
stops, and tells a load balancer to leave.

    rolling_restart_test.py [--full]"""
import http.client
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "faults")]
from cluster_store import Store, await_true, healed, run  # noqa: E402
from history_client import FILES, PLAIN, VERSIONS  # noqa: E402
from history_load import Judge, Load  # noqa: E402
from nodes import Nodes  # noqa: E402
from tap import Report  # noqa: E402

FULL = "--full" in sys.argv
SETS = 2
ENOUGH = 15       # successes of each other client around a stop
ELECTION = 1.0    # no election is over sooner after the last word of a leader
NO_GAP = 0.7      # a stop has to cost less than an election, at least once where the machine is busy
report = Report("rolling restart: ")


def leaders(store, asked):
    """By set: the node that leads it, as `asked` says; None where none is known."""
    nodes = store.nodes
    paths = [part["leader_path"] for part in store.admin(asked, "info")["sets"]]
    drives = [(member, drive) for member in nodes.members for drive in nodes.drives_of(member.number)]
    return [next((member for member, drive in drives if path and path.endswith(drive)), None) for path in paths]


def restarted(store, load, member):
    """Stops one node in order and starts it again; gives whether it led, whether another led each set when it had gone, and how long no key
    could be written through the others."""
    nodes = store.nodes
    await_true("all is healed", 120, lambda: healed(store))
    rest = [other for other in nodes.members if other is not member]
    clients = load.of(rest, ("s3", "probe"))
    led = member in leaders(store, rest[0])
    load.await_successes(clients, time.monotonic(), 1, 30)
    stopped = time.monotonic()
    status = member.stop()
    took = time.monotonic() - stopped
    after = leaders(store, rest[0])
    load.await_successes(clients, time.monotonic(), ENOUGH, 30)
    member.start()
    nodes.await_ready(60, [member])
    outage = max(load.outage(load.of(rest, ("probe",)), stopped), load.longest_write(load.of(rest, ("s3",)), stopped))
    words = f"{outage[0]:.2f} s: {outage[1]}"
    failed = [(one.orders["name"], line["kind"], answer["status"]) for one in clients for line in one.lines
              if (answer := one.answers.get(line["n"])) and answer["answer"] > stopped and answer["outcome"] == "unknown"]
    print(f"    node {member.number + 1} {'led' if led else 'did not lead'}, took {took:.2f} s; longest without writes {words}; failed {failed}")
    report.check(f"node {member.number + 1} stops in order", status == 0, member.tail())
    report.check(f"when node {member.number + 1} has gone other nodes lead", all(after) and member not in after,
                 str([leads and leads.number + 1 for leads in after]))
    return led, outage[0], words


def test_restarts(store):
    nodes = store.nodes
    load = Load(nodes, "rolling", [], 1)
    rounds = []
    try:
        load.await_successes(load.processes, time.monotonic(), ENOUGH, 60)
        for member in nodes.members * (2 if FULL else 1):
            rounds.append(restarted(store, load, member))
        await_true("leaders", 30, lambda: all(leaders(store, nodes.members[0])))
        rounds.append(restarted(store, load, leaders(store, nodes.members[0])[0]))
    finally:
        stuck = load.end()
    outages = [outage for led, outage, _ in rounds if led]
    report.check("a stop of a node that leads costs no election", outages and min(outages) < NO_GAP, str(rounds))
    if FULL:
        report.check("none of them does", max(outages) < ELECTION, str(rounds))
    await_true("all is healed", 120, lambda: healed(store))
    for member in nodes.members:
        load.read_all(store.client(member), member.number + 1)
    judge = Judge(load).judge()
    bad = [f"{len(each)}: {each[0]}" for each in (judge.lost, judge.wrong, judge.stale, judge.open) if each]
    report.check("nothing is lost, wrong or stale", not bad and not stuck, "\n".join(map(str, bad + stuck)))


def ready(member):
    """What a load balancer is told: a status, or None when nobody answers."""
    connection = http.client.HTTPConnection(member.host, member.port, timeout=5)
    try:
        connection.request("GET", "/flashstor/health/ready")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def test_ready(store):
    """A node that stops hands over first; while it tries, with peers that stand still, it answers, and says that it is to be left."""
    nodes = store.nodes
    await_true("all is healed", 120, lambda: healed(store))
    await_true("leaders", 30, lambda: all(leaders(store, nodes.members[0])))
    member = leaders(store, nodes.members[0])[0]
    report.check("a node that serves is ready", ready(member) == 200)
    rest = [other for other in nodes.members if other is not member]
    for other in rest:
        other.signal(signal.SIGSTOP)
    try:
        member.signal(signal.SIGTERM)
        seen = []
        while not seen or seen[-1] is not None:
            seen.append(ready(member))
    finally:
        for other in rest:
            other.signal(signal.SIGCONT)
    report.check("a node that stops says that it is not", 503 in seen, str(seen))
    member.stop()
    member.start()
    nodes.await_ready(60, [member])


def test(nodes):
    nodes.start()
    store = Store(nodes)
    for bucket in (PLAIN, VERSIONS, FILES):
        await_true("a bucket", 30, lambda name=bucket: store.client(nodes.members[0]).request("PUT", f"/{name}")[0] in (200, 409))
    versioned = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    assert store.client(nodes.members[0]).request("PUT", f"/{VERSIONS}", versioned, query={"versioning": ""})[0] == 200
    assert f"sets={SETS} " in nodes.members[0].output(), nodes.members[0].output()
    test_restarts(store)
    test_ready(store)


run(report, Nodes(3, 6, options=["--parity", "3"]), test)
