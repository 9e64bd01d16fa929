#!/usr/bin/python3
"""Every way in which a signature can be wrong: S3's answer, counted by cause, nothing stored, the connection kept."""
import datetime
import hashlib
import hmac
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from bystander import Bystander, Counting  # noqa: E402
from node import Node  # noqa: E402
from raw import EMPTY_SHA256, Raw, Signer, render, request  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

report = Report("bad signature: ")
NOW = datetime.datetime.now(datetime.timezone.utc)
PATH = "/locked/stored"


def put(signer, body=b"stolen", change=None, headers=None, unsigned=None, path=PATH):
    """A signed PUT; `change` edits its header fields after the signature was made."""
    fields = signer.headers("PUT", PATH, headers=headers, body=body, unsigned=dict({"content-length": str(len(body))}, **(unsigned or {})))
    if change is not None:
        change(fields)
    return render("PUT", path, fields, body)


def replaced(name, old, new):
    def change(fields):
        assert old in fields[name], (name, old, fields[name])
        fields[name] = fields[name].replace(old, new)
    return change


def without(name):
    return lambda fields: fields.pop(name)


def with_authorization(value):
    return lambda fields: fields.update({"authorization": value})


def presigned(signer, change=lambda target: target, expires=900, method="GET"):
    return render(method, change(signer.presigned(method, "/locked/kept", expires)), {"host": signer.host})


def chunked(signer, spoil):
    """A PUT with signed chunks, of which `spoil` makes the wrong one."""
    body = b"x" * 10_000
    fields = signer.headers("PUT", PATH, headers={"x-amz-decoded-content-length": str(len(body))}, digest="STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    previous, sent = signer.seed, b""
    for number, piece in enumerate((body, b"")):
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", signer.stamp, signer.scope, previous, EMPTY_SHA256, hashlib.sha256(piece).hexdigest()])
        previous = hmac.new(signer.key, text.encode(), hashlib.sha256).hexdigest()
        said = "0" * 64 if spoil == number else previous
        sent += f"{len(piece):x};chunk-signature={said}\r\n".encode() + (piece[:-1] + b"y" if spoil == "data" and piece else piece) + b"\r\n"
    fields["content-length"] = str(len(sent))
    return render("PUT", PATH, fields, sent)


def cases(node):
    """Name, bytes, status, S3's code, cause."""
    good = Signer(node)
    other = Signer(node, secret="not the secret")
    shifted = lambda minutes: Signer(node, when=NOW + datetime.timedelta(minutes=minutes))  # noqa: E731
    mismatch, malformed = (403, "SignatureDoesNotMatch", "bad_signature"), (400, "AuthorizationHeaderMalformed", "malformed")
    query_error = (400, "AuthorizationQueryParametersError", "malformed")
    yield "another secret", put(other), *mismatch
    yield "a signature of zeros", put(good, change=lambda f: f.update(authorization=f["authorization"][:-64] + "0" * 64)), *mismatch
    yield "a changed header", put(good, headers={"x-amz-meta-a": "1"}, change=replaced("x-amz-meta-a", "1", "2")), *mismatch
    yield "another key", put(good, path="/locked/other"), *mismatch
    yield "a query added", put(good, path=PATH + "?tagging"), *mismatch
    yield "another method", put(good).replace(b"PUT ", b"GET ", 1), *mismatch
    yield "a presigned URL of another secret", presigned(other), *mismatch
    yield "a presigned URL with a changed key", presigned(good, lambda t: t.replace("kept", "other")), *mismatch
    yield "a presigned URL with a parameter added", presigned(good, lambda t: t + "&versionId=null"), *mismatch
    yield "a presigned GET used to PUT", presigned(good).replace(b"GET ", b"PUT ", 1).replace(b"\r\n\r\n", b"\r\ncontent-length: 0\r\n\r\n"), *mismatch
    yield "an unknown key", put(Signer(node, access="AKIANOBODY")), 403, "InvalidAccessKeyId", "unknown_key"
    yield "an unknown key, presigned", presigned(Signer(node, access="AKIANOBODY")), 403, "InvalidAccessKeyId", "unknown_key"
    yield "a token nobody gave", put(good, headers={"x-amz-security-token": "forged"}), 400, "InvalidToken", "bad_token"
    yield "a presigned URL after its time", presigned(shifted(-60), expires=60), 403, "AccessDenied", "expired"
    yield "a presigned URL before its time", presigned(shifted(60)), 403, "AccessDenied", "not_yet_valid"
    yield "a clock 16 minutes slow", put(shifted(-16)), 403, "RequestTimeTooSkewed", "skewed"
    yield "a clock 16 minutes fast", put(shifted(16)), 403, "RequestTimeTooSkewed", "skewed"
    yield "no date", put(good, change=without("x-amz-date")), 403, "AccessDenied", "missing_date"
    yield "a date of nonsense", put(good, change=lambda f: f.update({"x-amz-date": "yesterday"})), 403, "AccessDenied", "missing_date"
    yield "a date of no day", put(good, change=lambda f: f.update({"x-amz-date": "20261399T256199Z"})), 403, "AccessDenied", "missing_date"
    yield "an Authorization of one word", put(good, change=with_authorization("AWS4-HMAC-SHA256")), *malformed
    yield "an Authorization of nonsense", put(good, change=with_authorization("AWS4-HMAC-SHA256 a b c, =,,")), *malformed
    yield "no Signature", put(good, change=replaced("authorization", "Signature=", "Sgnature=")), *malformed
    yield "no SignedHeaders", put(good, change=replaced("authorization", "SignedHeaders=", "Sgned=")), *malformed
    yield "no Credential", put(good, change=replaced("authorization", "Credential=", "Credit=")), *malformed
    yield "a short signature", put(good, change=lambda f: f.update(authorization=f["authorization"][:-1])), *malformed
    yield "a credential without its end", put(good, change=replaced("authorization", "/aws4_request", "")), *malformed
    yield "a credential of slashes", put(good, change=replaced("authorization", f"{good.access}/{good.scope}", "////")), *malformed
    yield "a header that is not signed", put(good, unsigned={"x-amz-acl": "public-read"}), 403, "AccessDenied", "unsigned_header"
    yield "Host not signed", put(good, change=replaced("authorization", "SignedHeaders=host;", "SignedHeaders=")), 403, "AccessDenied", "unsigned_header"
    yield "no x-amz-content-sha256", put(good, change=without("x-amz-content-sha256")), 400, "InvalidRequest", "missing_payload_hash"
    yield ("an x-amz-content-sha256 that is none", put(good, change=lambda f: f.update({"x-amz-content-sha256": "GIBBERISH"})),
           400, "InvalidArgument", "missing_payload_hash")
    scope = (400, "AuthorizationHeaderMalformed", "wrong_scope")
    yield "another service", put(Signer(node, service="ec2")), *scope
    yield "another day in the scope", put(good, change=replaced("authorization", good.date, "20200101")), *scope
    yield "another region", put(Signer(node, region="mars-north-1")), *scope
    yield "another service, presigned", presigned(Signer(node, service="ec2")), 400, "AuthorizationQueryParametersError", "wrong_scope"
    old = (400, "InvalidRequest", "unsupported_version")
    yield "signature version 2", put(good, change=with_authorization(f"AWS {good.access}:c2lnbmF0dXJl")), *old
    yield "signature version 4A", put(good, change=with_authorization("AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d")), *old
    yield "a password", put(good, change=with_authorization("Basic dXNlcjpwYXNzd29yZA==")), *old
    yield "a bearer token", put(good, change=with_authorization("Bearer x")), *old
    yield "signature version 2 in the query", render("GET", f"/locked/kept?AWSAccessKeyId={good.access}&Signature=x&Expires=9999999999", {"host": good.host}), *old
    yield ("another algorithm, presigned", presigned(good, lambda t: t.replace("HMAC-SHA256", "HMAC-MD5")),
           400, "AuthorizationQueryParametersError", "unsupported_version")
    for name, old_text, new_text in (("no X-Amz-Date", "X-Amz-Date", "X-Amz-Day"), ("no X-Amz-Expires", "X-Amz-Expires", "X-Amz-Ends"),
                                     ("X-Amz-Expires of no number", "Expires=900", "Expires=soon"), ("X-Amz-Expires of 0", "Expires=900", "Expires=0"),
                                     ("X-Amz-Expires of minus one", "Expires=900", "Expires=-1"), ("X-Amz-Expires of eight days", "Expires=900", "Expires=691200"),
                                     ("a short X-Amz-Signature", "Signature=", "Signature=a"), ("a credential of one word", good.scope.replace("/", "%2F"), "x")):
        yield f"presigned, {name}", presigned(good, lambda t, a=old_text, b=new_text: replaced_once(t, a, b)), *query_error
    both = put(good, path=good.presigned("PUT", PATH))
    yield "both ways at once", both, 400, "InvalidArgument", "ambiguous"
    line = next(line for line in put(good).split(b"\r\n") if line.startswith(b"authorization"))
    yield "two Authorization headers", put(good).replace(line, line + b"\r\n" + line, 1), 400, "InvalidArgument", "ambiguous"
    wrong = good.headers("PUT", PATH, digest=hashlib.sha256(b"other").hexdigest(), unsigned={"content-length": "6"})
    yield "a body that is not the signed one", render("PUT", PATH, wrong, b"stolen"), 400, "XAmzContentSHA256Mismatch", "payload_hash_mismatch"
    yield "a wrong chunk signature", chunked(good, 0), 403, "SignatureDoesNotMatch", "bad_chunk_signature"
    yield "a wrong last chunk signature", chunked(good, 1), 403, "SignatureDoesNotMatch", "bad_chunk_signature"
    yield "a chunk with a byte changed", chunked(good, "data"), 403, "SignatureDoesNotMatch", "bad_chunk_signature"


def replaced_once(target, old, new):
    assert old in target, (old, target)
    return target.replace(old, new, 1)


def refused(node, name, data, status, code, cause):
    counting = Counting(node)
    with Raw(node) as raw:
        answer = raw.send(data).answer()
        after = raw.send(request(node, "GET", "/locked/kept")).answer()
    grown = counting.grown()
    counted = grown.get(f'flashstor_security_signature_failures_total{{cause="{cause}"}}', 0) == 1
    errors = grown.get(f'flashstor_s3_errors_total{{code="{code}"}}', 0) == 1
    kept = after is not None and after.body == b"kept"
    report.check(f"{name}: {status} {code}, counted as {cause}, connection kept",
                 answer is not None and (answer.status, answer.code) == (status, code) and counted and errors and kept,
                 f"{answer!r}; counted {[n for n in grown if 'signature' in n or 'errors' in n]}; then {after!r}")
    return cause


def main():
    with Node(environment={"FLASHSTORE_REGION": "us-east-1"}) as node:
        client = Client(node)
        assert client.request("PUT", "/locked")[0] == 200 and client.request("PUT", "/locked/kept", b"kept")[0] == 200
        assert client.request("PUT", "/good")[0] == 200
        bystander = Bystander(node, "good")
        bystander.start()
        with Raw(node) as raw:
            answer = raw.send(chunked(Signer(node), None)).answer()
        report.check("the same made rightly is let in", answer is not None and answer.status == 200, f"{answer!r}")
        client.request("DELETE", PATH)
        seen = {refused(node, *case) for case in cases(node)}
        bystander.end(report, "bad signatures")
        causes = {name.split('"')[1] for name in Counting(node).before if name.startswith("flashstor_security_signature_failures_total")}
        report.check("every cause was met but a failing store of identities", causes - seen == {"source_failed"}, causes - seen)
        listing = client.request("GET", "/locked")[1]
        report.check("nothing was stored", listing.count(b"<Key>") == 1, listing[:500])
    report.end()


main()
