"""The pure parts of the chaos run: its plan, and that each of its counts finds the fault which it is there for."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from signal import SIGSTOP
from typing import Any

import pytest

from tests.chaos.evidence import AGENT, Step, TaskFound
from tests.chaos.journal import Entry, parse
from tests.chaos.observer import Recovery
from tests.chaos.plan import DECK, plan_faults, plan_submissions
from tests.chaos.result import MOST_LOST, Findings, judge, summarise
from tests.chaos.verdict import is_failed_by_limit, stuck, unlike_last
from tests.chaos.workload import Calls

ACTIONS = ("agent.prepare", "proxy.restart", "agent.stop", "agent.start", "agent.finish")
NAMES = {1: "host-001", 2: "host-002"}


def pids(first: int) -> dict[str, list[int]]:
    return {name: [first + place] for place, name in enumerate(AGENT)}


def task(number: int, *hosts: int) -> TaskFound:
    """A task that went well; the token of a step is its task, its stage and its host in digits."""
    steps = [
        Step(host, 2 * place, action, "S", attempts=1, lost=0, token=token(number, place, host), results=1)
        for place, action in enumerate(ACTIONS)
        for host in hosts
    ]
    before, after = pids(number * 100), pids(number * 100 + 50)
    return TaskFound(
        number, "SUCCESSFUL", hosts, tuple(steps), dict.fromkeys(hosts, before), dict.fromkeys(hosts, after)
    )


def token(number: int, place: int, host: int) -> int:
    return number * 100 + place * 10 + host


def lines(number: int, host: int) -> list[str]:
    """What the task wrote to the journal of one of its hosts."""
    found = []
    for place, action in enumerate(ACTIONS):
        name = token(number, place, host)
        found += [f"begin {name} {action} {name * 10}", f"end {name} ok {name * 10 + 5}"]
    return found


@pytest.fixture
def tasks() -> dict[int, TaskFound]:
    return {1: task(1, 1, 2), 2: task(2, 2)}


@pytest.fixture
def calls() -> Calls:
    return Calls({1: (1, 2), 2: (2,)}, [(1,)])


@pytest.fixture
def journals() -> dict[str, list[str]]:
    return {"host-001": lines(1, 1), "host-002": lines(1, 2) + lines(2, 2)}


def faults(calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]) -> Counter[str]:
    read = {name: parse("\n".join(text)) for name, text in journals.items()}
    return Counter({kind: len(found) for kind, found in judge(calls, tasks, NAMES, read).items() if found})


def with_step(found: TaskFound, at: int, **changes: Any) -> TaskFound:
    steps = list(found.steps)
    steps[at] = replace(steps[at], **changes)
    return replace(found, steps=tuple(steps))


def test_a_run_without_faults_has_none(
    calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]
) -> None:
    assert faults(calls, tasks, journals) == {}
    assert list(stuck(tasks)) == []


Spoil = Callable[[dict[int, TaskFound]], object]


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("lost", lambda tasks: tasks.update({2: replace(tasks[2], host_ids=(2,), status="FAILED")})),
        ("lost", lambda tasks: tasks.update({2: replace(tasks[2], after=tasks[2].before)})),
        ("lost", lambda tasks: tasks.update({2: replace(tasks[2], after={2: {}})})),
        ("lost", lambda tasks: tasks.update({2: replace(tasks[2], after={2: {**pids(250), AGENT[0]: [1, 2]}})})),
        ("lost", lambda tasks: tasks.update({2: with_step(tasks[2], 4, letter="P", results=0)})),
        ("double_results", lambda tasks: tasks.update({2: with_step(tasks[2], 3, attempts=2, results=2)})),
        ("double_results", lambda tasks: tasks.update({2: with_step(tasks[2], 3, results=0)})),
        ("unasked", lambda tasks: tasks.update({3: replace(tasks[2], id=3, steps=())})),
        ("disorder", lambda tasks: tasks.update({2: with_step(tasks[2], 3, token=999)})),
    ],
    ids=[
        "failed",
        "agent-not-renewed",
        "agent-not-seen",
        "agent-twice",
        "step-left-out",
        "result-twice",
        "no-result",
        "asked-by-nobody",
        "run-unknown-on-the-host",
    ],
)
def test_each_fault_of_the_store_is_found(
    kind: str, spoil: Spoil, calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]
) -> None:
    spoil(tasks)
    assert faults(calls, tasks, journals) == {kind: 1}


def test_a_task_that_is_gone_is_lost(calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]) -> None:
    del tasks[2]
    assert faults(calls, tasks, journals) == {"lost": 1}


def test_a_task_on_other_hosts_than_it_was_asked_for_is_lost(
    calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]
) -> None:
    calls.acknowledged[1] = (2, 1)
    assert faults(calls, tasks, journals) == {"lost": 1}


def test_a_call_without_an_answer_may_have_made_one_task_and_no_two(
    calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]
) -> None:
    tasks[3] = replace(task(3, 1), steps=())
    assert faults(calls, tasks, journals) == {}
    tasks[4] = replace(task(4, 1), steps=())
    assert faults(calls, tasks, journals) == {"unasked": 1}


def test_a_task_that_failed_by_the_limit_of_lost_runs_is_counted_apart(
    calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]
) -> None:
    tasks[2] = with_step(replace(tasks[2], status="FAILED"), 4, letter="F", lost=MOST_LOST + 1)
    assert faults(calls, tasks, journals) == {}
    assert is_failed_by_limit(tasks[2], MOST_LOST)
    assert not is_failed_by_limit(tasks[1], MOST_LOST)


def test_a_task_that_has_not_ended_is_stuck(tasks: dict[int, TaskFound]) -> None:
    tasks[2] = with_step(replace(tasks[2], status="RUNNING"), 4, letter="R")
    assert list(stuck(tasks)) == ["task 2 has not ended: SSSSR"]


def test_an_acknowledged_task_that_an_api_denies_is_lost(
    calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]
) -> None:
    calls.denied.append("task 2 was acknowledged and an API says that it does not exist")
    assert faults(calls, tasks, journals) == {"lost": 1}


def test_the_last_line_opens_with_the_promised_keys_and_one_fault_is_enough() -> None:
    kinds = ("overlaps", "stuck", "lost", "invariants", "double_results")
    wrong: dict[str, list[str]] = {kind: [] for kind in kinds}
    figures = {**summarise(plan_faults(1, 3, 15), {1: 2.0, 2: 7.5, -3: 99.0}, [4.0]), "tasks": 5, "seed": 1}
    found = Findings(wrong, figures)
    first = ("kills", "tasks", "lost", "double_results", "overlaps", "stuck", "recovery_p50", "recovery_max")
    assert tuple(found.line())[:8] == first
    assert [found.line()[key] for key in first] == [3, 5, 0, 0, 0, 0, 4.75, 7.5]
    assert found.line()["slowest"].startswith("fault 2: ")
    assert found.is_clean
    wrong["invariants"].append("counters don't fit")
    assert not found.is_clean


def test_an_overlap_is_found(calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]) -> None:
    journal = journals["host-002"]
    journal[3], journal[4] = journal[4], journal[3]
    assert faults(calls, tasks, journals) == {"overlaps": 1}


def test_a_run_that_never_ended_overlaps_the_next_and_is_unfinished_as_the_last(
    calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]
) -> None:
    journals["host-002"].insert(10, "begin 190 agent.finish 1900")
    assert faults(calls, tasks, journals) == {"overlaps": 1}
    journals["host-001"].append("begin 190 agent.finish 1900")
    assert faults(calls, tasks, journals) == {"overlaps": 1, "unfinished": 1}


def test_a_run_that_was_ended_and_run_again_is_no_fault(
    calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]
) -> None:
    journals["host-002"][4:4] = ["begin 120 agent.stop 1200", "end 120 fenced 1210"]
    assert faults(calls, tasks, journals) == {}


def test_an_older_run_after_a_newer_one_is_found(
    calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]
) -> None:
    journals["host-002"] += ["begin 5 agent.stop 3000", "end 5 ok 3010"]
    assert faults(calls, tasks, journals) == {"disorder": 1}


def test_stages_out_of_their_order_are_found(
    calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]
) -> None:
    tasks[1] = with_step(tasks[1], 0, stage=9)
    assert faults(calls, tasks, journals) == {"disorder": 1}


def test_a_task_between_the_steps_of_another_is_found(
    calls: Calls, tasks: dict[int, TaskFound], journals: dict[str, list[str]]
) -> None:
    tasks[2] = with_step(tasks[2], 0, token=50)
    journals["host-002"][:0] = ["begin 50 agent.prepare 500", "end 50 ok 510"]
    assert faults(calls, tasks, journals) == {"disorder": 1}


def test_a_line_that_is_none_of_a_journal_is_refused() -> None:
    assert parse("begin 7 agent.stop 120\nend 7 ok 130\n") == [
        Entry(True, 7, "agent.stop", 120),
        Entry(False, 7, "ok", 130),
    ]
    with pytest.raises(ValueError, match="no line of a journal: 'begin 7'"):
        parse("begin 7\n")


def test_a_host_must_run_what_its_last_task_has_started(tasks: dict[int, TaskFound]) -> None:
    right = {"host-001": pids(150), "host-002": pids(250)}
    assert list(unlike_last(tasks, NAMES, right)) == []
    assert len(list(unlike_last(tasks, NAMES, {**right, "host-002": pids(150)}))) == 1
    assert len(list(unlike_last(tasks, NAMES, {**right, "host-001": {}}))) == 1
    assert len(list(unlike_last({}, NAMES, {**right, "host-001": {**pids(1), AGENT[1]: [5, 6]}}))) == 1


def test_a_fault_is_over_when_all_that_was_under_way_has_ended() -> None:
    recovery = Recovery()
    recovery.hit(1, 10.0, {1: "SXR", 2: "PPP"})
    recovery.look(11.0, {1: "SSR", 2: "RPP"})
    assert recovery.seconds == {}
    recovery.look(14.5, {1: "SSF", 2: "XPP"})
    assert recovery.seconds == {1: 4.5}
    assert recovery.waiting == {}


def test_a_seed_repeats_its_faults_and_submissions_and_another_one_does_not() -> None:
    assert plan_faults(7, 60, 15) == plan_faults(7, 60, 15)
    assert plan_faults(7, 60, 15)[:20] == plan_faults(7, 20, 15)
    assert plan_faults(7, 60, 15) != plan_faults(8, 60, 15)
    assert list(islice(plan_submissions(7, 8), 50)) == list(islice(plan_submissions(7, 8), 50))
    assert list(islice(plan_submissions(7, 8), 50)) != list(islice(plan_submissions(8, 8), 50))


def test_twenty_faults_meet_every_role_with_every_signal_and_pauses_outlast_leases() -> None:
    planned = plan_faults(3, 20, lease_seconds=15)
    assert {fault.kind for fault in planned} == {f"{signal.name} {role}" for role, signal in DECK}
    assert all((fault.hold_seconds > 15) == (fault.signal == SIGSTOP) for fault in planned)


def test_submissions_name_hosts_once_and_overlap() -> None:
    planned = list(islice(plan_submissions(3, 4), 50))
    assert all(len(set(one.places)) == len(one.places) and set(one.places) <= set(range(4)) for one in planned)
    assert {len(one.places) for one in planned} == {1, 2, 3, 4}
    assert {one.api for one in planned} == {0, 1}
