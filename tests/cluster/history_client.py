#!/usr/bin/python3
"""One client of the fault matrix, a process of its own: works until SIGTERM and writes every call and every answer into a file, a line
of JSON each. Called by history_load.py with its orders as JSON.

A line {"n", "call", "kind", "key", …} is a call, {"n", "answer", "outcome", …} its answer; a call without an answer has an unknown outcome.
Outcomes are done, refused (a condition that did not hold, nothing there), unknown, and never (no connection: nobody was asked).
"""
import hashlib
import http.client
import json
import os
import random
import re
import signal
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "faults")]
from kill_history import body_of  # noqa: E402
from signed import Client  # noqa: E402

SIZES = [200, 200, 200, 70_000, 700_000]
MOST_CLIENTS = 32
PLAIN, VERSIONS, FILES = "plain", "versions", "files"  # buckets
KEYS = {PLAIN: 6, VERSIONS: 3, FILES: 3}


class Log:
    """Calls and answers, written as they happen; the sizes of what this client puts, each of its own."""

    def __init__(self, orders):
        self.orders, self.count = orders, 0
        self.file = open(orders["log"], "a", buffering=1, encoding="ascii")

    def call(self, kind, key, **more):
        self.count += 1
        self.write({"n": self.count, "call": time.monotonic(), "kind": kind, "key": key, **more})
        return self.count

    def answer(self, number, outcome, **more):
        self.write({"n": number, "answer": time.monotonic(), "outcome": outcome, **more})

    def write(self, line):
        self.file.write(json.dumps(line) + "\n")

    def new_body(self, key, chance, sizes):
        """Content and bytes; the size tells it from every other put of the round."""
        content = f"{self.orders['name']}.{self.count + 1}"
        size = chance.choice(sizes) + self.orders["number"] + MOST_CLIENTS * self.count
        return content, body_of(key, content, size)


def content_of(key, data):
    """Whose bytes these are; None when they are nobody's."""
    head = data[:200].split(b" ")
    if len(head) < 4 or not head[2].isdigit():
        return None
    return head[1].decode("ascii", "replace") if data == body_of(key, head[1].decode("ascii", "replace"), int(head[2])) else None


class Worker:
    def __init__(self, orders):
        self.orders, self.log = orders, Log(orders)
        self.random = random.Random(orders["seed"])
        self.ended = False
        signal.signal(signal.SIGTERM, self.end)

    def end(self, *_):
        self.ended = True

    def run(self):
        while not self.ended:
            self.step()
            time.sleep(self.orders["pause"])

    def key_in(self, bucket):
        return f"{self.orders['round']}-k{self.random.randrange(KEYS[bucket])}"


class S3Worker(Worker):
    """Everything that S3 has for one key, through one node."""

    def __init__(self, orders):
        super().__init__(orders)
        class Facts:
            host, port, access, secret = orders["host"], orders["port"], orders["access"], orders["secret"]
        self.client = Client(Facts, timeout=orders["timeout"])
        self.etags, self.versions = {}, {}  # (bucket, key) -> (content, ETag) last seen; -> {content: version id}

    def step(self):
        bucket = self.random.choices([PLAIN, VERSIONS, FILES], [6, 3, 2])[0]
        actions = {self.put: 6, self.put_absent: 2, self.put_match: 3, self.delete: 2, self.get: 6, self.head: 2, self.list: 1, self.copy: 2, self.upload: 1}
        if bucket == VERSIONS:
            actions.update({self.get_version: 3, self.delete_version: 1, self.list_versions: 1})
        self.random.choices(list(actions), list(actions.values()))[0](bucket, self.key_in(bucket))

    def ask(self, number, method, path, body=b"", refusals=(), seen=None, **more):
        """Sends it and writes down the outcome; what is neither success nor in `refusals` is unknown. Gives (status, data, headers)."""
        try:
            status, data, headers = self.client.request(method, path, body, **more)
        except (OSError, http.client.HTTPException) as cut:
            self.log.answer(number, "never" if isinstance(cut, ConnectionRefusedError) else "unknown", status=repr(cut)[:80])
            time.sleep(0 if self.ended else 0.05)
            return 0, b"", {}
        failed_later = method == "POST" and b"<Error>" in data  # a completion may answer 200 before it knows
        outcome = "unknown" if failed_later else "done" if status in (200, 204) else "refused" if status in refusals else "unknown"
        self.log.answer(number, outcome, status=status, **(seen(status, data, headers) if seen and outcome != "unknown" else {}))
        if outcome == "unknown" and not self.ended:
            time.sleep(0.05)
        return status, data, headers

    def put(self, bucket, key, kind="put", headers=None, expected=None, refusals=()):
        content, body = self.log.new_body(key, self.random, SIZES)
        number = self.log.call(kind, f"{bucket}/{key}", content=content, size=len(body), expected=expected)
        status, _, got = self.ask(number, "PUT", f"/{bucket}/{key}", body, refusals, headers=headers)
        if status == 200:
            self.learn(bucket, key, content, got)

    def learn(self, bucket, key, content, headers):
        self.etags[bucket, key] = content, headers.get("ETag")
        if bucket == VERSIONS:
            self.versions.setdefault(key, {})[content] = headers.get("x-amz-version-id")

    def copied(self, body):
        """Puts bytes under a key of this client's own, which none but it writes and where they stay until it copies again, and names it as a
        copy's source; None when they were not put for sure."""
        source = f"/{PLAIN}/{self.orders['round']}-{self.orders['name']}-source{self.random.randrange(3)}"
        return source if self.call("PUT", source, body)[0] == 200 else None

    def call(self, method, path, body=b"", **more):
        """What is not on record."""
        try:
            return self.client.request(method, path, body, **more)
        except (OSError, http.client.HTTPException):
            return 0, b"", {}

    def copy(self, bucket, key):
        """What lies at the source was put for this key: a copy is a put of it."""
        content, body = self.log.new_body(key, self.random, SIZES)
        source = self.copied(body)
        if source:
            self.finish(bucket, key, content, len(body), "PUT", headers={"x-amz-copy-source": source}, refusals=(404,),
                        seen=lambda status, *_: {"wrong": f"{source} is not there to be copied"} if status == 404 else {})

    def upload(self, bucket, key):
        """An object of one part; of half of them it is a copy."""
        content, body = self.log.new_body(key, self.random, SIZES)
        path, source = f"/{bucket}/{key}", self.copied(body) if self.random.random() < 0.5 else None
        found = re.search(b"<UploadId>(.*?)</UploadId>", self.call("POST", path, query={"uploads": ""})[1])
        if not found:
            return
        upload = found.group(1).decode()
        headers = {"x-amz-copy-source": source} if source else {}
        status, _, _ = self.call("PUT", path, b"" if source else body, query={"partNumber": "1", "uploadId": upload}, headers=headers)
        if status == 200:
            etag = hashlib.md5(body).hexdigest()
            parts = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
            self.finish(bucket, key, content, len(body), "POST", parts.encode(), query={"uploadId": upload})

    def finish(self, bucket, key, content, size, method, body=b"", **more):
        """The call that makes the object of what lies there already."""
        number = self.log.call("put", f"{bucket}/{key}", content=content, size=size)
        status, _, got = self.ask(number, method, f"/{bucket}/{key}", body, **more)
        if status == 200 and bucket == VERSIONS:
            self.versions.setdefault(key, {})[content] = got.get("x-amz-version-id")

    def put_absent(self, bucket, key):
        self.put(bucket, key, "put-absent", {"If-None-Match": "*"}, refusals=(412,))

    def put_match(self, bucket, key):
        if (bucket, key) in self.etags:
            content, etag = self.etags[bucket, key]
            self.put(bucket, key, "put-match", {"If-Match": etag}, content, refusals=(412, 404))

    def delete(self, bucket, key):
        self.ask(self.log.call("delete", f"{bucket}/{key}"), "DELETE", f"/{bucket}/{key}")

    def get(self, bucket, key, query=None, **more):
        def seen(status, data, headers):
            if status == 404:
                return {"content": None}
            content = content_of(key, data)
            if content:
                self.learn(bucket, key, content, headers)
                return {"content": content}
            return {"wrong": repr(data[:60])}
        number = self.log.call("read-version" if query else "read", f"{bucket}/{key}", **more)
        self.ask(number, "GET", f"/{bucket}/{key}", refusals=(404,), seen=seen, query=query)

    def head(self, bucket, key):
        self.ask(self.log.call("read", f"{bucket}/{key}"), "HEAD", f"/{bucket}/{key}", refusals=(404,),
                 seen=lambda status, _, headers: {"size": None if status == 404 else int(headers["Content-Length"]), "etag": headers.get("ETag")})

    def get_version(self, bucket, key):
        if self.versions.get(key):
            content, version = self.random.choice(list(self.versions[key].items()))
            self.get(bucket, key, {"versionId": version}, target=content)

    def delete_version(self, bucket, key):
        if self.versions.get(key):
            content, version = self.random.choice(list(self.versions[key].items()))
            self.ask(self.log.call("delete-version", f"{bucket}/{key}", target=content), "DELETE", f"/{bucket}/{key}", query={"versionId": version})

    def list(self, bucket, _):
        """Tells of every key of this round, at a moment of its own for each."""
        prefix = f"{self.orders['round']}-k"
        self.ask(self.log.call("list", f"{bucket}/{prefix}"), "GET", f"/{bucket}", query={"list-type": "2", "prefix": prefix},
                 seen=lambda status, data, headers: {"found": entries(data, "Contents")})

    def list_versions(self, bucket, key):
        self.ask(self.log.call("versions", f"{bucket}/{key}"), "GET", f"/{bucket}", query={"versions": "", "prefix": key},
                 seen=lambda status, data, headers: {"found": entries(data, "Version|DeleteMarker")})


def entries(data, what):
    """[key, size, ETag] of each entry of a listing in its order; a delete marker has no size."""
    out = []
    for part in re.findall(f"<(?:{what})>(.*?)</(?:{what})>", data.decode(), re.DOTALL):
        field = lambda name: (re.findall(f"<{name}>(.*?)</{name}>", part) or [None])[0]  # noqa: E731
        size = field("Size")
        out.append([urllib.parse.unquote(field("Key")), None if size is None else int(size), field("ETag")])
    return out


class Prober(S3Worker):
    """Puts to keys of its own, one after the other, each until it is done: how long a key cannot be written is seen at once."""

    def step(self):
        key = f"{self.orders['round']}-{self.orders['name']}-{self.random.randrange(4)}"
        content, body = self.log.new_body(key, self.random, [200])
        while True:
            number = self.log.call("put", f"{PLAIN}/{key}", content=content, size=len(body))
            if self.ask(number, "PUT", f"/{PLAIN}/{key}", body)[0] == 200 or self.ended:
                return


def main():
    orders = json.loads(sys.argv[1])
    if orders["kind"] == "mount":
        from mount_client import MountWorker
        MountWorker(orders).run()
    else:
        {"s3": S3Worker, "probe": Prober}[orders["kind"]](orders).run()


if __name__ == "__main__":
    main()
