"""What the tests of command-line clients share: a node, a folder of files, and commands whose output is kept for a failed check."""
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import node as nodes
import tap

MIB = 1 << 20
FILES = {"empty": 0, "one byte": 1, "four+kib": 4096, "dir/ünï 日本.txt": 12345, "dir/sub/100%.bin": 300000, "dir/a&b=c#d?.bin": 77, "large": 20 * MIB + 3}


def need(report, program):
    """Ends the script with a skipped line when the program is not installed."""
    if shutil.which(program) is None:
        report.skip("all", f"{program} is not installed")
        report.end()


def make_files(folder, seed=11):
    source = random.Random(seed)
    for name, size in FILES.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(source.randbytes(size))
    return folder


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def tree(folder):
    """Relative path of every file -> its bytes."""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            found[os.path.relpath(path, folder)] = read(path)
    return found


def same_trees(left, right):
    """Raises unless both folders hold the same files with the same bytes."""
    a, b = tree(left), tree(right)
    if a != b:
        differ = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
        raise AssertionError(f"these differ: {differ}")


def same(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what}: got {str(got)[:400]!r}, want {str(want)[:400]!r}")


class Tool:
    """A node, a scratch folder and a client with its environment."""

    def __init__(self, report, command, environment):
        self.report, self.command = report, list(command)
        self.work = tempfile.mkdtemp(prefix="flashstor-client-", dir=os.environ.get("FLASHSTOR_TEST_DIR"))
        self.node = nodes.Node()
        self.make_environment = environment

    def __enter__(self):
        self.node.start()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_", "RESTIC_")) and not name.lower().endswith("_proxy")}
        self.environment = dict(clean, HOME=self.work, **self.make_environment(self.node, self.work))
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.report.check("the node ends with 0", self.node.stop() == 0, self.node.tail())
        finally:
            self.node.remove()
            shutil.rmtree(self.work, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.work, *names)

    def __call__(self, *arguments, status=0, input=None):
        """Runs the client; gives its standard output and raises when it ends with another status (None: any but 0)."""
        done = subprocess.run(self.command + list(arguments), env=self.environment, cwd=self.work, input=input, capture_output=True, timeout=120)
        if (done.returncode != status) if status is not None else (done.returncode == 0):
            raise AssertionError(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout.decode(errors='replace')[-1500:]}"
                                 f"{done.stderr.decode(errors='replace')[-3000:]}\nnode:\n{self.node.tail(8)}")
        self.errors = done.stderr.decode(errors="replace")
        return done.stdout.decode(errors="replace")
