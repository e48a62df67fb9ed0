"""Sessions: who has signed in to the console. A browser holds a random secret in a cookie, Redis its SHA-256.

A session ends when it is signed out, when nobody has touched the console for a while, after a day's work in any case,
and when its user is deleted, disabled or gets another password.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from redis import Redis

from api.user import DISK, User
from dag.durable import Disk
from dag.script import translated

KEY = "{iam}:session"
# A user's oldest sessions go when there are more: each costs Redis about 0.3 kB.
MOST_A_USER = 50


@dataclass(frozen=True)
class Session:
    """One sign-in; times are ms since the epoch. `user_id` and `epoch` tell whether its user is still the same."""

    secret: str = field(repr=False)
    user: str
    user_id: int
    epoch: int
    expires_at: int

    @property
    def csrf_token(self) -> str:
        """What a change must send along, and other sites can't know: it follows from the secret, not the other way."""
        digest = hmac.digest(self.secret.encode(), b"csrf", hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def is_of(self, user: User | None) -> bool:
        """Tell whether it still stands for this user, who is as at the sign-in."""
        return user is not None and user.enabled and (user.id, user.epoch) == (self.user_id, self.epoch)


class SessionStore:
    """The sessions in Redis, each with an end of its own. Every call raises StoreUnavailable while Redis is away."""

    def __init__(self, redis: Redis, seconds: int, idle_seconds: int, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis
        self._seconds, self._idle_seconds = seconds, idle_seconds
        self._clock = clock
        self._disk = Disk(redis, DISK)

    def create(self, user: User) -> Session:
        """Begin a session of this user."""
        now = self._now()
        made = Session(secrets.token_urlsafe(32), user.name, user.id, user.epoch, now + 1000 * self._seconds)
        digest, listed = _digest(made.secret), f"{KEY}s:{user.id}"
        record = {"user": user.name, "user_id": user.id, "epoch": user.epoch, "expires_at": made.expires_at}
        with translated(), self._redis.pipeline() as pipe:
            pipe.set(f"{KEY}:{digest}", orjson.dumps(record), px=self._left(made))
            pipe.zadd(listed, {digest: now})
            pipe.zrange(listed, 0, -MOST_A_USER - 1)
            pipe.zremrangebyrank(listed, 0, -MOST_A_USER - 1)
            pipe.expire(listed, self._seconds)
            oldest = pipe.execute()[2]
            if oldest:
                self._redis.delete(*(f"{KEY}:{one}" for one in oldest))
        return made

    def find(self, secret: str) -> Session | None:
        """Return the session of this secret while it lasts, else None."""
        with translated():
            text = self._redis.get(f"{KEY}:{_digest(secret)}")
        found = Session(secret, **orjson.loads(text)) if text else None
        return found if found and found.expires_at > self._now() else None

    def touch(self, session: Session) -> None:
        """Let the idle time begin anew, within the session's last day."""
        with translated():
            self._redis.pexpire(f"{KEY}:{_digest(session.secret)}", self._left(session))

    def remove(self, session: Session) -> None:
        """End a session, confirmed by the server; NotDurable where it is not in time."""
        digest = _digest(session.secret)
        with translated(), self._redis.pipeline() as pipe:
            pipe.delete(f"{KEY}:{digest}")
            pipe.zrem(f"{KEY}s:{session.user_id}", digest)
            pipe.execute()
        self._disk.confirm()

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _left(self, session: Session) -> int:
        return max(1, min(1000 * self._idle_seconds, session.expires_at - self._now()))


def _digest(secret: str) -> str:
    # As for tokens: 256 random bits can't be guessed, however fast the guessing.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
