"""Clients of OCP's API as the public ones call it, by `requests`: nothing here knows Muster's code."""

import base64
import hashlib
import hmac
import time
from email.utils import formatdate
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

import requests
from requests.auth import AuthBase

Data = dict[str, Any]
ENVELOPE = {"duration", "server", "status", "successful", "timestamp", "traceId"}


class Signature(AuthBase):
    """Signs as the contract's "Who may call" says; two equal calls of one second differ by a header of their own."""

    def __init__(self, access_key: str, secret_key: str) -> None:
        self.access_key, self.secret_key = access_key, secret_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        headers = request.headers
        headers.setdefault("Date", formatdate(usegmt=True))
        headers.setdefault("x-ocp-nonce", uuid4().hex)
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        parts = urlsplit(str(request.url))
        query = sorted(one.partition("=")[::2] for one in parts.query.split("&") if one)
        pairs = "&".join(f"{quote(unquote(name), safe='')}={quote(unquote(value), safe='')}" for name, value in query)
        lines = [
            str(request.method).upper(),
            hashlib.md5(body).hexdigest().upper() if body else "",
            str(headers.get("Content-Type", "")),
            str(headers["Date"]),
            parts.netloc,
            "\n".join(sorted(f"{k.lower()}:{v}" for k, v in headers.items() if k.lower().startswith("x-ocp-"))),
            parts.path + (f"?{pairs}" if pairs else ""),
        ]
        digest = hmac.new(self.secret_key.encode(), "\n".join(lines).encode(), hashlib.sha1).digest()
        signature = base64.b64encode(digest).decode()
        headers["Authorization"] = f"OCP-ACCESS-KEY-HMACSHA1 {self.access_key}:{signature}"
        return request


class Ocp:
    """One caller; `prefix` is put before each path ("/api/v2" or nothing)."""

    def __init__(self, url: str, auth: Any, prefix: str = "/api/v2") -> None:
        parts = urlsplit(url)
        self.base, self.prefix = f"{parts.scheme}://{parts.netloc}", prefix
        self.session = requests.Session()
        self.session.auth, self.session.trust_env = auth, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self.session.close()

    def under(self, prefix: str) -> Self:
        """The same caller with the other prefix."""
        return type(self)(self.base, self.session.auth, prefix)

    def send(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self.session.request(method, f"{self.base}{self.prefix}{path}", timeout=30, **kwargs)

    def call(self, method: str, path: str, body: Any = None, **kwargs: Any) -> Any:
        """The data of a call that must succeed; its envelope is the contract's."""
        answer = self.send(method, path, json=body, **kwargs)
        assert answer.status_code == 200, (method, path, answer.text)
        envelope = answer.json()
        assert envelope.keys() - {"data"} == ENVELOPE, envelope.keys()
        assert (envelope["status"], envelope["successful"]) == (200, True)
        return envelope.get("data")

    def refused(self, status: int, code: int, method: str, path: str, body: Any = None) -> Data:
        """The error of a call that must be refused so."""
        answer = self.send(method, path, json=body)
        envelope = answer.json()
        assert envelope.keys() == {*ENVELOPE, "error"}, (answer.status_code, envelope)
        error: Data = envelope["error"]
        assert (answer.status_code, envelope["status"], error["code"]) == (status, status, code), envelope
        assert envelope["successful"] is False
        assert error["message"]
        return error

    def poll(self, path: str, seconds: float = 60) -> Data:
        """Ask again and again until the task at this path has ended."""
        deadline = time.monotonic() + seconds
        while True:
            task: Data = self.call("GET", path)
            if task["status"] in ("SUCCESSFUL", "FAILED"):
                return task
            assert time.monotonic() < deadline, [node["status"] for node in task["subtasks"]]
            time.sleep(0.2)
