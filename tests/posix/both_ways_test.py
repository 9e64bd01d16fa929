#!/usr/bin/python3
"""One bucket through S3 and through a mount at once: each side sees what the other wrote, whole, and soon."""
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from node import Node  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

BUCKET = "both"
VISIBLE_WITHIN_S = 1.0


class BothWays:
    def __init__(self, node, mount):
        self.node, self.mount, self.s3 = node, mount, Client(node)

    def at(self, name):
        return os.path.join(self.mount, name)

    def put(self, key, data):
        status, body, _ = self.s3.request("PUT", f"/{BUCKET}/{key}", data)
        assert status == 200, (status, body[:300])

    def get(self, key):
        status, body, _ = self.s3.request("GET", f"/{BUCKET}/{key}")
        return body if status == 200 else status

    def read(self, name):
        with open(self.at(name), "rb") as file:
            return file.read()

    def write(self, name, data):
        with open(self.at(name), "wb") as file:
            file.write(data)

    def soon(self, probe, wanted):
        """Waits until probe() gives `wanted`, at most the promised second."""
        end = time.monotonic() + VISIBLE_WITHIN_S
        while True:
            began = time.monotonic()
            try:
                seen = probe()
            except FileNotFoundError:
                seen = None
            if seen == wanted:
                return
            if began > end:  # one that only ended late may have seen what was there in time
                show = seen[:60] if isinstance(seen, bytes) else seen
                raise AssertionError(f"after {VISIBLE_WITHIN_S} s still {show!r}")
            time.sleep(0.02)

    def put_is_seen(self):
        assert not os.path.exists(self.at("put"))  # the kernel may now remember that it is absent
        self.put("put", b"from s3")
        self.soon(lambda: self.read("put"), b"from s3")
        assert "put" in os.listdir(self.mount)
        assert os.stat(self.at("put")).st_size == 7

    def deep_put_is_seen(self):
        self.put("deep/er/key", b"deep")
        self.soon(lambda: self.read("deep/er/key"), b"deep")
        assert os.listdir(self.at("deep")) == ["er"]

    def overwrite_is_seen(self):
        for data in (b"1" * 5000, b"2" * 5000, b"three", b"4" * 300_000):
            self.put("again", data)
            self.soon(lambda: self.read("again"), data)
            self.soon(lambda: os.stat(self.at("again")).st_size, len(data))

    def close_is_seen(self):
        for size in (0, 1, 4096, 100_000, 1_500_000):
            data = os.urandom(size)
            self.write(f"closed{size}", data)
            assert self.get(f"closed{size}") == data, size

    def overwrite_by_mount_is_seen(self):
        for data in (b"first" * 1000, b"x", b"longer" * 50_000):
            self.write("rewritten", data)
            assert self.get("rewritten") == data
        with open(self.at("rewritten"), "r+b") as file:
            file.seek(7)
            file.write(b"PATCH")
        assert self.get("rewritten") == data[:7] + b"PATCH" + data[12:]

    def fsync_is_seen(self):
        with open(self.at("synced"), "wb", buffering=0) as file:
            for n in range(1, 6):
                file.write(b"line\n")
                os.fsync(file.fileno())
                assert self.get("synced") == b"line\n" * n, n

    def twenty_mib(self):
        data = os.urandom(20 << 20)
        self.put("big-s3", data)
        self.soon(lambda: self.read("big-s3"), data)
        self.write("big-mount", data[::-1])
        assert self.get("big-mount") == data[::-1]

    def delete_by_s3(self):
        self.write("gone1", b"x")
        assert self.get("gone1") == b"x" and self.read("gone1") == b"x"
        status, _, _ = self.s3.request("DELETE", f"/{BUCKET}/gone1")
        assert status == 204, status
        self.soon(lambda: os.path.exists(self.at("gone1")), False)
        assert "gone1" not in os.listdir(self.mount)

    def delete_by_mount(self):
        self.put("gone2", b"x")
        self.soon(lambda: self.read("gone2"), b"x")
        os.unlink(self.at("gone2"))
        assert self.get("gone2") == 404, self.get("gone2")

    def rename_by_mount(self):
        self.put("from/name", b"moved")
        self.soon(lambda: self.read("from/name"), b"moved")
        os.rename(self.at("from"), self.at("to"))
        assert self.get("to/name") == b"moved" and self.get("from/name") == 404

    def key_and_prefix(self):
        """S3 may hold `a` and `a/b` at once: both stay readable there and the mount goes on working."""
        self.put("a", b"the file")
        self.put("a/b", b"below it")
        assert self.get("a") == b"the file" and self.get("a/b") == b"below it"
        time.sleep(VISIBLE_WITHIN_S)
        names = os.listdir(self.mount)
        assert names.count("a") == 1, names
        os.stat(self.at("a"))
        self.write("beside", b"works")
        assert self.get("beside") == b"works"
        assert self.get("a") == b"the file" and self.get("a/b") == b"below it"


def survives_kill(node, way):
    """What fsync confirmed is there after SIGKILL and a restart, on both sides."""
    kept = {}
    files = []
    for n in range(12):
        name, data = f"kept{n}", os.urandom(1 + n * 37_000)
        file = open(way.at(name), "wb", buffering=0)
        file.write(data)
        os.fsync(file.fileno())
        kept[name] = data
        files.append(file)
    node.kill()
    for file in files:
        try:
            file.close()
        except OSError:
            pass  # the mount is gone: that is the point
    node.start()
    way = BothWays(node, way.mount)
    for name, data in kept.items():
        assert way.read(name) == data, f"{name} in the mount"
        assert way.get(name) == data, f"{name} by S3"
    way.write("after", b"restart")
    assert way.get("after") == b"restart"


def main():
    report = Report("posix both ways: ")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        report.skip("all", "no /dev/fuse")
        report.end()
    mount = tempfile.mkdtemp(prefix="flashstor-mount-", dir=os.environ.get("FLASHSTOR_TEST_DIR"))
    node = Node(mounts={BUCKET: mount})
    try:
        node.start()
        way = BothWays(node, mount)
        report.run("a put is in the mount within a second", way.put_is_seen)
        report.run("a put below prefixes shows its folders", way.deep_put_is_seen)
        report.run("an overwrite of a file that was read shows the new bytes and size", way.overwrite_is_seen)
        report.run("S3 reads what the mount wrote right after close", way.close_is_seen)
        report.run("S3 reads what the mount overwrote and patched", way.overwrite_by_mount_is_seen)
        report.run("S3 reads an open file right after fsync", way.fsync_is_seen)
        report.run("20 MiB both ways", way.twenty_mib)
        report.run("a delete by S3 is seen in the mount", way.delete_by_s3)
        report.run("an unlink in the mount is seen by S3", way.delete_by_mount)
        report.run("a folder renamed in the mount moves its keys", way.rename_by_mount)
        report.run("keys a and a/b together", way.key_and_prefix)
        report.run("data is there after fsync, SIGKILL and restart", survives_kill, node, way)
    finally:
        node.remove()
        shutil.rmtree(mount, ignore_errors=True)
    report.end()


if __name__ == "__main__":
    main()
