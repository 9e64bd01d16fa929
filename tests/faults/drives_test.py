#!/usr/bin/python3
"""Real drives that go wrong: removed, emptied, replaced, swapped, foreign, full, read-only, rotten, failing and hanging. Each time the
node goes on within its parity, names the drive, heals it afterwards, formats nothing over, and gives every byte back."""
import hashlib
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from node import Node  # noqa: E402
from signed import Client  # noqa: E402
from tap import Report  # noqa: E402
from drives_store import FULL, SIZES, Store, body_of  # noqa: E402


def removed(store):
    path = store.node.drives[1]
    os.rename(path, path + ".away")
    store.wait_out(2, "not there")
    store.put()
    store.check()
    os.rename(path + ".away", path)
    store.wait_whole()
    store.check_from(2, 3)


def emptied(store):
    path = store.node.drives[2]
    uuid = store.drive(3)["uuid"]
    gone = path + ".gone"  # in one step each: the node may be making files
    os.mkdir(gone)
    for name in os.listdir(path):
        os.rename(os.path.join(path, name), os.path.join(gone, name))
    shutil.rmtree(gone, ignore_errors=True)
    store.wait("the drive is filled anew", lambda: store.drive(3)["state"] == "online" and store.drive(3)["uuid"] != uuid)
    store.put()
    store.wait_whole()
    store.check_from(3, 4, always=True)


def replaced(store):
    path = store.node.drives[3]
    uuid = store.drive(4)["uuid"]
    os.rename(path, path + ".old")
    os.mkdir(path)
    store.wait("the drive is filled", lambda: store.drive(4)["state"] == "online" and store.drive(4)["uuid"] != uuid)
    store.put()
    store.wait_whole()
    store.check_from(4, 1)
    # The one that was replaced may not come back in its place, nor is it touched.
    store.pull(4)
    before = tree(path + ".old")
    os.rename(path, path + ".new")
    os.rename(path + ".old", path)
    store.faults.clear()
    store.wait_out(4, "does not know")
    unchanged(path, before)
    os.rename(path, path + ".old")
    os.rename(path + ".new", path)
    store.wait_whole()
    shutil.rmtree(path + ".old")


def tree(path):
    """Names, sizes and times of all files: whether anything was written there."""
    out = []
    for folder, _, names in os.walk(path):
        for name in names:
            info = os.lstat(os.path.join(folder, name))
            out.append((os.path.relpath(os.path.join(folder, name), path), info.st_size, info.st_mtime_ns))
    return sorted(out)


def unchanged(path, before):
    after = tree(path)
    assert after == before, f"what does not belong there was written to: {sorted(set(after) ^ set(before))}"


def swapped(store):
    store.node.stop()
    one, other = store.node.drives[0], store.node.drives[1]
    os.rename(one, one + ".x")
    os.rename(other, one)
    os.rename(one + ".x", other)
    before = tree(one), tree(other)
    store.start()
    store.wait_out(1, "swapped")
    store.wait_out(2, "swapped")
    store.check()  # two of four still hold everything
    assert store.call("PUT", "/data/no", b"x")[0] == 503
    store.node.stop()
    unchanged(one, before[0])
    unchanged(other, before[1])
    os.rename(one, one + ".x")
    os.rename(other, one)
    os.rename(one + ".x", other)
    store.start()
    store.wait_whole()
    store.check()


def foreign(store):
    with tempfile.TemporaryDirectory(dir=store.node.data) as other_place:
        with Node(4, data=other_place) as other:
            Client(other).request("PUT", "/elsewhere")
            stranger = other.drives[1]
            other.stop()
            path = store.node.drives[1]
            store.pull(2)
            os.rename(path, path + ".away")
            os.rename(stranger, path)
            before = tree(path)
            store.faults.clear()
            store.wait_out(2, "deployment")
            store.put()
            store.check()
            unchanged(path, before)
            os.rename(path, stranger)
            # Made and taken away beside it: an empty directory in the drive's place would become a new drive.
            pictures = path + ".pictures"
            os.mkdir(pictures)
            with open(os.path.join(pictures, "holiday.jpg"), "w") as picture:
                picture.write("x")
            os.rename(pictures, path)
            store.wait_out(2, "holiday.jpg")
            assert os.listdir(path) == ["holiday.jpg"], "a directory with files of others was written to"
            os.rename(path, pictures)
            os.rename(path + ".away", path)
            shutil.rmtree(pictures)
    store.wait_whole()
    store.check()


def faulty(what, word):
    def test(store):
        number = {"eio": 2, "eio-write": 3, "full": 4, "read-only": 1}[what]
        store.faults.set({store.node.drives[number - 1]: what})
        store.put(unsure=True)
        store.wait_out(number, word)
        store.put()
        store.check()
        store.faults.clear()
        store.wait_whole()
        store.check_from(number, number % 4 + 1)
    return test


def all_full(store):
    store.faults.set({path: "full" for path in store.node.drives})
    store.wait("full", lambda: all(d["state"] in ("full", "failed") for d in store.admin("info")["nodes"][0]["drives"]))
    status, answer, _ = store.call("PUT", "/data/too-much", body_of("x", 300_000))
    assert status in (503, 507), f"{status} {answer}"
    store.check()
    store.faults.clear()
    store.wait_whole(scan=False)
    store.put()
    store.check()


def hanging(store):
    path = store.node.drives[0]
    store.faults.set({path: "hang"})
    begun = time.monotonic()
    for size in (4096, 300_000, 12_000_000):
        status, answer, _ = store.call("PUT", f"/data/hang{size}", body_of(f"hang{size}", size))
        assert status in (200, 503), f"{status} {answer}"
    assert time.monotonic() - begun < 60, "requests waited for a drive that hangs"
    store.wait_out(1, "answer")
    for size in (4096, 300_000, 12_000_000):  # a 503 says that nobody knows: the next try settles it
        assert store.call("PUT", f"/data/hang{size}", body_of(f"hang{size}", size))[0] == 200
        store.objects[f"hang{size}"] = hashlib.md5(body_of(f"hang{size}", size)).hexdigest()
    begun = time.monotonic()
    store.put()
    store.check()
    assert time.monotonic() - begun < 30, "requests still wait for a drive that hangs"
    store.faults.clear()
    store.wait_whole()
    store.check_from(1, 2)


def hanging_at_a_stop(store):
    """The first drive, which a start may not lean on more than on the others."""
    store.faults.set({store.node.drives[0]: "hang"})
    begun = time.monotonic()
    status = store.node.stop(timeout=120)
    assert status == 0, f"it ended with {status}: {store.node.tail()}"
    assert time.monotonic() - begun < 100
    store.start()  # the drive still hangs: the start does without it
    store.wait_out(1, "answer")
    store.put()
    store.check()
    store.faults.clear()
    store.wait_whole()
    store.check()


def too_few(store):
    """The leader's drive is the last that stands, and then one of the three that are lost."""
    lose_three(store, leader_stands=True)
    lose_three(store, leader_stands=False)


def lose_three(store, leader_stands):
    leader = store.admin("info")["sets"][0]["leader_path"]
    others = [path for path in store.node.drives if path != leader]
    assert store.call("PUT", "/data/wide", body_of("wide", 3_000_000))[0] == 200
    store.objects["wide"] = hashlib.md5(body_of("wide", 3_000_000)).hexdigest()
    one, two, three = others if leader_stands else [leader, *others[:2]]
    store.faults.set({one: "eio", two: "eio"})
    store.wait("no writes", lambda: not store.admin("info")["sets"][0]["can_write"])
    status, answer, _ = store.call("PUT", "/data/refused", b"x")
    assert status == 503, f"{status} {answer}"
    try:
        status, answer, _ = store.call("PUT", "/data/refused", body_of("refused", 12_000_000))
        assert status == 503, f"{status} {answer}"
    except (BrokenPipeError, ConnectionResetError):
        pass  # answered and closed before the body was sent: this client does not look
    assert store.call("DELETE", f"/data/{next(iter(store.objects))}")[0] == 503
    store.check()
    if store.mount:
        path = os.path.join(store.mount, "refused")
        try:
            with open(path, "wb") as file:
                file.write(b"x")
                os.fsync(file.fileno())
        except OSError as error:
            assert error.errno == 30, f"{error} is not EROFS"
        else:
            raise AssertionError("the mount took a write")
        key = next(key for key, digest in store.objects.items() if digest != hashlib.md5(b"").hexdigest())
        with open(os.path.join(store.mount, key), "rb") as file:
            assert hashlib.md5(file.read()).hexdigest() == store.objects[key]
    store.faults.set({one: "eio", two: "eio", three: "eio"})
    store.wait("no reads", lambda: not store.admin("info")["sets"][0]["can_read"])
    # A small one may come from the memory of drives that are lost.
    status, answer, _ = store.call("GET", "/data/wide")
    assert status == 503 and b"<Code>" in answer, f"{status} {answer}"
    store.faults.clear()
    store.wait_whole(scan=False)
    store.put()
    store.check()


def flip(path, at=None):
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        where = size // 2 if at is None else at
        file.seek(where)
        byte = file.read(1)
        file.seek(where)
        file.write(bytes([byte[0] ^ 0x10]))


def files_of(path, kind):
    """Files of a drive that may hold shards: of large objects, or its log."""
    files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    return sorted(name for name in files if (name.endswith(".seg") if kind == "log" else "/shards/" in name))


def first_shard(store, kind):
    """A file of drive 2 and a place in it where the bytes of an object lie, which is to stay. Which drive has an object's first shard is
    left to chance, so objects are put until one has it here; of older ones there may be a second copy that nobody reads any more."""
    older = set(store.objects)
    for _ in range(40):
        store.put()
        for path in files_of(store.node.drives[1], kind):
            with open(path, "rb") as file:
                text = file.read()
            for key in store.objects.keys() - older:
                at = text.find(key.encode() + hashlib.sha256(key.encode()).digest())
                if at >= 0:
                    store.damaged = key
                    return path, at + 40
    raise AssertionError("no object of the test has its first shard on this drive")


def rotten(kind):
    """One bit of a file of this kind flips while the node is stopped."""
    def test(store):
        uuid = store.drive(2)["uuid"]
        store.put()
        victim = first_shard(store, kind) if kind in ("shard", "footer", "log") else None
        store.node.stop()
        path = store.node.drives[1]
        files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
        if kind == "footer":
            flip(victim[0], os.path.getsize(victim[0]) - 100)
        elif kind in ("shard", "log"):
            flip(*victim)
        elif kind == "segment header":
            flip(sorted(f for f in files if f.endswith(".seg"))[-1], 20)
        elif kind == "SST":
            for victim in (f for f in files if f.endswith(".sst")):
                flip(victim, 10)
        elif kind == "MANIFEST":
            flip(next(f for f in files if "/MANIFEST" in f), 40)
        elif kind == "CURRENT":
            flip(next(f for f in files if f.endswith("/CURRENT")), 3)
        elif kind == "format":
            flip(os.path.join(path, ".flashstor", "format.json"))
        store.start()
        store.put()
        store.check()
        if kind == "format":
            store.wait_out(2, "damaged")
            flip(os.path.join(path, ".flashstor", "format.json"))  # as an operator would: the file is repaired
        store.wait_whole()
        if kind in ("shard", "footer", "log"):
            assert store.admin("heal")["healed"] > 0, "nobody found it"
        elif kind != "format":
            assert store.drive(2)["uuid"] != uuid, "the drive is still taken for sound"
        store.check()
        store.check_from(2, 3)
    return test


ROT = ("shard", "footer", "log", "segment header", "SST", "MANIFEST", "CURRENT", "format")
# Name, what it does, and whether it is in the default run, which is to stay within three minutes.
CASES = [
    ("a drive that is removed is done without, and catches up when it is back", removed, True),
    ("a drive that is emptied becomes a new member and is filled", emptied, True),
    ("a replaced drive is filled under load; the old one may not come back", replaced, True),
    ("two drives swapped with one another are named and left alone; reads go on", swapped, True),
    ("a drive of another deployment, and a directory with files, are left alone", foreign, True),
    ("a drive that answers EIO is taken out and taken back", faulty("eio", "error"), False),
    ("a drive that cannot be written to is taken out and taken back", faulty("eio-write", "error"), True),
    ("a full drive is done without", faulty("full", ""), True),
    ("a drive that becomes read-only is done without", faulty("read-only", "read-only"), False),
    ("full drives refuse writes, answer reads and recover", all_full, False),
    ("a drive that hangs is waited for to a deadline only", hanging, True),
    ("a drive that hangs holds up neither a stop nor a start", hanging_at_a_stop, True),
    ("too few drives to write or to read: clear errors, and it recovers by itself", too_few, True),
] + [(f"a flipped bit in a drive's {kind} is found and healed", rotten(kind), kind in ("log", "SST")) for kind in ROT]


def main():
    report = Report("drives: ")
    only = [a for a in sys.argv[1:] if not a.startswith("--")]
    directory = tempfile.mkdtemp(prefix="flashstor-drives-", dir=os.environ.get("FLASHSTOR_TEST_DIR"))
    mount = os.path.join(directory, "mount") if os.path.exists("/dev/fuse") else None
    store = Store(directory, mount)
    try:
        store.start()
        store.put(3 * len(SIZES))
        for name, case, default in CASES:
            if not any(word in name for word in only) if only else not (FULL or default):
                continue
            begun = time.monotonic()
            before = report.failed
            report.run(name, case, store)
            print(f"    {time.monotonic() - begun:.1f} s", flush=True)
            if report.failed > before:
                print(store.node.tail(40), flush=True)
                break  # what comes after would only repeat it
    finally:
        store.node.kill()
        shutil.rmtree(directory, ignore_errors=True)
    report.end()


if __name__ == "__main__":
    main()
