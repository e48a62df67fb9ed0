"""The runs that this worker process holds, and the heartbeat that keeps its leases and its place in the roster."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dag.error import StoreUnavailable
from dag.lease import Leases, Run
from dag.roster import Roster, Worker

log = logging.getLogger(__name__)

# A run is given up this long before its lease ends: the time to end its remote command.
MARGIN_SECONDS = 3.0


class HeldRuns:
    """Thread-safe: runs under way, each with its lease's end (monotonic s) and the event that cancels it."""

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._lock = threading.Lock()
        self._runs: dict[str, tuple[threading.Event, float]] = {}

    @contextmanager
    def holding(self, run: Run, begun_at: float) -> Iterator[threading.Event]:
        """Hold the run inside the block; the event is set when its remote command must end."""
        cancelled = threading.Event()
        with self._lock:
            self._runs[run.name] = (cancelled, begun_at + self._lease_seconds)
        try:
            yield cancelled
        finally:
            with self._lock:
                self._runs.pop(run.name, None)

    def names(self) -> list[str]:
        """Return the names of the runs whose leases are to be renewed."""
        with self._lock:
            return list(self._runs)

    def renewed(self, names: list[str], asked_at: float, gone: list[str]) -> None:
        """Note a renewal that was asked for at `asked_at`, and cancel the runs that are somebody else's."""
        with self._lock:
            for name in names:
                if name in self._runs and name not in gone:
                    self._runs[name] = (self._runs[name][0], asked_at + self._lease_seconds)
            for name in gone:
                if name in self._runs:
                    self._runs[name][0].set()

    def cancel_expiring(self) -> None:
        """Cancel the runs whose lease is about to end because Redis can't be reached."""
        now = time.monotonic()
        with self._lock:
            for cancelled, ends_at in self._runs.values():
                if now > ends_at - min(MARGIN_SECONDS, self._lease_seconds / 3):
                    cancelled.set()

    def cancel_all(self) -> None:
        """Cancel everything: the process is told to stop at once."""
        with self._lock:
            for cancelled, _ends_at in self._runs.values():
                cancelled.set()


class Heartbeat(threading.Thread):
    """Once a second: tells the roster that this worker lives, and renews all its leases in one call."""

    def __init__(self, leases: Leases, roster: Roster, held: HeldRuns, describe: Callable[[], Worker]) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._leases, self._roster, self._held, self._describe = leases, roster, held, describe
        self._stopping = threading.Event()

    def run(self) -> None:
        """Beat until `stop`."""
        while not self._stopping.wait(1.0):
            try:
                self._beat()
            except StoreUnavailable as error:
                log.warning("no heartbeat: %s", error)
            self._held.cancel_expiring()

    def _beat(self) -> None:
        names, asked_at = self._held.names(), time.monotonic()
        self._held.renewed(names, asked_at, self._leases.renew(names))
        self._roster.beat(self._describe())

    def stop(self) -> None:
        """End the thread and leave the roster, where Redis still answers."""
        self._stopping.set()
        self.join(timeout=2)
        try:
            self._roster.leave(self._describe().name)
        except StoreUnavailable as error:
            log.warning("left without telling: %s", error)
