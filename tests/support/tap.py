"""The lines that the runner counts: `ok - name`, `not ok - name`, `skip - name: why`."""
import sys
import time
import traceback

import matrix


class Report:
    def __init__(self, prefix=""):
        self.prefix = prefix
        self.failed = 0
        self.matrix = None  # A matrix.Matrix that is told which tests passed, and when they ran.

    def ok(self, name):
        print(f"ok - {self.prefix}{name}", flush=True)

    def fail(self, name, why=""):
        self.failed += 1
        print(f"not ok - {self.prefix}{name}", flush=True)
        for line in str(why).splitlines():
            print(f"    {line}", flush=True)

    def skip(self, name, why):
        print(f"skip - {self.prefix}{name}: {why}", flush=True)

    def check(self, name, good, why=""):
        self.ok(name) if good else self.fail(name, why)
        return good

    def run(self, name, function, *arguments):
        """A test as a function: it passes when it returns."""
        start = time.time_ns() // 1000000
        try:
            function(*arguments)
        except Exception:
            self.fail(name, traceback.format_exc())
        else:
            self.ok(name)
            if self.matrix is not None:
                self.matrix.add(name, start, time.time_ns() // 1000000)
                matrix.next_ms()

    def end(self):
        sys.exit(1 if self.failed else 0)
