"""S3 load for the kills: writers that own their keys and know every answer, and watchers that know what they were shown."""
import hashlib
import http.client
import os
import random
import re
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from kill_history import History, body_of, short  # noqa: E402
from signed import Client  # noqa: E402

BUCKET, VERSIONED = "killed", "killed-versions"
SIZES = [0, 100, 4096, 4096, 20_000, 300_000, 900_000, 3_000_000]
PART = 5 << 20


class Unanswered(Exception):
    """The node died before it answered: whether it happened is not known."""


class NeverSent(Exception):
    """Nobody listened: it cannot have happened."""


class Load(threading.Thread):
    """A thread that works from `go` to its first error, and then waits for the next `go`."""

    def __init__(self, node, number, seed):
        super().__init__(daemon=True)
        self.node, self.number, self.random = node, number, random.Random(seed)
        self.go, self.parked, self.ended = threading.Event(), threading.Event(), False
        self.generation, self.answered, self.cut_at, self.began = 0, 0, None, 0.0
        self.wrong = []
        self.parked.set()

    def run(self):
        while True:
            self.go.wait()
            if self.ended:
                return
            try:
                self.parked.clear()
                self.connect()
                while self.go.is_set():
                    self.began = time.monotonic()
                    self.step()
                    self.answered += 1
            except Unanswered:
                self.cut_at = self.began
            except NeverSent:
                pass
            except Exception as problem:  # the test's own mistake must not look like a passed test
                self.wrong.append(f"{type(self).__name__} {self.number}: {type(problem).__name__}: {problem}")
            self.go.clear()
            self.parked.set()

    def stop(self):
        self.ended = True
        self.go.set()
        self.join()

    def connect(self):
        pass

    def next_generation(self):
        self.generation += 1
        return self.generation


class S3Load(Load):
    def connect(self):
        self.client = Client(self.node)

    def ask(self, method, path, body=b"", query=None, headers=None, good=(200, 204)):
        """Status, body, headers of an answer that decides; anything else says that the outcome is unknown."""
        try:
            status, data, answer = self.client.request(method, path, body, query, headers)
        except ConnectionRefusedError as nobody:
            raise NeverSent from nobody
        except (OSError, http.client.HTTPException) as cut:
            raise Unanswered from cut
        if status in good:
            return status, data, answer
        if status in (500, 503):
            raise Unanswered
        raise AssertionError(f"{method} {path} {query or ''}: {status} {data[:200]!r}")


class ObjectWriter(S3Load):
    """Puts, overwrites, copies and deletes its own keys, and lists them."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.keys = {f"w{self.number}/k{n}": History() for n in range(24)}
        self.generation_of = {}  # ETag -> generation, for watchers
        self.heavy = False       # fill the log, so that its rare moments come soon

    def step(self):
        if self.random.random() < 0.05:
            return self.list_own(self.client)
        key = self.random.choice(list(self.keys))
        history = self.keys[key]
        generation, dice = self.next_generation(), self.random.random()
        source = self.random.choice(list(self.keys))
        if dice < 0.15:
            value, request = None, ("DELETE", b"", {})
        elif dice < 0.25 and source != key and self.keys[source].value is not None:
            value = self.keys[source].value
            request = ("PUT", b"", {"x-amz-copy-source": f"/{BUCKET}/{source}", "x-amz-metadata-directive": "COPY"})
        else:
            value = body_of(key, generation, 900_000 if self.heavy else self.random.choice(SIZES))
            self.generation_of[hashlib.md5(value).hexdigest()] = (key, generation)
            request = ("PUT", value, {})
        history.begin(generation, value)
        try:
            self.ask(request[0], f"/{BUCKET}/{key}", request[1], headers=request[2])
        except NeverSent:
            history.never_sent()
            raise
        history.answered()

    def list_own(self, client):
        """A listing that was answered shows exactly what was answered before it."""
        listed = listing(lambda *given: self.ask(*given), BUCKET, f"w{self.number}/")
        known = {key: hashlib.md5(history.value).hexdigest() for key, history in self.keys.items() if history.value is not None}
        if listed != known:
            odd = sorted(set(listed.items()) ^ set(known.items()))
            self.wrong.append(f"listing of w{self.number}/ differs from what was answered: {odd[:4]}")

    def verify(self, client, everything):
        for key, history in self.keys.items():
            if not everything and not history.open and self.random.random() < 0.7:
                continue
            status, data, _ = client.request("GET", f"/{BUCKET}/{key}")
            if status not in (200, 404):
                self.wrong.append(f"GET {key}: {status} {data[:200]!r}")
            elif (wrong := history.settle(data if status == 200 else None)):
                self.wrong.append(f"{key}: {wrong}")
        self.client = client
        self.list_own(client)


class Watcher(S3Load):
    """Reads and lists the writers' keys: what it was shown may not be gone after a kill."""

    def __init__(self, node, number, seed, writers):
        super().__init__(node, number, seed)
        self.writers = writers

    def step(self):
        writer = self.random.choice(self.writers)
        if self.random.random() < 0.3:
            shown = listing(lambda *given: self.ask(*given), BUCKET, f"w{writer.number}/")
        else:
            key = self.random.choice(list(writer.keys))
            status, data, headers = self.ask("GET", f"/{BUCKET}/{key}", good=(200, 404))
            shown = {key: headers["ETag"].strip('"')} if status == 200 else {}
            if status == 200 and hashlib.md5(data).hexdigest() != shown[key]:
                self.wrong.append(f"GET {key} gave bytes that its ETag does not name: {short(data)}")
        for key, etag in shown.items():
            owner, generation = writer.generation_of.get(etag, (None, 0))
            if owner == key:
                writer.keys[key].saw(generation)

    def verify(self, client, everything):
        pass


class VersionWriter(S3Load):
    """A bucket with versions: each answered version id stays, in its order, with its bytes."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.keys = {f"v{n}": [] for n in range(4)}  # answered (version id, value), oldest first
        self.unknown = {key: [] for key in self.keys}  # (what, value or version id) without an answer

    def step(self):
        key = self.random.choice(list(self.keys))
        versions, generation = self.keys[key], self.next_generation()
        if len(versions) > 6:
            doomed = versions[0][0]
            self.unknown[key].append(("remove", doomed))
            self.ask("DELETE", f"/{VERSIONED}/{key}", query={"versionId": doomed})
            versions.pop(0)
        else:
            value = None if self.random.random() < 0.2 else body_of(key, generation, self.random.choice(SIZES[:-1]))
            self.unknown[key].append(("add", value))
            _, _, headers = self.ask("DELETE" if value is None else "PUT", f"/{VERSIONED}/{key}", value or b"")
            versions.append((headers["x-amz-version-id"], value))
        self.unknown[key].pop()

    def verify(self, client, everything):
        status, data, _ = client.request("GET", f"/{VERSIONED}", query={"versions": "", "max-keys": 1000})
        found = {key: [] for key in self.keys}
        for kind, inside in re.findall(r"<(Version|DeleteMarker)>(.*?)</\1>", data.decode(), re.S):
            found[re.search("<Key>(.*?)<", inside)[1]].insert(0, (re.search("<VersionId>(.*?)<", inside)[1], kind == "Version"))
        for key, versions in self.keys.items():
            self.verify_key(client, key, versions, found[key])

    def verify_key(self, client, key, versions, found):
        doomed = {what[1] for what in self.unknown[key] if what[0] == "remove"}
        added = [what[1] for what in self.unknown[key] if what[0] == "add"]
        now, known = [], dict(versions)
        for version, is_object in found:
            value = None
            if is_object:
                status, value, _ = client.request("GET", f"/{VERSIONED}/{key}", query={"versionId": version})
                if status != 200:
                    self.wrong.append(f"{key} version {version}: {status}")
            if version in known:
                if value != known[version]:
                    self.wrong.append(f"{key} version {version}: {short(value)} instead of {short(known[version])}")
            elif value not in added:
                self.wrong.append(f"{key}: a version that nobody wrote, or that was removed: {version} {short(value)}")
            now.append((version, value))
        lost = [version for version, _ in versions if version not in dict(now) and version not in doomed]
        order = [version for version, _ in now if version in known]
        if lost or order != [version for version, _ in versions if version in dict(now)]:
            self.wrong.append(f"{key}: answered versions {lost} are lost, or out of order: {order}")
        self.keys[key], self.unknown[key] = now, []


class MultipartWriter(S3Load):
    """Uploads in parts: an answered part stays and can be completed after the kill; completed is whole, aborted is gone."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.history, self.upload = History(), None
        self.closed = []  # uploads that were answered complete or aborted

    def step(self):
        key = f"m{self.number}"
        path = f"/{BUCKET}/{key}"
        if self.upload is None:
            _, data, _ = self.ask("POST", path, query={"uploads": ""})
            generation = self.next_generation()
            value = body_of(key, generation, PART + self.random.choice([1, 70_000, 2_000_000]))
            self.upload = {"id": re.search("<UploadId>(.*?)<", data.decode())[1], "generation": generation, "value": value,
                           "parts": {}, "ending": None}
        upload = self.upload
        for number, piece in ((1, upload["value"][:PART]), (2, upload["value"][PART:])):
            if number not in upload["parts"]:
                _, _, headers = self.ask("PUT", path, piece, {"partNumber": number, "uploadId": upload["id"]})
                upload["parts"][number] = headers["ETag"]
                return
        upload["ending"] = "abort" if self.random.random() < 0.2 else "complete"
        self.end_upload(path)

    def end_upload(self, path):
        upload = self.upload
        if upload["ending"] == "abort":
            self.ask("DELETE", path, query={"uploadId": upload["id"]})
        else:
            parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in sorted(upload["parts"].items()))
            self.history.begin(upload["generation"], upload["value"])
            _, data, _ = self.ask("POST", path, f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode(),
                                  {"uploadId": upload["id"]})
            if b"<Error>" in data:
                raise Unanswered
            self.history.answered()
        self.closed.append(upload["id"])
        self.upload = None

    def verify(self, client, everything):
        path = f"/{BUCKET}/m{self.number}"
        status, data, _ = client.request("GET", path)
        value = data if status == 200 else None
        completed = bool(self.history.open) and value == self.history.open[-1][1]
        if (wrong := self.history.settle(value)):
            self.wrong.append(f"m{self.number}: {wrong}")
        for gone in self.closed[-3:]:
            if client.request("GET", path, query={"uploadId": gone})[0] != 404:
                self.wrong.append(f"upload {gone} was ended and is there again")
        if self.upload is None:
            return
        status, data, _ = client.request("GET", path, query={"uploadId": self.upload["id"]})
        ending = self.upload["ending"]
        if status == 404:
            if ending is None or (ending == "complete" and not completed):
                self.wrong.append(f"upload {self.upload['id']} is lost (ending: {ending})")
            self.upload = None
            return
        listed = dict(re.findall(r"<PartNumber>(\d+)</PartNumber>.*?<ETag>(.*?)</ETag>", data.decode(), re.S))
        for number, etag in self.upload["parts"].items():
            if listed.get(str(number), "").replace("&quot;", '"') != etag:
                self.wrong.append(f"part {number} of {self.upload['id']} is lost or changed: {listed}")
        if completed:
            self.wrong.append(f"upload {self.upload['id']} is complete and still there")
            self.upload = None


def listing(ask, bucket, prefix):
    """Key -> ETag of all keys below `prefix`."""
    found, query = {}, {"list-type": 2, "prefix": prefix, "max-keys": 10}
    while True:
        _, data, _ = ask("GET", f"/{bucket}", b"", query)
        text = data.decode().replace("&quot;", '"')
        for key, etag in re.findall(r"<Contents><Key>(.*?)</Key>.*?<ETag>\"(.*?)\"</ETag>", text, re.S):
            found[urllib.parse.unquote(key)] = etag
        more = re.search("<NextContinuationToken>(.*?)<", text)
        if not more:
            return found
        query = dict(query, **{"continuation-token": more[1]})
