"""A task and its nodes as values: what the store gives to whoever reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dag.state import NodeStatus, Operation, TaskStatus


class Scope(StrEnum):
    """How many nodes a stage has; the value is the letter by which the scripts know it."""

    HOST = "h"
    WAIT = "w"
    ONCE = "o"


@dataclass(frozen=True)
class Stage:
    """One stage of a definition: all its nodes do the same, on one host each (or once, or as a Wait node)."""

    name: str
    class_name: str
    series_id: int
    timeout_seconds: int
    action: str
    scope: Scope = Scope.HOST
    prohibit_rollback: bool = False


@dataclass(frozen=True)
class Definition:
    """An operation on hosts as data: its name and its stages in the order in which they run.

    A `single` one is for exactly one host, and the contract shows its nodes as none of several (parallelIdx -1).
    `parameters` are what its steps need to know beside the host (the name of a process, say). One that is for `now`
    does not wait for its host: where an earlier task has it, no task is made.
    """

    key: str
    name: str
    stages: tuple[Stage, ...]
    prohibit_rollback: bool = False
    single: bool = False
    now: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.now and not self.single:
            raise ValueError(f"Only an operation on a single host can do without waiting, unlike {self.key}.")
        # A host's queue leads to its node of the first stage; without one nobody would begin.
        if not self.stages or self.stages[0].scope is not Scope.HOST:
            raise ValueError(f"The first stage of {self.key} must have a node for each host.")
        # Tasks are listed by name in a sorted set whose members have colons between their parts.
        if ":" in self.name:
            raise ValueError(f"The name of {self.key} must not have a colon.")


def message_id(subtask_id: int, attempt: int) -> str:
    """Return the id of the message that hands an attempt out: Celery's task id, by which Flower shows it."""
    return f"{subtask_id}-{attempt}"


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a task, on one host; times are ms since the epoch.

    `attempt` counts every hand-out to a worker (it fences), `run_time` what the contract calls runTime:
    1, and one more for each retry that somebody asked for.
    """

    id: int
    stage: Stage
    parallel_idx: int
    host_id: int | None
    status: NodeStatus
    operation: Operation
    attempt: int
    run_time: int
    executor: str
    started_at: int | None
    finished_at: int | None
    upstreams: Sequence[int]
    downstreams: Sequence[int]


@dataclass(frozen=True)
class TaskHead:
    """A task without its nodes; times are ms since the epoch. `single` and `parameters` are its definition's."""

    id: int
    name: str
    creator: str
    executor: str
    operation: Operation
    status: TaskStatus
    created_at: int
    started_at: int
    finished_at: int | None
    prohibit_rollback: bool
    host_ids: tuple[int, ...]
    trace_id: str
    single: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Task(TaskHead):
    """A whole task, with its nodes in the order of their stages."""

    nodes: list[Node] = field(default_factory=list)
