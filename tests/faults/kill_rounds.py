"""Rounds of load on one node, each ended by a kill or a stop, then a restart and a look at everything that is known."""
import random
import time
from collections import Counter

import kill_mount
import kill_s3
from kill_moments import WORK, Moments
from node import Node
from signed import Client

EVENT_TIMEOUT_S = 30


class Rounds:
    """One node, its load, and what was done to it."""

    def __init__(self, seed, mounts, environment=None):
        self.random = random.Random(seed)
        self.node = Node(mounts=mounts, environment=dict(environment or {}, FLASHSTORE_LOG_LEVEL="debug"))
        self.moments = Moments(self.node.log_path)
        self.hits, self.restarts, self.stops, self.wrong = Counter(), [], [], []
        self.kills = 0
        self.moments.start_over()
        self.node.start()
        client = Client(self.node)
        for bucket in (kill_s3.BUCKET, kill_s3.VERSIONED):
            assert client.request("PUT", f"/{bucket}")[0] == 200
        enable = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        assert client.request("PUT", f"/{kill_s3.VERSIONED}", enable, {"versioning": ""})[0] == 200
        self.load = self.make_load(seed, bool(mounts))
        for thread in self.load:
            thread.start()

    def make_load(self, seed, with_mount):
        writers = [kill_s3.ObjectWriter(self.node, n, seed + n) for n in range(5)]
        load = writers + [kill_s3.Watcher(self.node, 10 + n, seed + 10 + n, writers) for n in range(2)]
        load += [kill_s3.VersionWriter(self.node, 20, seed + 20), kill_s3.MultipartWriter(self.node, 21, seed + 21)]
        if with_mount:
            load += [kill_mount.FileWriter(self.node, 30 + n, seed + 30 + n) for n in range(3)]
        return load

    def begin(self, least, heavy=False):
        for thread in self.load:
            thread.heavy = heavy
            thread.cut_at = None
            thread.parked.clear()
            thread.go.set()
        time.sleep(self.random.uniform(least, least + 0.4))  # the moment is the test's input, not something awaited

    def park(self):
        for thread in self.load:
            thread.go.clear()
        for thread in self.load:
            if not thread.parked.wait(60):
                self.wrong.append(f"{type(thread).__name__} {thread.number} hangs: the node is gone and its call does not end")

    def kill(self, aim, least=0.02, everything=False):
        """Load, a SIGKILL at a random moment or within the work that `aim` names, a restart, a look."""
        self.begin(least, heavy=aim in WORK)
        if aim in WORK:
            self.moments.read()
            self.moments.kill_within(aim, self.node.process, self.random.random(), EVENT_TIMEOUT_S)
        killed = time.monotonic()
        self.node.kill()
        self.kills += 1
        self.park()
        in_flight = [thread for thread in self.load if thread.cut_at is not None and thread.cut_at < killed]
        self.hits.update(self.moments.hit())
        self.hits["request in flight"] += any(not isinstance(thread, kill_mount.FileWriter) for thread in in_flight)
        self.hits["file operation in flight"] += any(isinstance(thread, kill_mount.FileWriter) for thread in in_flight)
        if aim == "start":
            self.kill_at_start()
        self.restart()
        self.verify(everything)

    def kill_at_start(self):
        self.node.launch()
        time.sleep(self.random.uniform(0, 0.3))
        ready = self.node.is_ready()
        self.node.kill()
        self.kills += 1
        self.hits["start"] += not ready

    def stop(self, least=0.02):
        """The same with a SIGTERM: the node must end by itself, with status 0."""
        self.begin(least)
        begin = time.monotonic()
        status = self.node.stop()
        self.stops.append(time.monotonic() - begin)
        self.park()
        if status != 0:
            self.wrong.append(f"stop {len(self.stops)}: the node ended with {status}: {self.node.tail(5)}")
        self.restart()
        self.verify(everything=False)

    def restart(self):
        self.moments.start_over()
        self.moments.replayed = 0
        begin = time.monotonic()
        self.node.start()
        took = time.monotonic() - begin
        self.moments.read()
        self.restarts.append((took, self.moments.replayed))

    def verify(self, everything):
        client = Client(self.node)
        for thread in self.load:
            try:
                thread.verify(client, everything)
            except Exception as problem:
                thread.wrong.append(f"{type(thread).__name__} {thread.number}: {type(problem).__name__}: {problem}")
            self.wrong += [f"kill {self.kills}: {each}" for each in thread.wrong]
            thread.wrong = []

    def end(self):
        for thread in self.load:
            thread.stop()
        self.node.remove()

    def answered(self):
        return sum(thread.answered for thread in self.load)
