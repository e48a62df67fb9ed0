"""What Flower was not told of a run, it learns from the store."""

import asyncio
import time
from itertools import count
from typing import Any

import pytest
from redis import Redis
from tornado.ioloop import IOLoop

from cli.flower_state import NodeState
from cli.flower_store import GONE_SECONDS, QUIET_SECONDS, Reconciler, quiet_runs
from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.error import Unanswered
from dag.host import Host
from dag.lease import Leases, Report, Run
from dag.registry import HostRegistry
from dag.store import Store

WORKER = "default-1@h"
clock = count(1)


class World:
    """A task of three hosts whose first steps are READY, and a Flower that has heard of them a while ago."""

    def __init__(self, redis: Redis) -> None:
        self.store = Store(redis)
        hosts = [host.id for host in HostRegistry(redis).create([Host(0, f"h{n}") for n in range(3)])]
        self.task = self.store.submit(BATCH_RESTART, hosts, creator="admin", executor="e", trace_id="t")
        self.base = self.store.read(self.task).graph.base
        self.leases = Leases(self.store, lease_seconds=60, retention_seconds=60)
        HandOut(self.store, retention_seconds=60).ready_nodes(self.task, 0, 3, begin_within_ms=60_000)
        self.runs = [Run(self.task, at, 1, host, at) for at, host in enumerate(hosts)]
        self.state = NodeState(max_tasks_in_memory=100, max_workers_in_memory=10)
        for run in self.runs:
            self.tell("sent", run, name="agent.prepare", kwargs=f"{{'task': {self.task}, 'host': {run.host_id}}}")

    def uuid(self, run: Run) -> str:
        return f"{self.base + run.offset}-{run.attempt}"

    def tell(self, kind: str, run: Run, ago: float = QUIET_SECONDS + 1, **fields: Any) -> None:
        now = time.time() - ago
        event = {"type": f"task-{kind}", "uuid": self.uuid(run), "hostname": WORKER, "timestamp": now}
        self.state.event({**event, "local_received": now, "clock": next(clock), **fields})

    def look(self) -> list[tuple[str, str]]:
        """Let Flower ask, and return states and reasons of its rows."""
        asyncio.run(self._look())
        rows = [self.state.tasks[self.uuid(run)] for run in self.runs]
        return [(row.state, row.exception or "") for row in rows]

    async def _look(self) -> None:
        await Reconciler(self.state, self.store, IOLoop.current()).look()


@pytest.fixture
def world(redis: Redis) -> World:
    return World(redis)


def test_ends_that_nobody_told_are_learned_and_what_has_none_stays(world: World) -> None:
    well, badly, open_run = world.runs
    for run in world.runs:
        world.leases.begin(run, WORKER)
    world.tell("started", well)
    assert [state for state, _ in world.look()] == ["STARTED", "PENDING", "PENDING"]
    world.leases.complete(well, Report("done\n"))
    world.leases.fail(badly, Report("$ start\nno such file\n"))
    assert world.look() == [("SUCCESS", ""), ("FAILURE", "no such file"), ("PENDING", "")]
    rows = [world.state.tasks[world.uuid(run)] for run in (well, badly)]
    assert [row.worker.hostname for row in rows] == [WORKER] * 2
    assert rows[0].result == "'succeeded'"
    assert 0 <= rows[0].runtime < 60
    assert [*world.state.search_engine.matching_ids("state:FAILURE")] == [world.uuid(badly)]
    # What comes late changes nothing any more.
    world.tell("succeeded", badly, ago=0, result="2")
    world.tell("started", open_run, ago=0)
    assert [state for state, _ in world.look()] == ["SUCCESS", "FAILURE", "STARTED"]


def test_the_end_of_another_attempt_is_not_this_run_s(world: World) -> None:
    run = world.runs[0]
    world.leases.begin(run, WORKER)
    world.tell("started", run)
    world.leases.fail(run, Report("no\n"))
    [offset, record] = run.offset, world.store.redis.hget(world.store.keys.nodes(world.task), "0")
    world.store.redis.hset(world.store.keys.nodes(world.task), str(offset), record.replace("1|", "2|", 1))
    assert world.look()[0] == ("STARTED", "")


def test_only_runs_of_nodes_that_are_quiet_and_not_for_too_long_are_asked_for(world: World) -> None:
    now = time.time()
    assert [run.uuid for run in quiet_runs(world.state, now)] == [world.uuid(run) for run in world.runs]
    assert quiet_runs(world.state, now - QUIET_SECONDS) == []
    assert quiet_runs(world.state, now + GONE_SECONDS) == []
    world.tell("retried", world.runs[0])
    world.tell("rejected", world.runs[1])
    assert [run.uuid for run in quiet_runs(world.state, now)] == [world.uuid(world.runs[2])]


def test_a_task_that_is_gone_and_a_store_that_is_away_change_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.store.redis.delete(world.store.keys.task(world.task))
    assert [state for state, _ in world.look()] == ["PENDING"] * 3

    def away(_task: int) -> None:
        raise Unanswered("away")

    monkeypatch.setattr(world.store, "read", away)
    assert [state for state, _ in world.look()] == ["PENDING"] * 3


def test_of_more_than_may_be_asked_for_at_once_each_has_its_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.flower_store.MOST_RUNS", 1)
    for run in world.runs:
        world.leases.begin(run, WORKER)
        world.leases.complete(run, Report("done\n"))
    assert sorted(state for state, _ in world.look()) == ["PENDING", "PENDING", "SUCCESS"]
    world.look()
    assert [state for state, _ in world.look()] == ["SUCCESS"] * 3
