"""Callers who follow tasks: how many there may be, what each is sent, and when that ends."""

import threading
import time
from collections.abc import Iterator

import structlog

from api.event import END, HEARTBEAT
from api.feed import Feed
from api.server import extend_time, is_ending
from dag.error import MusterError, TooManyFollowing
from dag.store import Store

log = structlog.get_logger()

HEARTBEAT_SECONDS = 10.0
# An event that nobody takes for so long ends its connection.
TAKEN_WITHIN_SECONDS = 3 * HEARTBEAT_SECONDS
# Then the caller connects again, and has to prove again who it is.
LONGEST_SECONDS = 900.0
# What a browser waits before it connects again.
RETRY = b"retry: 1000\n\n"


class Followers:
    """All who follow a task in this process, `most` at once."""

    def __init__(self, store: Store, most: int) -> None:
        self._store = store
        self._places = threading.BoundedSemaphore(most)
        self._feeds: dict[int, Feed] = {}
        self._lock = threading.Lock()
        self._count = 0

    @property
    def count(self) -> int:
        """How many follow a task now."""
        return self._count

    def join(self, task_id: int, last_id: str) -> "Follower":
        """Return a follower of the task, whose last event was `last_id` ("": none); it must leave in the end.

        Raises:
            TooManyFollowing: so many do already.
            UnknownTask: there is none of this id.
            StoreUnavailable: Redis is away.

        """
        if not self._places.acquire(blocking=False):
            raise TooManyFollowing
        try:
            return Follower(self, task_id, self._enter(task_id), last_id)
        except BaseException:
            self._places.release()
            raise

    def _enter(self, task_id: int) -> Feed:
        with self._lock:
            feed = self._feeds.get(task_id)
            if feed is None or feed.is_over:
                feed = self._feeds[task_id] = Feed(self._store, task_id)
                feed.followers = 1
                threading.Thread(target=feed.run, name=f"feed-{task_id}", daemon=True).start()
            else:
                feed.followers += 1
            self._count += 1
            return feed

    def leave(self, task_id: int, feed: Feed) -> None:
        """Give the place of a follower of this feed free; one that nobody follows ends."""
        with self._lock:
            feed.followers -= 1
            self._count -= 1
            if not feed.followers and self._feeds.get(task_id) is feed:
                del self._feeds[task_id]
        self._places.release()


class Follower:
    """One caller who follows a task."""

    def __init__(self, among: Followers, task_id: int, feed: Feed, last_id: str) -> None:
        self._among, self._task_id, self._feed, self._last_id = among, task_id, feed, last_id
        self._has_left = False

    @property
    def has_seen_the_end(self) -> bool:
        """Tell whether the caller's last event was the end of the task as it stands."""
        return self._last_id == self._feed.last_id

    def leave(self) -> None:
        """Stop following; a second call does nothing."""
        if not self._has_left:
            self._has_left = True
            self._among.leave(self._task_id, self._feed)

    def stream(self) -> Iterator[bytes]:
        """Yield what is to be sent, and a sign of life every ten seconds, until the task or the time is over."""
        until = time.monotonic() + LONGEST_SECONDS
        beat = time.monotonic()
        yield RETRY
        try:
            for event in self._feed.follow(self._last_id.removesuffix(END)):
                now = time.monotonic()
                if event or now >= beat + HEARTBEAT_SECONDS:
                    beat = now
                    extend_time(TAKEN_WITHIN_SECONDS)
                    yield event or HEARTBEAT
                if now > until or is_ending():
                    return
        except MusterError as error:
            # Too late for another answer: the caller connects again, and is told then.
            log.warning("a stream of events was cut off", task=self._task_id, reason=str(error))
