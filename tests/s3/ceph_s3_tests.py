#!/usr/bin/python3
"""ceph/s3-tests against a running node: counts what passes by group, beside what MinIO passes, and names the groups that have fewer.

ceph_s3_tests.py CHECKOUT [--only WORDS] [--keep FILE] [--page]
    CHECKOUT      a checkout of github.com/ceph/s3-tests, outside this repository; not part of CI
    --only WORDS  a pytest -k expression; no group is judged then
    --keep FILE   writes `outcome group test` of every test there
    --page        writes the table into docs/s3-compatibility.head.md
Selected is all of test_s3, test_headers, test_iam, test_sts, test_sns and test_utils but web identity and cloud tiers: 978 tests. Two plain users
with the policy `ownbuckets`, as separate accounts have; no Ceph services.
"""
import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import node as nodes
import signed

FILES = ["test_s3.py", "test_headers.py", "test_iam.py", "test_sts.py", "test_sns.py", "test_utils.py"]
LEFT_OUT = ["webidentity_test", "cloud_transition", "cloud_restore", "token_claims_trust_policy_test", "token_principal_tag_role_policy_test",
            "token_request_tag_trust_policy_test", "token_resource_tags_test", "token_role_tags_test", "token_tag_keys_test", "abac_test"]
# Group -> tests that MinIO 2025-10-15 passes. True: no fewer may pass here.
MINIO = {
    "list v1": (36, True), "list v2": (38, True), "bucket create/name/head/list": (29, True), "object basics": (18, True), "multipart": (19, True),
    "versioning": (21, True), "copy": (15, True), "conditional read/copy": (12, True), "conditional write": (15, True), "atomic read/write": (11, True),
    "tagging": (11, True), "checksum": (0, True), "object attributes": (3, True), "range reads": (6, True), "raw/presigned/anonymous": (7, True),
    "headers: malformed/auth": (16, True), "acl": (9, False), "bucket policy": (12, False), "public access block": (0, False),
    "object ownership": (0, False), "cors": (0, False), "post object": (21, False), "object lock": (23, False), "sse-c": (6, False), "sse-s3": (14, False),
    "sse-kms": (16, False), "sse: copy x encryption matrix": (15, False), "lifecycle: config api": (18, False), "lifecycle: engine (debug clock)": (2, False),
    "conditional delete (Ceph/dir-bucket)": (0, False), "headers: sigv2": (7, False), "iam: account users/groups/roles": (0, False),
    "iam: cross account": (0, False), "iam: user policies (legacy)": (2, False), "sts": (0, False), "sns": (0, False), "logging (Ceph ext.)": (0, False),
    "utils (no server)": (1, False)}
GROUPS = [  # The first pattern that a test's name has decides.
    ("logging (Ceph ext.)", r"logging"), ("sse: copy x encryption matrix", r"^test_copy_(part_)?enc"), ("object lock", r"object_lock"), ("sse-kms", r"kms"),
    ("sse-c", r"sse_c|encrypted_transfer|encryption_key|enc_conflict"), ("sse-s3", r"sse_s3|bucket_encryption|s3_noenc"),
    ("lifecycle: engine (debug clock)", r"^test_lifecycle(v2)?_(expiration(?!_days0|_header)|noncur|deletemarker|multipart|transition(?!_set)|plain)"
                                        r"|delete_marker_expiration"),
    ("lifecycle: config api", r"^test_lifecycle"), ("post object", r"post_object_"), ("public access block", r"public_block|^test_block_public|ignore_public_acls"),
    ("object ownership", r"ownership|bucket_owner_enforced|bucket_owner_preferred|create_bucket_object_writer"), ("cors", r"cors"),
    ("object attributes", r"object_attributes"), ("checksum", r"cksum|checksum_(sha|crc)|reupload_checksum"),
    ("conditional delete (Ceph/dir-bucket)", r"delete_objects?_.*if_match"), ("conditional read/copy", r"(get_object|copy_object)_if"),
    ("conditional write", r"_if_(none_)?match|ifn?onematch|ifmatch"),
    ("bucket policy", r"bucket(v2)?_policy|tags?_.*public|with_policy|allow_notprincipal"), ("tagging", r"_tags|tagging"),
    ("list v2", r"listv2|basic_key_count|bucketv2_notexist"), ("list v1", r"^test_bucket_list_(?!long)"), ("atomic read/write", r"atomic(?!_upload)"),
    ("acl", r"acl|^test_access_bucket"), ("copy", r"object_copy(?!_versioning_multipart)"), ("multipart", r"multipart(?!_upload_return)|upload_part"),
    ("versioning", r"version|delete_marker"), ("range reads", r"ranged"), ("raw/presigned/anonymous", r"raw|presigned|anon_put|put_authenticated"),
    ("object basics", r"^test_(object|multi_object|100|get_object)|special_key_names"), ("bucket create/name/head/list", r".")]
USERS = ("main", "alt", "tenant", "iam", "iamroot", "iamaltroot")


def group_of(file, test):
    if file == "test_headers":
        return "headers: sigv2" if test.endswith("aws2") else "headers: malformed/auth"
    if file == "test_iam":
        return ("iam: cross account" if "cross_account" in test else
                "iam: user policies (legacy)" if re.search("user_policy|user_policies|deny_(bucket|object|multipart|tagging)_actions|allow_\\w+_actions", test) else
                "iam: account users/groups/roles")
    if file in ("test_sts", "test_sns", "test_utils"):
        return {"test_sts": "sts", "test_sns": "sns", "test_utils": "utils (no server)"}[file]
    return next(group for group, pattern in GROUPS if re.search(pattern, test))


def make_users(node):
    """Name -> (access key, secret, canonical id)."""
    environment = dict(os.environ, HOME=node.data, XDG_CONFIG_HOME=node.data)
    ctl = lambda *words: subprocess.run([nodes.program("flashctl"), *words], env=environment, check=True, capture_output=True)  # noqa: E731
    ctl("alias", "set", "t", node.endpoint, node.access, node.secret)
    users = {}
    for name in USERS:
        access, secret = f"s3tests{name}", f"secret-of-{name}-0123456789"
        ctl("admin", "user", "add", "t", access, secret)
        ctl("admin", "policy", "attach", "t", "ownbuckets", "--user", access)
        status, body, _ = signed.Client(node, access, secret).request("GET", "/")
        if status != 200:
            sys.exit(f"{access} cannot list buckets: {body}")
        users[name] = (access, secret, re.search(rb"<ID>(\w+)</ID>", body).group(1).decode())
    return users


def write_configuration(node, users, path):
    def section(title, name, *more):
        access, secret, canonical = users[name]
        return [f"[{title}]", f"display_name = {access}", f"user_id = {canonical}", f"email = {access}@example.com", f"access_key = {access}",
                f"secret_key = {secret}", *more]
    lines = ["[DEFAULT]", "host = 127.0.0.1", f"port = {node.port}", "is_secure = False", "ssl_verify = False", "[fixtures]", "bucket prefix = fs-{random}-",
             "iam name prefix = s3-tests-", "iam path prefix = /s3-tests/", *section("s3 main", "main", "api_name ="), *section("s3 alt", "alt"),
             *section("s3 tenant", "tenant", "tenant = testx"), *section("iam", "iam"), *section("iam root", "iamroot"), *section("iam alt root", "iamaltroot")]
    with open(path, "w") as out:
        out.write("\n".join(lines) + "\n")


def python_with_requirements(checkout):
    """A virtual environment below build/ with what the suite asks for."""
    folder = os.path.join(nodes.ROOT, "build", "ceph-s3-tests")
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(os.path.join(folder, "complete")):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        wanted = [line.strip() for line in open(os.path.join(checkout, "requirements.txt")) if line.strip() and not line.startswith("#") and "tox" not in line]
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
        open(os.path.join(folder, "complete"), "w").close()
    return python


def run(checkout, only):
    """[(outcome, group, test)]"""
    python = python_with_requirements(checkout)
    with nodes.Node() as node, tempfile.TemporaryDirectory() as work:
        configuration, results = os.path.join(work, "s3tests.conf"), os.path.join(work, "results.xml")
        write_configuration(node, make_users(node), configuration)
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line", f"--junitxml={results}", "-m", " and ".join(f"not {m}" for m in LEFT_OUT)]
        command += (["-k", only] if only else []) + [f"s3tests/functional/{file}" for file in FILES]
        subprocess.run(command, cwd=checkout, env=dict(os.environ, S3TEST_CONF=configuration), check=False)
        if node.process.poll() is not None:
            print(f"the node ended while the suite ran: {node.process.returncode}\n{node.tail()}")
        out = []
        for case in xml.etree.ElementTree.parse(results).iter("testcase"):
            kinds = {child.tag for child in case}
            outcome = "skipped" if "skipped" in kinds else "failed" if kinds & {"failure", "error"} else "passed"
            out.append((outcome, group_of(case.get("classname").split(".")[-1], case.get("name")), case.get("name")))
        return out


def table(results):
    lines = ["| group | tests | MinIO | Flashstor |", "|---|---|---|---|"]
    passed = collections.Counter(group for outcome, group, _ in results if outcome == "passed")
    tests = collections.Counter(group for _, group, _ in results)
    lines.append(f"| **all** | {sum(tests.values())} | **403** | **{sum(passed.values())}** |")
    lines += [f"| {group} | {tests[group]} | {minio} | {passed[group]} |" for group, (minio, _) in MINIO.items()]
    return lines, [group for group, (minio, must) in MINIO.items() if must and passed[group] < min(minio, tests[group])]


def write_page(lines):
    path = os.path.join(nodes.ROOT, "docs", "s3-compatibility.head.md")
    text = open(path).read()
    start, end = text.index("<!-- ceph/s3-tests -->"), text.index("<!-- end of ceph/s3-tests -->")
    open(path, "w").write(text[:start] + "<!-- ceph/s3-tests -->\n" + "\n".join(lines) + "\n" + text[end:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout")
    parser.add_argument("--only")
    parser.add_argument("--keep")
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    results = run(os.path.abspath(asked.checkout), asked.only)
    if asked.keep:
        with open(asked.keep, "w") as out:
            out.writelines(" ".join(result) + "\n" for result in sorted(results))
    lines, fewer = table(results)
    print("\n".join(lines))
    if asked.page and not asked.only:
        write_page(lines)
    if not asked.only:
        print(f"fewer than MinIO in: {', '.join(fewer) or 'no group that matters'}")
        sys.exit(1 if fewer else 0)


main()
