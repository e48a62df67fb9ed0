"""Restart one process of the agent by its own commands, and see exactly one, new, alive after a settle time."""

from workers.action.action import ActionRequest, ActionResult, Completion, read_found
from workers.action.start import STARTING
from workers.action.stop import STOPPING
from workers.action.stop_process import build_alone

BODY = f"""\
look "$specs"
before=$pids
{STOPPING}{STARTING}end ok ''
"""


class RestartProcess:
    """The rest of the agent goes on."""

    def build(self, request: ActionRequest) -> str:
        """Return the script; ProfileError where the process can't be restarted alone."""
        return build_alone(request, BODY)

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return the new pid as fact `after`."""
        found = read_found(done)
        return ActionResult(True, facts={"after": found.pids}) if found.ok else found.failure()
