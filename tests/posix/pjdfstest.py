#!/usr/bin/python3
"""Runs pjdfstest on a mounted bucket, as root; not part of CI, since the suite is fetched and built beside the project.

    tests/posix/pjdfstest.py CHECKOUT [--local FOLDER] [--versions] [TEST…]

CHECKOUT is a checkout of github.com/pjd/pjdfstest in which `autoreconf -ifs && ./configure && make pjdfstest` was run.
TEST is a part of it, as `rename` or `rename/23`. --local runs it in a folder of the local file system instead, to compare;
--versions on a bucket that keeps versions.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), HERE]
import doors  # noqa: E402


def tests_of(checkout, parts):
    tests = os.path.join(checkout, "tests")
    if not parts:
        return [tests]
    return [path if os.path.isdir(path) else path + ".t" for path in (os.path.join(tests, part) for part in parts)]


def run(checkout, parts, folder):
    """Runs the tests with `folder` as their working directory; gives (tests, failures by file)."""
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        os.chmod(inside, 0o755)  # other users' calls are made from it
        done = subprocess.run(["prove", "-r", *tests_of(checkout, parts)], cwd=inside, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, errors="replace", check=False)
    total = re.search(r"^(?:Files=\d+, )Tests=(\d+)", done.stdout, re.M)
    failures = {}
    for name, count in re.findall(r"^\S*/tests/(\S+\.t)\s+\(Wstat: .*?Failed: (\d+)\)", done.stdout, re.M):
        failures[name] = int(count)
    return int(total.group(1)) if total else 0, failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkout")
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--local")
    parser.add_argument("--versions", action="store_true")
    given = parser.parse_args()
    checkout = os.path.abspath(given.checkout)
    if os.geteuid() != 0:
        sys.exit("pjdfstest changes owners and users: run it as root")
    if not os.access(os.path.join(checkout, "pjdfstest"), os.X_OK):
        sys.exit(f"{checkout} is not built: autoreconf -ifs && ./configure && make pjdfstest")
    if given.local:
        total, failures = run(checkout, given.tests, given.local)
    else:
        with doors.Door(doors.NODE, "pjd") as door:
            if given.versions:
                door.run("flashctl", "version", "enable", "local/pjd")
            total, failures = run(checkout, given.tests, door.mount)
    for name, count in sorted(failures.items()):
        print(f"{name}: {count} failed")
    print(f"{total - sum(failures.values())} of {total} passed")
    sys.exit(1 if failures or not total else 0)


if __name__ == "__main__":
    main()
