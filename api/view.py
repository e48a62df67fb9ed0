"""Answers that show a task: all of it, some of its fields, or a summary, each at the cost of what it shows.

A whole task of 10,000 hosts has 50,004 subtasks: they are made, written as JSON and sent a few hundred at a time.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from flask import Response, stream_with_context

from api import render, render_summary
from api.auth import caller
from api.envelope import frame, success
from api.schema.view import SUBTASKS, SUMMARY, View
from api.server import extend_time
from api.service import services
from dag.snapshot import Snapshot
from dag.summary import first_failures
from dag.task import Node, TaskHead

SUBTASKS_A_PART = 500
BEHIND_SUBTASKS = ("taskDefinitionId", "type")
NO_RECORDS: Mapping[str, str] = {}
Object = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """One of the contract's shapes of a task: itself without subtasks, one subtask (of a task made at ms).

    `needs_records`: it shows more of a subtask than its status.
    """

    head: Callable[[TaskHead], Object]
    subtask: Callable[[Node, int], Object]
    needs_records: bool


def user_id(name: str) -> int:
    """Return the id of the user of this name, 0 where there is none (any more)."""
    user = caller() if caller().name == name else services().users.find(name)
    return user.id if user else 0


def _detail(task: TaskHead) -> Object:
    return render.detail(task, user_id(task.creator))


DETAIL = Shape(_detail, render.subtask, needs_records=True)
SUBMISSION = Shape(render.submission, render.submitted, needs_records=False)


def show(task_id: int, shape: Shape, view: View) -> Response:
    """Answer with the task.

    Raises:
        UnknownTask: there is none of this id.
        StoreUnavailable: Redis is away.

    """
    store = services().store
    is_whole = shape.needs_records and view.shows(SUBTASKS) and not view.is_summary
    snapshot, records = store.read_whole(task_id) if is_whole else (store.read(task_id), {})
    return show_read(snapshot, shape, view, records)


def show_read(snapshot: Snapshot, shape: Shape, view: View, records: Mapping[str, str] = NO_RECORDS) -> Response:
    """Answer with a task that was read, and with the records of its nodes where subtasks show more than their status.

    Raises:
        StoreUnavailable: Redis is away.

    """
    if view.is_summary:
        return success(_chosen(_summarised(snapshot, view), view))
    if not view.shows(SUBTASKS):
        return success(_chosen(shape.head(snapshot.head), view))
    return _send(_parts(_chosen(shape.head(snapshot.head), view), snapshot, records, shape), snapshot.graph.size)


def _summarised(snapshot: Snapshot, view: View) -> Object:
    shown = _detail(snapshot.head)
    if view.shows(SUMMARY):
        shown[SUMMARY] = render_summary.summary(snapshot, first_failures(services().store, snapshot))
    return shown


def _chosen(shown: Object, view: View) -> Object:
    return {name: value for name, value in shown.items() if name in view.fields}


def _send(parts: Iterator[bytes], subtasks: int) -> Response:
    """Send a few parts as one, with their length; many one by one, each with the time of a whole request."""
    if subtasks <= SUBTASKS_A_PART:
        return Response(b"".join(parts), mimetype="application/json")
    seconds = services().settings.api.request_timeout_seconds

    def timed() -> Iterator[bytes]:
        for part in parts:
            extend_time(seconds)
            yield part

    return Response(stream_with_context(timed()), mimetype="application/json")


def _parts(shown: Object, snapshot: Snapshot, records: Mapping[str, str], shape: Shape) -> Iterator[bytes]:
    """Yield the envelope as JSON, with the names in the order of the contract's sample."""
    behind = {name: shown[name] for name in BEHIND_SUBTASKS if name in shown}
    ahead = {name: value for name, value in shown.items() if name not in behind}
    yield b'{"data":{' + _members(ahead) + (b"," if ahead else b"") + b'"subtasks":['
    created, comma, nodes = snapshot.head.created_at, b"", snapshot.nodes(records)
    while part := [shape.subtask(node, created) for node in islice(nodes, SUBTASKS_A_PART)]:
        yield comma + orjson.dumps(part)[1:-1]
        comma = b","
    yield b"]" + (b"," if behind else b"") + _members(behind) + b"}," + _members(frame(200)) + b"}"


def _members(of: Object) -> bytes:
    return orjson.dumps(of)[1:-1]
