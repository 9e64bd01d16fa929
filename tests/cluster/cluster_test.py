#!/usr/bin/python3
"""Three real nodes as one store: any node answers, nodes are killed and frozen under load, nothing acknowledged is lost."""
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster_store import run  # noqa: E402
from nodes import Nodes  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

FULL = "--full" in sys.argv
ROUNDS = 12
SIZES = [0, 100, 4096, 4096, 20_000, 300_000, 3_000_000]
MAX_OUTAGE = 3.0  # promised for every key after the death of a node
MAX_REVOKED = 1.0  # promised for every node after a key was removed
ENOUGH = 30  # writes of each other client after a fault, before the outage is read off
report = Report("three nodes: ")


def body_of(key, generation, size):
    """Bytes that name their key and generation, so that a reader knows which write it sees."""
    head = f"{key} {generation} {size} ".encode()
    seed = hashlib.sha256(head).digest()
    return (head + seed * (size // 32 + 1))[:max(size, len(head))]


class Probe(threading.Thread):
    """Writes its own keys through one node; remembers each acknowledged state, what may have happened, and the longest time without success."""

    def __init__(self, nodes, member, number, seed):
        super().__init__(daemon=True)
        self.client, self.member, self.number = Client(member_facts(nodes, member), timeout=15), member, number
        self.random = random.Random(seed)
        self.ended = False
        self.state, self.maybe = {}, {}
        self.answered = self.unknown = self.stale = 0
        self.successes = []

    def run(self):
        generation = 0
        while not self.ended:
            generation += 1
            key = f"p{self.number}/k{self.random.randrange(20)}"
            if self.random.random() < 0.3 and key in self.state and not self.maybe.get(key):
                self.read_back(key)
                continue
            value = None if self.random.random() < 0.15 else body_of(key, generation, self.random.choice(SIZES))
            self.maybe.setdefault(key, []).append(value)
            try:
                status = self.client.request("DELETE" if value is None else "PUT", f"/load/{key}", value or b"")[0]
            except (OSError, http.client.HTTPException):
                status = 0
            if status in (200, 204):
                self.state[key], self.maybe[key] = value, []
                self.answered += 1
                self.successes.append(time.monotonic())
            else:
                self.unknown += 1
                time.sleep(0.05)

    def read_back(self, key):
        try:
            status, data, _ = self.client.request("GET", f"/load/{key}")
        except (OSError, http.client.HTTPException):
            return
        expected = self.state[key]
        if status == 200 and data != expected or status == 404 and expected is not None:
            self.stale += 1

    def outage(self, since, until):
        """The longest time without a success between two moments."""
        times = [since] + [t for t in self.successes if since <= t <= until] + [until]
        return max(b - a for a, b in zip(times, times[1:]))


def member_facts(nodes, member):
    class Facts:
        port, access, secret = member.port, nodes.access, nodes.secret
    return Facts


def client_of(nodes, member, **more):
    return Client(member_facts(nodes, member), **more)


def wrong_keys(nodes, member, probes):
    """Reads every key of every probe at `member`; gives what is lost, wrong, or cannot be had."""
    client, wrong = client_of(nodes, member), []
    for probe in probes:
        for key in set(probe.state) | set(probe.maybe):
            allowed = [probe.state.get(key)] + probe.maybe.get(key, [])
            for attempt in range(40):
                try:
                    status, data, _ = client.request("GET", f"/load/{key}")
                except (OSError, http.client.HTTPException):
                    status, data = 0, b""
                if status in (200, 404):
                    break
                time.sleep(0.25)
            value = data if status == 200 else None
            if status not in (200, 404) or value not in allowed:
                wrong.append(f"{key}: {status} {data[:60]!r} at node {member.number + 1}; acknowledged {str(allowed[0])[:60]}")
    return wrong


def await_success(client, method, path, body=b"", timeout=30):
    end = time.monotonic() + timeout
    while True:
        try:
            status, data, _ = client.request(method, path, body)
            if status in (200, 204):
                return data
        except (OSError, http.client.HTTPException):
            status = 0
        if time.monotonic() > end:
            raise RuntimeError(f"{method} {path}: {status} after {timeout} s")
        time.sleep(0.05)


def test_secret(nodes):
    secret, nodes.cluster_secret = nodes.cluster_secret, ""
    member = nodes.members[0].start()
    status = member.process.wait(30)
    member.process = None
    nodes.cluster_secret = secret
    report.check("no start without the cluster's secret", status != 0 and "secret" in member.tail(), member.tail())


def test_start(nodes):
    first = nodes.members[2].start()
    end = time.monotonic() + 20
    while "waiting" not in first.output() and time.monotonic() < end:
        time.sleep(0.05)
    report.check("a node says what it waits for", "waiting" in first.output(), first.output() + first.tail())
    for member in nodes.members[:2]:
        member.start()
    nodes.await_ready(90)
    report.ok("nodes start in any order")


def test_any_node(nodes):
    clients = [client_of(nodes, member) for member in nodes.members]
    await_success(clients[0], "PUT", "/load")
    bad = []
    for at, client in enumerate(clients):
        for size in SIZES + [12_000_000]:
            key, value = f"any/{at}-{size}", body_of("any", at, size)
            await_success(client, "PUT", f"/load/{key}", value)
            for other, reader in enumerate(clients):
                status, data, _ = reader.request("GET", f"/load/{key}")
                if status != 200 or data != value:
                    bad.append(f"{key} written at node {at + 1}, read at {other + 1}: {status}, {len(data)} bytes")
    report.check("what is written at one node is read at every node at once", not bad, "\n".join(bad))
    lists = [client.request("GET", "/load", query={"list-type": "2", "prefix": "any/"})[1].count(b"<Key>") for client in clients]
    report.check("every node lists the same", len(set(lists)) == 1 and lists[0] == 3 * (len(set(SIZES)) + 1), str(lists))


def test_strangers(nodes):
    member = nodes.members[0]
    answers = []
    for token in ("", "fsp,1,a:1,b:2,00,1,00,00", f"fsp,1,127.0.0.1:{nodes.members[1].port},127.0.0.1:{member.port},{'0' * 32},{int(time.time()) + 60},{'0' * 32},{'0' * 64}"):
        with socket.create_connection(("127.0.0.1", member.port), timeout=10) as stranger:
            stranger.sendall(f"GET /.flashstor/v1/channel HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: flashstor-channel\r\n"
                             f"Authorization: {token}\r\n\r\n".encode())
            data = b""
            while chunk := stranger.recv(4096):
                data += chunk
            answers.append(data.split(b"\r\n")[0])
    report.check("a stranger gets no channel", all(b" 403 " in answer for answer in answers), str(answers))


def flashctl(nodes, member, *words):
    from node import program
    environment = dict(os.environ, FLASHSTORE_CONFIG_DIR=os.path.join(nodes.data, "flashctl"))
    alias = ["alias", "set", f"n{member.number}", member.endpoint, nodes.access, nodes.secret]
    subprocess.run([program("flashctl"), *alias], env=environment, check=True, stdout=subprocess.DEVNULL)
    return subprocess.run([program("flashctl"), *[w.replace("@", f"n{member.number}") for w in words]], env=environment, capture_output=True, text=True)


def test_identities(nodes):
    first, other = nodes.members[0], nodes.members[2]
    made = flashctl(nodes, first, "admin", "user", "add", "@", "alice", "alices-secret")
    flashctl(nodes, first, "admin", "policy", "attach", "@", "readwrite", "--user", "alice")
    alice = client_of(nodes, other, access="alice", secret="alices-secret")
    status = alice.request("PUT", "/load/alice", b"hello")[0]
    report.check("a user made at one node is known at another at once", status == 200, f"{status} {made.stdout}{made.stderr}")
    flashctl(nodes, first, "admin", "user", "remove", "@", "alice")
    began = time.monotonic()
    while (status := alice.request("GET", "/load/alice")[0]) == 200 and time.monotonic() - began < 5:
        time.sleep(0.02)
    took = time.monotonic() - began
    report.check(f"a user removed at one node is refused at another ({took:.2f} s) within a second", status == 403 and took < MAX_REVOKED, f"{status} after {took}")
    await_success(client_of(nodes, first), "PUT", "/fleeting")
    client_of(nodes, other).request("HEAD", "/fleeting")
    client_of(nodes, first).request("DELETE", "/fleeting")
    status = client_of(nodes, other).request("PUT", "/fleeting/x", b"x")[0]
    report.check("a bucket removed at one node is gone at another", status == 404, str(status))


def await_answers(probes, since, count, timeout=30):
    """Until each probe has had so many writes acknowledged after `since`."""
    end = time.monotonic() + timeout
    while any(sum(1 for t in probe.successes[-count:] if t >= since) < count for probe in probes):
        if time.monotonic() > end:
            return
        time.sleep(0.01)


def kill(member):
    process = member.process
    member.kill()
    return process.returncode == -signal.SIGKILL


def freeze(member):
    member.signal(signal.SIGSTOP)
    return os.WIFSTOPPED(os.waitpid(member.process.pid, os.WUNTRACED)[1])


def leader(nodes, asked):
    """The node that leads the set, as another one says; None while none is known."""
    answer = flashctl(nodes, asked, "admin", "info", "@", "--json")
    try:
        path = json.loads(answer.stdout)["sets"][0]["leader_path"]
    except (ValueError, KeyError):
        return None
    return next((member for member in nodes.members if path.endswith(tuple(nodes.drives_of(member.number)))), None)


def await_leader(nodes, asked, other_than=None, timeout=30):
    end = time.monotonic() + timeout
    while (found := leader(nodes, asked)) in (None, other_than):
        if time.monotonic() > end:
            raise RuntimeError(f"no leader within {timeout} s, or node {found.number + 1 if found else 0} still")
        time.sleep(0.05)
    return found


def test_fault(nodes, probes, name, strike, mend, member=None):
    """Strikes one node under load, the one that leads where none is named, and mends it; the others must go on within MAX_OUTAGE."""
    await_healed(nodes)  # what an earlier fault left with the fewest shards must not lose more
    leads = await_leader(nodes, nodes.members[0])
    member = member or leads
    name += " of the leader," if member is leads else ""
    others = [probe for probe in probes if probe.member is not member]
    await_answers(probes, time.monotonic(), 1)
    struck = time.monotonic()
    report.check(f"{name} node {member.number + 1}: it has bitten", strike(member))
    await_answers(others, struck, ENOUGH)
    if member is leads:
        await_leader(nodes, others[0].member, other_than=member)
    ended = time.monotonic()
    mend(member)
    longest = max(probe.outage(struck, ended) for probe in others)
    answered = sum(1 for probe in others for t in probe.successes if struck <= t <= ended)
    print(f"    {name} node {member.number + 1}: {answered} writes answered by the others meanwhile, longest outage {longest:.2f} s")
    return report.check(f"{name} node {member.number + 1}: the others go on within {MAX_OUTAGE:.0f} s", longest < MAX_OUTAGE and answered > 0, f"{longest:.2f} s")


def restart(nodes):
    def mend(member):
        member.start()
        nodes.await_ready(60, [member])
    return mend


def test_load(nodes):
    probes = [Probe(nodes, member, number, number) for number, member in enumerate(nodes.members)]
    for probe in probes:
        probe.start()
    for number in range(ROUNDS * len(nodes.members) if FULL else 1):
        member = nodes.members[number % len(nodes.members)]
        test_fault(nodes, probes, "SIGKILL", kill, restart(nodes), member)
    test_fault(nodes, probes, "SIGKILL", kill, restart(nodes))
    test_fault(nodes, probes, "SIGSTOP", freeze, lambda m: m.signal(signal.SIGCONT))
    await_answers(probes, time.monotonic(), 5)
    print("    all nodes SIGKILL")
    for member in nodes.members:
        member.kill()
    for member in nodes.members:
        member.start()
    nodes.await_ready(90)
    await_answers(probes, time.monotonic(), 5)
    for probe in probes:
        probe.ended = True
    for probe in probes:
        probe.join(60)
    answered, unknown, stale = (sum(getattr(probe, what) for probe in probes) for what in ("answered", "unknown", "stale"))
    print(f"    {answered} writes acknowledged, {unknown} unknown or refused, {stale} stale reads")
    report.check("no read after an acknowledged write was stale or wrong", stale == 0, f"{stale}")
    for member in nodes.members:
        wrong = wrong_keys(nodes, member, probes)
        report.check(f"nothing acknowledged is lost or wrong at node {member.number + 1}", not wrong, "\n".join(wrong[:10]))
    return probes


def is_healthy(nodes, member):
    answer = flashctl(nodes, member, "admin", "info", "@", "--json")
    try:
        return all(part["healthy"] for part in json.loads(answer.stdout)["sets"])
    except (ValueError, KeyError):
        return False


def await_healed(nodes, timeout=90):
    """Until every node calls every set healthy."""
    end = time.monotonic() + timeout
    while not all(is_healthy(nodes, member) for member in nodes.members):
        if time.monotonic() > end:
            raise RuntimeError(f"healing did not end in {timeout} s: {flashctl(nodes, nodes.members[0], 'admin', 'info', '@').stdout}")
        time.sleep(0.2)


def test_healed(nodes, probes):
    """After healing any one node may be gone: what it held before is held elsewhere, and what others missed they have."""
    await_healed(nodes)
    for member in nodes.members:
        member.kill()
        rest = [other for other in nodes.members if other is not member]
        wrong = wrong_keys(nodes, rest[0], probes)
        report.check(f"all is there without node {member.number + 1}", not wrong, "\n".join(wrong[:10]))
        member.start()
        nodes.await_ready(60, [member])


def test(nodes):
    test_secret(nodes)
    test_start(nodes)
    test_any_node(nodes)
    test_strangers(nodes)
    test_identities(nodes)
    probes = test_load(nodes)
    test_healed(nodes, probes)


run(report, Nodes(3, 4), test)
