"""What others are to be told of: events that the scripts write with the change itself, taken by whoever tells."""

from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import ResponseError

from dag.dispatch import read_messages
from dag.script import translated
from dag.store import Store

GROUP = "webhooks"


@dataclass(frozen=True)
class Event:
    """`kind` is task.ended, or task.failed: the first failure since the task began, or went on after an end.

    `status` is the task's then, `at` in ms.
    """

    id: str
    kind: str
    task_id: int
    status: str
    at: int


class Outbox:
    """The events of one partition, each of which goes to one of those who take them; what a dead one took, to another.

    Every call raises StoreUnavailable while Redis is away.
    """

    def __init__(self, store: Store, consumer: str) -> None:
        self._redis, self._key, self._consumer = store.redis, store.keys.outbox, consumer

    def open(self) -> None:
        """Make the stream and its group where they are missing."""
        try:
            with translated():
                self._redis.xgroup_create(self._key, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def take(self, *, count: int, block_ms: int, idle_ms: int) -> list[Event]:
        """Return what another took `idle_ms` ago and has not told, and new events, waiting `block_ms` for the first."""
        try:
            with translated(), self._redis.pipeline(transaction=False) as pipe:
                pipe.xautoclaim(self._key, GROUP, self._consumer, idle_ms, "0-0", count)
                pipe.xreadgroup(GROUP, self._consumer, {self._key: ">"}, count=count, block=block_ms)
                claimed, fresh = pipe.execute()
        except ResponseError as error:
            # Behind the command's text, as a pipeline tells it.
            if "NOGROUP" not in str(error):
                raise
            self.open()
            return []
        rows = [*((name, told) for name, told in claimed[1] if told), *read_messages(fresh)]
        return [Event(name, told["event"], int(told["task"]), told["status"], int(told["at"])) for name, told in rows]

    def done(self, events: Sequence[Event]) -> None:
        """Take events off for good."""
        if events:
            ids = [event.id for event in events]
            with translated(), self._redis.pipeline(transaction=False) as pipe:
                pipe.xack(self._key, GROUP, *ids)
                pipe.xdel(self._key, *ids)
                pipe.execute()
