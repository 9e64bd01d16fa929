#!/usr/bin/python3
"""A mount may do what the user may whose key it was started with; the node decides, each time."""
import errno
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), HERE]
import doors  # noqa: E402
from tap import Report  # noqa: E402

BUCKET = "access"
USERS = {"reader": "reader-secret-1234", "writer": "writer-secret-1234", "part": "part-secret-12345"}
PART = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [f"arn:aws:s3:::{BUCKET}"]},
    {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{BUCKET}/*"]},
    {"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": [f"arn:aws:s3:::{BUCKET}/mine/*"]}]}


class Access:
    def __init__(self, door):
        self.door, self.mount = door, door.mount

    def admin(self, *words, check=True):
        return self.door.run("flashctl", "admin", *words, check=check)

    def socket(self):
        info = json.loads(self.door.run("flashctl", "--json", "admin", "info", "local").stdout)
        return info["mount_socket"]

    def as_user(self, user):
        if os.path.ismount(self.mount):
            subprocess.run(["fusermount3", "-u", self.mount], check=True)
        self.door.alias(user, user, USERS[user])
        self.door.run("flashstor-fusefs", f"{user}/{BUCKET}", self.mount, "-o", f"socket={self.socket()}")

    def write(self, name, data=b"x"):
        with open(f"{self.mount}/{name}", "wb") as file:
            file.write(data)

    def denied(self, what, *arguments):
        try:
            what(*arguments)
        except OSError as error:
            assert error.errno in (errno.EACCES, errno.EROFS), error
            return
        raise AssertionError("allowed")

    def start(self):
        self.write("there", b"read me")
        os.mkdir(f"{self.mount}/mine")
        for user, secret in USERS.items():
            self.admin("user", "add", "local", user, secret)
        self.admin("policy", "attach", "local", "readonly", "--user", "reader")
        self.admin("policy", "attach", "local", "readwrite", "--user", "writer")
        path = os.path.join(self.door.config, "part.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(PART, file)
        self.admin("policy", "create", "local", "part", path)
        self.admin("policy", "attach", "local", "part", "--user", "part")

    def reader(self):
        self.as_user("reader")
        assert open(f"{self.mount}/there", "rb").read() == b"read me"
        self.denied(os.listdir, self.mount)  # readonly has no s3:ListBucket
        self.denied(self.write, "new")
        self.denied(self.write, "there")
        self.denied(os.unlink, f"{self.mount}/there")
        self.denied(os.rename, f"{self.mount}/there", f"{self.mount}/elsewhere")
        self.denied(os.mkdir, f"{self.mount}/folder")
        self.denied(os.symlink, "there", f"{self.mount}/link")
        self.denied(os.link, f"{self.mount}/there", f"{self.mount}/link")
        self.denied(os.truncate, f"{self.mount}/there", 0)
        self.denied(os.chmod, f"{self.mount}/there", 0o600)
        self.denied(os.setxattr, f"{self.mount}/there", "user.a", b"1")
        assert open(f"{self.mount}/there", "rb").read() == b"read me"

    def part(self):
        self.as_user("part")
        self.write("mine/new", b"mine")
        os.rename(f"{self.mount}/mine/new", f"{self.mount}/mine/renamed")
        assert open(f"{self.mount}/mine/renamed", "rb").read() == b"mine"
        self.denied(self.write, "not mine")
        self.denied(os.rename, f"{self.mount}/mine/renamed", f"{self.mount}/out")
        self.denied(os.rename, f"{self.mount}/there", f"{self.mount}/mine/in")
        os.unlink(f"{self.mount}/mine/renamed")

    def taken_away(self):
        """A right that is taken away is gone from a standing mount, too."""
        self.as_user("writer")
        self.write("by writer")
        self.admin("policy", "detach", "local", "readwrite", "--user", "writer")
        end = time.monotonic() + 5
        while True:
            try:
                self.write("by writer", b"still")
            except OSError as error:
                assert error.errno == errno.EACCES, error
                return
            assert time.monotonic() < end, "still allowed after 5 s"
            time.sleep(0.05)


def main():
    report = Report("posix access: ")
    if doors.why_not():
        report.skip("all", doors.why_not())
        report.end()
    with doors.Door(doors.FUSEFS, BUCKET) as door:
        test = Access(door)
        test.start()
        report.run("a user with readonly reads and is refused every change", test.reader)
        report.run("a user who may write below a prefix does so there alone", test.part)
        report.run("a right that is taken away is gone from the mount", test.taken_away)
    report.end()


if __name__ == "__main__":
    main()
