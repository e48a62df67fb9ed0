"""`muster worker` with actions that do nothing: what is left is the engine, and that is measured."""

from dataclasses import dataclass

from cli.log import configure_logging
from cli.process.worker import run_worker
from config.load import load
from workers.action.action import ActionRequest, ActionResult, Completion
from workers.action.registry import ACTIONS


@dataclass(frozen=True)
class Nothing:
    """Succeeds without the host."""

    def build(self, request: ActionRequest) -> str:
        """Return no script."""
        return ""

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return success."""
        return ActionResult(True, "Nothing to do.")


if __name__ == "__main__":
    settings = load().settings
    configure_logging(settings.log)
    run_worker(settings, dict.fromkeys(ACTIONS, Nothing()))
