"""What stands on the ready stream: what the schedulers have not done yet."""

from dataclasses import dataclass

from dag.script import translated
from dag.store import Store


@dataclass(frozen=True)
class Backlog:
    """How many messages there are, and how long the oldest has been there (s; 0 without any)."""

    entries: int
    oldest_seconds: float


def backlog(store: Store) -> Backlog:
    """Return what stands there now; StoreUnavailable while Redis is away."""
    with translated(), store.redis.pipeline(transaction=False) as pipe:
        pipe.xlen(store.keys.ready)
        pipe.xrange(store.keys.ready, count=1)
        pipe.time()
        entries, oldest, (seconds, micros) = pipe.execute()
    if not oldest:
        return Backlog(0, 0.0)
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    return Backlog(int(entries), max(0, now_ms - int(oldest[0][0].partition("-")[0])) / 1000)
