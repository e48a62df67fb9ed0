"""What runs of nodes logged: of a whole task, for whoever has to find out what happened; of one node, to follow it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from dag.error import UnknownSubtask, UnknownTask
from dag.script import translated
from dag.state import ENDED, NodeStatus, TaskStatus
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


@dataclass(frozen=True)
class LogState:
    """How far the log of a node is: `sizes` are the bytes that each of its runs has logged, oldest first.

    `created` and `record` tell its runs from all others that there ever were under these ids.
    """

    task_id: int
    created: str
    task_status: TaskStatus
    offset: int
    status: NodeStatus
    record: str
    sizes: tuple[int, ...]

    @property
    def has_ended(self) -> bool:
        """Whether nothing is added any more unless somebody asks for it: a retry, a rollback."""
        is_left = self.task_status is not TaskStatus.RUNNING
        return self.status in ENDED or (is_left and self.status is NodeStatus.PENDING)


def log_state(store: Store, task_id: int, subtask_id: int) -> LogState:
    """Return how far a node's log is; one round trip, whatever its length.

    Raises:
        UnknownTask, UnknownSubtask: there is none of this id.
        StoreUnavailable: Redis is away.
    """
    keys = store.keys
    names = [keys.task(task_id), keys.status(task_id), keys.nodes(task_id), keys.log(task_id)]
    found = store.scripts.call("log", names, subtask_id)
    if not found:
        raise UnknownTask(task_id)
    created, task_status, offset, letter, record, *sizes = found
    if not letter:
        raise UnknownSubtask(task_id, subtask_id)
    status = NodeStatus.from_letter(letter)
    return LogState(task_id, created, TaskStatus(task_status), int(offset), status, record, tuple(map(int, sizes)))


def log_from(store: Store, state: LogState, first: int) -> tuple[str, int]:
    """Return what a node has logged from byte `first` (UTF-8) on, and the byte behind it, at which to go on.

    It may have grown since `state` was read. Where `state` has nothing from there on, it is "" and its length.

    Raises:
        StoreUnavailable: Redis is away.
    """
    ends = list(accumulate(state.sizes, initial=0))
    if first >= ends[-1]:
        return "", ends[-1]
    # Only the last run's log grows, so those before it are as long as they were.
    skipped = sum(end <= first for end in ends[1:])
    names = [f"{state.offset}:{attempt}" for attempt in range(skipped + 1, len(ends))]
    with translated():
        texts = store.redis.hmget(store.keys.log(state.task_id), names)
    whole = "".join(text for text in texts if text).encode()
    # A place in the middle of a character is none that was told.
    return whole[first - ends[skipped] :].decode(errors="ignore"), ends[skipped] + len(whole)
