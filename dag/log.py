"""What runs of nodes logged, as a whole task's: for whoever has to find out what happened."""

from collections.abc import Iterator
from datetime import datetime

from dag.script import translated
from dag.store import Store
from dag.task import Node, Scope, Task

# Logs read by one command; each has at most 1 MiB.
LOGS_A_CALL = 50


def head_line(operation: str, at: datetime) -> str:
    """Return the line with which each part of a subtask's log opens (the contract's "Tasks")."""
    return f"############{{{operation}}}{{{at.astimezone().isoformat(timespec='milliseconds')}}}############\n"


def each_log(store: Store, task: Task) -> Iterator[tuple[Node, str]]:
    """Yield the nodes that have logged something, in their order, with the logs of all their runs, oldest first.

    Raises:
        StoreUnavailable: Redis is away.
    """
    nodes = [node for node in task.nodes if node.stage.scope is not Scope.WAIT]
    for at in range(0, len(nodes), LOGS_A_CALL):
        runs = [(node, attempt) for node in nodes[at : at + LOGS_A_CALL] for attempt in range(1, node.attempt + 1)]
        names = [f"{node.id - task.nodes[0].id}:{attempt}" for node, attempt in runs]
        with translated():
            texts = store.redis.hmget(store.keys.log(task.id), names)
        found: dict[int, str] = {}
        for (node, _attempt), text in zip(runs, texts, strict=True):
            found[node.id] = found.get(node.id, "") + (text or "")
        yield from ((node, found[node.id]) for node in nodes[at : at + LOGS_A_CALL] if found[node.id])
