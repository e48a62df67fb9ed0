"""The runs that are in this worker process's hands, and when each must be given up."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dag.lease import Renewal, Run

# A run is given up this long before its lease ends: the time to end its remote command.
MARGIN_SECONDS = 3.0
# The executor ends a run at its time limit. One that is still there so long after is stuck: it is not renewed any more,
# and a scheduler fails it.
STUCK_SECONDS = 10.0


@dataclass
class _Held:
    lease_ends_at: float
    stuck_at: float
    cancelled: threading.Event = field(default_factory=threading.Event)
    is_asked_to_end: bool = False


class HeldRuns:
    """Thread-safe: runs received and not begun, and runs under way; times are monotonic seconds."""

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._margin = min(MARGIN_SECONDS, lease_seconds / 3)
        self._lock = threading.Lock()
        self._received: set[str] = set()
        self._runs: dict[str, _Held] = {}
        self._stopping = False

    def receive(self, run: Run) -> None:
        """Note a message that waits for a thread: while it does, its run is not lost."""
        with self._lock:
            self._received.add(run.name)

    @contextmanager
    def holding(self, run: Run, *, timeout_seconds: float) -> Iterator[threading.Event | None]:
        """Hold the run inside the block; the event is set when its remote command must end.

        None: this process holds it already, for its message came twice.
        """
        now = time.monotonic()
        held = _Held(now + self._lease_seconds, now + timeout_seconds + STUCK_SECONDS)
        with self._lock:
            self._received.discard(run.name)
            is_mine = run.name not in self._runs
            if is_mine:
                self._runs[run.name] = held
            if self._stopping:
                held.cancelled.set()
        try:
            yield held.cancelled if is_mine else None
        finally:
            if is_mine:
                with self._lock:
                    self._runs.pop(run.name, None)

    @property
    def busy(self) -> int:
        """How many runs are under way."""
        return len(self._runs)

    def names(self) -> list[str]:
        """Return the names of the runs that are to be renewed."""
        now = time.monotonic()
        with self._lock:
            return [*self._received, *(name for name, held in self._runs.items() if now < held.stuck_at)]

    def renewed(self, names: list[str], asked_at: float, told: Renewal) -> None:
        """Note a renewal that was asked for at `asked_at`; end the runs that somebody else has or a user cancels."""
        with self._lock:
            for name in self._runs.keys() & set(names):
                held = self._runs[name]
                if name not in told.gone:
                    held.lease_ends_at = asked_at + self._lease_seconds
                held.is_asked_to_end |= name in told.cancelled
                if name in told.gone | told.cancelled:
                    held.cancelled.set()

    def is_asked_to_end(self, run: Run) -> bool:
        """Tell whether a user cancels the run, which is then to be reported: it is still this worker's."""
        with self._lock:
            return run.name in self._runs and self._runs[run.name].is_asked_to_end

    def is_expiring(self, run: Run) -> bool:
        """Tell whether the run's lease is about to end or over: this process was paused, or Redis can't be reached."""
        with self._lock:
            held = self._runs.get(run.name)
            return held is not None and time.monotonic() > held.lease_ends_at - self._margin

    def cancel_expiring(self) -> float:
        """Cancel the runs whose lease is about to end: Redis can't be reached, or they are stuck.

        Returns for how many seconds there is nothing of the kind to do, whatever begins meanwhile: a run that begins
        has all of its lease before it.
        """
        now, longest = time.monotonic(), self._lease_seconds - self._margin
        with self._lock:
            for held in self._runs.values():
                left = held.lease_ends_at - self._margin - now
                if left <= 0:
                    held.cancelled.set()
                else:
                    longest = min(longest, left)
        return longest

    def drop_received(self) -> None:
        """Forget what was received and not begun: the worker takes nothing new, and others may have it."""
        with self._lock:
            self._received.clear()

    def cancel_all(self) -> None:
        """Cancel everything, also what is begun after this: the process is to stop at once."""
        with self._lock:
            self._stopping = True
            self._received.clear()
            for held in self._runs.values():
                held.cancelled.set()
