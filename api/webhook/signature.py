"""How a message is signed: as https://www.standardwebhooks.com has it, so that receivers find libraries for it."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from secrets import token_bytes

PREFIX = "whsec_"
# The base64 of 24 to 64 bytes: so long a secret has to be.
_END = "(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
PATTERN = rf"{PREFIX}(?:(?:[A-Za-z0-9+/]{{4}}){{8,20}}{_END}|(?:[A-Za-z0-9+/]{{4}}){{21}}(?:[A-Za-z0-9+/]{{2}}==)?)"


def make_secret() -> str:
    """Return a new secret: `whsec_` and the base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(token_bytes(32)).decode()


def headers(secrets: Sequence[str], id: str, now: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message of this id, sent `now` (s since the epoch), signed with each of the secrets."""
    signed = f"{id}.{now}.".encode() + body
    return {
        "webhook-id": id,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    digest = hmac.new(base64.b64decode(secret.removeprefix(PREFIX)), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
