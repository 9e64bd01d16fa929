"""Builds what the named groups need, runs them, and counts. Called by tests/run.

The phases go from what is quick and tells most to what takes long: formatting; the release build, the simulator, the faults and the
clients on it; the sanitized build, the units and the fault tests on it, the fuzz targets; the units with threads under TSan; each header
alone; clang-tidy.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from counts import COUNTS, FAILED, ROOT, SKIPPED, TIMES, Timed, count, run_gtest, run_tap, say
from static_checks import check_format, check_tidy

GROUPS = ["unit", "sim", "s3", "posix", "faults", "cluster", "fuzz"]
SANITIZED = {
    "asan": {"ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:quarantine_size_mb=32",
             "UBSAN_OPTIONS": "print_stacktrace=1", "LSAN_OPTIONS": f"suppressions={ROOT}/tests/support/lsan.supp:print_suppressions=0",
             "FLASHSTOR_SANITIZED": "address"},
    "tsan": {"TSAN_OPTIONS": f"halt_on_error=1:ignore_noninstrumented_modules=1:report_mutex_bugs=0:second_deadlock_stack=1:suppressions={ROOT}/tests/support/tsan.supp",
             "FLASHSTOR_SANITIZED": "thread"},
}
THREADED_UNITS = ["unit_async", "unit_storage", "unit_cluster"]
CI_SECONDS = 80 * 60  # CI is cut off at 90 minutes: what did not fit is better named than lost
MOST_DISK_GIB = 20
BUILT = {}


def build(preset, *targets):
    """Configures and builds, once a run; a build that fails is a failed test and nothing that needs it is run."""
    if (preset, targets) in BUILT:
        return BUILT[preset, targets]
    with Timed(f"build {preset} {' '.join(targets)}".strip()):
        done = subprocess.run(["cmake", "--preset", preset], cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 0
        if done:
            command = ["cmake", "--build", "--preset", preset] + (["--target", *targets] if targets else [])
            output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                    check=False)
            done = output.returncode == 0
            if not done:
                say("\n".join(output.stdout.splitlines()[-60:]))
    if done:
        # A build leaves gigabytes to be written, and an fsync of a test would wait for all of it.
        with Timed("writing the build to disk"):
            os.sync()
    else:
        count("failed", f"build {preset} {' '.join(targets)}")
    BUILT[preset, targets] = done
    return done


def scripts(group):
    """Executable test programs of a group."""
    folder = os.path.join(ROOT, "tests", group)
    if not os.path.isdir(folder):
        return []
    return sorted(os.path.join(folder, name) for name in os.listdir(folder)
                  if "_test" in name and os.access(os.path.join(folder, name), os.X_OK))


def names_build(script, build_name):
    """True when the script's head has the line `# build: NAME`: it measures, and a sanitizer would be what it measures."""
    with open(script, encoding="utf-8") as file:
        return any(line.strip() == f"# build: {build_name}" for line, _ in zip(file, range(30)))


def run_scripts(group, preset, full, chosen=lambda script: True):
    environment = {"FLASHSTOR_BUILD": os.path.join(ROOT, "build", preset), **SANITIZED.get(preset, {})}
    for script in scripts(group):
        if chosen(script):
            run_tap([script] + (["--full"] if full else []), 7200 if full else 900, environment, f" [{preset}]" if preset != "release" else "")


def run_units(preset, names, environment):
    folder = os.path.join(ROOT, "build", preset, "tests")
    for name in sorted(names):
        run_gtest(os.path.join(folder, name), 600, environment, f" [{preset}]")


def unit_names():
    """What the unit_tests target makes."""
    folder = os.path.join(ROOT, "build", "asan", "tests")
    return [name for name in os.listdir(folder) if name.startswith("unit_") and "." not in name]


def sim_release(full):
    if build("release", "flashstor-sim"):
        run_scripts("sim", "release", full)


def faults_release(full):
    """What is measured on the build that ships; with --full everything."""
    if build("release"):
        run_scripts("faults", "release", full, lambda script: full or names_build(script, "release"))


def faults_sanitized(full):
    if build("asan", "flashstor-s3d", "flashctl"):
        run_scripts("faults", "asan", full, lambda script: not names_build(script, "release"))


def clients(group):
    def run(full):
        if build("release"):
            run_scripts(group, "release", full)
        if full and build("asan", "flashstor-s3d", "flashctl", "flashstor-fusefs"):
            run_scripts(group, "asan", False)
    return run


def units_sanitized(_full):
    if build("asan", "unit_tests"):
        run_units("asan", unit_names(), SANITIZED["asan"])


def units_threaded(_full):
    if build("tsan", *THREADED_UNITS):
        run_units("tsan", THREADED_UNITS, SANITIZED["tsan"])


def fuzz(full):
    if build("asan", "fuzzers"):
        run_scripts("fuzz", "asan", full)


def headers(_full):
    if build("release", "public_headers"):
        count("passed")


# In this order; a phase runs when its group was chosen.
PHASES = [
    ("unit", "formatting", lambda full: check_format()),
    ("sim", "simulator", sim_release),
    ("faults", "faults on the release build", faults_release),
    ("cluster", "several nodes", clients("cluster")),
    ("s3", "S3 clients", clients("s3")),
    ("posix", "mount", clients("posix")),
    ("unit", "units under ASan and UBSan", units_sanitized),
    ("fuzz", "fuzz targets", fuzz),
    ("faults", "faults under ASan and UBSan", faults_sanitized),
    ("unit", "units with threads under TSan", units_threaded),
    ("unit", "each header alone", headers),
    ("unit", "clang-tidy", lambda full: check_tidy("asan" if os.path.exists(f"{ROOT}/build/asan/compile_commands.json") else "release", full)),
]


def disk_used_gib():
    done = subprocess.run(["du", "-s", "--block-size=1M", os.path.join(ROOT, "build")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=False)
    return int(done.stdout.split()[0]) / 1024 if done.stdout.split() else 0.0


def clear(directory):
    """Removes what tests left below their temporary directory; a mount that is still there is taken off first."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        left = [line.split()[1] for line in mounts if line.split()[1].startswith(directory + "/")]
    for mount in reversed(left):
        say(f"-- still mounted: {mount}")
        subprocess.run(["fusermount3", "-uz", mount], check=False)
    shutil.rmtree(directory, ignore_errors=True)


def run_phases(groups, full):
    began = time.monotonic()
    in_ci = bool(os.environ.get("CI")) and not full
    for group, name, phase in PHASES:
        if group not in groups:
            continue
        if in_ci and time.monotonic() - began > CI_SECONDS:
            count("failed", f"{group}, {name}: no time left to run it")
            continue
        say(f"=== {group}: {name}")
        with Timed(f"=== {group}: {name}"):
            phase(full)


def summary(began):
    say("\nWhere the time went (from 5 s on):")
    for what, seconds in TIMES:
        if seconds >= 5:
            say(f"  {seconds:7.1f} s  {what}")
    used = disk_used_gib()
    say(f"  {used:.1f} GiB in build")
    if used > MOST_DISK_GIB:
        count("failed", f"the builds take more than {MOST_DISK_GIB} GiB")
    for name in SKIPPED:
        say(f"skipped: {name}")
    for name in FAILED:
        say(f"FAILED: {name}")
    say(f"took {time.monotonic() - began:.0f} s")
    say(f"{COUNTS['passed']} passed, {COUNTS['failed']} failed, {COUNTS['skipped']} skipped")


def main():
    arguments = sys.argv[1:]
    full = "--full" in arguments
    chosen = [a for a in arguments if a != "--full"]
    unknown = [a for a in chosen if a not in GROUPS]
    if unknown:
        sys.exit(f"tests/run: unknown group {unknown[0]}; the groups are {' '.join(GROUPS)}")
    began = time.monotonic()
    temporary = tempfile.mkdtemp(prefix="flashstor-run-")
    os.environ["TMPDIR"] = temporary
    try:
        run_phases(chosen or GROUPS, full)
    finally:
        clear(temporary)
    summary(began)
    sys.exit(1 if COUNTS["failed"] or not COUNTS["passed"] else 0)


if __name__ == "__main__":
    main()
