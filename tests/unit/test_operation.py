"""Retry, roll back, skip, cancel on the store itself: who wins, what is told to the others, what is kept."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from redis import Redis

from dag.brief import MOST_NODES, load_briefs
from dag.catalogue import CHUNK, Catalogue, TaskFilter
from dag.dispatch import HandOut
from dag.error import IllegalState, RollbackProhibited, UnknownSubtask, UnknownTask
from dag.host import Host
from dag.lease import Leases, Renewal, Report, Run
from dag.log import each_log
from dag.operation import Operations
from dag.registry import HostRegistry
from dag.state import NodeStatus, TaskStatus
from dag.store import HOSTS_A_READMISSION, Store
from dag.task import Definition, Scope, Stage
from tests.invariant import check_invariants

RETENTION = 3600
HEAD = r"#{12}\{%s\}\{[-0-9T:.+]{29}\}#{12}\n"


def definition(shape: str, *, prohibits: str = "", name: str = "Test") -> Definition:
    stages = [
        Stage(f"stage {n}", "Class", n, 20, f"action.{n}", Scope(letter), prohibit_rollback=str(n) in prohibits)
        for n, letter in enumerate(shape)
    ]
    return Definition("test", name, tuple(stages), prohibit_rollback="all" in prohibits)


class Bench:
    """A store of three hosts, and hands that move its tasks."""

    def __init__(self, redis: Redis) -> None:
        self.now = 1_000_000
        self.redis: Any = redis
        self.store = Store(self.redis, clock=lambda: str(self.now))
        self.keys = self.store.keys
        self.operations = Operations(self.store)
        self.hand = HandOut(self.store, retention_seconds=RETENTION)
        self.leases = Leases(self.store, lease_seconds=10, retention_seconds=RETENTION)
        HostRegistry(self.redis).create([Host(0, f"h{n}") for n in range(1, 4)])

    def submit(self, shape: str, hosts: list[int], creator: str = "admin", **kwargs: str) -> int:
        return self.store.submit(definition(shape, **kwargs), hosts, creator=creator, executor="e", trace_id="t")

    def begin(self, task: int, offset: int) -> Run:
        [(_offset, attempt)] = self.hand.ready_nodes(task, offset, 1, begin_within_ms=1000)
        info = self.hand.info(task)
        assert info is not None
        index = offset % len(info.host_ids)
        run = Run(task, offset, attempt, info.host_ids[index], index)
        assert self.leases.begin(run, "worker") is not None
        return run

    def end(self, task: int, offset: int, *, well: bool = True) -> None:
        run = self.begin(task, offset)
        assert self.leases.complete(run, Report("well\n")) if well else self.leases.fail(run, Report("badly\n"))

    def release(self) -> None:
        """What schedulers do with what is on the stream but nodes."""
        for name, fields in self.redis.xrange(self.keys.ready):
            if fields["kind"] == "release":
                info = self.hand.info(int(fields["task"]))
                assert info is not None
                self.hand.release(info)
            elif fields["kind"] == "host":
                self.hand.grant(int(fields["host"]))
            else:
                continue
            self.redis.xdel(self.keys.ready, name)

    def letters(self, task: int) -> str:
        return str(self.redis.get(self.keys.status(task)))

    def status(self, task: int) -> str:
        return str(self.redis.hget(self.keys.task(task), "status"))

    def node(self, task: int, offset: int) -> int:
        return int(self.redis.hget(self.keys.task(task), "base")) + offset


@pytest.fixture
def bench(redis: Redis) -> Iterator[Bench]:
    found = Bench(redis)
    yield found
    check_invariants(found.store)


def test_a_retry_runs_the_failed_nodes_again_and_says_so(bench: Bench) -> None:
    task = bench.submit("hwh", [1, 2])
    bench.end(task, 0, well=False)
    bench.end(task, 1)
    bench.release()
    bench.operations.retry(task)
    loaded = bench.store.load(task)
    assert (loaded.status, loaded.operation, loaded.finished_at) == (TaskStatus.RUNNING, "RETRY", None)
    first, second, *_ = loaded.nodes
    assert (first.status, first.operation, first.run_time) == (NodeStatus.READY, "RETRY", 2)
    assert (first.started_at, first.finished_at) == (None, None)
    assert (second.status, second.operation, second.run_time) == (NodeStatus.SUCCESSFUL, "EXECUTE", 1)
    run = bench.begin(task, 0)
    assert run.attempt == 2
    assert bench.leases.complete(run, Report("well at last\n"))
    assert bench.letters(task) == "SSSRR"
    assert bench.store.logs(task, bench.node(task, 0)) == "badly\nwell at last\n"
    again, created = bench.store.load_node(task, bench.node(task, 0))
    assert again == bench.store.load(task).nodes[0]
    assert (again.run_time, created) == (2, 1_000_000)


def test_a_retry_waits_behind_those_who_came_before_it(bench: Bench) -> None:
    first = bench.submit("h", [1, 2])
    bench.end(first, 0, well=False)
    second = bench.submit("h", [2])
    bench.end(first, 1)
    assert bench.hand.grant(2)
    assert (bench.status(first), bench.letters(second)) == ("FAILED", "R")
    bench.end(second, 0)
    third, fourth = bench.submit("h", [2, 1]), bench.submit("h", [1])
    bench.operations.retry(first)
    # Host 1 was still its own when it asked; it is given to those who wait there, all the same.
    assert (bench.letters(first), bench.letters(third), bench.letters(fourth)) == ("WS", "RP", "P")
    assert bench.store.load(first).nodes[0].status is NodeStatus.PENDING
    bench.release()
    bench.end(third, 0)
    assert bench.letters(third) == "SR"
    bench.end(third, 1)
    bench.release()
    assert (bench.letters(first), bench.letters(fourth)) == ("WS", "R")
    bench.end(fourth, 0)
    bench.release()
    assert bench.letters(first) == "RS"
    bench.end(first, 0)
    assert bench.status(first) == "SUCCESSFUL"


def test_a_task_that_goes_on_needs_all_of_its_hosts(bench: Bench) -> None:
    task = bench.submit("hwh", [1, 2, 3])
    for offset in range(3):
        bench.end(task, offset, well=offset > 0)
    bench.release()
    other = bench.submit("h", [3])
    bench.operations.retry(task)
    assert bench.letters(task) == "WSSPPPP"
    assert bench.redis.hgetall(bench.keys.holders) == {"1": str(task), "2": str(task), "3": str(other)}
    bench.end(other, 0)
    bench.release()
    assert bench.letters(task) == "RSSPPPP"


def test_a_late_release_does_not_free_hosts_of_a_task_that_goes_on(bench: Bench) -> None:
    task = bench.submit("hh", [1, 2])
    bench.end(task, 0, well=False)
    bench.end(task, 1)
    bench.end(task, 3)
    bench.operations.retry(task)
    bench.release()
    assert bench.redis.hgetall(bench.keys.holders) == {"1": str(task)}
    assert bench.redis.ttl(bench.keys.task(task)) == -1
    bench.end(task, 0)
    bench.end(task, 2)
    assert bench.status(task) == "SUCCESSFUL"


def test_what_goes_on_does_not_expire_meanwhile(bench: Bench) -> None:
    task = bench.submit("h", [1])
    bench.end(task, 0, well=False)
    bench.release()
    kept = [name(task) for name in (bench.keys.task, bench.keys.status, bench.keys.nodes, bench.keys.log)]
    assert all(bench.redis.ttl(key) > 0 for key in kept)
    bench.operations.retry(task)
    assert [bench.redis.ttl(key) for key in kept] == [-1] * 4


@pytest.mark.parametrize(
    ("shape", "failing", "before", "steps"),
    [
        # The letters after each step of the rollback, in which everything that can be undone is.
        ("hwh", [3], "SSSFS", ["SSSRR", "RRPPP", "PPPPP"]),
        ("hwh", [0], "FSPPP", ["RRPPP", "PPPPP"]),
        # Each host from its own depth: the first has done one step, the second two.
        ("hhh", [2, 5], "SSFSPF", ["SSRSPR", "RSPRPP", "PRPPPP", "PPPPPP"]),
        ("hohw", [3], "SSSFSP", ["SSSRRP", "SSRPPP", "RRPPPP", "PPPPPP"]),
    ],
)
def test_a_rollback_walks_backwards(
    bench: Bench, shape: str, failing: list[int], before: str, steps: list[str]
) -> None:
    task = bench.submit(shape, [1, 2])
    while "R" in bench.letters(task):
        offset = bench.letters(task).index("R")
        bench.end(task, offset, well=offset not in failing)
    assert (bench.letters(task), bench.status(task)) == (before, "FAILED")
    bench.operations.roll_back(task)
    bench.release()
    seen = [bench.letters(task)]
    while "R" in bench.letters(task):
        for offset in [at for at, letter in enumerate(bench.letters(task)) if letter == "R"]:
            bench.end(task, offset)
        seen.append(bench.letters(task))
    assert seen == steps
    loaded = bench.store.load(task)
    assert (loaded.status, loaded.operation) == (TaskStatus.SUCCESSFUL, "ROLLBACK")
    assert {node.operation for node in loaded.nodes if node.started_at} == {"ROLLBACK"}
    assert bench.redis.hlen(bench.keys.holders) == 0


def test_a_rollback_that_fails_can_go_on(bench: Bench) -> None:
    task = bench.submit("hwh", [1, 2])
    for offset, well in ((0, True), (1, True), (3, True), (4, False)):
        bench.end(task, offset, well=well)
    bench.operations.roll_back(task)
    bench.end(task, 3)
    bench.end(task, 4, well=False)
    assert (bench.letters(task), bench.status(task)) == ("SSSPF", "FAILED")
    with pytest.raises(IllegalState, match="FAILED in a rollback"):
        bench.operations.retry(task)
    bench.operations.roll_back(task)
    bench.release()
    assert bench.letters(task) == "SSSPR"
    bench.end(task, 4)
    assert bench.letters(task) == "RRPPP"
    bench.end(task, 0, well=False)
    bench.end(task, 1)
    bench.operations.skip(task, bench.node(task, 0), user="u")
    loaded = bench.store.load(task)
    assert (bench.letters(task), loaded.status) == ("PPPPP", "SUCCESSFUL")
    assert loaded.nodes[0].operation == "ROLLBACK_SKIP"
    bench.release()
    assert bench.redis.hlen(bench.keys.holders) == 0


@pytest.mark.parametrize(
    ("prohibits", "failing", "reason"),
    [("all", 0, "its definition"), ("0", 3, "'stage 0'"), ("0", 0, "'stage 0'"), ("2", 0, "")],
)
def test_what_can_not_be_undone_prohibits_the_rollback(bench: Bench, prohibits: str, failing: int, reason: str) -> None:
    task = bench.submit("hwh", [1, 2], prohibits=prohibits)
    while "R" in bench.letters(task):
        offset = bench.letters(task).index("R")
        bench.end(task, offset, well=offset != failing)
    before = bench.redis.hgetall(bench.keys.task(task))
    if reason:
        with pytest.raises(RollbackProhibited, match=reason):
            bench.operations.roll_back(task)
        assert bench.redis.hgetall(bench.keys.task(task)) == before
    else:
        bench.operations.roll_back(task)
        assert bench.status(task) == "RUNNING"


def test_a_skip_unlocks_what_follows_in_a_task_that_runs(bench: Bench) -> None:
    task = bench.submit("hh", [1, 2])
    bench.end(task, 0, well=False)
    bench.operations.skip(task, bench.node(task, 0), user="admin")
    node = bench.store.load(task).nodes[0]
    assert (bench.letters(task), node.status, node.operation) == ("SRRP", "SUCCESSFUL", "SKIP")
    log = bench.store.logs(task, node.id).splitlines()
    assert (log[0], log[2]) == ("badly", "skipped by admin")
    assert log[1].startswith("############{SKIP}{")
    bench.end(task, 2)
    assert bench.redis.hgetall(bench.keys.holders) == {"2": str(task)}


def test_a_skip_in_a_failed_task_goes_on_once_something_is_unlocked(bench: Bench) -> None:
    task = bench.submit("hwh", [1, 2])
    bench.end(task, 0, well=False)
    bench.end(task, 1, well=False)
    bench.release()
    other = bench.submit("h", [1])
    bench.operations.skip(task, bench.node(task, 0), user="u")
    assert (bench.letters(task), bench.status(task)) == ("SFPPP", "FAILED")
    bench.operations.skip(task, bench.node(task, 1), user="u")
    assert (bench.letters(task), bench.status(task)) == ("SSSWW", "RUNNING")
    bench.end(other, 0)
    bench.release()
    assert bench.letters(task) == "SSSRR"
    bench.end(task, 3)
    bench.end(task, 4, well=False)
    bench.operations.skip(task, bench.node(task, 4), user="u")
    assert (bench.letters(task), bench.status(task)) == ("SSSSS", "SUCCESSFUL")


def test_one_node_is_retried_and_the_others_stay_failed(bench: Bench) -> None:
    task = bench.submit("hwh", [1, 2])
    bench.end(task, 0, well=False)
    bench.end(task, 1, well=False)
    bench.operations.retry_node(task, bench.node(task, 1))
    bench.release()
    loaded = bench.store.load(task)
    assert (bench.letters(task), loaded.status, loaded.operation) == ("FRPPP", "RUNNING", "RETRY")
    assert [node.run_time for node in loaded.nodes[:2]] == [1, 2]
    bench.end(task, 1)
    assert (bench.letters(task), bench.status(task)) == ("FSPPP", "FAILED")
    assert bench.store.load(task).nodes[1].run_time == 2


def test_a_cancelled_run_is_told_to_its_worker_and_fails_with_who_wanted_it(bench: Bench) -> None:
    task = bench.submit("hh", [1])
    run = bench.begin(task, 0)
    bench.operations.cancel(task, bench.node(task, 0), user="ops")
    node = bench.store.load(task).nodes[0]
    assert (node.status, node.operation) == (NodeStatus.CANCELING, "CANCEL")
    told = bench.leases.renew([run.name])
    assert told == Renewal(frozenset(), frozenset({run.name}))
    assert not bench.leases.complete(run, Report("done\n"))
    assert bench.leases.fail(run, Report("ended\n"))
    assert (bench.letters(task), bench.status(task)) == ("FP", "FAILED")
    assert bench.store.logs(task, node.id) == "ended\ncancelled by ops\n"
    assert bench.redis.exists(bench.keys.cancels) == 0
    bench.operations.retry(task)
    bench.release()
    bench.end(task, 0)
    assert bench.letters(task) == "SR"


def test_a_worker_that_is_lost_while_cancelling_fails_the_node_at_once(bench: Bench) -> None:
    task = bench.submit("h", [1])
    run = bench.begin(task, 0)
    bench.operations.cancel(task, bench.node(task, 0), user="ops")
    bench.now += 10_001
    answer = bench.hand.expire(task, 0, run.attempt, most_lost=3, longest_ms=600_000, log="lost\n", wait_ms=0)
    assert (answer, bench.letters(task), bench.status(task)) == ("failed", "F", "FAILED")
    assert "lost\ncancelled by ops\n" in bench.store.logs(task, bench.node(task, 0))
    assert bench.redis.exists(bench.keys.cancels) == 0


Ask = Callable[[Bench, int], None]
TASK_ASKS: dict[str, Ask] = {
    "retry": lambda bench, task: bench.operations.retry(task),
    "roll back": lambda bench, task: bench.operations.roll_back(task),
}
NODE_ASKS: dict[str, Ask] = {
    "retry": lambda bench, task: bench.operations.retry_node(task, bench.node(task, 0)),
    "skip": lambda bench, task: bench.operations.skip(task, bench.node(task, 0), user="u"),
    "cancel": lambda bench, task: bench.operations.cancel(task, bench.node(task, 0), user="u"),
}


def bring_to(bench: Bench, state: str) -> int:
    """A task of two hosts whose first node is in this state; FAILED and SUCCESSFUL are of the whole task, too."""
    if state == "PENDING":
        bench.submit("h", [1])
    task = bench.submit("h", [1, 2])
    if state in ("RUNNING", "CANCELING"):
        bench.begin(task, 0)
    if state == "CANCELING":
        bench.operations.cancel(task, bench.node(task, 0), user="u")
    if state in ("FAILED", "SUCCESSFUL"):
        bench.end(task, 0, well=state == "SUCCESSFUL")
        bench.end(task, 1)
    return task


@pytest.mark.parametrize("state", ["PENDING", "READY", "RUNNING", "CANCELING", "SUCCESSFUL"])
@pytest.mark.parametrize(("kind", "what"), [("task", w) for w in TASK_ASKS] + [("node", w) for w in NODE_ASKS])
def test_what_the_state_does_not_allow_is_refused_with_it_and_changes_nothing(
    bench: Bench, kind: str, what: str, state: str
) -> None:
    if (kind, what, state) == ("node", "cancel", "RUNNING"):
        state = "FAILED"
    task = bring_to(bench, state)
    before = {key: bench.redis.dump(key) for key in bench.redis.scan_iter()}
    with pytest.raises(IllegalState) as caught:
        (TASK_ASKS if kind == "task" else NODE_ASKS)[what](bench, task)
    met = state if kind == "node" or state == "SUCCESSFUL" else "RUNNING"
    assert caught.value.state == met
    assert f"it is {met}" in str(caught.value)
    assert {key: bench.redis.dump(key) for key in bench.redis.scan_iter()} == before


def test_what_is_not_there_is_unknown(bench: Bench) -> None:
    task = bring_to(bench, "FAILED")
    for ask in TASK_ASKS.values():
        with pytest.raises(UnknownTask):
            ask(bench, task + 1)
    for subtask in (bench.node(task, -1), bench.node(task, 2), 10**18):
        with pytest.raises(UnknownSubtask):
            bench.operations.skip(task, subtask, user="u")
    with pytest.raises(UnknownTask):
        bench.operations.cancel(task + 1, bench.node(task, 0), user="u")
    with pytest.raises(UnknownTask):
        bench.store.load_node(task + 1, 1)


@pytest.mark.parametrize(
    "asks",
    [
        ["task retry"] * 4,
        ["task roll back"] * 4,
        ["task retry", "task roll back"] * 2,
        ["node skip"] * 4,
        ["node retry"] * 4,
        ["node retry", "node skip"] * 2,
        ["task retry", "node skip"] * 2,
    ],
    ids=" ".join,
)
def test_of_calls_at_once_exactly_one_wins(bench: Bench, asks: list[str]) -> None:
    task = bring_to(bench, "FAILED")
    all_of_them = {**{f"task {w}": a for w, a in TASK_ASKS.items()}, **{f"node {w}": a for w, a in NODE_ASKS.items()}}
    barrier = Barrier(len(asks))

    def ask(name: str) -> str:
        barrier.wait()
        try:
            all_of_them[name](bench, task)
        except IllegalState as error:
            return error.state
        return "won"

    with ThreadPoolExecutor(len(asks)) as pool:
        answers = list(pool.map(ask, asks))
    assert answers.count("won") == 1, answers
    assert set(answers) - {"won"} <= {"RUNNING", "PENDING", "READY", "SUCCESSFUL"}


@pytest.mark.parametrize(("kind", "what"), [("task", w) for w in TASK_ASKS] + [("node", w) for w in NODE_ASKS])
def test_a_script_that_redis_py_sends_twice_is_one_call(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, what: str
) -> None:
    """The connection broke before the answer: the second time the task is found as the first one left it."""
    task = bring_to(bench, "RUNNING" if what == "cancel" else "FAILED")
    call, names = bench.store.scripts.call, []

    def twice(name: str, *arguments: Any) -> Any:
        if name not in ("admit", "readmit"):
            names.append(name)
            call(name, *arguments)
        return call(name, *arguments)

    monkeypatch.setattr(bench.store.scripts, "call", twice)
    (TASK_ASKS if kind == "task" else NODE_ASKS)[what](bench, task)
    assert len(names) == 1


@pytest.mark.parametrize("what", TASK_ASKS)
def test_a_task_of_many_hosts_goes_on_in_chunks(bench: Bench, what: str) -> None:
    count = 2 * HOSTS_A_READMISSION + 7
    ids = [h.id for h in HostRegistry(bench.redis).create([Host(0, f"wide-{n}") for n in range(count)])]
    task = bench.submit("hwh", ids)
    for offset in range(count):
        bench.end(task, offset, well=offset % 2 == 0)
    bench.release()
    busy = bench.submit("h", [ids[-1]])
    TASK_ASKS[what](bench, task)
    asked = set(range(count)) if what == "roll back" else set(range(1, count, 2))
    assert {at for at, letter in enumerate(bench.letters(task)) if letter == "W"} == asked
    bench.end(busy, 0)
    bench.release()
    assert "W" not in bench.letters(task)
    handed = set()
    for name, fields in bench.redis.xrange(bench.keys.ready):
        if int(fields["task"]) == task:
            span = int(fields["first"]), int(fields["count"])
            handed |= {o for o, _a in bench.hand.ready_nodes(task, *span, begin_within_ms=1000)}
        bench.redis.xdel(bench.keys.ready, name)
    assert handed == asked


def test_every_log_of_a_task_is_read_in_order(bench: Bench) -> None:
    task = bench.submit("hwh", [1, 2])
    bench.end(task, 0, well=False)
    bench.end(task, 1)
    bench.operations.retry(task)
    bench.release()
    bench.end(task, 0)
    found = [(node.id, text) for node, text in each_log(bench.store, bench.store.load(task))]
    assert found == [(bench.node(task, 0), "badly\nwell\n"), (bench.node(task, 1), "well\n")]


class TestCatalogue:
    """Lists by what tasks are, however their states change."""

    @pytest.fixture
    def tasks(self, bench: Bench) -> list[int]:
        """Six tasks: the first two FAILED and SUCCESSFUL, the others RUNNING; every second is a Stop."""
        names = ["Restart", "Stop"] * 3
        found = [bench.submit("h", [n % 3 + 1], creator=f"user-{n % 2}", name=name) for n, name in enumerate(names)]
        bench.end(found[0], 0, well=False)
        bench.end(found[1], 0)
        bench.release()
        return found

    @pytest.mark.parametrize(
        ("wanted", "places"),
        [
            ({}, [0, 1, 2, 3, 4, 5]),
            ({"statuses": [TaskStatus.RUNNING]}, [2, 3, 4, 5]),
            ({"statuses": [TaskStatus.FAILED]}, [0]),
            ({"statuses": [TaskStatus.FAILED, TaskStatus.RUNNING]}, [0, 2, 3, 4, 5]),
            ({"host_id": 1}, [0, 3]),
            ({"host_id": 4}, []),
            ({"host_id": 1, "statuses": [TaskStatus.RUNNING]}, [3]),
            ({"keyword": "STO"}, [1, 3, 5]),
            ({"keyword": "st"}, [0, 1, 2, 3, 4, 5]),
            ({"keyword": "nothing"}, []),
            ({"keyword": "restart", "host_id": 1, "statuses": [TaskStatus.FAILED, TaskStatus.SUCCESSFUL]}, [0]),
        ],
    )
    def test_filters(self, bench: Bench, tasks: list[int], wanted: dict[str, Any], places: list[int]) -> None:
        catalogue, expected = Catalogue(bench.store), [tasks[place] for place in places]
        filters = TaskFilter(**wanted)
        assert catalogue.page(filters, page=1, size=10) == (expected, len(expected))
        assert catalogue.page(filters, page=1, size=10, descending=True) == (expected[::-1], len(expected))
        for size in (1, 2, 4):
            pages = [catalogue.page(filters, page=n, size=size) for n in range(1, 8)]
            assert [task for ids, _total in pages for task in ids] == expected
            assert {total for _ids, total in pages} == {len(expected)}

    def test_a_task_is_listed_under_the_status_that_it_has_now(self, bench: Bench, tasks: list[int]) -> None:
        catalogue, running = Catalogue(bench.store), TaskFilter(statuses=[TaskStatus.RUNNING])
        bench.operations.retry(tasks[0])
        assert catalogue.page(running, page=1, size=10)[0] == [tasks[0], *tasks[2:]]
        assert catalogue.page(TaskFilter(statuses=[TaskStatus.FAILED]), page=1, size=10) == ([], 0)

    def test_ranges_are_read_in_chunks(self, bench: Bench) -> None:
        count = 2 * CHUNK + 5
        members = {f"status:{'FAILED' if n % 3 else 'RUNNING'}:{n:016d}": 0 for n in range(count)}
        bench.redis.zadd(bench.keys.listed, members)
        wanted = TaskFilter(statuses=[TaskStatus.FAILED, TaskStatus.RUNNING])
        catalogue = Catalogue(bench.store)
        assert catalogue.page(wanted, page=2, size=count - 3) == ([count - 3, count - 2, count - 1], count)
        assert catalogue.page(wanted, page=2, size=count - 3, descending=True) == ([2, 1, 0], count)

    def test_what_is_gone_is_swept_off_and_not_shown(self, bench: Bench, tasks: list[int]) -> None:
        keys = bench.keys
        bench.redis.delete(keys.task(tasks[1]), keys.status(tasks[1]), keys.nodes(tasks[1]))
        assert [task.id for task in load_briefs(bench.store, tasks)] == [tasks[0], *tasks[2:]]
        catalogue, before = Catalogue(bench.store), bench.redis.zcard(keys.listed)
        catalogue.sweep()
        assert bench.redis.zcard(keys.listed) == before - 3
        assert bench.redis.zscore(keys.index, tasks[1]) is None
        assert bench.redis.zcard(keys.index) == len(tasks) - 1
        catalogue.sweep()
        catalogue.sweep()
        assert bench.redis.zcard(keys.listed) == before - 3

    def test_creators_are_named_once(self, bench: Bench, tasks: list[int]) -> None:
        assert Catalogue(bench.store).creators() == ["user-0", "user-1"]

    def test_a_list_shows_states_and_leaves_out_what_it_has_no_room_for(self, bench: Bench, tasks: list[int]) -> None:
        bench.operations.retry(tasks[0])
        ids = [h.id for h in HostRegistry(bench.redis).create([Host(0, f"wide-{n}") for n in range(200)])]
        large = [bench.submit("h" * 60, ids) for _ in range(2)]
        briefs = load_briefs(bench.store, [tasks[0], *large, tasks[1]])
        assert [(task.id, task.node_count, len(task.nodes)) for task in briefs] == [
            (tasks[0], 1, 1),
            (large[0], 12_000, 12_000),
            (large[1], 12_000, 0),
            (tasks[1], 1, 1),
        ]
        assert sum(len(task.nodes) for task in briefs) <= MOST_NODES
        [node] = briefs[0].nodes
        assert (node.name, node.operation) == ("stage 0", "RETRY")
        assert (briefs[3].status, briefs[3].creator, briefs[3].finished_at) == ("SUCCESSFUL", "user-1", 1_000_000)


def test_a_definition_s_name_has_no_colon() -> None:
    with pytest.raises(ValueError, match="colon"):
        definition("h", name="a:b")
