"""Starts the real daemon on drives of its own for a test, and ends it by its process id."""
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program(name):
    """Path of a built program: FLASHSTOR_BUILD, or the release build."""
    return os.path.join(os.environ.get("FLASHSTOR_BUILD", os.path.join(ROOT, "build", "release")), "bin", name)


def free_port():
    """Not one of those that the kernel gives to clients: a node that is down would find its port taken when it comes back, perhaps by a
    peer that in asking for it was connected with itself."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        lowest = int(file.read().split()[0])
    while True:
        port = random.randrange(10_000, lowest) if lowest > 12_000 else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]


class Node:
    """One flashstor-s3d on `drives` fresh directories under a temporary directory, or under `data` if given."""

    def __init__(self, drives=4, data=None, arguments=(), environment=None, mounts=None, port=None, access=None, secret=None):
        self.own_data = data is None
        self.data = data or tempfile.mkdtemp(prefix="flashstor-test-", dir=os.environ.get("FLASHSTOR_TEST_DIR"))
        self.port = port or free_port()
        self.access = access or "testroot"
        self.secret = secret or secrets.token_hex(16)
        self.drives = [os.path.join(self.data, f"drive{n}") for n in range(1, drives + 1)]
        self.mounts = dict(mounts or {})  # bucket -> directory
        self.arguments = list(arguments)
        self.environment = dict(environment or {})
        self.process = None
        self.log_path = os.path.join(self.data, "node.log")

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def launch(self):
        """Starts it and does not wait for it."""
        for drive in self.drives:
            os.makedirs(drive, exist_ok=True)
        command = [program("flashstor-s3d"), "--address", f"127.0.0.1:{self.port}"]
        for bucket, directory in self.mounts.items():
            os.makedirs(directory, exist_ok=True)
            command += ["--mount", f"{bucket}={directory}"]
        command += self.arguments + self.drives
        environment = dict(os.environ, FLASHSTORE_ROOT_USER=self.access, FLASHSTORE_ROOT_PASSWORD=self.secret, **self.environment)
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, env=environment)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.said = b""

    def is_ready(self):
        """Whether it has printed its `ready` line by now."""
        self.said += self.process.stdout.read() or b""
        return any(line.startswith(b"ready") for line in self.said.splitlines())

    def start(self, timeout=60):
        """Starts it and returns when it has printed its `ready` line."""
        self.launch()
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.is_ready():
                return self
            if self.process.poll() is not None:
                raise RuntimeError(f"the node ended with {self.process.returncode}: {self.said.decode(errors='replace')}{self.tail()}")
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"the node was not ready in {timeout} s: {self.tail()}")

    def tail(self, lines=30):
        try:
            with open(self.log_path, errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return ""

    def stop(self, timeout=60):
        """Asks it to end (SIGTERM) and gives its exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise RuntimeError(f"the node did not stop in {timeout} s: {self.tail()}")
        status, self.process = self.process.returncode, None
        self.log.close()
        return status

    def kill(self):
        """SIGKILL; the drives stay as they are."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.log.close()
        for directory in self.mounts.values():
            subprocess.run(["fusermount3", "-uz", directory], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def remove(self):
        """Stops it and removes its directory (only if the test did not name one). What a sanitizer reported raises."""
        try:
            status = self.stop()
            if status != 0 and os.environ.get("FLASHSTOR_SANITIZED"):
                raise RuntimeError(f"the sanitized node ended with {status}: {self.tail(120)}")
        finally:
            self.kill()
            if self.own_data:
                shutil.rmtree(self.data, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.remove()
