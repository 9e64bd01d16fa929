#!/usr/bin/python3
"""Bodies, parameters and documents that are wrong: S3's code, counted, nothing stored, the connection as it should be, bounded memory."""
import base64
import hashlib
import os
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from bystander import Bystander, Counting, memory_mib  # noqa: E402
from node import Node  # noqa: E402
from raw import Raw, Signer, render, request, target_of  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

report = Report("bad body: ")
BUCKET = "/bad"
PATH = "/bad/stored"
GIB = 1 << 30
MOST_GROWTH_MIB = 160


def unsigned_put(node, length, body, headers=None, path=PATH, query=None):
    """A PUT that announces `length` and sends `body`; UNSIGNED-PAYLOAD, so that the length alone is wrong."""
    fields = Signer(node).headers("PUT", path, query, headers, digest="UNSIGNED-PAYLOAD")
    if length is not None:
        fields["content-length"] = str(length)
    return render("PUT", target_of(path, query), fields, body)


def aws_chunked(node, sent, decoded, trailer=None):
    """An unsigned aws-chunked PUT of these bytes."""
    headers = {"content-encoding": "aws-chunked"}
    if decoded is not None:
        headers["x-amz-decoded-content-length"] = str(decoded)
    if trailer:
        headers["x-amz-trailer"] = trailer
    fields = Signer(node).headers("PUT", PATH, headers=headers, digest="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    fields["content-length"] = str(len(sent))
    return render("PUT", PATH, fields, sent)


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def truncated(node):
    """Name, bytes: the sender ends (or vanishes) in the middle."""
    yield "a small body cut short", unsigned_put(node, 1000, b"a" * 999)
    yield "no body at all", unsigned_put(node, 1000, b"")
    yield "a body of stripes cut short", unsigned_put(node, 5_000_000, b"a" * 4_900_000)
    framed = lambda body: render("PUT", PATH, Signer(node).headers("PUT", PATH, digest="UNSIGNED-PAYLOAD", unsigned={"transfer-encoding": "chunked"}), body)  # noqa: E731
    yield "a chunk cut short", framed(b"400\r\n" + b"a" * 100)
    yield "chunks without their end", framed(b"5\r\nhello\r\n")
    yield "a last chunk without its empty line", framed(b"5\r\nhello\r\n0\r\n")
    yield "an aws chunk cut short", aws_chunked(node, b"400\r\n" + b"a" * 0x400 + b"\r\n0\r\n\r\n", 0x400)[:-200]


def wrong_bodies(node):
    """Name, bytes, status, code."""
    body = b"the body that is sent"
    put = lambda headers, data=body: request(node, "PUT", PATH, headers=headers, body=data)  # noqa: E731
    yield "Content-MD5 that is no base64", put({"content-md5": "!!!"}), 400, "InvalidDigest"
    yield "Content-MD5 that is too short", put({"content-md5": "YWJj"}), 400, "InvalidDigest"
    yield "Content-MD5 of another body", put({"content-md5": md5(b"another")}), 400, "BadDigest"
    for kind, size in (("crc32", 4), ("crc32c", 4), ("crc64nvme", 8), ("sha1", 20), ("sha256", 32)):
        name = f"x-amz-checksum-{kind}"
        yield f"{name} of another body", put({name: base64.b64encode(b"\x55" * size).decode()}), 400, "BadDigest"
        yield f"{name} that is no base64", put({name: "*" * 8}), 400, "InvalidRequest"
        yield f"{name} of the wrong size", put({name: base64.b64encode(b"\x55" * (size - 1)).decode()}), 400, "InvalidRequest"
    yield "two checksums", put({"x-amz-checksum-crc32": crc32(body), "x-amz-checksum-sha1": base64.b64encode(hashlib.sha1(body).digest()).decode()}), 400, "InvalidRequest"
    yield "a checksum nobody knows", put({"x-amz-checksum-md4": "YWJj"}), 400, "InvalidRequest"
    yield "an algorithm nobody knows", put({"x-amz-sdk-checksum-algorithm": "MD4"}), 400, "InvalidRequest"
    yield "an algorithm without its checksum", put({"x-amz-sdk-checksum-algorithm": "CRC32"}), 400, "InvalidRequest"
    good = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + crc32(b"hello").encode() + b"\r\n\r\n"
    named = "x-amz-checksum-crc32"
    yield "aws-chunked without its decoded length", aws_chunked(node, good, None, named), 411, "MissingContentLength"
    yield "aws-chunked with a decoded length of words", aws_chunked(node, good, "five", named), 400, "InvalidRequest"
    yield "aws-chunked with fewer bytes than said", aws_chunked(node, good, 6, named), 400, "IncompleteBody"
    yield "aws-chunked with more bytes than said", aws_chunked(node, good, 4, named), 400, "IncompleteBody"
    yield "aws-chunked with a size that is no number", aws_chunked(node, good.replace(b"5\r\n", b"g\r\n", 1), 5, named), 400, "IncompleteBody"
    yield "aws-chunked with a size beyond 64 bits", aws_chunked(node, good.replace(b"5\r\n", b"1" + b"0" * 16 + b"5\r\n", 1), 5, named), 400, "IncompleteBody"
    yield "aws-chunked with a bare LF", aws_chunked(node, good.replace(b"5\r\n", b"5\n", 1), 5, named), 400, "IncompleteBody"
    yield "aws-chunked without its last chunk", aws_chunked(node, b"5\r\nhello\r\n", 5, named), 400, "IncompleteBody"
    yield "aws-chunked with a trailer that is no header", aws_chunked(node, b"5\r\nhello\r\n0\r\nnothing\r\n\r\n", 5, named), 400, "MalformedTrailerError"
    yield "aws-chunked with bytes behind the end", aws_chunked(node, good + b"garbage behind it", 5, named), 400, "MalformedTrailerError"
    yield "aws-chunked with a trailing checksum of another body", aws_chunked(node, good.replace(crc32(b"hello").encode(), crc32(b"x").encode()), 5, named), 400, "BadDigest"
    yield "aws-chunked without the trailer it names", aws_chunked(node, b"5\r\nhello\r\n0\r\n\r\n", 5, named), 400, "MalformedTrailerError"
    yield "aws-chunked that names a trailer nobody knows", aws_chunked(node, good, 5, "x-amz-checksum-md4"), 400, "InvalidRequest"


def wrong_requests(node, upload):
    """Name, bytes, status, code."""
    put = lambda path=PATH, query=None, headers=None, body=b"": request(node, "PUT", path, query, headers, body)  # noqa: E731
    get = lambda path=BUCKET, query=None, headers=None: request(node, "GET", path, query, headers)  # noqa: E731
    for number in ("0", "-1", "10001", "abc", "1.5", "99999999999999999999", " 1"):
        yield f"part number {number!r}", put(query={"partNumber": number, "uploadId": upload}), 400, "InvalidArgument"
    yield "an upload that is not there", put(query={"partNumber": 1, "uploadId": "bm90aGVyZQ"}), 404, "NoSuchUpload"
    yield "an upload id of slashes", put(query={"partNumber": 1, "uploadId": "../../../etc/passwd"}), 404, "NoSuchUpload"
    yield "a key of 1,025 bytes", put("/bad/" + "k" * 1025), 400, "KeyTooLongError"
    yield "a key of 1,026 bytes in 513 characters", put("/bad/" + "é" * 513), 400, "KeyTooLongError"
    yield "a GET of a key of 1,025 bytes", get("/bad/" + "k" * 1025), 400, "KeyTooLongError"
    yield "a key that is not UTF-8", put().replace(b"/bad/stored", b"/bad/%ff%fe", 1), 403, "SignatureDoesNotMatch"
    yield "2,049 bytes of metadata", put(headers={"x-amz-meta-a": "a" * 2048}), 400, "MetadataTooLarge"
    yield "11 tags", put(headers={"x-amz-tagging": "&".join(f"k{n}=v" for n in range(11))}), 400, ("InvalidTag", "BadRequest")
    yield "a tag key of 129 characters", put(headers={"x-amz-tagging": "k" * 129 + "=v"}), 400, "InvalidTag"
    yield "a storage class nobody knows", put(headers={"x-amz-storage-class": "MARBLE"}), 400, "InvalidStorageClass"
    yield "an ACL nobody knows", put(headers={"x-amz-acl": "everybody"}), 400, "InvalidArgument"
    yield "a sub-resource nobody knows", put(query={"frobnicate": ""}), 501, "NotImplemented"
    for name in ("ab", "a" * 64, "UPPER", "under_score", "192.168.0.1", "-dash", "dot..dot", "xn--a"):
        yield f"a bucket called {name[:12]}", put(f"/{name}"), 400, "InvalidBucketName"
    for name, value in (("max-keys", "-1"), ("max-keys", "abc"), ("max-keys", "99999999999999999999"), ("encoding-type", "base64"),
                        ("continuation-token", "garbage!")):
        yield f"a listing with {name}={value}", get(query={"list-type": 2, name: value}), 400, "InvalidArgument"
    yield "a version id of nonsense", get("/bad/kept", {"versionId": "nonsense"}), 400, "InvalidArgument"
    yield "a range behind the end", get("/bad/kept", headers={"range": "bytes=4-"}), 416, "InvalidRange"
    yield "a copy source without a key", put(headers={"x-amz-copy-source": "/bad"}), 400, "InvalidArgument"
    yield "a copy source of percent signs", put(headers={"x-amz-copy-source": "%%%/%%%"}), (400, 404), ("InvalidArgument", "NoSuchBucket", "NoSuchKey", "InvalidBucketName")
    yield "a copy source that is not there", put(headers={"x-amz-copy-source": "/bad/nothing"}), 404, "NoSuchKey"
    yield "a PUT without a length", unsigned_put(node, None, b""), 411, "MissingContentLength"


def bomb(levels=30):
    """Each entity ten times the one before: 10^30 bytes if it were expanded."""
    lines = ['<!DOCTYPE d [<!ENTITY e0 "ha">'] + [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, levels)]
    return ("\n".join(lines) + f"]><Delete><Object><Key>&e{levels - 1};</Key></Object></Delete>").encode()


def documents():
    """Name and bytes of XML that no operation takes."""
    yield "nothing", b""
    yield "no XML", b"this is not XML"
    yield "a document cut short", b"<Delete><Object><Key>a</Key>"
    yield "an end without its beginning", b"<Delete></Object></Delete>"
    yield "two roots", b"<a/><b/>"
    yield "another root", b"<Frobnicate><Object><Key>a</Key></Object></Frobnicate>"
    yield "a NUL", b"<Delete><Object><Key>a\0b</Key></Object></Delete>"
    yield "an entity bomb", bomb()
    yield "a quadratic bomb", b'<!DOCTYPE d [<!ENTITY e "' + b"a" * 50_000 + b'">]><Delete>' + b"&e;" * 50_000 + b"</Delete>"
    yield "an entity that names a file", b'<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&e;</Key></Object></Delete>'
    yield "a DTD from elsewhere", b'<!DOCTYPE d SYSTEM "http://127.0.0.1:1/d.dtd"><Delete><Object><Key>a</Key></Object></Delete>'
    yield "100,000 elements deep", b"<Delete>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</Delete>"
    yield "a million elements", b"<Delete>" + b"<a/>" * 1_000_000 + b"</Delete>"
    yield "an attribute of a megabyte", b'<Frobnicate a="' + b"a" * 1_000_000 + b'"/>'
    yield "100,000 attributes", b"<Frobnicate " + b" ".join(b'a%d="1"' % n for n in range(100_000)) + b"/>"
    yield "five megabytes", b"<Delete>" + b" " * 5_000_000 + b"</Delete>"
    yield "UTF-16", "<Delete><Object><Key>a</Key></Object></Delete>".encode("utf-16")


def document_requests(node, upload):
    """Each such document at each operation that takes one."""
    for name, body in documents():
        for method, path, query, what in (("POST", BUCKET, {"delete": ""}, "DeleteObjects"), ("POST", PATH, {"uploadId": upload}, "Complete"),
                                          ("PUT", BUCKET, {"versioning": ""}, "versioning"), ("PUT", BUCKET, {"tagging": ""}, "bucket tagging"),
                                          ("PUT", "/bad/kept", {"tagging": ""}, "object tagging")):
            headers = {"content-md5": md5(body)}
            yield (f"{what} with {name}", request(node, method, path, query, headers, body),
                   400, ("MalformedXML", "IllegalVersioningConfigurationException", "MissingRequestBodyError", "EntityTooLarge"))
    many = b"<Delete>" + b"".join(b"<Object><Key>k%d</Key></Object>" % n for n in range(1001)) + b"</Delete>"
    yield "DeleteObjects of 1,001 keys", request(node, "POST", BUCKET, {"delete": ""}, {"content-md5": md5(many)}, many), 400, "MalformedXML"
    one = b"<Delete><Object><Key>kept</Key></Object></Delete>"
    yield "DeleteObjects without a checksum", request(node, "POST", BUCKET, {"delete": ""}, None, one), 400, "InvalidRequest"
    yield "DeleteObjects with another Content-MD5", request(node, "POST", BUCKET, {"delete": ""}, {"content-md5": md5(b"x")}, one), 400, "BadDigest"
    part = lambda number, etag="0" * 32: f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"  # noqa: E731
    for name, parts, code in (("no part", "", "MalformedXML"), ("a part that is not there", part(1), "InvalidPart"),
                              ("parts in disorder", part(2) + part(1), "InvalidPartOrder"), ("part 10,001", part(10_001), "InvalidArgument"),
                              ("part 0", part(0), "InvalidArgument"), ("a part number of words", part("one"), "MalformedXML"),
                              ("a part without its ETag", "<Part><PartNumber>1</PartNumber></Part>", "MalformedXML")):
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        yield f"Complete with {name}", request(node, "POST", PATH, {"uploadId": upload}, None, body), 400, code


class Judge:
    def __init__(self, node):
        self.node = node
        self.passed = {}

    def see(self, name, data, statuses, codes, group):
        """It is answered with the status and code, counted, and the connection goes on unless its body was left unread."""
        statuses = statuses if isinstance(statuses, tuple) else (statuses,)
        codes = codes if isinstance(codes, tuple) else (codes,)
        counting = Counting(self.node)
        with Raw(self.node) as raw:
            answer = raw.send(data).answer()
            after = raw.send(request(self.node, "GET", "/bad/kept")).answer()
        counted = answer is not None and counting.grown().get(f'flashstor_s3_errors_total{{code="{answer.code}"}}', 0) >= 1
        goes_on = (after is not None and after.body == b"kept") or (answer is not None and answer.headers.get("connection") == "close")
        if answer is not None and answer.status in statuses and answer.code in codes and counted and goes_on:
            self.passed[group] = self.passed.get(group, 0) + 1
        else:
            report.fail(f"{group}: {name}", f"{answer!r}, wanted {statuses} {codes}; counted {counted}; then {after!r}")

    def cut(self, name, data):
        """A body that ends early: told, closed, counted, nothing stored."""
        counting = Counting(self.node)
        with Raw(self.node) as raw:
            answer = raw.send(data).end().answer()
            closed = raw.closed()
        with Raw(self.node) as raw:
            raw.send(data)
        counted = counting.grown().get('flashstor_s3_errors_total{code="IncompleteBody"}', 0) >= 1
        stored = Client(self.node).request("GET", PATH)[0]
        report.check(f"{name}: 400 IncompleteBody, closed, nothing stored",
                     answer is not None and (answer.status, answer.code) == (400, "IncompleteBody") and closed and counted and stored == 404,
                     f"{answer!r}, closed {closed}, counted {counted}, GET {stored}")

    def end(self):
        for group, number in self.passed.items():
            report.check(f"{group}: {number} kinds answered as S3 does and counted, the connection as it should be", number > 0)


def too_large(node):
    """More than 5 GiB: said at once, before anything is taken."""
    with Raw(node) as raw:
        answer = raw.send(unsigned_put(node, 5 * GIB + 1, b"a" * 1000)).answer()
        closed = raw.closed()
    report.check("a PUT of more than 5 GiB: EntityTooLarge at once, closed", answer and answer.code == "EntityTooLarge" and closed, f"{answer!r} {closed}")
    with Raw(node) as raw:
        answer = raw.send(unsigned_put(node, 5 * GIB + 1, b"", {"expect": "100-continue"})).answer()
    report.check("the same with Expect: 100-continue: no 100", answer and answer.code == "EntityTooLarge", f"{answer!r}")


def main():
    with Node() as node:
        client = Client(node)
        assert client.request("PUT", BUCKET)[0] == 200 and client.request("PUT", "/bad/kept", b"kept")[0] == 200
        assert client.request("PUT", "/good")[0] == 200 and client.request("PUT", "/bad/" + "k" * 1024, b"")[0] == 200
        assert client.request("DELETE", "/bad/" + "k" * 1024)[0] == 204
        upload = client.request("POST", PATH, query={"uploads": ""})[1].decode().split("<UploadId>")[1].split("<")[0]
        bystander = Bystander(node, "good")
        bystander.start()
        before, judge = memory_mib(node), Judge(node)
        for name, data in truncated(node):
            judge.cut(name, data)
        too_large(node)
        for group, cases in (("bodies", wrong_bodies(node)), ("requests", wrong_requests(node, upload)), ("documents", document_requests(node, upload))):
            for name, data, statuses, codes in cases:
                judge.see(name, data, statuses, codes, group)
        judge.end()
        bystander.end(report, "bad bodies")
        listing = client.request("GET", BUCKET)[1]
        report.check("nothing was stored and nothing was lost", listing.count(b"<Key>") == 1 and b"<Key>kept</Key>" in listing, listing[:500])
        grown = memory_mib(node, "VmHWM") - before
        print(f"    the node's memory: {before:.0f} MiB before, at most {grown:.0f} MiB more")
        if not os.environ.get("FLASHSTOR_SANITIZED"):
            report.check(f"memory grew by less than {MOST_GROWTH_MIB} MiB", grown < MOST_GROWTH_MIB, f"{grown:.0f} MiB")
    report.end()


main()
