"""dramatiq as a peer: each stage a group, whose completion callback starts the next one."""

import sys
import time
from collections.abc import Sequence

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend
from redis import Redis

from bench.engine.peer.peer import STAGES, peer_url

POLL_SECONDS = 0.02
DONE = "muster-bench-done"


def open_broker() -> RedisBroker:
    """Return a broker on the peer's server with what completion callbacks need."""
    broker = RedisBroker(url=f"{peer_url()}/1")
    broker.add_middleware(GroupCallbacks(RedisBackend(url=f"{peer_url()}/1")))
    return broker


dramatiq.set_broker(open_broker())


@dramatiq.actor
def step() -> None:
    """Do nothing."""


@dramatiq.actor
def open_stage(stage: int, hosts: int) -> None:
    """Start a stage, or tell that the last one is done."""
    if stage == STAGES:
        with Redis.from_url(f"{peer_url()}/1") as redis:
            redis.set(DONE, 1)
        return
    members = dramatiq.group([step.message() for _ in range(hosts)])
    members.add_completion_callback(open_stage.message(stage + 1, hosts))
    members.run()


class DramatiqPeer:
    """Two processes of eight threads: dramatiq's default number of threads, started once for both."""

    def commands(self, url: str) -> Sequence[Sequence[str]]:
        """Return the command line, which starts both worker processes."""
        return [[sys.executable, "-m", "dramatiq", __name__, "--processes", "2", "--threads", "8"]]

    def is_ready(self) -> bool:
        """Tell whether a worker has told the broker of itself."""
        with Redis.from_url(f"{peer_url()}/1") as redis:
            return bool(redis.zcard("dramatiq:__heartbeats__"))

    def run(self, hosts: int) -> int:
        """Start the first stage and wait for the end of the last."""
        with Redis.from_url(f"{peer_url()}/1") as redis:
            redis.delete(DONE)
            open_stage.send(0, hosts)
            while not redis.exists(DONE):
                # A group has an end to wait for, a chain of them that start each other has not.
                time.sleep(POLL_SECONDS)
        return STAGES * (hosts + 1)
