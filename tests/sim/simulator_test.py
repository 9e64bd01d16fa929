#!/usr/bin/python3
"""The simulator: seeds of the consensus core, of whole sets, of drives on simulated files and of several nodes on a simulated
network; and planted defects, each of which must be found. A failing seed prints the command that replays it."""
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from tap import Report  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(os.environ.get("FLASHSTOR_BUILD", os.path.join(ROOT, "build", "release")), "tests", "flashstor-sim")
FULL = "--full" in sys.argv
# Rung, what it is, seeds at most, seconds at most (0: all of the seeds). As many at once as there are cores, so the longest come first.
RUNGS = [
    ("files", "whole sets on simulated files", 10_000_000 if FULL else 7_000, 3600 if FULL else 360),
    ("set", "whole sets on simulated drives", 10_000_000 if FULL else 10_000, 1500 if FULL else 0),
    ("net", "several nodes on a simulated network", 10_000 if FULL else 900, 0),
    ("core", "the consensus core", 1_000_000 if FULL else 10_000, 0),
]
# Defect, rung, the first seed of those in which CI looks for it. The searches of --full begin at 0. Where CI begins is shortly before the
# first seed that shows the defect: it does not find it anew, it sees that it is found still.
PLANTED = [
    ("ack-before-sync", "core", 0),
    ("commit-old-term-by-counting", "core", 5500),
    ("match-past-prefix", "core", 0),
    ("survive-failed-append", "core", 0),
    ("lease-from-receipt", "core", 1400),
    ("deposed-leader-reads", "core", 0),
    ("vote-after-lost-tail", "core", 3600),
    ("transfer-keeps-lease", "core", 16100),
    ("vote-while-hearing", "core", 27550),
    ("forget-vote", "core", 0),
    ("serve-before-first-entry", "core", 0),
    ("acknowledge-early", "set", 0),
    ("one-drive-too-few", "set", 0),
    ("show-pending", "set", 0),
    ("free-in-use", "set", 0),
    ("free-in-use", "net", 15),
    ("free-referenced", "set", 0),
    ("sweep-at-start", "set", 0),
    ("replay-past-torn", "files", 0),
    ("ignore-epoch", "net", 0),
    ("rename-half-seen", "net", 60),
    ("void-early", "net", 90),
    ("excuse-nobody", "net", 1030),
    ("lease-from-receipt", "net", 1875),
    ("deposed-leader-reads", "net", 580),
    ("serve-before-first-entry", "net", 20),
]
# Seeds in which a planted defect must show: no more than the rung's own run has, of --full for the core and several nodes, else of CI.
REACH = {"core": 60_000, "set": 10_000, "files": 7_000, "net": 10_000}
MOST_MIB = 640  # A history whose orders are too many to follow is given up, not followed into gigabytes (net, seed 21).

report = Report("sim: ")


def simulate(*arguments):
    return subprocess.run([BINARY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def run_rung(rung, seeds, seconds):
    return simulate("--rung", rung, "--seeds", f"0..{seeds}", "--seconds", str(seconds), "--replay-share", "20")


def hunt(defect, rung, first):
    begin = 0 if FULL else first
    return simulate("--rung", rung, "--seeds", f"{begin}..{REACH[rung]}", "--replay-share", "0", "--planted", defect, "--expect-defect")


def show(done, lines):
    print("\n".join("    " + line for line in done.stdout.splitlines()[-lines:]), flush=True)


with ThreadPoolExecutor(max_workers=os.cpu_count()) as lanes:
    runs = [lanes.submit(run_rung, rung, seeds, seconds) for rung, _, seeds, seconds in RUNGS]
    hunts = [lanes.submit(hunt, *planted) for planted in PLANTED]
    for (_, words, _, _), run in zip(RUNGS, runs):
        show(run.result(), 70)
        report.check(f"{words}: every seed holds every property", run.result().returncode == 0)
    for (defect, rung, first), run in zip(PLANTED, hunts):
        show(run.result(), 3)
        searched = f"{rung}, seeds {0 if FULL else first} to {REACH[rung]}"
        report.check(f"the planted defect {defect} is found ({searched})", run.result().returncode == 0, run.result().stdout[-2000:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
report.check(f"no rung takes more than {MOST_MIB} MiB", peak <= MOST_MIB, f"{peak} MiB")
print(f"    at most {peak} MiB")
report.end()
