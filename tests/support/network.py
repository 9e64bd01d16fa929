"""Network namespaces joined by a bridge, one for each node and one for the test: as root only. Links are cut one way or both."""
import os
import subprocess
import sys


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Network:
    """`count` namespaces with the addresses 10.77.0.1 …; the test itself runs in the hub."""

    def __init__(self, count):
        self.prefix, self.count = f"fs{os.getpid()}", count
        self.hub = self.prefix + "h"

    def name(self, number):
        return f"{self.prefix}n{number}"

    @staticmethod
    def address(number):
        return f"10.77.0.{number + 1}"

    def make(self):
        ip("netns", "add", self.hub)
        ip("-n", self.hub, "link", "set", "lo", "up")
        ip("-n", self.hub, "link", "add", "br0", "type", "bridge")
        ip("-n", self.hub, "addr", "add", "10.77.0.254/24", "dev", "br0")
        ip("-n", self.hub, "link", "set", "br0", "up")
        for number in range(self.count):
            ip("netns", "add", self.name(number))
            ip("-n", self.hub, "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", self.name(number))
            ip("-n", self.hub, "link", "set", f"v{number}", "master", "br0", "up")
            ip("-n", self.name(number), "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            ip("-n", self.name(number), "link", "set", "eth0", "up")
            ip("-n", self.name(number), "link", "set", "lo", "up")
            # What is dropped by its source is looked up before what is delivered here.
            ip("-n", self.name(number), "rule", "add", "pref", "100", "lookup", "local")
            ip("-n", self.name(number), "rule", "del", "pref", "0")

    def remove(self):
        for name in [self.name(number) for number in range(self.count)] + [self.hub]:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def command(self, number):
        """What stands before a command that runs in a node's namespace; what it mounts is seen outside."""
        return ["nsenter", f"--net=/run/netns/{self.name(number)}"]

    def cut(self, source, target):
        """What `source` sends to `target` is dropped on arrival, silently; the other way stays."""
        ip("-n", self.name(target), "rule", "add", "pref", "10", "from", self.address(source), "iif", "eth0", "blackhole")

    def mend(self, source, target):
        ip("-n", self.name(target), "rule", "del", "pref", "10", "from", self.address(source), "iif", "eth0", "blackhole")

    def dropped(self, number):
        """Packets that a node's namespace has dropped on arrival so far."""
        done = subprocess.run(["ip", "netns", "exec", self.name(number), "cat", "/proc/net/snmp"], check=True, capture_output=True, text=True)
        names, values = (line.split()[1:] for line in done.stdout.splitlines() if line.startswith("Ip:"))
        counts = dict(zip(names, map(int, values)))
        return counts["InAddrErrors"] + counts["InDiscards"]


def run_in_hub(count):
    """Runs this test anew inside a network that it makes, and ends with its status. Inside it gives the network; without the right to
    make one it gives None."""
    inside = os.environ.get("FLASHSTOR_TEST_NETWORK")
    network = Network(count)
    if inside:
        network.prefix, network.hub = inside, inside + "h"
        return network
    if os.geteuid() != 0:
        return None
    try:
        network.make()
    except (OSError, subprocess.CalledProcessError) as problem:
        print(f"    no namespaces: {problem} {getattr(problem, 'stderr', b'')!r}")
        network.remove()
        return None
    try:
        status = subprocess.run(["ip", "netns", "exec", network.hub, sys.executable, *sys.argv],
                                env=dict(os.environ, FLASHSTOR_TEST_NETWORK=network.prefix), check=False).returncode
    finally:
        network.remove()
    sys.exit(status)
