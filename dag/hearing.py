"""Finds workers that live and do not hear: the known faults of a Celery consumer after a reconnect.

Either messages stand in the queues that a worker consumes, it has threads without work, and still nothing reaches it;
or it does not do what it is told by remote control. Schedulers look so at all workers, and each worker at itself.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from dag.roster import Move, Worker

# Between a message's arrival in a queue and its receipt lie milliseconds, a second where the machine is overloaded.
DEAF_SECONDS = 6.0
# Schedulers leave a worker the time to find it out first and replace its process: one whose shards they have
# taken away has nothing to hear any more, and would stay as it is.
OTHERS_DEAF_SECONDS = 9.0
# Whoever was found deaf is looked at anew only then, unless it has received something meanwhile.
SHUN_SECONDS = 30.0


@dataclass
class _Ear:
    received: int
    waits_since: float
    shunned_until: float = 0.0


class Hearing:
    """What is remembered of each worker from look to look; after a pause (the broker was away) it begins anew."""

    def __init__(self, seconds: float = DEAF_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        """Call deaf who has not heard for so many seconds."""
        self._seconds, self._clock = seconds, clock
        self._ears: dict[str, _Ear] = {}
        self._told: dict[Move, float] = {}
        self._looked_at = 0.0

    def deaf(self, workers: Iterable[Worker], waiting: Mapping[str, int], orders: Collection[Move] = ()) -> set[str]:
        """Return the names of the deaf.

        `waiting` is queue to the number of messages that stand in it, `orders` what workers are told and have not done.
        """
        now = self._clock()
        if now - self._looked_at > self._seconds / 2:
            self._ears, self._told = {}, {}
        self._looked_at = now
        self._told = {order: self._told.get(order, now) for order in orders}
        unheeded = {order.worker for order, since in self._told.items() if now - since >= self._seconds}
        self._ears = {worker.name: self._look(worker, waiting, worker.name in unheeded, now) for worker in workers}
        return {name for name, ear in self._ears.items() if now < ear.shunned_until}

    def _look(self, worker: Worker, waiting: Mapping[str, int], disobeys: bool, now: float) -> _Ear:
        ear = self._ears.get(worker.name)
        if ear is None or ear.received != worker.received:
            ear = _Ear(worker.received, now)
        if now >= ear.shunned_until:
            if not (worker.free > 0 and any(waiting.get(queue) for queue in worker.queues)):
                ear.waits_since = now
            if disobeys or now - ear.waits_since >= self._seconds:
                ear.shunned_until = now + SHUN_SECONDS
        return ear
