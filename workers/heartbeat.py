"""The threads that keep a worker's leases, its place in the roster, and its word: no command outlives its lease."""

import logging
import threading
import time
from collections.abc import Callable

from dag.error import StoreUnavailable
from dag.lease import Leases
from dag.roster import Roster, Worker
from workers.held import HeldRuns

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
# The first look; each says when the next is due.
WATCH_SECONDS = 0.25


class Repeat(threading.Thread):
    """Takes a step every so many seconds until it is stopped; a step that fails is logged and taken again.

    A step may say itself after how many seconds the next one is due. None is taken while `wanted` is not set.
    """

    def __init__(
        self, name: str, seconds: float, step: Callable[[], float | None], wanted: threading.Event | None = None
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._seconds, self._step, self._wanted = seconds, step, wanted
        self._stopping = threading.Event()
        self._turned_at = time.monotonic()

    @property
    def turned_at(self) -> float:
        """When its last step began (s, monotonic), or when it was made."""
        return self._turned_at

    def run(self) -> None:
        """Repeat the step until `stop`."""
        pause = self._seconds
        while not self._is_over(pause):
            self._turned_at, pause = time.monotonic(), self._seconds
            try:
                pause = self._step() or pause
            except StoreUnavailable as error:
                log.warning("%s: %s", self.name, error)
            except Exception:
                # A worker without this thread would lose all its nodes, so a fault of ours must not end it.
                log.exception("%s", self.name)

    def _is_over(self, seconds: float) -> bool:
        if self._stopping.wait(seconds):
            return True
        if self._wanted:
            self._wanted.wait()
        return self._stopping.is_set()

    def stop(self) -> None:
        """End the thread, unless it hangs in its step."""
        self._stopping.set()
        if self._wanted:
            self._wanted.set()
        self.join(timeout=2)


class Heartbeat:
    """Once a second: renews all leases in one call, and tells the roster that this worker lives.

    Two threads: however long Redis does not answer, the other one sees in time that a lease is about to end.
    """

    def __init__(self, leases: Leases, roster: Roster, held: HeldRuns, describe: Callable[[], Worker]) -> None:
        self._leases, self._roster, self._held, self._describe = leases, roster, held, describe
        self._beats = Repeat("heartbeat", BEAT_SECONDS, self._beat)
        self._watch = Repeat("lease-watch", WATCH_SECONDS, held.cancel_expiring)
        self._renewed_at = time.monotonic()

    def start(self) -> None:
        """Begin to beat."""
        self._beats.start()
        self._watch.start()

    def _beat(self) -> None:
        names, asked_at = self._held.names(), time.monotonic()
        self._held.renewed(names, asked_at, self._leases.renew(names))
        self._roster.beat(self._describe())
        self._renewed_at = time.monotonic()

    @property
    def turned_at(self) -> float:
        """When it last began to renew, with or without success (s, monotonic)."""
        return self._beats.turned_at

    @property
    def renewed_at(self) -> float:
        """When it last had renewed all leases and told that this worker lives (s, monotonic)."""
        return self._renewed_at

    def stop(self) -> None:
        """End the threads and leave the roster, where Redis still answers."""
        self._beats.stop()
        self._watch.stop()
        try:
            self._roster.leave(self._describe().name)
        except StoreUnavailable as error:
            log.warning("left without telling: %s", error)
