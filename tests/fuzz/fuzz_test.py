#!/usr/bin/python3
"""Runs each fuzz target over its kept corpus, then on new input for a bounded time."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from tap import Report  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(os.environ.get("FLASHSTOR_BUILD", os.path.join(ROOT, "build", "asan")), "tests")
SECONDS = 600 if "--full" in sys.argv else 8

report = Report("fuzz: ")
for source in sorted(os.listdir(HERE)):
    if not source.endswith("_fuzz.cc"):
        continue
    name = source[:-3]
    corpus = os.path.join(HERE, "corpus", name[: -len("_fuzz")])
    with tempfile.TemporaryDirectory(prefix="flashstor-fuzz-") as fresh:
        command = [os.path.join(BUILD, name), f"-max_total_time={SECONDS}", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1",
                   f"-artifact_prefix={fresh}/", fresh] + ([corpus] if os.path.isdir(corpus) else [])
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        runs = [line for line in done.stdout.splitlines() if "number_of_executed_units" in line]
        report.check(name + (f" ({runs[0].split()[-1]} runs)" if runs else ""), done.returncode == 0, done.stdout[-4000:])
report.end()
