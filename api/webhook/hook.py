"""Webhooks: who is told of what, where and under which secret."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import orjson
from redis import Redis

from api.access_key import NoSecretKey
from api.cipher import Cipher, WrongKey
from dag.durable import Disk
from dag.error import MusterError
from dag.script import translated

KEY, IDS, DISK = "{webhook}:hooks", "{webhook}:ids", "{webhook}:disk"
MOST = 50
# Older secrets of one webhook that still sign: each is a signature in the header of each message.
MOST_OLDER = 4


class HookEvent(StrEnum):
    """What can be told: a task ended; a node of it failed, the first since it began or went on."""

    ENDED = "task.ended"
    FAILED = "task.failed"


class UnknownWebhook(MusterError):
    """There is no such webhook."""


class TooManyWebhooks(MusterError):
    """There can be 50 webhooks at most: remove some."""


class WebhookDisabled(MusterError):
    """The webhook is disabled, so nothing is sent to it: enable it first."""


@dataclass(frozen=True)
class OlderSecret:
    """A secret from before, encrypted, with which messages are signed until this moment, too (ms)."""

    secret: str = field(repr=False)
    until: int


@dataclass(frozen=True)
class Hook:
    """One webhook; `creator` and `task_name` ("": any) narrow the tasks. `secret` is encrypted; times are ms."""

    id: int
    url: str
    events: tuple[str, ...]
    creator: str
    task_name: str
    enabled: bool
    created_at: int
    secret: str = field(repr=False)
    older: tuple[OlderSecret, ...] = ()

    def older_at(self, now: int) -> tuple[OlderSecret, ...]:
        """Return the older secrets that messages are signed with at this moment, too."""
        return tuple(one for one in self.older if one.until > now)


class Hooks:
    """All webhooks, in one Redis hash. Every call raises StoreUnavailable while Redis is away.

    A change is acknowledged when the server has confirmed it; NotDurable where it has not in time.
    """

    def __init__(self, redis: Redis, secret_key: str) -> None:
        self._redis: Any = redis
        self._cipher = Cipher(secret_key) if secret_key else None
        self._disk = Disk(redis, DISK)

    def add(self, hook: Hook) -> Hook:
        """Keep a new webhook, whose `secret` is given in clear, under an id of its own.

        Raises:
            NoSecretKey: the API has none to encrypt the secret with.
            TooManyWebhooks: there are 50.

        """
        if self._cipher is None:
            raise NoSecretKey
        with translated():
            if self._redis.hlen(KEY) >= MOST:
                raise TooManyWebhooks
            id = int(self._redis.incr(IDS))
            made = replace(hook, id=id, secret=self._cipher.encrypt(hook.secret, _label(id)))
            self._redis.hset(KEY, str(id), _text(made))
        self._disk.confirm()
        return made

    def secrets_of(self, hook: Hook, now: int) -> list[str]:
        """Return the secrets in clear that messages are signed with now, the newest first.

        Raises:
            NoSecretKey: this API has no key.
            WrongKey: the newest was encrypted under another one.

        """
        if self._cipher is None:
            raise NoSecretKey
        found = [self._cipher.decrypt(hook.secret, _label(hook.id))]
        for older in hook.older_at(now):
            # One that was kept under another key is lost; the new one is there to take its place.
            with suppress(WrongKey):
                found.append(self._cipher.decrypt(older.secret, _label(hook.id)))
        return found

    def rotate(self, id: int, secret: str, *, now: int, overlap_ms: int) -> Hook:
        """Sign with this secret from now on, and for the overlap with the one from before; without one with no other.

        Raises:
            NoSecretKey: the API has none to encrypt the secret with.
            UnknownWebhook: there is none of this id.

        """
        if self._cipher is None:
            raise NoSecretKey
        kept = self._cipher.encrypt(secret, _label(id))

        def rotated(hook: Hook) -> Hook:
            # Those from before last go on until their own ends: whoever rotates twice shuts nobody out.
            older = (OlderSecret(hook.secret, now + overlap_ms), *hook.older_at(now)) if overlap_ms else ()
            return replace(hook, secret=kept, older=older[:MOST_OLDER])

        return self._edit(id, rotated)

    def all(self) -> list[Hook]:
        """Return all webhooks, by id."""
        with translated():
            texts = self._redis.hvals(KEY)
        return sorted(map(_parse, texts), key=lambda hook: hook.id)

    def get(self, id: int) -> Hook:
        """Return one webhook; UnknownWebhook where there is none of this id."""
        with translated():
            text = self._redis.hget(KEY, str(id))
        if text is None:
            raise UnknownWebhook
        return _parse(text)

    def change(self, id: int, changes: dict[str, Any]) -> Hook:
        """Change fields of a webhook (not its secret) and return it; UnknownWebhook where there is none."""
        return self._edit(id, lambda hook: replace(hook, **changes))

    def _edit(self, id: int, edited: Callable[[Hook], Hook]) -> Hook:
        def write(pipe: Any) -> Hook:
            text = pipe.hget(KEY, str(id))
            if text is None:
                raise UnknownWebhook
            hook = edited(_parse(text))
            pipe.multi()
            pipe.hset(KEY, str(id), _text(hook))
            return hook

        with translated():
            changed: Hook = self._redis.transaction(write, KEY, value_from_callable=True)
        self._disk.confirm()
        return changed

    def remove(self, id: int) -> None:
        """Forget a webhook; UnknownWebhook where there is none."""
        with translated():
            if not self._redis.hdel(KEY, str(id)):
                raise UnknownWebhook
        self._disk.confirm()


def _label(id: int) -> str:
    return f"webhook {id}"


def _text(hook: Hook) -> str:
    return orjson.dumps(asdict(hook)).decode()


def _parse(text: str) -> Hook:
    found = orjson.loads(text)
    older = tuple(OlderSecret(**one) for one in found.get("older", ()))
    return Hook(**{**found, "events": tuple(found["events"]), "older": older})
