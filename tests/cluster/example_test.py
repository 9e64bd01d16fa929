#!/usr/bin/python3
"""examples/cluster as a newcomer runs it: in network namespaces as root, on ports of 127.0.0.1 otherwise. It leaves nothing behind.

    example_test.py [--full]"""
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from node import ROOT, program  # noqa: E402
from tap import Report  # noqa: E402

FULL = "--full" in sys.argv
COMMAND = [os.path.join(ROOT, "examples", "cluster"), "--bin", os.path.dirname(program("flashstor-s3d"))]
report = Report("examples/cluster: ")


def namespaces():
    done = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    return {line.split()[0] for line in done.stdout.splitlines() if line.startswith("fse")}


def leaves_nothing(name, directory, before):
    left = os.listdir(directory)
    report.check(f"{name}: nothing is left", not left and namespaces() <= before, f"{left} {namespaces() - before}")


def check(name, *words):
    before = namespaces()
    with tempfile.TemporaryDirectory(prefix="flashstor-test-") as directory:
        done = subprocess.run([*COMMAND, "--check", *words], env=dict(os.environ, TMPDIR=directory), text=True, timeout=240, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        good = done.returncode == 0 and "0 lost or wrong" in done.stdout and "shards rebuilt" in done.stdout
        report.check(f"{name}: --check shows the client going on and the healing", good, done.stdout)
        in_namespaces = "each in a network namespace" in done.stdout
        if not words and os.geteuid() == 0 and "cannot be made here" not in done.stdout:
            report.check(f"{name}: each node has a network namespace", in_namespaces, done.stdout)
        elif not words:
            report.skip(f"{name}: each node has a network namespace", "network namespaces take root")
        else:
            report.check(f"{name}: the nodes are on 127.0.0.1", not in_namespaces and "127.0.0.1:9" in done.stdout, done.stdout)
        leaves_nothing(name, directory, before)


def ended_early():
    before = namespaces()
    with tempfile.TemporaryDirectory(prefix="flashstor-test-") as directory:
        process = subprocess.Popen([*COMMAND], env=dict(os.environ, TMPDIR=directory), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        seen = ""
        while "is killed" not in seen:
            line = process.stdout.readline()
            if not line:
                break
            seen += line
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        seen += process.communicate(timeout=60)[0]
        report.check("ended in the middle: it stops what it started", process.returncode == 143 and "did not stop" not in seen and namespaces() <= before,
                     f"{process.returncode} {namespaces() - before} after {time.monotonic() - began:.0f} s: {seen}")


check("as it comes")
ended_early()
if FULL:
    check("on loopback addresses", "--loopback")
report.end()
