#!/usr/bin/python3
"""Who does not belong to the cluster gets nothing from its nodes: no secret, a token that is old, from the future, for another node,
used before or of another protocol, another deployment, other root credentials, no hello, frames of garbage. Real sockets; a
client that does belong shows first that the test speaks as a node does."""
import hashlib
import hmac
import os
import random
import secrets
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster_store import run  # noqa: E402
from nodes import Nodes, protocol_version  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

FULL = "--full" in sys.argv
GARBAGE = 2000 if FULL else 200  # Streams of random bytes and of broken frames.
CALL, ANSWER, FAILURE, NOTICE = 1, 2, 3, 4
HELLO, PING, DRIVE_INFO, DRIVES, CONSENSUS, EXECUTE, QUERY, EPOCH = 1, 2, 16, 48, 49, 50, 51, 64
PROTOCOL = protocol_version()
EVERY_METHOD = [*range(16, 32), *range(48, 66)]
NIL = "0" * 32

report = Report("strangers: ")
rng = random.Random(int(os.environ.get("FLASHSTOR_SEED", "5")))


def make_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = make_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def frame(kind, method, call, head=b"", body=b"", magic=b"FSp1"):
    front = magic + struct.pack("<BBHQIII", kind, 0, method, call, len(head), len(body), crc32c(head + body))
    return front + struct.pack("<I", crc32c(front)) + head + body


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def sized(text):
    data = text.encode() if isinstance(text, str) else text
    return varint(len(data)) + data


class Pretender:
    """What a node would say, but for what a test changes."""

    def __init__(self, nodes, secret=None, **claims):
        self.nodes = nodes
        self.target = nodes.members[0]
        self.claims = {"protocol": PROTOCOL, "from": f"127.0.0.1:{nodes.members[1].port}", "to": f"127.0.0.1:{self.target.port}", "deployment": NIL,
                       "expires": int(time.time()) + 60, "nonce": secrets.token_hex(16), **claims}
        self.secret = nodes.cluster_secret if secret is None else secret
        self.socket = None

    def mac(self, purpose):
        c = self.claims
        text = "\n".join([purpose, str(c["protocol"]), c["from"], c["to"], c["deployment"], str(c["expires"]), c["nonce"]])
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def token(self):
        c = self.claims
        return f"fsp,{c['protocol']},{c['from']},{c['to']},{c['deployment']},{c['expires']},{c['nonce']},{self.mac('flashstor peer token')}"

    def open(self, token=None):
        """The status of the upgrade."""
        self.socket = socket.create_connection(("127.0.0.1", self.target.port), timeout=10)
        self.socket.sendall(f"GET /.flashstor/v1/channel HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: flashstor-channel\r\n"
                            f"Authorization: {self.token() if token is None else token}\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                break
            answer += byte
        self.proof = answer.decode("latin-1")
        return int(answer.split()[1]) if len(answer.split()) > 1 else 0

    def call(self, method, head=b"", body=b"", kind=CALL):
        self.socket.sendall(frame(kind, method, 7, head, body))
        return self.answer()

    def answer(self):
        """(kind, head, body) of the next frame; None when the node closed."""
        front = self.take(32)
        if front is None:
            return None
        kind, _, _, _, head, body, _, _ = struct.unpack("<BBHQIIII", front[4:])
        return kind, self.take(head), self.take(body)

    def take(self, size):
        data = b""
        while len(data) < size:
            try:
                chunk = self.socket.recv(size - len(data))
            except ConnectionError:
                return None
            if not chunk:
                return None
            data += chunk
        return data

    def hello(self, deployment=NIL, protocol=PROTOCOL, layout=None, root=None):
        drives = "".join(f"http://127.0.0.1:{member.port}{self.nodes.drives_of(member.number)[0]}\n" for member in self.nodes.members)
        head = struct.pack("<I", protocol) + sized("test") + sized(self.claims["from"])
        head += sized(f"sets of {len(self.nodes.members)}\n{drives}" if layout is None else layout)
        nanoseconds = time.time_ns()
        head += bytes([self.parity()]) + bytes.fromhex(deployment) + varint(nanoseconds << 1) + secrets.token_bytes(16)
        head += sized(self.root() if root is None else root)
        return self.call(HELLO, head)

    def parity(self):
        return 255

    def root(self):
        user, password = self.nodes.access, self.nodes.secret
        return hmac.new(self.secret.encode(), f"flashstor root credentials\n{len(user)}\n{user}\n{password}".encode(), hashlib.sha256).hexdigest()

    def close(self):
        if self.socket is not None:
            self.socket.close()


def test_one_who_belongs(nodes):
    own = Pretender(nodes)
    status = own.open()
    report.check("with the secret a channel opens, and the node shows that it has the secret too",
                 status == 101 and f"Flashstor-Proof: {own.mac('flashstor peer proof')}\r\n" in own.proof, f"{status} {own.proof}")
    hello = own.hello()
    good = hello is not None and hello[0] == ANSWER
    report.check("a hello like a node's is answered", good, str(hello))
    drives = own.call(DRIVES)
    report.check("and then calls are", good and drives[0] == ANSWER and len(drives[1]) > 16, str(drives))
    own.close()


def test_tokens(nodes):
    now = int(time.time())
    used = Pretender(nodes)
    used.open()
    used.close()
    cases = {
        "no token": ("", Pretender(nodes)),
        "another secret": (None, Pretender(nodes, secret=secrets.token_hex(24))),
        "an empty secret": (None, Pretender(nodes, secret="")),
        "an old token": (None, Pretender(nodes, expires=now - 16 * 60)),
        "a token from the future": (None, Pretender(nodes, expires=now + 17 * 60)),
        "a token for another node": (None, Pretender(nodes, to=f"127.0.0.1:{nodes.members[2].port}")),
        "a token of another protocol version": (None, Pretender(nodes, protocol=PROTOCOL + 1)),
        "a token that was used before": (used.token(), used),
        "a token that is cut short": (Pretender(nodes).token()[:-1], Pretender(nodes)),
        "a token of garbage": ("".join(chr(rng.randrange(33, 127)) for _ in range(300)), Pretender(nodes)),
    }
    for field in ("deployment", "from", "nonce"):
        changed = Pretender(nodes)
        token = changed.token()
        other = {"deployment": "1" * 32, "from": f"127.0.0.1:{nodes.members[2].port}", "nonce": secrets.token_hex(16)}[field]
        cases[f"a token whose {field} was changed"] = (token.replace(changed.claims[field], other, 1), changed)
    for name, (token, pretender) in cases.items():
        status = pretender.open(token)
        rest = pretender.socket.recv(100)
        report.check(f"{name} gets no channel and no word", status == 403 and rest == b"", f"{status} {rest}")
        pretender.close()
    gateway = Pretender(nodes, **{"from": "127.0.0.1:1"})
    gateway.open()
    hello, drives, consensus = gateway.hello(), gateway.call(DRIVES), gateway.call(CONSENSUS, b"\0\0\0\0\0")
    report.check("who has the secret and is not in the list is a gateway: answered, but for the consensus",
                 (hello[0], drives[0], consensus[0]) == (ANSWER, ANSWER, FAILURE), f"{hello} {drives} {consensus}")
    gateway.close()


def answers_nothing(pretender):
    """Every call is refused; gives those that were not."""
    told = []
    for method in EVERY_METHOD:
        got = pretender.call(method, bytes(40))
        if got is None or got[0] != FAILURE or got[2]:
            told.append((method, got))
    return told


def test_hello(nodes):
    silent = Pretender(nodes)
    silent.open()
    told = answers_nothing(silent)
    report.check(f"without a hello none of {len(EVERY_METHOD)} calls is answered", not told, str(told[:3]))
    silent.close()
    strange = {"another deployment": {"deployment": secrets.token_hex(16)}, "another protocol version": {"protocol": PROTOCOL + 1},
               "another list of drives": {"layout": "sets of 3\nhttp://127.0.0.1:1/a\n"},
               "other root credentials": {"root": secrets.token_hex(32)}, "root credentials it does not say": {"root": ""}}
    for name, change in strange.items():
        pretender = Pretender(nodes)
        pretender.open()
        hello = pretender.hello(**change)
        told = answers_nothing(pretender)
        report.check(f"a hello of {name} is refused, and so is every call after it",
                     hello is not None and hello[0] == FAILURE and not told, f"{hello} {told[:3]}")
        pretender.close()


def garbage_of(kind):
    """Bytes that are no frame of a node's."""
    if kind == 0:
        return rng.randbytes(rng.randrange(32, 4000))
    good = bytearray(frame(rng.choice((CALL, NOTICE)), rng.choice(EVERY_METHOD), rng.randrange(1 << 64), rng.randbytes(rng.randrange(1, 400)), rng.randbytes(rng.randrange(400))))
    if kind == 1:
        good[rng.randrange(len(good))] ^= 1 << rng.randrange(8)
        return bytes(good)
    front = b"FSp1" + struct.pack("<BBHQIII", CALL, 0, DRIVES, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return front + struct.pack("<I", crc32c(front))


def test_garbage(nodes):
    alive = 0
    for number in range(GARBAGE):
        pretender = Pretender(nodes)
        pretender.open()
        if number % 2 == 0:
            pretender.hello()
        try:
            pretender.socket.sendall(garbage_of(number % 3))
            pretender.socket.shutdown(socket.SHUT_WR)
            while (got := pretender.answer()) is not None:
                alive += got[0] == ANSWER
        except ConnectionError:
            pass
        pretender.close()
    report.check(f"{GARBAGE} streams of garbage and broken frames end their connection, none is answered", alive == 0, str(alive))


def test_payloads(nodes):
    """Frames that are whole, of a node that belongs, with nonsense in them: refused, and the node goes on."""
    pretender = Pretender(nodes)
    pretender.open()
    pretender.hello()
    answered = []
    for _ in range(GARBAGE):
        method = rng.choice([method for method in EVERY_METHOD if method not in (DRIVES, EPOCH)])
        if method == CONSENSUS:
            pretender.socket.sendall(frame(NOTICE, method, 0, rng.randbytes(rng.randrange(300)), rng.randbytes(rng.randrange(300))))
            continue
        got = pretender.call(method, b"\xff" * 12 + rng.randbytes(rng.randrange(300)), rng.randbytes(rng.randrange(300)))
        if got is None or got[0] != FAILURE:
            answered.append((method, got))
    report.check(f"{GARBAGE} whole frames of nonsense are refused one by one", not answered, str(answered[:3]))
    pretender.close()


class Facts:
    def __init__(self, member, nodes):
        self.port, self.access, self.secret = member.port, nodes.access, nodes.secret


def test_store(nodes, when):
    bad = []
    for member in nodes.members:
        client = Client(Facts(member, nodes))
        if client.request("PUT", "/there", b"")[0] not in (200, 409):
            bad.append(member.number)
        if client.request("PUT", f"/there/{member.number}", b"x" * 5000)[0] != 200 or client.request("GET", f"/there/{member.number}")[1] != b"x" * 5000:
            bad.append(member.number)
    report.check(f"the nodes serve {when}", not bad and all(member.process.poll() is None for member in nodes.members), f"{bad} {nodes.members[0].tail()}")


def test_other_root_credentials(nodes):
    """What a user's secret is sealed with: a node that has others must not take part, and is told why."""
    odd = nodes.members[2]
    right = nodes.secret
    odd.stop()
    nodes.secret = "another-root-password"
    odd.start()
    nodes.secret = right
    said, end = "", time.monotonic() + 30
    while "other root credentials" not in said and not odd.is_ready() and odd.process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
        said = odd.output() + odd.tail()
    report.check("a node with another root password is not ready and says what has to be the same", not odd.is_ready()
                 and "FLASHSTORE_ROOT_USER and FLASHSTORE_ROOT_PASSWORD have to be the same on all nodes" in said, said[-2000:])
    report.check("no password is in what it says", right not in said and "another-root-password" not in said)
    served = [Client(Facts(member, nodes)).request("GET", "/there/1")[0] for member in nodes.members[:2]]
    report.check("the others serve root meanwhile", served == [200, 200], str(served))
    odd.stop()
    odd.start()
    nodes.await_ready(members=[odd])


def test(nodes):
    nodes.start()
    test_store(nodes, "before")
    test_one_who_belongs(nodes)
    test_tokens(nodes)
    test_hello(nodes)
    test_garbage(nodes)
    test_payloads(nodes)
    test_other_root_credentials(nodes)
    test_store(nodes, "after all that")


run(report, Nodes(nodes=3, drives=1), test)
