"""Undo Prepare: the agent is marked RESTARTING no longer, but as it is seen now."""

from dataclasses import replace

from dag.host import AgentStatus
from workers.action.action import ActionRequest, ActionResult, Completion, build_script, read_found

BODY = """\
look "$specs
$proxy_spec"
show_processes
end ok ''
"""


class UndoPrepare:
    """The last step of a rollback on a host; its success frees the host."""

    def build(self, request: ActionRequest) -> str:
        """Return a script that looks; none where Prepare failed, and so marked nothing."""
        return build_script(request, BODY) if "before" in request.facts else ""

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return the agent: STARTED where a process of it runs, else STOPPED."""
        if "before" not in request.facts:
            return ActionResult(True, "Nothing to undo: the agent was not marked.")
        found = read_found(done)
        if not found.ok:
            return found.failure()
        runs = any(spec.name in found.pids for spec in request.profile.processes)
        status = AgentStatus.STARTED if runs else AgentStatus.STOPPED
        return ActionResult(True, agent=replace(found.agent(status), version=request.facts.get("version", "")))
