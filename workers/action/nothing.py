"""The undo of a step that has left nothing behind."""

from dataclasses import dataclass

from workers.action.action import ActionRequest, ActionResult, Completion


@dataclass(frozen=True)
class NothingToUndo:
    """Succeeds without the host, which may be out of reach; `why` is its log."""

    why: str

    def build(self, request: ActionRequest) -> str:
        """Return no script."""
        return ""

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return success."""
        return ActionResult(True, f"Nothing to undo: {self.why}.")
