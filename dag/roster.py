"""The workers that are alive, and the shards that each is to consume."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

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
    of its machine was ahead of the server's at the beat before.
    """

    name: str
    zone: str
    queues: frozenset[str]
    draining: bool = False
    free: int = 0
    received: int = 0
    profiles: frozenset[str] = frozenset()
    skew_ms: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Move:
    """One order to one worker: consume a queue, or no longer."""

    worker: str
    queue: str
    add: bool


# Of the live workers and what they are told and have not done: who is to get no shards.
Shunned = Callable[[list[Worker], list[Move]], Collection[str]]


def _nobody(_workers: list[Worker], _orders: list[Move]) -> Collection[str]:
    return ()


@dataclass(frozen=True)
class _Picture:
    """What stands in the store: the live workers by name, who has long been gone, and who is to have which shard."""

    alive: list[Worker]
    long_gone: list[str]
    wanted: dict[str, str]


class Roster:
    """Live workers and the wanted spread of shards over them; `alive_seconds` without a heartbeat is dead."""

    def __init__(self, store: Store, *, alive_seconds: float = ALIVE_SECONDS) -> None:
        self._store = store
        self._alive_ms = int(alive_seconds * 1000)
        self._skew_ms: int | None = None

    def beat(self, worker: Worker) -> None:
        """Tell that the worker is alive, and what it consumes; for one worker of this machine, again and again.

        How far the machine's clock is off is what the beat before has found, so that a beat is one question.
        """
        if self._skew_ms is None:
            self._skew_ms = self._measured(self._now)
        lists = {"queues": sorted(worker.queues), "profiles": sorted(worker.profiles)}
        fields = asdict(worker) | lists | {"skew_ms": self._skew_ms}
        name, keys = fields.pop("name"), [self._store.keys.workers, self._store.keys.worker_info]
        told = (name, self._alive_ms, json.dumps(fields), self._store.clock())
        self._skew_ms = self._measured(lambda: int(self._store.scripts.call("beat", keys, *told)))

    def _measured(self, ask: Callable[[], int]) -> int:
        """Return how far this machine's clock is ahead of the time (ms) that is asked for."""
        asked_at = time.time_ns()
        now = ask()
        return (asked_at + time.time_ns()) // 2_000_000 - now

    def leave(self, name: str) -> None:
        """Take a worker that ended in order off the list."""
        with translated(), self._store.redis.pipeline() as pipe:
            pipe.zrem(self._store.keys.workers, name)
            pipe.hdel(self._store.keys.worker_info, name)
            pipe.execute()

    def alive(self) -> list[Worker]:
        """Return the live workers by name."""
        with translated(), self._store.redis.pipeline(transaction=False) as pipe:
            self._ask(pipe)
            return self._picture(*pipe.execute()).alive

    def _ask(self, pipe: Any) -> None:
        keys = self._store.keys
        pipe.time()
        pipe.zrange(keys.workers, 0, -1, withscores=True)
        pipe.hgetall(keys.worker_info)
        pipe.hgetall(keys.shards)

    def _picture(
        self,
        time: tuple[int, int],
        until: list[tuple[str, float]],
        infos: Mapping[str, str],
        wanted: dict[str, str],
    ) -> _Picture:
        given = self._store.clock()
        now = int(given) if given else _ms(time)
        alive = [_worker(name, infos[name]) for name, end in sorted(until) if end >= now and name in infos]
        return _Picture(alive, [name for name, end in until if end <= now - 10 * self._alive_ms], wanted)

    def balance(self, zones: Mapping[str, int], *, leader: str, shunned: Shunned = _nobody) -> list[Move]:
        """Spread each zone's shards (zone to number of shards) over its workers; return what is to be changed.

        Of the live workers those that `shunned` names get none. Only one scheduler at a time does it: `leader` takes
        a short lock. A queue is given to its new worker only when its old one has let go or is dead, so that a host
        meets one worker at a time.
        """
        keys = self._store.keys
        with translated(), self._store.redis.pipeline(transaction=False) as pipe:
            pipe.set(keys.balancer, leader, nx=True, px=1000)
            self._ask(pipe)
            leads, *found = pipe.execute()
        if not leads:
            return []
        picture = self._picture(*found)
        for name in picture.long_gone:
            self.leave(name)
        workers, before = picture.alive, picture.wanted
        without = shunned(workers, _moves(workers, before))
        wanted: dict[str, str] = {}
        for zone in sorted({*zones, *(worker.zone for worker in workers)}):
            names = [w.name for w in workers if w.zone == zone and not w.draining and w.name not in without]
            wanted |= spread(shards(zone, zones.get(zone, max(zones.values()))), names, before)
        if wanted and wanted != before:
            with translated():
                self._store.redis.hset(keys.shards, mapping=dict(wanted))
        return _moves(workers, wanted)

    def orders(self, me: Worker) -> list[Move]:
        """Return what this worker is told and has not done yet of the wanted spread."""
        if {queue for queue, owner in self.wanted().items() if owner == me.name} == me.queues:
            return []
        with translated(), self._store.redis.pipeline(transaction=False) as pipe:
            self._ask(pipe)
            picture = self._picture(*pipe.execute())
        return [move for move in _moves(picture.alive, picture.wanted) if move.worker == me.name]

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
            return _ms(self._store.redis.time())


def _ms(time: tuple[int, int]) -> int:
    seconds, micros = time
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
