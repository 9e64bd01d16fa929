"""A node whose drives a test can make go wrong, and what was put into it."""
import hashlib
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from node import Node  # noqa: E402
from signed import Client  # noqa: E402

FULL = "--full" in sys.argv
HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = [0, 100, 4096, 4096, 70_000, 300_000, 12_000_000]
DEADLINE = 60  # for the node to see, to take back, to heal


def body_of(key, size):
    seed = hashlib.sha256(key.encode()).digest()
    return (key.encode() + seed * (size // 32 + 1))[:size]


class Faults:
    """The control file of fault_layer.cc."""

    def __init__(self, directory):
        self.library = os.path.join(directory, "fault_layer.so")
        self.control = os.path.join(directory, "faults")
        subprocess.run([os.environ.get("CXX", "clang++-19"), "-std=c++23", "-O1", "-fPIC", "-shared", "-o", self.library,
                        os.path.join(HERE, "fault_layer.cc"), "-ldl"], check=True)
        with open(self.control + ".count", "wb") as out:
            out.write(bytes(8))
        self.clear()

    def count(self):
        """How many calls have met a fault so far."""
        with open(self.control + ".count", "rb") as counter:
            return int.from_bytes(counter.read(8), "little")

    def set(self, lines):
        with open(self.control + ".new", "w") as out:
            out.writelines(f"{path} {what}\n" for path, what in lines.items())
        os.rename(self.control + ".new", self.control)

    def clear(self):
        self.set({})

    @property
    def environment(self):
        return {"LD_PRELOAD": self.library, "FLASHSTOR_FAULTS": self.control}


class Store:
    """A node under the fault layer, and what was put into it."""

    def __init__(self, directory, mount=None):
        self.faults = Faults(directory)
        self.mount = mount
        self.node = Node(4, data=os.path.join(directory, "node"), environment=self.faults.environment,
                         mounts={"data": mount} if mount else None)
        os.makedirs(self.node.data, exist_ok=True)
        self.objects = {}
        self.damaged = None  # the key whose shard a test has spoilt: to be found by healing, so it is not deleted
        self.serial = 0
        self.random = random.Random(5)

    def start(self):
        self.node.start()
        self.client = Client(self.node)
        if not self.objects:
            assert self.client.request("PUT", "/data")[0] in (200, 409)
        return self

    def call(self, method, path, body=b"", **more):
        return self.client.request(method, path, body, **more)

    def put(self, count=len(SIZES), unsure=False):
        for _ in range(count):
            self.serial += 1
            key = f"k{self.serial}"
            body = body_of(key, SIZES[self.serial % len(SIZES)])
            status, answer, _ = self.call("PUT", f"/data/{key}", body)
            if status == 503 and unsure:  # the leader's drive failed under it: done or not, the next try settles it
                status, answer, _ = self.call("PUT", f"/data/{key}", body)
            assert status == 200, f"PUT {key}: {status} {answer[:300]}"
            self.objects[key] = hashlib.md5(body).hexdigest()
        if len(self.objects) > 20:
            gone = self.random.choice(sorted(self.objects.keys() - {self.damaged}))
            assert self.call("DELETE", f"/data/{gone}")[0] == 204
            del self.objects[gone]

    def check(self):
        for key, digest in self.objects.items():
            status, body, _ = self.call("GET", f"/data/{key}")
            assert status == 200, f"GET {key}: {status} {body[:300]}"
            assert hashlib.md5(body).hexdigest() == digest, f"{key} has wrong bytes"
        status, listing, _ = self.call("GET", "/data", query={"list-type": 2})
        assert status == 200 and listing.count(b"<Key>") == len(self.objects), "the listing is not what was put"

    def admin(self, what, method="GET", body=b""):
        status, answer, _ = self.call(method, f"/flashstor/admin/v1/{what}", body)
        assert status == 200, f"admin {what}: {status} {answer}"
        return json.loads(answer)

    def drive(self, number):
        path = self.node.drives[number - 1]
        return next(d for d in self.admin("info")["nodes"][0]["drives"] if d["path"] == path)

    def wait(self, what, condition):
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, f"not in {DEADLINE} s: {what}; {self.state()}"
            time.sleep(0.1)

    def state(self):
        info = self.admin("info")
        drives = [f"{d['path'][-1]} {d['state']} {d['error']}" for d in info["nodes"][0]["drives"]]
        return f"{drives} {info['sets']} {self.admin('heal')}"

    def wait_out(self, number, word):
        """The drive is out, and the words for it name its path and say `word`; so does the log."""
        def out():
            drive = self.drive(number)
            return drive["state"] != "online" and word in drive["error"]
        self.wait(f"drive {number} is out: {word}", out)

        def in_log():
            with open(self.node.log_path, errors="replace") as log:
                return self.node.drives[number - 1] in log.read()
        self.wait("the log names the drive", in_log)

    def wait_whole(self, scan=True):
        """Every drive is in use again and lacks nothing."""
        self.wait("all drives online", lambda: all(d["state"] == "online" for d in self.admin("info")["nodes"][0]["drives"]))
        if scan:
            before = self.admin("heal")["deep_scans"]
            self.admin("heal/scan", "POST", b'{"depth":"deep"}')
            self.wait("the scan ends", lambda: self.admin("heal")["deep_scans"] > before)
        self.wait("healed", lambda: self.admin("heal")["queue"] == 0 and self.admin("info")["sets"][0]["healthy"])

    def check_from(self, one, other, always=False):
        """Every byte, from these two drives alone; then the set recovers by itself. Takes a while: mostly with --full."""
        if not FULL and not always:
            return self.check()
        others = {self.node.drives[n - 1]: "eio" for n in range(1, 5) if n not in (one, other)}
        self.faults.set(others)
        def read_only():
            state = self.admin("info")["sets"][0]
            return state["can_read"] and not state["can_write"]
        self.wait("two drives are out, and the others serve reads", read_only)
        self.check()
        self.faults.clear()
        self.wait_whole(scan=False)

    def pull(self, number):
        """Lets a drive fail, and waits until nothing in it is open: only then can its file system be unmounted."""
        path = self.node.drives[number - 1]
        self.faults.set({path: "eio"})
        self.wait_out(number, "error")
        links = f"/proc/{self.node.process.pid}/fd"

        def closed():
            for name in os.listdir(links):
                try:
                    if os.readlink(os.path.join(links, name)).startswith(path + "/"):
                        return False
                except OSError:
                    pass
            return True
        self.wait(f"{path} is closed", closed)
