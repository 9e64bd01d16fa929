"""What the tests with boto3 share: a client, bodies that show where each byte belongs, checksums of every kind, and what an answer must be."""
import binascii
import hashlib
import os
import random
import struct
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import tap

report = tap.Report("boto3: ")
try:
    import boto3
    from botocore.client import Config
    from botocore.exceptions import ClientError
except ImportError:
    report.skip("all", "python3-boto3 is not installed")
    report.end()

MIB = 1 << 20
RANDOM = random.Random(7)


class Pattern:
    """A readable stream of `size` bytes that repeat a random MiB with a counter, so that a part in the wrong place is seen."""

    def __init__(self, size):
        self.size, self.at, self.block = size, 0, RANDOM.randbytes(MIB - 8)
        self.sum = hashlib.sha256()

    def read(self, n=-1):
        n = self.size - self.at if n is None or n < 0 else min(n, self.size - self.at)
        out = bytearray()
        while len(out) < n:
            number, inside = divmod(self.at + len(out), MIB)
            out += (struct.pack(">Q", number) + self.block)[inside:inside + n - len(out)]
        self.at += n
        self.sum.update(out)
        return bytes(out)


def crc(data, polynomial, bits):
    """A reflected CRC with all ones before and after."""
    ones = (1 << bits) - 1
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        table.append(value)
    state = ones
    for byte in data:
        state = (state >> 8) ^ table[(state ^ byte) & 255]
    return (state ^ ones).to_bytes(bits // 8, "big")


CHECKSUMS = {
    "crc32": lambda d: struct.pack(">I", binascii.crc32(d)),
    "crc32c": lambda d: crc(d, 0x82F63B78, 32),
    "crc64nvme": lambda d: crc(d, 0x9A6C9329AC4BC9B5, 64),
    "sha1": lambda d: hashlib.sha1(d).digest(),
    "sha256": lambda d: hashlib.sha256(d).digest(),
}


def client(node, **config):
    config.setdefault("signature_version", "s3v4")
    config.setdefault("retries", {"max_attempts": 0})
    return boto3.client("s3", endpoint_url=node.endpoint, region_name="us-east-1", aws_access_key_id=node.access,
                        aws_secret_access_key=node.secret, config=Config(s3={"addressing_style": "path"}, read_timeout=60, **config))


def with_headers(s3, operation, headers, **arguments):
    """Calls an operation with headers that this boto3 has no argument for; a checksum takes the place of the one that newer ones add."""
    def add(request, **_):
        if any(name.startswith("x-amz-checksum-") for name in headers):
            for name in [n for n in request.headers if n.lower().startswith(("x-amz-checksum-", "x-amz-sdk-checksum-"))]:
                del request.headers[name]
        for name, value in headers.items():
            request.headers[name] = value
    event = "before-sign.s3." + "".join(word.title() for word in operation.split("_"))
    s3.meta.events.register(event, add)
    try:
        return getattr(s3, operation)(**arguments)
    finally:
        s3.meta.events.unregister(event, add)


def same(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what}: got {str(got)[:300]!r}, want {str(want)[:300]!r}")


def fails(code, status, function, *arguments, **named):
    """The call must answer exactly this error."""
    try:
        function(*arguments, **named)
    except ClientError as error:
        same((error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]), (code, status), "error")
        return error.response
    raise AssertionError(f"no error, wanted {code}")


def body(answer):
    return answer["Body"].read()


def fresh(s3, name):
    s3.create_bucket(Bucket=name)
    return name


def status(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
