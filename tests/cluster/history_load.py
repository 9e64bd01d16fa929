"""The clients of the fault matrix under one fault, and what their histories say: whether they fit an order, and how long keys could not
be written."""
import hashlib
import json
import os
import subprocess
import sys
import time

from history_client import FILES, KEYS, PLAIN, VERSIONS, body_of
from key_order import WRITES, KeyOrder, Operation

HERE = os.path.dirname(os.path.abspath(__file__))


class Process:
    """One client and what it has written down so far."""

    def __init__(self, orders):
        self.orders, self.lines, self.rest = orders, [], ""
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "history_client.py"), json.dumps(orders)])
        self.file, self.answers = None, {}

    def look(self):
        if self.file is None and os.path.exists(self.orders["log"]):
            self.file = open(self.orders["log"], encoding="ascii")
        if self.file is not None:
            *whole, self.rest = (self.rest + self.file.read()).split("\n")
            for line in map(json.loads, whole):
                if "call" in line:
                    self.lines.append(line)
                else:
                    self.answers[line["n"]] = line
        return self

    def successes(self, since):
        return sum(1 for line in self.look().answers.values() if line["outcome"] == "done" and line["answer"] >= since)

    def end(self):
        self.process.terminate()

    def wait(self):
        try:
            return self.process.wait(40) in (0, -15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return False
        finally:
            self.look()


class Load:
    """An S3 client and a prober at each node, and a client in each mount: {name: (directory, member)}."""

    def __init__(self, nodes, name, mounts, number):
        self.nodes, self.name, self.versioned = nodes, name, {VERSIONS}
        self.processes, self.members = [], {}
        self.final = {}  # (bucket/key) -> [Operation]
        for member in nodes.members:
            for kind, pause in (("s3", 0.01), ("probe", 0.03)):
                self.add(kind, member, pause, number, host=member.host, port=member.port, access=nodes.access, secret=nodes.secret, timeout=20)
        for directory, member in mounts:
            self.add("mount", member, 0.02, number, mount=directory)

    def add(self, kind, member, pause, number, **more):
        count = len(self.processes)
        name = f"{kind}{member.number + 1}-{count}"
        orders = {"kind": kind, "name": name, "number": count, "round": self.name, "pause": pause, "seed": number * 100 + count,
                  "log": os.path.join(self.nodes.data, f"history-{self.name}-{name}.jsonl"), **more}
        self.processes.append(Process(orders))
        self.members[name] = member

    def of(self, members, kinds=("s3", "probe", "mount")):
        return [one for one in self.processes if self.members[one.orders["name"]] in members and one.orders["kind"] in kinds]

    def await_successes(self, processes, since, count, seconds):
        if not self.seen_successes(processes, since, count, seconds):
            raise RuntimeError(f"not {count} successes of each client in {seconds} s: {[(one.orders['name'], one.successes(since)) for one in processes]}")

    def seen_successes(self, processes, since, count, seconds):
        """Whether it came to so many of each."""
        end = time.monotonic() + seconds
        while not all(one.successes(since) >= count for one in processes):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def end(self):
        for one in self.processes:
            one.end()
        return [one.orders["name"] for one in self.processes if not one.wait()]

    def outage(self, processes, since):
        """The longest that a key which somebody tried to write again and again was not written, and which."""
        longest = 0.0, ""
        for one in processes:
            begun = None
            for line in one.lines:
                begun = line["call"] if begun is None else begun
                answer = one.answers.get(line["n"])
                if answer and answer["outcome"] == "done":
                    longest = max(longest, (answer["answer"] - max(begun, since) if answer["answer"] > since else 0.0, about(one, line, answer)))
                    begun = None
        return longest

    def longest_write(self, processes, since):
        """The longest that one write of these took to be answered after a moment, whatever the answer, and which."""
        return max(((answer["answer"] - max(line["call"], since), about(one, line, answer))
                    for one in processes for line in one.lines if line["kind"] in WRITES
                    if (answer := one.answers.get(line["n"])) and answer["answer"] > since), default=(0.0, ""))

    def counts(self):
        """Operations, and writes whose outcome nobody learned."""
        never = sum(1 for one in self.processes for answer in one.answers.values() if answer["outcome"] == "never")
        calls = sum(len(one.lines) for one in self.processes) - never
        unknown = sum(1 for one in self.processes for line in one.lines
                      if line["kind"] in WRITES and one.answers.get(line["n"], {"outcome": "unknown"})["outcome"] == "unknown")
        return calls, unknown

    def keys(self):
        found = {f"{bucket}/{self.name}-k{n}" for bucket, count in KEYS.items() for n in range(count)}
        return sorted(found | {line["key"] for one in self.processes for line in one.lines if line["kind"] == "put"})

    def read_all(self, client, where):
        """Every key at one node, after all was mended: the reads end its history."""
        for key in self.keys():
            kinds = ["read"] + (["versions"] if key.startswith(VERSIONS + "/") else [])
            for kind in kinds:
                self.final.setdefault(key, []).append(final_read(client, kind, key, where))


def about(process, line, answer):
    return f"{line['kind']} {line['key']} by {process.orders['name']}, asked at {line['call']:.2f}, answered at {answer['answer']:.2f}: {answer.get('status')}"


def final_read(client, kind, key, where):
    bucket, _, name = key.partition("/")
    end = time.monotonic() + 30
    while True:
        call = time.monotonic()
        if kind == "read":
            status, data, headers = client.request("GET", f"/{key}")
        else:
            status, data, headers = client.request("GET", f"/{bucket}", query={"versions": "", "prefix": name})
        if status in (200, 404) or call > end:
            line = {"kind": kind, "key": key, "call": call, "n": 0, "final": where}
            return line, {"answer": time.monotonic(), "outcome": "done" if status in (200, 404) else "failed", "status": status, "data": data,
                          "etag": headers.get("ETag")}
        time.sleep(0.05)


class Contents:
    """What was put under a key, by size and by ETag."""

    def __init__(self, processes):
        self.by_size, self.sizes = {}, {}
        for one in processes:
            for line in one.lines:
                if line.get("content"):
                    self.by_size[line["key"], line["size"]] = line["content"], one.orders["kind"]

    def named(self, key, size, etag, wrong):
        """The content that has this size; its ETag is checked where S3 wrote it."""
        if size is None:
            return None
        content, kind = self.by_size.get((key, size), ("nobody's", "mount"))
        if kind != "mount" and etag:
            bare = key.partition("/")[2]
            md5 = hashlib.md5(body_of(bare, content, size))
            of_one_part = hashlib.md5(md5.digest()).hexdigest() + "-1"
            if etag.replace("&quot;", "").strip('"') not in (md5.hexdigest(), of_one_part):
                wrong.append(f"{key}: {size} bytes with the ETag {etag}")
        return content


class Judge:
    """Turns what the clients wrote down into histories of keys and checks them."""

    def __init__(self, load):
        self.load, self.contents = load, Contents(load.processes)
        self.wrong, self.lost, self.stale, self.open = [], [], [], []
        self.histories = {}

    def judge(self):
        for one in self.load.processes:
            for line in one.lines:
                answer = one.answers.get(line["n"], {"answer": None, "outcome": "unknown"})
                self.take(line, answer, one.orders["name"])
        for reads in self.load.final.values():
            for line, answer in reads:
                self.take_final(line, answer)
        for key, operations in sorted(self.histories.items()):
            found = KeyOrder(operations, key.startswith(VERSIONS + "/")).check()
            if found:
                where = self.open if not found[0] else self.lost if found[0].final else self.stale
                where.append(f"{key}: {found[1]}\n" + around(operations, found[0]))
        return self

    def add(self, key, line, answer, words, kind=None, **more):
        outcome = answer["outcome"]
        kind = kind or line["kind"]
        if kind in ("read", "exists", "versions") and outcome == "refused":
            outcome = "done"
        self.histories.setdefault(key, []).append(
            Operation(kind, line.get("since", line["call"]), answer["answer"], outcome, expected=line.get("expected"), target=line.get("target"),
                      words=f"{words} {line['call']:.3f}-{answer['answer'] or 0:.3f} {answer.get('status', '')}", final="final" in line, **more))

    def take(self, line, answer, name):
        key, kind, done = line["key"], line["kind"], answer["outcome"] == "done"
        if answer["outcome"] == "never":
            return
        if "wrong" in answer:
            self.wrong.append(f"{key} at {name}: {answer['wrong']}")
        elif kind == "list":
            if done:
                self.take_list(line, answer, name)
        elif kind == "versions":
            if done:
                self.add(key, line, answer, name, content=tuple(self.contents.named(key, size, etag, self.wrong) for found, size, etag in answer["found"]
                                                                if f"{VERSIONS}/{found}" == key))
        elif kind == "read" and "size" in answer:
            self.add(key, line, answer, name, content=self.contents.named(key, answer["size"], answer.get("etag"), self.wrong))
        else:
            self.add(key, line, answer, name, content=answer.get("content") if kind.startswith("read") else line.get("content"))

    def take_list(self, line, answer, name):
        bucket = line["key"].partition("/")[0]
        if name.startswith("mount"):
            for key, there in answer["found"]:
                self.add(f"{bucket}/{key}", line, answer, name, kind="exists", content=there)
            return
        found = {key: (size, etag) for key, size, etag in answer["found"]}
        for number in range(KEYS[bucket]):
            key = f"{self.load.name}-k{number}"
            size, etag = found.pop(key, (None, None))
            full = f"{bucket}/{key}"
            self.add(full, line, answer, f"list by {name}", kind="read", content=self.contents.named(full, size, etag, self.wrong))
        if found:
            self.wrong.append(f"{bucket}: a listing has {list(found)[:5]}")

    def take_final(self, line, answer):
        from history_client import content_of, entries
        key, data, words = line["key"], answer.pop("data"), f"at the end at node {line['final']}"
        bare = key.partition("/")[2]
        if answer["outcome"] == "failed":
            self.lost.append(f"{key} {words}: {answer['status']} {data[:100]!r}")
        elif line["kind"] == "versions":
            self.add(key, line, answer, words, content=tuple(self.contents.named(key, size, etag, self.wrong)
                                                             for found, size, etag in entries(data, "Version|DeleteMarker") if found == bare))
        elif answer["status"] == 404:
            self.add(key, line, answer, words, content=None)
        elif (content := content_of(bare, data)) is None:
            self.wrong.append(f"{key} {words}: {data[:60]!r}")
        else:
            self.add(key, line, answer, words, content=content)


def around(operations, bad, count=14):
    """The operations that lie around one, for the reader of a failure."""
    if not bad:
        return ""
    near = sorted(operations, key=lambda one: one.call)
    at = near.index(bad)
    return "\n".join(f"      {'>' if one is bad else ' '} {one}" for one in near[max(0, at - count):at + 4])
