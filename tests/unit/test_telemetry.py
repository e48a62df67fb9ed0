"""What schedulers and workers count, on the real store and with a host that is played."""

from collections.abc import Collection, Mapping

import pytest
from prometheus_client import CollectorRegistry
from redis import Redis

from dag.error import StoreUnavailable
from dag.host import Host
from dag.lease import Report
from dag.operation import Operations
from dag.registry import HostRegistry
from dag.roster import Roster, Worker
from dag.shard import shard_of
from dag.store import Store
from telemetry.scheduler import SchedulerMetrics
from telemetry.store import KEPT_SECONDS, StoreCollector
from telemetry.worker import UNCONNECTED, WorkerMetrics
from tests.unit.test_runner import Bench as RunnerBench
from tests.unit.test_scheduler import BEGIN_MS, LEASE_MS
from tests.unit.test_scheduler import Bench as SchedulerBench
from workers.action.registry import ACTIONS, UNDOS
from workers.remote.error import HostUnreachable, RemoteError
from workers.remote.session import Completed
from workers.runner import Runner, StepFailed


class Watched:
    """A scheduler, its store and its broker, and what is told of them; `clock` is the collector's."""

    def __init__(self, redis: Redis) -> None:
        self.bench, self.registry, self.clock = SchedulerBench(redis), CollectorRegistry(), 0.0
        self.is_broker_away = False
        self.collector = StoreCollector(self.bench.store, self._lengths, lambda: self.clock)
        self.registry.register(self.collector)
        self.scheduler = self.bench.scheduler(observer=SchedulerMetrics(self.registry))

    def _lengths(self, queues: Collection[str]) -> Mapping[str, int]:
        if self.is_broker_away:
            raise StoreUnavailable("The broker can't be reached.")
        return self.bench.kept.waiting(queues)

    def value(self, name: str, **labels: str) -> float | None:
        """A value as it is now."""
        self.clock += KEPT_SECONDS
        return self.registry.get_sample_value(name, labels)

    def states(self, action: str) -> dict[str, float]:
        """The states that nodes of the action are in, and how many."""
        self.clock += KEPT_SECONDS
        found = {
            sample.labels["state"]: sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "muster_nodes" and sample.labels["action"] == action
        }
        return {state: count for state, count in found.items() if count}


@pytest.fixture
def watched(redis: Redis) -> Watched:
    return Watched(redis)


def test_nodes_are_counted_by_state_and_action_while_their_task_runs(watched: Watched) -> None:
    bench = watched.bench
    task = bench.submit(bench.hosts[:3])
    bench.submit(bench.hosts[:1])
    assert watched.value("muster_tasks_running") == 2
    assert watched.states("agent.prepare") == {"READY": 3, "PENDING": 1}
    watched.scheduler.tick()
    runs = [bench.begin(dispatch) for dispatch in bench.kept.take()]
    assert watched.states("agent.prepare") == {"RUNNING": 3, "PENDING": 1}
    assert bench.leases.fail(runs[0], Report("no"))
    for run in runs[1:]:
        assert bench.leases.complete(run, Report())
    assert watched.value("muster_tasks_running") == 1
    assert watched.states("agent.prepare") == {"READY": 1} or watched.states("agent.prepare") == {"PENDING": 1}
    Operations(bench.store).retry(task)
    assert watched.value("muster_tasks_running") == 2


def test_what_was_read_a_moment_ago_is_not_asked_again(watched: Watched) -> None:
    watched.bench.submit(watched.bench.hosts[:1])
    assert watched.value("muster_tasks_running") == 1
    watched.bench.submit(watched.bench.hosts[1:2])
    assert watched.registry.get_sample_value("muster_tasks_running") == 1
    assert watched.value("muster_tasks_running") == 2


def test_the_ready_stream_says_how_long_its_oldest_message_stands_there(redis: Redis) -> None:
    watched = Watched(redis)
    assert (watched.value("muster_ready_entries"), watched.value("muster_ready_lag_seconds")) == (0, 0)
    seconds, _micros = redis.time()
    redis.xadd(watched.bench.store.keys.ready, {"kind": "host", "host": "1"}, id=f"{(seconds - 90) * 1000}-0")
    watched.bench.submit(watched.bench.hosts[:1])
    assert watched.value("muster_ready_entries") == 2
    lag = watched.value("muster_ready_lag_seconds")
    assert lag is not None
    assert 89 < lag < 120


def test_messages_are_counted_by_action_also_those_that_the_broker_did_not_get(watched: Watched) -> None:
    bench = watched.bench
    bench.submit(bench.hosts[:3])
    bench.kept.away_after = 0
    with pytest.raises(StoreUnavailable):
        watched.scheduler.tick()
    assert watched.value("muster_messages_unpublished_total", action="agent.prepare") == 3
    assert watched.value("muster_messages_published_total", action="agent.prepare") is None
    bench.kept.away_after = None
    watched.scheduler.tick()
    assert watched.value("muster_messages_published_total", action="agent.prepare") == 3


def test_a_message_that_never_arrived_and_a_lease_that_ran_out_are_told_apart(watched: Watched) -> None:
    bench = watched.bench
    bench.submit(bench.hosts[:1])
    watched.scheduler.tick()
    bench.now += BEGIN_MS + 1
    watched.scheduler.tick()
    assert watched.value("muster_messages_lost_total", result="again") == 1
    assert watched.value("muster_leases_expired_total", result="again") == 0
    bench.begin(bench.kept.take()[-1])
    bench.now += LEASE_MS + 1
    watched.scheduler.tick()
    assert watched.value("muster_messages_lost_total", result="again") == 1
    assert watched.value("muster_leases_expired_total", result="again") == 1
    for _ in range(2):
        bench.begin(bench.kept.take()[-1])
        bench.now += LEASE_MS + 1
        watched.scheduler.tick()
    assert watched.value("muster_leases_expired_total", result="failed") == 1


def test_workers_and_their_queues_are_told_of(watched: Watched) -> None:
    bench, shard = watched.bench, shard_of(1, "default", 8)
    assert watched.value("muster_workers", zone="default", state="taking") == 0
    Roster(bench.store, alive_seconds=4).beat(Worker("w", "default", frozenset()))
    watched.scheduler.tick()
    bench.kept.standing = 7
    assert watched.value("muster_workers", zone="default", state="taking") == 1
    assert watched.value("muster_queue_messages", shard=shard) == 7
    assert watched.value("muster_shard_orders_total") == 8
    watched.is_broker_away = True
    assert watched.value("muster_broker_up") == 0
    assert watched.value("muster_queue_messages", shard=shard) is None
    assert watched.value("muster_store_up") == 1


def test_a_zone_of_hosts_without_a_worker_is_told_of_and_one_without_either_is_not(watched: Watched) -> None:
    hosts = HostRegistry(watched.bench.store.redis, keys=watched.bench.store.keys)
    taking = {"state": "taking"}
    Roster(watched.bench.store, alive_seconds=4).beat(Worker("w", "near", frozenset()))
    hosts.delete([host.id for host, _agent in hosts.page(page=1, size=1000)[0]])
    [far] = hosts.create([Host(0, "10.0.0.1", zone="far")])
    assert watched.value("muster_workers", zone="near", **taking) == 1
    assert watched.value("muster_workers", zone="far", **taking) == 0
    assert watched.value("muster_workers", zone="default", **taking) is None
    hosts.delete([far.id])
    assert watched.value("muster_workers", zone="far", **taking) is None


def test_while_redis_is_away_it_is_told_and_nothing_else() -> None:
    away = Redis(port=1, decode_responses=True)
    registry = CollectorRegistry()
    registry.register(StoreCollector(Store(away), lambda _queues: {}))
    found = {sample.name: sample.value for family in registry.collect() for sample in family.samples}
    assert found == {"muster_store_up": 0, "muster_broker_up": 0}


# A worker's side.


class Counted(RunnerBench):
    """A runner whose metrics are read."""

    def __init__(self) -> None:
        super().__init__()
        self.registry_of_metrics = CollectorRegistry()
        metrics = WorkerMetrics(self.registry_of_metrics)
        self.runner = Runner(
            self.leases,
            self.registry,
            self.host,
            ACTIONS,
            UNDOS,
            self.held,
            "worker-1",
            wait=self.waits.append,
            metrics=metrics,
        )

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry_of_metrics.get_sample_value(name, labels)


def test_runs_are_timed_by_action_and_outcome_and_refused_ones_counted() -> None:
    counted = Counted()
    assert counted.runner.run(counted.step()) == "succeeded"
    assert counted.value("muster_node_seconds_count", action="agent.prepare", outcome="successful") == 1
    assert counted.runner.run(counted.step()).startswith("refused")
    assert counted.value("muster_attempts_refused_total", reason="stale") == 1
    with counted.held.holding(counted.step().run, timeout_seconds=60):
        counted.runner.run(counted.step())
    assert counted.value("muster_attempts_refused_total", reason="doubled") == 1


def test_what_may_fail_is_told_before_it_does() -> None:
    """Prometheus sees no rise in a series that begins."""
    registry = CollectorRegistry()
    WorkerMetrics(registry).expect(["agent.stop"])
    found = {"action": "agent.stop", "outcome": "failed"}
    assert registry.get_sample_value("muster_node_seconds_count", found) == 0
    # The others are of scripts that had a connection.
    kinds = {kind.__name__ for kind in RemoteError.__subclasses__()}
    assert set(UNCONNECTED) == kinds - {"ConnectionLost", "RemoteTimeout", "RemoteCancelled"}
    for reason in UNCONNECTED:
        assert registry.get_sample_value("muster_ssh_connections_failed_total", {"reason": reason}) == 0


def test_a_failure_is_timed_as_such() -> None:
    counted = Counted()

    def unreachable() -> Completed:
        raise HostUnreachable("no")

    counted.host.answer = unreachable
    with pytest.raises(StepFailed):
        counted.runner.run(counted.step())
    assert counted.value("muster_node_seconds_count", action="agent.prepare", outcome="failed") == 1
