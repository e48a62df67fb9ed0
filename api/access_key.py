"""Access keys: made for a user, shown once, and used to sign requests (see signature.py)."""

import hashlib
import secrets
from typing import Any

from api import signature
from api.cipher import Cipher, WrongKey
from api.credential import Credential, CredentialStore, Wish
from api.signature import Message
from api.user import User
from dag.error import MusterError
from dag.script import translated

KEY = "{iam}:access-keys"
SKEW_SECONDS = 15 * 60


class NoSecretKey(MusterError):
    """Access keys and webhooks need the setting api.secret_key (MUSTER_API_SECRET_KEY) on every API: it encrypts."""


class SpentSignature(MusterError):
    """A signature that is right and counts no more: its date is off, or it was used before."""


class AccessKeys:
    """Makes access keys and checks what they signed.

    To check an HMAC its secret must be known again, so it is kept: encrypted in Redis, bound to its access key.
    """

    def __init__(self, store: CredentialStore, redis: Any, secret_key: str) -> None:
        self.store = store
        self._redis = redis
        self._cipher = Cipher(secret_key) if secret_key else None
        # An unknown key costs the same work as a known one.
        self._dummy = secrets.token_urlsafe(30)

    def create(self, owner: User, wish: Wish) -> tuple[Credential, str]:
        """Make an access key of this user and return it with its secret, which is not shown again.

        Raises:
            NoSecretKey: the API has none to encrypt it with.
            TooManyCredentials: the user has 100 of them.

        """
        if self._cipher is None:
            raise NoSecretKey
        id, secret = f"AK{secrets.token_hex(9)}", secrets.token_urlsafe(30)
        return self.store.add(id, owner, wish, self._cipher.encrypt(secret, id)), secret

    def verify(self, id: str, signed: str, message: Message) -> Credential | None:
        """Return the access key that signed the message, None where it did not.

        Raises:
            SpentSignature: it did, but too long ago, or the message came before. Whoever is told has proved to have it.
            WrongKey: the access key was kept under another api.secret_key.

        """
        found = self.store.find(id)
        if not signature.is_signed(message, self._secret(found), signed) or found is None:
            return None
        self._check_fresh(signed, message)
        return found

    def _secret(self, found: Credential | None) -> str:
        if found is None:
            return self._dummy
        if self._cipher is None:
            raise WrongKey
        return self._cipher.decrypt(found.secret, found.id)

    def _check_fresh(self, signed: str, message: Message) -> None:
        """Raise where the message is not of now, or not new; it is remembered for as long as its date would do."""
        date, now = signature.date_of(message), self.store.now() / 1000
        if date is None:
            raise SpentSignature("A signed request needs a Date header as RFC 1123 writes it.")
        if abs(now - date) > SKEW_SECONDS:
            off = f"{abs(now - date) / 60:.1f} minutes {'behind' if date < now else 'ahead of'} this server's clock"
            raise SpentSignature(f"The Date of a signed request may be 15 minutes off; this one is {off}.")
        # The clocks of other API processes may be a little behind this one.
        left = int(date + SKEW_SECONDS - now) + 60
        key = f"{{iam}}:signature:{hashlib.sha256(signed.encode()).hexdigest()}"
        with translated():
            is_new = self._redis.set(key, "1", nx=True, ex=left)
        if not is_new:
            raise SpentSignature(
                "This signature was used before. Sign each call anew; of two equal ones in one second the second needs "
                "another x-ocp- header (x-ocp-nonce: 2)."
            )
