"""Tasks as a list shows them: without edges, logs and hosts, and read without them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dag.graph import Graph
from dag.script import translated
from dag.snapshot import read_record, unpack_stages
from dag.state import NodeStatus, Operation, TaskStatus
from dag.store import Store

# Subtasks that one page shows. Ten tasks of 10,000 hosts each would else be an answer of 50 MB.
MOST_NODES = 20_000
FIELDS = ("name", "creator", "status", "started", "finished", "base", "width", "stages", "operation")


@dataclass(frozen=True, slots=True)
class NodeBrief:
    """One node of a list's task."""

    id: int
    name: str
    status: NodeStatus
    operation: Operation


@dataclass(frozen=True)
class TaskBrief:
    """A task of a list; times are ms since the epoch. `nodes` is empty where the page had no room for them."""

    id: int
    name: str
    creator: str
    status: TaskStatus
    started_at: int
    finished_at: int | None
    node_count: int
    nodes: list[NodeBrief]


def load_briefs(store: Store, ids: Sequence[int]) -> list[TaskBrief]:
    """Return these tasks in their order, without those that are gone; the first `MOST_NODES` nodes with whole tasks.

    Raises:
        StoreUnavailable: Redis is away.
    """
    keys = store.keys
    rows = ask_each(store, ids, lambda pipe, task: pipe.hmget(keys.task(task), FIELDS))
    found = {
        task: dict(zip(FIELDS, row, strict=True)) for task, row in zip(ids, rows, strict=True) if row[0] is not None
    }
    graphs = {
        task: Graph(unpack_stages(fields["stages"]), int(fields["width"]), int(fields["base"]))
        for task, fields in found.items()
    }
    shown, room = [], MOST_NODES
    for task, graph in graphs.items():
        if graph.size <= room:
            shown.append(task)
            room -= graph.size
    letters = ask_each(store, shown, lambda pipe, task: pipe.get(keys.status(task)))
    records = ask_each(store, shown, lambda pipe, task: pipe.hgetall(keys.nodes(task)))
    nodes = {
        task: _nodes(graphs[task], Operation(found[task]["operation"]), text or "", record)
        for task, text, record in zip(shown, letters, records, strict=True)
    }
    return [_brief(task, fields, graphs[task].size, nodes.get(task, [])) for task, fields in found.items()]


def ask_each(store: Store, ids: Sequence[int], ask: Callable[[Any, int], Any]) -> list[Any]:
    """Return the answers to what is asked about each task, all of it in one round trip."""
    with translated(), store.redis.pipeline(transaction=False) as pipe:
        for task in ids:
            ask(pipe, task)
        found: list[Any] = pipe.execute()
        return found


def _brief(task_id: int, fields: dict[str, str], node_count: int, nodes: list[NodeBrief]) -> TaskBrief:
    finished = fields["finished"]
    return TaskBrief(
        task_id,
        fields["name"],
        fields["creator"],
        TaskStatus(fields["status"]),
        int(fields["started"]),
        int(finished) if finished else None,
        node_count,
        nodes,
    )


def _nodes(graph: Graph, operation: Operation, letters: str, records: dict[str, str]) -> list[NodeBrief]:
    return [
        NodeBrief(
            graph.base + offset,
            stage.name,
            NodeStatus.from_letter(letter),
            read_record(records.get(str(offset)), letter, operation).operation,
        )
        for (stage, _number, _inner, offset), letter in zip(graph.offsets(), letters, strict=False)
    ]
