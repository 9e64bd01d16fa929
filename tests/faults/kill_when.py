#!/usr/bin/python3
"""kill_when.py LOG PID SECONDS TIMEOUT PATTERN: kills a process so many seconds after a line that matches has come into its log,
or when the time is over. A process of its own: the threads that make the load would wake it too late."""
import os
import re
import signal
import sys
import time


def main():
    log, pid, delay, timeout, pattern = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), re.compile(sys.argv[5].encode())
    end = time.monotonic() + timeout
    with open(log, "rb") as file:
        file.seek(0, os.SEEK_END)
        text = b""
        while time.monotonic() < end:
            text = text[-200:] + file.read()
            if pattern.search(text):
                time.sleep(delay)
                break
            time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)


main()
