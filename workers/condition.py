"""What a worker tells of itself: its metrics, its health, its spans."""

import time
from collections.abc import Callable

from config.settings import Settings
from dag.error import StoreUnavailable
from dag.roster import Roster
from dag.store import Store
from telemetry.health import STUCK_SECONDS, Health, answering, turning
from telemetry.listener import Listener, listen
from telemetry.registry import new_registry
from telemetry.timely import WITHIN_SECONDS, Timely
from telemetry.tracing import open_spans
from telemetry.worker import WorkerMetrics
from workers.broker import QueueLengths
from workers.ear import Ear
from workers.heartbeat import Heartbeat
from workers.held import HeldRuns
from workers.remote.executor import Executor

# Redis that keeps silent for so long is away, too. It must be known before the check itself counts as one that hangs.
AWAY_SECONDS = WITHIN_SECONDS / 2


class WorkerHealth:
    """The checks of one worker process, each of which may be asked by any thread.

    While Redis is away no lease is renewed, and a new process could do no better: what has run on hosts is to be
    reported by this one. So that makes it not ready, but not dead.
    """

    def __init__(self, name: str, store: Store, heartbeat: Heartbeat, ear: Ear, lengths: QueueLengths) -> None:
        self._name, self._store, self._roster = name, store, Roster(store)
        self._heartbeat, self._ear, self._lengths = heartbeat, ear, lengths
        self._ping = Timely(store.ping)

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
            self._ping.ask().result(AWAY_SECONDS)
        except (StoreUnavailable, TimeoutError):
            return True
        return False

    def _place(self) -> str:
        mine = [worker for worker in self._roster.alive() if worker.name == self._name]
        if not mine:
            return "The worker is not in the roster."
        return "The worker does not consume: it is not connected to the broker." if mine[0].draining else ""


class Telling:
    """Where one worker process tells what it does, and how it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry = new_registry("worker")
        self.metrics = WorkerMetrics(self._registry)
        self.spans = open_spans(settings.otel, "worker")
        self._listener: Listener | None = None

    def watch(self, held: HeldRuns, executor: Executor, heartbeat: Heartbeat) -> None:
        """Tell in gauges what these keep anyway."""
        watch, threads = self.metrics.watch, self._settings.worker.threads
        watch("muster_worker_nodes_running", "Nodes that this worker runs now.", lambda: held.busy)
        watch("muster_worker_threads", "Nodes that it can run at once.", lambda: threads)
        text = "SSH connections open, idle ones included."
        watch("muster_ssh_connections", text, lambda: executor.open_connections)
        text = "For how long its leases have not been renewed; the heartbeat does it once a second."
        watch("muster_worker_heartbeat_age_seconds", text, lambda: time.monotonic() - heartbeat.renewed_at)

    def start(self, health: Health) -> None:
        """Begin to listen, and to send spans."""
        settings = self._settings.metrics
        self.spans.start()
        self._listener = listen(settings, settings.worker_port, self._registry, health)

    def stop(self) -> None:
        """Close the port, and send the last spans."""
        if self._listener:
            self._listener.stop()
        self.spans.stop()
