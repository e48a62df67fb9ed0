"""Stores what runs log while they go on: what is new of all of them at once, every so often."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from dag.error import StoreUnavailable
from dag.running_log import LogPart
from workers.heartbeat import Repeat
from workers.run_log import RunLog


class LiveLogs:
    """Thread-safe: the logs of the runs that are under way in this worker process.

    `wanted` is set from the first of them until somebody has found that there are none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[RunLog, float] = {}
        self.wanted = threading.Event()

    @contextmanager
    def showing(self, log: RunLog) -> Iterator[None]:
        """Have the log stored while the block runs."""
        with self._lock:
            self._since[log] = self._clock()
            # Not cleared by the end of each, which would wake the sender at the begin of each.
            if not self.wanted.is_set():
                self.wanted.set()
        try:
            yield
        finally:
            with self._lock:
                del self._since[log]

    def older_than(self, seconds: float) -> list[RunLog]:
        """Return the logs of runs that have gone on for so long."""
        latest = self._clock() - seconds
        with self._lock:
            if not self._since:
                self.wanted.clear()
            return [log for log, since in self._since.items() if since <= latest]


class Logs(Protocol):
    """Where the parts of logs are stored."""

    def append(self, parts: Sequence[LogPart]) -> list[int]:
        """Do as `dag.running_log.RunningLogs`."""


class LogSender:
    """A thread that sends what is new every `seconds`; of a run that ends sooner nothing, for its end tells all.

    While nothing runs it waits for the next run.
    """

    def __init__(self, live: LiveLogs, logs: Logs, seconds: float) -> None:
        self._live, self._logs, self._seconds = live, logs, seconds
        self._repeat = Repeat("live-log", seconds, self.send, live.wanted)

    def start(self) -> None:
        """Begin to send."""
        self._repeat.start()

    def stop(self) -> None:
        """End the thread; what it has not sent comes with the ends of the runs."""
        self._repeat.stop()

    def send(self) -> None:
        """Send all that is new, in round trips for all runs together."""
        logs = self._live.older_than(self._seconds)
        try:
            while parts := {log: part for log in logs if (part := log.part())}:
                for log, size in zip(parts, self._logs.append(list(parts.values())), strict=True):
                    log.stored(size)
        except StoreUnavailable:
            # The heartbeat says so. What is new waits; what may be written already is told again with its place.
            pass
