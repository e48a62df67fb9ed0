"""How far a task is, in JSON: what `?view=summary` shows in place of the subtasks."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.instant import iso, iso_or_none
from dag.snapshot import Snapshot
from dag.state import NodeStatus
from dag.summary import Failure, Progress, StageCount, count_stages, progress
from dag.tally import TaskTally


def summary(snapshot: Snapshot, failures: Sequence[Failure]) -> dict[str, Any]:
    """Return counts by stage and status, progress and rate, and the first failures with their reasons."""
    stages = count_stages(snapshot)
    statuses = {status: sum(stage.statuses[status] for stage in stages) for status in NodeStatus}
    return {
        "stages": [_stage(stage) for stage in stages],
        "statuses": named(statuses),
        "progress": shape_of(progress(snapshot, statuses)),
        "changeTime": iso(snapshot.changed_at),
        "failed": [failure(found) for found in failures],
    }


def tally(task: TaskTally, creator_id: int) -> dict[str, Any]:
    """Return a task as a list of summaries shows it."""
    return {
        "creator": {"id": creator_id, "name": task.creator},
        "finishTime": iso_or_none(task.finished_at),
        "hostCount": task.host_count,
        "id": task.id,
        "name": task.name,
        "operation": task.operation.value,
        "progress": shape_of(task.progress),
        "startTime": iso(task.started_at),
        "status": task.status.value,
        "statuses": named(task.statuses),
        "subtaskCount": task.progress.total,
    }


def shape_of(found: Progress) -> dict[str, Any]:
    """Return done and total, the seconds that it took, subtasks a second, and how many seconds more (null: unknown)."""
    left = found.seconds_left
    return {
        "done": found.done,
        "total": found.total,
        "seconds": round(found.seconds, 3),
        "perSecond": round(found.per_second, 3),
        "secondsLeft": None if left is None else round(left, 3),
    }


def _stage(count: StageCount) -> dict[str, Any]:
    return {
        "seriesId": count.stage.series_id,
        "name": count.stage.name,
        "total": count.total,
        "statuses": named(count.statuses),
    }


def named(statuses: Mapping[NodeStatus, int]) -> dict[str, int]:
    """Return counts under the contract's words."""
    return {status.value: count for status, count in statuses.items()}


def failure(found: Failure) -> dict[str, Any]:
    """Return a subtask that FAILED, and the last line of its log."""
    node = found.node
    return {
        "id": node.id,
        "name": node.stage.name,
        "seriesId": node.stage.series_id,
        "parallelIdx": node.parallel_idx,
        "hostId": node.host_id,
        "reason": found.reason,
    }
