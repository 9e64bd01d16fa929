"""What clients did to one key and what they were told, and whether any order of it makes sense: each operation takes effect at one
moment between its call and its answer; one whose client never learned the outcome takes effect once after its call, or never.

The state of a key is a stack of what was put, the newest on top (one element without versioning). All states that are possible so far
are carried from answer to answer (Wing and Gong, 1993; Lowe, 2017), as in tests/sim/key_history.h."""

MOST = 20_000  # possibilities; beyond that nothing is said
WRITES = ("put", "put-absent", "put-match", "delete", "delete-version", "unlink")


class Operation:
    """`content` is what is put or what was read (None: nothing is there); `expected` the content that a condition names; `target` the
    content of the version that is meant. A read of a listing of versions has a tuple of contents, the newest first."""

    def __init__(self, kind, call, answer=None, outcome="unknown", content=None, expected=None, target=None, words="", final=False):
        self.kind, self.call, self.answer, self.outcome = kind, call, answer, outcome
        self.content, self.expected, self.target, self.words = content, expected, target, words
        self.final = final  # a read after everything was mended

    def __str__(self):
        what = f"{self.kind} {self.outcome} content={self.content}"
        for name in ("expected", "target"):
            if getattr(self, name) is not None:
                what += f" {name}={getattr(self, name)}"
        return f"{what} {self.words}"


class KeyOrder:
    def __init__(self, operations, versioned=False):
        self.versioned = versioned
        self.operations = [one for one in operations if one.kind in WRITES or one.outcome != "unknown"]
        self.leave_out()

    def leave_out(self):
        """Takes out unknown operations that surely explain nothing. With versions: whose version nobody saw, the listing at the end
        included. Without: puts that nobody saw, unless a condition or a name may have met them."""
        if self.versioned:
            if not any(one.kind == "versions" and one.final for one in self.operations):
                return
            listings = [one.content for one in self.operations if one.kind == "versions"]
            seen = {one.content for one in self.operations if one.kind == "read"}.union(*listings)
            markers = sum(1 for one in self.operations if one.kind == "delete" and one.outcome == "done")
            all_known = all(listing.count(None) <= markers for listing in listings[-1:])
            self.operations = [one for one in self.operations if one.outcome != "unknown" or one.kind == "delete-version" or
                               (not all_known if one.kind == "delete" else one.content in seen)]
            return
        if any(one.outcome == "refused" or one.kind in ("unlink", "exists") for one in self.operations):
            return
        seen = {one.content for one in self.operations if one.kind == "read"} | {one.expected for one in self.operations}
        self.operations = [one for one in self.operations if one.outcome != "unknown" or not one.kind.startswith("put") or one.content in seen]

    def top(self, state):
        return self.operations[state[-1]].content if state else None

    def changes_nothing(self, one):
        return one.kind not in WRITES or one.outcome == "refused"

    def apply(self, state, number):
        """The state after this operation, or None when it could not have been told what it was told."""
        one, top = self.operations[number], self.top(state)
        if one.kind == "read":
            return state if one.content == top else None
        if one.kind == "exists":
            return state if one.content == (top is not None) else None
        if one.kind == "versions":
            return state if one.content == tuple(self.operations[n].content for n in reversed(state)) else None
        if one.kind in ("read-version", "delete-version"):
            named = [n for n in state if self.operations[n].content == one.target and self.operations[n].content is not None]
            if one.kind == "read-version":
                return state if bool(named) == (one.outcome != "refused") else None
            return tuple(n for n in state if n not in named)
        return self.write(state, number, one, top)

    def write(self, state, number, one, top):
        holds = {"put": True, "delete": True, "put-absent": top is None, "put-match": top is not None and top == one.expected, "unlink": top is not None}[one.kind]
        if holds == (one.outcome == "refused"):
            return None
        if not holds or one.outcome == "refused":
            return state
        if one.kind in ("delete", "unlink") and not self.versioned:
            return ()
        return state + (number,) if self.versioned else (number,)

    def simplify(self, state, pending):
        """What changes nothing and fits here takes effect here: later it could only fit worse."""
        fitting = [n for n in pending if self.changes_nothing(self.operations[n]) and self.apply(state, n) is not None]
        return pending.difference(fitting) if fitting else pending

    def take_effect(self, start, number):
        """Possibilities in which `number` has just taken effect, after any of the others that may come before it; None: too many."""
        found, seen, todo = set(), set(), [(*start, False)]
        while todo:
            here = todo.pop()
            if here in seen:
                continue
            if len(seen) > MOST:
                return None
            seen.add(here)
            state, pending, idle = here
            for n in pending:
                one = self.operations[n]
                if idle and one.kind in ("put", "delete"):
                    continue  # it covers what nobody learned of and nothing needed: without that one the same, and more, is possible
                after = self.apply(state, n)
                if after is None:
                    continue
                rest = pending - {n}
                left = self.simplify(after, rest)
                if number not in left:
                    found.add((after, left))
                else:
                    todo.append((after, left, not self.versioned and one.outcome == "unknown" and left == rest))
        return found

    def without_worse(self, possibilities):
        """Of two that differ only in which unknown operations are still to come, the one that has more of them can do all that the other
        can."""
        groups = {}
        for state, pending in possibilities:
            unknown = frozenset(n for n in pending if self.operations[n].outcome == "unknown")
            groups.setdefault((state, pending - unknown), set()).add(unknown)
        return {(state, must | most) for (state, must), sets in groups.items() for most in sets if not any(most < other for other in sets)}

    def events(self):
        out = [(one.call, 0, n) for n, one in enumerate(self.operations)]
        out += [(one.answer, 1, n) for n, one in enumerate(self.operations) if one.outcome != "unknown"]
        return sorted(out)

    def check(self):
        """(operation, words) for the first answer that fits no order, or None; ("", why) when there was too much to follow."""
        now = {((), frozenset())}
        for _, what, number in self.events():
            following = set()
            for state, pending in now:
                if what == 0:
                    following.add((state, self.simplify(state, pending | {number})))
                elif number not in pending:
                    following.add((state, pending))
                else:
                    some = self.take_effect((state, pending), number)
                    if some is None:
                        return "", f"undetermined: more than {MOST} possibilities"
                    following |= some
            if not following:
                could = sorted({str(self.top(state)) for state, _ in now})
                return self.operations[number], f"{self.operations[number]} fits no order; the key could hold {', '.join(could[:6])}"
            now = self.without_worse(following)
            if len(now) > MOST:
                return "", f"undetermined: more than {MOST} possibilities"
        return None
