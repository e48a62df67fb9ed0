"""Celery as a peer: the same graph as a canvas (a chain of groups), and a flat group of as many no-op tasks.

Results go to Redis, as a canvas needs them; events are off, which is Celery's default.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from celery import Celery, chain, group

from bench.engine.peer.peer import BIN, STAGES, peer_url

WAIT_SECONDS = 1800.0

app = Celery("bench.engine.peer.celery_peer", broker=f"{peer_url()}/1", backend=f"{peer_url()}/2", set_as_current=False)
app.conf.update(broker_connection_retry_on_startup=True, result_expires=3600)


def _nothing() -> None:
    """Do nothing."""


step, join = app.task(_nothing, name="step"), app.task(_nothing, name="join")


@dataclass(frozen=True)
class CeleryPeer:
    """Two workers of this pool and concurrency."""

    pool: str
    concurrency: int
    is_canvas: bool = False

    def commands(self, url: str) -> Sequence[Sequence[str]]:
        """Return the command lines of the workers; what they log is what Celery logs by default with INFO."""
        base = [str(BIN / "celery"), "-A", app.main, "worker", "-P", self.pool, "-c", str(self.concurrency)]
        return [[*base, "-l", "INFO", "-n", f"peer-{number}@bench"] for number in (1, 2)]

    def is_ready(self) -> bool:
        """Tell whether both answer a ping."""
        return len(app.control.ping(timeout=1.0)) == 2

    def run(self, hosts: int) -> int:
        """Run canvas or group and wait for its results."""
        if self.is_canvas:
            stages = [part for _ in range(STAGES) for part in (group([step.si() for _ in range(hosts)]), join.si())]
            chain(*stages).apply_async().get(timeout=WAIT_SECONDS)
            return STAGES * (hosts + 1)
        group([step.si() for _ in range(STAGES * hosts)]).apply_async().get(timeout=WAIT_SECONDS)
        return STAGES * hosts
