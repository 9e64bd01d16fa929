#!/usr/bin/python3
"""Writes docs/s3-compatibility.md from the daemon's own table of operations; with --check says whether it is up to date."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = os.path.join(ROOT, "s3d", "ops", "operation_table.cc")
PAGE = os.path.join(ROOT, "docs", "s3-compatibility.md")


def operations():
    text = open(TABLE).read()
    text = text[text.index("kOperations[] = {"):]
    text = re.sub(r"//.*", "", text)
    for row in re.findall(r'\{("(?:[^{}])*?)\}', text, re.S):
        cells = re.findall(r'"([^"]*)"|\b(k\w+|nullptr|\w+)\b', row)
        yield [a or b for a, b in cells]


def page():
    rows = list(operations())
    built = sorted({row[0] for row in rows if row[-1] != "nullptr"})
    missing = sorted({row[0] for row in rows if row[-1] == "nullptr"} - set(built))
    head = os.path.join(ROOT, "docs", "s3-compatibility.head.md")
    lines = [open(head).read().rstrip()] if os.path.exists(head) else ["# S3 compatibility"]
    lines += ["", "<!-- From here on written by tests/support/compatibility.py out of s3d/ops/operation_table.cc. -->", "",
              f"## Built ({len(built)})", ""]
    lines += [f"- {name}" for name in built]
    lines += ["", f"## Answered `NotImplemented` (501) ({len(missing)})", ""]
    lines += [f"- {name}" for name in missing]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if open(PAGE).read() == page() else "docs/s3-compatibility.md is older than the table: run tests/support/compatibility.py")
    open(PAGE, "w").write(page())
