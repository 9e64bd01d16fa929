#!/usr/bin/python3
"""boto3 against a running node: objects of every shape, listings, conditions, versions, checksums, presigned URLs, policies.

boto3_test.py [--full]     starts flashstor-s3d of FLASHSTOR_BUILD (build/release) for itself
"""
import base64
import hashlib
import io
import urllib.request

import boto3_settings as settings
from boto3_tools import CHECKSUMS, MIB, RANDOM, Pattern, body, client, fails, fresh, report, same, status, with_headers
import boto3
import matrix
import node as nodes

KEYS = ["plain", "a b c", " lead and trail ", "päivä/日本/🙂", "a+b", "100%", "%2F%20", "a//b", "folder/", "x/\x01y", "q?a=b&c#d", "\"'<&>;:@,$=!*()[]{}|\\^~`",
        "dots/../stay/./here", "k" * 255 + "/" + "m" * 255 + "/" + "n" * 255 + "/" + "o" * 256]


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


def refused(s3):
    fails("NoSuchBucket", 404, s3.get_object, Bucket="never-was", Key="k")
    b = fresh(s3, "refused")
    fails("NoSuchKey", 404, s3.get_object, Bucket=b, Key="k")
    fails("KeyTooLongError", 400, s3.put_object, Bucket=b, Key="k" * 1025, Body=b"")
    fails("InvalidDigest", 400, s3.put_object, Bucket=b, Key="k", Body=b"1", ContentMD5="bad")
    fails("BadDigest", 400, s3.put_object, Bucket=b, Key="k", Body=b"1", ContentMD5=base64.b64encode(bytes(16)).decode())
    fails("NotImplemented", 501, s3.put_bucket_accelerate_configuration, Bucket=b, AccelerateConfiguration={"Status": "Enabled"})


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
        for test in (listed_keys, delete_keys, listing, copies, multipart, conditions, settings.versions, settings.tagging, settings.object_lock,
                     settings.bucket_settings, settings.attributes, presigned, refused):
            report.run(test.__name__, test, s3)
        for test in (settings.anonymous, settings.canned_acl, settings.wrong_key):
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
