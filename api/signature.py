"""OCP's signed requests: what is signed, and how a signature is written.

`Authorization: OCP-ACCESS-KEY-HMACSHA1 <ak>:<base64(hmac-sha1(sk, toSign))>`; toSign is, joined by line breaks: the
method, the upper-case hex MD5 of the body ("" without one), Content-Type, Date, Host, the `x-ocp-*` headers as sorted
`name:value` lines ("" without any), and the path with its sorted, url-encoded query (OCP's documents 1187588, 2169100).
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, quote

SCHEME = "OCP-ACCESS-KEY-HMACSHA1"
HEADER_PREFIX = "x-ocp-"

_CREDENTIALS = re.compile(r"([A-Za-z0-9_-]{1,128}):([A-Za-z0-9+/]{27}=)")


@dataclass(frozen=True)
class Message:
    """A request as its signature sees it; the header names are in lower case, `target` is path and query as sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def parse_credentials(text: str) -> tuple[str, str] | None:
    """Return access key and signature of what stands behind the scheme, None where it is malformed."""
    found = _CREDENTIALS.fullmatch(text)
    return (found[1], found[2]) if found else None


def sign(secret: str, text: str) -> str:
    """Return the signature of a string to sign."""
    return base64.b64encode(
        hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha1)
    ).decode()


def is_signed(message: Message, secret: str, signature: str) -> bool:
    """Tell whether this is the message's signature under the secret."""
    # All are compared, so that the time does not tell which one came close.
    return any([hmac.compare_digest(sign(secret, text), signature) for text in strings_to_sign(message)])


def strings_to_sign(message: Message) -> Iterator[str]:
    """Yield what may have been signed: with the query as RFC 3986 encodes it, and as it was sent.

    Clients differ in how they encode a blank or an asterisk (Java's URLEncoder writes "+" and "*"); both spellings say
    the same, so either may be signed.
    """
    path, _, query = message.target.partition("?")
    for spelled in dict.fromkeys((_sorted(query), query)):
        yield _string_to_sign(message, f"{path}?{spelled}" if spelled else path)


def date_of(message: Message) -> float | None:
    """Return the Date header in s since the epoch, None where it is missing or malformed."""
    try:
        date = parsedate_to_datetime(message.headers.get("date", ""))
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _string_to_sign(message: Message, target: str) -> str:
    headers = message.headers
    # MD5 is the contract's: the body is protected by the HMAC over it, not by MD5 alone.
    digest = hashlib.md5(message.body, usedforsecurity=False).hexdigest().upper() if message.body else ""
    own = "\n".join(f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith(HEADER_PREFIX))
    plain = [headers.get(name, "") for name in ("content-type", "date", "host")]
    return "\n".join([message.method, digest, *plain, own, target])


def _sorted(query: str) -> str:
    pairs = sorted(parse_qsl(query, keep_blank_values=True, encoding="utf-8", errors="surrogateescape"))
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs)


def _encoded(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")
