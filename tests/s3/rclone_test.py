#!/usr/bin/python3
"""rclone against a running node, configured by its environment: copy, sync, check, move, cat and purge."""
import os

import client_tools as tools
from client_tools import same

report = tools.tap.Report("rclone: ")


def environment(node, work):
    return {"RCLONE_CONFIG": work + "/rclone.conf", "RCLONE_CONFIG_FS_TYPE": "s3", "RCLONE_CONFIG_FS_PROVIDER": "Other", "RCLONE_CONFIG_FS_ENDPOINT": node.endpoint,
            "RCLONE_CONFIG_FS_ACCESS_KEY_ID": node.access, "RCLONE_CONFIG_FS_SECRET_ACCESS_KEY": node.secret, "RCLONE_CONFIG_FS_REGION": "us-east-1",
            "RCLONE_S3_UPLOAD_CUTOFF": "8M", "RCLONE_S3_CHUNK_SIZE": "5M", "RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1"}


def copy(rclone):
    rclone("mkdir", "fs:copy")
    rclone("copy", rclone.path("files"), "fs:copy/in")
    rclone("check", "--download", rclone.path("files"), "fs:copy/in")
    rclone("check", rclone.path("files"), "fs:copy/in")
    rclone("copy", "fs:copy/in", rclone.path("back"))
    tools.same_trees(rclone.path("files"), rclone.path("back"))
    same(sorted(rclone("lsf", "-R", "--files-only", "fs:copy/in").splitlines()), sorted(tools.FILES), "lsf")
    same(sorted(rclone("lsf", "fs:copy/in/dir").splitlines()), sorted(["ünï 日本.txt", "a&b=c#d?.bin", "sub/"]), "lsf of a folder")


def sizes(rclone):
    paths = tools.make_sizes(rclone.path("sizes"))
    rclone("copy", rclone.path("sizes"), "fs:copy/sizes")
    rclone("check", "--download", rclone.path("sizes"), "fs:copy/sizes")
    rclone("copy", "fs:copy/sizes", rclone.path("sizes back"))
    for name, path in paths.items():
        tools.same_file(path, rclone.path("sizes back", os.path.basename(path)), name)
    rclone("purge", "fs:copy/sizes")


def text_of(name):
    return tools.key_bytes(name).hex().encode()  # what a pipe gives back is read as text


def keys(rclone):
    """Those that are paths to rclone: it takes away empty and dotted parts, and a '/' at the end is a folder to it. A control byte is a sign to it."""
    names = {name: key.replace("\x01", "\u2401") for name, key in tools.KEYS.items() if name not in ("double slash", "dots", "trailing slash")}
    for name, key in names.items():
        rclone("rcat", "fs:keys/" + key, input=text_of(name))
        same(rclone("cat", "fs:keys/" + key).encode(), text_of(name), name)
    same(sorted(rclone("lsf", "-R", "--files-only", "fs:keys").splitlines()), sorted(names.values()), "lsf")
    rclone("purge", "fs:keys")


def times(rclone):
    """The time of a file is kept as metadata: a second copy has nothing to do, and a changed time is seen."""
    rclone("copy", "-v", rclone.path("files"), "fs:copy/in")
    same("Copied" in rclone.errors, False, rclone.errors)
    os.utime(rclone.path("files", "four+kib"), (10**9, 10**9))
    rclone("copy", rclone.path("files"), "fs:copy/in")
    same("2001-09-09" in rclone("lsl", "fs:copy/in/four+kib"), True, "the changed time")


def sync(rclone):
    os.remove(rclone.path("files", "one byte"))
    tools.write(rclone.path("files", "new file"), b"new")
    rclone("sync", rclone.path("files"), "fs:copy/in")
    same(("one byte" in rclone("lsf", "fs:copy/in"), rclone("cat", "fs:copy/in/new file")), (False, "new"), "sync")
    rclone("check", "--download", rclone.path("files"), "fs:copy/in")
    rclone("copy", "fs:copy/in", "fs:copy/second")
    rclone("check", "--download", "fs:copy/in", "fs:copy/second")
    tools.write(rclone.path("files", "new file"), b"now")
    rclone("check", "--download", rclone.path("files"), "fs:copy/in", status=1)


def stream(rclone):
    data = b"0123456789" * 100000
    rclone("rcat", "fs:copy/stream", input=data)
    same(rclone("cat", "fs:copy/stream").encode() == data, True, "rcat")
    same(rclone("cat", "--offset", "15", "--count", "4", "fs:copy/stream"), "5678", "a range")


def move(rclone):
    rclone("moveto", "fs:copy/stream", "fs:copy/moved +%")
    listed = rclone("lsf", "fs:copy").splitlines()
    same(("stream" in listed, "moved +%" in listed), (False, True), "moveto")
    rclone("deletefile", "fs:copy/moved +%")


def remove(rclone):
    rclone("purge", "fs:copy/second")
    same("second/" in rclone("lsf", "fs:copy"), False, "purge of a folder")
    rclone("purge", "fs:copy")
    same(rclone("lsd", "fs:"), "", "purge")


def main():
    tools.need(report, "rclone")
    with tools.Tool(report, ["rclone"], environment, "rclone", tools.version_of("rclone")) as rclone:
        tools.make_files(rclone.path("files"))
        for test in (copy, sizes, keys, times, sync, stream, move, remove):
            report.run(test.__name__, test, rclone)
    report.end()


main()
