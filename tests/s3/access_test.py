#!/usr/bin/python3
"""Who may do what, over HTTP: bucket policies against root, users and nobody; each test names a request that was let through once, or must never be."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import node as nodes
import signed
import tap

report = tap.Report("access: ")
READ_WRITE = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*"}


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}).encode()


class World:
    """A node with root and users."""

    def __init__(self, node):
        self.node, self.root, self.count = node, signed.Client(node), 0
        self.environment = dict(os.environ, HOME=node.data, XDG_CONFIG_HOME=node.data)
        self.ctl("alias", "set", "t", node.endpoint, node.access, node.secret)

    def ctl(self, *words, **named):
        done = subprocess.run([nodes.program("flashctl"), *words], env=self.environment, capture_output=True, text=True, **named)
        if done.returncode != 0:
            raise AssertionError(f"flashctl {' '.join(words)}: {done.stderr}")

    def user(self, *statements):
        """A client of a fresh user with these statements as its policy."""
        self.count += 1
        name, secret = f"user{self.count}", f"secret-of-user-{self.count}"
        self.ctl("admin", "user", "add", "t", name, secret)
        if statements:
            path = os.path.join(self.node.data, name + ".json")
            with open(path, "wb") as out:
                out.write(policy(*statements))
            self.ctl("admin", "policy", "create", "t", name, path)
            self.ctl("admin", "policy", "attach", "t", name, "--user", name)
        return signed.Client(self.node, name, secret)

    def bucket(self, client=None):
        self.count += 1
        name = f"bucket-{self.count}"
        want((client or self.root).request("PUT", "/" + name), 200)
        return name

    def rule(self, bucket, *statements):
        want(self.root.request("PUT", "/" + bucket, policy(*statements), {"policy": ""}), 204)


def want(answer, status, code=""):
    got, body, _ = answer
    if got != status or code.encode() not in body:
        raise AssertionError(f"got {got} {body[:400]!r}, want {status} {code}")
    return body


def statement(effect, who, action, bucket, key="/*", **more):
    return {"Effect": effect, **who, "Action": action, "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}{key}"], **more}


EVERYBODY = {"Principal": "*"}


def whoever_made_a_bucket_has_what_policies_give(world):
    maker = world.user({"Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "arn:aws:s3:::*"})
    bucket = world.bucket(maker)
    want(maker.request("PUT", f"/{bucket}/k", b"1"), 403, "AccessDenied")
    want(maker.request("PUT", f"/{bucket}", policy(statement("Allow", EVERYBODY, "s3:*", bucket)), {"policy": ""}), 403)
    world.rule(bucket, statement("Allow", {"Principal": {"AWS": maker.access}}, "s3:PutObject", bucket))
    want(maker.request("PUT", f"/{bucket}/k", b"1"), 200)
    want(maker.request("DELETE", f"/{bucket}"), 403)


def deny_wins_over_the_maker_and_over_root(world):
    maker = world.user(READ_WRITE)
    bucket = world.bucket(maker)
    want(maker.request("PUT", f"/{bucket}/k", b"1"), 200)
    world.rule(bucket, statement("Deny", EVERYBODY, "s3:*", bucket))
    for client in (maker, world.root):
        want(client.request("GET", f"/{bucket}/k"), 403, "AccessDenied")
        want(client.request("GET", f"/{bucket}"), 403, "AccessDenied")
    want(maker.request("DELETE", f"/{bucket}", query={"policy": ""}), 403)
    want(world.root.request("GET", f"/{bucket}", query={"policy": ""}), 200)
    want(world.root.request("DELETE", f"/{bucket}", query={"policy": ""}), 204)
    want(world.root.request("GET", f"/{bucket}/k"), 200)


def not_principal_spares_whom_it_names(world):
    spared, other = world.user(READ_WRITE), world.user(READ_WRITE)
    bucket = world.bucket()
    want(world.root.request("PUT", f"/{bucket}/k", b"1"), 200)
    allow = statement("Allow", {"NotPrincipal": {"AWS": "nobody"}}, "s3:*", bucket)
    want(world.root.request("PUT", "/" + bucket, policy(allow), {"policy": ""}), 400, "MalformedPolicy")
    account = "arn:aws:iam::123456789012:root"
    world.rule(bucket, statement("Deny", {"NotPrincipal": {"AWS": [account, spared.access]}}, "s3:*", bucket))
    want(spared.request("GET", f"/{bucket}/k"), 200)
    want(other.request("GET", f"/{bucket}/k"), 403)
    want(world.root.request("GET", f"/{bucket}/k"), 200)


def if_exists_lets_nobody_with_a_wrong_value_in(world):
    user = world.user()
    bucket = world.bucket()
    want(world.root.request("PUT", f"/{bucket}/k", b"1"), 200)
    condition = {"StringLikeIfExists": {"aws:Referer": "http://www.example.com/*"}}
    world.rule(bucket, statement("Allow", EVERYBODY, "s3:GetObject", bucket, Condition=condition))
    for referer, status in (("http://www.example.com/a", 200), ("http://example.com", 403), (None, 200)):
        want(user.request("GET", f"/{bucket}/k", headers={"Referer": referer} if referer else {}), status)
    condition = {"NumericLessThanIfExists": {"s3:signatureAge": "0"}}
    world.rule(bucket, statement("Allow", EVERYBODY, "s3:GetObject", bucket, Condition=condition))
    want(user.request("GET", f"/{bucket}/k"), 403)


def an_acl_in_a_write_needs_its_own_permission(world):
    writer = world.user({"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "arn:aws:s3:::*/*"})
    bucket = world.bucket()
    public = {"x-amz-acl": "public-read"}
    want(writer.request("PUT", f"/{bucket}/k", b"1"), 200)
    want(writer.request("PUT", f"/{bucket}/k", b"1", headers=public), 403)
    want(writer.request("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": f"/{bucket}/k"}), 200)
    want(writer.request("PUT", f"/{bucket}/copy", headers=dict(public, **{"x-amz-copy-source": f"/{bucket}/k"})), 403)
    want(writer.request("POST", f"/{bucket}/upload", query={"uploads": ""}, headers=public), 403)
    maker = world.user({"Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "arn:aws:s3:::*"})
    want(maker.request("PUT", "/a-public-bucket", headers=public), 403)


def a_denied_tag_is_denied_in_a_body_too(world):
    tagger = world.user(READ_WRITE, {"Effect": "Deny", "Action": "s3:PutObjectTagging", "Resource": "arn:aws:s3:::*",
                                     "Condition": {"StringEquals": {"s3:RequestObjectTag/secret": "no"}}})
    bucket = world.bucket()
    want(tagger.request("PUT", f"/{bucket}/k", b"1"), 200)
    body = b"<Tagging><TagSet><Tag><Key>secret</Key><Value>%s</Value></Tag></TagSet></Tagging>"
    want(tagger.request("PUT", f"/{bucket}/k", b"1", headers={"x-amz-tagging": "secret=no"}), 403)
    want(tagger.request("PUT", f"/{bucket}/k", body % b"no", {"tagging": ""}), 403)
    want(tagger.request("PUT", f"/{bucket}/k", body % b"yes", {"tagging": ""}), 200)


def a_copy_source_has_one_name(world):
    bucket, target = world.bucket(), world.bucket()
    want(world.root.request("PUT", f"/{bucket}/shut/k", b"1"), 200)
    copier = world.user(READ_WRITE)
    world.rule(target, statement("Deny", EVERYBODY, "s3:PutObject", target, Condition={"StringLike": {"s3:x-amz-copy-source": f"{bucket}/shut/*"}}))
    for source in (f"{bucket}/shut/k", f"/{bucket}/shut/k", f"{bucket}%2Fshut%2Fk", f"/{bucket}/s%68ut/k"):
        want(copier.request("PUT", f"/{target}/k", headers={"x-amz-copy-source": source}), 403)


def tags_are_not_copied_by_who_may_not_read_them(world):
    bucket = world.bucket()
    copier = world.user(READ_WRITE, {"Effect": "Deny", "Action": "s3:GetObjectTagging", "Resource": "arn:aws:s3:::*"})
    want(world.root.request("PUT", f"/{bucket}/tagged", b"1", headers={"x-amz-tagging": "a=b"}), 200)
    want(world.root.request("PUT", f"/{bucket}/plain", b"1"), 200)
    want(copier.request("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": f"{bucket}/plain"}), 200)
    want(copier.request("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": f"{bucket}/tagged"}), 403)
    want(copier.request("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": f"{bucket}/tagged", "x-amz-tagging-directive": "REPLACE"}), 200)


def attributes_are_for_who_may_read_the_object(world):
    bucket = world.bucket()
    want(world.root.request("PUT", f"/{bucket}/k", b"1"), 200)
    asks = {"x-amz-object-attributes": "ObjectSize"}
    actions = ["s3:GetObjectAttributes", "s3:GetObject"]
    for count, status in ((1, 403), (2, 200)):
        user = world.user({"Effect": "Allow", "Action": actions[:count], "Resource": "arn:aws:s3:::*/*"})
        want(user.request("GET", f"/{bucket}/k", query={"attributes": ""}, headers=asks), status)


def what_is_not_there_is_told_to_who_may_list_only(world):
    bucket = world.bucket()
    lister = world.user({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"})
    want(world.root.request("PUT", f"/{bucket}/k", b"1"), 200)
    want(lister.request("GET", f"/{bucket}/none"), 404, "NoSuchKey")
    want(lister.request("GET", f"/{bucket}/k"), 403, "AccessDenied")
    want(world.user().request("GET", f"/{bucket}/none"), 403, "AccessDenied")


def owner_of(client):
    """The canonical id of a user, from what ListBuckets says about him."""
    body = want(client.request("GET", "/"), 200)
    return body.split(b"<ID>")[1].split(b"</ID>")[0].decode()


def own_buckets_are_all_that_their_makers_have(world):
    ann, ben = world.user(), world.user()
    for user in (ann, ben):
        world.ctl("admin", "policy", "attach", "t", "ownbuckets", "--user", user.access)
    mine, theirs = world.bucket(ann), world.bucket(ben)
    want(ann.request("PUT", f"/{mine}/k", b"1"), 200)
    want(ben.request("PUT", f"/{theirs}/k", b"2"), 200)
    for method, path in (("GET", f"/{theirs}/k"), ("GET", f"/{theirs}"), ("PUT", f"/{theirs}/k"), ("DELETE", f"/{theirs}/k"), ("DELETE", f"/{theirs}")):
        want(ann.request(method, path), 403, "AccessDenied")
    want(ann.request("PUT", f"/{mine}/copy", headers={"x-amz-copy-source": f"/{theirs}/k"}), 403, "AccessDenied")
    want(ann.request("PUT", f"/{theirs}"), 409, "BucketAlreadyExists")
    shown = want(ann.request("GET", "/"), 200)
    if mine.encode() not in shown or theirs.encode() in shown:
        raise AssertionError(f"ListBuckets shows {shown!r}")
    want(ann.request("PUT", f"/{mine}", policy(statement("Allow", {"Principal": {"AWS": ben.access}}, "s3:GetObject", mine)), {"policy": ""}), 204)
    want(ben.request("GET", f"/{mine}/k"), 200)


def grants_reach_whom_they_name(world):
    owner, named, other = world.user(READ_WRITE), world.user(), world.user()
    world.ctl("admin", "policy", "attach", "t", "ownbuckets", "--user", named.access)
    bucket, who = world.bucket(owner), world.user(READ_WRITE)
    canonical = owner_of(named)
    want(owner.request("PUT", f"/{bucket}/k", b"1", headers={"x-amz-grant-read": f'id="{canonical}"'}), 200)
    want(named.request("GET", f"/{bucket}/k"), 200)
    want(other.request("GET", f"/{bucket}/k"), 403, "AccessDenied")
    want(named.request("GET", f"/{bucket}/k", query={"acl": ""}), 403, "AccessDenied")
    want(named.request("PUT", f"/{bucket}/own", b"2"), 403, "AccessDenied")
    body = want(owner.request("GET", f"/{bucket}/k", query={"acl": ""}), 200)
    if body.count(b"<Grant>") != 1 or f"<ID>{canonical}</ID><DisplayName>{named.access}".encode() not in body:
        raise AssertionError(f"the grant comes back as {body!r}")
    want(owner.request("PUT", f"/{bucket}", query={"acl": ""}, headers={"x-amz-grant-write": f'id="{canonical}"'}), 200)
    want(named.request("GET", f"/{bucket}"), 403, "AccessDenied")
    want(named.request("PUT", f"/{bucket}/own", b"2", headers={"x-amz-acl": "bucket-owner-read"}), 200)
    want(named.request("GET", f"/{bucket}/own"), 200)
    body = want(named.request("GET", f"/{bucket}/own", query={"acl": ""}), 200)
    for grant in (f"<ID>{canonical}</ID><DisplayName>{named.access}</DisplayName></Grantee><Permission>FULL_CONTROL",
                  f"<ID>{owner_of(owner)}</ID><DisplayName>{owner.access}</DisplayName></Grantee><Permission>READ</"):
        if grant.encode() not in body:
            raise AssertionError(f"no {grant} in {body!r}")
    for headers, code in (({"x-amz-grant-read": 'id="nobody"'}, "InvalidArgument"), ({"x-amz-grant-read": 'uri="http://nowhere"'}, "InvalidArgument"),
                          ({"x-amz-grant-read": "eat"}, "InvalidArgument"), ({"x-amz-grant-read": 'emailAddress="a@b"'}, "UnresolvableGrantByEmailAddress"),
                          ({"x-amz-grant-read": f'id="{canonical}"', "x-amz-acl": "private"}, "InvalidRequest")):
        want(who.request("PUT", f"/{bucket}/k", b"1", headers=headers), 400, code)


def a_bucket_made_again_with_another_acl_is_refused(world):
    bucket = world.bucket()
    want(world.root.request("PUT", f"/{bucket}"), 200)
    want(world.root.request("PUT", f"/{bucket}", headers={"x-amz-acl": "public-read"}), 409, "BucketAlreadyOwnedByYou")


def root_credentials_change_with_the_old_ones_given_once():
    with nodes.Node(drives=1) as node:
        world = World(node)
        user = world.user(READ_WRITE)
        want(user.request("PUT", "/mine"), 200)
        ask = lambda who, *words: want(signed.Client(node, *who).request("GET", "/mine"), *words)  # noqa: E731
        before, now, of_user = (node.access, node.secret), ("anotherroot", "another-root-password"), (user.access, user.secret)
        node.stop()
        node.access, node.secret = now
        try:
            node.start()
            raise AssertionError("started though it cannot open what the users' secrets are sealed with")
        except RuntimeError as error:
            assert "FLASHSTORE_PREVIOUS_ROOT_USER" in str(error), error
        node.kill()
        node.environment = {"FLASHSTORE_PREVIOUS_ROOT_USER": before[0], "FLASHSTORE_PREVIOUS_ROOT_PASSWORD": before[1]}
        node.start()
        ask(of_user, 200)
        node.stop()
        node.environment = {}  # They are needed no more.
        node.start()
        ask(of_user, 200)
        ask(now, 200)
        ask(before, 403)


def main():
    with nodes.Node() as node:
        world = World(node)
        for test in (whoever_made_a_bucket_has_what_policies_give, deny_wins_over_the_maker_and_over_root, not_principal_spares_whom_it_names,
                     if_exists_lets_nobody_with_a_wrong_value_in, an_acl_in_a_write_needs_its_own_permission, a_denied_tag_is_denied_in_a_body_too,
                     a_copy_source_has_one_name, tags_are_not_copied_by_who_may_not_read_them, attributes_are_for_who_may_read_the_object,
                     what_is_not_there_is_told_to_who_may_list_only, own_buckets_are_all_that_their_makers_have, grants_reach_whom_they_name,
                     a_bucket_made_again_with_another_acl_is_refused):
            report.run(test.__name__, test, world)
        report.run("root_credentials_change_with_the_old_ones_given_once", root_credentials_change_with_the_old_ones_given_once)
        report.check("the node ends with 0", node.stop() == 0, node.tail())
    report.end()


main()
