#!/usr/bin/python3
"""The checker of histories itself: what may have happened passes, what a store may never do is found."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from key_order import KeyOrder, Operation  # noqa: E402
from tap import Report  # noqa: E402

report = Report("checker of histories: ")


def put(content, call, answer=None, **more):
    return Operation(more.pop("kind", "put"), call, answer, more.pop("outcome", "done" if answer is not None else "unknown"), content, **more)


def read(content, call, answer, **more):
    return Operation(more.pop("kind", "read"), call, answer, more.pop("outcome", "done"), content, **more)


def delete(call, answer=None, **more):
    return put(None, call, answer, kind=more.pop("kind", "delete"), **more)


A, B = put("a", 0, 1), put("b", 2, 3)
GOOD = {
    "reads in order": [A, read("a", 1, 2), B, read("b", 3, 4)],
    "a read beside a put sees either": [A, put("b", 2, 5), read("b", 3, 4), read("b", 3, 4)],
    "an unknown put is seen late": [A, put("u", 2), read("a", 3, 4), read("u", 5, 6), read("u", 7, 8)],
    "an unknown put never happens": [A, put("u", 2), read("a", 3, 4), read("a", 5, 6)],
    "an unknown delete": [A, delete(2), read("a", 3, 4), read(None, 5, 6), B],
    "an unknown put explains a refused create": [put("u", 0), Operation("put-absent", 2, 3, "refused", "n"), read("u", 4, 5)],
    "an unseen unknown put explains a refused condition": [A, put("u", 2), Operation("put-match", 3, 4, "refused", "n", expected="a"), B.__class__("put", 5, 6, "done", "b"), read("b", 7, 8)],
    "conditions": [A, Operation("put-match", 2, 3, "done", "n", expected="a"), read("n", 4, 5), Operation("put-absent", 6, 7, "refused", "m")],
    "an unlink that found nothing": [delete(0, 1, kind="unlink", outcome="refused"), A.__class__("put", 2, 3, "done", "a")],
}
BAD = {
    "a lost acknowledged put": [A, B, read("a", 4, 5)],
    "a lost first put": [A, read(None, 2, 3)],
    "a resurrected delete": [A, delete(2, 3), read("a", 4, 5)],
    "a stale read after a newer one": [A, put("b", 2, 9), read("b", 3, 4), read("a", 5, 6)],
    "an unknown put taken back": [A, put("u", 2), read("u", 3, 4), read("a", 5, 6)],
    "an unknown put that happens twice": [A, put("u", 2), read("u", 3, 4), put("b", 5, 6), read("b", 7, 8), read("u", 9, 10)],
    "bytes that nobody wrote": [A, read("x", 2, 3)],
    "two exclusive creates": [Operation("put-absent", 0, 5, "done", "a"), Operation("put-absent", 1, 6, "done", "b")],
    "two swaps from one state": [A, Operation("put-match", 2, 6, "done", "m", expected="a"), Operation("put-match", 3, 7, "done", "n", expected="a")],
    "a create refused on nothing": [Operation("put-absent", 0, 1, "refused", "a")],
    "a listing without a key": [A, Operation("exists", 2, 3, "done", False)],
    "an unlink that found what was deleted": [A, delete(2, 3), delete(4, 5, kind="unlink")],
}
V = [put("a", 0, 1), put("b", 2, 3)]
GOOD_VERSIONS = {
    "a marker, then removal of a version": [*V, delete(4, 5), Operation("versions", 6, 7, "done", (None, "b", "a")), Operation("delete-version", 8, 9, "done", target="a"),
                                           Operation("versions", 10, 11, "done", (None, "b"))],
    "the older version comes back": [*V, Operation("delete-version", 4, 5, "done", target="b"), read("a", 6, 7)],
    "an unknown version below": [put("a", 0, 1), put("u", 2), put("b", 3, 4), Operation("versions", 5, 6, "done", ("b", "u", "a"))],
}
BAD_VERSIONS = {
    "a version that was removed is read": [*V, Operation("delete-version", 4, 5, "done", target="a"), Operation("read-version", 6, 7, "done", target="a")],
    "a version is missing": [*V, Operation("read-version", 6, 7, "refused", target="a")],
    "a version is missing in the listing": [*V, Operation("versions", 6, 7, "done", ("b",))],
    "versions in the wrong order": [*V, Operation("versions", 6, 7, "done", ("a", "b"))],
}


def expect(cases, versioned, good):
    wrong = []
    for name, operations in cases.items():
        found = KeyOrder(operations, versioned).check()
        if (found is None) != good:
            wrong.append(f"{name}: {found}")
    return wrong


def made_up(seed):
    """A history of a register as it should be, with calls and answers around the moments; some are not answered."""
    chance = random.Random(seed)
    state, at, out = None, 0.0, []
    for n in range(150):
        at += 1
        call, answer = at - chance.random() * 4, at + chance.random() * 4
        kind = chance.choice(["put", "read", "read", "delete", "put-absent", "put-match"])
        unknown = kind != "read" and chance.random() < 0.1
        happens = not unknown or chance.random() < 0.5
        expected = chance.choice([state or "other", "other"]) if kind == "put-match" else None
        holds = {"put-absent": state is None, "put-match": state == expected and state is not None}.get(kind, True)
        if kind == "read":
            out.append(read(state, call, answer))
            continue
        content = None if kind == "delete" else f"c{n}"
        out.append(put(content, call, answer, kind=kind, expected=expected, outcome="unknown" if unknown else "done" if holds else "refused"))
        if happens and holds:
            state = content
    return out


def spoiled(operations, seed):
    """The same with one read that tells of a content that was surely gone: replaced by an answered put that ended before the read."""
    chance = random.Random(seed)
    reads = [one for one in operations if one.kind == "read"]
    chance.shuffle(reads)
    for one in reads:
        over = [p for p in operations if p.kind == "put" and p.outcome == "done" and p.answer < one.call]
        old = [p for p in over if any(p.answer < q.call for q in over)]
        if old:
            return [Operation("read", r.call, r.answer, "done", old[0].content) if r is one else r for r in operations]
    return None


for which, cases, versioned, good in (("histories that can be pass", GOOD, False, True), ("what may never be is found", BAD, False, False),
                                      ("histories of versions that can be pass", GOOD_VERSIONS, True, True),
                                      ("what may never be of versions is found", BAD_VERSIONS, True, False)):
    failed = expect(cases, versioned, good)
    report.check(which, not failed, "\n".join(failed))
failed = [f"seed {seed}: {found}" for seed in range(60) if (found := KeyOrder(made_up(seed)).check())]
report.check("60 made-up histories pass", not failed, "\n".join(failed[:5]))
spoilt = [(seed, spoiled(made_up(seed), seed)) for seed in range(60)]
failed = [seed for seed, operations in spoilt if operations and not (KeyOrder(operations).check() or ("",))[0]]
report.check("the same with one stale read do not", not failed and sum(1 for _, each in spoilt if each) > 30, str(failed[:20]))
report.end()
