"""Keeps what must be read again: encrypted in Redis, under a key that only the API has (`api.secret_key`)."""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dag.error import MusterError

NONCE_BYTES = 12


class WrongKey(MusterError):
    """A secret was encrypted under another api.secret_key (MUSTER_API_SECRET_KEY), or for something else."""


class Cipher:
    """AES-256-GCM under a key made from the setting; a label binds each ciphertext to what it belongs to."""

    def __init__(self, secret_key: str) -> None:
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"muster secrets at rest")
        self._aes = AESGCM(derive.derive(secret_key.encode()))

    def encrypt(self, text: str, label: str) -> str:
        """Return the text so that only `decrypt` with the same label gives it back."""
        nonce = os.urandom(NONCE_BYTES)
        return base64.b64encode(nonce + self._aes.encrypt(nonce, text.encode(), label.encode())).decode()

    def decrypt(self, sealed: str, label: str) -> str:
        """Return the text; WrongKey where key or label are others."""
        raw = base64.b64decode(sealed)
        try:
            return self._aes.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], label.encode()).decode()
        except InvalidTag:
            raise WrongKey from None
