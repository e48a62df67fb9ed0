"""Prepare: the host answers and has the agent; record what runs, and mark the agent RESTARTING."""

from dataclasses import replace

from dag.host import AgentStatus
from workers.action.action import ActionRequest, ActionResult, Completion, build_script, read_found, version_of

BODY = """\
read -r name </proc/sys/kernel/hostname
read -r kernel </proc/sys/kernel/osrelease
see_system
say "on $name, Linux $kernel, as ${LOGNAME:-$(id -un)}"
case $program in
  /*) [ -x "$program" ] || fail "there is no agent: $program can't be run" ;;
  *) command -v "$program" >/dev/null || fail "there is no agent: no command $program" ;;
esac
present_agent
[ "$code" -eq 0 ] || fail "there is no agent: the check $(why)"
version_agent
version=$answer
look "$specs
$proxy_spec"
show_processes
status_agent
[ "$code" -eq 0 ] || say "the agent does not run as it should"
end ok ''
"""


class Prepare:
    """The first step on a host."""

    def build(self, request: ActionRequest) -> str:
        """Return the script; it changes nothing on the host."""
        return build_script(request, BODY, program=request.profile.start[0])

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return the pids and the version before the restart as facts `before` and `version`."""
        found = read_found(done)
        if not found.ok:
            return found.failure()
        agent = replace(found.agent(AgentStatus.RESTARTING), version=version_of(found))
        return ActionResult(True, facts={"before": found.pids, "version": agent.version}, agent=agent)


def ran_before(request: ActionRequest) -> bool:
    """Tell whether Prepare saw the agent run. Where nobody looked (Prepare was skipped), it is taken to have run."""
    before = request.facts.get("before")
    return before is None or any(spec.name in before for spec in request.profile.processes)


def pids_before(request: ActionRequest) -> str:
    """Return all pids that Prepare saw, blank-separated, for a script."""
    return " ".join(str(pid) for pids in request.facts.get("before", {}).values() for pid in pids)
