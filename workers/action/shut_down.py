"""Shut down: the agent's processes and the proxy beside them, where there is one; nothing of either is left."""

from workers.action.action import ActionRequest, ActionResult, Completion, build_script, read_found
from workers.action.stop import STOPPING

# After the agent: a guard that lives might start it again.
BODY = f"""\
{STOPPING}
look "$proxy_spec"
if [ -n "$processes" ]; then
  show_processes
  stop_proxy
  end_leftovers "$proxy_spec"
  look "$proxy_spec"
  [ -z "$processes" ] || fail "the proxy can't be stopped: pids $pids"
  say "no process of the proxy is left"
  answer=''
fi
end ok ''
"""


class ShutDown:
    """Unlike the restart's stop it takes the proxy with it: nobody is about to start it."""

    def build(self, request: ActionRequest) -> str:
        """Return the script."""
        return build_script(request, BODY)

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return what had to be ended by signals as fact `killed`."""
        found = read_found(done)
        return ActionResult(True, facts={"killed": found.killed}) if found.ok else found.failure()
