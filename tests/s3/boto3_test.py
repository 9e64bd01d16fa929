#!/usr/bin/python3
"""boto3 against a running node: objects of every shape, listings, conditions, versions, checksums, presigned URLs, policies.

boto3_test.py [--full]     starts flashstor-s3d of FLASHSTOR_BUILD (build/release) for itself
"""
import base64
import binascii
import datetime
import hashlib
import io
import os
import random
import struct
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import matrix
import node as nodes
import tap

report = tap.Report("boto3: ")
try:
    import boto3
    from botocore import UNSIGNED
    from botocore.client import Config
    from botocore.exceptions import ClientError
except ImportError:
    report.skip("all", "python3-boto3 is not installed")
    report.end()

MIB = 1 << 20
RANDOM = random.Random(7)
KEYS = ["plain", "a b c", " lead and trail ", "päivä/日本/🙂", "a+b", "100%", "%2F%20", "a//b", "folder/", "x/\x01y", "q?a=b&c#d", "\"'<&>;:@,$=!*()[]{}|\\^~`",
        "dots/../stay/./here", "k" * 255 + "/" + "m" * 255 + "/" + "n" * 255 + "/" + "o" * 256]


class Pattern:
    """A readable stream of `size` bytes that repeat a random MiB with a counter, so that a part in the wrong place is seen."""

    def __init__(self, size):
        self.size, self.at, self.block = size, 0, RANDOM.randbytes(MIB - 8)
        self.sum = hashlib.sha256()

    def read(self, n=-1):
        n = self.size - self.at if n is None or n < 0 else min(n, self.size - self.at)
        out = bytearray()
        while len(out) < n:
            number, inside = divmod(self.at + len(out), MIB)
            out += (struct.pack(">Q", number) + self.block)[inside:inside + n - len(out)]
        self.at += n
        self.sum.update(out)
        return bytes(out)


def crc(data, polynomial, bits):
    """A reflected CRC with all ones before and after."""
    ones = (1 << bits) - 1
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        table.append(value)
    state = ones
    for byte in data:
        state = (state >> 8) ^ table[(state ^ byte) & 255]
    return (state ^ ones).to_bytes(bits // 8, "big")


CHECKSUMS = {
    "crc32": lambda d: struct.pack(">I", binascii.crc32(d)),
    "crc32c": lambda d: crc(d, 0x82F63B78, 32),
    "crc64nvme": lambda d: crc(d, 0x9A6C9329AC4BC9B5, 64),
    "sha1": lambda d: hashlib.sha1(d).digest(),
    "sha256": lambda d: hashlib.sha256(d).digest(),
}


def client(node, **config):
    config.setdefault("signature_version", "s3v4")
    config.setdefault("retries", {"max_attempts": 0})
    return boto3.client("s3", endpoint_url=node.endpoint, region_name="us-east-1", aws_access_key_id=node.access,
                        aws_secret_access_key=node.secret, config=Config(s3={"addressing_style": "path"}, read_timeout=60, **config))


def with_headers(s3, operation, headers, **arguments):
    """Calls an operation with headers that this boto3 has no argument for."""
    def add(request, **_):
        for name, value in headers.items():
            request.headers[name] = value
    event = "before-sign.s3." + "".join(word.title() for word in operation.split("_"))
    s3.meta.events.register(event, add)
    try:
        return getattr(s3, operation)(**arguments)
    finally:
        s3.meta.events.unregister(event, add)


def same(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what}: got {str(got)[:300]!r}, want {str(want)[:300]!r}")


def fails(code, status, function, *arguments, **named):
    """The call must answer exactly this error."""
    try:
        function(*arguments, **named)
    except ClientError as error:
        same((error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]), (code, status), "error")
        return error.response
    raise AssertionError(f"no error, wanted {code}")


def body(answer):
    return answer["Body"].read()


def fresh(s3, name):
    s3.create_bucket(Bucket=name)
    return name


def sizes(s3):
    b = fresh(s3, "sizes")
    for size in (0, 1, 4096, 5 * MIB):
        data = RANDOM.randbytes(size)
        put = s3.put_object(Bucket=b, Key=f"o{size}", Body=data, ContentType="text/x-test", Metadata={"colour": "blue"})
        etag = '"' + hashlib.md5(data).hexdigest() + '"'
        same(put["ETag"], etag, "ETag of the put")
        got = s3.get_object(Bucket=b, Key=f"o{size}")
        same((got["ETag"], got["ContentType"], got["Metadata"], got["ContentLength"]), (etag, "text/x-test", {"colour": "blue"}, size), size)
        same(hashlib.sha256(body(got)).digest(), hashlib.sha256(data).digest(), f"bytes of {size}")
        head = s3.head_object(Bucket=b, Key=f"o{size}")
        same((head["ContentLength"], head["ETag"]), (size, etag), "head")


def streamed_100_mib(s3):
    b = fresh(s3, "streamed")
    source = Pattern(100 * MIB)
    s3.upload_fileobj(source, b, "big")
    digest, got = hashlib.sha256(), s3.get_object(Bucket=b, Key="big")
    same(got["ContentLength"], 100 * MIB, "length")
    for chunk in got["Body"].iter_chunks(MIB):
        digest.update(chunk)
    same(digest.hexdigest(), source.sum.hexdigest(), "bytes")
    same(got["ETag"].endswith('-13"'), True, "ETag names 13 parts: " + got["ETag"])
    whole = Pattern(0)
    whole.size, whole.block, whole.at = 100 * MIB, source.block, 8 * MIB - 5
    same(body(s3.get_object(Bucket=b, Key="big", Range=f"bytes={8 * MIB - 5}-{8 * MIB + 4}")), whole.read(10), "a range over two parts")
    same(s3.head_object(Bucket=b, Key="big", PartNumber=13)["ContentLength"], 4 * MIB, "the last part")
    received = io.BytesIO()
    s3.download_fileobj(b, "big", received)
    same(hashlib.sha256(received.getbuffer()).hexdigest(), source.sum.hexdigest(), "bytes of the ranged download")


def ranges(s3):
    b = fresh(s3, "ranges")
    data = RANDOM.randbytes(3 * MIB + 17)
    s3.put_object(Bucket=b, Key="r", Body=data)
    for text, want in (("0-0", data[:1]), ("10-99", data[10:100]), ("-7", data[-7:]), (f"{3 * MIB}-", data[3 * MIB:]), (f"{MIB - 1}-{MIB}", data[MIB - 1:MIB + 1]),
                       ("5-99999999", data[5:])):
        got = s3.get_object(Bucket=b, Key="r", Range="bytes=" + text)
        same((got["ResponseMetadata"]["HTTPStatusCode"], body(got) == want), (206, True), text)
        same(got["ContentRange"].endswith(f"/{len(data)}"), True, got["ContentRange"])
    fails("InvalidRange", 416, s3.get_object, Bucket=b, Key="r", Range=f"bytes={len(data)}-")


def key_round_trip(s3, key):
    b = "keys"
    data = key.encode() + RANDOM.randbytes(50)
    s3.put_object(Bucket=b, Key=key, Body=data)
    same(body(s3.get_object(Bucket=b, Key=key)), data, "get")
    same(s3.head_object(Bucket=b, Key=key)["ContentLength"], len(data), "head")
    s3.copy_object(Bucket=b, Key="copied/" + key[:900], CopySource={"Bucket": b, "Key": key})
    same(body(s3.get_object(Bucket=b, Key="copied/" + key[:900])), data, "copy")
    s3.delete_object(Bucket=b, Key="copied/" + key[:900])


def listed_keys(s3):
    same([o["Key"] for o in s3.list_objects(Bucket="keys")["Contents"]], sorted(KEYS, key=str.encode), "v1")
    same([o["Key"] for o in s3.list_objects_v2(Bucket="keys", EncodingType="url")["Contents"] if "%" in o["Key"]] != [], True, "encoded")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="keys", PaginationConfig={"PageSize": 2})
    same([o["Key"] for page in pages for o in page.get("Contents", [])], sorted(KEYS, key=str.encode), "v2, pages of 2")
    pages = s3.get_paginator("list_objects").paginate(Bucket="keys", PaginationConfig={"PageSize": 3})
    same([o["Key"] for page in pages for o in page.get("Contents", [])], sorted(KEYS, key=str.encode), "v1, pages of 3")


def delete_keys(s3):
    done = s3.delete_objects(Bucket="keys", Delete={"Objects": [{"Key": k} for k in KEYS if "\x01" not in k] + [{"Key": "never-was"}]})
    same((len(done["Deleted"]), done.get("Errors", [])), (len(KEYS), []), "delete_objects")
    s3.delete_object(Bucket="keys", Key="x/\x01y")
    same(s3.list_objects_v2(Bucket="keys")["KeyCount"], 0, "keys left")
    s3.delete_bucket(Bucket="keys")
    fails("NoSuchBucket", 404, s3.list_objects_v2, Bucket="keys")


def listing(s3):
    b = fresh(s3, "listing")
    for key in ("a", "b/1", "b/2", "c d/1", "c d/e/2", "z+1"):
        s3.put_object(Bucket=b, Key=key, Body=key.encode())
    for call in (s3.list_objects, s3.list_objects_v2):
        got = call(Bucket=b, Delimiter="/")
        same(([o["Key"] for o in got["Contents"]], [p["Prefix"] for p in got["CommonPrefixes"]]), (["a", "z+1"], ["b/", "c d/"]), "delimiter")
        got = call(Bucket=b, Prefix="c d/", Delimiter="/")
        same(([o["Key"] for o in got["Contents"]], [p["Prefix"] for p in got["CommonPrefixes"]]), (["c d/1"], ["c d/e/"]), "prefix")
    got = s3.list_objects_v2(Bucket=b, Delimiter="/", EncodingType="url")
    same((got["EncodingType"], [p["Prefix"] for p in got["CommonPrefixes"]][1] in ("c+d/", "c%20d/")), ("url", True), "encoding-type url")
    same([o["Key"] for o in s3.list_objects_v2(Bucket=b, StartAfter="b/2")["Contents"]], ["c d/1", "c d/e/2", "z+1"], "start-after")
    got = s3.list_objects(Bucket=b, Delimiter="/", MaxKeys=2)
    same((got["IsTruncated"], got["NextMarker"]), (True, "b/"), "v1 marker")
    got = s3.list_objects(Bucket=b, Delimiter="/", Marker="b/")
    same([p["Prefix"] for p in got["CommonPrefixes"]], ["c d/"], "after the marker")
    got = s3.list_objects_v2(Bucket=b, MaxKeys=0)
    same((got["KeyCount"], got["IsTruncated"]), (0, False), "max-keys 0")


def copies(s3):
    b = fresh(s3, "copies")
    s3.put_object(Bucket=b, Key="from", Body=b"data", Metadata={"a": "1"}, ContentType="text/one")
    s3.copy_object(Bucket=b, Key="kept", CopySource=f"{b}/from")
    s3.copy_object(Bucket=b, Key="replaced", CopySource=f"{b}/from", MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="text/two")
    kept, replaced = s3.head_object(Bucket=b, Key="kept"), s3.head_object(Bucket=b, Key="replaced")
    same((kept["Metadata"], kept["ContentType"]), ({"a": "1"}, "text/one"), "COPY")
    same((replaced["Metadata"], replaced["ContentType"]), ({"b": "2"}, "text/two"), "REPLACE")
    fails("InvalidRequest", 400, s3.copy_object, Bucket=b, Key="from", CopySource=f"{b}/from")
    fails("NoSuchKey", 404, s3.copy_object, Bucket=b, Key="x", CopySource=f"{b}/missing")
    fails("PreconditionFailed", 412, s3.copy_object, Bucket=b, Key="x", CopySource=f"{b}/from", CopySourceIfNoneMatch=kept["ETag"])


def multipart(s3):
    b = fresh(s3, "multipart")
    source = RANDOM.randbytes(6 * MIB)
    s3.put_object(Bucket=b, Key="source +%", Body=source)
    upload = s3.create_multipart_upload(Bucket=b, Key="joined", Metadata={"m": "1"})["UploadId"]
    where = {"Bucket": b, "Key": "joined", "UploadId": upload}
    first = s3.upload_part_copy(**where, PartNumber=1, CopySource={"Bucket": b, "Key": "source +%"}, CopySourceRange=f"bytes=3-{5 * MIB + 2}")
    tail = RANDOM.randbytes(1000)
    s3.upload_part(**where, PartNumber=7, Body=b"replaced by the next")
    last = s3.upload_part(**where, PartNumber=7, Body=tail)
    parts = s3.list_parts(**where)["Parts"]
    same([(p["PartNumber"], p["Size"]) for p in parts], [(1, 5 * MIB), (7, 1000)], "list_parts")
    same([u["Key"] for u in s3.list_multipart_uploads(Bucket=b)["Uploads"]], ["joined"], "list_multipart_uploads")
    chosen = [{"PartNumber": 1, "ETag": first["CopyPartResult"]["ETag"]}, {"PartNumber": 7, "ETag": last["ETag"]}]
    fails("InvalidPartOrder", 400, s3.complete_multipart_upload, **where, MultipartUpload={"Parts": chosen[::-1]})
    wrong = [chosen[0], {"PartNumber": 7, "ETag": '"' + "0" * 32 + '"'}]
    fails("InvalidPart", 400, s3.complete_multipart_upload, **where, MultipartUpload={"Parts": wrong})
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": chosen})
    want = hashlib.md5(b"".join(bytes.fromhex(p["ETag"].strip('"')) for p in chosen)).hexdigest() + "-2"
    same(done["ETag"], f'"{want}"', "ETag")
    same(body(s3.get_object(Bucket=b, Key="joined")) == source[3:5 * MIB + 3] + tail, True, "bytes")
    same(body(s3.get_object(Bucket=b, Key="joined", PartNumber=7)), tail, "the second part")
    upload = s3.create_multipart_upload(Bucket=b, Key="given up")["UploadId"]
    s3.upload_part(Bucket=b, Key="given up", UploadId=upload, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(Bucket=b, Key="given up", UploadId=upload)
    fails("NoSuchUpload", 404, s3.list_parts, Bucket=b, Key="given up", UploadId=upload)
    upload = s3.create_multipart_upload(Bucket=b, Key="small")["UploadId"]
    where = {"Bucket": b, "Key": "small", "UploadId": upload}
    small = [{"PartNumber": n, "ETag": s3.upload_part(**where, PartNumber=n, Body=b"x")["ETag"]} for n in (1, 2)]
    fails("EntityTooSmall", 400, s3.complete_multipart_upload, **where, MultipartUpload={"Parts": small})


def conditions(s3):
    b = fresh(s3, "conditions")
    with_headers(s3, "put_object", {"If-None-Match": "*"}, Bucket=b, Key="k", Body=b"1")
    fails("PreconditionFailed", 412, with_headers, s3, "put_object", {"If-None-Match": "*"}, Bucket=b, Key="k", Body=b"2")
    first = s3.head_object(Bucket=b, Key="k")
    second = with_headers(s3, "put_object", {"If-Match": first["ETag"]}, Bucket=b, Key="k", Body=b"2")["ETag"]
    fails("PreconditionFailed", 412, with_headers, s3, "put_object", {"If-Match": first["ETag"]}, Bucket=b, Key="k", Body=b"3")
    fails("NoSuchKey", 404, with_headers, s3, "put_object", {"If-Match": second}, Bucket=b, Key="none", Body=b"3")
    same(body(s3.get_object(Bucket=b, Key="k", IfMatch=second)), b"2", "If-Match")
    fails("PreconditionFailed", 412, s3.get_object, Bucket=b, Key="k", IfMatch=first["ETag"])
    fails("304", 304, s3.get_object, Bucket=b, Key="k", IfNoneMatch=second)
    fails("PreconditionFailed", 412, s3.get_object, Bucket=b, Key="k", IfUnmodifiedSince="Wed, 01 Jan 2020 00:00:00 GMT")
    fails("304", 304, s3.head_object, Bucket=b, Key="k", IfNoneMatch=second)


def versions(s3):
    b = fresh(s3, "versions")
    s3.put_object(Bucket=b, Key="k", Body=b"null")
    s3.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Enabled"})
    same(s3.get_bucket_versioning(Bucket=b)["Status"], "Enabled", "status")
    one, two = (s3.put_object(Bucket=b, Key="k", Body=data)["VersionId"] for data in (b"one", b"two"))
    for version, data in (("null", b"null"), (one, b"one"), (two, b"two")):
        same(body(s3.get_object(Bucket=b, Key="k", VersionId=version)), data, version)
    marker = s3.delete_object(Bucket=b, Key="k")
    same(marker["DeleteMarker"], True, "marker")
    gone = fails("NoSuchKey", 404, s3.get_object, Bucket=b, Key="k")
    same(gone["ResponseMetadata"]["HTTPHeaders"].get("x-amz-delete-marker"), "true", "header of the marker")
    fails("MethodNotAllowed", 405, s3.get_object, Bucket=b, Key="k", VersionId=marker["VersionId"])
    got = s3.list_object_versions(Bucket=b)
    same([v["VersionId"] for v in got["Versions"]], [two, one, "null"], "versions, newest first")
    same([(v["VersionId"], v["IsLatest"]) for v in got["DeleteMarkers"]], [(marker["VersionId"], True)], "markers")
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=b, PaginationConfig={"PageSize": 1})
    same([v["VersionId"] for page in pages for v in page.get("Versions", [])], [two, one, "null"], "pages of 1")
    s3.delete_object(Bucket=b, Key="k", VersionId=marker["VersionId"])
    same(body(s3.get_object(Bucket=b, Key="k")), b"two", "after the marker is gone")
    s3.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=b, Key="k", Body=b"null again")
    same([v["VersionId"] for v in s3.list_object_versions(Bucket=b)["Versions"]], ["null", two, one], "suspended")
    s3.delete_object(Bucket=b, Key="k", VersionId=two)
    fails("NoSuchVersion", 404, s3.get_object, Bucket=b, Key="k", VersionId=two)
    same(body(s3.get_object(Bucket=b, Key="k")), b"null again", "the null version")
    fails("BucketNotEmpty", 409, s3.delete_bucket, Bucket=b)
    s3.delete_objects(Bucket=b, Delete={"Objects": [{"Key": "k", "VersionId": v} for v in ("null", one)]})
    s3.delete_bucket(Bucket=b)


def tagging(s3):
    b = fresh(s3, "tagging")
    s3.put_object(Bucket=b, Key="k", Body=b"1", Tagging="a=1&b=x%20y")
    tags = lambda: {t["Key"]: t["Value"] for t in s3.get_object_tagging(Bucket=b, Key="k")["TagSet"]}
    same(tags(), {"a": "1", "b": "x y"}, "tags of the put")
    s3.put_object_tagging(Bucket=b, Key="k", Tagging={"TagSet": [{"Key": "ä", "Value": "<&>"}]})
    same(tags(), {"ä": "<&>"}, "tags")
    same(s3.get_object(Bucket=b, Key="k").get("TagCount"), 1, "count")
    s3.delete_object_tagging(Bucket=b, Key="k")
    same(tags(), {}, "deleted")
    fails("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=b)
    s3.put_bucket_tagging(Bucket=b, Tagging={"TagSet": [{"Key": "team", "Value": "1"}]})
    same(s3.get_bucket_tagging(Bucket=b)["TagSet"], [{"Key": "team", "Value": "1"}], "bucket tags")


def object_lock(s3):
    b = "object-lock"
    s3.create_bucket(Bucket=b, ObjectLockEnabledForBucket=True)
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    s3.put_object_lock_configuration(Bucket=b, ObjectLockConfiguration=rule)
    same(s3.get_object_lock_configuration(Bucket=b)["ObjectLockConfiguration"], rule, "configuration")
    version = s3.put_object(Bucket=b, Key="k", Body=b"kept")["VersionId"]
    fails("AccessDenied", 403, s3.delete_object, Bucket=b, Key="k", VersionId=version)
    until = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
    s3.put_object_retention(Bucket=b, Key="k", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    same(s3.get_object_retention(Bucket=b, Key="k")["Retention"], {"Mode": "GOVERNANCE", "RetainUntilDate": until}, "retention")
    s3.put_object_legal_hold(Bucket=b, Key="k", LegalHold={"Status": "ON"})
    same(s3.get_object_legal_hold(Bucket=b, Key="k")["LegalHold"]["Status"], "ON", "hold")
    fails("AccessDenied", 403, s3.delete_object, Bucket=b, Key="k", VersionId=version, BypassGovernanceRetention=True)
    s3.put_object_legal_hold(Bucket=b, Key="k", LegalHold={"Status": "OFF"})
    same(body(s3.get_object(Bucket=b, Key="k", VersionId=version)), b"kept", "bytes")
    s3.delete_object(Bucket=b, Key="k", VersionId=version, BypassGovernanceRetention=True)


def bucket_settings(s3):
    b = fresh(s3, "settings")
    s3.put_object(Bucket=b, Key="k", Body=b"1")
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.example"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 9}]
    s3.put_bucket_cors(Bucket=b, CORSConfiguration={"CORSRules": rules})
    same(s3.get_bucket_cors(Bucket=b)["CORSRules"], rules, "CORS")
    ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    with urllib.request.urlopen(urllib.request.Request(f"{s3.meta.endpoint_url}/{b}/k", method="OPTIONS", headers=ask)) as answer:
        same(answer.headers["Access-Control-Allow-Origin"], "https://a.example", "preflight")
    s3.delete_bucket_cors(Bucket=b)
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": False, "BlockPublicPolicy": True, "RestrictPublicBuckets": False}
    s3.put_public_access_block(Bucket=b, PublicAccessBlockConfiguration=block)
    same(s3.get_public_access_block(Bucket=b)["PublicAccessBlockConfiguration"], block, "block")
    fails("AccessDenied", 403, s3.put_object_acl, Bucket=b, Key="k", ACL="public-read")
    s3.delete_public_access_block(Bucket=b)
    s3.put_bucket_ownership_controls(Bucket=b, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    same(s3.get_bucket_ownership_controls(Bucket=b)["OwnershipControls"]["Rules"], [{"ObjectOwnership": "BucketOwnerEnforced"}], "ownership")
    fails("AccessControlListNotSupported", 400, s3.put_object_acl, Bucket=b, Key="k", ACL="public-read")
    s3.delete_bucket_ownership_controls(Bucket=b)
    s3.put_bucket_acl(Bucket=b, ACL="public-read")
    same(len(s3.get_bucket_acl(Bucket=b)["Grants"]), 2, "grants")
    s3.put_bucket_policy(Bucket=b, Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",'
                                          f'"Resource":"arn:aws:s3:::{b}/*"}}]}}')
    same(s3.get_bucket_policy_status(Bucket=b)["PolicyStatus"]["IsPublic"], True, "policy status")
    same(body(s3.get_object(Bucket=b, Key="k")), b"1", "bytes")


def attributes(s3):
    b = fresh(s3, "attributes")
    etag = s3.put_object(Bucket=b, Key="k", Body=b"12345")["ETag"]
    got = s3.get_object_attributes(Bucket=b, Key="k", ObjectAttributes=["ETag", "ObjectSize", "StorageClass"])
    same((got["ETag"], got["ObjectSize"], got["StorageClass"]), (etag.strip('"'), 5, "STANDARD"), "attributes")


def checksum(s3, kind):
    b, data = "checksums", RANDOM.randbytes(4099)
    header = "x-amz-checksum-" + kind
    value = base64.b64encode(CHECKSUMS[kind](data)).decode()
    put = with_headers(s3, "put_object", {header: value}, Bucket=b, Key=kind, Body=data)
    same(put["ResponseMetadata"]["HTTPHeaders"].get(header), value, "the put's answer")
    head = with_headers(s3, "head_object", {"x-amz-checksum-mode": "ENABLED"}, Bucket=b, Key=kind)
    same(head["ResponseMetadata"]["HTTPHeaders"].get(header), value, "head")
    wrong = base64.b64encode(CHECKSUMS[kind](data + b"x")).decode()
    fails("BadDigest", 400, with_headers, s3, "put_object", {header: wrong}, Bucket=b, Key=kind + "-wrong", Body=data)
    fails("404", 404, s3.head_object, Bucket=b, Key=kind + "-wrong")


def checksum_of_botocore(s3, kind):
    b, data = "checksums", RANDOM.randbytes(70000)
    s3.put_object(Bucket=b, Key="own-" + kind, Body=data, ChecksumAlgorithm=kind)
    got = s3.get_object(Bucket=b, Key="own-" + kind, ChecksumMode="ENABLED")
    same(got["Checksum" + kind], base64.b64encode(CHECKSUMS[kind.lower()](data)).decode(), "value")
    same(body(got) == data, True, "bytes, checked by botocore")


def presigned(s3):
    b = fresh(s3, "presigned")
    put = s3.generate_presigned_url("put_object", {"Bucket": b, "Key": "a b+ü"}, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(put, data=b"by URL", method="PUT")) as answer:
        same(answer.status, 200, "PUT")
    get = s3.generate_presigned_url("get_object", {"Bucket": b, "Key": "a b+ü", "ResponseContentType": "text/asked"}, ExpiresIn=60)
    with urllib.request.urlopen(get) as answer:
        same((answer.read(), answer.headers["Content-Type"]), (b"by URL", "text/asked"), "GET")
    same(status(get[:-1] + ("0" if get[-1] != "0" else "1")), 403, "a changed signature")
    same(status(s3.generate_presigned_url("get_object", {"Bucket": b, "Key": "other"}, ExpiresIn=60)), 404, "another key")


def status(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def anonymous(s3, node):
    b = fresh(s3, "anonymous")
    s3.put_object(Bucket=b, Key="open/k", Body=b"1")
    s3.put_object(Bucket=b, Key="shut/k", Body=b"2")
    nobody = boto3.client("s3", endpoint_url=node.endpoint, region_name="us-east-1", config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}))
    fails("AccessDenied", 403, nobody.get_object, Bucket=b, Key="open/k")
    s3.put_bucket_policy(Bucket=b, Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",'
                                          f'"Resource":"arn:aws:s3:::{b}/open/*"}}]}}')
    same(body(nobody.get_object(Bucket=b, Key="open/k")), b"1", "policy")
    fails("AccessDenied", 403, nobody.get_object, Bucket=b, Key="shut/k")
    fails("AccessDenied", 403, nobody.put_object, Bucket=b, Key="open/k", Body=b"3")
    fails("AccessDenied", 403, nobody.list_objects_v2, Bucket=b)
    s3.delete_bucket_policy(Bucket=b)
    fails("AccessDenied", 403, nobody.get_object, Bucket=b, Key="open/k")
    fails("NoSuchBucketPolicy", 404, s3.get_bucket_policy, Bucket=b)


def canned_acl(s3, node):
    b = fresh(s3, "acl")
    s3.put_object(Bucket=b, Key="public", Body=b"1", ACL="public-read")
    s3.put_object(Bucket=b, Key="private", Body=b"2")
    same((status(f"{node.endpoint}/{b}/public"), status(f"{node.endpoint}/{b}/private")), (200, 403), "public-read")
    s3.put_object_acl(Bucket=b, Key="public", ACL="private")
    same(status(f"{node.endpoint}/{b}/public"), 403, "private again")


def refused(s3):
    fails("NoSuchBucket", 404, s3.get_object, Bucket="never-was", Key="k")
    b = fresh(s3, "refused")
    fails("NoSuchKey", 404, s3.get_object, Bucket=b, Key="k")
    fails("KeyTooLongError", 400, s3.put_object, Bucket=b, Key="k" * 1025, Body=b"")
    fails("InvalidDigest", 400, s3.put_object, Bucket=b, Key="k", Body=b"1", ContentMD5="bad")
    fails("BadDigest", 400, s3.put_object, Bucket=b, Key="k", Body=b"1", ContentMD5=base64.b64encode(bytes(16)).decode())
    fails("NotImplemented", 501, s3.put_bucket_accelerate_configuration, Bucket=b, AccelerateConfiguration={"Status": "Enabled"})


def wrong_key(s3, node):
    other = boto3.client("s3", endpoint_url=node.endpoint, region_name="us-east-1", aws_access_key_id=node.access, aws_secret_access_key="wrong",
                         config=Config(s3={"addressing_style": "path"}))
    fails("SignatureDoesNotMatch", 403, other.list_buckets)
    other = boto3.client("s3", endpoint_url=node.endpoint, region_name="us-east-1", aws_access_key_id="nobody", aws_secret_access_key="wrong",
                         config=Config(s3={"addressing_style": "path"}))
    fails("InvalidAccessKeyId", 403, other.list_buckets)


def main():
    node = nodes.Node()
    report.matrix = matrix.Matrix("boto3", boto3.__version__, node)
    with node:
        s3 = client(node)
        for test in (sizes, streamed_100_mib, ranges):
            report.run(test.__name__, test, s3)
        fresh(s3, "keys")
        for key in KEYS:
            report.run(f"key {ascii(key)[:40]}", key_round_trip, s3, key)
        for test in (listed_keys, delete_keys, listing, copies, multipart, conditions, versions, tagging, object_lock, bucket_settings, attributes, presigned, refused):
            report.run(test.__name__, test, s3)
        for test in (anonymous, canned_acl, wrong_key):
            report.run(test.__name__, test, s3, node)
        fresh(s3, "checksums")
        for kind in CHECKSUMS:
            report.run(f"checksum {kind} as a header", checksum, s3, kind)
        for kind in ("CRC32", "SHA1", "SHA256"):
            report.run(f"checksum {kind} of botocore", checksum_of_botocore, s3, kind)
        report.check("the node ends with 0", node.stop() == 0, node.tail())
        report.matrix.write()
    report.end()


main()
