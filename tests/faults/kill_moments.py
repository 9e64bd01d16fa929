"""When to kill, and what a kill hit: read from the node's own log (level debug), which tells when each piece of work begins
and ends. A piece that began and did not end before the kill was hit."""
import json
import os
import re
import subprocess
import sys

# name -> (the line that begins it, the line that ends it), each with a group that says whose it is
WORK = {
    "segment change": (r"(\S+): segment \d+ begins", r"(\S+): segment \d+ is ready"),
    "checkpoint": (r"drive (\S+): checkpoint begins", r"drive (\S+): checkpoint ends"),
    "index flush": (r"drive (\S+): index flush begins", r"drive (\S+): index flush ends"),
}
REPLAYED = re.compile(r"drive \S+: replayed \d+ batches, (\d+) bytes of log")


class Moments:
    """Follows the log of one node over its kills."""

    def __init__(self, path):
        self.path, self.offset = path, 0
        self.usual = {name: 0.004 for name in WORK}  # seconds that such work has taken, the median of what was seen
        self.took = {name: [] for name in WORK}
        self.replayed = 0

    def start_over(self):
        """Before a start: what was running is gone with the kill."""
        self.running = {name: {} for name in WORK}

    def read(self):
        """Takes the new lines."""
        with open(self.path, "rb") as log:
            log.seek(self.offset)
            data = log.read()
        whole = data.rfind(b"\n") + 1
        self.offset += whole
        for line in data[:whole].decode(errors="replace").splitlines():
            try:
                record = json.loads(line)
                text, at = record["message"], float(record["time"][-7:-1])
            except (ValueError, KeyError, TypeError):
                continue
            for name, (begin, end) in WORK.items():
                if (found := re.search(begin, text)):
                    self.running[name][found[1]] = at
                elif (found := re.search(end, text)) and found[1] in self.running[name]:
                    self.took[name].append((at - self.running[name].pop(found[1])) % 60)
                    self.usual[name] = sorted(self.took[name])[len(self.took[name]) // 2]
            if (found := REPLAYED.search(text)):
                self.replayed = max(self.replayed, int(found[1]))

    def kill_within(self, name, process, moment, timeout):
        """Kills the process when such work has begun and `moment` of its usual time (0 to 1) has gone."""
        helper = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kill_when.py")
        subprocess.run([sys.executable, helper, self.path, str(process.pid), f"{moment * self.usual[name]:.4f}", str(timeout),
                        WORK[name][0]], check=True)

    def hit(self):
        """What had begun and not ended, after the kill."""
        self.read()
        return {name for name, running in self.running.items() if running}
