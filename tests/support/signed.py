"""A small S3 client of the tests' own: Signature V4 in the header, kept-alive connection, nothing hidden."""
import datetime
import hashlib
import hmac
import http.client
import urllib.parse


def _sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Client:
    def __init__(self, node, access=None, secret=None, timeout=30):
        self.host, self.port = getattr(node, "host", "127.0.0.1"), node.port
        self.access, self.secret = access or node.access, secret or node.secret
        self.timeout = timeout
        self.connection = None

    def sign(self, method, path, query=None, headers=None, digest="UNSIGNED-PAYLOAD"):
        """Path with query, and the headers of a signed request whose body has that SHA-256 (or is not signed)."""
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp, date = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        scope = f"{date}/us-east-1/s3/aws4_request"
        signed = {"host": f"{self.host}:{self.port}", "x-amz-content-sha256": digest, "x-amz-date": stamp}
        signed.update({k.lower(): v for k, v in (headers or {}).items()})
        quote = lambda text: urllib.parse.quote(text, safe="-_.~")  # noqa: E731
        canonical_query = "&".join(f"{quote(k)}={quote(str(v))}" for k, v in sorted((query or {}).items()))
        target = urllib.parse.quote(path, safe="/-_.~")
        names = ";".join(sorted(signed))
        canonical = "\n".join([method, target, canonical_query] + [f"{k}:{signed[k]}" for k in sorted(signed)] + ["", names, digest])
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = _sign(_sign(_sign(_sign(("AWS4" + self.secret).encode(), date), "us-east-1"), "s3"), "aws4_request")
        signed["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, SignedHeaders={names}, "
                                   f"Signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}")
        return target + ("?" + canonical_query if canonical_query else ""), signed

    def request(self, method, path, body=b"", query=None, headers=None):
        """Status, body and headers. A broken connection raises and is opened anew the next time."""
        target, signed = self.sign(method, path, query, headers, hashlib.sha256(body).hexdigest())
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            self.connection.request(method, target, body=body, headers=signed)
            answer = self.connection.getresponse()
            data = answer.read()
            return answer.status, data, answer.headers
        except (OSError, http.client.HTTPException):
            if self.connection is not None:
                self.connection.close()
            self.connection = None
            raise
