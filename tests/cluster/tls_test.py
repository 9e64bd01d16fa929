#!/usr/bin/python3
"""Three nodes that speak TLS with each other: both sides of a channel show a certificate, and the secret alone opens nothing."""
import hashlib
import hmac
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster_store import run  # noqa: E402
from nodes import Nodes, protocol_version  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

report = Report("nodes over TLS: ")


class Authority:
    """Signs certificates with the openssl program."""

    def __init__(self, folder, name):
        self.folder = folder
        os.makedirs(folder)
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.crt",
                 "-days", "2", "-subj", f"/CN={name}")

    def run(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def certify(self, target, alternative):
        """A certificate and key for `alternative` in the layout of --certs-dir, with this authority pinned."""
        os.makedirs(os.path.join(target, "CAs"), exist_ok=True)
        key, crt = os.path.join(target, "private.key"), os.path.join(target, "public.crt")
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", "one.csr", "-subj", "/CN=node")
        with open(os.path.join(self.folder, "one.ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={alternative}\n")
        self.run("x509", "-req", "-in", "one.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "one.ext", "-out", crt)
        shutil.copy(os.path.join(self.folder, "ca.crt"), os.path.join(target, "CAs", "ca.crt"))
        return target


class TlsClient(Client):
    """The S3 client of the tests over TLS, which shows no certificate."""

    def __init__(self, node, authority, **more):
        super().__init__(node, **more)
        self.context = ssl.create_default_context(cafile=authority)

    def request(self, method, path, body=b"", query=None, headers=None):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.context)
        return super().request(method, path, body, query, headers)


def token(nodes, source, target, nonce):
    expires = int(time.time()) + 50
    nil = "0" * 32
    text = "\n".join(["flashstor peer token", str(protocol_version()), source, target, nil, str(expires), nonce])
    mac = hmac.new(nodes.cluster_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"fsp,{protocol_version()},{source},{target},{nil},{expires},{nonce},{mac}"


def knock(nodes, authority, certificate, number):
    """Asks node 1 for a channel with the right secret, as node 2, showing `certificate` (or none); gives the status line."""
    target, source = (f"127.0.0.1:{member.port}" for member in nodes.members[:2])
    context = ssl.create_default_context(cafile=authority)
    if certificate:
        context.load_cert_chain(os.path.join(certificate, "public.crt"), os.path.join(certificate, "private.key"))
    with socket.create_connection(("127.0.0.1", nodes.members[0].port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as channel:
            channel.sendall(f"GET /.flashstor/v1/channel HTTP/1.1\r\nHost: {target}\r\nConnection: upgrade\r\nUpgrade: flashstor-channel\r\n"
                            f"Authorization: {token(nodes, source, target, f'{number:032x}')}\r\n\r\n".encode())
            return channel.recv(4096).split(b"\r\n")[0].decode()


def test_channels(nodes, authority, folder):
    pinned = os.path.join(authority.folder, "ca.crt")
    stranger = Authority(os.path.join(folder, "stranger"), "stranger").certify(os.path.join(folder, "cert-stranger"), "IP:127.0.0.1")
    elsewhere = authority.certify(os.path.join(folder, "cert-elsewhere"), "DNS:elsewhere.test")
    right = authority.certify(os.path.join(folder, "cert-right"), "IP:127.0.0.1")
    for number, (certificate, status, name) in enumerate([(None, "403", "without a certificate"), (stranger, "403", "with another authority's certificate"),
                                                          (elsewhere, "403", "with another node's certificate"),
                                                          (right, "101", "with the node's certificate (so the secret was right)")]):
        line = knock(nodes, pinned, certificate, number + 1)
        report.check(f"the secret {name} gets {status}", f" {status} " in line, line)


def plain(member):
    try:
        with socket.create_connection(("127.0.0.1", member.port), timeout=10) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return stranger.recv(100)
    except OSError:
        return b""


def test_untrusted_node(nodes, folder):
    """A node that comes with a certificate that the others do not trust gets nothing, and says why."""
    member = nodes.members[2]
    member.stop()
    good = os.path.join(folder, "certs3")
    os.rename(good, good + ".good")
    Authority(os.path.join(folder, "rogue"), "rogue").certify(good, "IP:127.0.0.1")
    member.start()
    end = time.monotonic() + 20
    while "certificate" not in member.output() and time.monotonic() < end:
        time.sleep(0.05)
    report.check("a node with a foreign certificate waits outside, in words", "certificate" in member.output() and not member.is_ready(), member.output())
    member.stop()
    shutil.rmtree(good)
    os.rename(good + ".good", good)
    member.start()
    nodes.await_ready(60, [member])
    report.ok("with its own certificate it is back")


def test_tls(nodes):
    authority = Authority(os.path.join(nodes.data, "authority"), "the cluster's")
    for member in nodes.members:
        folder = authority.certify(os.path.join(nodes.data, f"certs{member.number + 1}"), "IP:127.0.0.1")
        member.options = ["--certs-dir", folder]
    nodes.start()
    report.ok("nodes named https:// start")
    pinned = os.path.join(authority.folder, "ca.crt")
    clients = []
    for member in nodes.members:
        class Facts:
            port, access, secret = member.port, nodes.access, nodes.secret
        clients.append(TlsClient(Facts, pinned))
    clients[0].request("PUT", "/tls")
    bad = []
    for size in (10, 100_000, 6_000_000):
        value = hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1)
        status = clients[0].request("PUT", f"/tls/{size}", value)[0]
        for reader in clients:
            got = reader.request("GET", f"/tls/{size}")
            if status != 200 or got[0] != 200 or got[1] != value:
                bad.append(f"{size}: {status} {got[0]} {len(got[1])} of {len(value)} bytes")
    report.check("what is written at one node is read at every node", not bad, "\n".join(bad))
    report.check("nothing is served in the clear", not any(b"HTTP" in plain(member) for member in nodes.members))
    test_channels(nodes, authority, nodes.data)
    test_untrusted_node(nodes, nodes.data)


run(report, Nodes(3, 2, scheme="https"), test_tls)
