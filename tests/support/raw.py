"""Bytes to a node and what comes back: for requests that no client library would send. Also signs them, where a test says how."""
import datetime
import hashlib
import hmac
import re
import socket
import urllib.parse

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class Answer:
    """One HTTP answer: status, headers (lower case), body, S3's code when the body is its error document."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def code(self):
        found = re.search(rb"<Code>([^<]*)</Code>", self.body)
        return found[1].decode() if found else ""

    def __repr__(self):
        return f"{self.status} {self.code} {self.body[:200]!r}"


class Raw:
    """One connection of its own."""

    def __init__(self, node, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", node.port), timeout)
        self.buffer = b""

    def send(self, data):
        """Sends; what the node no longer takes is not an error, its answer tells."""
        try:
            self.socket.sendall(data)
        except OSError:
            pass
        return self

    def end(self):
        """Says that nothing more comes."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def answer(self, head=False):
        """The next answer, or None when the connection was closed without one. 100 Continue is passed over."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                return None
        block, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = block.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        if status == 100:
            return self.answer(head)
        headers = {name.strip().lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        length = 0 if head or status in (204, 304) else int(headers.get("content-length", -1))
        if length < 0 and headers.get("transfer-encoding") == "chunked":
            while not self.buffer.endswith(b"0\r\n\r\n") and self._more():
                pass
            body, self.buffer = self.buffer, b""
            return Answer(status, headers, body)
        while len(self.buffer) < length and self._more():
            pass
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(status, headers, body)

    def closed(self, timeout=10):
        """Whether the node closes the connection (and sends nothing more) within the time."""
        if self.buffer:
            return False
        self.socket.settimeout(timeout)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except (TimeoutError, socket.timeout):
            return False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def quote(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe)


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Signer:
    """Signature V4 by hand: every part can be given wrongly."""

    def __init__(self, node, access=None, secret=None, region="us-east-1", service="s3", when=None):
        self.host = f"127.0.0.1:{node.port}"
        self.access, self.secret = access or node.access, secret or node.secret
        self.region, self.service = region, service
        self.when = when or datetime.datetime.now(datetime.timezone.utc)

    @property
    def stamp(self):
        return self.when.strftime("%Y%m%dT%H%M%SZ")

    @property
    def date(self):
        return self.when.strftime("%Y%m%d")

    @property
    def scope(self):
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    @property
    def key(self):
        return _hmac(_hmac(_hmac(_hmac(("AWS4" + self.secret).encode(), self.date), self.region), self.service), "aws4_request")

    def _sign(self, method, path, query, signed, digest):
        canonical_query = "&".join(f"{quote(k)}={quote(str(v))}" for k, v in sorted(query.items()))
        names = ";".join(sorted(signed))
        canonical = "\n".join([method, quote(path, "/-_.~"), canonical_query] + [f"{k}:{signed[k]}" for k in sorted(signed)] + ["", names, digest])
        text = "\n".join(["AWS4-HMAC-SHA256", self.stamp, self.scope, hashlib.sha256(canonical.encode()).hexdigest()])
        return names, hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()

    def headers(self, method, path, query=None, headers=None, body=b"", digest=None, unsigned=None):
        """All headers of a signed request, `unsigned` ones beside."""
        digest = digest or hashlib.sha256(body).hexdigest()
        signed = {"host": self.host, "x-amz-content-sha256": digest, "x-amz-date": self.stamp}
        signed.update({k.lower(): v for k, v in (headers or {}).items()})
        names, signature = self._sign(method, path, query or {}, signed, digest)
        signed["authorization"] = f"AWS4-HMAC-SHA256 Credential={self.access}/{self.scope}, SignedHeaders={names}, Signature={signature}"
        self.seed = signature
        signed.update({k.lower(): v for k, v in (unsigned or {}).items()})
        return signed

    def presigned(self, method, path, expires=900, query=None):
        """The target of a presigned request."""
        query = dict(query or {})
        query.update({"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.access}/{self.scope}", "X-Amz-Date": self.stamp,
                      "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": "host"})
        query["X-Amz-Signature"] = self._sign(method, path, query, {"host": self.host}, "UNSIGNED-PAYLOAD")[1]
        return quote(path, "/-_.~") + "?" + "&".join(f"{quote(k)}={quote(v)}" for k, v in query.items())


def render(method, target, headers, body=b""):
    """The bytes of a request. `headers` is a dict or a list of pairs, as they are."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    return f"{method} {target} HTTP/1.1\r\n".encode() + b"".join(f"{k}: {v}\r\n".encode("latin-1") for k, v in pairs) + b"\r\n" + body


def target_of(path, query=None):
    query_text = "&".join(f"{quote(k)}={quote(str(v))}" for k, v in sorted((query or {}).items()))
    return quote(path, "/-_.~") + ("?" + query_text if query_text else "")


def request(node, method, path, query=None, headers=None, body=b"", digest=None, unsigned=None, signer=None):
    """A signed request with its Content-Length, as bytes."""
    unsigned = dict(unsigned or {})
    if method in ("PUT", "POST"):
        unsigned.setdefault("content-length", str(len(body)))
    fields = (signer or Signer(node)).headers(method, path, query, headers, body, digest, unsigned)
    return render(method, target_of(path, query), fields, body)
