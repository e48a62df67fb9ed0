"""A task as a grid of stages and hosts, in JSON: 50,004 subtasks in a third of a megabyte."""

from collections.abc import Sequence
from typing import Any

from api import render
from dag.host_name import HostNames
from dag.snapshot import Snapshot
from dag.state import HELD_BY_A_WORKER, STATUS_OF
from dag.store import Store
from dag.summary import reason_of
from dag.task import Node, Scope, Stage, message_id

# A node that waits for its task's hosts is PENDING to everybody.
SHOWN = str.maketrans({letter: status.letter for letter, status in STATUS_OF.items()})


def grid(snapshot: Snapshot, names: Sequence[str]) -> dict[str, Any]:
    """Return the task's stages with a letter for each subtask, and its hosts' ids and names, in one order."""
    graph = snapshot.graph
    letters = snapshot.letters.translate(SHOWN)
    return {
        "eventId": snapshot.version,
        "stages": [
            _stage(stage, graph.base + first, letters[first:behind])
            for stage, first, behind in zip(graph.stages, graph.firsts, graph.firsts[1:], strict=False)
        ],
        "hosts": {"ids": snapshot.head.host_ids, "names": names},
    }


def _stage(stage: Stage, first_id: int, letters: str) -> dict[str, Any]:
    return {
        "seriesId": stage.series_id,
        "name": stage.name,
        "waitNode": stage.scope is Scope.WAIT,
        "firstId": first_id,
        "statuses": letters,
    }


def subtask(store: Store, names: HostNames, task_id: int, node: Node, created_at: int) -> dict[str, Any]:
    """Return one subtask as the detail shows it, and its host, its attempt, and why it failed.

    Raises:
        StoreUnavailable: Redis is away.
    """
    offset = store.locate(task_id, node.id).offset
    return {
        **render.subtask(node, created_at),
        "hostId": node.host_id,
        "hostName": None if node.host_id is None else names.read([node.host_id])[0],
        "attempt": node.attempt,
        "messageId": message_id(node.id, node.attempt) if node.started_at is not None else None,
        # While it runs its last line says nothing about its end.
        "reason": "" if node.status in HELD_BY_A_WORKER else reason_of(store, task_id, offset, node.attempt),
    }
