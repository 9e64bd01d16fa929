"""Checks that read the sources: clang-format on all of them, clang-tidy on as many as there is time for."""
import concurrent.futures
import fnmatch
import hashlib
import os
import subprocess
import threading
import time

from counts import ROOT, Timed, count, say

DEFAULT_SECONDS = 240


def sources(*patterns):
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout.split()
    if listed:
        return [name for name in listed if os.path.exists(os.path.join(ROOT, name))]
    found = []  # a release without its history
    for top in ("engine", "s3d", "fusefs", "cli", "tests"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(name for name in found if any(fnmatch.fnmatch(name, pattern) for pattern in patterns))


def check_format():
    with Timed("clang-format"):
        files = sources("*.cc", "*.h")
        done = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *files], cwd=ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 0 and files:
        count("passed")
    else:
        say("\n".join(line for line in done.stdout.splitlines() if "error:" in line)[:4000])
        count("failed", f"clang-format of {len(files)} files")


class Tidy:
    """Runs clang-tidy and remembers, below build/tidy, what was clean: a file is looked at again when it, a header or the checks change."""

    def __init__(self, preset):
        self.database = os.path.join(ROOT, "build", preset)
        self.cache = os.path.join(ROOT, "build", "tidy")
        os.makedirs(self.cache, exist_ok=True)
        common = hashlib.sha256()
        for name in [".clang-tidy"] + sources("*.h"):
            with open(os.path.join(ROOT, name), "rb") as file:
                common.update(name.encode() + b"\0" + file.read())
        self.common = common.digest()

    def mark(self, name):
        with open(os.path.join(ROOT, name), "rb") as file:
            return os.path.join(self.cache, hashlib.sha256(self.common + name.encode() + b"\0" + file.read()).hexdigest())

    def look_at(self, name):
        """What it says about one file; empty when clean."""
        mark = self.mark(name)
        if os.path.exists(mark):
            return ""
        done = subprocess.run(["nice", "clang-tidy-19", "--quiet", "-p", self.database, name], cwd=ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0:
            with open(mark, "w", encoding="ascii"):
                return ""
        return done.stdout or done.stderr


def changed_last(files):
    """Those of `files` that the last three commits or the work tree changed."""
    git = lambda *command: subprocess.run(["git", *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,  # noqa: E731
                                          text=True, check=False).stdout
    changed = set(git("diff", "--name-only", "HEAD").split()) | set(git("diff", "--name-only", "HEAD~3", "HEAD").split())
    return [name for name in files if name in changed]


def check_tidy(preset, full):
    """All files with --full, otherwise those that were changed last, within four minutes."""
    tidy = Tidy(preset)
    files = sources("engine/*.cc", "s3d/*.cc", "fusefs/*.cc", "cli/*.cc")
    if not full:
        files = changed_last(files)
        if not files:
            return count("skipped", "clang-tidy: the last three commits changed no source; --full looks at all")
    end = time.monotonic() + (7200 if full else DEFAULT_SECONDS)
    looked, dirty, lock = [], [], threading.Lock()

    def look(name):
        if time.monotonic() > end:
            return
        wrong = tidy.look_at(name)
        with lock:
            looked.append(name)
            if wrong:
                dirty.append(name)
                say(wrong[-3000:])

    with Timed("clang-tidy"), concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(look, files))
    say(f"-- clang-tidy looked at {len(looked)} of {len(files)} files")
    if dirty or not looked:
        count("failed", f"clang-tidy: {', '.join(sorted(dirty)) or 'looked at nothing'}")
    else:
        count("passed")
