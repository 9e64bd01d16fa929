"""Several real daemons as one store, each on directories of its own, ended by their process ids."""
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

from node import free_port, program


def protocol_version():
    """kProtocolVersion, as the source says it."""
    frame = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "engine", "storage", "wire", "frame.h")
    with open(frame, encoding="utf-8") as source:
        return int(re.search(r"kProtocolVersion = (\d+);", source.read()).group(1))


class Member:
    """One flashstor-s3d of a Nodes."""

    def __init__(self, cluster, number, port):
        self.cluster, self.number, self.port = cluster, number, port
        self.process = None
        self.options = []
        self.log_path = os.path.join(cluster.data, f"node{number + 1}.log")
        self.out_path = os.path.join(cluster.data, f"node{number + 1}.out")

    @property
    def endpoint(self):
        return f"{self.cluster.scheme}://{self.host}:{self.port}"

    @property
    def host(self):
        return self.cluster.network.address(self.number) if self.cluster.network else "127.0.0.1"

    def start(self):
        for drive in self.cluster.drives_of(self.number):
            os.makedirs(drive, exist_ok=True)
        command = [program("flashstor-s3d"), "--address", f"{self.host}:{self.port}", "--loops", "1"] + self.cluster.options + self.options + self.cluster.arguments
        if self.cluster.network:
            command = self.cluster.network.command(self.number) + command
        environment = dict(os.environ, FLASHSTORE_ROOT_USER=self.cluster.access, FLASHSTORE_ROOT_PASSWORD=self.cluster.secret, **self.cluster.environment)
        if self.cluster.cluster_secret:
            environment["FLASHSTORE_CLUSTER_SECRET"] = self.cluster.cluster_secret
        with open(self.log_path, "ab") as log, open(self.out_path, "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=log, env=environment)
        return self

    def output(self):
        with open(self.out_path, errors="replace") as out:
            return out.read()

    def is_ready(self):
        return any(line.startswith("ready") for line in self.output().splitlines())

    def tail(self, lines=30):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self, timeout=60):
        """SIGTERM; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout)
        self.process = None
        return status


class Nodes:
    """`nodes` daemons with `drives` directories each, on loopback ports."""

    def __init__(self, nodes=3, drives=4, data=None, options=(), scheme="http", network=None):
        self.own_data = data is None
        self.data = data or tempfile.mkdtemp(prefix="flashstor-nodes-", dir=os.environ.get("FLASHSTOR_TEST_DIR"))
        self.access, self.secret = "testroot", secrets.token_hex(16)
        self.cluster_secret = secrets.token_hex(24)
        self.scheme, self.network, self.environment = scheme, network, {}
        self.count, self.drives, self.options = nodes, drives, list(options)
        ports = set()
        while len(ports) < nodes:
            ports.add(free_port())
        self.members = [Member(self, number, port) for number, port in enumerate(sorted(ports))]
        self.arguments = [f"{scheme}://{member.host}:{member.port}{self.data}/node{member.number + 1}/drive{{1...{drives}}}" for member in self.members]

    def drives_of(self, number):
        return [os.path.join(self.data, f"node{number + 1}", f"drive{n}") for n in range(1, self.drives + 1)]

    def start(self, timeout=60):
        for member in self.members:
            member.start()
        return self.await_ready(timeout)

    def await_ready(self, timeout=60, members=None):
        end = time.monotonic() + timeout
        waiting = list(members or self.members)
        while waiting:
            for member in list(waiting):
                if member.is_ready():
                    waiting.remove(member)
                elif member.process.poll() is not None:
                    raise RuntimeError(f"node {member.number + 1} ended with {member.process.returncode}: {member.output()}{member.tail()}")
            if time.monotonic() > end:
                raise RuntimeError(f"node {waiting[0].number + 1} was not ready in {timeout} s: {waiting[0].output()}{waiting[0].tail()}")
            time.sleep(0.02)
        return self

    def remove(self):
        for member in self.members:
            member.kill()
        if self.own_data:
            shutil.rmtree(self.data, ignore_errors=True)
