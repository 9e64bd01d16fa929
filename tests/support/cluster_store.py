"""What a test wrote into a store of several nodes, and whether it is still there and redundant."""
import concurrent.futures
import hashlib
import http.client
import json
import os
import pty
import signal
import subprocess
import threading
import time
import traceback

from node import program
from signed import Client

SIZES = [0, 200, 4096, 70_000, 700_000, 3_000_000]


def body_of(key, size):
    seed = hashlib.sha256(f"{key} {size}".encode()).digest()
    return (seed * (size // 32 + 1))[:size]


def run(report, nodes, body, *more):
    """Runs the tests of `body(nodes)`, and fails with what the nodes last said when it raises; `more` are members beside the nodes. Stops
    the nodes at the end, ends what is left and does not return."""
    members = nodes.members + list(more)
    try:
        body(nodes)
        for member in nodes.members:
            member.signal(signal.SIGTERM)
        statuses = [member.stop() for member in nodes.members]
        report.check("nodes stop in order", not any(statuses), str(statuses))
    except Exception as problem:
        report.fail("the test itself", f"{problem!r}\n{traceback.format_exc()}\n" + "\n".join(f"node {m.number + 1}: {m.tail(20)}" for m in members))
    finally:
        for member in more:
            member.kill()
        nodes.remove()
    report.end()


class Store:
    """What was written, and whether it is still there."""

    def __init__(self, nodes):
        self.nodes, self.sizes = nodes, {}
        self.local = threading.local()

    def client(self, member, timeout=20):
        clients = self.local.__dict__.setdefault("clients", {})
        if member.number not in clients:
            class Facts:
                host, port, access, secret = member.host, member.port, self.nodes.access, self.nodes.secret
            clients[member.number] = Client(Facts, timeout=timeout)
        return clients[member.number]

    def put(self, member, key, size):
        end = time.monotonic() + 30
        while True:
            try:
                if self.client(member).request("PUT", f"/store/{key}", body_of(key, size))[0] == 200:
                    self.sizes[key] = size
                    return
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > end:
                raise RuntimeError(f"PUT {key} did not succeed in 30 s")
            time.sleep(0.02)

    def put_many(self, member, prefix, count, sizes, at_once=8):
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda n: self.put(member, f"{prefix}{n}", sizes[n % len(sizes)]), range(count)))

    def wrong(self, member, seconds=20):
        """Keys that cannot be read back at `member`; each is tried until `seconds` have passed."""
        end, wrong = time.monotonic() + seconds, []
        for key, size in sorted(self.sizes.items()):
            while True:
                try:
                    status, data, _ = self.client(member).request("GET", f"/store/{key}")
                except (OSError, http.client.HTTPException):
                    status, data = 0, b""
                if status == 200 or time.monotonic() > end:
                    break
                time.sleep(0.05)
            if status != 200 or data != body_of(key, size):
                wrong.append(f"{key}: {status}, {len(data)} of {size} bytes {data[:80]!r}")
        return wrong

    def ask(self, member, path):
        """The body of a GET; a connection that the node's stop broke is opened anew."""
        for last in (False, True):
            try:
                path, _, query = path.partition("?")
                pairs = dict(item.split("=") for item in query.split("&")) if query else None
                status, data, _ = self.client(member).request("GET", path, query=pairs)
                return data if status == 200 else b""
            except (OSError, http.client.HTTPException):
                if last:
                    raise

    def admin(self, member, what):
        return json.loads(self.ask(member, f"/flashstor/admin/v1/{what}") or b"{}")


def await_true(what, seconds, condition, detail=lambda: ""):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s {detail()}")
        time.sleep(0.05)


def states(store, member):
    info = store.admin(member, "info")
    return {drive["path"].split("//")[-1]: (drive["state"], drive["error"]) for node in info["nodes"] for drive in node["drives"]}


def healed(store):
    """Every node calls every set healthy, sees every drive at work, nothing is being filled or waits to be healed."""
    try:
        infos = [store.admin(member, "info") for member in store.nodes.members]
        heals = [store.admin(member, "heal") for member in store.nodes.members]
    except (OSError, http.client.HTTPException):
        return False
    return (all(part["healthy"] for info in infos for part in info["sets"]) and
            all(drive["state"] == "online" for info in infos for node in info["nodes"] for drive in node["drives"]) and
            all(heal["queue"] == 0 and heal["filling_drives"] == 0 and heal["waiting_drives"] == 0 and not heal["scanning"] for heal in heals))


def flashctl(nodes, member, *words):
    environment = dict(os.environ, FLASHSTORE_CONFIG_DIR=os.path.join(nodes.data, "flashctl"))
    subprocess.run([program("flashctl"), "alias", "set", "n", member.endpoint, nodes.access, nodes.secret], env=environment, check=True, stdout=subprocess.DEVNULL)
    return subprocess.run([program("flashctl"), *words], env=environment, capture_output=True, text=True, check=False)


def flashctl_on_terminal(nodes, member, *words):
    """What it writes to a terminal. After a `flashctl` to the same member, which names it."""
    environment = dict(os.environ, FLASHSTORE_CONFIG_DIR=os.path.join(nodes.data, "flashctl"), TERM="xterm")
    ours, its = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen([program("flashctl"), *words], env=environment, stdin=its, stdout=its, stderr=its)
        os.close(its)
        seen = b""
        try:
            while more := terminal.read(4096):
                seen += more
        except OSError:  # nobody has the other end any more
            pass
        process.wait()
    return seen.decode(errors="replace")


def shards_of(drive):
    """How many shard files lie on a drive."""
    return sum(len(files) for _, _, files in os.walk(os.path.join(drive, "shards")))


def await_redundant(store, drives, seconds=120):
    """Until the drives hold as many shard files as the others, and nothing is left to heal."""
    others = [drive for number in range(store.nodes.count) for drive in store.nodes.drives_of(number) if drive not in drives]
    most = max(shards_of(drive) for drive in others)
    await_true("the new drives hold their shards", seconds, lambda: healed(store) and all(shards_of(drive) >= most for drive in drives),
               lambda: f"{[shards_of(drive) for drive in drives]} of {most} shard files; {states(store, store.nodes.members[0])} "
                       f"{[store.admin(member, 'heal') for member in store.nodes.members]}")


def without(store, gone, name, report):
    """Everything can be read while `gone` is down: what is left is just enough."""
    nodes = store.nodes
    gone.kill()
    reader = next(member for member in nodes.members if member is not gone)
    wrong = store.wrong(reader)
    report.check(name, not wrong, "\n".join(wrong[:8]))
    gone.start()
    nodes.await_ready(60, [gone])
