#!/usr/bin/python3
"""Requests that are not HTTP, that two readers could take differently, or that are too large: refused, counted, nothing stored."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from bystander import Bystander, Counting  # noqa: E402
from node import Node  # noqa: E402
from raw import EMPTY_SHA256, Raw, Signer, render, request  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402

report = Report("bad http: ")
HIDDEN = b"PUT /bad/hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


def head(*lines):
    """A PUT of an object whose header is these lines behind Host."""
    return b"PUT /bad/stored HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


# Name, bytes, status, cause in flashstor_security_refused_total. Each is answered once and its connection closed.
REFUSED = [
    ("both lengths", head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + HIDDEN, 400, "smuggling"),
    ("both lengths, the other way round", head(b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n" + HIDDEN, 400, "smuggling"),
    ("two Content-Length that differ", head(b"Content-Length: 5", b"Content-Length: 0") + b"hello" + HIDDEN, 400, "smuggling"),
    ("two Content-Length that agree", head(b"Content-Length: 5", b"Content-Length: 5") + b"hello", 400, "smuggling"),
    ("a list as Content-Length", head(b"Content-Length: 5, 5") + b"hello", 400, "smuggling"),
    ("a negative Content-Length", head(b"Content-Length: -5") + HIDDEN, 400, "malformed"),
    ("a signed Content-Length", head(b"Content-Length: +5") + b"hello", 400, "malformed"),
    ("a hexadecimal Content-Length", head(b"Content-Length: 0x5") + b"hello", 400, "malformed"),
    ("a Content-Length beyond 64 bits", head(b"Content-Length: 18446744073709551621") + b"hello", 400, "malformed"),
    ("a Content-Length of words", head(b"Content-Length: five") + b"hello", 400, "malformed"),
    ("an empty Content-Length", head(b"Content-Length:") + HIDDEN, 400, "malformed"),
    ("a coding before chunked", head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 400, "smuggling"),
    ("chunked twice", head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400, "smuggling"),
    ("chunked, then identity", head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity") + b"0\r\n\r\n", 400, "smuggling"),
    ("a coding that only looks like chunked", head(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n", 400, "smuggling"),
    ("chunked behind a vertical tab", head(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n", 400, ("smuggling", "malformed")),
    ("chunked in HTTP/1.0", b"PUT /bad/stored HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "smuggling"),
    ("a folded header line", head(b"Content-Length: 0", b"x-amz-meta-a: b", b" Transfer-Encoding: chunked") + HIDDEN, 400, "smuggling"),
    ("a folded line with a tab", head(b"x-amz-meta-a: b", b"\tc") + HIDDEN, 400, "smuggling"),
    ("a folded first line", b"PUT /bad/stored HTTP/1.1\r\n Host: x\r\nContent-Length: 0\r\n\r\n", 400, ("smuggling", "malformed")),
    ("a bare LF behind a line", b"PUT /bad/stored HTTP/1.1\r\nHost: x\nContent-Length: 0\r\n\r\n", 400, "smuggling"),
    ("a bare LF that ends the header", b"PUT /bad/stored HTTP/1.1\r\nHost: x\r\n\n" + HIDDEN, 400, "smuggling"),
    ("bare LF throughout", b"PUT /bad/stored HTTP/1.1\nHost: x\nContent-Length: 0\n\n", 400, "smuggling"),
    ("a bare CR in a value", head(b"x-amz-meta-a: b\rContent-Length: 5") + HIDDEN, 400, ("smuggling", "malformed")),
    ("a NUL in a value", head(b"x-amz-meta-a: b\0c"), 400, "malformed"),
    ("a NUL in a name", head(b"x-amz\0-meta-a: b"), 400, "malformed"),
    ("a space before the colon", head(b"Content-Length : 5") + b"hello" + HIDDEN, 400, "malformed"),
    ("a tab before the colon", head(b"Transfer-Encoding\t: chunked") + b"0\r\n\r\n", 400, "malformed"),
    ("a line without a colon", head(b"no colon here"), 400, "malformed"),
    ("a header without a name", head(b": nothing"), 400, "malformed"),
    ("two Host", b"GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "smuggling"),
    ("no Host", b"GET /bad HTTP/1.1\r\n\r\n", 400, "malformed"),
    ("a target of another host", b"GET http://other/bad HTTP/1.1\r\nHost: a\r\n\r\n", 400, "smuggling"),
    ("a target without a slash", b"GET bad HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    ("an empty target", b"GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    ("a space in the target", b"GET /bad/a b HTTP/1.1\r\nHost: a\r\n\r\n", (400, 505), "malformed"),
    ("a control byte in the target", b"GET /bad/\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    ("half a percent sign", b"GET /bad/%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    ("a percent sign without digits", b"GET /bad/%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    ("a percent sign without digits in the query", b"GET /bad?prefix=%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    ("a method of odd bytes", b"G<T /bad HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    ("no method", b" /bad HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    ("HTTP/2 without TLS", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505), "malformed"),
    ("HTTP/1.2", b"GET /bad HTTP/1.2\r\nHost: a\r\n\r\n", (400, 505), "malformed"),
    ("HTTP/0.9", b"GET /bad\r\n\r\n", (400, 505), "malformed"),
    ("TLS to the plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x5a" * 60 + b"\r\n\r\n", 400, "malformed"),
    ("zeros", b"\0" * 100 + b"\r\n\r\n", 400, "malformed"),
    ("300 header fields", b"GET /bad HTTP/1.1\r\nHost: a\r\n" + b"".join(b"x-a%d: 1\r\n" % n for n in range(300)) + b"\r\n", 400, "header_too_large"),
    ("a header of 70,000 bytes", head(b"x-amz-meta-a: " + b"a" * 70_000), 400, "header_too_large"),
    ("a header that never ends", b"GET /bad HTTP/1.1\r\nHost: a\r\nx-a: " + b"a" * 200_000, 400, "header_too_large"),
    ("a target of 20,000 bytes", b"GET /bad/" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400, "header_too_large"),
    ("5,000 query parameters", b"GET /bad?" + b"a&" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
]


def refused(node, name, data, statuses, causes):
    counting = Counting(node)
    with Raw(node) as raw:
        answer = raw.send(data).answer()
        closed = raw.closed()
    statuses = statuses if isinstance(statuses, tuple) else (statuses,)
    causes = causes if isinstance(causes, tuple) else (causes,)
    grown = counting.grown()
    counted = [cause for cause in causes if grown.get(f'flashstor_security_refused_total{{cause="{cause}"}}', 0) == 1]
    good = answer is not None and answer.status in statuses and answer.code and closed and counted
    report.check(f"{name}: {answer.status if answer else 'closed'}, closed and counted", good,
                 f"{answer!r}, closed {closed}, wanted {statuses} {causes}, counted {[n for n in grown if 'security' in n]}")


def chunked_put(node, body, headers=None):
    """A signed PUT that frames its body itself; UNSIGNED-PAYLOAD, so that only the framing can be wrong."""
    fields = Signer(node).headers("PUT", "/bad/stored", headers=headers, digest="UNSIGNED-PAYLOAD", unsigned={"transfer-encoding": "chunked"})
    return render("PUT", "/bad/stored", fields, body)


# Chunked framing that is wrong: refused with a 400 and closed, as nobody knows where the next request begins.
BROKEN_CHUNKS = [
    ("no size", b"\r\nhello\r\n0\r\n\r\n"),
    ("a size that is no number", b"xyz\r\nhello\r\n0\r\n\r\n"),
    ("a negative size", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("a size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("a size beyond 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("a size behind a space", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("no line end behind a chunk", b"5\r\nhello0\r\n\r\n"),
    ("a chunk longer than its size", b"5\r\nhello world\r\n0\r\n\r\n"),
    ("a bare LF behind the size", b"5\nhello\r\n0\r\n\r\n"),
    ("a bare LF behind a chunk", b"5\r\nhello\n0\r\n\r\n"),
    ("a size line of 10,000 bytes", b"5;" + b"a" * 10_000 + b"\r\nhello\r\n0\r\n\r\n"),
    ("a trailer of 100,000 bytes", b"5\r\nhello\r\n0\r\nx: " + b"a" * 100_000 + b"\r\n\r\n"),
    ("a trailer with a bare LF", b"5\r\nhello\r\n0\r\nx: a\n\r\n"),
]


def broken_chunks(node, client, name, body):
    with Raw(node) as raw:
        answer = raw.send(chunked_put(node, body) + HIDDEN).answer()
        closed = raw.closed()
    stored = client.request("GET", "/bad/stored")[0]
    report.check(f"chunked body, {name}: {answer.status if answer else 'closed'}, closed, nothing stored",
                 answer is not None and answer.status == 400 and closed and stored == 404, f"{answer!r}, closed {closed}, GET {stored}")


def kept_alive(node, client):
    """What is odd but clear is served, and the connection goes on."""
    with Raw(node) as raw:
        raw.send(b"\r\n" + request(node, "PUT", "/bad/plain", body=b"one"))
        first = raw.answer()
        second = raw.send(chunked_put(node, b"3;ext=1\r\ntwo\r\n0\r\nx-trailer: a\r\n\r\n")).answer()
        unknown = raw.send(b"BREW /bad/plain HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").answer()
        third = raw.send(request(node, "GET", "/bad/stored")).answer()
    report.check("an empty line before, chunk extensions, a trailer and an unknown method leave the connection open",
                 first and first.status == 200 and second and second.status == 200 and unknown and unknown.status in (403, 405)
                 and third and (third.status, third.body) == (200, b"two"), f"{first!r} {second!r} {unknown!r} {third!r}")
    client.request("DELETE", "/bad/stored")
    client.request("DELETE", "/bad/plain")
    with Raw(node) as raw:
        raw.send(b"".join(request(node, "PUT", f"/bad/p{n}", body=b"x" * n) for n in range(50)) + request(node, "GET", "/bad/p49"))
        answers = [raw.answer() for _ in range(51)]
    report.check("51 pipelined requests are answered in order", all(a and a.status == 200 for a in answers) and answers[50].body == b"x" * 49, answers)
    for n in range(50):
        client.request("DELETE", f"/bad/p{n}")


def unread_bodies(node):
    """A request that is refused before its body: a short body is read away and the connection kept, a long one closes it."""
    forbidden = [("host", "a"), ("x-amz-content-sha256", EMPTY_SHA256)]
    with Raw(node) as raw:
        first = raw.send(render("PUT", "/bad/stored", forbidden + [("content-length", "1000")], b"a" * 1000)).answer()
        second = raw.send(request(node, "HEAD", "/bad")).answer(head=True)
    report.check("a refused request with a short body leaves the connection open",
                 first and first.status == 403 and second and second.status == 200, f"{first!r} {second!r}")
    with Raw(node) as raw:
        answer = raw.send(render("PUT", "/bad/stored", forbidden + [("content-length", "1000000000")], b"a" * 1000)).answer()
        closed = raw.closed()
    report.check("a refused request with a long body is answered at once and closed", answer and answer.status == 403 and closed, f"{answer!r}")
    with Raw(node) as raw:
        answer = raw.send(render("PUT", "/bad/stored", forbidden + [("content-length", "1000"), ("expect", "100-continue")])).answer()
    report.check("a refused request that waits for 100 Continue is answered without it", answer and answer.status == 403, f"{answer!r}")


def main():
    with Node() as node:
        client = Client(node)
        assert client.request("PUT", "/bad")[0] == 200
        assert client.request("PUT", "/good")[0] == 200
        bystander = Bystander(node, "good")
        bystander.start()
        for each in REFUSED:
            refused(node, *each)
        for each in BROKEN_CHUNKS:
            broken_chunks(node, client, *each)
        kept_alive(node, client)
        unread_bodies(node)
        bystander.end(report, "malformed requests")
        status, listing = client.request("GET", "/bad")[:2]
        report.check("nothing was stored", status == 200 and b"<Key>" not in listing, listing[:500])
    report.end()


main()
