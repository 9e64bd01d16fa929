"""The ways in which a bucket comes to be mounted; the file tests run through each of them."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support")]
from node import Node, program  # noqa: E402

NODE, FLASHCTL, FUSEFS, REMOTE = "flashstor-s3d --mount", "flashctl mount", "flashstor-fusefs", "flashctl mount --remote"
ALL = [NODE, FLASHCTL, FUSEFS, REMOTE]


def why_not():
    """Why nothing can be mounted here, or an empty text."""
    return "" if os.access("/dev/fuse", os.R_OK | os.W_OK) else "no /dev/fuse"


class Door:
    """A node with `bucket` mounted through one of the doors; everything goes when it is left."""

    def __init__(self, kind, bucket, drives=4, options="", attached=True):
        self.kind, self.bucket, self.options, self.attached = kind, bucket, options, attached
        scratch = os.environ.get("FLASHSTOR_TEST_DIR")
        self.mount = tempfile.mkdtemp(prefix="flashstor-mount-", dir=scratch)
        self.config = tempfile.mkdtemp(prefix="flashstor-config-", dir=scratch)
        self.environment = dict(os.environ, FLASHSTORE_CONFIG_DIR=self.config)
        self.node = Node(drives=drives, mounts={bucket: self.mount} if kind == NODE else {})

    def run(self, name, *arguments, check=True, timeout=60):
        done = subprocess.run([program(name), *arguments], env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
        assert not check or done.returncode == 0, f"{name} {arguments} gave {done.returncode}: {done.stdout}"
        return done

    def alias(self, name, access, secret, port=None):
        self.run("flashctl", "alias", "set", "--unchecked", name, f"http://127.0.0.1:{port or self.node.port}", access, secret, check=False)

    def __enter__(self):
        try:
            self.node.start()
            self.alias("local", self.node.access, self.node.secret)
            if self.kind != NODE:
                self.run("flashctl", "mb", f"local/{self.bucket}")
                if self.attached:
                    self.attach()
        except Exception:
            self.__exit__()
            raise
        return self

    def attach(self):
        options = ["-o", self.options] if self.options else []
        self.run(*([self.kind] if self.kind == FUSEFS else self.kind.split()), f"local/{self.bucket}", self.mount, *options)

    def detach(self):
        """Unmounts, if it is mounted; by the table of mounts: to look at a mount over the network is to wait for its node."""
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            if any(line.split()[1] == self.mount for line in mounts):
                subprocess.run(["fusermount3", "-uz", self.mount], check=False)

    def __exit__(self, *_):
        try:
            if self.kind == REMOTE:
                self.detach()  # its process would wait for the node to come back
            self.node.remove()
        finally:
            self.detach()
            for folder in (self.mount, self.config):
                shutil.rmtree(folder, ignore_errors=True)
