"""Tasks as the command line asks the API for them."""

import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from cli.client import PREFIX, ApiClient, Unavailable

TASKS = f"{PREFIX}/tasks/instances"
# A submission whose answer got lost is made again after these pauses: a restarted API or Redis is back by then.
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)

Row = dict[str, Any]


class TaskClient(ApiClient):
    """Calls about tasks. Every call raises CommandError, whose text names the API and what it said."""

    def submit(self, operation: str, host_ids: Sequence[int], wait: Callable[[float], None] = time.sleep) -> Row:
        """Submit "batchRestartAgents" or "batchStopAgents" on these hosts and return the task.

        The call has a key of its own, by which the API knows it again: made once more because its answer got lost, it
        makes no second task.
        """
        headers = {"Idempotency-Key": str(uuid4())}
        for pause in PAUSES_SECONDS:
            try:
                return self._submit(operation, host_ids, headers)
            except Unavailable as error:
                wait(max(pause, error.after_seconds))
        return self._submit(operation, host_ids, headers)

    def plan(self, operation: str, host_ids: Sequence[int]) -> Row:
        """Return what such a submission would do; nothing is written."""
        path = f"{PREFIX}/compute/hosts/{operation}?dryRun=true&view=summary"
        plan: Row = self._call("POST", path, {"hostIds": list(host_ids)})
        return plan

    def _submit(self, operation: str, host_ids: Sequence[int], headers: dict[str, str]) -> Row:
        path = f"{PREFIX}/compute/hosts/{operation}?view=summary"
        task: Row = self._call("POST", path, {"hostIds": list(host_ids)}, headers)
        return task

    def summary(self, task_id: int) -> Row:
        """Return a task with the counts of its stages and its first failures in place of its subtasks."""
        task: Row = self._call("GET", f"{TASKS}/{task_id}?view=summary")
        return task

    def newest(self, most: int, **filters: str) -> list[Row]:
        """Return up to 2,000 tasks that pass the filters (status, keyword, hostId; empty ones count for nothing)."""
        query = {name: value for name, value in filters.items() if value}
        rows: list[Row] = self._call("GET", f"{TASKS}?{urlencode({**query, 'sort': 'id,desc', 'size': most})}")[
            "contents"
        ]
        return rows

    def log(self, task_id: int, subtask_id: int) -> str:
        """Return what the runs of a subtask logged, oldest first."""
        return str(self._call("GET", f"{TASKS}/{task_id}/subtasks/{subtask_id}/log")["log"])

    def log_from(self, task_id: int, subtask_id: int, first: int) -> Row:
        """Return a subtask's log behind its first bytes, and how to go on: `next`, `status`, `ended`."""
        part: Row = self._call("GET", f"{TASKS}/{task_id}/subtasks/{subtask_id}/log?from={first}")
        return part

    def diagnosis(self, task_id: int) -> bytes:
        """Return the zip of a task, its subtasks and logs."""
        return self._send("POST", f"{TASKS}/{task_id}/downloadDiagnosis").content

    def operate(self, task_id: int, operation: str) -> Row:
        """Call a task's "retry" or "rollback" and return the task."""
        task: Row = self._call("POST", f"{TASKS}/{task_id}/{operation}?view=summary")
        return task

    def operate_subtasks(self, task_id: int, subtask_ids: Sequence[int], operation: str) -> None:
        """Call "retry", "skip" or "cancel" of each of these subtasks; the first that is refused ends it."""
        for subtask in subtask_ids:
            self._call("POST", f"{TASKS}/{task_id}/subtasks/{subtask}/{operation}")
