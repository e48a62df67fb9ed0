"""How a worker appears to schedulers: the queues that it consumes, what is free, and whether it takes anything new."""

import signal
import threading
from typing import Any

from config.settings import Settings
from dag.lease import Run
from dag.roster import Worker
from workers.held import HeldRuns
from workers.profile.profile import profile_folder, profile_names


class Presence:
    """What this worker is and does, as its heartbeat tells it: Celery's own view of the queues that it consumes."""

    def __init__(self, name: str, settings: Settings, held: HeldRuns) -> None:
        self._name, self._settings, self._held = name, settings.worker, held
        self.consumer: Any = None
        self._received = 0
        self._draining = False

    def receive(self, run: Run | None) -> None:
        """Note a message that has reached this worker, and the run that it is about."""
        self._received += 1
        if run:
            self._held.receive(run)

    def is_draining(self) -> bool:
        """Tell whether the process was told to stop."""
        return self._draining

    def drain(self) -> None:
        """Take nothing new; finish what runs, until a second SIGTERM or the end of `drain_seconds` gives it up.

        Called by Celery's handler of a signal, in the main thread, which may hold any lock: hence the threads.
        """
        self._draining = True
        threading.Thread(target=self._held.drop_received, daemon=True).start()
        limit = threading.Timer(self._settings.drain_seconds, self._held.cancel_all)
        limit.daemon = True
        limit.start()
        signal.signal(signal.SIGTERM, self._stop_at_once)

    def _stop_at_once(self, *_signal: object) -> None:
        threading.Thread(target=self._held.cancel_all, daemon=True).start()

    def describe(self) -> Worker:
        """Return this worker as it is now."""
        consumer = getattr(self.consumer, "task_consumer", None)
        # Not started yet, or reconnecting: it could not be steered, so it is not offered shards.
        is_away = self._draining or consumer is None
        queues = [] if consumer is None or is_away else [queue.name for queue in consumer.queues]
        return Worker(
            self._name,
            self._settings.zone,
            frozenset(name for name in queues if name.startswith("hosts.")),
            draining=is_away,
            free=max(0, self._settings.threads - self._held.busy),
            received=self._received,
            profiles=profile_names(profile_folder(self._settings)),
        )
