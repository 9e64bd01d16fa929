#!/usr/bin/python3
"""A key that was revoked at one node is refused at a node that cannot hear of it, whichever way its peer channels are cut."""
import http.client
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster_store import await_true, flashctl, run  # noqa: E402
from network import run_in_hub  # noqa: E402
from nodes import Nodes  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

PROMISED = 1.0  # seconds after the answer to the change
report = Report("revoked: ")


def client_of(nodes, member, access=None, secret=None, timeout=20):
    class Facts:
        host, port, access, secret = member.host, member.port, nodes.access, nodes.secret
    return Client(Facts, access, secret, timeout=timeout)


class Knocker(threading.Thread):
    """Asks all the while with one key; notes when each request began and how it was answered."""

    def __init__(self, client, path):
        super().__init__(daemon=True)
        self.client, self.path, self.ended, self.answers, self.asking = client, path, False, [], False

    def run(self):
        while not self.ended:
            began = time.monotonic()
            self.asking = True
            try:
                status = self.client.request("GET", self.path)[0]
            except (OSError, http.client.HTTPException):
                status = 0
            self.answers.append((began, status))
            time.sleep(0.02)


def succeeds(client, path):
    try:
        return client.request("GET", path)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def test_cut(nodes, network, name, links, user, patient):
    """Cuts `links` of node 3, revokes at node 1 a key that node 3 has just served. `patient`: the cut lasts until node 3 has refused
    what it could not confirm, ten seconds; otherwise it is mended while node 3 still asks."""
    first, _, third = nodes.members
    for who in (user, user + "-stays"):
        flashctl(nodes, first, "admin", "user", "add", "n", who, "secret-of-" + who)
        flashctl(nodes, first, "admin", "policy", "attach", "n", "readwrite", "--user", who)
    client = client_of(nodes, third, user, "secret-of-" + user)
    await_true("the key is known", 10, lambda: succeeds(client, "/keys/object"))

    def knock():
        knockers = [Knocker(client_of(nodes, third, user, "secret-of-" + user), "/keys/object") for _ in range(4)]
        for knocker in knockers:
            knocker.start()
        return knockers
    before = knock()
    await_true("it is served", 10, lambda: all(knocker.answers for knocker in before))
    for source, target in links:
        network.cut(source, target)
    done = flashctl(nodes, first, "admin", "user", "remove", "n", user)
    revoked = time.monotonic()
    report.check(f"{name}: the key is removed at node 1 all the same", done.returncode == 0, done.stderr)
    await_true("the cut is felt", 20, lambda: "does not answer" in third.tail(50) or any(status not in (200, 403) for knocker in before for _, status in knocker.answers))
    await_true("the time of the promise is over", 5, lambda: time.monotonic() > revoked + PROMISED)
    after = knock()
    await_true("node 3 is asked after the promise", 40, lambda: all(knocker.answers if patient else knocker.asking for knocker in after))
    for knocker in before + after:
        knocker.ended = True
    if not patient:
        for source, target in links:
            network.mend(source, target)
    await_true("node 3 has answered", 40, lambda: not any(knocker.is_alive() for knocker in before + after))
    answers = [answer for knocker in before + after for answer in knocker.answers]
    late = [(round(began - revoked, 2), status) for began, status in answers if status == 200 and began > revoked + PROMISED]
    served = sum(1 for _, status in answers if status == 200)
    print(f"    {name}: {served} answers before, none allowed later than {max((began - revoked for began, status in answers if status == 200), default=0):.2f} s after; "
          f"then {sorted(status for knocker in after for _, status in knocker.answers)}")
    report.check(f"{name}: nothing is allowed to it at node 3 a second later", served > 0 and not late, f"{served} {late[:5]}")
    if patient:
        for source, target in links:
            network.mend(source, target)
    stays = client_of(nodes, third, user + "-stays", "secret-of-" + user + "-stays")
    await_true("node 3 serves again", 30, lambda: succeeds(stays, "/keys/object"))
    status = client_of(nodes, third, user, "secret-of-" + user).request("GET", "/keys/object")[0]
    report.check(f"{name}: afterwards it is told apart from keys that stay", status == 403, str(status))


def main():
    network = run_in_hub(3)
    if network is None:
        report.skip("peer channels cut one way", "network namespaces take root")
        report.end()

    def body(nodes):
        nodes.start()
        root = client_of(nodes, nodes.members[0])
        await_true("a bucket", 30, lambda: root.request("PUT", "/keys")[0] in (200, 409))
        root.request("PUT", "/keys/object", b"x")
        test_cut(nodes, network, "node 3 cannot send", [(2, 0), (2, 1)], "alice", False)
        test_cut(nodes, network, "node 3 cannot hear", [(0, 2), (1, 2)], "bob", False)
        test_cut(nodes, network, "node 3 is alone", [(2, 0), (2, 1), (0, 2), (1, 2)], "carol", True)
    run(report, Nodes(3, 2, network=network), body)


main()
