"""What Flower remembers of nodes: one row a run, in the state that the store has it, in little memory.

Celery's own rows take the newest event for the truth. A run of a node ends once: what comes after that is of a message
that came twice, or of a worker that has lost the run.
"""

import sys
from collections.abc import Mapping
from typing import Any

from celery import states
from celery.events.state import TASK_EVENT_TO_STATE, Task
from flower.events import EventsState

from dag.shard import zone_of_shard

# RETRY: this run is lost, and another attempt has a row of its own.
ENDS = frozenset({states.SUCCESS, states.FAILURE, states.RETRY})


class NodeRow(Task):
    """One run of a node: its Celery id is `<subtaskId>-<attempt>`."""

    # Celery's rows hold references to themselves for these, and a set each; nodes have neither parents nor children.
    root = parent = children = None

    def __init__(self, uuid: str | None = None, cluster_state: Any = None, **fields: Any) -> None:
        self.uuid, self.cluster_state = uuid, cluster_state
        self.__dict__.update(fields)

    def event(
        self,
        type_: str,
        timestamp: float | None = None,
        _local_received: float | None = None,
        fields: Mapping[str, Any] | None = None,
        **_options: Any,
    ) -> None:
        """Take in an event; one that comes after the end only fills in what nobody has told yet."""
        given = fields or {}
        told = {name: _shared(given[name]) for name in self._fields if name in given}
        told.pop("root_id", None)
        told[type_] = timestamp
        if self._is_news(TASK_EVENT_TO_STATE.get(type_, type_.upper())):
            self.__dict__.update(told, state=TASK_EVENT_TO_STATE.get(type_, type_.upper()), timestamp=timestamp)
        else:
            self.__dict__.update({name: value for name, value in told.items() if getattr(self, name, None) is None})

    def _is_news(self, state: str) -> bool:
        if self.state in ENDS:
            return False
        # Events of several processes overtake each other. A message that is rejected came twice, or too late.
        return state in ENDS or state == states.REJECTED or states.precedence(state) <= states.precedence(self.state)

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, as Flower's API gives them."""
        return {name: getattr(self, name, None) for name in self._fields}


def _shared(value: Any) -> Any:
    # Names, queues and outcomes are the same in thousands of rows.
    return sys.intern(value) if type(value) is str else value


class NodeState(EventsState):
    """All rows and workers, and the zones that messages were sent to."""

    Task = NodeRow

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.zones: set[str] = set()

    def event(self, event: dict[str, Any]) -> None:
        """Take in an event. What a scheduler says of a lost run makes nobody a worker, or alive."""
        if zone := zone_of_shard(event.get("routing_key") or ""):
            self.zones.add(zone)
        if not event.get("lost"):
            super().event(event)
        elif row := self.tasks.get(event["uuid"]):
            # It knows better than the worker that gave the run up: whether another attempt follows.
            if row.state == states.RETRY:
                row.state = states.STARTED
            row.event(event["type"].partition("-")[2], event["timestamp"], fields=event)
            self.search_engine.upsert(row)

    def learn(self, event: dict[str, Any]) -> None:
        """Take in an end that the store knows of; it comes from no worker, and `executor` names the one that it had."""
        row = self.tasks.get(event["uuid"])
        if row and row.state not in ENDS:
            worker = row.worker or self.workers.get(event["executor"])
            row.event(event["type"].partition("-")[2], event["timestamp"], fields={**event, "worker": worker})
            self.search_engine.upsert(row)
