"""Load on a mount for the kills: files whose every answered fsync, close, rename, unlink and listing is known."""
import os
import stat

from kill_history import History, body_of, is_mixture, short
from kill_s3 import Load, Unanswered

BUCKET = "killed-files"
SIZES = [1, 4096, 5000, 130_000, 900_000, 2_500_000]


class FileWriter(Load):
    """Works in a directory of its own. An error of the operating system means that the node died below it."""

    def __init__(self, node, number, seed):
        super().__init__(node, number, seed)
        self.directory = f"d{number}"
        self.files = {f"f{n}": History() for n in range(8)}
        self.folders = {f"s{n}": History() for n in range(3)}
        self.temporary = History()
        self.mixing = None    # (name, old, new) of a write that was not answered with a sync
        self.renaming = None  # (name, value) of a rename that was not answered

    def connect(self):
        self.root = os.path.join(self.node.mounts[BUCKET], self.directory)

    def step(self):
        try:
            if not self.generation:
                os.makedirs(self.root, exist_ok=True)
            action = self.random.choices([self.write_over, self.patch, self.save, self.unlink, self.folder, self.list_own],
                                         [4, 4, 4, 2, 2, 1])[0]
            self.generation += 1
            action(self.random.choice(list(self.files)))
        except FileNotFoundError as wrong:
            if not os.path.ismount(self.node.mounts[BUCKET]):
                raise Unanswered from wrong  # the directory below the mount: the node has stopped
            raise AssertionError(f"a file that was answered is not there: {wrong}") from wrong
        except OSError as cut:
            raise Unanswered from cut

    def value_of(self, name):
        return body_of(f"{self.directory}/{name}", self.generation, self.random.choice(SIZES))

    def commit(self, descriptor):
        """Half of the files are published by fsync, half by close."""
        try:
            if self.random.random() < 0.5:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def write_over(self, name):
        history, value = self.files[name], self.value_of(name)
        self.mixing = (name, b"", value)
        history.begin(self.generation, value)
        descriptor = os.open(os.path.join(self.root, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            write_all(descriptor, value, 0)
        except OSError:
            os.close(descriptor)
            raise
        self.commit(descriptor)
        history.answered()
        self.mixing = None

    def patch(self, name):
        """Bytes in the middle, or behind the end, and a sync."""
        history = self.files[name]
        if history.value is None:
            return
        old = history.value
        offset, data = self.random.randrange(len(old) + 3000), self.value_of(name)[:self.random.choice([1, 700, 4096, 200_000])]
        value = old[:offset].ljust(offset, b"\0") + data + old[offset + len(data):]
        self.mixing = (name, old, value)
        history.begin(self.generation, value)
        descriptor = os.open(os.path.join(self.root, name), os.O_WRONLY)
        try:
            write_all(descriptor, data, offset)
        except OSError:
            os.close(descriptor)
            raise
        self.commit(descriptor)
        history.answered()
        self.mixing = None

    def save(self, name):
        """As editors do: a temporary file, fsync, rename over the old one. Answered means there, else the old or the new."""
        value, history = self.value_of(name), self.files[name]
        path, temporary = os.path.join(self.root, name), os.path.join(self.root, "temporary")
        self.mixing = ("temporary", b"", value)
        self.temporary.begin(self.generation, value)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            write_all(descriptor, value, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.temporary.answered()
        self.mixing = None
        history.begin(self.generation, value)
        self.temporary.begin(self.generation + 0.5, None)
        self.renaming = (name, value)
        os.rename(temporary, path)
        self.renaming = None
        self.temporary.answered()
        history.answered()

    def unlink(self, name):
        history = self.files[name]
        if history.value is None:
            return
        history.begin(self.generation, None)
        os.unlink(os.path.join(self.root, name))
        history.answered()

    def folder(self, _):
        name = self.random.choice(list(self.folders))
        history = self.folders[name]
        there = history.value is not None
        history.begin(self.generation, None if there else b"")
        (os.rmdir if there else os.mkdir)(os.path.join(self.root, name))
        history.answered()

    def everything(self):
        return {**self.files, **self.folders, "temporary": self.temporary}

    def list_own(self, _=None):
        names = sorted(os.listdir(self.root))
        known = sorted(name for name, history in self.everything().items() if history.value is not None)
        if names != known:
            self.wrong.append(f"{self.directory} lists {names} instead of {known}")

    def verify(self, client, everything):
        """Reads all through the new mount, and each file through S3 too: both must give the same."""
        self.connect()
        if self.generation == 0:
            return
        present = set(os.listdir(self.root)) if os.path.isdir(self.root) else set()
        for name, history in self.everything().items():
            value = None
            path = os.path.join(self.root, name)
            if name in present:
                if stat.S_ISDIR(os.stat(path).st_mode):
                    value = b"" if name in self.folders else f"{name} is a directory".encode()
                else:
                    with open(path, "rb") as file:
                        value = file.read()
            if name not in self.folders and (everything or history.open):
                self.compare_with_s3(client, name, value)
            if self.mixing and self.mixing[0] == name and is_mixture(value, self.mixing[1], self.mixing[2]):
                history.begin(self.generation + 0.25, value)  # bytes of a sync that was not answered: any part of them may be there
            if (wrong := history.settle(value)):
                self.wrong.append(f"{self.directory}/{name}: {wrong}")
        self.mixing = None
        if self.renaming:
            name, value = self.renaming
            if (self.files[name].value == value) == (self.temporary.value is not None):
                self.wrong.append(f"{self.directory}: a rename to {name} left its file under both names or under none")
            self.renaming = None
        unknown = present - set(self.everything())
        if unknown:
            self.wrong.append(f"{self.directory}: names that nobody made: {unknown}")

    def compare_with_s3(self, client, name, value):
        status, data, _ = client.request("GET", f"/{BUCKET}/{self.directory}/{name}")
        seen = data if status == 200 else None
        if seen != value:
            self.wrong.append(f"{self.directory}/{name}: the mount gives {short(value)}, S3 {short(seen)}")


def write_all(descriptor, data, offset):
    while data:
        done = os.pwrite(descriptor, data, offset)
        data, offset = data[done:], offset + done
