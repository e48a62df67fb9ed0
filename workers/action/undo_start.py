"""Undo Start: an agent that did not run before is stopped again; one that did is left running."""

from workers.action.action import ActionRequest, ActionResult, Completion
from workers.action.prepare import ran_before
from workers.action.stop import Stop


class UndoStart:
    """Goes by what Prepare found."""

    def build(self, request: ActionRequest) -> str:
        """Return the script of Stop, or none."""
        return "" if ran_before(request) else Stop().build(request)

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return what had to be ended by signals as fact `killed`."""
        if ran_before(request):
            return ActionResult(True, "Nothing to undo: the agent ran before, so it is left running.")
        return Stop().read(done, request)
