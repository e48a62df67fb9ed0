"""What Flower remembers of a run: its first end, whatever comes later and in whatever order."""

import gc
from itertools import count, permutations
from typing import Any

import pytest

from cli.flower_page import console_path
from cli.flower_state import NodeState

clock = count(1)
UUID = "61-1"
SENT = {"name": "agent.prepare", "args": "('Prepare', '10.0.0.1')", "kwargs": "{'task': 7, 'host': 3}", "root_id": UUID}


@pytest.fixture(scope="module")
def state() -> NodeState:
    """One for all: Flower's metrics register themselves once a process."""
    return NodeState(max_tasks_in_memory=1000, max_workers_in_memory=10)


@pytest.fixture(autouse=True)
def _empty(state: NodeState) -> None:
    state.clear(ready=False)
    state.tasks.clear()
    state.counter.clear()
    state.zones.clear()


def tell(state: NodeState, kind: str, host: str = "default-1@h", uuid: str = UUID, **fields: Any) -> None:
    now = next(clock)
    event = {"type": f"task-{kind}", "uuid": uuid, "hostname": host, "timestamp": float(now), "clock": now}
    state.event({**event, "local_received": float(now), **fields})


EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("sent", {**SENT, "routing_key": "hosts.default.05", "queue": "hosts.default.05"}),
    ("received", SENT),
    ("started", {}),
    ("failed", {"exception": "no such file"}),
]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_events_in_any_order_make_the_same_row(state: NodeState, order: tuple[int, ...]) -> None:
    for at in order:
        tell(state, EVENTS[at][0], **EVENTS[at][1])
    row = state.tasks[UUID]
    shown = (row.state, row.name, row.args, row.kwargs, row.routing_key, row.exception)
    wanted = ("FAILURE", "agent.prepare", SENT["args"], SENT["kwargs"], "hosts.default.05", "no such file")
    assert shown == wanted
    assert row.as_dict()["worker"].hostname == "default-1@h"


@pytest.mark.parametrize(("ending", "shown"), [("succeeded", "SUCCESS"), ("failed", "FAILURE"), ("retried", "RETRY")])
def test_a_message_that_comes_twice_changes_no_end(state: NodeState, ending: str, shown: str) -> None:
    tell(state, "received", **SENT)
    tell(state, "started")
    tell(state, ending, result="1", exception="first")
    for kind in ("received", "started", "rejected", "succeeded", "failed"):
        tell(state, kind, result="2", exception="second")
        assert (state.tasks[UUID].state, state.tasks[UUID].exception) == (shown, "first")


def test_a_message_that_is_refused_before_any_end_is_rejected_until_there_is_one(state: NodeState) -> None:
    tell(state, "received", **SENT)
    tell(state, "started")
    tell(state, "rejected", exception="not the newest")
    assert state.tasks[UUID].state == "REJECTED"
    tell(state, "succeeded", result="1")
    assert state.tasks[UUID].state == "SUCCESS"


@pytest.mark.parametrize(("kind", "shown"), [("retried", "RETRY"), ("failed", "FAILURE")])
def test_what_a_scheduler_tells_of_a_lost_run_makes_nobody_a_worker(state: NodeState, kind: str, shown: str) -> None:
    tell(state, "received", **SENT)
    tell(state, "started")
    beats = list(state.workers["default-1@h"].heartbeats)
    tell(state, kind, host="gen9@scheduler", lost=True, exception="lost")
    assert (state.tasks[UUID].state, state.tasks[UUID].worker.hostname) == (shown, "default-1@h")
    assert (list(state.workers), state.workers["default-1@h"].heartbeats) == (["default-1@h"], beats)
    assert [*state.search_engine.matching_ids(f"state:{shown}")] == [UUID]
    tell(state, kind, host="gen9@scheduler", uuid="unknown-1", lost=True)
    assert "unknown-1" not in state.tasks


def test_a_run_that_its_worker_gave_up_is_failed_where_it_was_one_too_many(state: NodeState) -> None:
    tell(state, "received", **SENT)
    tell(state, "retried", exception="given up: its lease was about to end")
    tell(state, "failed", host="gen9@scheduler", lost=True, exception="It was the last.")
    assert (state.tasks[UUID].state, state.tasks[UUID].exception) == ("FAILURE", "It was the last.")


def rows() -> list[object]:
    return [one for one in gc.get_objects() if type(one).__name__ == "NodeRow"]


def test_no_more_rows_than_may_be_are_kept_and_none_outlives_its_place(state: NodeState) -> None:
    """5,000 runs, 1,000 places; counted: rows, search documents, and row objects without the garbage collector."""
    # Those that tests before this one have left are none of its own.
    others = rows()
    known = set(map(id, others))
    gc.disable()
    try:
        for number in range(5000):
            tell(state, "received", uuid=f"{number}-1", **{**SENT, "root_id": f"{number}-1"})
            tell(state, "succeeded", uuid=f"{number}-1", result="1")
        # Rows of which Celery's list of events still has one are kept by nothing but weak references.
        assert sum(id(one) not in known for one in rows()) <= 1001
    finally:
        gc.enable()
    assert (len(state.tasks), len(state.search_engine.documents)) == (1000, 1000)


def test_a_row_leads_to_its_node() -> None:
    assert console_path("61-2", SENT["kwargs"]) == "/console/tasks/7/subtasks/61"
    assert console_path("look-3-1", "{'host': 3}") is None
    assert console_path("61-2", None) is None


def test_a_zone_to_which_a_message_was_sent_is_known_though_no_worker_is_there(state: NodeState) -> None:
    tell(state, "sent", **SENT, routing_key="hosts.far.05")
    tell(state, "sent", uuid="62-1", routing_key="muster.idle")
    tell(state, "started")
    assert state.zones == {"far"}
