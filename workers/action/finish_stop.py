"""Finish of a stop: look once more that nothing runs, and store the host's agent as STOPPED."""

from dag.host import Agent, AgentStatus
from workers.action.action import ActionRequest, ActionResult, Completion, build_script, read_found

BODY = """\
look "$specs
$proxy_spec"
show_processes
[ -z "$processes" ] || fail "there still run pids $pids"
# What a supervisor starts again at once is no stopped agent.
sleep "$settle"
look "$specs
$proxy_spec"
[ -z "$processes" ] || { show_processes; fail "after $settle s there run again pids $pids"; }
say "still none after $settle s"
end ok ''
"""


class FinishStop:
    """The last step on a host; its success frees the host."""

    def build(self, request: ActionRequest) -> str:
        """Return the script; it changes nothing on the host."""
        return build_script(request, BODY)

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return the agent as STOPPED, with the version that Prepare saw."""
        found = read_found(done)
        if not found.ok:
            return found.failure()
        return ActionResult(True, agent=Agent(AgentStatus.STOPPED, str(request.facts.get("version", ""))))
