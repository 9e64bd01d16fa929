"""Where servers spend their CPU: perf beside a load, its dearest functions in words."""
import os
import re
import shutil
import signal
import subprocess
import sys

SHOWN = 5
WIDTH = 70  # of a function's name; templates have longer ones


class Dearest:
    """Records the processes `pids` from its making until `words` is asked for, in `folder`. Needs perf (Debian: linux-perf)."""

    def __init__(self, folder, name, pids):
        if not shutil.which("perf"):
            sys.exit("--dearest needs perf (Debian: linux-perf)")
        self.path = os.path.join(folder, f"{name}.perf")
        self.perf = subprocess.Popen(["perf", "record", "-q", "-F", "499", "-p", ",".join(map(str, pids)), "-o", self.path],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def words(self):
        """The kernel's share and its dearest functions, then the five of the program with the most samples of their own."""
        self.perf.send_signal(signal.SIGINT)
        self.perf.wait()
        run = subprocess.run(["perf", "report", "-i", self.path, "--stdio", "--no-children", "-F", "overhead,symbol", "-w", f"8,{WIDTH}"],
                             capture_output=True, text=True, check=False)
        os.remove(self.path)
        found = re.findall(r"^\s*([\d.]+)%\s+\[(.)\] (.*\S)", run.stdout, re.M)
        if not found:
            sys.exit(f"perf saw nothing: {run.stderr[-300:]}")
        kernel, program = ([(float(share), name) for share, where, name in found if (where == "k") == inside] for inside in (True, False))
        listed = lambda functions: ", ".join(f"{name} {share:.1f}" for share, name in functions[:SHOWN])  # noqa: E731
        return f"{listed(program)}; kernel {sum(share for share, _ in kernel):.0f} ({listed(kernel)})"
