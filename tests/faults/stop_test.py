#!/usr/bin/python3
"""SIGTERM under S3 and mount load, again and again: the node ends by itself with status 0, loses nothing and starts again. An
early build sometimes ended with `free(): invalid pointer` here."""
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import kill_mount  # noqa: E402
from kill_rounds import Rounds  # noqa: E402
from node import Node  # noqa: E402
from tap import Report  # noqa: E402

STOPS = int(os.environ.get("FLASHSTOR_STOPS", 50 if "--full" in sys.argv else 5))


def stop_again_and_again(report, seed, mounts):
    rounds = Rounds(seed, mounts)
    try:
        while len(rounds.stops) < STOPS and not rounds.wrong:
            rounds.stop()
    except RuntimeError as refused:
        rounds.wrong.append(f"stop {len(rounds.stops)}: {refused}")
    finally:
        rounds.end()
    print(f"    {len(rounds.stops)} stops, the slowest {max(rounds.stops):.2f} s; {rounds.answered()} answered operations", flush=True)
    report.check(f"{len(rounds.stops)} stops under load are clean and lose nothing", not rounds.wrong, "\n".join(rounds.wrong[:10]))


def two_signals(report, mounts):
    """A terminal's Ctrl-C reaches the node too, and its parent then sends SIGTERM: the second must not cut the stop short."""
    with Node(mounts=mounts) as node:
        process = node.process
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
            time.sleep(0.002)  # a second signal while the first is at work is the case; any moment will do
        status = process.wait(30)
        report.check("a second signal does not cut a stop short", status == 0, f"status {status}")
        left = [directory for directory in mounts.values() if os.path.ismount(directory)]
        report.check("no mount is left behind", not left, left)
        for directory in left:
            subprocess.run(["fusermount3", "-uz", directory], check=False)


def main():
    report = Report("faults: ")
    seed = int(os.environ.get("FLASHSTOR_SEED", random.randrange(1 << 30)))
    print(f"    seed {seed} (FLASHSTOR_SEED repeats the schedule of stops)", flush=True)
    with tempfile.TemporaryDirectory(prefix="flashstor-test-mount-") as mount:
        mounts = {kill_mount.BUCKET: mount} if os.path.exists("/dev/fuse") else {}
        stop_again_and_again(report, seed, mounts)
        two_signals(report, mounts)
    report.end()


main()
