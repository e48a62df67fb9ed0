"""A message that Muster writes by itself is the one that Celery would write."""

import base64
import json
import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from celery import Celery

from dag.scheduler import Dispatch, Loss
from workers.message import SENT_AT, TRACEPARENT, arguments, described, lost, packed, sent

PARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"
DISPATCH = Dispatch(7, 4711, 3, 2, 12, 0, "agent.stop", "Stop", 600, "hosts.default.05", "10.0.0.1", "ab" * 16, PARENT)


def celerys(dispatch: Dispatch, headers: dict[str, Any]) -> Any:
    """The same message as Celery's own code makes it."""
    return Celery("test", set_as_current=False).amqp.as_task_v2(
        headers["id"],
        dispatch.action,
        kwargs=arguments(dispatch),
        argsrepr=headers["argsrepr"],
        kwargsrepr=headers["kwargsrepr"],
        origin="sender",
        retries=dispatch.attempt - 1,
        ignore_result=True,
        create_sent_event=True,
    )


def test_headers_body_and_event_are_those_of_celery() -> None:
    headers = described(DISPATCH, "sender")
    message, theirs = json.loads(packed(DISPATCH, headers)), celerys(DISPATCH, headers)
    assert headers[TRACEPARENT] == DISPATCH.traceparent
    assert abs(headers[SENT_AT] - time.time()) < 60
    ours = {name: headers[name] for name in (TRACEPARENT, SENT_AT)}
    assert headers == {**theirs.headers, **ours}
    assert message["headers"] == {**json.loads(json.dumps(theirs.headers)), **ours}
    assert json.loads(base64.b64decode(message["body"])) == json.loads(json.dumps(theirs.body))
    assert theirs.properties.items() <= message["properties"].items()
    place = {"queue": DISPATCH.queue, "exchange": "", "routing_key": DISPATCH.queue}
    assert sent(DISPATCH, headers) == {**theirs.sent_event, **place}


def test_each_message_has_a_tag_of_its_own() -> None:
    tags = {json.loads(packed(DISPATCH, described(DISPATCH, "s")))["properties"]["delivery_tag"] for _ in range(9)}
    assert len(tags) == 9


@pytest.mark.parametrize("title", ["It's one", 'a "b"', "ä\n"])
def test_whatever_a_step_is_called_its_message_can_be_read(title: str) -> None:
    dispatch = replace(DISPATCH, title=title, address=title)
    assert title in orjson.loads(packed(dispatch, described(dispatch, "s")))["headers"]["argsrepr"]


def test_a_lost_run_is_told_of_under_the_id_of_its_message() -> None:
    assert described(DISPATCH, "s")["id"] == "4711-2"
    kind, fields = lost(Loss(4711, 2, goes_on=True))
    assert (kind, fields["uuid"], fields["lost"]) == ("task-retried", "4711-2", True)
    assert fields["exception"].endswith("Attempt 3 follows.")
    assert lost(Loss(4711, 4, goes_on=False))[0] == "task-failed"
