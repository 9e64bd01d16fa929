#!/usr/bin/python3
"""The simulator: thousands of seeds of the consensus core, and planted defects that must be found."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from tap import Report  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(os.environ.get("FLASHSTOR_BUILD", os.path.join(ROOT, "build", "release")), "tests", "flashstor-sim")
SEEDS = 1_000_000 if "--full" in sys.argv else 10_000
QUICK = ["lease-from-receipt", "vote-after-lost-tail"]
SLOW = ["ack-before-sync", "commit-old-term-by-counting", "match-past-prefix", "survive-failed-append", "deposed-leader-reads",
        "transfer-keeps-lease", "vote-while-hearing", "forget-vote", "serve-before-first-entry"]

report = Report("sim: ")
done = subprocess.run([BINARY, "--rung", "1", "--seeds", f"0..{SEEDS}", "--replay-share", "10"], stdout=subprocess.PIPE,
                      stderr=subprocess.STDOUT, text=True)
print("\n".join("    " + line for line in done.stdout.splitlines()[-60:]))
report.check(f"{SEEDS} seeds of the consensus core hold every property", done.returncode == 0)
if "--full" not in sys.argv:
    report.skip(f"{len(SLOW)} more planted defects", "only with --full, they take minutes")
for defect in QUICK + (SLOW if "--full" in sys.argv else []):
    found = subprocess.run([BINARY, "--rung", "1", "--seeds", "0..10000", "--planted", defect, "--expect-defect"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    report.check(f"the planted defect {defect} is found", found.returncode == 0, found.stdout[-2000:])
report.end()
