"""System calls that programs lean on, each tested in a fresh folder of a mount (used by programs_test.py)."""
import ctypes
import errno
import fcntl
import itertools
import mmap
import os
import select
import signal
import stat
import subprocess
import sys
import threading
import time

MIB = 1 << 20


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def refused(number, function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        assert error.errno == number, f"{error}, wanted {errno.errorcode[number]}"
        return
    raise AssertionError(f"no error, wanted {errno.errorcode[number]}")


def atomic_saves(top):
    """60 saves by writing a new file and renaming it over, as editors do; a reader sees one save or the next, always."""
    name, wrong, seen, done = f"{top}/text", [], set(), threading.Event()

    def save(n):
        put(f"{top}/text.new", f"{n:04d}\n".encode() * (1000 + n * 37))
        os.rename(f"{top}/text.new", name)

    def read():
        while not done.is_set():
            try:
                data = get(name)
                n = int(data[:4])
                seen.add(n)
                if data != f"{n:04d}\n".encode() * (1000 + n * 37):
                    wrong.append(f"torn: {len(data)} bytes in save {n}")
            except (OSError, ValueError) as error:
                wrong.append(repr(error))

    save(0)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for n in range(1, 61):
            save(n)
    finally:
        done.set()
        reader.join()
    assert not wrong, wrong[:5]
    assert len(seen) > 1, "the reader never ran beside the writer"


# Opens the file named by the arguments until standard input ends; each open finds one whole save.
READER = """
import os, select, sys
count = 0
while not select.select([0], [], [], 0)[0]:
    with open(sys.argv[1], "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read()
    n = int(data[:6])
    assert data == b"%06d" % n * (1 + n % 500) and len(data) == size, (n, len(data), size)
    count += 1
print(count)
"""


def saves_beside_readers(top, seconds=3):
    """Two programs replace a file by rename, one save after the other, while others open, read and close it: no call fails."""
    def save(name, numbers):
        n = next(numbers)
        put(f"{top}/{name}", b"%06d" % n * (1 + n % 500))
        os.rename(f"{top}/{name}", f"{top}/text")

    save("first", itertools.count())
    readers = [subprocess.Popen([sys.executable, "-c", READER, f"{top}/text"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True) for _ in range(3)]
    failed, end, saves = [], time.monotonic() + seconds, [0, 0]

    def write(which):
        numbers = itertools.count(which)
        try:
            while time.monotonic() < end:
                save(f"new{which}", numbers)
                saves[which] += 1
        except OSError as error:
            failed.append(repr(error))

    writers = [threading.Thread(target=write, args=(which,)) for which in (0, 1)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    counts = []
    for reader in readers:
        out, errors = reader.communicate("end", timeout=60)
        if reader.returncode != 0:
            failed.append(errors[-500:])
        counts.append(out.strip())
    assert not failed, failed
    assert min(saves) > 0 and all(int(count) > 0 for count in counts), (saves, counts)
    return saves, counts


def mapped(top):
    put(f"{top}/m", b"\0" * (MIB + 5))
    with open(f"{top}/m", "r+b") as file:
        with mmap.mmap(file.fileno(), 0) as view:
            view[0:5] = b"start"
            view[MIB:MIB + 5] = b"end.."
            view.flush()
            os.fsync(file.fileno())
        assert os.pread(file.fileno(), 5, MIB) == b"end.."
    assert get(f"{top}/m") == b"start" + b"\0" * (MIB - 5) + b"end.."


def append(top):
    one, two = (os.open(f"{top}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND) for _ in range(2))
    for n in range(100):
        os.write((one, two)[n % 2], b"%03d\n" % n)
    os.close(one), os.close(two)
    assert get(f"{top}/log") == b"".join(b"%03d\n" % n for n in range(100))


def exclusive(top):
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    os.close(os.open(f"{top}/x", flags))
    refused(errno.EEXIST, os.open, f"{top}/x", flags)
    refused(errno.EEXIST, os.mkdir, f"{top}/x")
    refused(errno.ENOENT, os.open, f"{top}/absent", os.O_RDONLY)
    refused(errno.ENOTDIR, os.listdir, f"{top}/x")
    os.mkdir(f"{top}/d")
    put(f"{top}/d/f", b"")
    refused(errno.ENOTEMPTY, os.rmdir, f"{top}/d")
    refused(errno.EISDIR, os.open, f"{top}/d", os.O_WRONLY)


def hard_links(top):
    put(f"{top}/a", b"one")
    os.link(f"{top}/a", f"{top}/b")
    assert os.stat(f"{top}/a").st_ino == os.stat(f"{top}/b").st_ino and os.stat(f"{top}/a").st_nlink == 2
    put(f"{top}/b", b"changed")
    assert get(f"{top}/a") == b"changed"
    os.unlink(f"{top}/a")
    assert get(f"{top}/b") == b"changed" and os.stat(f"{top}/b").st_nlink == 1


def symlinks(top):
    put(f"{top}/target", b"t")
    os.symlink("target", f"{top}/link")
    assert os.readlink(f"{top}/link") == "target" and get(f"{top}/link") == b"t"
    assert stat.S_ISLNK(os.lstat(f"{top}/link").st_mode) and os.lstat(f"{top}/link").st_size == 6
    os.unlink(f"{top}/link")
    assert get(f"{top}/target") == b"t"
    os.symlink("loop", f"{top}/loop")
    refused(errno.ELOOP, os.stat, f"{top}/loop")


def unlink_open(top):
    with open(f"{top}/u", "w+b", buffering=0) as file:
        file.write(b"before")
        os.unlink(f"{top}/u")
        assert not os.path.exists(f"{top}/u") and os.listdir(top) == []
        file.write(b" after")
        file.seek(0)
        assert file.read() == b"before after" and os.fstat(file.fileno()).st_nlink == 0
    assert os.listdir(top) == []


def rename_over_open(top):
    put(f"{top}/old", b"old bytes")
    put(f"{top}/new", b"new bytes!")
    with open(f"{top}/old", "rb", buffering=0) as file:
        os.rename(f"{top}/new", f"{top}/old")
        assert file.read() == b"old bytes"
    assert get(f"{top}/old") == b"new bytes!" and os.listdir(top) == ["old"]
    os.makedirs(f"{top}/d1/in")
    os.mkdir(f"{top}/d2")
    refused(errno.ENOTEMPTY, os.rename, f"{top}/d2", f"{top}/d1")
    refused(errno.EINVAL, os.rename, f"{top}/d1", f"{top}/d1/in/x")
    os.rename(f"{top}/d1", f"{top}/d2")
    assert os.listdir(f"{top}/d2") == ["in"]


def truncated(top):
    put(f"{top}/t", b"x" * 100_000)
    for size in (50_001, 4096, 0, 300_000, 10):
        os.truncate(f"{top}/t", size)
        assert os.stat(f"{top}/t").st_size == size
    assert get(f"{top}/t") == b"\0" * 10
    put(f"{top}/s", b"abcdef")
    os.truncate(f"{top}/s", 3)
    os.truncate(f"{top}/s", 6)
    assert get(f"{top}/s") == b"abc\0\0\0"


def sparse(top):
    with open(f"{top}/s", "w+b", buffering=0) as file:
        os.pwrite(file.fileno(), b"far", 1 << 30)
        os.fsync(file.fileno())
        found = os.fstat(file.fileno())
        assert found.st_size == (1 << 30) + 3
        assert found.st_blocks * 512 < 64 * MIB, f"{found.st_blocks} blocks for three bytes"
        assert os.pread(file.fileno(), 4096, 500 * MIB) == b"\0" * 4096
        assert os.pread(file.fileno(), 10, (1 << 30) - 2) == b"\0\0far"


def punch_hole(top):
    libc = ctypes.CDLL(None, use_errno=True)
    data = os.urandom(3 * MIB)
    put(f"{top}/p", data)
    with open(f"{top}/p", "r+b", buffering=0) as file:
        for offset, size in ((MIB, MIB), (5000, 100), (4096, 8192)):
            done = libc.fallocate(file.fileno(), 3, ctypes.c_long(offset), ctypes.c_long(size))  # PUNCH_HOLE|KEEP_SIZE
            assert done == 0, os.strerror(ctypes.get_errno())
            data = data[:offset] + b"\0" * size + data[offset + size:]
            assert file.seek(0) == 0 and file.readall() == data
    assert get(f"{top}/p") == data


def zero_range(top):
    """Zeros with and without a new size; what lies behind the end stays behind it."""
    libc = ctypes.CDLL(None, use_errno=True)
    data = os.urandom(300_000)
    put(f"{top}/z", data)
    with open(f"{top}/z", "r+b", buffering=0) as file:
        for mode, offset, size in ((0x11, 1000, 5000), (0x11, 299_000, 9000), (0x10, 290_000, 20_000)):
            done = libc.fallocate(file.fileno(), mode, ctypes.c_long(offset), ctypes.c_long(size))  # ZERO_RANGE, KEEP_SIZE
            assert done == 0, os.strerror(ctypes.get_errno())
            end = min(len(data), offset + size) if mode & 1 else offset + size
            data = data[:offset] + b"\0" * (end - offset) + data[end:]
            assert file.seek(0) == 0 and file.readall() == data, (mode, offset, size)
    assert get(f"{top}/z") == data


def synced_while_written(top):
    """An fsync that meets a long write must not take from under it what it is about to stream (it ended the node)."""
    data, done = os.urandom(24 * MIB), threading.Event()

    def sync():
        with open(f"{top}/long", "rb", buffering=0) as file:
            while not done.is_set():
                os.fsync(file.fileno())

    with open(f"{top}/long", "wb", buffering=0) as file:
        syncer = threading.Thread(target=sync)
        syncer.start()
        try:
            for at in range(0, len(data), 300_000):
                file.write(data[at:at + 300_000])
        finally:
            done.set()
            syncer.join()
    assert get(f"{top}/long") == data


def exchange(top):
    libc = ctypes.CDLL(None, use_errno=True)

    def swap(one, other):
        done = libc.renameat2(-100, f"{top}/{one}".encode(), -100, f"{top}/{other}".encode(), 2)  # RENAME_EXCHANGE
        assert done == 0, os.strerror(ctypes.get_errno())

    put(f"{top}/a", b"a")
    put(f"{top}/b", b"b")
    swap("a", "b")
    assert get(f"{top}/a") == b"b" and get(f"{top}/b") == b"a"
    os.makedirs(f"{top}/d/below")
    put(f"{top}/d/below/f", b"of d")
    os.mkdir(f"{top}/e")
    swap("d", "e")
    assert os.listdir(f"{top}/d") == [] and get(f"{top}/e/below/f") == b"of d"


def xattrs(top):
    put(f"{top}/x", b"data")
    os.setxattr(f"{top}/x", "user.one", b"1")
    os.setxattr(f"{top}/x", "user.two", b"\0binary" * 30)
    assert os.getxattr(f"{top}/x", "user.two") == b"\0binary" * 30
    assert {"user.one", "user.two"} <= set(os.listxattr(f"{top}/x"))
    refused(errno.EEXIST, os.setxattr, f"{top}/x", "user.one", b"2", os.XATTR_CREATE)
    refused(errno.ENODATA, os.setxattr, f"{top}/x", "user.no", b"2", os.XATTR_REPLACE)
    os.removexattr(f"{top}/x", "user.one")
    refused(errno.ENODATA, os.getxattr, f"{top}/x", "user.one")
    put(f"{top}/x", b"rewritten")
    assert os.getxattr(f"{top}/x", "user.two") == b"\0binary" * 30


LOCKER = """
import fcntl, sys
kind, path = sys.argv[1:]
lock = {'flock': fcntl.flock, 'fcntl': fcntl.lockf}[kind]
with open(path, 'r+b') as file:
    try:
        lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print('got')
    except BlockingIOError:
        print('busy')
"""


def locks(kind, top):
    """Another process cannot have the lock while this one does, and gets it afterwards."""
    put(f"{top}/lock", b"12345678")
    take = {"flock": fcntl.flock, "fcntl": fcntl.lockf}[kind]
    ask = lambda: subprocess.run([sys.executable, "-c", LOCKER, kind, f"{top}/lock"], capture_output=True,  # noqa: E731
                                 text=True, timeout=20, check=True).stdout.strip()
    with open(f"{top}/lock", "r+b") as file:
        assert ask() == "got"
        take(file, fcntl.LOCK_EX)
        assert ask() == "busy"
        take(file, fcntl.LOCK_UN)
        assert ask() == "got"
        take(file, fcntl.LOCK_SH)
        assert ask() == "busy"
    assert ask() == "got"  # close let it go


WAITER = """
import fcntl, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # even where the shell has it ignored
with open(sys.argv[1], 'r+b') as file:
    print('waits', flush=True)
    fcntl.lockf(file, fcntl.LOCK_EX, 4, 4)
    print('has', flush=True)
    sys.stdin.readline()
"""


def waiting_locks(top):
    """F_SETLKW sleeps until the range is free, whoever had it: unlocked, closed or killed; other ranges do not matter."""
    put(f"{top}/lock", b"0123456789")
    start = lambda: subprocess.Popen([sys.executable, "-c", WAITER, f"{top}/lock"], stdin=subprocess.PIPE,  # noqa: E731
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with open(f"{top}/lock", "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, 2, 6)  # reaches into the range that the other wants
        one = start()
        assert one.stdout.readline() == "waits\n"
        fcntl.lockf(file, fcntl.LOCK_EX, 4, 0)  # another range, taken while somebody waits
        assert select.select([one.stdout], [], [], 0.3)[0] == [], "had the lock while it was taken"
        fcntl.lockf(file, fcntl.LOCK_UN, 2, 6)
        assert one.stdout.readline() == "has\n"
        two = start()
        assert two.stdout.readline() == "waits\n"
        three = start()
        assert three.stdout.readline() == "waits\n"
        three.send_signal(signal.SIGINT)  # a wait can be broken off
        assert three.wait(20) != 0
        one.kill()
        assert one.wait(20) == -signal.SIGKILL
        assert two.stdout.readline() == "has\n"
        two.stdin.close()
        assert two.wait(20) == 0
        for process in (one, two, three):
            process.stdout.close()
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)


def attributes(top):
    put(f"{top}/f", b"1")
    for mode in (0o600, 0o755, 0o444, 0o4711):
        os.chmod(f"{top}/f", mode)
        assert stat.S_IMODE(os.stat(f"{top}/f").st_mode) == mode
    if os.geteuid() == 0:
        os.chown(f"{top}/f", 1234, 4321)
        assert (os.stat(f"{top}/f").st_uid, os.stat(f"{top}/f").st_gid) == (1234, 4321)
    os.utime(f"{top}/f", ns=(1_000_000_000_123_456_789, 1_600_000_000_987_654_321))
    found = os.stat(f"{top}/f")
    assert found.st_mtime_ns == 1_600_000_000_987_654_321, found
    assert found.st_atime_ns == 1_000_000_000_123_456_789, found
    put(f"{top}/f", b"2")
    assert os.stat(f"{top}/f").st_mtime_ns > 1_700_000_000_000_000_000


def many_names(top):
    wanted = {f"name{n:05d}" for n in range(2000)}
    for name in wanted:
        os.close(os.open(f"{top}/{name}", os.O_CREAT | os.O_WRONLY))
    names = os.listdir(top)
    assert len(names) == 2000 and set(names) == wanted, len(names)
    with os.scandir(top) as found:  # removing while reading must not skip or repeat
        for entry in found:
            assert entry.is_file()
            os.unlink(entry.path)
    assert os.listdir(top) == []


def rewound(top):
    """rewinddir shows what is there now: one listing after the other through one descriptor."""
    put(f"{top}/one", b"")
    folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert os.listdir(folder) == ["one"]
        os.rename(f"{top}/one", f"{top}/two")
        assert os.listdir(folder) == ["two"]
        os.unlink(f"{top}/two")
        assert os.listdir(folder) == []
    finally:
        os.close(folder)


def space(top):
    found = os.statvfs(top)
    assert found.f_blocks >= found.f_bavail > 0 and found.f_bsize > 0 and found.f_namemax >= 255, found


TESTS = [
    ("60 saves by rename beside a reader", atomic_saves), ("two programs save by rename beside readers", saves_beside_readers),
    ("mmap", mapped), ("O_APPEND", append),
    ("O_EXCL and error numbers", exclusive), ("hard links", hard_links), ("symlinks", symlinks),
    ("unlink while open", unlink_open), ("rename over an open file", rename_over_open), ("truncate", truncated),
    ("sparse files", sparse), ("punch hole", punch_hole),
    ("zero range", zero_range),
    ("fsync beside a long write", synced_while_written), ("RENAME_EXCHANGE of files and of folders", exchange), ("xattrs", xattrs),
    ("flock between processes", lambda top: locks("flock", top)),
    ("fcntl locks between processes", lambda top: locks("fcntl", top)),
    ("fcntl locks are waited for", waiting_locks),
    ("chmod, chown, utimes", attributes), ("2,000 names in a folder", many_names), ("rewinddir shows what is there now", rewound), ("statvfs", space),
]
