#!/usr/bin/python3
# build: release
"""The programs that ship are hardened: read from the binaries themselves."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from node import program  # noqa: E402
from tap import Report  # noqa: E402

PROGRAMS = ["flashstor-s3d", "flashstor-fusefs", "flashctl"]
ENDBR64 = b"\xf3\x0f\x1e\xfa"


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
                          env=dict(os.environ, LC_ALL="C")).stdout


def text_section(binary):
    """The bytes of .text."""
    found = re.search(r"\s\.text\s+PROGBITS\s+\S+\s+([0-9a-f]+)\s+([0-9a-f]+)", readelf("-S", binary))
    with open(binary, "rb") as file:
        file.seek(int(found[1], 16))
        return file.read(int(found[2], 16))


def look_at(report, name):
    binary = program(name)
    header, segments, dynamic = readelf("-h", binary), readelf("-l", binary), readelf("-d", binary)
    symbols = set(re.findall(r"\b(\w+)(?:@\S+)?(?: \(\d+\))?$", readelf("--dyn-syms", binary), re.M))
    report.check(f"{name} is position-independent", "DYN (" in header and re.search(r"FLAGS_1.*\bPIE\b", dynamic), header)
    report.check(f"{name} has full RELRO", "GNU_RELRO" in segments and re.search(r"\(FLAGS(_1)?\).*\b(BIND_NOW|NOW)\b", dynamic), dynamic)
    stack = re.search(r"GNU_STACK(?:\s+0x\S+){5}\s+(\w+)", segments)
    report.check(f"{name} has a stack that cannot be executed", stack and "E" not in stack[1], segments)
    both = [line for line in segments.splitlines() if re.match(r"\s+LOAD\b.*\bRWE\b", line)]
    report.check(f"{name} has no segment that can be written and executed", not both, both)
    report.check(f"{name} looks for no library in a path of its own", "RPATH" not in dynamic and "RUNPATH" not in dynamic, dynamic)
    report.check(f"{name} guards its stack", "__stack_chk_fail" in symbols, "no __stack_chk_fail")
    checked = sorted(symbol for symbol in symbols if symbol.endswith("_chk"))
    report.check(f"{name} calls checked library functions", checked, "no _chk symbol: _FORTIFY_SOURCE is off")
    # Shadow stacks are announced; branch tracking cannot be, as Debian's crti.o lacks the landing pad: so it is counted.
    report.check(f"{name} announces shadow stacks", re.search(r"x86 feature:.*SHSTK", readelf("-n", binary)), readelf("-n", binary))
    landing = text_section(binary).count(ENDBR64)
    functions = len(re.findall(r"\sFUNC\s", readelf("-s", binary)))
    print(f"    {name}: {landing} landing pads in {functions} functions; checked: {' '.join(checked)}")
    report.check(f"{name} has landing pads for indirect branches", landing > 100 and landing > functions // 4,
                 f"{landing} landing pads, {functions} functions")


report = Report("hardening: ")
for each in PROGRAMS:
    look_at(report, each)
report.end()
