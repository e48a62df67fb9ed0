"""How a message is signed: as https://www.standardwebhooks.com has it, so that receivers find libraries for it."""

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
# The base64 of 24 to 64 bytes: so long a secret has to be.
_END = "(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
PATTERN = rf"{PREFIX}(?:(?:[A-Za-z0-9+/]{{4}}){{8,20}}{_END}|(?:[A-Za-z0-9+/]{{4}}){{21}}(?:[A-Za-z0-9+/]{{2}}==)?)"


def make_secret() -> str:
    """Return a new secret: `whsec_` and the base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def headers(secret: str, id: str, now: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message of this id, sent `now` (s since the epoch)."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.new(key, f"{id}.{now}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
