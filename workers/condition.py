"""How a worker is: what its listener tells of it."""

import time
from collections.abc import Callable

from dag.error import StoreUnavailable
from dag.roster import Roster
from dag.store import Store
from telemetry.health import STUCK_SECONDS, Health, answering, turning
from workers.broker import QueueLengths
from workers.ear import Ear
from workers.heartbeat import Heartbeat


class WorkerHealth:
    """The checks of one worker process, each of which may be asked by any thread.

    While Redis is away no lease is renewed, and a new process could do no better: what has run on hosts is to be
    reported by this one. So that makes it not ready, but not dead.
    """

    def __init__(self, name: str, store: Store, heartbeat: Heartbeat, ear: Ear, lengths: QueueLengths) -> None:
        self._name, self._store, self._roster = name, store, Roster(store)
        self._heartbeat, self._ear, self._lengths = heartbeat, ear, lengths

    def checks(self, is_draining: Callable[[], bool]) -> Health:
        """Return them; `is_draining` tells whether the process was told to stop."""
        return Health(
            alive={
                "heartbeat": turning(lambda: self._heartbeat.turned_at, "The heartbeat"),
                "leases": self._renewal,
                "ear": turning(lambda: self._ear.turned_at, "The look whether messages arrive"),
                "messages": lambda: self._ear.fault,
            },
            ready={
                "redis": answering(self._store.ping),
                "broker": answering(self._lengths.ask),
                "roster": self._place,
                "stopping": lambda: "The worker was told to stop." if is_draining() else "",
            },
        )

    def _renewal(self) -> str:
        ago = time.monotonic() - self._heartbeat.renewed_at
        if ago <= STUCK_SECONDS or self._is_away():
            return ""
        return f"No lease has been renewed for {ago:.0f} s, and Redis answers."

    def _is_away(self) -> bool:
        try:
            self._store.ping()
        except StoreUnavailable:
            return True
        return False

    def _place(self) -> str:
        mine = [worker for worker in self._roster.alive() if worker.name == self._name]
        if not mine:
            return "The worker is not in the roster."
        return "The worker does not consume: it is not connected to the broker." if mine[0].draining else ""
