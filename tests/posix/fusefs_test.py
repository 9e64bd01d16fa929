#!/usr/bin/python3
"""flashstor-fusefs as mount(8), fstab and systemd start it: options, refusals, staying in front, SIGTERM."""
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), HERE]
import doors  # noqa: E402
from node import Node, free_port, program  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

FSTAB = "rw,nosuid,nodev,_netdev,nofail,noauto,x-systemd.requires=flashstor.service,uid=1234,umask=022"
MOUNT_FAILED = 32  # mount(8)


def soon(probe, what, seconds=10):
    end = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Fusefs:
    def __init__(self, door):
        self.door, self.mount, self.source = door, door.mount, f"local/{door.bucket}"
        self.s3 = Client(door.node)

    def fusefs(self, *arguments, check=True):
        return self.door.run("flashstor-fusefs", *arguments, check=check)

    def refused(self, words, *arguments):
        done = self.fusefs(*arguments, check=False)
        assert done.returncode == MOUNT_FAILED, (done.returncode, done.stdout)
        assert words in done.stdout, done.stdout
        assert not os.path.ismount(self.mount)

    def unmounted(self):
        subprocess.run(["fusermount3", "-u", self.mount], check=True)

    def fstab_line(self):
        """mount(8) calls the helper by another name and adds options of its own."""
        helper = os.path.join(self.door.config, "mount.flashstor")
        os.symlink(program("flashstor-fusefs"), helper)
        done = subprocess.run([helper, self.source, self.mount, "-n", "-v", "-o", FSTAB], env=self.door.environment,
                              capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
        assert os.path.ismount(self.mount)
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            line = next(line.split() for line in mounts if line.split()[1] == self.mount)
        assert line[0] == self.door.bucket and line[2] == "fuse.flashstor", line
        assert {"rw", "nosuid", "nodev"} <= set(line[3].split(",")), line
        with open(f"{self.mount}/by fstab", "w", encoding="ascii") as file:
            file.write("served")
        assert os.stat(f"{self.mount}/by fstab").st_uid == 1234
        self.unmounted()
        assert self.s3.request("GET", f"/{self.door.bucket}/by fstab")[1] == b"served"
        pretended = subprocess.run([helper, self.source, self.mount, "-f", "-o", FSTAB], env=self.door.environment, check=False)
        assert pretended.returncode == 0 and not os.path.ismount(self.mount)

    def read_only(self):
        self.fusefs(self.source, self.mount, "-o", "ro")
        try:
            open(f"{self.mount}/no", "w", encoding="ascii")
            raise AssertionError("written to a mount with -o ro")
        except OSError as error:
            assert error.errno == 30, error  # EROFS
        self.unmounted()

    def foreground(self):
        """As a service of systemd: `ready` when it is mounted; SIGTERM flushes and unmounts, also while files are open."""
        process = subprocess.Popen([program("flashstor-fusefs"), "--foreground", self.source, self.mount],
                                   env=self.door.environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("ready "), process.poll()
        file = open(f"{self.mount}/open", "wb", buffering=0)
        file.write(b"not closed")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not os.path.ismount(self.mount)
        file.close()
        get = lambda: self.s3.request("GET", f"/{self.door.bucket}/open")[1]  # noqa: E731
        soon(lambda: get() == b"not closed", f"the open file's bytes: {get()}")

    def unmounted_from_outside(self):
        process = subprocess.Popen([program("flashstor-fusefs"), "--foreground", self.source, self.mount],
                                   env=self.door.environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("ready ")
        self.unmounted()
        assert process.wait(30) == 0

    def refusals(self):
        self.door.alias("wrong", self.door.node.access, "not the secret key")
        self.door.alias("away", "somebody", "0123456789abcdef", port=free_port())
        info = self.door.run("flashctl", "--json", "admin", "info", "local").stdout
        socket = info.split('"mount_socket":')[1].split('"')[1]
        self.refused("SignatureDoesNotMatch", f"wrong/{self.door.bucket}", self.mount, "-o", f"socket={socket}")
        self.refused("cannot ask the node", f"wrong/{self.door.bucket}", self.mount)
        self.refused("connect", f"away/{self.door.bucket}", self.mount)
        self.refused("no node serves mounts", self.source, self.mount, "-o", "socket=/nowhere/at/all")
        self.refused("does not exist", "local/no-such-bucket", self.mount)
        self.refused("there is no alias", "nobody/bucket", self.mount)
        self.refused("ALIAS/BUCKET", f"{self.source}/below", self.mount)
        self.refused("unknown mount option", self.source, self.mount, "-o", "nonsense=1")
        self.refused("No such file", self.source, f"{self.mount}/absent")
        assert self.fusefs(check=False).returncode not in (0, MOUNT_FAILED)

    def after_kill(self):
        """A node that was killed leaves a dead mount behind: the next mount takes its place."""
        self.fusefs(self.source, self.mount)
        self.door.node.kill()
        self.door.node.start()
        self.fusefs(self.source, self.mount)
        with open(f"{self.mount}/again", "w", encoding="ascii") as file:
            file.write("x")
        self.unmounted()


def refused_start(door):
    """A node whose --mount cannot be made does not start, and makes none of the buckets that it was to mount."""
    with tempfile.TemporaryDirectory(dir=door.config) as data:
        node = Node(data=data, arguments=["--mount", f"first={door.mount}", "--mount", "second=/no/such/place"])
        try:
            node.start()
        except RuntimeError as refused:
            assert "/no/such/place is not a directory" in str(refused), refused
        else:
            node.stop()
            raise AssertionError("started without its mount")
        assert not os.path.ismount(door.mount)
        node.arguments = []
        node.start()
        try:
            assert [Client(node).request("HEAD", f"/{bucket}")[0] for bucket in ("first", "second")] == [404, 404]
        finally:
            node.stop()


def main():
    report = Report("posix fusefs: ")
    if doors.why_not():
        report.skip("all", doors.why_not())
        report.end()
    with doors.Door(doors.FUSEFS, "service") as door:
        test = Fusefs(door)
        test.unmounted()
        report.run("as mount(8) starts it for fstab", test.fstab_line)
        report.run("-o ro", test.read_only)
        report.run("in front: ready, then SIGTERM flushes and unmounts", test.foreground)
        report.run("in front: ends when it is unmounted from outside", test.unmounted_from_outside)
        report.run("refusals say why, with status 32, and leave nothing mounted", test.refusals)
        report.run("a mount that a killed node left is replaced", test.after_kill)
        report.run("a start whose mount point is not there is refused and makes no bucket", refused_start, door)
    report.end()


if __name__ == "__main__":
    main()
