"""The events by which a task is followed, as a browser's EventSource reads them (WHATWG HTML, "Server-sent events")."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from api.instant import iso, iso_or_none
from api.render_summary import named, shape_of
from dag.change import Change
from dag.snapshot import Snapshot, make_node, read_record
from dag.state import STATUS_OF, NodeStatus
from dag.store import Store
from dag.summary import progress
from dag.task import Node, TaskHead

HEARTBEAT = b": still here\n\n"
# Of the event `end`: a browser that connects again after it is told that there is no more.
END = ".end"


class Picture:
    """A task as all the events so far show it: its letters, and how many nodes stand where."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.head, self.graph, self.version = snapshot.head, snapshot.graph, snapshot.version
        self._letters = list(snapshot.letters)
        self._counts = Counter(snapshot.letters)

    def apply(self, changes: Iterable[Change], head: TaskHead) -> None:
        """Take over changes, in their order, and what stands once for the task."""
        self.head = head
        for change in changes:
            for offset in range(change.first, change.last + 1):
                self._counts[self._letters[offset]] -= 1
                self._letters[offset] = change.letter
                self._counts[change.letter] += 1
            self.version = change.id

    def show(self) -> dict[str, Any]:
        """Return what every event says of the task."""
        statuses = dict.fromkeys(NodeStatus, 0)
        for letter, status in STATUS_OF.items():
            statuses[status] += self._counts[letter]
        seen = Snapshot(self.head, self.graph, "", self.version)
        return {
            "task": {
                "id": self.head.id,
                "status": self.head.status.value,
                "operation": self.head.operation.value,
                "finishTime": iso_or_none(self.head.finished_at),
            },
            "statuses": named(statuses),
            "progress": shape_of(progress(seen, statuses)),
        }


def write(name: str, event_id: str, data: dict[str, Any]) -> bytes:
    """Return an event as it is sent."""
    return f"id: {event_id}\nevent: {name}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"


def read_changed(store: Store, task_id: int, changes: Sequence[Change]) -> tuple[TaskHead, list[dict[str, Any]]]:
    """Return the task, and each node that has changed, once, with its last change.

    Status and time are the change's; operation, run, worker and times are read now, and a change that has been made
    since will be told by a later event.

    Raises:
        UnknownTask: the task has expired.
        StoreUnavailable: Redis is away.

    """
    last: dict[int, Change] = {}
    for change in changes:
        for offset in range(change.first, change.last + 1):
            last.pop(offset, None)
            last[offset] = change
    snapshot, records = store.read_nodes(task_id, list(last))
    head, graph = snapshot.head, snapshot.graph
    shown = []
    for offset, change in last.items():
        record = read_record(records.get(str(offset)), change.letter, head.operation)
        place = snapshot.place(offset)
        shown.append(_changed(make_node(graph, head.host_ids, head.single, place, change.letter, record), change))
    return head, shown


def _changed(node: Node, change: Change) -> dict[str, Any]:
    return {
        "id": node.id,
        "seriesId": node.stage.series_id,
        "parallelIdx": node.parallel_idx,
        "hostId": node.host_id,
        "status": node.status.value,
        "operation": node.operation.value,
        "runTime": node.run_time,
        "attempt": node.attempt,
        "executor": node.executor,
        "startTime": iso_or_none(node.started_at),
        "finishTime": iso_or_none(node.finished_at),
        "time": iso(change.at),
    }
