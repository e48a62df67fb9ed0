"""What a message says: the event, the task with its counts, the first failures, and where to look."""

from typing import Any

import orjson

from api.instant import iso, iso_or_none
from api.render_summary import summary
from dag.error import UnknownTask
from dag.outbox import Event
from dag.snapshot import Snapshot
from dag.store import Store
from dag.summary import first_failures


def read_task(store: Store, task_id: int) -> Snapshot | None:
    """Return the task as it is now, None where it is no longer kept."""
    try:
        return store.read(task_id)
    except UnknownTask:
        return None


def message(store: Store, event: Event, snapshot: Snapshot | None, console: str) -> str:
    """Return the body of the message about an event, JSON; of a task that is gone it has id and status only."""
    data: dict[str, Any] = (
        _data(store, snapshot) if snapshot else {"task": {"id": event.task_id, "status": event.status}}
    )
    data["url"] = f"{console}/console/tasks/{event.task_id}"
    return _body(event.kind, event.at, data)


def trial_message(now: int, console: str) -> str:
    """Return the body of a message that only tries the way to the receiver."""
    return _body("test", now, {"url": console})


def _data(store: Store, snapshot: Snapshot) -> dict[str, Any]:
    head = snapshot.head
    found = summary(snapshot, first_failures(store, snapshot))
    return {
        "task": {
            "id": head.id,
            "name": head.name,
            "status": head.status.value,
            "operation": head.operation.value,
            "creator": head.creator,
            "startTime": iso(head.started_at),
            "finishTime": iso_or_none(head.finished_at),
        },
        "statuses": found["statuses"],
        "failed": found["failed"],
    }


def _body(kind: str, at: int, data: dict[str, Any]) -> str:
    return orjson.dumps({"type": kind, "timestamp": iso(at), "data": data}).decode()
