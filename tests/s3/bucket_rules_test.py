#!/usr/bin/python3
"""Object lock, CORS, public access blocks and object ownership over HTTP, with the small client of the tests' own."""
import datetime
import os
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import node as nodes
import signed
import tap

report = tap.Report("bucket rules: ")
LOCKED = {"x-amz-bucket-object-lock-enabled": "true"}
BYPASS = {"x-amz-bypass-governance-retention": "true"}


def want(answer, status, text=""):
    got, body, headers = answer
    if got != status or text.encode() not in body:
        raise AssertionError(f"got {got} {body[:400]!r}, want {status} {text}")
    return body, headers


def same(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, want {wanted!r}")


def later(**time):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**time)).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_until(text):
    until = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (until - datetime.datetime.now(datetime.timezone.utc)).total_seconds()


def anonymously(node, path, method="GET", **headers):
    request = urllib.request.Request(node.endpoint + path, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def put(client, path, data=b"1", **headers):
    return want(client.request("PUT", path, data, headers={name.replace("_", "-"): value for name, value in headers.items()}), 200)[1]["x-amz-version-id"]


def retention(mode, until):
    return f"<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>".encode()


def delete(client, path, version, status, **headers):
    want(client.request("DELETE", path, query={"versionId": version}, headers=headers or None), status)


def a_locked_version_stays(client, node):
    want(client.request("PUT", "/lock", headers=LOCKED), 200)
    want(client.request("GET", "/lock", query={"versioning": ""}), 200, "Enabled")
    want(client.request("PUT", "/lock", b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>", {"versioning": ""}), 409, "InvalidBucketState")
    version = put(client, "/lock/g", x_amz_object_lock_mode="GOVERNANCE", x_amz_object_lock_retain_until_date=later(days=2))
    headers = want(client.request("HEAD", "/lock/g"), 200)[1]
    same(headers["x-amz-object-lock-mode"], "GOVERNANCE", "mode")
    delete(client, "/lock/g", version, 403)
    want(client.request("GET", "/lock/g", query={"versionId": version}), 200, "1")
    delete(client, "/lock/g", version, 204, **BYPASS)
    version = put(client, "/lock/c", x_amz_object_lock_mode="COMPLIANCE", x_amz_object_lock_retain_until_date=later(days=2))
    delete(client, "/lock/c", version, 403, **BYPASS)
    for weaker in (retention("GOVERNANCE", later(days=3)), retention("COMPLIANCE", later(days=1)), b"<Retention/>"):
        want(client.request("PUT", "/lock/c", weaker, {"retention": ""}, BYPASS), 403, "AccessDenied")
    want(client.request("PUT", "/lock/c", retention("COMPLIANCE", later(days=4)), {"retention": ""}), 200)
    want(client.request("GET", "/lock/c", query={"retention": ""}), 200, "COMPLIANCE")


def a_legal_hold_stays(client, node):
    want(client.request("PUT", "/hold", headers=LOCKED), 200)
    version = put(client, "/hold/k", x_amz_object_lock_legal_hold="ON")
    want(client.request("GET", "/hold/k", query={"legal-hold": ""}), 200, "<Status>ON</Status>")
    delete(client, "/hold/k", version, 403, **BYPASS)
    want(client.request("PUT", "/hold/k", b"<LegalHold><Status>OFF</Status></LegalHold>", {"legal-hold": ""}), 200)
    delete(client, "/hold/k", version, 204)


def the_default_retention_holds_for_every_way_of_writing(client, node):
    want(client.request("PUT", "/default", headers=LOCKED), 200)
    rule = b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
    want(client.request("PUT", "/default", rule, {"object-lock": ""}), 200)
    want(client.request("GET", "/default", query={"object-lock": ""}), 200, "<Days>1</Days>")
    versions = {"put": put(client, "/default/put"), "copy": put(client, "/default/copy", b"", x_amz_copy_source="/default/put")}
    upload = want(client.request("POST", "/default/parts", query={"uploads": ""}), 200)[0].decode().split("<UploadId>")[1].split("<")[0]
    etag = want(client.request("PUT", "/default/parts", b"part", {"partNumber": "1", "uploadId": upload}), 200)[1]["ETag"]
    done = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>".encode()
    versions["parts"] = want(client.request("POST", "/default/parts", done, {"uploadId": upload}), 200)[1]["x-amz-version-id"]
    for key, version in versions.items():
        headers = want(client.request("HEAD", f"/default/{key}"), 200)[1]
        left = seconds_until(headers["x-amz-object-lock-retain-until-date"])
        same((headers["x-amz-object-lock-mode"], 86000 < left <= 86401), ("GOVERNANCE", True), f"{key}, {left} s left")
        delete(client, f"/default/{key}", version, 403)
        delete(client, f"/default/{key}", version, 204, **BYPASS)


def object_lock_needs_versions(client, node):
    want(client.request("PUT", "/plain"), 200)
    want(client.request("PUT", "/plain/k", b"1"), 200)
    rule = b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
    want(client.request("PUT", "/plain", rule, {"object-lock": ""}), 409, "InvalidBucketState")
    want(client.request("GET", "/plain", query={"object-lock": ""}), 404, "ObjectLockConfigurationNotFoundError")
    want(client.request("PUT", "/plain/k", retention("GOVERNANCE", later(days=1)), {"retention": ""}), 400, "InvalidRequest")
    want(client.request("PUT", "/plain/k", b"1", headers={"x-amz-object-lock-legal-hold": "ON"}), 400, "InvalidRequest")
    want(client.request("PUT", "/plain", b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", {"versioning": ""}), 200)
    want(client.request("PUT", "/plain", rule, {"object-lock": ""}), 200)
    version = put(client, "/plain/k", x_amz_object_lock_legal_hold="ON")
    delete(client, "/plain/k", version, 403)


def cors_lets_the_named_origins_read_the_answer(client, node):
    want(client.request("PUT", "/cors"), 200)
    want(client.request("PUT", "/cors/k", b"1"), 200)
    want(client.request("GET", "/cors", query={"cors": ""}), 404, "NoSuchCORSConfiguration")
    same(anonymously(node, "/cors/k", "OPTIONS", Origin="https://a.example", Access_Control_Request_Method="GET")[0], 403, "before")
    rules = (b"<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>"
             b"<AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>")
    want(client.request("PUT", "/cors", rules, {"cors": ""}), 200)
    want(client.request("GET", "/cors", query={"cors": ""}), 200, "<AllowedOrigin>https://*.example</AllowedOrigin>")
    ask = {"Origin": "https://a.example", "Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "X-Amz-Date, x-amz-acl"}
    status, _, headers = anonymously(node, "/cors/k?partNumber=1&uploadId=u&X-Amz-Signature=0", "OPTIONS", **ask)
    same((status, headers["Access-Control-Allow-Origin"], headers["Access-Control-Allow-Methods"], headers["Access-Control-Max-Age"]),
         (200, "https://a.example", "GET, PUT", "60"), "preflight")
    for wrong in ({"Origin": "https://a.other"}, {"Access_Control_Request_Method": "DELETE"}, {"Access_Control_Request_Headers": "Authorization"}):
        same(anonymously(node, "/cors/k", "OPTIONS", **dict(ask, **wrong))[0], 403, wrong)
    status, _, headers = anonymously(node, "/cors/k", Origin="https://a.example")
    same((status, headers["Access-Control-Allow-Origin"], headers["Access-Control-Expose-Headers"]), (403, "https://a.example", "ETag"), "a refusal")
    headers = want(client.request("GET", "/cors/k", headers={"Origin": "https://b.other"}), 200, "1")[1]
    same(headers.get("Access-Control-Allow-Origin"), None, "another origin")
    for bad, code in ((rules.replace(b">GET<", b">PATCH<"), "InvalidRequest"), (rules.replace(b"https://*.", b"*://*."), "InvalidRequest"), (b"<CORSConfiguration/>", "MalformedXML")):
        want(client.request("PUT", "/cors", bad, {"cors": ""}), 400, code)
    want(client.request("DELETE", "/cors", query={"cors": ""}), 204)
    same(anonymously(node, "/cors/k", "OPTIONS", **ask)[0], 403, "after")


PUBLIC = b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}]}'


def block(client, bucket, *names):
    inside = "".join(f"<{name}>true</{name}>" for name in names)
    want(client.request("PUT", bucket, f"<PublicAccessBlockConfiguration>{inside}</PublicAccessBlockConfiguration>".encode(), {"publicAccessBlock": ""}), 200)


def what_is_blocked_is_not_public(client, node):
    public = {"x-amz-acl": "public-read"}
    want(client.request("PUT", "/block"), 200)
    want(client.request("PUT", "/block/k", b"1", headers=public), 200)
    same(anonymously(node, "/block/k")[0], 200, "public")
    want(client.request("GET", "/block", query={"publicAccessBlock": ""}), 404, "NoSuchPublicAccessBlockConfiguration")
    block(client, "/block", "IgnorePublicAcls")
    same(anonymously(node, "/block/k")[0], 403, "an ignored ACL")
    block(client, "/block", "BlockPublicAcls")
    same(anonymously(node, "/block/k")[0], 200, "an ACL that was there")
    want(client.request("PUT", "/block/k2", b"1", headers=public), 403)
    want(client.request("PUT", "/block", query={"acl": ""}, headers=public), 403)
    want(client.request("PUT", "/block/k", query={"acl": ""}, headers={"x-amz-acl": "private"}), 200)
    block(client, "/block", "BlockPublicPolicy")
    want(client.request("PUT", "/block", PUBLIC % b"block", {"policy": ""}), 403)
    block(client, "/block")
    want(client.request("PUT", "/block", PUBLIC % b"block", {"policy": ""}), 204)
    same(anonymously(node, "/block/k")[0], 200, "by policy")
    block(client, "/block", "RestrictPublicBuckets")
    same(anonymously(node, "/block/k")[0], 403, "a public policy that is restricted")
    want(client.request("DELETE", "/block", query={"publicAccessBlock": ""}), 204)
    same(anonymously(node, "/block/k")[0], 200, "by policy again")


def acls_mean_nothing_where_the_owner_owns_all(client, node):
    public, enforced = {"x-amz-acl": "public-read"}, {"x-amz-object-ownership": "BucketOwnerEnforced"}
    want(client.request("PUT", "/owned", headers=dict(public, **enforced)), 400, "InvalidBucketAclWithObjectOwnership")
    want(client.request("PUT", "/owned", headers=enforced), 200)
    want(client.request("GET", "/owned", query={"ownershipControls": ""}), 200, "BucketOwnerEnforced")
    want(client.request("PUT", "/owned/k", b"1", headers=public), 400, "AccessControlListNotSupported")
    want(client.request("PUT", "/owned/k", b"1", headers={"x-amz-acl": "private"}), 400, "AccessControlListNotSupported")
    want(client.request("PUT", "/owned/k", b"1", headers={"x-amz-acl": "bucket-owner-full-control"}), 200)
    want(client.request("PUT", "/owned", query={"acl": ""}, headers=public), 400, "AccessControlListNotSupported")
    want(client.request("DELETE", "/owned", query={"ownershipControls": ""}), 204)
    want(client.request("GET", "/owned", query={"ownershipControls": ""}), 404, "OwnershipControlsNotFoundError")
    want(client.request("PUT", "/owned/k", b"1", headers=public), 200)
    same(anonymously(node, "/owned/k")[0], 200, "an ACL")
    body = b"<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>"
    want(client.request("PUT", "/owned", body, {"ownershipControls": ""}), 200)
    same(anonymously(node, "/owned/k")[0], 403, "an ACL that means nothing any more")


def main():
    with nodes.Node() as node:
        client = signed.Client(node)
        for test in (a_locked_version_stays, a_legal_hold_stays, the_default_retention_holds_for_every_way_of_writing, object_lock_needs_versions,
                     cors_lets_the_named_origins_read_the_answer, what_is_blocked_is_not_public, acls_mean_nothing_where_the_owner_owns_all):
            report.run(test.__name__, test, client, node)
        report.check("the node ends with 0", node.stop() == 0, node.tail())
    report.end()


main()
