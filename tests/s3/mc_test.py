#!/usr/bin/python3
"""MinIO's `mc` against a running node: mb, cp, cat, mirror, diff, stat, find, version, rm. One found in PATH, else built out of the Go module proxy."""
import os
import shutil
import subprocess

import client_tools as tools
import toolchains
from client_tools import same

VERSION = "v0.0.0-20250313080218-cf909e1063a9"  # The newest that the proxy gives.
MODULE = "github.com/minio/mc@" + VERSION
report = tools.tap.Report("mc: ")


def environment(node, work):
    return {"MC_CONFIG_DIR": work + "/mc", "MC_HOST_t": node.endpoint.replace("//", f"//{node.access}:{node.secret}@"), "MC_NO_COLOR": "1", "LC_ALL": "C.UTF-8"}


def program():
    """(path, version). Midnight Commander has the same name."""
    found = shutil.which("mcli") or shutil.which("mc")
    if found and "RELEASE." in subprocess.run([found, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60).stdout:
        return found, tools.version_of(found)
    return toolchains.install_go(MODULE, "mc"), VERSION.split("-")[1][:8]


def sizes(mc):
    mc("mb", "t/sizes")
    for name, path in tools.make_sizes(mc.path("sizes")).items():
        mc("cp", path, "t/sizes/" + name)
        mc("cp", "t/sizes/" + name, mc.path("back"))
        tools.same_file(path, mc.path("back"), name)


def keys(mc):
    """Those that are paths to mc."""
    mc("mb", "t/keys")
    names = [name for name in tools.KEYS if name not in ("double slash", "dots", "trailing slash")]
    for name in names:
        mc("cp", tools.write(mc.path("key"), tools.key_bytes(name)), "t/keys/" + tools.KEYS[name])
        mc("cp", "t/keys/" + tools.KEYS[name], mc.path("back"))
        same(tools.read(mc.path("back")), tools.key_bytes(name), name)
    same(len(mc("find", "t/keys").splitlines()), len(names), "find")


def mirror(mc):
    mc("mb", "t/mirror")
    mc("mirror", mc.path("files"), "t/mirror/in")
    same(mc("diff", mc.path("files"), "t/mirror/in"), "", "diff")
    mc("mirror", "t/mirror/in", mc.path("mirrored"))
    tools.same_trees(mc.path("files"), mc.path("mirrored"))
    same("four+kib" in mc("ls", "t/mirror/in/"), True, "ls")
    mc("stat", "t/mirror/in/four+kib")


def versions(mc):
    mc("version", "enable", "t/mirror")
    mc("pipe", "t/mirror/v", input=b"one")
    mc("pipe", "t/mirror/v", input=b"two")
    same(mc("cat", "t/mirror/v"), "two", "cat")
    same(len(mc("ls", "--versions", "t/mirror/v").splitlines()), 2, "versions")


def remove(mc):
    mc("rm", "--recursive", "--force", "--versions", "t/mirror")
    mc("rb", "t/mirror")
    same("mirror" in mc("ls", "t"), False, "ls")


def main():
    try:
        found, version = program()
    except toolchains.Missing as why:
        report.skip("all", why)
        report.end()
    with tools.Tool(report, [found, "--quiet"], environment, "mc", version) as mc:
        tools.make_files(mc.path("files"))
        os.makedirs(mc.path("mc"), exist_ok=True)
        for test in (sizes, keys, mirror, versions, remove):
            report.run(test.__name__, test, mc)
    report.end()


main()
