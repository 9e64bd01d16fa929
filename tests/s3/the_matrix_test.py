#!/usr/bin/python3
"""docs/s3-compatibility.md is what the operation table and the clients' tests that ran before this one make of it. Runs last: its name is behind theirs."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import compatibility
import tap

report = tap.Report("compatibility: ")


def a_wrong_page_is_seen():
    """The check is no check unless it fails on a page that lies."""
    kept, compatibility.PAGE = compatibility.PAGE, os.path.join(compatibility.ROOT, "build", "clients", "a wrong page.md")
    os.makedirs(os.path.dirname(compatibility.PAGE), exist_ok=True)
    try:
        text = open(kept).read()
        for wrong in (text.replace("- SelectObjectContent\n", ""), text.replace("| PutObject |", "| PutObjects |"), text + "\n"):
            with open(compatibility.PAGE, "w") as out:
                out.write(wrong)
            if compatibility.check() is None:
                raise AssertionError("a page that was changed by hand was taken for the written one")
    finally:
        if os.path.exists(compatibility.PAGE):
            os.remove(compatibility.PAGE)
        compatibility.PAGE = kept


wrong = compatibility.check()
report.check("docs/s3-compatibility.md is up to date", wrong is None, wrong)
report.run("a wrong page is seen", a_wrong_page_is_seen)
report.end()
