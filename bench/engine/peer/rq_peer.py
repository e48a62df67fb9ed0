"""RQ as a peer: the same graph by `depends_on`; workers that do not fork, which is RQ's fastest way."""

import time
from collections.abc import Sequence

from redis import Redis
from rq import Queue, Worker
from rq.job import Job

from bench.engine.peer.peer import BIN, STAGES, peer_url

POLL_SECONDS = 0.02


def step() -> None:
    """Do nothing."""


class RqPeer:
    """Two workers, one job at a time each: RQ knows no other."""

    def commands(self, url: str) -> Sequence[Sequence[str]]:
        """Return the command lines of the workers."""
        return [[str(BIN / "rq"), "worker", "--url", f"{url}/1", "--worker-class", "rq.SimpleWorker"]] * 2

    def is_ready(self) -> bool:
        """Tell whether both have registered."""
        with Redis.from_url(f"{peer_url()}/1") as redis:
            return len(Worker.all(connection=redis)) == 2

    def run(self, hosts: int) -> int:
        """Submit all jobs, each stage hanging on a join of the one before, and wait for the last join."""
        with Redis.from_url(f"{peer_url()}/1") as redis:
            queue = Queue(connection=redis)
            last: Job | None = None
            for _ in range(STAGES):
                jobs = queue.enqueue_many([Queue.prepare_data(step, depends_on=last) for _ in range(hosts)])
                last = queue.enqueue(step, depends_on=jobs)
            while last and not last.is_finished:
                # RQ has no call that waits for a job's end.
                time.sleep(POLL_SECONDS)
        return STAGES * (hosts + 1)
