"""Signs requests as OCP's clients do, from its documents 1187588 and 2169100; shares no line with the API."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import quote


def signed_headers(
    key: Mapping[str, Any],
    method: str,
    host: str,
    path: str,
    params: Mapping[str, str] | None = None,
    body: bytes = b"",
    extra: Mapping[str, str] | None = None,
    late: float = 0.0,
) -> dict[str, str]:
    """The headers to send with a request; `key` is what the API answered when it made the access key."""
    headers = {"Content-Type": "application/json", "Date": formatdate(time.time() + late, usegmt=True), **(extra or {})}
    payload = hashlib.md5(body).hexdigest().upper() if body else ""
    own = "\n".join(f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith("x-ocp-"))
    target = url(path, params)
    text = "\n".join([method, payload, headers["Content-Type"], headers["Date"], host, own, target])
    digest = hmac.new(key["secretKey"].encode(), text.encode(), hashlib.sha1).digest()
    headers["Authorization"] = f"OCP-ACCESS-KEY-HMACSHA1 {key['id']}:{base64.b64encode(digest).decode()}"
    return headers


def url(path: str, params: Mapping[str, str] | None = None) -> str:
    query = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted((params or {}).items())
    )
    return f"{path}?{query}" if query else path
