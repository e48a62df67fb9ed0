"""Undo Stop: an agent that ran before runs again, one process of each; one that did not is left stopped."""

from workers.action.action import ActionRequest, ActionResult, Completion, build_script
from workers.action.prepare import ran_before
from workers.action.start import STARTING, Start
from workers.action.stop import STOPPING

# A start that failed half-way may have left a part of the agent: it is started anew as a whole.
RUNNING = f"""\
look "$specs"
show_processes
if [ -z "$wrong" ]; then
  say "it runs: nothing to start"
else
  if [ -n "$processes" ]; then
    say "not one process of each: $wrong; what runs is stopped first"
{STOPPING}fi
{STARTING}fi
"""


class UndoStop:
    """Goes by what Prepare found; proves its effect as Start does."""

    def build(self, request: ActionRequest) -> str:
        """Return the script, or none."""
        return build_script(request, f"{RUNNING}end ok ''\n", before="") if ran_before(request) else ""

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return the pids as fact `after`."""
        if not ran_before(request):
            return ActionResult(True, "Nothing to undo: the agent did not run before, so it is left stopped.")
        return Start().read(done, request)
