"""The log of a run that is under way, on the store itself: who may add, what its end makes of it, how it reads."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from dag.dispatch import LOST_LINE, HandOut
from dag.error import UnknownSubtask, UnknownTask
from dag.host import Host
from dag.lease import Leases, Report, Run
from dag.log import each_log, log_from, log_state
from dag.operation import Operations
from dag.registry import HostRegistry
from dag.running_log import NOT_HELD, LogPart, RunningLogs
from dag.state import NodeStatus
from dag.store import Store
from tests.invariant import check_invariants
from tests.unit.test_operation import definition

LOST: dict[str, Any] = {"longest_ms": 600_000, "log": "too often\n", "wait_ms": 0}


class Bench:
    """A task of two hosts, whose first node a worker has begun."""

    def __init__(self, redis: Redis) -> None:
        self.now = 1_000_000
        self.store = Store(redis, clock=lambda: str(self.now))
        self.hand = HandOut(self.store, retention_seconds=600)
        self.leases = Leases(self.store, lease_seconds=10, retention_seconds=600)
        self.logs = RunningLogs(self.store)
        HostRegistry(redis).create([Host(0, "h1"), Host(0, "h2")])
        self.task = self.store.submit(definition("hh"), [1, 2], creator="c", executor="e", trace_id="t")
        self.node = self.store.load(self.task).nodes[0].id
        self.run, self.token = self.begin()

    def begin(self) -> tuple[Run, int]:
        [(_offset, attempt)] = self.hand.ready_nodes(self.task, 0, 1, begin_within_ms=1000)
        run = Run(self.task, 0, attempt, 1, 0)
        begun = self.leases.begin(run, "worker")
        assert begun
        return run, begun.token

    def part(self, before: int, text: str) -> LogPart:
        return LogPart(self.run, self.token, before, text.encode())

    def add(self, before: int, text: str) -> int:
        [size] = self.logs.append([self.part(before, text)])
        return size

    def lose(self, most_lost: int = 3) -> str:
        """Let the lease run out."""
        self.now += 10_001
        return self.hand.expire(self.task, 0, self.run.attempt, most_lost=most_lost, **LOST)

    @property
    def log(self) -> str:
        return self.store.logs(self.task, self.node)

    def follow(self, first: int) -> tuple[str, int, bool]:
        state = log_state(self.store, self.task, self.node)
        return *log_from(self.store, state, first), state.has_ended


@pytest.fixture
def bench(redis: Redis) -> Iterator[Bench]:
    found = Bench(redis)
    yield found
    check_invariants(found.store)


def test_a_log_grows_and_its_end_replaces_it_by_the_whole(bench: Bench) -> None:
    assert (bench.add(0, "head\n"), bench.add(5, "ä\n")) == (5, 8)
    assert bench.log == "head\nä\n"
    assert bench.leases.complete(bench.run, Report("head\nä\nexit code 0\n"))
    assert bench.log == "head\nä\nexit code 0\n"


def test_what_is_told_twice_stands_there_once(bench: Bench) -> None:
    """The answer was lost, and redis-py sends it again; or a call from before comes late."""
    assert [bench.add(0, "one\n"), bench.add(0, "one\n")] == [4, 4]
    assert [bench.add(4, "two\n"), bench.add(4, "two\n"), bench.add(0, "one\n")] == [8, 8, 8]
    assert bench.log == "one\ntwo\n"


def test_what_is_missing_is_told_and_nothing_written(bench: Bench) -> None:
    """The server was started again and has lost a second."""
    assert bench.add(0, "one\n") == 4
    assert bench.add(9, "three\n") == 4
    assert bench.add(4, "two\nthree\n") == 14
    assert bench.log == "one\ntwo\nthree\n"


def test_a_lost_run_adds_nothing_to_the_log_of_the_next(bench: Bench) -> None:
    assert bench.add(0, "first\n") == 6
    old = bench.part(6, "from the dead\n")
    assert bench.lose() == "ready"
    assert bench.logs.append([old]) == [NOT_HELD]
    bench.run, bench.token = bench.begin()
    assert bench.logs.append([old, replace(old, before=0)]) == [NOT_HELD, NOT_HELD]
    assert bench.add(0, "second\n") == 7
    # What was stored of it stays, and says what became of it.
    assert bench.log == f"first\n{LOST_LINE}second\n"
    [(_node, text)] = each_log(bench.store, bench.store.load(bench.task))
    assert text == bench.log


def test_a_process_that_begins_its_own_run_again_begins_its_log_again(bench: Bench) -> None:
    assert bench.add(0, "head of the one\nx\n") == 18
    old = bench.part(18, "late\n")
    begun = bench.leases.begin(bench.run, "worker")
    assert begun
    bench.token = begun.token
    assert bench.logs.append([old]) == [NOT_HELD]
    assert bench.add(0, "head of the other\n") == 18
    assert bench.log == "head of the other\n"


def test_a_run_that_has_ended_adds_nothing(bench: Bench, redis: Redis) -> None:
    late = bench.part(0, "late\n")
    assert bench.leases.fail(bench.run, Report("whole\n"))
    assert bench.logs.append([late]) == [NOT_HELD]
    assert bench.log == "whole\n"
    redis.delete(*(name(bench.task) for name in (bench.store.keys.status, bench.store.keys.nodes)))
    assert bench.logs.append([late]) == [NOT_HELD]
    redis.flushall()


def test_a_run_that_is_to_be_cancelled_is_followed_to_its_end(bench: Bench) -> None:
    Operations(bench.store).cancel(bench.task, bench.node, user="ops")
    assert bench.add(0, "still here\n") == 11
    assert bench.leases.fail(bench.run, Report("still here\nended\n"))
    assert bench.log == "still here\nended\ncancelled by ops\n"


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_run_that_was_lost_once_too_often_keeps_what_it_logged(bench: Bench, is_cancelled: bool) -> None:
    bench.add(0, "seen\n")
    if is_cancelled:
        Operations(bench.store).cancel(bench.task, bench.node, user="ops")
    assert bench.lose(most_lost=0) == "failed"
    assert bench.log.startswith("seen\n####")
    assert bench.log.endswith("too often\n" + "cancelled by ops\n" * is_cancelled)


def test_a_run_that_logged_nothing_leaves_nothing_when_it_is_lost(bench: Bench, redis: Redis) -> None:
    assert bench.lose() == "ready"
    assert redis.exists(bench.store.keys.log(bench.task)) == 0


def test_many_runs_are_told_in_one_round_trip_whatever_becomes_of_one(bench: Bench, redis: Redis) -> None:
    bench.hand.ready_nodes(bench.task, 1, 1, begin_within_ms=1000)
    other = Run(bench.task, 1, 1, 2, 1)
    begun = bench.leases.begin(other, "worker")
    assert begun
    parts = [bench.part(0, "a\n"), replace(bench.part(0, "b\n"), token=7), LogPart(other, begun.token, 0, b"c\n")]
    redis.script_flush()
    assert bench.logs.append(parts) == [2, NOT_HELD, 2]
    assert (bench.log, bench.store.logs(bench.task, bench.node + 1)) == ("a\n", "c\n")
    assert bench.logs.append([]) == []


def test_a_log_that_grows_is_no_change_of_its_task(bench: Bench) -> None:
    """Who follows a task of 10,000 hosts is not told of each line."""
    before = bench.store.versions([bench.task])
    bench.add(0, "line\n")
    assert bench.store.versions([bench.task]) == before


def test_a_log_is_followed_from_place_to_place(bench: Bench) -> None:
    assert bench.follow(0) == ("", 0, False)
    bench.add(0, "Zeile ä\n")
    assert bench.follow(0) == ("Zeile ä\n", 9, False)
    assert bench.follow(9) == ("", 9, False)
    bench.add(9, "more\n")
    assert bench.follow(9) == ("more\n", 14, False)
    # In the middle of a character, which nobody is told to.
    assert bench.follow(7) == ("\nmore\n", 14, False)
    assert bench.follow(4711) == ("", 14, False)
    assert bench.lose() == "ready"
    lost = 14 + len(LOST_LINE)
    assert bench.follow(14) == (LOST_LINE, lost, False)
    bench.run, bench.token = bench.begin()
    bench.add(0, "again\n")
    assert bench.follow(lost) == ("again\n", lost + 6, False)
    assert bench.follow(14) == (f"{LOST_LINE}again\n", lost + 6, False)
    assert bench.leases.fail(bench.run, Report("again\nno luck\n"))
    assert bench.follow(lost + 6) == ("no luck\n", lost + 14, True)
    assert bench.follow(0) == (bench.log, lost + 14, True)


def test_what_grows_while_it_is_read_is_not_missed(bench: Bench) -> None:
    bench.add(0, "one\n")
    state = log_state(bench.store, bench.task, bench.node)
    bench.add(4, "two\n")
    assert log_from(bench.store, state, 2) == ("e\ntwo\n", 8)
    assert log_from(bench.store, state, 4) == ("", 4)
    now = log_state(bench.store, bench.task, bench.node)
    assert now != state
    assert log_from(bench.store, now, 4) == ("two\n", 8)


@pytest.mark.parametrize(("offset", "letter", "has_ended"), [(0, "X", False), (2, "P", False), (1, "R", False)])
def test_while_the_task_runs_what_waits_may_still_log(bench: Bench, offset: int, letter: str, has_ended: bool) -> None:
    state = log_state(bench.store, bench.task, bench.node + offset)
    assert (state.status, state.has_ended) == (NodeStatus.from_letter(letter), has_ended)


def test_what_never_ran_in_a_task_that_has_ended_is_over(bench: Bench) -> None:
    bench.leases.fail(bench.run, Report("no\n"))
    bench.hand.ready_nodes(bench.task, 1, 1, begin_within_ms=1000)
    other = Run(bench.task, 1, 1, 2, 1)
    assert bench.leases.begin(other, "worker")
    assert bench.leases.fail(other, Report("no\n"))
    state = log_state(bench.store, bench.task, bench.node + 2)
    assert (state.status, state.has_ended, state.sizes) == (NodeStatus.PENDING, True, ())


def test_the_log_of_no_task_and_no_subtask_is_refused(bench: Bench) -> None:
    for node in (bench.node - 1, bench.node + 4, 2**63 - 1):
        with pytest.raises(UnknownSubtask):
            log_state(bench.store, bench.task, node)
    with pytest.raises(UnknownTask):
        log_state(bench.store, 4711, bench.node)
