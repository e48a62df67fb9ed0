"""API tokens: `Authorization: Bearer muster_<id>_<secret>`. The secret is shown once; its SHA-256 is kept.

A plain SHA-256 will do, unlike for passwords: 256 random bits can't be guessed, however fast the guessing.
"""

import hashlib
import hmac
import re
import secrets

from api.credential import Credential, CredentialStore, Wish
from api.user import User

KEY = "{iam}:tokens"

_TOKEN = re.compile(r"muster_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NO_DIGEST = "0" * 64


class Tokens:
    """Makes tokens and knows them again."""

    def __init__(self, store: CredentialStore) -> None:
        self.store = store

    def create(self, owner: User, wish: Wish) -> tuple[Credential, str]:
        """Make a token of this user and return it with its text, which is known to nobody afterwards.

        Raises:
            TooManyCredentials: the user has 100 of them.

        """
        id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        return self.store.add(id, owner, wish, _digest(secret)), f"muster_{id}_{secret}"

    def verify(self, text: str) -> Credential | None:
        """Return the token of this text while it holds, else None."""
        parts = _TOKEN.fullmatch(text)
        if parts is None:
            return None
        id, secret = parts.groups()
        found = self.store.find(id)
        right = hmac.compare_digest(_digest(secret), found.secret if found else _NO_DIGEST)
        return found if right else None


def id_of(text: str) -> str:
    """Return the part of a token's text that is no secret, "" where it is no token."""
    parts = _TOKEN.fullmatch(text)
    return parts.group(1) if parts else ""


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
