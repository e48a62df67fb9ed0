"""How a worker takes a node's message: what Flower, the log and Celery's remote control get to see of it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from celery import Celery
from celery.concurrency.base import apply_target
from celery.signals import task_received
from celery.worker import state

from dag.scheduler import Dispatch
from workers.message import arguments, described
from workers.strategy import NodeTask, take_nodes
from workers.told import GivenUp, Refused

PARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"
DISPATCH = Dispatch(7, 4711, 3, 2, 12, 0, "agent.stop", "Stop", 600, "hosts.default.05", "10.0.0.1", "ab" * 16, PARENT)
NAME = "4711-2"


class Expected(Exception):
    """What a step raises that is expected to."""


class Pool:
    """A pool whose threads are this one; `before` is called when a node is handed to it."""

    def __init__(self) -> None:
        self.before: Callable[[], None] = lambda: None

    def apply_async(self, target: Any, **options: Any) -> None:
        self.before()
        apply_target(target, callback=options["callback"], accept_callback=options["accept_callback"])


@dataclass(eq=False)
class Consumer:
    """What a strategy sees of Celery's consumer."""

    event_dispatcher: Any
    on_task_request: Callable[[Any], None]
    hostname: str = "w@h"
    connection_errors: tuple[type[Exception], ...] = ()


class Taking:
    """A task with this body in a consumer that keeps the events which it is given."""

    def __init__(self, body: Callable[..., Any]) -> None:
        app = Celery("test", set_as_current=False)
        self.events: list[dict[str, Any]] = []
        self.acked: list[Any] = []
        self.pool = Pool()
        self.eventer = SimpleNamespace(
            enabled=True, send=lambda kind, **fields: self.events.append({"": kind, **fields})
        )
        consumer = Consumer(
            SimpleNamespace(enabled=True, send=self._note), lambda request: request.execute_using_pool(self.pool)
        )

        def step(**message: Any) -> Any:
            return body(**message)

        task = app.task(step, name=DISPATCH.action, base=NodeTask, throws=(Expected,), ignore_result=True)
        self._take = take_nodes(task, app, consumer)

    def _note(self, kind: str, **fields: Any) -> None:
        self.events.append({"": kind, **fields})

    def take(self) -> None:
        message = SimpleNamespace(
            headers=described(DISPATCH, "sender"),
            body=orjson.dumps([[], arguments(DISPATCH), {}]),
            content_type="application/json",
            content_encoding="utf-8",
            delivery_info={"routing_key": DISPATCH.queue},
        )
        self._take(message, None, lambda *_told: self.acked.append(1), lambda *_told: None, [])

    @property
    def kinds(self) -> list[str]:
        return [event[""] for event in self.events]


def test_a_node_that_succeeds_is_received_started_and_succeeded(caplog: pytest.LogCaptureFixture) -> None:
    given: list[dict[str, Any]] = []
    taking = Taking(lambda **message: given.append(message) or "done")
    with caplog.at_level(logging.INFO):
        taking.take()
    assert given == [arguments(DISPATCH)]
    assert taking.kinds == ["task-received", "task-started", "task-succeeded"]
    assert {event["uuid"] for event in taking.events} == {NAME}
    assert taking.events[0]["args"] == "('Stop', '10.0.0.1')"
    assert (taking.events[2]["result"], taking.events[2]["runtime"] >= 0) == ("'done'", True)
    assert taking.acked == [1]
    texts = [record.getMessage() for record in caplog.records]
    assert texts[0] == f"Task agent.stop[{NAME}] received"
    assert texts[1].startswith(f"Task agent.stop[{NAME}] succeeded in ")
    assert NAME not in state.requests


@pytest.mark.parametrize(
    ("error", "shown", "words"),
    [(Expected("no"), "no", "raised expected"), (ValueError("no"), "ValueError('no')", "raised unexpected")],
)
def test_a_node_that_fails_is_failed_with_its_reason(
    caplog: pytest.LogCaptureFixture, error: Exception, shown: str, words: str
) -> None:
    def fail(**_message: Any) -> str:
        raise error

    taking = Taking(fail)
    with caplog.at_level(logging.INFO):
        taking.take()
    assert taking.kinds == ["task-received", "task-started", "task-failed"]
    assert taking.events[2]["exception"] == shown
    # Only what nobody expected says where it came from.
    assert ("Traceback" in (taking.events[2]["traceback"] or "")) is isinstance(error, ValueError)
    assert any(words in record.getMessage() for record in caplog.records)
    assert NAME not in state.requests


@pytest.mark.parametrize(("answer", "kind"), [(GivenUp("given up"), "task-retried"), (Refused("no"), "task-rejected")])
def test_a_run_that_was_not_ended_here_is_no_success(answer: str, kind: str) -> None:
    taking = Taking(lambda **_message: answer)
    taking.take()
    assert taking.kinds == ["task-received", "task-started", kind]
    assert taking.events[2]["exception"] == answer
    assert NAME not in state.requests


def test_celerys_remote_control_sees_it_while_it_runs() -> None:
    seen: list[dict[str, Any]] = []
    taking = Taking(lambda **_message: seen.extend(request.info() for request in state.active_requests))
    taking.take()
    assert [(info["id"], info["name"], info["kwargs"]["host"]) for info in seen] == [(NAME, "agent.stop", 12)]


def test_whoever_listens_to_celery_hears_of_each_message() -> None:
    heard: list[dict[str, Any]] = []

    def hear(request: Any, **_signal: Any) -> None:
        heard.append(request.kwargs)

    task_received.connect(hear)
    try:
        Taking(lambda **_message: None).take()
    finally:
        task_received.disconnect(hear)
    assert heard == [arguments(DISPATCH)]


def test_one_that_was_revoked_does_not_run() -> None:
    ran: list[int] = []
    taking = Taking(lambda **_message: ran.append(1))
    state.revoked.add(NAME)
    try:
        taking.take()
    finally:
        state.revoked.discard(NAME)
    assert (ran, taking.kinds) == ([], ["task-revoked"])
