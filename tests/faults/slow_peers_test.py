#!/usr/bin/python3
# build: release
"""Peers that are slow on purpose, and ten thousand that do nothing: cut off in time, in bounded memory, while others are served."""
import os
import resource
import selectors
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from bystander import Bystander, Counting, memory_mib, metrics  # noqa: E402
from node import Node  # noqa: E402
from raw import Signer, render, request  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

report = Report("slow peers: ")
IDLE = 10_000
SLOW = 200
KIB_PER_IDLE = 3
OBJECT = 64 << 20
READERS = 300
MIB_PER_LOOP = 256  # what the readers of one loop may hold (engine/objects/limits.h)
MIB_BESIDE = 128    # what their sockets and requests take beside
GIVE_UP = 90  # seconds until everything slow must be gone: header 10, body and receiver 30 of grace, twice


def connect(node, number):
    """From one of many addresses of this machine, so that ports do not run out."""
    peer = socket.socket()
    peer.bind((f"127.0.0.{2 + number % 200}", 0))
    peer.connect(("127.0.0.1", node.port))
    return peer


def gauge(node, name):
    return sum(value for sample, value in metrics(node).items() if sample.split("{")[0] == name)


def await_closed(peers, drip, seconds):
    """Lets each peer send its drip twice a second until the node closes it; how long the last one took, or None. What the node sends is
    taken only by those that may read."""
    began, waiting = time.monotonic(), dict(peers)
    selector = selectors.DefaultSelector()
    for peer in waiting:
        peer.setblocking(False)
        selector.register(peer, selectors.EVENT_READ)
    next_drip = began
    while waiting and time.monotonic() - began < seconds:
        for key, _ in selector.select(0.2):
            try:
                gone = key.fileobj.recv(65536) == b""
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            if gone:
                selector.unregister(key.fileobj)
                waiting.pop(key.fileobj, None)
        if time.monotonic() >= next_drip:
            next_drip += 0.5
            for peer in list(waiting):
                try:
                    peer.send(drip)
                except OSError:
                    pass
    selector.close()
    return None if waiting else time.monotonic() - began


def close_all(peers):
    for peer in peers:
        peer.close()


def slow_headers(node):
    counting = Counting(node)
    peers = {}
    for number in range(SLOW):
        peer = connect(node, number)
        peer.send(b"GET /good HTTP/1.1\r\nHost: a\r\nx-slow: ")
        peers[peer] = None
    took = await_closed(peers, b"a", GIVE_UP)
    close_all(peers)
    counted = counting.grown().get('flashstor_security_refused_total{cause="slow_header"}', 0)
    print(f"    {SLOW} slow headers: all closed after {took or -1:.1f} s")
    report.check(f"{SLOW} slow headers are closed and counted", took is not None and counted == SLOW, f"{took} {counted}")


def slow_bodies(node):
    counting = Counting(node)
    peers = {}
    for number in range(SLOW):
        path = f"/bad/slow{number}"
        fields = Signer(node).headers("PUT", path, digest="UNSIGNED-PAYLOAD", unsigned={"content-length": "1000000"})
        peer = connect(node, number)
        peer.send(render("PUT", path, fields, b"a" * 1000))
        peers[peer] = None
    took = await_closed(peers, b"a", GIVE_UP)
    close_all(peers)
    counted = counting.grown().get('flashstor_security_refused_total{cause="slow_body"}', 0)
    print(f"    {SLOW} slow bodies: all closed after {took or -1:.1f} s")
    report.check(f"{SLOW} slow bodies are closed and counted", took is not None and counted == SLOW, f"{took} {counted}")
    listing = Client(node).request("GET", "/bad")[1]
    report.check("nothing of them was stored", b"<Key>" not in listing, listing[:300])


def slow_readers(node):
    """They ask for 64 MiB each and take nothing: the node must hold little of it, and cut them off."""
    client = Client(node, timeout=120)
    body = os.urandom(1 << 20) * (OBJECT >> 20)
    assert client.request("PUT", "/good/large", body)[0] == 200
    before, counting = memory_mib(node), Counting(node)
    peers = []
    for number in range(READERS):
        peer = connect(node, number)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.send(request(node, "GET", "/good/large"))
        peers.append(peer)
    most, began, cut = 0.0, time.monotonic(), 0
    while time.monotonic() - began < GIVE_UP and cut < READERS:
        most = max(most, memory_mib(node) - before)
        cut = counting.grown().get('flashstor_security_refused_total{cause="slow_receiver"}', 0)
        time.sleep(0.5)  # between two looks at memory and counter
    close_all(peers)
    print(f"    {READERS} readers of 64 MiB that take nothing: at most {most:.0f} MiB held, {cut:.0f} cut off after {time.monotonic() - began:.0f} s")
    report.check(f"{READERS} readers that take nothing are cut off and counted", cut == READERS, cut)
    bound = min(8, os.cpu_count()) * MIB_PER_LOOP + MIB_BESIDE
    report.check(f"the node held less than {bound} MiB for them", most < bound, f"{most:.0f} MiB")


def idle_connections(node):
    """Half of them never sent anything when the others have had an answer: all wait, nobody else notices."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < IDLE + 500:
        report.skip(f"{IDLE} idle connections", f"only {soft} open files are allowed ({hard} at most)")
        return
    before, peers = memory_mib(node), []
    asked = request(node, "HEAD", "/good")
    for number in range(IDLE):
        peer = connect(node, number)
        peer.send(asked)
        peers.append(peer)
    for peer in peers:
        assert peer.recv(4096).startswith(b"HTTP/1.1 200"), "an idle connection had no answer"
    grown, open_now = memory_mib(node) - before, gauge(node, "flashstor_http_connections")
    each = grown * 1024 / IDLE
    status = Client(node).request("GET", "/good")[0]
    print(f"    {IDLE} idle connections: {grown:.1f} MiB, {each:.2f} KiB each; {open_now:.0f} open by the metric")
    report.check(f"{IDLE} idle connections are held in at most {KIB_PER_IDLE} KiB each", each <= KIB_PER_IDLE, f"{each:.2f} KiB")
    report.check("the metric counts them, and another request is served", open_now >= IDLE and status == 200, f"{open_now} {status}")
    close_all(peers)
    began = time.monotonic()
    while gauge(node, "flashstor_http_connections") > 100 and time.monotonic() - began < 30:
        time.sleep(0.1)
    left = gauge(node, "flashstor_http_connections")
    report.check("closed by their peers, they are gone", left <= 100, left)


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 3 * IDLE)), hard))
    with Node() as node:
        client = Client(node)
        assert client.request("PUT", "/bad")[0] == 200 and client.request("PUT", "/good")[0] == 200
        for name, test in (("idle connections", idle_connections), ("slow headers", slow_headers), ("slow bodies", slow_bodies),
                           ("slow readers", slow_readers)):
            bystander = Bystander(node, "good")
            bystander.start()
            test(node)
            bystander.end(report, name)
    report.end()


main()
