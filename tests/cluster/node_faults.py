"""The faults of the fault matrix: each strikes a store of several nodes under load, says how it knows that it has bitten, and is mended."""
import os
import shutil
import signal
import subprocess
import time

from cluster_store import await_true


class Fault:
    """`victims`: members through which nothing is promised while it lasts. `hold` and `hold_full`: seconds that it lasts at least. `drive`:
    one of the victim's; the one that leads, where the victim is the node that does.

    `bound`: for so long, in seconds, no key may be without writes at the others. What is promised for a death is an election (a time-out of
    1 to 2 s, and what the new leader has to settle); a cut link costs the same, and so does a drive of the leader's that fails, while any
    other drive costs no more than the second after which a write is answered without it."""

    name, hold, hold_full, takes_network = "", 2.0, 10.0, False
    at_leader = False  # its victim is the node that leads
    bound = 3.0

    def __init__(self, nodes, faults, network, victim, drive):
        self.nodes, self.faults, self.network, self.victim, self.drive = nodes, faults, network, victim, drive

    @property
    def victims(self):
        return [self.victim]

    def wait(self, seconds):
        """While it lasts."""
        time.sleep(seconds)

    def allowed(self):
        """The bound of this fault, once it is mended."""
        return self.bound

    def restart(self, member):
        member.start()
        self.nodes.await_ready(90, [member])


class Killed(Fault):
    name, at_leader = "SIGKILL", True

    def strike(self):
        process = self.victim.process
        self.victim.kill()
        self.status = process.returncode

    def bitten(self):
        return self.status == -signal.SIGKILL, f"ended with {self.status}"

    def mend(self):
        self.restart(self.victim)


class Stopped(Fault):
    name, at_leader, hold, hold_full = "SIGSTOP", True, 6.0, 90.0

    def strike(self):
        self.victim.signal(signal.SIGSTOP)

    def bitten(self):
        with open(f"/proc/{self.victim.process.pid}/stat", encoding="ascii") as file:
            state = file.read().rpartition(")")[2].split()[0]
        return state == "T", f"state {state}"

    def mend(self):
        self.victim.signal(signal.SIGCONT)


class Links(Fault):
    """Links between nodes; clients reach every node all the while."""

    takes_network, at_leader, ways = True, True, ()

    def strike(self):
        self.before = self.dropped()
        self.cut = False
        self.turn()

    def dropped(self):
        """Packets that were dropped on their way from the victim, and on their way to it."""
        counts = [self.network.dropped(member.number) for member in self.nodes.members]
        heard = counts.pop(self.victim.number)
        return {"sends": sum(counts), "hears": heard}

    def turn(self):
        for other in self.nodes.members:
            if other is not self.victim:
                for source, target in ((self.victim, other), (other, self.victim)):
                    if ("sends" if source is self.victim else "hears") in self.ways:
                        (self.network.mend if self.cut else self.network.cut)(source.number, target.number)
        self.cut = not self.cut

    def bitten(self):
        now = self.dropped()
        dropped = [now[way] - self.before[way] for way in self.ways]
        return all(dropped), f"{' and '.join(map(str, dropped))} packets dropped"

    def mend(self):
        if self.cut:
            self.turn()


class CutBothWays(Links):
    name, ways, hold = "links cut both ways", ("sends", "hears"), 4.0


class CannotSend(Links):
    name, ways, hold = "links cut: it cannot send", ("sends",), 4.0


class CannotHear(Links):
    name, ways, hold = "links cut: it cannot hear", ("hears",), 4.0


class Flapping(Links):
    name, ways, hold = "links flapping", ("sends", "hears"), 5.0

    def wait(self, seconds):
        end, period = time.monotonic() + seconds, 0.2
        while time.monotonic() < end:
            time.sleep(period)
            self.turn()
            period = period * 1.5 if period < 1.5 else 0.2


class DriveFault(Fault):
    """One drive of the victim, by the fault layer; its node goes on."""

    what = ""

    @property
    def victims(self):
        return []

    def strike(self):
        self.before = self.faults.count()
        self.faults.set({self.drive: self.what})

    def bitten(self):
        count = self.faults.count() - self.before
        return count > 0, f"{count} calls met it"

    def mend(self):
        self.faults.clear()


class DriveError(DriveFault):
    name, what = "a drive answers EIO", "eio"


class DriveHangs(DriveFault):
    name, what, hold = "a drive hangs", "hang", 4.0


class LeadersDriveHangs(DriveHangs):
    name, at_leader = "the leader's drive hangs", True


class DriveFull(DriveFault):
    name, what = "a drive is full", "full"


class DriveReadOnly(DriveFault):
    name, what = "a drive is read-only", "read-only"


class DriveGone(DriveFault):
    """Its node has to notice by itself."""

    def wait(self, seconds):
        await_true("the node misses its drive", 30, lambda: self.bitten()[0])
        time.sleep(seconds)


class DrivePulled(DriveGone):
    """Its directory is gone; what is open in it goes on for a while, as with a lazy unmount."""

    name = "a drive is pulled"

    def strike(self):
        self.moved = self.drive + ".away"
        os.rename(self.drive, self.moved)

    def bitten(self):
        seen = "not there" in self.victim.tail(200)
        return seen, "its node says that it is not there" if seen else "its node has not noticed"

    def mend(self):
        os.rename(self.moved, self.drive)


class Unmounted(DriveGone):
    """A file system of its own is unmounted under it; below lies a file that says so, as an operator leaves it there."""

    name, takes_network = "a drive is unmounted", True

    @property
    def victims(self):
        return [self.victim]  # it is stopped and started for it

    def strike(self):
        self.store, below = self.drive + ".store", self.drive
        self.victim.stop()
        os.rename(below, self.store)
        os.mkdir(below)
        with open(os.path.join(below, "NOT-MOUNTED"), "w", encoding="ascii"):
            pass
        subprocess.run(["mount", "--bind", self.store, below], check=True)
        self.restart(self.victim)
        subprocess.run(["umount", "-l", below], check=True)

    def bitten(self):
        seen = "NOT-MOUNTED" in self.victim.tail(200)
        return seen, "its node names what lies there instead" if seen else "its node has not noticed"

    def mend(self):
        self.victim.stop()
        shutil.rmtree(self.drive)
        os.rename(self.store, self.drive)
        self.restart(self.victim)


class ReplacedEmpty(Fault):
    name = "a node replaced empty"

    def strike(self):
        self.victim.kill()
        for drive in self.nodes.drives_of(self.victim.number):
            shutil.rmtree(drive)

    def bitten(self):
        left = [drive for drive in self.nodes.drives_of(self.victim.number) if os.path.exists(drive)]
        return not left, f"{self.nodes.drives} drives are gone"

    def mend(self):
        self.restart(self.victim)


class AllKilled(Fault):
    name, hold, hold_full = "all nodes SIGKILL at once", 0.2, 1.0

    @property
    def victims(self):
        return self.nodes.members

    def strike(self):
        self.struck = time.monotonic()
        processes = [member.process for member in self.nodes.members]
        for process in processes:
            process.kill()
        for member in self.nodes.members:
            member.kill()
        self.statuses = [process.returncode for process in processes]

    def bitten(self):
        return set(self.statuses) == {-signal.SIGKILL}, f"ended with {self.statuses}"

    def mend(self):
        for member in self.nodes.members:
            member.start()
        self.nodes.await_ready(90)
        self.down = time.monotonic() - self.struck

    def allowed(self):
        return self.bound + self.down


ALL = [Killed, CannotSend, DriveError, Flapping, AllKilled, Stopped, CutBothWays, DriveHangs, LeadersDriveHangs, ReplacedEmpty, CannotHear, DrivePulled, Unmounted,
       DriveFull, DriveReadOnly]
SHORT = {"3 nodes": [Killed, CannotSend, LeadersDriveHangs, AllKilled], "4 nodes": [Stopped, Flapping, CutBothWays, DriveHangs, ReplacedEmpty],
         "two sets": [Killed, CutBothWays]}
TWO_SETS = [Killed, CutBothWays, Flapping, Stopped, LeadersDriveHangs, ReplacedEmpty, AllKilled]


def chosen(shape, full, words, day):
    """The faults that a shape is tried with. The short form takes one of the others each day."""
    kinds = TWO_SETS if shape == "two sets" else ALL
    if words:
        return [kind for kind in kinds if any(word in kind.name for word in words)]
    if full:
        return kinds
    others = [kind for kind in kinds if kind not in SHORT[shape]]
    return SHORT[shape] + [others[day % len(others)]]
