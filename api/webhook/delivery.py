"""Deliveries: one message to one webhook each, from the event until it is delivered or given up, in bounded lists."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
from redis import Redis

from dag.error import MusterError
from dag.script import translated

_LUA = Path(__file__).parents[1] / "lua"


class DeliveryStatus(StrEnum):
    """Where a delivery stands; FAILED: every attempt failed, and there will be no more."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class UnknownDelivery(MusterError):
    """There is no such delivery, or it is no longer kept."""


@dataclass(frozen=True)
class Delivery:
    """One message; `id` is the same in all its attempts. Times are ms; `next_at` None: no attempt follows."""

    id: str
    hook_id: int
    event: str
    task_id: int
    created_at: int
    body: str = field(repr=False)
    status: str = DeliveryStatus.PENDING
    attempts: int = 0
    code: int | None = None
    error: str = ""
    answer: str = ""
    tried_at: int | None = None
    next_at: int | None = None


class Deliveries:
    """The deliveries of all webhooks, three keys each. Every call raises StoreUnavailable while Redis is away."""

    def __init__(self, redis: Redis, *, most: int, keep_seconds: int) -> None:
        self._redis: Any = redis
        self._most, self._keep_ms = most, keep_seconds * 1000
        names = ("webhook_add", "webhook_claim", "webhook_settle")
        self._scripts = {name: redis.register_script((_LUA / f"{name}.lua").read_text()) for name in names}

    def now(self) -> int:
        """Return Redis's time, ms since the epoch."""
        with translated():
            seconds, micros = self._redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def add(self, delivery: Delivery) -> int:
        """Keep a new delivery, due at once; one that is there stays. Returns how many waiting ones had to go for it."""
        oldest = delivery.created_at - self._keep_ms
        arguments = [delivery.id, _text(delivery), delivery.created_at, self._most, oldest]
        return int(self._call("webhook_add", delivery.hook_id, *arguments))

    def claim(self, hook_id: int, *, count: int, lease_ms: int) -> list[Delivery]:
        """Return deliveries that are due; nobody else gets them before the lease has run out."""
        return [_parse(text) for text in self._call("webhook_claim", hook_id, self.now(), count, lease_ms)]

    def settle(self, delivery: Delivery) -> None:
        """Keep what became of an attempt; nothing where the delivery is gone meanwhile."""
        next_at = "" if delivery.next_at is None else delivery.next_at
        self._call("webhook_settle", delivery.hook_id, delivery.id, _text(delivery), next_at)

    def get(self, hook_id: int, id: str) -> Delivery:
        """Return one delivery; UnknownDelivery where it is not there."""
        with translated():
            text = self._redis.hget(_keys(hook_id)[1], id)
        if text is None:
            raise UnknownDelivery
        return _parse(text)

    def page(self, hook_id: int, *, page: int, size: int) -> tuple[list[Delivery], int]:
        """Return one page (from 1), newest first, and how many there are."""
        index, records, _due = _keys(hook_id)
        first = (page - 1) * size
        with translated():
            total = int(self._redis.zcard(index))
            ids = self._redis.zrevrange(index, first, first + size - 1)
            texts = self._redis.hmget(records, ids) if ids else []
        return [_parse(text) for text in texts if text], total

    def remove_all(self, hook_id: int) -> None:
        """Forget all of a webhook."""
        with translated():
            self._redis.delete(*_keys(hook_id))

    def _call(self, name: str, hook_id: int, *arguments: Any) -> Any:
        with translated():
            return self._scripts[name](keys=_keys(hook_id), args=arguments)


def _keys(hook_id: int) -> list[str]:
    return [f"{{webhook}}:{hook_id}:{part}" for part in ("deliveries", "records", "due")]


def _text(delivery: Delivery) -> str:
    return orjson.dumps(asdict(delivery)).decode()


def _parse(text: str) -> Delivery:
    return Delivery(**orjson.loads(text))
