"""What stands for a user beside the password: a named secret that may permit less, expire, and be revoked."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from redis import Redis

from api.user import DISK, Permission, User, with_implied
from dag.durable import Disk
from dag.error import MusterError
from dag.script import translated

MOST_A_USER = 100
# A use is noted at most so often by each process: finer times would cost a write a request.
NOTED_EVERY_SECONDS = 60.0

Clock = Callable[[], float]


class UnknownCredential(MusterError):
    """There is no such token or access key."""


class TooManyCredentials(MusterError):
    """A user can have 100 tokens and 100 access keys at most: revoke some."""


@dataclass(frozen=True)
class Credential:
    """One token or access key. `secret` is what the store may know of it: a digest, or a ciphertext.

    `permissions` None: all that its owner has. Times are ms since the epoch; `expires_at` None: never.
    """

    id: str
    name: str
    owner: str
    owner_id: int
    permissions: tuple[Permission, ...] | None
    created_at: int
    expires_at: int | None
    secret: str = field(repr=False)

    def narrow(self, held: frozenset[Permission]) -> frozenset[Permission]:
        """Return what is left of its owner's permissions."""
        return held if self.permissions is None else held & with_implied(self.permissions)


@dataclass(frozen=True)
class Wish:
    """A credential to be made: its name, what it may (None: all of the owner's), how long it holds (None: ever)."""

    name: str
    permissions: tuple[Permission, ...] | None = None
    seconds: int | None = None


class CredentialStore:
    """The credentials of one kind in a Redis hash, by id. Every call raises StoreUnavailable while Redis is away.

    One that is made or revoked is confirmed by the server; NotDurable where it is not in time.
    Each is read from Redis for each request: one that is revoked is refused by all API processes at once.
    """

    def __init__(self, redis: Redis, key: str, clock: Clock = time.time) -> None:
        self._redis: Any = redis
        self._key, self._used_key = key, f"{key}:used"
        self._clock = clock
        self._disk = Disk(redis, DISK)
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()

    def now(self) -> int:
        """Return the time in ms since the epoch."""
        return int(self._clock() * 1000)

    def add(self, id: str, owner: User, wish: Wish, secret: str) -> Credential:
        """Keep a new credential, and forget the owner's that have expired.

        Raises:
            TooManyCredentials: the owner has 100 of them.

        """
        now = self.now()
        until = None if wish.seconds is None else now + 1000 * wish.seconds
        made = Credential(id, wish.name, owner.name, owner.id, wish.permissions, now, until, secret)

        def write(pipe: Any) -> None:
            others = [one for one in map(_parse, pipe.hvals(self._key)) if one.owner_id == owner.id]
            gone = [one.id for one in others if self._is_over(one)]
            if len(others) - len(gone) >= MOST_A_USER:
                raise TooManyCredentials
            pipe.multi()
            self._drop(pipe, gone)
            pipe.hset(self._key, id, orjson.dumps(asdict(made)).decode())

        with translated():
            self._redis.transaction(write, self._key)
        self._disk.confirm()
        return made

    def find(self, id: str) -> Credential | None:
        """Return the credential of this id while it holds; None for one that is unknown, revoked or expired."""
        with translated():
            text = self._redis.hget(self._key, id)
        found = _parse(text) if text else None
        return None if found is None or self._is_over(found) else found

    def list(self, owner_id: int | None = None) -> list[tuple[Credential, int | None]]:
        """Return those of one user, or all, newest first, each with its last use (ms, to the minute; None: never)."""
        with translated():
            texts, used = self._redis.hvals(self._key), self._redis.hgetall(self._used_key)
        found = [one for one in map(_parse, texts) if owner_id in (None, one.owner_id)]
        found.sort(key=lambda one: (one.created_at, one.id), reverse=True)
        return [(one, int(used[one.id]) if one.id in used else None) for one in found]

    def remove(self, id: str, owner_id: int | None = None) -> Credential:
        """Revoke a credential (with `owner_id`: only if it is that user's); UnknownCredential where there is none."""
        with translated():
            text = self._redis.hget(self._key, id)
            found = _parse(text) if text else None
            if found is None or owner_id not in (None, found.owner_id):
                raise UnknownCredential
            self._drop(self._redis, [id])
        self._disk.confirm()
        return found

    def remove_all(self, owner_id: int) -> None:
        """Revoke all of a user."""
        with translated():
            self._drop(self._redis, [one.id for one, _ in self.list(owner_id)])
        self._disk.confirm()

    def note_use(self, id: str) -> None:
        """Note that it was used now; written once a minute."""
        now = self._clock()
        with self._lock:
            if self._noted.get(id, 0.0) > now - NOTED_EVERY_SECONDS:
                return
            if len(self._noted) > 10_000:
                self._noted.clear()
            self._noted[id] = now
        with translated():
            self._redis.hset(self._used_key, id, int(now * 1000))

    def _is_over(self, one: Credential) -> bool:
        return one.expires_at is not None and one.expires_at <= self.now()

    def _drop(self, redis: Any, ids: Iterable[str]) -> None:
        for id in ids:
            redis.hdel(self._key, id)
            redis.hdel(self._used_key, id)


def _parse(text: str) -> Credential:
    fields = orjson.loads(text)
    held = fields["permissions"]
    return Credential(**{**fields, "permissions": None if held is None else tuple(map(Permission, held))})
