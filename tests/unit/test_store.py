"""Submissions, ends of tasks and faults of Redis, on the store itself."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from redis import Redis
from redis import exceptions as fault
from redis.backoff import NoBackoff
from redis.retry import Retry

from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.error import StoreUnavailable, UnknownSubtask, UnknownTask
from dag.host import Host
from dag.lease import Leases, Renewal, Report, Run
from dag.registry import HostRegistry
from dag.script import source, translated
from dag.state import NodeStatus
from dag.store import Store
from dag.task import Definition, Scope, Stage
from tests.invariant import check_invariants

RETENTION = 3600
WHO: Any = {"creator": "admin", "executor": "node-1", "trace_id": "cafe"}
NO_RETRY = Retry(NoBackoff(), 0)


def definition(shape: str) -> Definition:
    stages = [Stage(f"stage {n}", "Class", n, 20, f"action.{n}", Scope(letter)) for n, letter in enumerate(shape)]
    return Definition("test", "Test", tuple(stages))


@pytest.fixture
def store(redis: Redis) -> Iterator[Store]:
    found = Store(redis, clock=lambda: "1000000")
    HostRegistry(redis).create([Host(0, f"h{n}") for n in range(1, 4)])
    yield found
    check_invariants(found)


def end(store: Store, task: int, offset: int, *, well: bool = True) -> None:
    """Hand out, begin and end one node."""
    info = HandOut(store, retention_seconds=RETENTION).info(task)
    assert info is not None
    index = offset % len(info.host_ids)
    run = Run(task, offset, 1, info.host_ids[index], index)
    leases = Leases(store, lease_seconds=10, retention_seconds=RETENTION)
    assert leases.begin(run, "worker") is not None
    assert leases.complete(run, Report("well\n")) if well else leases.fail(run, Report("badly\n"))


def letters(store: Store, task: int) -> str:
    return str(store.redis.get(store.keys.status(task)))


@pytest.mark.parametrize("width", [1, 2, 1200])
def test_a_submission_is_read_back(store: Store, redis: Redis, width: int) -> None:
    ids = [h.id for h in HostRegistry(redis).create([Host(0, f"wide-{n}") for n in range(width)])]
    task = store.load(store.submit(BATCH_RESTART, ids, **WHO))
    assert (task.host_ids, task.creator, task.executor, task.trace_id) == (tuple(ids), "admin", "node-1", "cafe")
    assert [n.host_id for n in task.nodes[:width]] == ids
    assert [n.status for n in task.nodes] == [NodeStatus.READY] * width + [NodeStatus.PENDING] * (4 * width + 4)
    assert [n.id for n in task.nodes] == list(range(task.nodes[0].id, task.nodes[0].id + 5 * width + 4))
    assert (task.created_at, task.finished_at) == (1_000_000, None)


@pytest.mark.parametrize("hosts", [[], [1, 2, 1]])
def test_hosts_are_named_once_each(store: Store, redis: Redis, hosts: list[int]) -> None:
    with pytest.raises(ValueError, match="named once"):
        store.submit(BATCH_RESTART, hosts, **WHO)
    assert redis.zcard(store.keys.index) == 0


@pytest.mark.parametrize("shape", ["", "wh", "oh"])
def test_a_definition_begins_on_its_hosts(shape: str) -> None:
    with pytest.raises(ValueError, match="first stage"):
        definition(shape)


@pytest.mark.parametrize("shape", ["h", "hh", "hw", "hww", "hwh"])
def test_whatever_the_last_stage_is_a_task_ends_and_frees_its_hosts(store: Store, redis: Redis, shape: str) -> None:
    task, keys = store.submit(definition(shape), [1, 2], **WHO), store.keys
    while "R" in letters(store, task):
        end(store, task, letters(store, task).index("R"))
    assert store.load(task).status == "SUCCESSFUL"
    hand = HandOut(store, retention_seconds=RETENTION)
    info = hand.info(task)
    assert info is not None
    if shape.endswith("w"):
        assert redis.ttl(keys.task(task)) == -1
        assert redis.hlen(keys.holders) == 2
        hand.release(info)
        redis.delete(keys.ready)
    assert redis.hlen(keys.holders) == 0
    for name in (keys.task, keys.status, keys.nodes, keys.log):
        assert 0 < redis.ttl(name(task)) <= RETENTION


def test_a_failed_task_is_kept_until_its_hosts_are_free(store: Store, redis: Redis) -> None:
    first, second = (store.submit(definition("hwh"), [1], **WHO) for _ in range(2))
    end(store, first, 0, well=False)
    assert store.load(first).status == "FAILED"
    assert redis.ttl(store.keys.task(first)) == -1
    hand = HandOut(store, retention_seconds=RETENTION)
    info = hand.info(first)
    assert info is not None
    hand.release(info)
    hand.release(info)
    assert 0 < redis.ttl(store.keys.task(first)) <= RETENTION
    assert hand.grant(1)
    assert not hand.grant(1)
    hand.release(info)
    assert redis.hget(store.keys.holders, "1") == str(second)
    assert letters(store, second) == "RPP"


def test_a_host_goes_to_the_head_of_its_queue_once(store: Store, redis: Redis) -> None:
    keys = store.keys
    first, second, third = (store.submit(definition("h"), [1], **WHO) for _ in range(3))
    end(store, first, 0)
    behind = store.redis.zrange(keys.waiting, 1, 1)[0]
    names = [keys.task(third), keys.status(third), keys.nodes(third), keys.ready, keys.holders, keys.waiting]
    names.append(keys.changes(third))
    assert store.scripts.call("grant", names, third, 1, behind, 0) == 0
    hand = HandOut(store, retention_seconds=RETENTION)
    assert hand.grant(1)
    assert not hand.grant(1)
    assert (letters(store, second), letters(store, third)) == ("R", "P")
    assert redis.hget(keys.holders, "1") == str(second)


def test_tickets_are_given_once_and_in_order(store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes go on with the same submission, one of them late."""
    keys = store.keys
    with monkeypatch.context() as patch:
        patch.setattr("dag.store.HOSTS_AT_ONCE", 0)
        patch.setattr(store, "admit_waiting", lambda *_of: None)
        first, second = (store.submit(definition("h"), [1, 2, 3], **WHO) for _ in range(2))

    def admit(task: int, at: int, *hosts: int) -> int:
        names = [keys.task(task), keys.status(task), keys.ready, keys.admission, keys.holders]
        names += [keys.waiting, keys.tickets, keys.listed, keys.changes(task)]
        return int(store.scripts.call("admit", names, task, at, int(at + len(hosts) == 3), *hosts))

    assert admit(second, 0, 1) == 0
    assert admit(first, 1, 2) == 0
    assert [admit(first, 0, 1, 2), admit(first, 0, 1, 2), admit(first, 2, 3), admit(first, 2, 3)] == [1, 0, 1, 0]
    assert redis.zcard(keys.waiting) == 0
    store.admit_waiting()
    assert (letters(store, first), letters(store, second)) == ("RRR", "PPP")


def test_a_worker_that_lost_its_node_can_not_end_it(store: Store) -> None:
    task = store.submit(definition("h"), [1], **WHO)
    now = [1_000_000]
    store.clock = lambda: str(now[0])
    leases = Leases(store, lease_seconds=10, retention_seconds=RETENTION)
    hand = HandOut(store, retention_seconds=RETENTION)
    old, new = Run(task, 0, 1, 1, 0), Run(task, 0, 2, 1, 0)

    def expire() -> str:
        return hand.expire(task, 0, 1, most_lost=3, longest_ms=75_000, log="lost", wait_ms=0)

    assert leases.begin(old, "worker") is not None
    now[0] += 9_999
    assert leases.renew([old.name]) == Renewal()
    now[0] += 9_999
    assert expire() == "gone"
    now[0] += 1
    assert [expire(), expire()] == ["ready", "gone"]
    assert leases.begin(new, "another") is not None
    assert not leases.complete(old, Report("late"))
    assert not leases.fail(old, Report("late"))
    assert leases.renew([old.name, new.name]).gone == {old.name}
    assert letters(store, task) == "X"
    assert leases.complete(new, Report("well"))


def test_the_other_hosts_of_a_stage_go_on_after_a_failure(store: Store) -> None:
    task = store.submit(definition("hhwh"), [1, 2, 3], **WHO)
    end(store, task, 0, well=False)
    end(store, task, 1)
    end(store, task, 4)
    assert store.load(task).status == "RUNNING"
    end(store, task, 2)
    end(store, task, 5, well=False)
    assert letters(store, task) == "FSSPSFPPPP"
    assert store.load(task).status == "FAILED"


def test_a_submission_whose_admission_is_cut_off_goes_on_later(
    store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = store.scripts.call

    def cut_off(name: str, *arguments: Any) -> Any:
        if name == "admit":
            raise StoreUnavailable
        return call(name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr("dag.store.HOSTS_AT_ONCE", 0)
        patch.setattr(store.scripts, "call", cut_off)
        task = store.submit(definition("hh"), [1, 2], **WHO)
    assert letters(store, task) == "PPPP"
    second = store.submit(definition("h"), [2, 3], **WHO)
    assert (letters(store, task), letters(store, second)) == ("RRPP", "PR")


def test_a_small_task_has_its_hosts_once_it_is_made_but_none_out_of_turn(
    store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies right after create.lua, and admits nothing any more."""
    with monkeypatch.context() as patch:
        patch.setattr(store, "admit_waiting", lambda *_of: None)
        patch.setattr("dag.store.HOSTS_AT_ONCE", 2)
        small, large, behind = (store.submit(definition("h"), hosts, **WHO) for hosts in ([1], [2, 3, 1], [3]))
    assert (letters(store, small), letters(store, large), letters(store, behind)) == ("R", "PPP", "P")
    assert redis.lrange(store.keys.admission, 0, -1) == [str(large), str(behind)]
    store.admit_waiting()
    assert (letters(store, small), letters(store, large), letters(store, behind)) == ("R", "RRP", "P")


def test_a_submission_that_was_overtaken_is_admitted_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its id is the smaller one, its place in the list behind."""
    reserve, second = store._reserve, []

    def overtaken(host_ids: Sequence[int], nodes: int) -> tuple[int, int]:
        given = reserve(host_ids, nodes)
        monkeypatch.undo()
        with monkeypatch.context() as patch:
            patch.setattr("dag.store.HOSTS_AT_ONCE", 0)
            patch.setattr(store, "admit_waiting", lambda *_of: None)
            second.append(store.submit(definition("h"), [1], **WHO))
        return given

    monkeypatch.setattr(store, "_reserve", overtaken)
    first = store.submit(definition("h"), [1, 2], **WHO)
    assert first < second[0]
    assert (letters(store, second[0]), letters(store, first)) == ("R", "PR")


def test_a_task_whose_record_is_gone_does_not_stop_admission(store: Store, redis: Redis) -> None:
    redis.rpush(store.keys.admission, 77)
    assert letters(store, store.submit(definition("h"), [1], **WHO)) == "R"
    assert redis.llen(store.keys.admission) == 0


def test_logs_are_by_attempt_and_of_known_subtasks(store: Store) -> None:
    task = store.submit(definition("h"), [1, 2], **WHO)
    end(store, task, 1)
    first = store.load(task).nodes[0].id
    assert (store.logs(task, first), store.logs(task, first + 1)) == ("", "well\n")
    for subtask in (first - 1, first + 2, -1, 10**30):
        with pytest.raises(UnknownSubtask):
            store.logs(task, subtask)
    with pytest.raises(UnknownTask):
        store.logs(task + 1, first)


def test_a_run_of_another_attempt_changes_nothing(store: Store, redis: Redis) -> None:
    task = store.submit(definition("hh"), [1], **WHO)
    leases = Leases(store, lease_seconds=10, retention_seconds=RETENTION)
    run, other = Run(task, 0, 1, 1, 0), Run(task, 0, 2, 1, 0)
    assert leases.begin(other, "worker") is None
    assert not leases.complete(run, Report())
    begun = leases.begin(run, "worker")
    assert begun is not None
    assert begun.token >= 1_000_000
    assert leases.begin(run, "another") is None
    assert not leases.fail(other, Report())
    assert leases.renew([run.name, other.name]).gone == {other.name}
    assert leases.renew([]) == Renewal()
    assert leases.complete(run, Report(facts={"pids": [1]}))
    assert not leases.complete(run, Report())
    following = leases.begin(Run(task, 1, 1, 1, 0), "worker")
    assert following is not None
    assert following.facts == {"pids": [1]}
    assert following.token > begun.token


PASSING = [
    fault.ConnectionError("10.0.0.1:6379 secret"),
    fault.TimeoutError("secret"),
    fault.BusyLoadingError("secret"),
    fault.ReadOnlyError("You can't write against a read only replica."),
    fault.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    fault.MasterDownError("Link with MASTER is down"),
    fault.ClusterDownError("The cluster is down"),
    fault.ResponseError("MISCONF Errors writing to the AOF file"),
    fault.ResponseError("Command # 1 (HSET key secret) of pipeline caused error: MISCONF Errors writing to the AOF"),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_passes_is_unavailable_and_shows_no_secret(error: Exception) -> None:
    with pytest.raises(StoreUnavailable) as caught, translated():
        raise error
    assert "secret" not in str(caught.value)


def test_what_is_a_fault_of_ours_stays_one() -> None:
    with pytest.raises(fault.ResponseError, match="WRONGTYPE"), translated():
        raise fault.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")


@pytest.mark.parametrize(("user", "password"), [("nobody", "hunter2"), ("limited", "wrong"), ("limited", "hunter2")])
def test_a_server_that_refuses_us_says_so(valkey_url: str, user: str | None, password: str) -> None:
    options: dict[str, Any] = {"decode_responses": True, "retry": NO_RETRY}
    with Redis.from_url(valkey_url) as admin:
        admin.acl_setuser("limited", enabled=True, passwords=["+hunter2"], commands=["+ping", "+hello", "+client"])
        with Redis.from_url(valkey_url, username=user, password=password, **options) as redis:
            with pytest.raises(StoreUnavailable, match="MUSTER_REDIS_URL") as caught:
                Store(redis).submit(BATCH_RESTART, [1], **WHO)
            assert "hunter2" not in str(caught.value)
        admin.acl_deluser("limited")


def test_a_server_that_is_full_or_read_only_is_unavailable(valkey_url: str) -> None:
    with Redis.from_url(valkey_url, decode_responses=True) as redis:
        redis.flushall()
        HostRegistry(redis).create([Host(0, "h")])
        redis.config_set("maxmemory", 1)
        try:
            with pytest.raises(StoreUnavailable, match="maxmemory"):
                Store(redis).submit(BATCH_RESTART, [1], **WHO)
            with pytest.raises(StoreUnavailable, match="maxmemory"):
                HostRegistry(redis).create([Host(0, "h2")])
        finally:
            redis.config_set("maxmemory", 0)
        assert redis.exists(Store(redis).keys.index) == 0


def test_a_script_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        source("nothing")


def test_a_server_that_forgot_its_scripts_gets_them_again(store: Store, redis: Redis) -> None:
    store.submit(definition("h"), [1], **WHO)
    redis.script_flush()
    task = store.submit(definition("h"), [2], **WHO)
    assert letters(store, task) == "R"
