#!/usr/bin/python3
"""A gateway: a node without drives answers like any other, loses nothing when a node dies, and refuses what was revoked elsewhere."""
import hashlib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster_store import SIZES, Store, await_true, flashctl, flashctl_on_terminal, healed, run  # noqa: E402
from nodes import Member, Nodes  # noqa: E402
from node import free_port  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

MAX_REVOKED = 1.0  # promised for every node after a key was removed
report = Report("gateway: ")


def client_of(nodes, member, access=None, secret=None):
    class Facts:
        port, access, secret = member.port, nodes.access, nodes.secret
    return Client(Facts, access, secret)


def test_any(store, gateway):
    nodes = store.nodes
    store.put_many(gateway, "through-", 40, SIZES + [9_000_000])
    for member in nodes.members + [gateway]:
        wrong = store.wrong(member)
        report.check(f"what went through the gateway is read at {'the gateway' if member is gateway else f'node {member.number + 1}'}", not wrong, "\n".join(wrong[:8]))
    own = [drive for drive in nodes.drives_of(gateway.number) if os.path.exists(os.path.join(drive, ".flashstor"))]
    report.check("it has no drives", not own and "drives=6" in gateway.output(), f"{own} {gateway.output()}")


def test_revoked(nodes, gateway):
    flashctl(nodes, nodes.members[0], "admin", "user", "add", "n", "alice", "alices-secret")
    flashctl(nodes, nodes.members[0], "admin", "policy", "attach", "n", "readwrite", "--user", "alice")
    alice = client_of(nodes, gateway, "alice", "alices-secret")
    await_true("the gateway knows a new user", 5, lambda: alice.request("PUT", "/store/alice", b"hello")[0] == 200)
    flashctl(nodes, nodes.members[0], "admin", "user", "remove", "n", "alice")
    began = time.monotonic()
    while (status := alice.request("GET", "/store/alice")[0]) == 200 and time.monotonic() - began < 5:
        time.sleep(0.02)
    took = time.monotonic() - began
    report.check(f"a key removed at a node is refused at the gateway ({took:.2f} s) within a second", status == 403 and took < MAX_REVOKED, f"{status}")
    made = flashctl(nodes, gateway, "admin", "user", "add", "n", "bob", "bobs-secret-1")
    flashctl(nodes, gateway, "admin", "policy", "attach", "n", "readwrite", "--user", "bob")
    bob = client_of(nodes, nodes.members[1], "bob", "bobs-secret-1")
    await_true("nodes know a user made at the gateway", 5, lambda: bob.request("PUT", "/store/bob", b"hello")[0] == 200, lambda: made.stderr)
    report.ok("a user made at the gateway is known at a node")


def test_node_dies(store, gateway):
    nodes = store.nodes
    for member in nodes.members:
        await_true("all is healed", 90, lambda: healed(store))
        other = nodes.members[(member.number + 1) % 3]
        await_true("every node may go down", 20, lambda: all(may_go(store, one) for one in nodes.members))
        member.kill()
        began = time.monotonic()
        store.put(gateway, f"without-{member.number}", 100_000)
        took = time.monotonic() - began
        print(f"    a write through the gateway took {took:.2f} s after the death of node {member.number + 1} (promised: within 3)")
        wrong = store.wrong(gateway)
        report.check(f"everything is there through the gateway without node {member.number + 1}", not wrong, "\n".join(wrong[:8]))
        report.check("then no other node may go down, says its health page", not may_go(store, other))
        told = flashctl(nodes, other, "admin", "info", "n").stdout
        report.check("flashctl admin info shows the lost node and its drives", "offline" in told and told.count("missing") == 2 and "must not go down" in told
                     and "led from" in told, told)
        if member is nodes.members[0]:
            test_colours(nodes, other, told)
        member.start()
        nodes.await_ready(60, [member])


def test_colours(nodes, member, plain):
    """What is well is green and what is not is red on a terminal, and plain words elsewhere."""
    seen = flashctl_on_terminal(nodes, member, "admin", "info", "n")
    report.check("on a terminal flashctl admin info is in colour",
                 all(word in seen for word in ("\x1b[32monline\x1b[0m", "\x1b[31mmissing\x1b[0m", "\x1b[31moffline\x1b[0m", )) and any(f"\x1b[{state}\x1b[0m" in seen for state in ("33mhealing", "31mdegraded")), repr(seen))
    report.check("and nowhere else", "\x1b" not in plain and "offline" in plain, plain)


def may_go(store, member):
    """Whether this node may go down now, as it says itself."""
    return store.ask(member, "/flashstor/health/cluster?maintenance=1") != b""


def test_secret(nodes, gateway):
    gateway.stop()
    right, nodes.cluster_secret = nodes.cluster_secret, hashlib.sha256(b"another").hexdigest()
    gateway.start()
    await_true("it says why it waits", 20, lambda: "refused this node" in gateway.output(), gateway.output)
    report.check("a gateway with another secret gets nothing", not gateway.is_ready(), gateway.output())
    gateway.stop()
    nodes.cluster_secret = right
    gateway.start()
    nodes.await_ready(60, [gateway])
    report.ok("with the right one it is back")


def main():
    nodes = Nodes(3, 2)
    gateway = Member(nodes, 3, free_port())
    gateway.options = ["--gateway"]

    def body(_):
        gateway.start()
        await_true("the gateway waits for the nodes", 20, lambda: "waiting" in gateway.output(), gateway.tail)
        nodes.start()
        nodes.await_ready(60, [gateway])
        report.ok("a gateway starts before the nodes and waits for them")
        store = Store(nodes)
        await_true("a bucket", 30, lambda: store.client(gateway).request("PUT", "/store")[0] in (200, 409))
        test_any(store, gateway)
        test_revoked(nodes, gateway)
        test_node_dies(store, gateway)
        test_secret(nodes, gateway)
        report.check("the gateway stops in order", gateway.stop() == 0, gateway.tail())
    run(report, nodes, body, gateway)


main()
