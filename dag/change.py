"""What has changed in a task, change by change: for whoever follows it.

Each transition notes its changes in the task's stream (see node.lua). The id of the last one is the task's version: a
snapshot and what comes after its version are the whole truth.
"""

from dataclasses import dataclass
from typing import Any

from dag.dispatch import read_messages
from dag.script import translated
from dag.store import Store

# How long one blocking read may take: less than the client waits for any answer of Redis.
SLICE_MS = 500


@dataclass(frozen=True)
class Change:
    """The nodes from offset `first` to `last` have this letter from now on.

    Without a letter the task itself has changed, its status say; with `is_vast` more than is listed one by one.
    """

    id: str
    first: int = 0
    last: int = -1
    letter: str = ""
    is_vast: bool = False

    @property
    def at(self) -> int:
        """When it was made (ms since the epoch, by Redis's clock)."""
        return order_of(self.id)[0]


def order_of(change_id: str) -> tuple[int, int]:
    """Return what puts the ids of changes in order."""
    ms, _, number = change_id.partition("-")
    return int(ms), int(number)


class ChangeLog:
    """The changes of one task. Every call raises StoreUnavailable while Redis is away."""

    def __init__(self, store: Store, task_id: int) -> None:
        self._redis: Any = store.redis
        self._key = store.keys.changes(task_id)

    def after(self, change_id: str, *, count: int, wait: bool = False) -> list[Change]:
        """Return up to `count` changes that came after this one; `wait` half a second for the first of them."""
        with translated():
            answer = self._redis.xread({self._key: change_id}, count=count, block=SLICE_MS if wait else None)
        return [_parse(name, fields["c"]) for name, fields in read_messages(answer)]

    def is_complete_after(self, change_id: str, version: str) -> bool:
        """Tell whether all changes between this one and the task's version are kept still."""
        if change_id == version:
            return True
        with translated():
            oldest = self._redis.xrange(self._key, count=1)
        return bool(oldest) and order_of(oldest[0][0]) <= order_of(change_id) <= order_of(version)


def _parse(change_id: str, text: str) -> Change:
    span, _, letter = text.partition(" ")
    if not letter:
        return Change(change_id, is_vast=span == "*")
    first, _, last = span.partition("-")
    return Change(change_id, int(first), int(last or first), letter)
