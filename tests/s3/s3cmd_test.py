#!/usr/bin/python3
"""s3cmd against a running node: put, get, ls, sync, cp, mv, multipart, signurl, access and delete."""
import urllib.error
import urllib.request

import client_tools as tools
from client_tools import same

report = tools.tap.Report("s3cmd: ")


def environment(node, work):
    host = node.endpoint.split("//")[1]
    with open(work + "/s3cfg", "w") as config:
        config.write(f"[default]\naccess_key = {node.access}\nsecret_key = {node.secret}\nhost_base = {host}\nhost_bucket = {host}\n"
                     "use_https = False\nbucket_location = us-east-1\nmultipart_chunk_size_mb = 5\nmax_retries = 1\n")
    return {"LC_ALL": "C.UTF-8"}


def objects(s3cmd):
    s3cmd("mb", "s3://objects")
    same("s3://objects" in s3cmd("ls"), True, "ls")
    for name in tools.FILES:  # "large" goes in parts of 5 MiB
        s3cmd("put", s3cmd.path("files", name), "s3://objects/" + name)
        s3cmd("get", "--force", "s3://objects/" + name, s3cmd.path("back"))
        same(tools.read(s3cmd.path("back")) == tools.read(s3cmd.path("files", name)), True, name)
    listed = s3cmd("ls", "--recursive", "s3://objects/")
    same([name for name in tools.FILES if "s3://objects/" + name not in listed], [], "ls --recursive")
    info = s3cmd("info", "s3://objects/four+kib")
    same("4096" in info, True, info)


def sizes(s3cmd):
    for name, path in tools.make_sizes(s3cmd.path("sizes")).items():
        s3cmd("put", path, "s3://objects/sizes/" + name)
        s3cmd("get", "--force", "s3://objects/sizes/" + name, s3cmd.path("back"))
        tools.same_file(path, s3cmd.path("back"), name)


def keys(s3cmd):
    """All but one that ends in '/', where s3cmd adds the file's name, and a control byte, whose listing it cannot read: it asks for XML 1.0, which
    has no such character."""
    s3cmd("mb", "s3://keys")
    names = [name for name, key in tools.KEYS.items() if not key.endswith("/") and name != "control byte"]
    for name in names:
        s3cmd("put", tools.write(s3cmd.path("key"), tools.key_bytes(name)), "s3://keys/" + tools.KEYS[name])
        s3cmd("get", "--force", "s3://keys/" + tools.KEYS[name], s3cmd.path("back"))
        same(tools.read(s3cmd.path("back")), tools.key_bytes(name), name)
    same(len(s3cmd("ls", "--recursive", "s3://keys/").splitlines()), len(names), "ls")
    s3cmd("del", "--recursive", "--force", "s3://keys/")
    same(s3cmd("ls", "s3://keys/"), "", "after del")


def copies(s3cmd):
    s3cmd("cp", "s3://objects/four+kib", "s3://objects/copy of it")
    s3cmd("mv", "s3://objects/copy of it", "s3://objects/moved")
    s3cmd("get", "--force", "s3://objects/moved", s3cmd.path("back"))
    same(tools.read(s3cmd.path("back")), tools.read(s3cmd.path("files", "four+kib")), "bytes")
    same("copy of it" in s3cmd("ls", "s3://objects/"), False, "after mv")


def sync(s3cmd):
    s3cmd("mb", "s3://sync")
    s3cmd("sync", s3cmd.path("files") + "/", "s3://sync/to/")
    same("upload:" in s3cmd("sync", s3cmd.path("files") + "/", "s3://sync/to/"), False, "a second sync has nothing to do")
    s3cmd("sync", "s3://sync/to/", s3cmd.path("synced") + "/")
    tools.same_trees(s3cmd.path("files"), s3cmd.path("synced"))


def status(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def access(s3cmd):
    url = f"{s3cmd.node.endpoint}/objects/moved"
    same(status(url), 403, "private")
    s3cmd("setacl", "--acl-public", "s3://objects/moved")
    same(status(url), 200, "public")
    s3cmd("setacl", "--acl-private", "s3://objects/moved")
    same(status(url), 403, "private again")


def policy(s3cmd):
    path = tools.write(s3cmd.path("policy"), b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",'
                                             b'"Resource":"arn:aws:s3:::objects/moved"}]}')
    s3cmd("setpolicy", path, "s3://objects")
    same(status(f"{s3cmd.node.endpoint}/objects/moved"), 200, "policy")
    s3cmd("delpolicy", "s3://objects")
    same(status(f"{s3cmd.node.endpoint}/objects/moved"), 403, "no policy")


def remove(s3cmd):
    s3cmd("del", "s3://objects/moved")
    s3cmd("get", "--force", "s3://objects/moved", s3cmd.path("back"), status=64)
    s3cmd("rb", "s3://objects", status=13)
    s3cmd("del", "--recursive", "--force", "s3://objects/")
    s3cmd("rb", "s3://objects")
    same("s3://objects" in s3cmd("ls"), False, "ls")


def main():
    tools.need(report, "s3cmd")
    with tools.Tool(report, ["s3cmd", "-c", "s3cfg", "--no-progress"], environment, "s3cmd", tools.version_of("s3cmd")) as s3cmd:
        tools.make_files(s3cmd.path("files"))
        for test in (objects, sizes, keys, copies, sync, access, policy, remove):
            report.run(test.__name__, test, s3cmd)
    report.end()


main()
