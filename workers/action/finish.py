"""Finish: look at the whole once more, and store what is seen as the host's agent."""

from dataclasses import replace

from dag.host import AgentStatus
from workers.action.action import ActionRequest, ActionResult, Completion, build_script, read_found, version_of

BODY = """\
see_system
version_agent
version=$answer
status_agent
look "$specs
$proxy_spec"
# What a process has just forked looks like that process until it becomes its program.
[ -z "$wrong" ] || { sleep 0.2; look "$specs
$proxy_spec"; }
show_processes
[ -z "$wrong" ] || { answer=''; fail "not one process of each: $wrong"; }
[ "$code" -eq 0 ] || fail "the agent's status $(why)"
end ok ''
"""


class Finish:
    """The last step on a host; its success frees the host."""

    def build(self, request: ActionRequest) -> str:
        """Return the script; it changes nothing on the host."""
        return build_script(request, BODY)

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return the agent as STARTED, with version, pids and start times."""
        found = read_found(done)
        if not found.ok:
            return found.failure()
        agent = replace(found.agent(AgentStatus.STARTED), version=version_of(found))
        return ActionResult(True, facts={"version": agent.version}, agent=agent)
