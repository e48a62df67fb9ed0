"""Passwords: argon2 hashes, and a memory of what argon2 said, which keeps it out of the way of a poll."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LONGEST_PASSWORD = 1024
KNOWN_SECONDS, REFUSED_SECONDS, MOST_KEPT = 60.0, 5.0, 1024
STRIPES = 64

# OWASP's first recommendation for argon2id; four at once take 76 MiB, however many threads the API has.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_HASHING_AT_ONCE = threading.BoundedSemaphore(4)


def hash_password(password: str) -> str:
    """Return the password's argon2id hash, with its salt and parameters."""
    with _HASHING_AT_ONCE:
        return _HASHER.hash(password)


class PasswordMemory:
    """Asks argon2 about a password once a minute; `clock` gives seconds.

    What it remembers is keyed by name, password and hash, under a key of this process: a changed password has another
    hash, so that nothing has to be forgotten, and no password is kept.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._verdicts: dict[bytes, tuple[bool, float]] = {}
        self._lock = threading.Lock()
        # Many threads with one password ask argon2 once, and count as one attempt.
        self._asking = [threading.Lock() for _ in range(STRIPES)]
        # An unknown name costs the same work as a known one, so that times do not tell which names exist.
        self._dummy = _HASHER.hash(secrets.token_hex(16))

    def is_right(self, name: str, password: str, stored: str | None, before: Callable[[], None]) -> bool:
        """Tell whether the password fits the hash (None: there is no such user).

        `before` is called before argon2 is asked, and may refuse that by raising.
        """
        if len(password) > LONGEST_PASSWORD:
            before()
            return False
        against = stored or self._dummy
        text = "\0".join((name, password, against)).encode("utf-8", "surrogatepass")
        key = hmac.digest(self._secret, text, hashlib.sha256)
        verdict = self._remembered(key)
        if verdict is None:
            with self._asking[key[0] % STRIPES]:
                verdict = self._remembered(key)
                if verdict is None:
                    before()
                    verdict = _matches(against, password)
                    self._remember(key, verdict)
        return verdict and stored is not None

    def _remembered(self, key: bytes) -> bool | None:
        with self._lock:
            verdict, until = self._verdicts.get(key, (None, 0.0))
            return verdict if until > self._clock() else None

    def _remember(self, key: bytes, verdict: bool) -> None:
        with self._lock:
            self._verdicts.pop(key, None)
            while len(self._verdicts) >= MOST_KEPT:
                self._verdicts.pop(next(iter(self._verdicts)))
            self._verdicts[key] = (verdict, self._clock() + (KNOWN_SECONDS if verdict else REFUSED_SECONDS))


def _matches(stored: str, password: str) -> bool:
    try:
        with _HASHING_AT_ONCE:
            return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
