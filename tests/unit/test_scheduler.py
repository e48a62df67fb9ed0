"""The scheduler on the real store with a publisher that keeps what it is given."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import ReadyStream
from dag.error import StoreUnavailable
from dag.host import Host
from dag.inquiry import Inquiries
from dag.lease import Leases, Report, Run
from dag.observer import Observer
from dag.operation import Operations
from dag.registry import HostRegistry
from dag.roster import Move, Roster
from dag.scheduler import Dispatch, Inquiry, Loss, Scheduler, SchedulerLimits
from dag.script import translated
from dag.shard import shard_of
from dag.store import Store
from dag.trace import begin, current_id, scope
from tests.invariant import check_invariants
from tests.wait import until

BEGIN_MS, LEASE_MS = 20_000, 15_000
LIMITS = SchedulerLimits(
    lease_seconds=LEASE_MS / 1000,
    begin_within_seconds=BEGIN_MS / 1000,
    most_lost=3,
    sweep_seconds=0,
    claim_after_seconds=0,
    balance_seconds=0,
    retention_seconds=60,
    shards_per_zone=8,
    block_ms=1,
)


@dataclass
class Kept:
    """A publisher; `away_after` messages it fails, `standing` is what it says of every queue."""

    sent: list[Dispatch] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    away_after: int | None = None
    standing: int = 0
    asked: list[str] = field(default_factory=list)
    inquiries: list[Inquiry] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)

    def publish(self, dispatches: Sequence[Dispatch]) -> None:
        for dispatch in dispatches:
            if self.away_after is not None and len(self.sent) >= self.away_after:
                raise StoreUnavailable("The broker can't be reached.")
            self.sent.append(dispatch)

    def inquire(self, inquiry: Inquiry) -> None:
        self.inquiries.append(inquiry)

    def waiting(self, queues: Collection[str]) -> Mapping[str, int]:
        self.asked += queues
        return dict.fromkeys(queues, self.standing)

    def tell(self, loss: Loss) -> None:
        self.losses.append(loss)

    def steer(self, moves: Sequence[Move]) -> None:
        self.moves += moves

    def take(self) -> list[Dispatch]:
        taken, self.sent = self.sent, []
        return taken


class Bench:
    """A store with five hosts, a clock, and schedulers by name."""

    def __init__(self, redis: Redis) -> None:
        self.now = 1_000_000
        self.redis: Any = redis
        self.store = Store(self.redis, clock=lambda: str(self.now))
        self.registry = HostRegistry(self.redis)
        self.hosts = [h.id for h in self.registry.create([Host(0, f"10.0.0.{n}") for n in range(1, 6)])]
        self.kept = Kept()
        self.leases = Leases(self.store, lease_seconds=LEASE_MS / 1000, retention_seconds=60)

    def scheduler(self, name: str = "one", observer: Observer | None = None) -> Scheduler:
        roster = Roster(self.store, alive_seconds=4)
        return Scheduler(self.store, self.registry, roster, self.kept, name, LIMITS, observer)

    def submit(self, hosts: Sequence[int]) -> int:
        return self.store.submit(BATCH_RESTART, hosts, creator="c", executor="e", trace_id="cafe")

    def begin(self, dispatch: Dispatch) -> Run:
        run = Run(dispatch.task_id, dispatch.offset, dispatch.attempt, dispatch.host_id, dispatch.index)
        assert self.leases.begin(run, "worker") is not None
        return run

    def letters(self, task: int) -> str:
        return str(self.redis.get(self.store.keys.status(task)))

    def status(self, task: int) -> str:
        return str(self.store.load(task).status)


@pytest.fixture
def bench(redis: Redis) -> Iterator[Bench]:
    found = Bench(redis)
    yield found
    check_invariants(found.store)


def test_a_node_is_handed_out_once_under_its_action_to_its_hosts_shard(bench: Bench) -> None:
    task, scheduler = bench.submit(bench.hosts[:3]), bench.scheduler()
    scheduler.tick()
    scheduler.tick()
    sent = bench.kept.take()
    assert [(d.task_id, d.host_id, d.action, d.attempt) for d in sent] == [
        (task, host, "agent.prepare", 1) for host in bench.hosts[:3]
    ]
    assert [d.queue for d in sent] == [shard_of(host, "default", 8) for host in bench.hosts[:3]]
    assert {(d.address, d.timeout_seconds, d.trace_id) for d in sent} == {
        (f"10.0.0.{n}", 60, "cafe") for n in (1, 2, 3)
    }


def test_a_task_runs_through_all_stages_to_its_end(bench: Bench) -> None:
    task, scheduler = bench.submit(bench.hosts[:2]), bench.scheduler()
    actions = []
    while bench.status(task) == "RUNNING":
        scheduler.tick()
        dispatches = bench.kept.take()
        assert len(dispatches) == 2
        actions.append(dispatches[0].action)
        for dispatch in dispatches:
            assert bench.leases.complete(bench.begin(dispatch), Report("done\n", {"a": 1}))
    assert actions == ["agent.prepare", "proxy.restart", "agent.stop", "agent.start", "agent.finish"]
    assert bench.status(task) == "SUCCESSFUL"
    assert bench.redis.hgetall(bench.store.keys.holders) == {}
    assert bench.redis.zcard(bench.store.keys.due) == 0


def test_a_broker_that_breaks_half_way_loses_nothing(bench: Bench) -> None:
    bench.submit(bench.hosts[:4])
    bench.kept.away_after = 2
    with pytest.raises(StoreUnavailable):
        bench.scheduler("one").tick()
    bench.kept.away_after = None
    bench.scheduler("two").tick()
    found = {(d.host_id, d.attempt) for d in bench.kept.take()}
    assert found == {(host, 1) for host in bench.hosts[:4]}


def test_what_a_dead_scheduler_had_read_is_handed_out_by_another(bench: Bench) -> None:
    bench.submit(bench.hosts[:2])
    dead = bench.scheduler("dead")
    dead._stream.open()
    assert len(dead._stream.read(count=10, block_ms=1)) == 1
    bench.scheduler("alive").tick()
    assert len(bench.kept.take()) == 2


def test_a_dispatch_that_is_never_begun_comes_again_with_the_next_attempt(bench: Bench) -> None:
    task, scheduler = bench.submit(bench.hosts[:1]), bench.scheduler()
    scheduler.tick()
    [first] = bench.kept.take()
    bench.now += BEGIN_MS + 1
    scheduler.tick()
    [second] = bench.kept.take()
    assert (second.offset, second.attempt) == (first.offset, first.attempt + 1)
    late = Run(task, first.offset, first.attempt, first.host_id, first.index)
    assert bench.leases.begin(late, "worker") is None
    bench.begin(second)


def test_a_dispatch_that_waits_in_its_queue_is_not_lost(bench: Bench) -> None:
    bench.submit(bench.hosts[:1])
    scheduler = bench.scheduler()
    scheduler.tick()
    [first] = bench.kept.take()
    bench.kept.standing = 7
    for _ in range(5):
        bench.now += BEGIN_MS + 1
        scheduler.tick()
    assert bench.kept.take() == []
    bench.begin(first)


@pytest.mark.parametrize("begins", [True, False], ids=["a worker", "a message"])
def test_a_node_that_is_lost_once_more_than_the_limit_fails_with_a_reason(bench: Bench, begins: bool) -> None:
    task, scheduler = bench.submit(bench.hosts[:1]), bench.scheduler()
    scheduler.tick()
    [bad] = bench.kept.take()
    for lost in range(LIMITS.most_lost + 1):
        assert bench.letters(task)[bad.offset] == "R", lost
        if begins:
            bench.begin(bad)
        bench.now += max(LEASE_MS, BEGIN_MS) + 1
        scheduler.sweep()
        scheduler.tick()
        [bad] = bench.kept.take() or [bad]
    assert bench.letters(task)[bad.offset] == "F"
    assert "was lost" in bench.store.logs(task, bad.subtask_id)
    assert bench.status(task) == "FAILED"


def test_consumers_of_ended_schedulers_are_forgotten_once_they_have_nothing_left(bench: Bench) -> None:
    bench.submit(bench.hosts[:1])
    busy, idle, living = (ReadyStream(bench.store, name) for name in ("busy", "idle", "living"))
    idle.open()
    assert busy.read(count=1, block_ms=1)
    for stream in (idle, living):
        stream.read(count=1, block_ms=1)
    assert living.retire(idle_ms=3_600_000) == []
    until(lambda: "idle" in living.retire(idle_ms=5))
    assert "busy" in {row["name"] for row in bench.redis.xinfo_consumers(bench.store.keys.ready, "schedulers")}
    # What it had read is still there to be claimed.
    assert living.claim(idle_ms=0, count=10)


def test_a_failed_task_frees_its_hosts_for_the_next(bench: Bench) -> None:
    first, second = bench.submit(bench.hosts[:2]), bench.submit(bench.hosts[1:3])
    scheduler = bench.scheduler()
    scheduler.tick()
    one, two, three = bench.kept.take()
    assert (one.task_id, two.task_id, three.task_id) == (first, first, second)
    assert bench.leases.fail(bench.begin(one), Report("no\n"))
    assert bench.status(first) == "RUNNING"
    assert bench.leases.complete(bench.begin(two), Report())
    assert bench.status(first) == "FAILED"
    for _ in ("release", "host", "nodes"):
        scheduler.tick()
    assert [(d.task_id, d.host_id) for d in bench.kept.take()] == [(second, bench.hosts[1])]


def test_a_deleted_host_is_handed_out_all_the_same(bench: Bench) -> None:
    bench.submit(bench.hosts[:2])
    bench.redis.hdel(bench.store.keys.hosts, str(bench.hosts[0]))
    bench.scheduler().tick()
    assert [(d.host_id, d.address) for d in bench.kept.take()] == [(bench.hosts[0], ""), (bench.hosts[1], "10.0.0.2")]


def test_an_inquiry_goes_to_its_hosts_shard_and_holds_nothing(bench: Bench) -> None:
    assert Inquiries(bench.store).ask(bench.hosts[1], seconds=0.01) is None
    assert Inquiries(bench.store).ask(99, seconds=0.01) is None
    bench.scheduler().tick()
    queue = shard_of(bench.hosts[1], "default", 8)
    assert bench.kept.inquiries == [Inquiry(bench.hosts[1], 1, queue, "10.0.0.2")]
    assert bench.redis.xlen(bench.store.keys.ready) == 0
    assert bench.redis.hgetall(bench.store.keys.holders) == {}


def test_a_message_of_an_unknown_kind_does_not_stop_the_others(bench: Bench) -> None:
    bench.redis.xadd(bench.store.keys.ready, {"kind": "song"})
    bench.submit(bench.hosts[:1])
    bench.scheduler().tick()
    assert len(bench.kept.take()) == 1
    assert bench.redis.xlen(bench.store.keys.ready) == 0


def test_run_goes_on_once_redis_is_back(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.submit(bench.hosts[:1])
    scheduler, stop = bench.scheduler(), Event()
    calls: list[str] = []
    tick = scheduler.tick

    def flaky() -> None:
        calls.append("tick")
        if len(calls) == 1:
            raise StoreUnavailable("Redis can't be reached (ConnectionError).")
        tick()
        stop.set()

    monkeypatch.setattr(scheduler, "tick", flaky)
    scheduler.run(stop)
    assert len(calls) == 2
    assert "waiting for Redis" in caplog.text
    assert len(bench.kept.take()) == 1


def test_a_queue_is_asked_once_in_a_sweep(bench: Bench) -> None:
    ids = [h.id for h in bench.registry.create([Host(0, f"10.2.0.{n}") for n in range(100)])]
    bench.submit(ids)
    scheduler = bench.scheduler()
    scheduler.tick()
    bench.now += BEGIN_MS + 1
    scheduler.sweep()
    assert sorted(bench.kept.asked) == sorted({shard_of(host, "default", 8) for host in ids})


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "nodes", "task": "x", "first": "0", "count": "1"},
        {"kind": "nodes", "task": "1"},
        {"kind": "host", "host": ""},
        {"kindness": "none"},
    ],
)
def test_a_broken_message_is_taken_off_and_told_of(
    bench: Bench, caplog: pytest.LogCaptureFixture, fields: dict[str, str]
) -> None:
    bench.redis.xadd(bench.store.keys.ready, fields)
    bench.scheduler().tick()
    assert bench.redis.xlen(bench.store.keys.ready) == 0
    assert str(fields) in caplog.text


def test_a_fault_in_one_message_keeps_it_and_lets_the_others_through(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = bench.submit(bench.hosts[:1]), bench.submit(bench.hosts[1:2])
    publish = bench.kept.publish

    def faulty(dispatches: Sequence[Dispatch]) -> None:
        if dispatches[0].task_id == bad:
            raise RuntimeError("a fault")
        publish(dispatches)

    with monkeypatch.context() as patch:
        patch.setattr(bench.kept, "publish", faulty)
        bench.scheduler().tick()
        assert [d.task_id for d in bench.kept.take()] == [good]
    bench.scheduler().tick()
    assert [d.task_id for d in bench.kept.take()] == [bad]
    assert bench.redis.xlen(bench.store.keys.ready) == 0


def test_claiming_goes_on_behind_what_fails_again_and_again(bench: Bench) -> None:
    dead, alive = ReadyStream(bench.store, "dead"), ReadyStream(bench.store, "alive")
    dead.open()
    for host in bench.hosts:
        bench.submit([host])
    read = dead.read(count=10, block_ms=1)
    claimed = [entry for _ in range(3) for entry in alive.claim(idle_ms=0, count=2)]
    assert claimed == read


def test_a_fault_in_one_run_does_not_stop_the_sweep(bench: Bench) -> None:
    broken, lost = bench.submit(bench.hosts[:1]), bench.submit(bench.hosts[1:2])
    scheduler = bench.scheduler()
    scheduler.tick()
    for dispatch in bench.kept.take():
        bench.begin(dispatch)
    record = bench.redis.hget(bench.store.keys.nodes(broken), "0")
    bench.redis.hset(bench.store.keys.nodes(broken), "0", "nonsense")
    bench.now += LEASE_MS + 1
    scheduler.sweep()
    assert (bench.letters(broken)[0], bench.letters(lost)[0]) == ("X", "R")
    bench.redis.hset(bench.store.keys.nodes(broken), "0", record)
    scheduler.sweep()
    assert bench.letters(broken)[0] == "R"


def test_a_server_that_lost_everything_is_served_again(bench: Bench) -> None:
    scheduler = bench.scheduler()
    scheduler.tick()
    bench.redis.flushall()
    scheduler.tick()
    [host] = bench.registry.create([Host(0, "10.9.0.1")])
    bench.submit([host.id])
    scheduler.tick()
    assert [d.host_id for d in bench.kept.take()] == [host.id]


def test_scripts_that_the_server_forgot_are_sent_again(bench: Bench) -> None:
    task, scheduler = bench.submit(bench.hosts[:1]), bench.scheduler()
    for _ in range(5):
        bench.redis.script_flush()
        scheduler.tick()
        [dispatch] = bench.kept.take()
        bench.redis.script_flush()
        run = bench.begin(dispatch)
        bench.redis.script_flush()
        assert bench.leases.complete(run, Report())
    assert bench.status(task) == "SUCCESSFUL"


def test_the_runs_of_a_task_that_is_gone_are_forgotten(bench: Bench) -> None:
    task, scheduler = bench.submit(bench.hosts[:1]), bench.scheduler()
    scheduler.tick()
    keys = bench.store.keys
    bench.redis.delete(keys.task(task), keys.status(task), keys.holders)
    bench.redis.zrem(keys.index, task)
    bench.now += BEGIN_MS + 1
    scheduler.sweep()
    assert bench.redis.zcard(keys.due) == 0


class Impatient(Event):
    """Does not wait, and is set once it was asked to `waits` times."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self.waits = waits

    def wait(self, timeout: float | None = None) -> bool:
        self.waits -= 1
        if not self.waits:
            self.set()
        return self.is_set()


def test_a_refused_login_is_told_once_and_says_what_to_set(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        with translated():
            raise AuthenticationError("WRONGPASS invalid username-password pair or user is disabled.")

    scheduler = bench.scheduler()
    monkeypatch.setattr(scheduler, "tick", refused)
    scheduler.run(Impatient(50))
    assert caplog.text.count("MUSTER_REDIS_URL") == 1
    assert "invalid username-password pair" in caplog.text


class Dies(Exception):
    """A process ends here."""


@pytest.mark.parametrize(("calls", "exists"), [(1, False), (2, True), (3, True)])
def test_a_submission_that_dies_leaves_the_whole_task_or_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, calls: int, exists: bool
) -> None:
    """Killed after reserve.lua, after create.lua, and after a chunk of admit.lua: what of 1,200 hosts is handed out?"""
    ids = [h.id for h in bench.registry.create([Host(0, f"10.1.{n // 250}.{n % 250}") for n in range(1200)])]
    done: list[str] = []
    scripts = bench.store.scripts

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            if len(done) == calls:
                raise Dies
            done.append(call.__name__)
            return call(*arguments)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(scripts, "call", dying(scripts.call))
        patch.setattr(scripts, "call_with", dying(scripts.call_with))
        with pytest.raises(Dies):
            bench.submit(ids)
    assert bool(bench.redis.zcard(bench.store.keys.index)) is exists
    scheduler = bench.scheduler()
    for _ in range(5):
        scheduler.tick()
    assert sorted(d.host_id or 0 for d in bench.kept.take()) == (ids if exists else [])
    if exists:
        assert len(bench.store.load(1).nodes) == 5 * 1200 + 4


class Traces(logging.Filter):
    """Notes the trace of each record where it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        self.of[record.getMessage()] = current_id()
        return True


def test_what_it_logs_of_a_task_has_the_trace_of_the_call(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    trace, told = begin(), Traces()
    names: Any = {"creator": "c", "executor": "e", "trace_id": trace.trace_id, "traceparent": trace.parent}
    bench.store.submit(BATCH_RESTART, bench.hosts[:1], **names)
    scheduler = bench.scheduler()
    with scope(), caplog.at_level(logging.DEBUG, "dag.scheduler"), caplog.filtering(told):
        scheduler.tick()
        bench.now += BEGIN_MS + 1
        scheduler.tick()
        assert current_id() == ""
    assert {dispatch.traceparent for dispatch in bench.kept.take()} == {trace.parent}
    assert told.of == {
        "task 1: 1 nodes from 0 on were handed out": trace.trace_id,
        "task 1: run 1 of subtask 1 was lost: ready": trace.trace_id,
    }


def traced(bench: Bench, ask: Callable[[], None]) -> str:
    """Do it as a call of its own, and return its span."""
    call = begin()
    with scope(call):
        ask()
    return call.parent


def test_what_goes_on_has_the_trace_of_the_call_that_had_it_go_on(bench: Bench) -> None:
    task, scheduler, operations = bench.submit(bench.hosts[:2]), bench.scheduler(), Operations(bench.store)
    subtask = bench.store.load(task).nodes[0].id

    def hand_out(*, fails: bool) -> list[tuple[int, str, str]]:
        scheduler.tick()
        sent = bench.kept.take()
        for dispatch in sent:
            run = bench.begin(dispatch)
            end = bench.leases.fail if fails and dispatch.subtask_id == subtask else bench.leases.complete
            end(run, Report("done\n"))
        scheduler.tick()
        return [(dispatch.subtask_id, dispatch.trace_id, dispatch.traceparent) for dispatch in sent]

    assert [(trace, parent) for _id, trace, parent in hand_out(fails=True)] == [("cafe", "")] * 2
    for ask in (operations.retry, operations.roll_back):
        call = traced(bench, partial(ask, task))
        assert {(trace, parent) for _id, trace, parent in hand_out(fails=True)} == {(call[3:35], call)}
    # Asked for outside of any call, it has that of the call that made the task.
    operations.roll_back(task)
    assert {(trace, parent) for _id, trace, parent in hand_out(fails=True)} == {("cafe", "")}
    call = traced(bench, partial(operations.retry_node, task, subtask))
    assert {(trace, parent) for _id, trace, parent in hand_out(fails=False)} == {(call[3:35], call)}
    assert bench.store.traceparent_of(task) == ""


def test_a_step_that_is_retried_while_its_task_runs_has_the_trace_of_that_call_and_the_others_stay(
    bench: Bench,
) -> None:
    task, scheduler = bench.submit(bench.hosts[:2]), bench.scheduler()
    scheduler.tick()
    first, second = bench.kept.take()
    bench.leases.fail(bench.begin(first), Report("failed\n"))
    call = traced(bench, lambda: Operations(bench.store).retry_node(task, first.subtask_id))
    scheduler.tick()
    [again] = bench.kept.take()
    assert (again.subtask_id, again.trace_id, again.traceparent) == (first.subtask_id, call[3:35], call)
    for dispatch in (again, second):
        bench.leases.complete(bench.begin(dispatch), Report("done\n"))
    scheduler.tick()
    assert [dispatch.trace_id for dispatch in bench.kept.take()] == ["cafe"] * 2
