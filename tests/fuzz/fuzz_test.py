#!/usr/bin/python3
"""Runs each fuzz target over its kept corpus, then on new input for a bounded time, as many at once as there are cores.

A target is tests/fuzz/NAME_fuzz.cc; its corpus is corpus/NAME (every input that ever failed is kept there), its words dictionaries/NAME.dict.
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from tap import Report  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(os.environ.get("FLASHSTOR_BUILD", os.path.join(ROOT, "build", "asan")), "tests")
FULL = "--full" in sys.argv
SECONDS = 600 if FULL else 15


def fuzz(target):
    """Its exit status and what it printed."""
    name = target[: -len("_fuzz")]
    corpus, words = os.path.join(HERE, "corpus", name), os.path.join(HERE, "dictionaries", name + ".dict")
    with tempfile.TemporaryDirectory(prefix="flashstor-fuzz-") as fresh:
        command = [os.path.join(BUILD, target), f"-max_total_time={SECONDS}", "-timeout=20", "-rss_limit_mb=3000", "-print_final_stats=1",
                   f"-artifact_prefix={fresh}/"]
        # The same inputs in every short run: what it finds is found again by who looks for it.
        command += [] if FULL else ["-seed=1"]
        command += [f"-dict={words}"] if os.path.exists(words) else []
        try:
            done = subprocess.run(command + [fresh, corpus], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                  timeout=SECONDS + 240, check=False)
        except subprocess.TimeoutExpired as late:
            return None, (late.stdout or b"").decode(errors="replace")
        return done.returncode, done.stdout


def main():
    report = Report("fuzz: ")
    targets = sorted(source[:-3] for source in os.listdir(HERE) if source.endswith("_fuzz.cc"))
    kept = sorted(os.listdir(os.path.join(HERE, "corpus")))
    report.check("every target has a kept corpus, and every corpus a target", kept == [t[: -len("_fuzz")] for t in targets], kept)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for target, (status, output) in zip(targets, pool.map(fuzz, targets)):
            runs = re.search(r"number_of_executed_units:\s*(\d+)", output)
            report.check(target + (f" ({runs[1]} runs)" if runs else ""), status == 0, output[-6000:])
    report.end()


main()
