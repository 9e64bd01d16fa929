#!/usr/bin/python3
"""A folder whose names lie in several sets of three nodes is renamed through one node's mount while another's reads it and writes into it; the
node that renames is killed, or stands still for longer than its lease: every file is under one name, with its bytes."""
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster_store import Store, await_true  # noqa: E402
from nodes import Nodes  # noqa: E402
from tap import Report  # noqa: E402
from two_mounts import no_fuse, on_two_mounts  # noqa: E402

BUCKET = "folders"
FILES = 600
GIVE_UP = 60
report = Report("folders on several nodes: ")


class Places:
    """Mounts of the bucket through nodes 1 and 2, and S3 at node 3."""

    def __init__(self, store, mounts):
        self.store, self.mounts = store, mounts

    def at(self, number, *names):
        return os.path.join(self.mounts[number], *names)

    def get(self, name):
        status, data, _ = self.store.client(self.store.nodes.members[2]).request("GET", f"/{BUCKET}/{name}")
        assert status in (200, 404), (name, status)
        return data if status == 200 else None

    def keys(self, prefix):
        """Files below a prefix, as S3 lists them."""
        found, after = set(), ""
        while True:
            query = {"list-type": "2", "prefix": prefix, "start-after": after}
            status, data, _ = self.store.client(self.store.nodes.members[2]).request("GET", f"/{BUCKET}", query=query)
            assert status == 200, status
            page = re.findall(r"<Key>([^<]*)</Key>", data.decode())
            found |= {key[len(prefix):] for key in page if not key.endswith("/")}
            if b"<IsTruncated>true" not in data:
                return found
            after = page[-1]

    def only_at(self, folder, wanted, gone):
        """Waits until all files are below `folder` at all places, and none below `gone`; checks their bytes at the second mount."""
        await_true(f"all files are below {folder}", GIVE_UP,
                   lambda: self.keys(f"{folder}/") == set(wanted) and not self.keys(f"{gone}/"),
                   lambda: f"{len(self.keys(folder + '/'))} of {len(wanted)} there, {sorted(self.keys(gone + '/'))[:5]} left")
        for number in (0, 1):
            if os.path.ismount(self.mounts[number]):
                await_true(f"node {number + 1} shows {folder}", GIVE_UP, lambda: os.listdir(self.at(number)) == [folder],
                           lambda: str(os.listdir(self.at(number))))
        for path, data in wanted.items():
            with open(self.at(1, folder, path), "rb") as file:
                assert file.read() == data, path


def tree(places, folder):
    wanted = {}
    for below in ("", "one", "one/two"):
        os.makedirs(places.at(0, folder, below), exist_ok=True)
        for n in range(FILES // 3):
            path = os.path.join(below, f"f{n}")
            wanted[path] = b"%s %d " % (path.encode(), n) * (1 + n)
            with open(places.at(0, folder, path), "wb") as file:
                file.write(wanted[path])
    await_true("the other node sees it", GIVE_UP, lambda: os.path.exists(places.at(1, folder, "one/two/f1")))
    return wanted


class Background:
    """Calls `step` again and again in a thread of its own."""

    def __init__(self, step):
        self.step, self.over, self.problem, self.steps = step, threading.Event(), None, 0
        self.thread = threading.Thread(target=self.work)

    def work(self):
        try:
            while not self.over.is_set():
                self.step(self.steps)
                self.steps += 1
        except Exception as problem:  # told by whoever waits
            self.problem = problem

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        if self.problem:
            raise self.problem


def renamed_while_used(places):
    wanted = tree(places, "from")
    paths, made, refused = sorted(wanted), {}, []

    def never_without_a_name(number):
        path = paths[number * 7 % len(paths)]
        seen = places.get(f"from/{path}")  # it goes one way only: first here, then there
        assert (seen if seen is not None else places.get(f"to/{path}")) == wanted[path], path

    def read(number):
        for folder in ("from", "to"):
            path = paths[number * 11 % len(paths)]
            try:
                with open(places.at(1, folder, path), "rb") as file:
                    assert file.read() == wanted[path], path
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                refused.append(error)

    def create(number):
        name, data = f"made{number}", b"made %d" % number
        try:
            with open(places.at(1, ("from", "to")[number % 2], name), "xb") as file:
                file.write(data)
            made[name] = data
        except OSError as error:
            refused.append(error)
        time.sleep(0.005)

    with Background(never_without_a_name) as s3, Background(read) as reader, Background(create):
        began = time.monotonic()
        os.rename(places.at(0, "from"), places.at(0, "to"))
        took = time.monotonic() - began
        time.sleep(1)  # what the other node makes within its second of not knowing
    print(f"    {took:.1f} s for {len(wanted)} files; meanwhile {s3.steps} looks by S3, {reader.steps} by a mount, {len(made)} files made", flush=True)
    here, there = places.keys("from/"), places.keys("to/")
    assert set(wanted) <= there and not set(wanted) & here, sorted(set(wanted) & here)[:5]
    assert set(made) <= here | there and not here & there, (sorted(set(made) - here - there)[:5], sorted(here & there)[:5])
    for name, data in made.items():
        assert places.get(f"{'to' if name in there else 'from'}/{name}") == data, name
    for folder in ("from", "to"):
        subprocess.run(["rm", "-rf", places.at(0, folder)], check=True)
    await_true("all is gone", GIVE_UP, lambda: not os.listdir(places.at(1)))


def begin_rename(places, source, target):
    """A process that renames through the first mount; returns when it is in the middle."""
    renaming = subprocess.Popen([sys.executable, "-c", "import os, sys; os.rename(*sys.argv[1:])", places.at(0, source), places.at(0, target)],
                                stderr=subprocess.PIPE, text=True)
    while len(places.keys(f"{target}/")) < 20:
        assert renaming.poll() is None, "the rename was over before its node was stopped"
    return renaming


def mover_stands_still(places):
    """Node 2 ends the rename and makes another one, back; node 1, which wakes up then, must not go on with its own."""
    wanted = tree(places, "from")
    member = places.store.nodes.members[0]
    renaming = begin_rename(places, "from", "to")
    member.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        await_true("the other node ends the rename", GIVE_UP, lambda: not places.keys("from/"), lambda: f"{len(places.keys('from/'))} left")
        print(f"    the other node had ended it after {time.monotonic() - began:.1f} s", flush=True)
        await_true("the other node shows it", GIVE_UP, lambda: os.listdir(places.at(1)) == ["to"])
        os.rename(places.at(1, "to"), places.at(1, "from"))
        assert places.keys("from/") == set(wanted)
    finally:
        member.signal(signal.SIGCONT)
    _, problem = renaming.communicate(timeout=GIVE_UP)
    assert renaming.returncode == 0, f"a rename that was made was answered with an error: {problem}"
    places.only_at("from", wanted, "to")


def mover_is_killed(places):
    wanted = tree(places, "from")
    member = places.store.nodes.members[0]
    renaming = begin_rename(places, "from", "to")
    member.kill()
    began = time.monotonic()
    renaming.communicate()
    subprocess.run(["fusermount3", "-uz", places.mounts[0]], check=False, stderr=subprocess.DEVNULL)
    places.only_at("to", wanted, "from")
    print(f"    another node had ended it after {time.monotonic() - began:.1f} s", flush=True)
    member.start()
    places.store.nodes.await_ready(60, [member])
    await_true("it is mounted again", GIVE_UP, lambda: os.path.ismount(places.mounts[0]))
    places.only_at("to", wanted, "from")


def mover_is_stopped(places):
    """In order: it does not wait for the rest of its rename, which another node ends."""
    wanted = tree(places, "from")
    member = places.store.nodes.members[0]
    renaming = begin_rename(places, "from", "to")
    began = time.monotonic()
    assert member.stop() == 0
    stopped = time.monotonic() - began
    _, problem = renaming.communicate()
    assert renaming.returncode != 0, "the node ended its whole rename before it stopped"
    places.only_at("to", wanted, "from")
    print(f"    stopped in {stopped:.1f} s; the rename was answered with {problem.splitlines()[-1]}", flush=True)
    member.start()
    places.store.nodes.await_ready(60, [member])
    await_true("it is mounted again", GIVE_UP, lambda: os.path.ismount(places.mounts[0]))


def main():
    no_fuse(report)
    nodes = Nodes(3, 6, options=["--parity", "3"])  # two sets of nine drives

    def body(mounts):
        places = Places(Store(nodes), mounts)
        report.check("there are several sets", len(places.store.admin(nodes.members[0], "info")["sets"]) > 1)
        report.run("a folder is renamed while another node uses it", renamed_while_used, places)
        report.run("a node that stands still while it renames does not go on with what others ended", mover_stands_still, places)
        subprocess.run(["rm", "-rf", places.at(1, "from")], check=True)
        report.run("another node ends the rename of one that was killed", mover_is_killed, places)
        subprocess.run(["rm", "-rf", places.at(1, "to")], check=True)
        await_true("all is gone", GIVE_UP, lambda: not os.listdir(places.at(0)))
        report.run("a node that is to stop leaves its rename to another", mover_is_stopped, places)
    on_two_mounts(report, nodes, BUCKET, body)


main()
