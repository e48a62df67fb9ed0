"""Follows tasks: one reader a task in this process, and any number of callers who get what it reads.

The reader waits for changes in Redis, makes one event of all that came within a quarter of a second, and hands it to
everybody: a thousand changes a second are four events. A caller who was cut off says which event was the last, and gets
what came after it from Redis, as far back as that is kept.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator

import structlog

from api.event import END, Picture, read_changed, write
from api.server import is_ending
from dag.change import Change, ChangeLog, order_of
from dag.error import StoreUnavailable, UnknownTask
from dag.state import TaskStatus
from dag.store import Store

log = structlog.get_logger()

# People see no difference to less, and a thousand changes a second are four events for each who follows.
PACE_SECONDS = 0.25
# About 0.25 MB of JSON: so much is made at once, and sent to each who follows.
NODES_AN_EVENT = 1000
# A caller who is slower than that, a minute behind, begins anew.
EVENTS_KEPT = 256
# At most so late a follower looks whether the process or its own time ends; so often Redis is tried while it is away.
WAIT_SECONDS = 1.0


class Feed:
    """The events of one task, read by `run` in a thread of its own while somebody follows it."""

    def __init__(self, store: Store, task_id: int) -> None:
        self._store, self._task_id = store, task_id
        self._log = ChangeLog(store, task_id)
        self._picture = Picture(store.read(task_id))
        self._news = threading.Condition()
        self._events: deque[bytes] = deque(maxlen=EVENTS_KEPT)
        self._published = 0
        self._is_over = False
        self.followers = 0

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more will be read."""
        return self._is_over

    @property
    def last_id(self) -> str:
        """The id of the event that would be the last, did the task end now."""
        return self._picture.version + END

    def run(self) -> None:
        """Read until nobody follows, or the task has ended and is quiet."""
        try:
            while self.followers and not self._is_over and not is_ending():
                self._try_step()
        except UnknownTask:
            log.info("a task expired while it was followed", task=self._task_id)
        finally:
            with self._news:
                self._is_over = True
                self._news.notify_all()

    def _try_step(self) -> None:
        try:
            self.step()
        except StoreUnavailable as error:
            log.warning("following a task waits for Redis", task=self._task_id, reason=str(error))
            time.sleep(WAIT_SECONDS)

    def step(self) -> None:
        """Wait a moment for changes and publish what there is to tell."""
        seen = self._picture.version
        changes = _limited(self._log.after(seen, count=NODES_AN_EVENT, wait=True))
        if changes and not self._is_told_by(changes, seen):
            self._publish("reset", Picture(self._store.read(self._task_id)))
        elif changes:
            head, shown = read_changed(self._store, self._task_id, changes)
            with self._news:
                self._picture.apply(changes, head)
                self._put(write("changes", self._picture.version, {**self._picture.show(), "changes": shown}))
            time.sleep(PACE_SECONDS)
        elif self._picture.head.status is not TaskStatus.RUNNING:
            self._publish("end", self._picture)

    def _is_told_by(self, changes: list[Change], seen: str) -> bool:
        """Tell whether these are all that has changed, each by itself; asked after they were read."""
        is_vast = any(change.is_vast for change in changes)
        return not is_vast and self._log.is_complete_after(seen, changes[-1].id)

    def _publish(self, name: str, picture: Picture) -> None:
        with self._news:
            self._picture = picture
            self._is_over = name == "end"
            self._put(write(name, self.last_id if self._is_over else picture.version, picture.show()))

    def _put(self, event: bytes) -> None:
        self._events.append(event)
        self._published += 1
        self._news.notify_all()

    def follow(self, last_id: str) -> Iterator[bytes]:
        """Yield what is to be sent to who has seen the event `last_id` ("": none), and b"" once a second or more.

        Raises:
            UnknownTask: the task has expired.
            StoreUnavailable: Redis is away.

        """
        with self._news:
            at, version = self._published, self._picture.version
            opening = write("reset" if last_id else "snapshot", version, self._picture.show())
        yield from self._catch_up(last_id, version, opening)
        while True:
            with self._news:
                if at == self._published and not self._is_over:
                    self._news.wait(WAIT_SECONDS)
                events, at, is_over = self._since(at), self._published, self._is_over
            yield from events or (b"",)
            if is_over:
                return

    def _since(self, at: int) -> list[bytes]:
        missed = self._published - at
        if missed > len(self._events):
            return [write("reset", self._picture.version, self._picture.show())]
        return list(self._events)[len(self._events) - missed :]

    def _catch_up(self, last_id: str, version: str, opening: bytes) -> Iterator[bytes]:
        """Yield the events between the two, as Redis keeps them, or the opening, from which one can begin anew."""
        while last_id != version:
            found = _limited(self._log.after(last_id, count=NODES_AN_EVENT)) if last_id else []
            changes = [change for change in found if order_of(change.id) <= order_of(version)]
            if not changes or not self._is_told_by(changes, last_id):
                yield opening
                return
            _head, shown = read_changed(self._store, self._task_id, changes)
            last_id = changes[-1].id
            with self._news:
                event = write("changes", last_id, {**self._picture.show(), "changes": shown})
            yield event


def _limited(changes: list[Change]) -> list[Change]:
    """Return the first changes, of as many nodes as one event may tell, and at least one."""
    nodes = 0
    for at, change in enumerate(changes):
        nodes += change.last - change.first + 1
        if at and nodes > NODES_AN_EVENT:
            return changes[:at]
    return changes
