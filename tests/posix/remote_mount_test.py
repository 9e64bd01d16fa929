#!/usr/bin/python3
"""A bucket mounted over the network: with an access key and no cluster secret; through the death and return of its node; and what
somebody gets who has no key, or sends what no kernel sends."""
import errno
import hashlib
import hmac
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), HERE]
import doors  # noqa: E402
from node import program  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

BUCKET = "far"


def soon(probe, what, seconds=30):
    end = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def error_of(what, *arguments):
    try:
        what(*arguments)
    except OSError as error:
        return error.errno
    return 0


def sleeps_in_fuse(pid):
    with open(f"/proc/{pid}/stack", encoding="ascii") as file:
        return "fuse" in file.read() or "request_wait_answer" in file.read()


class Holder:
    """A process that has a file open: this one starts nodes, and their start would close it, which waits."""

    PROGRAM = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR)
print("open", flush=True)
for line in sys.stdin:
    try:
        os.pwrite(file, b"lost?", 0)
        print(0, flush=True)
    except OSError as error:
        print(error.errno, flush=True)
try:
    os.close(file)
except OSError:
    pass
"""

    def __init__(self, path):
        self.process = subprocess.Popen([sys.executable, "-c", self.PROGRAM, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "open\n"

    def write(self):
        """The errno of a write to it."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0


class Stranger:
    """Speaks the channel of files by hand."""

    def __init__(self, node):
        self.socket = socket.create_connection(("127.0.0.1", node.port), timeout=20)
        self.socket.sendall(b"GET /flashstor/files/v1 HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: flashstor-files\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.read(1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.challenge = head.split(b"Flashstor-Challenge: ")[1].split(b"\r\n")[0].decode()

    def read(self, count):
        """So many bytes, or what came before the end."""
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except ConnectionResetError:
                more = b""
            if not more:
                break
            data += more
        return data

    def ask(self, access, secret, challenge=None):
        """Sends the message of a mount; gives the node's answer."""
        challenge = self.challenge if challenge is None else challenge
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        key = hmac.new(("flashstor-mount" + secret).encode(), date.encode(), hashlib.sha256).digest()
        lines = f"{BUCKET}\n/by/hand\n{access}\n{date}\n{challenge}"
        message = json.dumps({"version": 1, "bucket": BUCKET, "mountpoint": "/by/hand", "options": {}, "access_key": access, "date": date,
                              "challenge": challenge, "signature": hmac.new(key, lines.encode(), hashlib.sha256).hexdigest()}).encode()
        self.socket.sendall(struct.pack("<I", len(message)) + message)
        return json.loads(self.read(struct.unpack("<I", self.read(4))[0]))

    def request(self, opcode, arguments, node=1, unique=4):
        self.socket.sendall(struct.pack("<IIQQIIIHH", 40 + len(arguments), opcode, unique, node, 0, 0, 0, 0, 0) + arguments)

    def answer(self):
        """The error of the next answer, or None at the end of the connection."""
        head = self.read(16)
        if len(head) < 16:
            return None
        length, error, _ = struct.unpack("<IiQ", head)
        self.read(length - 16)
        return -error


class Remote:
    def __init__(self, door):
        self.door, self.mount, self.node = door, door.mount, door.node

    @property
    def s3(self):
        return Client(self.node)

    def attach(self, source=f"local/{BUCKET}", check=True):
        return self.door.run("flashctl", "mount", "--remote", source, self.mount, check=check)

    def detach(self):
        subprocess.run(["fusermount3", "-u", self.mount], check=True)

    def both_ways(self):
        self.attach()
        with open(f"{self.mount}/written", "wb") as file:
            file.write(b"x" * 3_000_000)
            os.fsync(file.fileno())
        assert self.s3.request("GET", f"/{BUCKET}/written")[1] == b"x" * 3_000_000
        self.s3.request("PUT", f"/{BUCKET}/put", b"through S3")
        soon(lambda: os.path.exists(f"{self.mount}/put"), "an object put through S3 is seen")
        with open(f"{self.mount}/put", "rb") as file:
            assert file.read() == b"through S3"

    def node_dies(self):
        """Requests wait while the node is away; then names work again, and what was open says that it is not."""
        os.makedirs(f"{self.mount}/deep/er", exist_ok=True)
        with open(f"{self.mount}/deep/er/kept", "wb") as file:
            file.write(b"kept")
            os.fsync(file.fileno())
        holder = Holder(f"{self.mount}/deep/er/kept")
        self.node.kill()
        found = []
        asking = threading.Thread(target=lambda: found.append(open(f"{self.mount}/deep/er/kept", "rb").read()))
        asking.start()
        soon(lambda: holder.write() in (errno.ESTALE, errno.EIO), "what is open says that it is lost, without waiting")
        self.killable()
        self.node.start()
        asking.join(30)
        assert not asking.is_alive(), "whoever waited is not answered"
        assert found == [b"kept"] or not found, found  # one that was on its way when the node died may have failed
        soon(lambda: error_of(os.stat, f"{self.mount}/deep/er/kept") == 0, "names work again")
        assert holder.write() == errno.ESTALE
        holder.end()
        with open(f"{self.mount}/deep/er/kept", "rb") as file:
            assert file.read() == b"kept"
        with open(f"{self.mount}/after", "wb") as file:
            file.write(b"after")
        assert self.s3.request("GET", f"/{BUCKET}/after")[1] == b"after"

    def killable(self):
        """Who waits for the node can be killed."""
        if os.geteuid() != 0:
            return  # nobody else sees where it waits
        waiting = subprocess.Popen(["stat", f"{self.mount}/anything"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        soon(lambda: sleeps_in_fuse(waiting.pid), "it waits")
        waiting.kill()
        assert waiting.wait(20) == -signal.SIGKILL

    def node_stops_in_order(self):
        with open(f"{self.mount}/unsynced", "wb") as file:
            file.write(b"closed, not synced")
        assert self.node.stop() == 0
        self.node.start()
        assert self.s3.request("GET", f"/{BUCKET}/unsynced")[1] == b"closed, not synced"
        soon(lambda: error_of(os.stat, f"{self.mount}/unsynced") == 0, "names work again")

    def ends(self):
        """Unmounting ends the process that served it."""
        marker = self.mount.encode()
        def serving():
            out = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        words = file.read().split(b"\0")
                except OSError:
                    continue
                if marker in words and words[0].endswith(b"flashctl"):
                    out.append(pid)
            return out
        assert len(serving()) == 1, serving()
        self.detach()
        soon(lambda: not serving(), "its process ends")

    def in_front(self):
        process = subprocess.Popen([program("flashstor-fusefs"), "--foreground", f"local/{BUCKET}", self.mount, "-o", "remote"],
                                   env=self.door.environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("ready "), process.poll()
        with open(f"{self.mount}/front", "wb") as file:
            file.write(b"front")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not os.path.ismount(self.mount)
        assert self.s3.request("GET", f"/{BUCKET}/front")[1] == b"front"

    def refused(self):
        self.door.alias("liar", self.node.access, "not-the-secret-key")
        done = self.attach(f"liar/{BUCKET}", check=False)
        assert done.returncode != 0 and "signature" in done.stdout, done.stdout
        assert not os.path.ismount(self.mount)
        done = self.attach("local/not-there", check=False)
        assert done.returncode != 0 and "NoSuchBucket" in done.stdout, done.stdout
        assert not os.path.ismount(self.mount)

    def rights(self):
        """IAM is asked at the node, at each operation."""
        self.door.run("flashctl", "admin", "user", "add", "local", "reader", "reader-secret-1234")
        self.door.run("flashctl", "admin", "policy", "attach", "local", "readonly", "--user", "reader")
        self.door.alias("reader", "reader", "reader-secret-1234")
        self.attach(f"reader/{BUCKET}")
        with open(f"{self.mount}/written", "rb") as file:
            assert file.read(1) == b"x"
        assert error_of(os.mkdir, f"{self.mount}/no") == errno.EACCES
        self.door.run("flashctl", "admin", "user", "remove", "local", "reader")
        soon(lambda: error_of(open, f"{self.mount}/put", "rb") == errno.EACCES, "a removed user has no rights")
        self.detach()

    def strangers(self):
        one = Stranger(self.node)
        told = one.ask(self.node.access, "not-the-secret-key")
        assert not told["ok"] and told["code"] == "SignatureDoesNotMatch", told
        other = Stranger(self.node)
        assert other.challenge != one.challenge
        told = other.ask(self.node.access, self.node.secret, challenge=one.challenge)
        assert not told["ok"], "an answer to another challenge was taken"
        assert other.read(1) == b""
        silent = Stranger(self.node)
        silent.socket.sendall(struct.pack("<I", 0xFFFFFFFF))
        assert silent.read(1) == b""

    def no_kernel(self):
        """Whoever has a key is still no kernel: what names nothing is refused, what breaks the rules ends the connection."""
        def mounted():
            stranger = Stranger(self.node)
            assert stranger.ask(self.node.access, self.node.secret)["ok"]
            stranger.request(26, struct.pack("<IIII", 7, 31, 131072, 0), node=0, unique=2)
            assert stranger.answer() == 0
            return stranger
        polite = mounted()
        polite.request(15, struct.pack("<QQIIQII", 0x7F0000001000, 0, 4096, 0, 0, 0, 0))  # a read of no handle of ours
        assert polite.answer() == errno.ESTALE
        polite.request(3, struct.pack("<IIQ", 0, 0, 0), node=987654321)
        assert polite.answer() == errno.ESTALE
        polite.request(2047, b"what is this")
        assert polite.answer() == errno.ENOSYS
        polite.request(1, b"written\0")
        assert polite.answer() == 0
        for opcode, arguments in ((1, b"no end"), (1, b"a/b\0"), (16, struct.pack("<QQIIQII", 1, 0, 1 << 20, 0, 0, 0, 0)), (3, b"")):
            rude = mounted()
            rude.request(opcode, arguments)
            assert rude.answer() is None, (opcode, arguments)
        raw = mounted()
        raw.socket.sendall(os.urandom(100_000))
        assert raw.answer() is None
        polite.request(1, b"put\0", unique=6)
        assert polite.answer() == 0, "others are unaffected"


def main():
    report = Report("remote: ")
    if doors.why_not():
        report.skip("a mount over the network", doors.why_not())
        return report.end()
    with doors.Door(doors.REMOTE, BUCKET, attached=False) as door:
        remote = Remote(door)
        for words, test in (("bytes go both ways", remote.both_ways),
                            ("the node is killed and comes back", remote.node_dies),
                            ("the node stops in order and comes back", remote.node_stops_in_order),
                            ("unmounting ends it", remote.ends),
                            ("flashstor-fusefs in front", remote.in_front),
                            ("who has no right key, or names no bucket, gets no mount", remote.refused),
                            ("a mount may do what its key may at that moment", remote.rights),
                            ("a signature answers one challenge only", remote.strangers),
                            ("what no kernel sends is refused or cut off", remote.no_kernel)):
            report.run(words, test)
    report.end()


main()
