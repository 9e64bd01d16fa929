#!/usr/bin/python3
"""docs/s3-compatibility.md: the operations out of the daemon's own table, and which test of which client used each.

compatibility.py            writes the page; columns of clients whose tests ran (build/clients/*.json) are made anew, the others stay
compatibility.py --check    says whether the page is what would be written. A column is compared when its client ran here in the same version
"""
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = os.path.join(ROOT, "s3d", "ops", "operation_table.cc")
HEAD = os.path.join(ROOT, "docs", "s3-compatibility.head.md")
PAGE = os.path.join(ROOT, "docs", "s3-compatibility.md")
RESULTS = os.path.join(ROOT, "build", "clients")


def operations():
    """(built, not built): names of the rows of the table."""
    text = open(TABLE).read()
    text = re.sub(r"//.*", "", text[text.index("kOperations[] = {"):])
    rows = []
    for row in re.findall(r'\{("(?:[^{}])*?)\}', text, re.S):
        cells = [a or b for a, b in re.findall(r'"([^"]*)"|\b(\w+)\b', row)]
        rows.append((cells[0], cells[-1] != "nullptr"))
    built = sorted({name for name, has_handler in rows if has_handler})
    return built, sorted({name for name, _ in rows} - set(built))


def committed_columns(page):
    """Client -> (version, {operation: test}) of the page as it is."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    start = next((i for i, line in enumerate(lines) if line.startswith("| operation |")), None)
    if start is None:
        return {}
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:]]
    columns = {}
    for number, title in enumerate(cells[0][1:], 1):
        client, _, version = title.partition(" ")
        columns[client] = (version, {row[0]: row[number].strip("`") for row in cells[1:] if len(row) == len(cells[0]) and row[number]})
    return columns


def columns_of_results():
    """The same out of the results of the tests that ran."""
    columns = {}
    for name in sorted(os.listdir(RESULTS)) if os.path.isdir(RESULTS) else []:
        if name.endswith(".json"):
            result = json.load(open(os.path.join(RESULTS, name)))
            columns[result["client"]] = (result["version"], result["operations"])
    return columns


def matrix(columns, built):
    clients = sorted(columns)
    lines = ["| operation | " + " | ".join(f"{client} {columns[client][0]}" for client in clients) + " |", "|---" * (len(clients) + 1) + "|"]
    for operation in built:
        cells = [columns[client][1].get(operation, "") for client in clients]
        lines.append(f"| {operation} | " + " | ".join(f"`{cell}`" if cell else "" for cell in cells) + " |")
    return lines


def page(columns):
    built, missing = operations()
    lines = [open(HEAD).read().rstrip(), "", "<!-- From here on written by tests/support/compatibility.py: change that, or docs/s3-compatibility.head.md. -->", "",
             f"## Built ({len(built)}), and the test of each client that used it and compared bytes",
             "The node's own access log of the tests in `tests/s3` says which operations it answered in which test; named is the first.", ""]
    lines += matrix(columns, built) if columns else [f"- {name}" for name in built]
    lines += ["", f"## Answered `NotImplemented` (501) ({len(missing)})", ""] + [f"- {name}" for name in missing]
    return "\n".join(lines) + "\n"


def check():
    """What is wrong with the page, or nothing."""
    text = open(PAGE).read()
    committed = committed_columns(text)
    if text != page(committed):
        return "docs/s3-compatibility.md is not what tests/support/compatibility.py writes: run it"
    for client, (version, used) in columns_of_results().items():
        if client not in committed:
            return f"docs/s3-compatibility.md has no column of {client}: run tests/support/compatibility.py"
        known_version, known = committed[client]
        if version == known_version and used != known:
            differ = sorted(name for name in used.keys() | known.keys() if used.get(name) != known.get(name))
            return f"{client} used other operations than docs/s3-compatibility.md says ({', '.join(differ)}): run tests/support/compatibility.py"
    return None


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(check())
    merged = committed_columns(open(PAGE).read()) | columns_of_results()
    open(PAGE, "w").write(page(merged))
