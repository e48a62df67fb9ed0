"""The workers that are alive, and the shards that each is to consume."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field

from dag.script import translated
from dag.shard import shards, spread
from dag.store import Store

# A worker beats once a second: two beats may be missed. Its shards are with others within 5 s of its death.
ALIVE_SECONDS = 3.0


@dataclass(frozen=True)
class Worker:
    """A live worker as its own heartbeat described it.

    `queues` are those that it consumes, `free` its threads without a node, `received` the messages that it has had
    since it started, `profiles` the agent profiles that it knows (none: it does not tell), `skew_ms` how far the clock
    of its machine was ahead of the server's when it last beat.
    """

    name: str
    zone: str
    queues: frozenset[str]
    draining: bool = False
    free: int = 0
    received: int = 0
    profiles: frozenset[str] = frozenset()
    skew_ms: int = field(default=0, compare=False)


def _nobody(_workers: list[Worker]) -> Collection[str]:
    return ()


@dataclass(frozen=True)
class Move:
    """One order to one worker: consume a queue, or no longer."""

    worker: str
    queue: str
    add: bool


class Roster:
    """Live workers and the wanted spread of shards over them; `alive_seconds` without a heartbeat is dead."""

    def __init__(self, store: Store, *, alive_seconds: float = ALIVE_SECONDS) -> None:
        self._store = store
        self._alive_ms = int(alive_seconds * 1000)

    def beat(self, worker: Worker) -> None:
        """Tell that the worker is alive, and what it consumes."""
        asked_at = time.time_ns()
        now = self._now()
        skew_ms = (asked_at + time.time_ns()) // 2_000_000 - now
        lists = {"queues": sorted(worker.queues), "profiles": sorted(worker.profiles)}
        fields = asdict(worker) | lists | {"skew_ms": skew_ms}
        name = fields.pop("name")
        with translated(), self._store.redis.pipeline() as pipe:
            pipe.zadd(self._store.keys.workers, {name: now + self._alive_ms})
            pipe.hset(self._store.keys.worker_info, name, json.dumps(fields))
            pipe.execute()

    def leave(self, name: str) -> None:
        """Take a worker that ended in order off the list."""
        with translated(), self._store.redis.pipeline() as pipe:
            pipe.zrem(self._store.keys.workers, name)
            pipe.hdel(self._store.keys.worker_info, name)
            pipe.execute()

    def alive(self) -> list[Worker]:
        """Return the live workers by name."""
        now = self._now()
        with translated(), self._store.redis.pipeline() as pipe:
            pipe.zrangebyscore(self._store.keys.workers, now, "+inf")
            pipe.hgetall(self._store.keys.worker_info)
            names, infos = pipe.execute()
        return [_worker(name, infos[name]) for name in sorted(names) if name in infos]

    def _forget_long_gone(self) -> None:
        last = self._now() - 10 * self._alive_ms
        with translated():
            long_gone = self._store.redis.zrangebyscore(self._store.keys.workers, "-inf", last)
        for name in long_gone:
            self.leave(name)

    def balance(
        self, zones: Mapping[str, int], *, leader: str, shunned: Callable[[list[Worker]], Collection[str]] = _nobody
    ) -> list[Move]:
        """Spread each zone's shards (zone to number of shards) over its workers; return what is to be changed.

        Of the live workers those that `shunned` names get none. Only one scheduler at a time does it: `leader` takes
        a short lock. A queue is given to its new worker only when its old one has let go or is dead, so that a host
        meets one worker at a time.
        """
        keys = self._store.keys
        with translated():
            if not self._store.redis.set(keys.balancer, leader, nx=True, px=1000):
                return []
            before = self._store.redis.hgetall(keys.shards)
        self._forget_long_gone()
        workers = self.alive()
        without = shunned(workers)
        wanted: dict[str, str] = {}
        for zone in sorted({*zones, *(worker.zone for worker in workers)}):
            names = [w.name for w in workers if w.zone == zone and not w.draining and w.name not in without]
            wanted |= spread(shards(zone, zones.get(zone, max(zones.values()))), names, before)
        if wanted and wanted != before:
            with translated():
                self._store.redis.hset(keys.shards, mapping=dict(wanted))
        return _moves(workers, wanted)

    def orders(self, workers: list[Worker]) -> list[Move]:
        """Return what these live workers have not done yet of the wanted spread."""
        return _moves(workers, self.wanted())

    def wanted(self) -> dict[str, str]:
        """Return shard queue to the worker that is to consume it."""
        with translated():
            found: dict[str, str] = self._store.redis.hgetall(self._store.keys.shards)
        return found

    def _now(self) -> int:
        given = self._store.clock()
        if given:
            return int(given)
        with translated():
            seconds, micros = self._store.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000


def _moves(workers: list[Worker], wanted: Mapping[str, str]) -> list[Move]:
    consumed = {queue for worker in workers for queue in worker.queues}
    moves = []
    for worker in workers:
        mine = {queue for queue, owner in wanted.items() if owner == worker.name}
        moves += [Move(worker.name, queue, add=False) for queue in sorted(worker.queues - mine)]
        moves += [Move(worker.name, queue, add=True) for queue in sorted(mine - consumed)]
    return moves


def _worker(name: str, text: str) -> Worker:
    fields = json.loads(text)
    profiles = frozenset(fields.get("profiles", ()))
    return Worker(name, **{**fields, "queues": frozenset(fields["queues"]), "profiles": profiles})
