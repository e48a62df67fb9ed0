"""How far a task is: its stages counted, and the steps that failed. Made of what the API answers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

RUNNING, SUCCESSFUL, FAILED, PENDING = "RUNNING", "SUCCESSFUL", "FAILED", "PENDING"
ROLLBACK = "ROLLBACK"
AT_WORK = frozenset({"RUNNING", "CANCELING"})
WAIT_NODE = "Wait node"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """One stage over all hosts; `done` are the steps that succeeded, in a rollback those that are undone."""

    name: str
    total: int
    done: int
    running: int
    failed: int


@dataclass(frozen=True)
class Failure:
    """A step that failed, and the last line of its log."""

    subtask: int
    step: str
    host: str
    reason: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.host}: {self.step} (subtask {self.subtask}): {self.reason or 'its log is empty'}"


@dataclass(frozen=True)
class Snapshot:
    """A task at one moment: all stages, and the first of the steps that failed, up to 20.

    `subtasks` counts the Wait nodes, too, which are no stage here. `started` and `finished` are ISO 8601 (None while it
    runs), `seconds_left` is None where nobody can tell.
    """

    id: int
    name: str
    status: str
    operation: str
    started: str
    finished: str | None
    subtasks: int
    seconds_left: float | None
    stages: tuple[Stage, ...]
    failures: tuple[Failure, ...]

    @property
    def hosts(self) -> int:
        """How many hosts the task works on."""
        return max((stage.total for stage in self.stages), default=0)

    @property
    def failed(self) -> int:
        """How many steps failed; a host on which one did takes no further."""
        return sum(stage.failed for stage in self.stages)

    @property
    def running(self) -> int:
        """How many steps run now."""
        return sum(stage.running for stage in self.stages)

    @property
    def ended(self) -> bool:
        """Tell whether nothing moves any more."""
        return self.status != RUNNING

    @property
    def seconds(self) -> float | None:
        """How long it took, None while it runs."""
        if not self.finished:
            return None
        return (datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.started)).total_seconds()

    def shape(self) -> dict[str, Any]:
        """Return it for programs."""
        return {**asdict(self), "hosts": self.hosts, "failed": self.failed, "seconds": self.seconds}


def of_summary(task: Row, names: Mapping[int, str]) -> Snapshot:
    """Return the snapshot of a task that was asked for with `view=summary`; `names` are those of hosts by id."""
    summary = task["summary"]
    done = PENDING if task["operation"] == ROLLBACK else SUCCESSFUL
    return Snapshot(
        task["id"],
        task["name"],
        task["status"],
        task["operation"],
        task["startTime"],
        task["finishTime"],
        summary["progress"]["total"],
        summary["progress"]["secondsLeft"],
        tuple(_stage(stage, done) for stage in summary["stages"] if stage["name"] != WAIT_NODE),
        tuple(_failure(failed, names) for failed in summary["failed"]),
    )


def _stage(stage: Row, done: str) -> Stage:
    statuses = stage["statuses"]
    running = sum(statuses[status] for status in AT_WORK)
    return Stage(stage["name"], stage["total"], statuses[done], running, statuses[FAILED])


def _failure(failed: Row, names: Mapping[int, str]) -> Failure:
    host = failed["hostId"]
    return Failure(failed["id"], failed["name"], names.get(host, f"host {host}"), failed["reason"])
