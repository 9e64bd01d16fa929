"""boto3 about more than bytes: versions, tags, object lock, settings of buckets, and who may do what."""
import datetime
import urllib.request

import boto3
from botocore import UNSIGNED
from botocore.client import Config

from boto3_tools import body, fails, fresh, same, status


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


def wrong_key(s3, node):
    other = boto3.client("s3", endpoint_url=node.endpoint, region_name="us-east-1", aws_access_key_id=node.access, aws_secret_access_key="wrong",
                         config=Config(s3={"addressing_style": "path"}))
    fails("SignatureDoesNotMatch", 403, other.list_buckets)
    other = boto3.client("s3", endpoint_url=node.endpoint, region_name="us-east-1", aws_access_key_id="nobody", aws_secret_access_key="wrong",
                         config=Config(s3={"addressing_style": "path"}))
    fails("InvalidAccessKeyId", 403, other.list_buckets)
