#!/usr/bin/python3
"""examples/quickstart as a newcomer runs it: once, again on the same store, with its port taken, beside a running one, ended by
Ctrl-C on a terminal, and as an ordinary user."""
import os
import pty
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from node import ROOT, program  # noqa: E402
from tap import Report  # noqa: E402

SCRIPT = os.path.join(ROOT, "examples", "quickstart")
BIN = os.path.dirname(program("flashstor-s3d"))
CAN_MOUNT = os.path.exists("/dev/fuse") and os.geteuid() == 0


class Running:
    """The quickstart on a terminal of its own."""

    def __init__(self, data, environment):
        self.text = b""
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.execvpe(SCRIPT, [SCRIPT, "--bin", BIN, "--data", data], environment)

    def read_until(self, wanted, timeout=60):
        end = time.monotonic() + timeout
        while wanted not in self.text:
            assert time.monotonic() < end, f"{wanted!r} did not come: {self.text.decode(errors='replace')}"
            try:
                self.text += os.read(self.terminal, 4096)
            except OSError:
                break  # the other end is closed
        assert wanted in self.text, self.text.decode(errors="replace")

    def ctrl_c(self):
        """Types it; the exit status."""
        os.write(self.terminal, b"\x03")
        return self.wait()

    def wait(self):
        """Until it ends; the exit status."""
        while True:
            try:
                data = os.read(self.terminal, 4096)
            except OSError:
                data = b""
            if not data:
                break
            self.text += data
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


class Quickstart:
    def __init__(self, directory):
        self.data = os.path.join(directory, "store")
        self.mount = os.path.join(self.data, "mount")
        self.environment = dict(os.environ, HOME=directory)
        self.environment.pop("XDG_DATA_HOME", None)

    def check(self, *arguments, before=()):
        return subprocess.run([*before, SCRIPT, "--check", "--bin", BIN, *arguments], env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)

    def credentials(self):
        with open(os.path.join(self.data, "credentials")) as file:
            return file.read()

    def check_works_and_leaves_nothing(self):
        done = self.check()
        assert done.returncode == 0 and "S3 in, S3 out:       same bytes" in done.stdout, done.stdout
        assert ("mount in, S3 out:    same bytes" in done.stdout) == CAN_MOUNT, done.stdout
        assert not [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("flashstor-check.")]

    def port_goes_meanwhile(self):
        """A port that nobody listens at yet looks free, and is not."""
        with socket.socket() as taken:
            port = 9000
            while True:
                try:
                    taken.bind(("127.0.0.1", port))
                    break
                except OSError:
                    port += 1
            data = os.path.join(os.path.dirname(self.data), "race")
            done = self.check("--data", data)
            assert done.returncode == 0 and "S3 in, S3 out:       same bytes" in done.stdout, done.stdout
            with open(os.path.join(data, "node.log")) as log:
                assert f"address 127.0.0.1:{port} is in use" in log.read()

    def wrong_use(self):
        assert self.check("--dta", "x").returncode == 2
        missing = subprocess.run([SCRIPT, "--check", "--bin", "/nonexistent"], env=self.environment, stderr=subprocess.PIPE, text=True)
        assert missing.returncode == 1 and "is missing" in missing.stderr, missing

    def stays_until_ctrl_c(self):
        """Twice: the second run finds the store, the credentials and the file of the first; its port is taken."""
        running = Running(self.data, self.environment)
        running.read_until(b"Ctrl-C stops it.")
        kept = self.credentials()
        if CAN_MOUNT:
            with open(os.path.join(self.mount, "mine.txt"), "w") as file:
                file.write("mine")
        self.another_beside_it()
        self.node_is_told_first()
        status = running.ctrl_c()
        assert status == 0, (status, running.text.decode(errors="replace"))
        assert not os.path.ismount(self.mount)
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", 9000))
                taken.listen()
            except OSError:
                pass  # taken by somebody else: just as good
            again = Running(self.data, self.environment)
            again.read_until(b"Ctrl-C stops it.")
        assert b"127.0.0.1:9000\r" not in again.text, again.text
        assert self.credentials() == kept
        if CAN_MOUNT:
            with open(os.path.join(self.mount, "mine.txt")) as file:
                assert file.read() == "mine"
        assert again.ctrl_c() == 0, again.text.decode(errors="replace")
        assert not os.path.ismount(self.mount)

    def node_is_told_first(self):
        """On a busy machine the node may have stopped for Ctrl-C before the script sees it."""
        with tempfile.TemporaryDirectory(dir=os.path.dirname(self.data)) as data:
            running = Running(data, self.environment)
            running.read_until(b"Ctrl-C stops it.")
            with open(f"/proc/{running.process}/task/{running.process}/children", encoding="ascii") as file:
                children = [int(word) for word in file.read().split()]
            node = next(pid for pid in children if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "flashstor-s3d")
            os.kill(node, signal.SIGINT)
            running.read_until(b"Stopped.")
            status = running.wait()
            assert status == 0, (status, running.text.decode(errors="replace"))

    def another_beside_it(self):
        """It refuses, and leaves the running one's mount alone."""
        done = self.check("--data", self.data)
        assert done.returncode == 1, done.stdout
        if CAN_MOUNT:
            assert "another quickstart runs" in done.stdout, done.stdout
            assert os.path.ismount(self.mount) and os.path.exists(os.path.join(self.mount, "from-s3.bin"))


def as_ordinary_user(report):
    name = "an ordinary user's quickstart"
    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        return report.skip(name, "there is no user to be")
    if os.geteuid() != 0:
        return report.skip(name, "this is one already")
    # Where that user may read: the project itself may lie in root's home.
    with tempfile.TemporaryDirectory(prefix="flashstor-test-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        shutil.copytree(os.path.join(ROOT, "examples"), os.path.join(directory, "examples"))
        shutil.copytree(BIN, os.path.join(directory, "bin"))
        home = os.path.join(directory, "home")
        os.mkdir(home)
        os.chown(home, user.pw_uid, user.pw_gid)
        done = subprocess.run(["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--inh-caps=-all",
                               os.path.join(directory, "examples", "quickstart"), "--check", "--bin", os.path.join(directory, "bin"),
                               "--data", os.path.join(home, "store")],
                              env=dict(os.environ, HOME=home, TMPDIR=home), text=True, cwd="/", timeout=120, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        report.check(name, done.returncode == 0 and "S3 in, S3 out:       same bytes" in done.stdout, done.stdout)
        mounts = "mount in, S3 out:    same bytes" in done.stdout
        if mounts or "No mount: " not in done.stdout:
            report.check("an ordinary user's mount shows and takes files", mounts, done.stdout)
        else:
            report.skip("an ordinary user's mount", done.stdout.splitlines()[0])


def main():
    report = Report("quickstart: ")
    with tempfile.TemporaryDirectory(prefix="flashstor-test-") as directory:
        quickstart = Quickstart(directory)
        report.run("--check works, says what it shows, and leaves nothing", quickstart.check_works_and_leaves_nothing)
        report.run("a port that another program takes meanwhile is left to it", quickstart.port_goes_meanwhile)
        report.run("wrong use has its own exit status", quickstart.wrong_use)
        report.run("stays until Ctrl-C; a second run finds everything; two at once do not disturb each other", quickstart.stays_until_ctrl_c)
    as_ordinary_user(report)
    report.end()


main()
