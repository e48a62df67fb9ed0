"""Which run of a node a row of Flower is about: its UUID and its keywords, as the scheduler writes them, tell."""

import re
from dataclasses import dataclass

UUID = re.compile(r"(\d+)-(\d+)")
TASK = re.compile(r"'task': (\d+)")


@dataclass(frozen=True)
class NodeRun:
    """One run of a node; its Celery id is `<subtaskId>-<attempt>`."""

    uuid: str
    task_id: int
    subtask_id: int
    attempt: int


def run_of(uuid: str | None, kwargs: str | None) -> NodeRun | None:
    """Return the run that a row with this UUID and text of keywords is about; None for a row of something else."""
    node, task = UUID.fullmatch(uuid or ""), TASK.search(kwargs or "")
    return NodeRun(node[0], int(task[1]), int(node[1]), int(node[2])) if node and task else None
