"""Which S3 operations the node answered in each test of a client, out of the node's own access log; docs/s3-compatibility.md shows it."""
import json
import os
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(ROOT, "build", "clients")


class Matrix:
    """Made before the node is started, which then writes an access log; `add` each test that passed, `write` once the node has stopped."""

    def __init__(self, client, version, node):
        self.client, self.version = client, version
        self.log = os.path.join(node.data, "access.log")
        node.arguments += ["--access-log", self.log]
        self.windows = []

    def add(self, test, start_ms, end_ms):
        """A test that passed and when it ran, in milliseconds since 1970."""
        self.windows.append((start_ms, end_ms, test))

    def operations(self):
        """Operation -> the first test in which it was answered without an error."""
        found = {}
        with open(self.log, errors="replace") as log:
            for line in log:
                record = json.loads(line)
                if record["status"] >= 400 or record["operation"] == "Unknown":
                    continue
                at = milliseconds(record["time"])
                for number, (start, end, _) in enumerate(self.windows):
                    if start <= at <= end:
                        found[record["operation"]] = min(number, found.get(record["operation"], number))
        return {operation: self.windows[number][2] for operation, number in sorted(found.items())}

    def write(self):
        os.makedirs(FOLDER, exist_ok=True)
        with open(os.path.join(FOLDER, self.client + ".json"), "w") as out:
            json.dump({"client": self.client, "version": self.version, "operations": self.operations()}, out, indent=1, ensure_ascii=False)


def milliseconds(text):
    """Of `2026-11-26T10:05:05.123Z`."""
    import calendar
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 1000 + int(text[20:23])


def now_ms():
    return time.time_ns() // 1000000


def next_ms():
    """Waits for the next millisecond, so that no two tests share one."""
    start = now_ms()
    while now_ms() == start:
        pass
