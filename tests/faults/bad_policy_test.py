#!/usr/bin/python3
"""Bucket policies that are none: every operator with values of the wrong type, every element likewise. Refused; what held before holds on."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from bystander import Bystander, Counting, memory_mib  # noqa: E402
from node import Node  # noqa: E402
from raw import Raw, request  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

report = Report("bad policy: ")
MOST_GROWTH_MIB = 64
GOOD = {"Version": "2012-10-17", "Statement": [{"Sid": "one", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bad/*"}]}
ANY = [{}, {"a": 1}, [[]], [["1"]], [{}], [], None, [None]]  # no operator takes these
NUMBERS = ["abc", "", "1x", "0x10", "NaN", "Infinity", "1e999", True, "1 2"]
DATES = ["yesterday", "", "2026-13-01", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", True, "2026-01-01T00:00:00+99:00"]
BOOLEANS = ["yes", "", "2", "truefalse", 7]
ADDRESSES = ["localhost", "", "256.0.0.1", "10.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "::1/129", "10.0.0.0/x", "1:2:3:4:5:6:7:8:9", True]
BINARIES = ["***", "YQ", "Y Q=="]
OPERATORS = {
    "s3:prefix": {name: [] for name in ("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
                                        "ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike")},
    "s3:max-keys": {name: NUMBERS for name in ("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan",
                                               "NumericGreaterThanEquals")},
    "aws:CurrentTime": {name: DATES for name in ("DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals")},
    "aws:SecureTransport": {"Bool": BOOLEANS, "Null": BOOLEANS},
    "aws:SourceIp": {"IpAddress": ADDRESSES, "NotIpAddress": ADDRESSES},
    "s3:ExistingObjectTag/a": {"BinaryEquals": BINARIES},
}


def with_statement(**changes):
    statement = dict(GOOD["Statement"][0], **changes)
    return dict(GOOD, Statement=[{k: v for k, v in statement.items() if v is not ...}])


def operators():
    """Name and document: every operator, plain, IfExists and quantified, with each value that is not of its type."""
    for key, table in OPERATORS.items():
        for name, values in table.items():
            variants = [name] if name == "Null" else [name, name + "IfExists", "ForAnyValue:" + name, "ForAllValues:" + name, f"ForAnyValue:{name}IfExists"]
            for variant in variants:
                for value in ANY + values:
                    yield f"{variant} of {value!r}", with_statement(Condition={variant: {key: value}})
                if values:
                    yield f"{variant} with one wrong value in a list", with_statement(Condition={variant: {key: ["1", values[0], "true"]}})
            for block in ("x", 1, None, [], [{key: "1"}]):
                yield f"{name} whose block is {block!r}", with_statement(Condition={name: block})
    for name in ("StringMatches", "stringequals", "StringEqualsIfExistsIfExists", "IfExists", "ForSomeValues:StringEquals", "ForAnyValue:", "NullIfExists",
                 "ForAnyValue:Null", "", "Numeric", "StringEquals "):
        yield f"an operator called {name!r}", with_statement(Condition={name: {"s3:prefix": "a"}})
    for key in ("s3:nothing", "prefix", "", "aws:", "s3:ExistingObjectTag"):
        yield f"a condition key called {key!r}", with_statement(Condition={"StringEquals": {key: "a"}})
    for block in ("x", 1, [], None, [{}], True):
        yield f"a Condition that is {block!r}", with_statement(Condition=block)


def elements():
    for name in ("Effect", "Principal", "Action", "Resource"):
        yield f"no {name}", with_statement(**{name: ...})
        for value in ({}, [], [[]], [{}], None, 7, True, [None], ""):
            yield f"{name} of {value!r}", with_statement(**{name: value})
    yield "Effect allow", with_statement(Effect="allow")
    for principal in ({"AWS": {}}, {"AWS": [1]}, {"Nobody": "x"}, {"AWS": ""}, "everybody", {"AWS": "arn:aws:s3:::bad"}):
        yield f"Principal of {principal!r}", with_statement(Principal=principal)
    for action in ("GetObject", "s3", "s3:", ":GetObject", "ec2:RunInstances", "s3:NoSuchThing", "s3:Get Object", "s3:GetObject;"):
        yield f"Action of {action!r}", with_statement(Action=action)
    for resource in ("bad/*", "arn:aws:s3:::other/*", "arn:aws:s3:::", "arn:aws:ec2:::bad/*", "arn", "arn:aws:s3:::badder"):
        yield f"Resource of {resource!r}", with_statement(Resource=resource)
    yield "an action on objects of a resource that is the bucket", with_statement(Resource="arn:aws:s3:::bad")
    yield "Action and NotAction", with_statement(NotAction="s3:PutObject")
    yield "Resource and NotResource", with_statement(NotResource="arn:aws:s3:::bad/a")
    yield "Principal and NotPrincipal", with_statement(NotPrincipal="*")
    yield "a field nobody knows", with_statement(Frobnicate=1)
    yield "a Sid that is a number", with_statement(Sid=1)
    yield "two statements of one Sid", dict(GOOD, Statement=GOOD["Statement"] * 2)
    for statement in ("x", 1, None, [], [1], [None], [[]], {}):
        yield f"a Statement that is {statement!r}", dict(GOOD, Statement=statement)
    for version in (1, None, "2012", "2026-01-01", [], ""):
        yield f"a Version that is {version!r}", dict(GOOD, Version=version)
    yield "no Statement", {"Version": "2012-10-17"}
    yield "a field of the document nobody knows", dict(GOOD, Frobnicate=1)


def documents():
    """Bytes that are no policy at all."""
    good = json.dumps(GOOD).encode()
    yield "no JSON", b"this is no JSON"
    yield "half of it", good[:-10]
    yield "something behind it", good + b"x"
    yield "a list", b"[" + good + b"]"
    yield "a byte order mark before it", b"\xef\xbb\xbf" + good
    yield "UTF-16", json.dumps(GOOD).encode("utf-16")
    yield "a string that is not UTF-8", good.replace(b"one", b"\xff\xfe")
    yield "a lone surrogate", good.replace(b"one", b"\\ud800")
    yield "a control byte in a string", good.replace(b"one", b"o\x01e")
    yield "comments", b"/* a policy */" + good
    yield "1,000 lists deep", b'{"Version":"2012-10-17","Statement":' + b"[" * 1000 + b"]" * 1000 + b"}"
    yield "3,000 objects deep", b'{"a":' * 3000 + b"1" + b"}" * 3000


def refused(node, name, body, failures):
    with Raw(node) as raw:
        answer = raw.send(request(node, "PUT", "/bad", {"policy": ""}, None, body)).answer()
        after = raw.send(request(node, "GET", "/bad", {"policy": ""})).answer()
    if answer is None or (answer.status, answer.code) != (400, "MalformedPolicy") or after is None or json.loads(after.body) != GOOD:
        failures.append(f"{name}: {answer!r}; then {after!r}")


def main():
    with Node() as node:
        client = Client(node)
        assert client.request("PUT", "/bad")[0] == 200 and client.request("PUT", "/good")[0] == 200
        assert client.request("PUT", "/bad", json.dumps(GOOD).encode(), {"policy": ""})[0] == 204
        bystander = Bystander(node, "good")
        bystander.start()
        before = memory_mib(node)
        for group, cases in (("operators", operators()), ("elements", elements()), ("documents", documents())):
            counting, failures, seen = Counting(node), [], 0
            for name, document in cases:
                seen += 1
                refused(node, name, document if isinstance(document, bytes) else json.dumps(document).encode(), failures)
            counted = counting.grown().get('flashstor_s3_errors_total{code="MalformedPolicy"}', 0)
            report.check(f"{seen} wrong {group}: MalformedPolicy, the old policy stays", seen and not failures,
                         "\n".join(failures[:10]) + f"\n{len(failures)} in all")
            report.check(f"wrong {group} are counted", counted == seen - len(failures), f"{counted} of {seen}")
        large = dict(GOOD, Id="a" * 21_000)
        answer = client.request("PUT", "/bad", json.dumps(large).encode(), {"policy": ""})
        report.check("a policy of more than 20 KiB is refused", answer[0] == 400, answer)
        answer = client.request("PUT", "/bad", b"", {"policy": ""})
        report.check("an empty policy is refused", answer[0] == 400, answer)
        bystander.end(report, "wrong policies")
        grown = memory_mib(node, "VmHWM") - before
        print(f"    the node's memory: {before:.0f} MiB before, at most {grown:.0f} MiB more")
        if not os.environ.get("FLASHSTOR_SANITIZED"):
            report.check(f"memory grew by less than {MOST_GROWTH_MIB} MiB", grown < MOST_GROWTH_MIB, f"{grown:.0f} MiB")
    report.end()


main()
