"""Events for Flower travel in batches, none later than it may be."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from kombu.connection import Connection
from kombu.serialization import dumps, loads

from workers.event import FLUSH_SECONDS, MOST_AT_ONCE, SERIALIZER, BatchingDispatcher


class Loop:
    """Celery's loop, which does what it is asked when `turn` is called."""

    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[[], None]]] = []

    def call_soon(self, callback: Callable[..., None], *arguments: Any) -> None:
        callback(*arguments)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.later.append((seconds, callback))

    def turn(self) -> None:
        due, self.later = self.later, []
        for _seconds, callback in due:
            callback()


class Consumer:
    """What Celery gives a dispatcher: its own flush, and by that its loop."""

    def __init__(self, loop: Loop) -> None:
        self.hub = loop

    def on_send_event_buffered(self) -> None:
        raise AssertionError("Celery would flush at each turn.")


class Sent(BatchingDispatcher):
    """A worker's dispatcher that keeps what it sends."""

    def __init__(self, loop: Loop) -> None:
        self.batches: list[Any] = []
        super().__init__(
            Connection("memory://"),
            app=Celery("test", set_as_current=False),
            buffer_group=["task"],
            on_send_buffered=Consumer(loop).on_send_event_buffered,
        )

    def _publish(self, event: Any, *_arguments: Any, **_options: Any) -> None:
        self.batches.append(event)


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_what_comes_within_a_moment_is_sent_together(loop: Loop) -> None:
    dispatcher = Sent(loop)
    for number in range(3):
        dispatcher.send("task-started", uuid=str(number))
    assert dispatcher.batches == []
    assert [seconds for seconds, _callback in loop.later] == [FLUSH_SECONDS]
    loop.turn()
    assert [[one["uuid"] for one in batch] for batch in dispatcher.batches] == [["0", "1", "2"]]


def test_what_comes_later_is_sent_too(loop: Loop) -> None:
    dispatcher = Sent(loop)
    for number in range(2):
        dispatcher.send("task-started", uuid=str(number))
        loop.turn()
    assert len(dispatcher.batches) == 2


def test_a_full_batch_does_not_wait(loop: Loop) -> None:
    dispatcher = Sent(loop)
    for _ in range(MOST_AT_ONCE):
        dispatcher.send("task-started", uuid="1")
    assert [len(batch) for batch in dispatcher.batches] == [MOST_AT_ONCE]


def test_what_a_worker_says_of_itself_is_sent_at_once(loop: Loop) -> None:
    dispatcher = Sent(loop)
    dispatcher.send("worker-heartbeat")
    assert [one["type"] for one in dispatcher.batches] == ["worker-heartbeat"]


def test_anybody_s_celery_can_read_them() -> None:
    content_type, encoding, data = dumps([{"type": "task-sent", "uuid": "1-1", "eta": None}], SERIALIZER)
    assert (content_type, json.loads(data)) == ("application/json", [{"type": "task-sent", "uuid": "1-1", "eta": None}])
    assert loads(data, content_type, encoding, accept={"application/json"}) == json.loads(data)
