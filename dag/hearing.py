"""Finds workers that are connected and hear nothing: the known fault of a consumer after a reconnect.

Messages stand in the queues that such a worker consumes, it has threads without work, and still nothing reaches it.
Schedulers look so at all workers, and each worker at itself.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dag.roster import Worker

# Between a message's arrival in a queue and its receipt lie milliseconds, a second where the machine is overloaded.
DEAF_SECONDS = 6.0
# Whoever was found deaf is looked at anew only then, unless it has received something meanwhile.
SHUN_SECONDS = 30.0


@dataclass
class _Ear:
    received: int
    waits_since: float
    shunned_until: float = 0.0


class Hearing:
    """What is remembered of each worker from look to look; after a pause (the broker was away) it begins anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ears: dict[str, _Ear] = {}
        self._looked_at = 0.0

    def deaf(self, workers: Iterable[Worker], waiting: Mapping[str, int]) -> set[str]:
        """Return the names of the deaf; `waiting` is queue to the number of messages that stand in it."""
        now, before, self._ears = self._clock(), self._ears, {}
        if now - self._looked_at > DEAF_SECONDS / 2:
            before = {}
        self._looked_at = now
        for worker in workers:
            ear = before.get(worker.name)
            if ear is None or ear.received != worker.received:
                ear = _Ear(worker.received, now)
            if now >= ear.shunned_until:
                if not (worker.free > 0 and any(waiting.get(queue) for queue in worker.queues)):
                    ear.waits_since = now
                if now - ear.waits_since >= DEAF_SECONDS:
                    ear.shunned_until = now + SHUN_SECONDS
            self._ears[worker.name] = ear
        return {name for name, ear in self._ears.items() if now < ear.shunned_until}
