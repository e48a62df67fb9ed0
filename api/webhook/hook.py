"""Webhooks: who is told of what, where and under which secret."""

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import orjson
from redis import Redis

from api.access_key import NoSecretKey
from api.cipher import Cipher
from dag.durable import Disk
from dag.error import MusterError
from dag.script import translated

KEY, IDS, DISK = "{webhook}:hooks", "{webhook}:ids", "{webhook}:disk"
MOST = 50


class HookEvent(StrEnum):
    """What can be told: a task ended; a node of it failed, the first of which that is known."""

    ENDED = "task.ended"
    FAILED = "task.failed"


class UnknownWebhook(MusterError):
    """There is no such webhook."""


class TooManyWebhooks(MusterError):
    """There can be 50 webhooks at most: remove some."""


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

    def secret_of(self, hook: Hook) -> str:
        """Return the secret in clear; WrongKey, or NoSecretKey, where this API can't read it."""
        if self._cipher is None:
            raise NoSecretKey
        return self._cipher.decrypt(hook.secret, _label(hook.id))

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

        def write(pipe: Any) -> Hook:
            text = pipe.hget(KEY, str(id))
            if text is None:
                raise UnknownWebhook
            hook = replace(_parse(text), **changes)
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
    return Hook(**{**found, "events": tuple(found["events"])})
