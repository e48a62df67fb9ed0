"""Users: who may call, kept in one Redis hash with argon2 hashes of their passwords."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

import orjson
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from redis import Redis

from dag.error import MusterError
from dag.script import translated

KEY = "muster:users"
LONGEST_NAME, LONGEST_PASSWORD = 64, 1024
KNOWN_SECONDS, REFUSED_SECONDS, MOST_KEPT = 60.0, 5.0, 1024

# OWASP's first recommendation for argon2id; four at once take 76 MiB, however many threads the API has.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_HASHING_AT_ONCE = threading.BoundedSemaphore(4)


class Permission(StrEnum):
    """The contract's permissions."""

    HOST_VIEWER = "HOST_VIEWER"
    HOST_MANAGER = "HOST_MANAGER"
    TASK_VIEWER = "TASK_VIEWER"
    TASK_MANAGER = "TASK_MANAGER"


_IMPLIED = {Permission.HOST_MANAGER: Permission.HOST_VIEWER, Permission.TASK_MANAGER: Permission.TASK_VIEWER}


class UserExists(MusterError):
    """A user of this name exists already."""


class IllegalUser(MusterError):
    """A user needs a name of 1 to 64 printable characters without a colon, and a password of 1 to 1024."""


@dataclass(frozen=True)
class User:
    """Somebody who may call; `permissions` holds what is implied, too."""

    id: int
    name: str
    permissions: frozenset[Permission]

    def may(self, permission: Permission) -> bool:
        """Tell whether the user has the permission."""
        return permission in self.permissions


class UserStore:
    """The users in Redis. Every call raises StoreUnavailable while Redis is away."""

    def __init__(self, redis: Redis, *, key: str = KEY, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._key = key
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._verdicts: dict[bytes, tuple[bool, float]] = {}
        self._lock = threading.Lock()
        # An unknown name costs the same work as a known one, so that times do not tell which names exist.
        self._dummy = _HASHER.hash(secrets.token_hex(16))

    def add(self, name: str, password: str, permissions: Iterable[Permission]) -> User:
        """Make a user and return it.

        Raises:
            UserExists: the name is taken.
            IllegalUser: the name or the password can't be used with HTTP Basic.

        """
        _check(name, password)
        record = self._record(name, password, permissions)
        with translated():
            if not self._redis.hsetnx(self._key, name, record):
                raise UserExists(f"User {name} exists already.")
        return _user(name, record)

    def ensure_admin(self, name: str, password: str) -> User:
        """Return the user `name`, who may do everything and has this password from now on.

        Raises:
            IllegalUser: the name or the password can't be used with HTTP Basic.

        """
        _check(name, password)
        known = self.verify(name, password)
        if known and known.permissions == frozenset(Permission):
            return known
        record = self._record(name, password, Permission)
        with translated():
            self._redis.hset(self._key, name, record)
        return _user(name, record)

    def find(self, name: str) -> User | None:
        """Return the user of this name, None where there is none."""
        record = self._read(name)
        return _user(name, record) if record else None

    def verify(self, name: str, password: str) -> User | None:
        """Return the user if name and password are right, else None; both take the same time."""
        record = self._read(name) if len(name) <= LONGEST_NAME else None
        stored = orjson.loads(record)["hash"] if record else self._dummy
        if len(password) > LONGEST_PASSWORD:
            return None
        right = self._is_right(name, password, stored)
        return _user(name, record) if right and record else None

    def _read(self, name: str) -> str | None:
        with translated():
            text = self._redis.hget(self._key, name)
        return text.decode() if isinstance(text, bytes) else text

    def _record(self, name: str, password: str, permissions: Iterable[Permission]) -> str:
        known = self.find(name)
        with translated():
            number = known.id if known else int(self._redis.incr(f"{self._key}:id"))
        wanted = sorted({Permission(p) for p in permissions})
        return orjson.dumps({"id": number, "hash": _HASHER.hash(password), "permissions": wanted}).decode()

    def _is_right(self, name: str, password: str, stored: str) -> bool:
        """Ask argon2, or the memory of what it said; a changed password has another hash, so another key."""
        text = "\0".join((name, password, stored)).encode("utf-8", "surrogatepass")
        key = hmac.digest(self._secret, text, hashlib.sha256)
        verdict = self._remembered(key)
        if verdict is None:
            with _HASHING_AT_ONCE:
                verdict = self._remembered(key)
                if verdict is None:
                    verdict = _matches(stored, password)
                    self._remember(key, verdict)
        return verdict

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
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def _check(name: str, password: str) -> None:
    named = 0 < len(name) <= LONGEST_NAME and name.isprintable() and ":" not in name
    if not named or not 0 < len(password) <= LONGEST_PASSWORD:
        raise IllegalUser


def _user(name: str, record: str) -> User:
    fields = orjson.loads(record)
    held = {Permission(text) for text in fields["permissions"]}
    return User(fields["id"], name, frozenset(held | {_IMPLIED[p] for p in held if p in _IMPLIED}))
