"""Looks at the store again and again while it is being hurt: what is under way, and how long each fault was felt."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from dag.key import Keys
from dag.state import ENDED, HELD_BY_A_WORKER, NodeStatus, TaskStatus

LOOK_SECONDS = 0.1
UNDER_WAY = frozenset(status.letter for status in HELD_BY_A_WORKER | {NodeStatus.READY})
OVER = frozenset(status.letter for status in ENDED)

Letters = dict[int, str]
Node = tuple[int, int]


@dataclass
class Recovery:
    """How long the nodes that were READY or RUNNING at a fault took to end; pure, the clock is the caller's."""

    waiting: dict[int, tuple[float, set[Node]]] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)

    def hit(self, fault: int, at: float, letters: Letters) -> None:
        """Note a fault and what is under way."""
        self.waiting[fault] = (at, open_nodes(letters))

    def look(self, at: float, letters: Letters) -> None:
        """Note which faults are over: their nodes have ended."""
        for fault, (since, nodes) in list(self.waiting.items()):
            nodes -= {(task, offset) for task, offset in nodes if letters[task][offset] in OVER}
            if not nodes:
                self.seconds[fault] = at - since
                del self.waiting[fault]


def open_nodes(letters: Letters) -> set[Node]:
    """Return (task, offset) of all nodes that are READY or held by a worker."""
    return {(task, offset) for task, text in letters.items() for offset, one in enumerate(text) if one in UNDER_WAY}


class Observer(threading.Thread):
    """Reads all tasks of the store that have not ended; while Redis is away, what was seen last still stands."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(name="observer", daemon=True)
        # Replies are text (decode_responses); redis-py types them as bytes, text or awaitables of either.
        self._redis: Any = redis
        self._keys = Keys()
        self._lock = threading.Lock()
        self._letters: Letters = {}
        self._ended: set[int] = set()
        self._recovery = Recovery()
        self._stopping = threading.Event()
        self.looks = self.failed_looks = 0

    def run(self) -> None:
        """Look until `stop`."""
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self._look()
                self.looks += 1
            except RedisError:
                self.failed_looks += 1

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def hit(self, fault: int, send: Callable[[], bool]) -> bool:
        """Send a fault; where it was sent, note what was under way."""
        with self._lock:
            at = time.monotonic()
            if not send():
                return False
            self._recovery.hit(fault, at, self._letters)
            return True

    def mark(self, number: int) -> None:
        """Note what is under way, as at a fault."""
        with self._lock:
            self._recovery.hit(number, time.monotonic(), self._letters)

    def is_over(self, number: int) -> bool:
        """Tell whether what was under way at that fault or mark has ended."""
        with self._lock:
            return number not in self._recovery.waiting

    def is_under_way(self) -> bool:
        """Tell whether a node is READY or RUNNING."""
        with self._lock:
            return bool(open_nodes(self._letters))

    def unended(self) -> set[int]:
        """Return the tasks that have not ended."""
        with self._lock:
            return self._letters.keys() - self._ended

    def ended(self) -> set[int]:
        with self._lock:
            return set(self._ended)

    def recoveries(self) -> dict[int, float]:
        """Return the seconds of each fault and mark that is over."""
        with self._lock:
            return dict(self._recovery.seconds)

    def _look(self) -> None:
        ids = [task for task in self._ids() if task not in self._ended]
        with self._redis.pipeline(transaction=True) as pipe:
            for task in ids:
                pipe.hget(self._keys.task(task), "status")
                pipe.get(self._keys.status(task))
            found = pipe.execute()
        with self._lock:
            for task, status, letters in zip(ids, found[::2], found[1::2], strict=True):
                if letters is None:
                    continue  # gone, or not whole: the verdict looks at it again
                self._letters[task] = letters
                if status != TaskStatus.RUNNING:
                    self._ended.add(task)
            self._recovery.look(time.monotonic(), self._letters)

    def _ids(self) -> list[int]:
        return [int(task) for task in self._redis.zrange(self._keys.index, 0, -1)]
