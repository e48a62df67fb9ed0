"""What people ask of tasks that exist: retry, roll back, skip, cancel. Each is one Lua transition, so that of two calls
at once one wins and the other is told the state that it met.

A task that has FAILED has freed its hosts. One that goes on stands in the admission list again and gets a new place in
each host's queue, behind those who wait there: one order for all. It begins once it has all of its hosts.
"""

import logging
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dag.error import IllegalState, RollbackProhibited, StoreUnavailable, UnknownTask
from dag.log import head_line
from dag.script import translated
from dag.snapshot import unpack_stages
from dag.state import NodeStatus, Operation, TaskStatus
from dag.store import Store
from dag.trace import current

log = logging.getLogger(__name__)

DONE = "done"


class Operations:
    """The operations on the tasks of one store.

    Each raises UnknownTask, StoreUnavailable while Redis is away, and NotDurable where it was done but is not on the
    server's disk yet.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def retry(self, task_id: int) -> None:
        """Run all FAILED nodes of a FAILED task again.

        Raises:
            IllegalState: it is not FAILED, or it failed in a rollback.
        """
        self._check_met(task_id, "retried", self._call("retry", task_id))
        self._admit(task_id)

    def roll_back(self, task_id: int) -> None:
        """Undo what a FAILED task has done, from its end to its beginning; or go on with a rollback that FAILED.

        Raises:
            IllegalState: it is not FAILED.
            RollbackProhibited: the task, or a node of it that has ended, can't be undone.
        """
        with translated():
            stored = self._store.redis.hget(self._store.keys.task(task_id), "stages")
        stages = unpack_stages(stored) if stored else ()
        prohibiting = [number for number, stage in enumerate(stages) if stage.prohibit_rollback]
        met = self._call("rollback", task_id, *prohibiting)
        if met[0] == "prohibited":
            what = f"step {stages[int(met[1])].name!r} can't be undone" if met[1] else "its definition prohibits it"
            raise RollbackProhibited(f"Task {task_id} can't be rolled back: {what}.")
        self._check_met(task_id, "rolled back", met)
        self._admit(task_id)

    def retry_node(self, task_id: int, subtask_id: int) -> None:
        """Run one FAILED node again; in a rollback, undo it again.

        Raises:
            UnknownSubtask, IllegalState: it is not FAILED.
        """
        offset = self._store.locate(task_id, subtask_id).offset
        self._check_letter(task_id, subtask_id, "retried", self._call("retry_node", task_id, offset))
        self._admit(task_id)

    def skip(self, task_id: int, subtask_id: int, *, user: str) -> None:
        """Take a FAILED node for SUCCESSFUL (in a rollback: for undone) and go on with what follows.

        Raises:
            UnknownSubtask, IllegalState: it is not FAILED.
        """
        at = self._store.locate(task_id, subtask_id)
        done = Operation.ROLLBACK_SKIP if at.operation is Operation.ROLLBACK else Operation.SKIP
        text = head_line(done, datetime.now(UTC)) + f"skipped by {user}\n"
        met = self._call("skip", task_id, at.offset, at.host_id, text, self._store.clock())
        self._check_letter(task_id, subtask_id, "skipped", met)
        self._admit(task_id)

    def cancel(self, task_id: int, subtask_id: int, *, user: str) -> None:
        """End a RUNNING node's command; it is CANCELING until its worker has done so, then FAILED.

        Raises:
            UnknownSubtask, IllegalState: it is not RUNNING.
        """
        offset = self._store.locate(task_id, subtask_id).offset
        keys = self._store.keys
        names = [keys.task(task_id), keys.status(task_id), keys.nodes(task_id), keys.cancels, keys.changes(task_id)]
        met = self._store.scripts.call("cancel", names, task_id, _name(), offset, user)
        self._check_letter(task_id, subtask_id, "cancelled", met)
        self._store.disk.confirm()

    def withdraw(self, task_id: int, *, reason: str) -> bool:
        """End a task of one step that nobody has begun, so that it never runs; False where it has begun or ended.

        Raises:
            UnknownTask: there is none of this id.
        """
        text = head_line(Operation.EXECUTE, datetime.now(UTC)) + f"{reason}\n"
        met = self._call("withdraw", task_id, 0, text, self._store.clock())
        if not met:
            raise UnknownTask(task_id)
        self._store.disk.confirm()
        return bool(met == DONE)

    def _call(self, script: str, task_id: int, *arguments: str | int) -> Any:
        names = [*self._store.keys.ending(task_id), self._store.keys.admission]
        return self._store.scripts.call(script, names, task_id, _name(), *arguments)

    def _admit(self, task_id: int) -> None:
        self._store.disk.confirm()
        try:
            self._store.admit_waiting(task_id)
        except StoreUnavailable as error:
            log.warning("task %s goes on; a scheduler gives it its hosts: %s", task_id, error)

    def _check_met(self, task_id: int, what: str, met: Sequence[str | None]) -> None:
        if met[0] == DONE:
            return
        if met[0] is None:
            raise UnknownTask(task_id)
        state = f"{met[0]} in a rollback" if met[1] == Operation.ROLLBACK else str(met[0])
        text = f"Task {task_id} can't be {what}: it is {state}, and only a {TaskStatus.FAILED} one can."
        if met[0] == TaskStatus.FAILED:
            text = f"Task {task_id} can't be {what}: it is {state}. Roll it back again, or skip what fails."
        raise IllegalState(text, str(met[0]), "taskId")

    def _check_letter(self, task_id: int, subtask_id: int, what: str, met: str) -> None:
        if met == DONE:
            return
        if not met:
            raise UnknownTask(task_id)
        state = NodeStatus.from_letter(met)
        needed = NodeStatus.RUNNING if what == "cancelled" else NodeStatus.FAILED
        text = f"Subtask {subtask_id} of task {task_id} can't be {what}: it is {state}, and only a {needed} one can."
        raise IllegalState(text, state, "subtaskId")


def _name() -> str:
    """Return a name that no other call has: its span, of which the steps then are a part that it has run.

    So a call may do one thing to a task, as those of the API do.
    """
    trace = current()
    return trace.parent if trace else secrets.token_hex(8)
