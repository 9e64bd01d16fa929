#!/usr/bin/python3
"""The AWS command line against a running node: `aws s3` at its daily work and `aws s3api`.

awscli_test.py [--full | PROGRAM…]     tries these `aws` programs; without, Debian's or the first of PATH
"""
import json
import os
import shutil
import subprocess
import sys
import urllib.request

import client_tools as tools
from client_tools import same


def environment(node, work):
    return {"AWS_ACCESS_KEY_ID": node.access, "AWS_SECRET_ACCESS_KEY": node.secret, "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": "",
            "AWS_EC2_METADATA_DISABLED": "true", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}


class Aws(tools.Tool):
    def s3(self, *arguments, **named):
        return self("--endpoint-url", self.node.endpoint, "s3", *arguments, *(["--no-progress"] if arguments[0] in ("cp", "sync", "mv") else []), **named)

    def api(self, *arguments, **named):
        text = self("--endpoint-url", self.node.endpoint, "--output", "json", "s3api", *arguments, **named)
        return json.loads(text) if text.strip() else {}


def copies(aws):
    aws.s3("mb", "s3://copies")
    same("copies" in aws.s3("ls"), True, "ls")
    for name in ("empty", "dir/ünï 日本.txt", "large"):
        aws.s3("cp", aws.path("files", name), "s3://copies/" + name)
        aws.s3("cp", "s3://copies/" + name, aws.path("back"))
        same(tools.read(aws.path("back")) == tools.read(aws.path("files", name)), True, name)
    same(aws.s3("cp", "-", "s3://copies/stream", input=b"from a pipe"), "", "cp of a pipe")
    same(aws.s3("cp", "s3://copies/stream", "-"), "from a pipe", "cp to a pipe")
    aws.s3("cp", "s3://copies/large", "s3://copies/large 2")
    aws.s3("mv", "s3://copies/large 2", aws.path("moved"))
    same(tools.read(aws.path("moved")) == tools.read(aws.path("files", "large")), True, "mv")
    same("large 2" in aws.s3("ls", "s3://copies/"), False, "after mv")


def sizes(aws):
    aws.s3("mb", "s3://sizes")
    for name, path in tools.make_sizes(aws.path("sizes")).items():
        aws.s3("cp", path, "s3://sizes/" + name)
        aws.s3("cp", "s3://sizes/" + name, aws.path("back"))
        tools.same_file(path, aws.path("back"), name)


def keys(aws):
    """Written by s3api, which takes a key as it is, and read by `aws s3` and by s3api in turn."""
    aws.s3("mb", "s3://keys")
    for number, (name, key) in enumerate(tools.KEYS.items()):
        aws.api("put-object", "--bucket", "keys", "--key", key, "--body", tools.write(aws.path("key"), tools.key_bytes(name)))
        if number % 2 and not key.endswith("/"):
            aws.s3("cp", "s3://keys/" + key, aws.path("back"))
        else:
            aws.api("get-object", "--bucket", "keys", "--key", key, aws.path("back"))
        same(tools.read(aws.path("back")), tools.key_bytes(name), name)
    listed = [item["Key"] for item in aws.api("list-objects-v2", "--bucket", "keys")["Contents"]]
    same(listed, sorted(tools.KEYS.values(), key=str.encode), "list")
    aws.s3("rm", "--recursive", "s3://keys/")
    same(aws.api("list-objects-v2", "--bucket", "keys").get("Contents", []), [], "after rm")


def sync(aws):
    aws.s3("mb", "s3://sync")
    aws.s3("sync", aws.path("files"), "s3://sync/in a/")
    same(aws.s3("sync", "--size-only", aws.path("files"), "s3://sync/in a/"), "", "a second sync has nothing to do")
    listed = aws.s3("ls", "--recursive", "s3://sync/")
    same(all("in a/" + name in listed for name in tools.FILES), True, listed)
    aws.s3("sync", "s3://sync/in a/", aws.path("synced"))
    tools.same_trees(aws.path("files"), aws.path("synced"))
    aws.s3("sync", "s3://sync/in a/", "s3://sync/copy/")
    aws.s3("rm", "--recursive", "s3://sync/in a/")
    same("in a/" in aws.s3("ls", "--recursive", "s3://sync/"), False, "rm")
    aws.s3("rb", "s3://sync", status=1)
    aws.s3("rb", "--force", "s3://sync")
    same("sync" in aws.s3("ls"), False, "rb")


def presign(aws):
    aws.s3("mb", "s3://presign")
    aws.s3("cp", aws.path("files", "dir/a&b=c#d?.bin"), "s3://presign/a b&c")
    url = aws.s3("presign", "--expires-in", "60", "s3://presign/a b&c").strip()
    if "X-Amz-Signature" not in url:  # without a configuration some releases still sign by the second version
        aws("configure", "set", "default.s3.signature_version", "s3v4")
        url = aws.s3("presign", "--expires-in", "60", "s3://presign/a b&c").strip()
    with urllib.request.urlopen(url) as answer:
        same(answer.read(), tools.read(aws.path("files", "dir/a&b=c#d?.bin")), "bytes")


def api_objects(aws):
    aws.api("create-bucket", "--bucket", "objects")
    put = aws.api("put-object", "--bucket", "objects", "--key", "k", "--body", aws.path("files", "four+kib"), "--checksum-algorithm", "SHA256", "--metadata", "a=b")
    head = aws.api("head-object", "--bucket", "objects", "--key", "k", "--checksum-mode", "ENABLED")
    same((head["ContentLength"], head["Metadata"], head["ChecksumSHA256"]), (4096, {"a": "b"}, put["ChecksumSHA256"]), "head")
    aws.api("get-object", "--bucket", "objects", "--key", "k", "--range", "bytes=5-9", aws.path("range"))
    same(tools.read(aws.path("range")), tools.read(aws.path("files", "four+kib"))[5:10], "range")
    aws.api("put-object-tagging", "--bucket", "objects", "--key", "k", "--tagging", '{"TagSet":[{"Key":"x","Value":"y"}]}')
    same(aws.api("get-object-tagging", "--bucket", "objects", "--key", "k")["TagSet"], [{"Key": "x", "Value": "y"}], "tags")
    same([o["Key"] for o in aws.api("list-objects-v2", "--bucket", "objects")["Contents"]], ["k"], "list")
    aws.api("head-object", "--bucket", "objects", "--key", "none", status=254 if aws.second else 255)
    same("404" in aws.errors, True, aws.errors)


def api_versions(aws):
    aws.api("create-bucket", "--bucket", "versions")
    aws.api("put-bucket-versioning", "--bucket", "versions", "--versioning-configuration", "Status=Enabled")
    ids = [aws.api("put-object", "--bucket", "versions", "--key", "k", "--body", aws.path("files", name))["VersionId"] for name in ("one byte", "four+kib")]
    aws.api("delete-object", "--bucket", "versions", "--key", "k")
    got = aws.api("list-object-versions", "--bucket", "versions")
    same(([v["VersionId"] for v in got["Versions"]], len(got["DeleteMarkers"])), (ids[::-1], 1), "versions")
    aws.api("get-object", "--bucket", "versions", "--key", "k", "--version-id", ids[0], aws.path("version"))
    same(tools.read(aws.path("version")), tools.read(aws.path("files", "one byte")), "the first version")


def api_multipart(aws):
    aws.api("create-bucket", "--bucket", "multipart")
    upload = aws.api("create-multipart-upload", "--bucket", "multipart", "--key", "k")["UploadId"]
    data = tools.read(aws.path("files", "large"))
    parts = []
    for number, piece in enumerate((data[:8 * tools.MIB], data[8 * tools.MIB:]), 1):
        part = aws.api("upload-part", "--bucket", "multipart", "--key", "k", "--upload-id", upload, "--part-number", str(number), "--body",
                       tools.write(aws.path("part"), piece))
        parts.append({"PartNumber": number, **{name: part[name] for name in part if name == "ETag" or name.startswith("Checksum") and name != "ChecksumType"}})
    aws.api("complete-multipart-upload", "--bucket", "multipart", "--key", "k", "--upload-id", upload, "--multipart-upload", json.dumps({"Parts": parts}))
    aws.api("get-object", "--bucket", "multipart", "--key", "k", aws.path("joined"))
    same(tools.read(aws.path("joined")) == data, True, "bytes")


def version_of(program):
    done = subprocess.run([program, "--version"], capture_output=True, text=True)
    return (done.stdout + done.stderr).split()[0]


def main():
    named = sys.argv[1:] if sys.argv[1:] != ["--full"] else []
    found = named or [p for p in ("/usr/bin/aws", shutil.which("aws")) if p and os.access(p, os.X_OK)][:1]
    if not found:
        tools.need(tools.tap.Report("awscli: "), "aws")
    failed = 0
    for program in found:
        version = version_of(program)
        report = tools.tap.Report(f"{version}: ")
        with Aws(report, [program], environment, "aws-cli", version.split("/")[-1]) as aws:
            aws.second = version.startswith("aws-cli/2")
            tools.make_files(aws.path("files"))
            for test in (copies, sizes, keys, sync, presign, api_objects, api_versions, api_multipart):
                report.run(test.__name__, test, aws)
        failed += report.failed
    raise SystemExit(1 if failed else 0)


main()
