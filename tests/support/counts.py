"""What the test run counts, and how its programs are run: a GoogleTest binary, a script that prints TAP-like lines, one check."""
import os
import re
import signal
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COUNTS = {"passed": 0, "failed": 0, "skipped": 0}
FAILED = []
SKIPPED = []
TIMES = []  # (what, seconds), in the order they were spent


def say(text):
    print(text, flush=True)


def count(kind, name=""):
    COUNTS[kind] += 1
    if kind == "failed":
        FAILED.append(name)
        say(f"not ok - {name}")
    if kind == "skipped":
        SKIPPED.append(name)


class Timed:
    """Adds the time spent inside it to the table that ends the run."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        self.start = time.monotonic()
        return self

    def __exit__(self, *_):
        seconds = time.monotonic() - self.start
        TIMES.append((self.what, seconds))
        say(f"-- {self.what}: {seconds:.1f} s")


def start(command, environment):
    """In a session of its own, so that what it leaves behind can be ended with it."""
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                            env=dict(os.environ, **(environment or {})), start_new_session=True)


def end_group(process):
    """Ends what the program started and left; the group is its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def run_lines(command, timeout, environment, take):
    """Runs a program, gives each of its lines to `take`; its exit status, or None when it took longer than `timeout` seconds."""
    process = start(command, environment)
    late = threading.Timer(timeout, end_group, [process])
    late.start()
    for line in process.stdout:
        take(line)
    status = process.wait()
    timed_out = not late.is_alive()
    late.cancel()
    end_group(process)
    return None if timed_out else status


def run_tap(command, timeout, environment=None, label=""):
    """Runs a program that prints `ok - `, `not ok - ` and `skip - ` lines, and counts them."""
    name = os.path.relpath(command[0], ROOT) + (" " + " ".join(command[1:]) if command[1:] else "") + label
    say(f"-- {name}")
    before = dict(COUNTS)

    def take(line):
        if line.startswith("ok - "):
            print(line, end="", flush=True)
            count("passed")
        elif line.startswith("not ok - "):
            count("failed", line[9:].strip() + label)
        else:
            print(line, end="", flush=True)
            if line.startswith("skip - "):
                count("skipped", line[7:].strip())

    with Timed(name):
        status = run_lines(command, timeout, environment, take)
    if status is None:
        count("failed", f"{name}: not done in {timeout} s")
    elif status != 0 and COUNTS["failed"] == before["failed"]:
        count("failed", f"{name}: exit status {status}")
    elif COUNTS == before:
        count("failed", f"{name}: ran no test")


def run_gtest(binary, timeout, environment=None, label=""):
    """Runs a GoogleTest binary and counts its tests one by one."""
    name = os.path.basename(binary) + label
    lines = []
    began = time.monotonic()
    status = run_lines([binary, "--gtest_brief=0", "--gtest_color=no"], timeout, environment, lines.append)
    TIMES.append((name, time.monotonic() - began))
    output = "".join(lines)
    passed = len(re.findall(r"^\[       OK \]", output, re.M))
    failed = re.findall(r"^\[  FAILED  \] (\S+) \(", output, re.M)
    skipped = sorted(set(re.findall(r"^\[  SKIPPED \] (\S+) \(", output, re.M)))
    if status != 0:
        say("\n".join(output.splitlines()[-80:]))
    COUNTS["passed"] += passed
    for test in failed:
        count("failed", f"{name} {test}")
    for test in skipped:
        count("skipped", f"{name} {test}: see its output")
    if status is None:
        count("failed", f"{name}: not done in {timeout} s")
    elif status != 0 and not failed:
        count("failed", f"{name}: ended with {status}")
    if passed + len(failed) + len(skipped) == 0:
        count("failed", f"{name}: ran no test")
    say(f"-- {name}: {passed} passed, {len(failed)} failed, {len(skipped)} skipped, {time.monotonic() - began:.1f} s")
