"""The client of the fault matrix that works through a mount: files saved by a rename, created exclusively, read, listed, unlinked."""
import ctypes
import errno
import os
import time

from history_client import FILES, KEYS, Worker, content_of

SIZES = [200, 200, 70_000, 700_000]
LAG = 2.0  # a mount may show for a second what was there; and a machine may stand still for one
NOREPLACE = 1
renameat2 = ctypes.CDLL(None, use_errno=True).renameat2


class MountWorker(Worker):
    """Works relative to a descriptor of the mount's root: below a mount that is gone lies an empty directory."""

    def __init__(self, orders):
        super().__init__(orders)
        self.root, self.written = None, {}

    def step(self):
        try:
            if self.root is None:
                self.root = self.open_root()
            key = self.key_in(FILES)
            action = self.random.choices([self.save, self.create, self.read, self.unlink, self.list, self.stat], [4, 1, 5, 1, 1, 1])[0]
            action(key)
        except OSError:
            if self.root is not None:
                os.close(self.root)
            self.root = None
            time.sleep(0.05)

    def open_root(self):
        root = os.open(self.orders["mount"], os.O_RDONLY | os.O_DIRECTORY)
        if os.fstat(root).st_dev == os.stat(os.path.dirname(self.orders["mount"])).st_dev:
            os.close(root)
            raise OSError(errno.ENOTCONN, "not mounted")
        return root

    def attempt(self, kind, key, function, refusal, **more):
        """Runs it as one operation; `refusal` is the errno that says no, any other leaves the outcome open."""
        if kind not in ("read", "list"):
            more["since"] = time.monotonic()
        else:
            more["since"] = max(time.monotonic() - LAG, self.written.get(key, 0.0))
        number = self.log.call(kind, f"{FILES}/{key}", **more)
        try:
            seen = function() or {}
        except OSError as error:
            self.log.answer(number, "refused" if error.errno == refusal else "unknown", status=errno.errorcode.get(error.errno, "?"))
            if error.errno != refusal:
                raise
            return
        self.log.answer(number, "done", **seen)
        if kind not in ("read", "list"):
            self.written[key] = time.monotonic()

    def prepared(self, key):
        """A new file under another name: its content, size and name."""
        content, body = self.log.new_body(key, self.random, SIZES)
        name = f"new-{content}-{self.orders['round']}"
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=self.root)
        try:
            at = 0
            while at < len(body):
                at += os.write(file, body[at:])
            os.fsync(file)
        finally:
            os.close(file)
        return content, len(body), name

    def save(self, key):
        content, size, name = self.prepared(key)
        self.attempt("put", key, lambda: os.rename(name, key, src_dir_fd=self.root, dst_dir_fd=self.root), None, content=content, size=size)

    def create(self, key):
        content, size, name = self.prepared(key)

        def rename():
            if renameat2(self.root, name.encode(), self.root, key.encode(), NOREPLACE):
                raise OSError(ctypes.get_errno(), "renameat2")
        self.attempt("put-absent", key, rename, errno.EEXIST, content=content, size=size)

    def read(self, key):
        def whole():
            file = os.open(key, os.O_RDONLY, dir_fd=self.root)
            try:
                data = b""
                while more := os.read(file, 1 << 20):
                    data += more
            finally:
                os.close(file)
            content = content_of(key, data)
            return {"content": content} if content else {"wrong": f"{len(data)} bytes {data[:60]!r}"}
        self.attempt("read", key, whole, errno.ENOENT)

    def unlink(self, key):
        self.attempt("unlink", key, lambda: os.unlink(key, dir_fd=self.root), errno.ENOENT)

    def stat(self, key):
        self.attempt("read", key, lambda: {"size": os.stat(key, dir_fd=self.root).st_size}, errno.ENOENT)

    def list(self, _):
        keys = [f"{self.orders['round']}-k{n}" for n in range(KEYS[FILES])]

        def names():
            there = set(os.listdir(self.root))
            return {"found": [[key, key in there] for key in keys]}
        self.attempt("list", f"{self.orders['round']}-k", names, None)
