"""The errors of the engine: one root; a class's docstring is its default message."""

from collections.abc import Sequence


class MusterError(Exception):
    """Muster could not do what was asked."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class StoreUnavailable(MusterError):
    """Redis does not take this now; nothing was changed."""


class Unanswered(StoreUnavailable):
    """Redis can't be reached; a change that was on its way may have been made all the same."""


class NotDurable(StoreUnavailable):
    """The change was made, but Redis could not put it on its disk in time: it stands unless the server dies now."""


class PartitionMismatch(MusterError):
    """The deployment was created with another number of partitions."""


class UnknownTask(MusterError):
    """No such task."""

    def __init__(self, task_id: int) -> None:
        self.task_id = task_id
        super().__init__(f"Task {task_id} does not exist.")


class UnknownSubtask(MusterError):
    """No such subtask in this task."""

    def __init__(self, task_id: int, subtask_id: int) -> None:
        self.subtask_id = subtask_id
        super().__init__(f"Task {task_id} has no subtask {subtask_id}.")


class IllegalState(MusterError):
    """The state of the task or of the subtask does not allow this now; nothing was changed."""

    def __init__(self, message: str, state: str, target: str) -> None:
        self.state, self.target = state, target
        super().__init__(message)


class RollbackProhibited(MusterError):
    """The task can't be rolled back."""


class UnknownHosts(MusterError):
    """Some of the hosts are not enrolled."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = tuple(ids)
        listed = ", ".join(map(str, self.ids[:20])) + (" ..." if len(self.ids) > 20 else "")
        super().__init__(f"Hosts that do not exist: {listed}.")


class HostsInUse(MusterError):
    """Some of the hosts are held by a task that is under way, or wait for one."""

    def __init__(self, uses: Sequence[tuple[int, int]]) -> None:
        self.ids = tuple(uses)
        listed = ", ".join(f"host {host} by task {task}" for host, task in self.ids[:20])
        super().__init__(f"Hosts in use: {listed}.")


class ClaimConflict(MusterError):
    """Under this name another task was asked for before; nothing was changed."""

    def __init__(self, task_id: int) -> None:
        self.task_id = task_id
        super().__init__(f"Task {task_id} was made by another call with the same key.")


class DuplicateHost(MusterError):
    """A host with this address and SSH port is enrolled already."""

    def __init__(self, address: str, port: int) -> None:
        self.address, self.port = address, port
        super().__init__(f"A host at {address} port {port} is enrolled already.")


class AgentUnavailable(MusterError):
    """The agent can't be seen or changed now."""


class StillRunning(MusterError):
    """What was asked for has begun, and is not done in the time that a call may take; it goes on."""

    def __init__(self, task_id: int, seconds: float) -> None:
        self.task_id = task_id
        super().__init__(
            f"Task {task_id} runs and is not done after {seconds:g} s; follow it at /tasks/instances/{task_id}."
        )


class UnknownProcess(MusterError):
    """The agent has no such process."""

    def __init__(self, host_id: int, process_id: int) -> None:
        self.process_id = process_id
        super().__init__(f"The agent of host {host_id} has no process {process_id}.")


class TooManyFollowing(MusterError):
    """As many callers follow tasks as may do so at once; try again, or ask for the task now and then."""


class TooManyWaiting(MusterError):
    """As many calls wait for hosts as may do so at once; try again."""
