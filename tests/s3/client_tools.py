"""What the tests of command-line clients share: a node, a folder of files, and commands whose output is kept for a failed check."""
import filecmp
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import matrix
import node as nodes
import tap

MIB = 1 << 20
SIZES = {"0 B": 0, "1 B": 1, "4 KiB": 4096, "5 MiB": 5 * MIB, "100 MiB": 100 * MIB}
# Keys that clients get wrong, and servers. Each client does those that it can say.
KEYS = {"spaces": " lead, in  between and trail ", "unicode": "päivä/日本/🙂 é", "plus": "a+b", "percent": "100%/%2F%20", "double slash": "a//b", "dots": "d/../e/./f",
        "trailing slash": "folder/", "control byte": "x/\x01y", "signs": "q?a=b&c#d;e\"f'<g>:@,$=!*()[]{}|^~`",
        "1,024 bytes": "k" * 255 + "/" + "m" * 255 + "/" + "n" * 255 + "/" + "o" * 256}
FILES = {"empty": 0, "one byte": 1, "four+kib": 4096, "dir/ünï 日本.txt": 12345, "dir/sub/100%.bin": 300000, "dir/a&b=c#d?.bin": 77, "large": 20 * MIB + 3}


def need(report, program):
    """Ends the script with a skipped line when the program is not installed."""
    if shutil.which(program) is None:
        report.skip("all", f"{program} is not installed")
        report.end()


def version_of(program, *words):
    """The first number with a dot in what a program says of its version."""
    done = subprocess.run([program, *(words or ["--version"])], capture_output=True, text=True)
    return re.search(r"\d+\.[\w.]+", done.stdout + done.stderr).group()


def make_files(folder, seed=11):
    source = random.Random(seed)
    for name, size in FILES.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(source.randbytes(size))
    return folder


def make_sizes(folder, seed=5):
    """A file of each of SIZES, named after its bytes. Gives their paths by the name of the size."""
    source = random.Random(seed)
    os.makedirs(folder, exist_ok=True)
    paths = {}
    for name, size in SIZES.items():
        paths[name] = os.path.join(folder, f"{size} bytes")
        with open(paths[name], "wb") as out:
            for at in range(0, size, MIB):
                out.write(source.randbytes(min(MIB, size - at)))
    return paths


def same_file(left, right, what=""):
    """Raises unless both files have the same bytes."""
    if not filecmp.cmp(left, right, shallow=False):
        raise AssertionError(f"{what}: {left} and {right} differ, {os.path.getsize(left)} and {os.path.getsize(right)} bytes")


def key_bytes(name):
    """The bytes of the object under KEYS[name]: another key's are never the same."""
    return b"<" + KEYS[name].encode() + b">\n" + random.Random(name).randbytes(64)


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


def run_suite(report, client, version, command):
    """Starts a node and a program that prints a line of JSON for each of its tests: test, ok, why, start and end in milliseconds since 1970.
    `command(node, keys)` gives its command line; `keys` is a file with KEYS as JSON."""
    node = nodes.Node()
    report.matrix = matrix.Matrix(client, version, node)
    with node:
        with open(os.path.join(node.data, "keys.json"), "w") as out:
            json.dump(KEYS, out)
        program = subprocess.Popen(command(node, out.name), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in program.stdout:
            said = json.loads(line)
            if said["ok"]:
                report.ok(said["test"])
                report.matrix.add(said["test"], said["start"], said["end"])
            else:
                report.fail(said["test"], said["why"])
        errors = program.stderr.read()
        report.check("the client ends with 0", program.wait() == 0, errors[-3000:])
        report.check("the node ends with 0", node.stop() == 0, node.tail())
        report.matrix.write()


class Tool:
    """A node, a scratch folder and a client with its environment."""

    def __init__(self, report, command, environment, client=None, version=""):
        """`client` and `version`: its column in the matrix of docs/s3-compatibility.md."""
        self.report, self.command = report, list(command)
        self.work = tempfile.mkdtemp(prefix="flashstor-client-", dir=os.environ.get("FLASHSTOR_TEST_DIR"))
        self.node = nodes.Node()
        self.make_environment = environment
        report.matrix = matrix.Matrix(client, version, self.node) if client else None

    def __enter__(self):
        self.node.start()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_", "RESTIC_")) and not name.lower().endswith("_proxy")}
        self.environment = dict(clean, HOME=self.work, **self.make_environment(self.node, self.work))
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.report.check("the node ends with 0", self.node.stop() == 0, self.node.tail())
                if self.report.matrix:
                    self.report.matrix.write()
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
