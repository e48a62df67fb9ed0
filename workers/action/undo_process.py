"""Undo the stop, or a restart that failed half-way, of one process: it runs, exactly once."""

from workers.action.action import ActionRequest, ActionResult, Completion
from workers.action.start import Start
from workers.action.stop_process import build_alone
from workers.action.undo_stop import RUNNING


class UndoProcess:
    """Nobody looked before, and a process that did not run is no process whose stop fails: so it ran."""

    def build(self, request: ActionRequest) -> str:
        """Return the script; ProfileError where the process can't be started alone."""
        return build_alone(request, f"{RUNNING}end ok ''\n")

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return the pid as fact `after`."""
        return Start().read(done, request)
