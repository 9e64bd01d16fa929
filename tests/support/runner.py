"""Builds what the named groups need, runs them, and counts. Called by tests/run."""
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GROUPS = ["unit", "sim", "s3", "posix", "faults", "fuzz"]
COUNTS = {"passed": 0, "failed": 0, "skipped": 0}
FAILED = []
SKIPPED = []


def say(text):
    print(text, flush=True)


def count(kind, name=""):
    COUNTS[kind] += 1
    if kind == "failed":
        FAILED.append(name)
    if kind == "skipped":
        SKIPPED.append(name)


def build(preset, *targets):
    """Configures and builds; a build that fails is a failed test and nothing that needs it is run."""
    start = time.monotonic()
    say(f"== build {preset} {' '.join(targets)}")
    done = subprocess.run(["cmake", "--preset", preset], cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0
    if done:
        command = ["cmake", "--build", "--preset", preset]
        if targets:
            command += ["--target", *targets]
        output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        done = output.returncode == 0
        if not done:
            say("\n".join(output.stdout.splitlines()[-60:]))
    say(f"== build {preset} took {time.monotonic() - start:.0f} s")
    if not done:
        count("failed", f"build {preset}")
    return done


def run_tap(command, timeout, environment=None):
    """Runs a program that prints `ok - `, `not ok - ` and `skip - ` lines, and counts them."""
    name = os.path.relpath(command[0], ROOT) + (" " + " ".join(command[1:]) if command[1:] else "")
    say(f"-- {name}")
    before = dict(COUNTS)
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               env=dict(os.environ, **(environment or {})))
    os.set_blocking(process.stdout.fileno(), True)
    import threading
    late = threading.Timer(timeout, process.kill)
    late.start()
    for line in process.stdout:
        print(line, end="", flush=True)
        if line.startswith("ok - "):
            count("passed")
        elif line.startswith("not ok - "):
            count("failed", line[9:].strip())
        elif line.startswith("skip - "):
            count("skipped", line[7:].strip())
    status = process.wait()
    timed_out = not late.is_alive()
    late.cancel()
    if timed_out:
        count("failed", f"{name}: not done in {timeout} s")
    elif status != 0 and COUNTS["failed"] == before["failed"]:
        count("failed", f"{name}: exit status {status}")
    elif COUNTS == before:
        count("failed", f"{name}: ran no test")
    say(f"-- {name} took {time.monotonic() - start:.0f} s")


def run_gtest(binary, timeout, environment=None):
    """Runs a GoogleTest binary and counts its tests one by one."""
    name = os.path.basename(binary)
    start = time.monotonic()
    try:
        done = subprocess.run([binary, "--gtest_brief=0", "--gtest_color=no"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=timeout, env=dict(os.environ, **(environment or {})))
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, status = (late.stdout or b"").decode(errors="replace"), "a time-out"
    passed = len(re.findall(r"^\[       OK \]", output, re.M))
    failed = re.findall(r"^\[  FAILED  \] (\S+) \(", output, re.M)
    skipped = sorted(set(re.findall(r"^\[  SKIPPED \] (\S+) \(", output, re.M)))
    COUNTS["passed"] += passed
    for test in failed:
        count("failed", f"{name} {test}")
    for test in skipped:
        count("skipped", f"{name} {test}: see its output")
    if status != 0 and not failed:
        count("failed", f"{name}: ended with {status}")
    if passed + len(failed) + len(skipped) == 0:
        count("failed", f"{name}: ran no test")
    say(f"-- {name}: {passed} passed, {len(failed)} failed, {len(skipped)} skipped, {time.monotonic() - start:.1f} s")
    if status != 0:
        say("\n".join(output.splitlines()[-80:]))


def unit_binaries(preset):
    """Every unit test binary of a build, and the targets that make them."""
    folder = os.path.join(ROOT, "build", preset, "tests")
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("unit_") and "." not in name)


def scripts(group):
    """Executable test programs of a group."""
    folder = os.path.join(ROOT, "tests", group)
    if not os.path.isdir(folder):
        return []
    return sorted(os.path.join(folder, name) for name in os.listdir(folder)
                  if "_test" in name and os.access(os.path.join(folder, name), os.X_OK))


def unit(full):
    if build("dev", "unit_tests"):
        for binary in unit_binaries("dev"):
            run_gtest(binary, 300)
    if not full:
        for name in ("unit tests under ASan and UBSan", "unit tests under TSan", "each header compiling alone"):
            count("skipped", f"{name}: only with --full, its builds take half an hour of two cores")
        return
    if build("asan", "unit_tests"):
        strict = {"ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
        for binary in unit_binaries("asan"):
            run_gtest(binary, 300, strict)
    if build("tsan", "unit_async", "unit_storage", "unit_cluster"):
        for binary in unit_binaries("tsan"):
            run_gtest(binary, 300, {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"})
    if build("dev", "public_headers"):
        count("passed")


def sim(full):
    if build("release", "flashstor-sim"):
        for script in scripts("sim"):
            run_tap([script] + (["--full"] if full else []), 7200 if full else 600)


def with_product(group):
    def run(full):
        if build("release"):
            for script in scripts(group):
                run_tap([script] + (["--full"] if full else []), 7200 if full else 900)
    return run


def fuzz(full):
    """Only when asked for by name or with --full: its instrumented build takes a quarter of an hour of two cores."""
    if build("asan", "fuzzers"):
        for script in scripts("fuzz"):
            run_tap([script] + (["--full"] if full else []), 7200 if full else 600)


def main():
    arguments = sys.argv[1:]
    full = "--full" in arguments
    chosen = [a for a in arguments if a != "--full"]
    unknown = [a for a in chosen if a not in GROUPS]
    if unknown:
        sys.exit(f"tests/run: unknown group {unknown[0]}; the groups are {' '.join(GROUPS)}")
    run = {"unit": unit, "sim": sim, "s3": with_product("s3"), "posix": with_product("posix"), "faults": with_product("faults"), "fuzz": fuzz}
    start = time.monotonic()
    if not chosen and not full:
        count("skipped", "fuzz: only by name or with --full, its instrumented build takes a quarter of an hour of two cores")
    for group in chosen or [group for group in GROUPS if full or group != "fuzz"]:
        say(f"=== {group}")
        began = time.monotonic()
        run[group](full)
        say(f"=== {group} took {time.monotonic() - began:.0f} s")
        if os.environ.get("CI") and shutil.disk_usage(ROOT).free < 2 << 30:
            count("failed", "less than 2 GiB of disk left")
    for name in SKIPPED:
        say(f"skipped: {name}")
    for name in FAILED:
        say(f"FAILED: {name}")
    say(f"took {time.monotonic() - start:.0f} s")
    say(f"{COUNTS['passed']} passed, {COUNTS['failed']} failed, {COUNTS['skipped']} skipped")
    sys.exit(1 if COUNTS["failed"] or not COUNTS["passed"] else 0)


if __name__ == "__main__":
    main()
