"""What a test knows of a name: the last answered outcome, what may have happened since, and what somebody has seen."""
import hashlib


def body_of(name, generation, size):
    """Bytes that say whose they are, so that a reader knows which write it sees; at least their own head."""
    head = f"{name} {generation} {size} ".encode()
    return (head + hashlib.sha256(head).digest() * (size // 32 + 1))[:max(size, len(head))]


def short(value):
    return "absent" if value is None else f"{len(value)} bytes {value[:40]!r}"


class History:
    """Outcomes of one name, written by one writer in order. A value is bytes, or None for absent. Generations only grow."""

    def __init__(self):
        self.sure = (0, None)   # the last answered
        self.open = []          # begun since, without an answer
        self.seen = 0           # the newest generation that a reader was shown

    @property
    def value(self):
        return self.sure[1]

    def begin(self, generation, value):
        self.open.append((generation, value))

    def answered(self):
        self.sure, self.open = self.open[-1], []

    def never_sent(self):
        self.open.pop()

    def saw(self, generation):
        """What was shown to anybody may not be taken back, answered to its writer or not."""
        self.seen = max(self.seen, generation)

    def allowed(self):
        all_of_them = [self.sure] + self.open
        return [value for generation, value in all_of_them if generation >= self.seen]

    def settle(self, value):
        """After a restart: gives what is wrong with `value` or None, and takes it as decided."""
        allowed = self.allowed()
        wrong = None if value in allowed else f"{short(value)}; allowed: {', '.join(short(each) for each in allowed[:4])}"
        generation = max((g for g, v in [self.sure] + self.open if v == value), default=self.sure[0])
        self.sure, self.open, self.seen = (generation, value), [], 0
        return wrong


def is_mixture(seen, old, new):
    """True when each byte of `seen` is of `old` or of `new` (absent counts as empty, a hole as zeros): what an unanswered
    fsync may have left of bytes that were written before it."""
    old, new = old or b"", new or b""
    if seen is None or not min(len(old), len(new)) <= len(seen) <= max(len(old), len(new)):
        return False
    for at in range(0, len(seen), 4096):
        part = seen[at:at + 4096]
        if part in (old[at:at + 4096], new[at:at + 4096]):
            continue
        for index, byte in enumerate(part, at):
            if byte not in (old[index] if index < len(old) else 0, new[index] if index < len(new) else 0):
                return False
    return True
