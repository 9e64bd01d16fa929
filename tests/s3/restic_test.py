#!/usr/bin/python3
"""restic with a repository on a running node: init, backup, check, restore, forget and prune; the restored bytes are compared."""
import os

import client_tools as tools
from client_tools import same

report = tools.tap.Report("restic: ")


def environment(node, work):
    return {"AWS_ACCESS_KEY_ID": node.access, "AWS_SECRET_ACCESS_KEY": node.secret, "AWS_DEFAULT_REGION": "us-east-1",
            "RESTIC_REPOSITORY": f"s3:{node.endpoint}/backups/host", "RESTIC_PASSWORD": "a test", "RESTIC_CACHE_DIR": work + "/cache"}


def sizes(restic):
    restic("init")
    paths = tools.make_sizes(restic.path("sizes"))
    restic("backup", "sizes")
    restic("check", "--read-data")
    restic("restore", "latest", "--target", restic.path("zeroth"))
    for name, path in paths.items():
        tools.same_file(path, restic.path("zeroth", "sizes", os.path.basename(path)), name)
    restic("forget", "--prune", "latest")


def backup(restic):
    restic("init", status=1)
    restic("backup", "files")
    restic("check", "--read-data")


def restore(restic):
    restic("restore", "latest", "--target", restic.path("first"))
    tools.same_trees(restic.path("files"), restic.path("first", "files"))


def second_backup(restic):
    tools.write(restic.path("files", "four+kib"), b"changed")
    os.remove(restic.path("files", "empty"))
    restic("backup", "files")
    restic("restore", "latest", "--target", restic.path("second"))
    tools.same_trees(restic.path("files"), restic.path("second", "files"))
    same(len(restic("list", "snapshots").split()), 2, "snapshots")


def prune(restic):
    restic("forget", "--keep-last", "1", "--prune")
    restic("check", "--read-data")
    restic("restore", "latest", "--target", restic.path("third"))
    tools.same_trees(restic.path("files"), restic.path("third", "files"))
    same(restic("list", "locks").strip(), "", "locks left")


def main():
    tools.need(report, "restic")
    with tools.Tool(report, ["restic", "--quiet"], environment, "restic", tools.version_of("restic", "version")) as restic:
        tools.make_files(restic.path("files"))
        for test in (sizes, backup, restore, second_backup, prune):
            report.run(test.__name__, test, restic)
    report.end()


main()
