"""What others are to be told of: events that the scripts write with the change itself, taken by whoever tells."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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

    def take(self, *, count: int, block_ms: int) -> list[Event]:
        """Return new events, waiting for the first."""
        names = {self._key: ">"}
        answer = self._as_group(
            lambda: self._redis.xreadgroup(GROUP, self._consumer, names, count=count, block=block_ms)
        )
        return _events(read_messages(answer))

    def take_over(self, *, count: int, idle_ms: int) -> list[Event]:
        """Return those that another took `idle_ms` ago and has not told."""
        options = {"min_idle_time": idle_ms, "start_id": "0-0", "count": count}
        answer = self._as_group(lambda: self._redis.xautoclaim(self._key, GROUP, self._consumer, **options))
        return _events((name, told) for name, told in answer[1] if told) if answer else []

    def _as_group(self, ask: Callable[[], Any]) -> Any:
        """Return the answer; where the group is not there, make it and return None."""
        try:
            with translated():
                return ask()
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self.open()
            return None

    def done(self, events: Sequence[Event]) -> None:
        """Take events off for good."""
        if events:
            ids = [event.id for event in events]
            with translated(), self._redis.pipeline(transaction=False) as pipe:
                pipe.xack(self._key, GROUP, *ids)
                pipe.xdel(self._key, *ids)
                pipe.execute()


def _events(rows: Iterable[tuple[str, dict[str, str]]]) -> list[Event]:
    return [Event(name, told["event"], int(told["task"]), told["status"], int(told["at"])) for name, told in rows]
