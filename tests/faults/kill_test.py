#!/usr/bin/python3
"""SIGKILL at random moments under S3 and mount load: nothing that was answered is lost, nothing has wrong bytes, every restart
serves. What kills hit is read from the node's log. At the end the same checker is shown to go red on a node whose acknowledged
writes are not on the drive yet (lying_cache.c)."""
import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import kill_mount  # noqa: E402
from kill_moments import WORK  # noqa: E402
from kill_rounds import Rounds  # noqa: E402
from tap import Report  # noqa: E402

FULL = "--full" in sys.argv
KILLS = int(os.environ.get("FLASHSTOR_KILLS", 300 if FULL else 20))
# What each kill aims at. The random ones are the test; the others see to it that the rare moments are hit at all.
AIMS = ["random"] * 5 + ["checkpoint"] + ["random"] * 4 + ["segment change"] + ["random"] * 4 + ["index flush"] + ["random", "start"]


def tell(rounds):
    longest = max(rounds.restarts)
    fullest = max(rounds.restarts, key=lambda restart: restart[1])
    print(f"    {rounds.kills} kills; hit: " + ", ".join(f"{name} {rounds.hits[name]}" for name in [
        "request in flight", "file operation in flight", *WORK, "start"]))
    print(f"    {rounds.answered()} answered operations; slowest restart {longest[0]:.2f} s; with the fullest log, "
          f"{fullest[1] >> 20} MiB to replay on a drive, {fullest[0]:.2f} s", flush=True)


def build_lying_cache(directory):
    """The library, or None where nothing can compile it."""
    library = os.path.join(directory, "lying_cache.so")
    for compiler in ("clang-19", "cc"):
        try:
            subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, os.path.join(HERE, "lying_cache.c")], check=True)
            return library
        except (OSError, subprocess.CalledProcessError):
            continue
    return None


def goes_red(report, seed):
    """The checker must see that a node which acknowledges before its bytes are safe loses answered writes."""
    name = "the checker goes red on a node that acknowledges before its log is on the drive"
    with tempfile.TemporaryDirectory(prefix="flashstor-test-") as directory:
        library = build_lying_cache(directory)
        if library is None:
            return report.skip(name, "no C compiler")
        rounds = Rounds(seed, {}, {"LD_PRELOAD": library, "LYING_CACHE_MS": "300"})
        try:
            while not rounds.wrong and rounds.kills < 10:
                rounds.kill("random", least=0.4)
        except RuntimeError as refused:
            rounds.wrong.append(f"does not start again: {refused}")
        finally:
            rounds.end()
        lost = [each for each in rounds.wrong if "allowed:" in each or "differs from what was answered" in each or "are lost" in each]
        print(f"    red after {rounds.kills} kills: {(lost or rounds.wrong or ['nothing'])[0][:200]}")
        report.check(name, lost, "\n".join(rounds.wrong[:10]) or "10 kills found nothing")


def main():
    report = Report("faults: ")
    seed = int(os.environ.get("FLASHSTOR_SEED", random.randrange(1 << 30)))
    print(f"    seed {seed} (FLASHSTOR_SEED repeats the schedule of kills)", flush=True)
    mount = tempfile.mkdtemp(prefix="flashstor-test-mount-")
    mounts = {kill_mount.BUCKET: mount} if os.path.exists("/dev/fuse") else {}
    rounds = Rounds(seed, mounts)
    try:
        while rounds.kills < KILLS and not rounds.wrong:
            rounds.kill(AIMS[rounds.kills % len(AIMS)], everything=rounds.kills % 10 == 0)
    except RuntimeError as refused:
        rounds.wrong.append(f"kill {rounds.kills}: {refused}")
    finally:
        rounds.end()
        os.rmdir(mount)
    tell(rounds)
    report.check(f"{rounds.kills} kills lose nothing that was answered", not rounds.wrong, "\n".join(rounds.wrong[:20]))
    for name in ["request in flight", *WORK] + (["file operation in flight"] if mounts else []):
        if FULL:
            report.check(f"a kill hit: {name}", rounds.hits[name])
    if not mounts:
        report.skip("kills under load on a mount", "there is no /dev/fuse")
    goes_red(report, seed)
    report.end()


main()
