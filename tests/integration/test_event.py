"""A restart of real agents, followed by events: by one who stays, and by one whose connection is lost all the time."""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stack import RunningStack
from tests.wait import until

Event = dict[str, Any]

pytestmark = pytest.mark.usefixtures("clean")


def events(stack: RunningStack, task: int, last_id: str = "") -> Iterator[Event]:
    """The events of one connection, as a browser reads them."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    url = f"/api/v2/tasks/instances/{task}/events"
    with stack.http.stream("GET", url, headers=headers) as answer:
        assert answer.status_code == 200
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if not line and "data" in fields:
                yield {"id": fields["id"], "event": fields["event"], **json.loads(fields["data"])}
            fields = {**fields, name: value} if line else {}


def with_losses(stack: RunningStack, task: int) -> Iterator[Event]:
    """All events, of connections that are each lost after two of them."""
    last_id, is_over = "", False
    while not is_over:
        for _, event in zip(range(2), events(stack, task, last_id), strict=False):
            yield event
            last_id, is_over = event["id"], event["event"] == "end"


def test_every_change_of_a_restart_arrives_once_also_where_connections_are_lost(
    stack: RunningStack, host_ids: list[int]
) -> None:
    lossy: list[Event] = []

    def follow() -> None:
        for event in with_losses(stack, number):
            lossy.append(event)

    other = threading.Thread(target=follow)
    # Nothing happens until both follow: what had happened before would stand in their snapshots.
    workers = [pid for pid, words in stack.children().items() if words.endswith("muster worker")]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        number = stack.restart(host_ids)["id"]
        other.start()
        following = events(stack, number)
        steady = [next(following)]
        until(lambda: lossy)
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    steady.extend(following)
    other.join(timeout=60)
    assert not other.is_alive()
    ended = stack.task(number)
    assert ended["status"] == "SUCCESSFUL"
    for seen in (steady, lossy):
        assert [event["event"] for event in seen] == ["snapshot", *["changes"] * (len(seen) - 2), "end"]
        assert seen[-1]["task"]["status"] == "SUCCESSFUL"
        assert seen[-1]["statuses"]["SUCCESSFUL"] == len(ended["subtasks"])
        assert seen[-1]["progress"]["done"] == seen[-1]["progress"]["total"] == len(ended["subtasks"])
        ids = [event["id"] for event in seen]
        assert len(set(ids)) == len(ids)
        last = Counter(
            change["id"] for event in seen[1:-1] for change in event["changes"] if change["status"] == "SUCCESSFUL"
        )
        # Each subtask's last state, exactly once.
        assert last == {node["id"]: 1 for node in ended["subtasks"]}
        told = {change["id"]: change for event in seen[1:-1] for change in event["changes"]}
        for node in ended["subtasks"]:
            for name in ("seriesId", "parallelIdx", "status", "operation", "runTime", "executor", "finishTime"):
                assert told[node["id"]][name] == node[name]
    # Those who follow later are told that it is over.
    assert [event["event"] for event in events(stack, number)] == ["snapshot", "end"]
