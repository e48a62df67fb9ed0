"""A worker's look at itself: one that is connected and hears nothing is replaced by a new process of the same id."""

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence

from dag.error import StoreUnavailable
from dag.hearing import DEAF_SECONDS, Hearing
from dag.roster import Move, Worker
from workers.app import IDLE_QUEUE
from workers.broker import QueueLengths
from workers.heartbeat import Repeat
from workers.held import HeldRuns

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
# What still runs on hosts when a deaf worker is replaced may end by itself for so long.
FINISH_SECONDS = 3.0


class Ear:
    """Looks once a second whether messages that stand in this worker's queues reach it."""

    def __init__(
        self,
        lengths: QueueLengths,
        describe: Callable[[], Worker],
        orders: Callable[[Worker], Sequence[Move]],
        replace: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lengths, self._describe, self._orders = lengths, describe, orders
        self._replace, self._clock = replace, clock
        self._hearing = Hearing(clock=clock)
        self._consumed_at = 0.0
        self._ceased = self._is_deaf = False
        self._looks = Repeat("ear", LOOK_SECONDS, self.look)

    @property
    def turned_at(self) -> float:
        """When it last began to look (s, monotonic)."""
        return self._looks.turned_at

    @property
    def fault(self) -> str:
        """Why the process is about to be replaced, "" where it is not."""
        return "Messages or orders for this worker do not reach it." if self._is_deaf else ""

    def start(self) -> None:
        """Begin to look; to be called once the worker consumes."""
        self._consumed_at = self._clock()
        self._looks.start()

    def cease(self) -> None:
        """Look no more: the worker is told to stop. Waits for nothing, as it is called by a signal's handler."""
        self._ceased = True

    def stop(self) -> None:
        """End the thread."""
        self._ceased = True
        self._looks.stop()
        self._lengths.close()

    def look(self) -> None:
        """Replace the process where the broker answers and the worker has not consumed or heard for a while.

        Raises:
            StoreUnavailable: Redis or the broker is away; nobody hears anything, and the time counts from its return.
        """
        if self._ceased:
            return
        me, now = self._describe(), self._clock()
        try:
            waiting = self._lengths.of(sorted(me.queues) or [IDLE_QUEUE])
            orders = self._orders(me)
        except StoreUnavailable:
            self._consumed_at = now
            raise
        if not me.draining:
            self._consumed_at = now
        if self._hearing.deaf([me], waiting, orders):
            log.critical("messages or orders for this worker do not reach it: replacing the process")
            self._is_deaf = True
            self._replace()
        elif now - self._consumed_at > DEAF_SECONDS:
            log.critical("this worker has lost its consumer and does not get it back: replacing the process")
            self._is_deaf = True
            self._replace()


def replace_process(held: HeldRuns) -> None:
    """Run this command anew in this very process (execv): same id, same environment, nothing else left."""
    deadline = time.monotonic() + FINISH_SECONDS
    while held.busy and time.monotonic() < deadline:
        time.sleep(0.05)
    held.cancel_all()
    while held.busy and time.monotonic() < deadline + 1:
        time.sleep(0.05)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
