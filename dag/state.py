"""The vocabulary of the state machine, on one page.

Source of the names: the contract's "States" (subtask, task, operation).
"""

from enum import StrEnum


class NodeStatus(StrEnum):
    """Where one node (the contract's subtask) stands; the value is the contract's word."""

    PENDING = "PENDING"
    READY = "READY"
    RUNNING = "RUNNING"
    CANCELING = "CANCELING"
    FAILED = "FAILED"
    SUCCESSFUL = "SUCCESSFUL"

    @property
    def letter(self) -> str:
        """The one byte that stands for this status in a task's status string in Redis."""
        return _LETTERS[self]

    @classmethod
    def from_letter(cls, letter: str) -> "NodeStatus":
        """Return the status that the byte stands for; KeyError for an unknown one."""
        return STATUS_OF[letter]


_LETTERS = {
    NodeStatus.PENDING: "P",
    NodeStatus.READY: "R",
    NodeStatus.RUNNING: "X",
    NodeStatus.CANCELING: "C",
    NodeStatus.FAILED: "F",
    NodeStatus.SUCCESSFUL: "S",
}
# W: all that it hangs on is done, and it waits until its task, which goes on, has its hosts again.
STATUS_OF = {letter: status for status, letter in _LETTERS.items()} | {"W": NodeStatus.PENDING}
# Of nodes that may run as soon as a worker takes them, or their task has its hosts.
WAITING_LETTERS = "RW"

ENDED = frozenset({NodeStatus.FAILED, NodeStatus.SUCCESSFUL})
HELD_BY_A_WORKER = frozenset({NodeStatus.RUNNING, NodeStatus.CANCELING})


class TaskStatus(StrEnum):
    """Where a whole task stands."""

    RUNNING = "RUNNING"
    FAILED = "FAILED"
    SUCCESSFUL = "SUCCESSFUL"


class Operation(StrEnum):
    """What a task or a node is being asked to do."""

    EXECUTE = "EXECUTE"
    RETRY = "RETRY"
    ROLLBACK = "ROLLBACK"
    SKIP = "SKIP"
    ROLLBACK_SKIP = "ROLLBACK_SKIP"
    CANCEL = "CANCEL"
