"""How far a task is, for whoever waits for its end."""

import time
from collections.abc import Callable

from dag.script import translated
from dag.state import NodeStatus, TaskStatus
from dag.store import Store
from dag.summary import last_line

SHORTEST_SECONDS, LONGEST_SECONDS = 0.02, 0.25


def await_end(store: Store, task_id: int, *, seconds: float, wait: Callable[[float], None] = time.sleep) -> bool:
    """Return True once the task has ended, False where it has not within `seconds`.

    Raises:
        StoreUnavailable: Redis is away; the task goes on once it is back.
    """
    until, pause = time.monotonic() + seconds, SHORTEST_SECONDS
    while True:
        with translated():
            status = store.redis.hget(store.keys.task(task_id), "status")
        if status != TaskStatus.RUNNING:
            return True
        left = until - time.monotonic()
        if left <= 0:
            return False
        wait(min(left, pause))
        pause = min(LONGEST_SECONDS, pause * 1.5)


def last_words(store: Store, task_id: int) -> str:
    """Return the last line of the log of each node that failed: why the task did."""
    task = store.load(task_id)
    logs = [store.logs(task_id, node.id) for node in task.nodes if node.status is NodeStatus.FAILED]
    return "; ".join(last_line(log) for log in logs if log)
