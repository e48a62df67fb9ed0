"""Stop one process of the agent by its own command, and see that none of that name is left."""

from dataclasses import replace

from workers.action.action import ActionRequest, ActionResult, Completion, build_script, read_found, slug
from workers.action.stop import BODY


def build_alone(request: ActionRequest, body: str) -> str:
    """Return a script for which the process of the task's parameter `process` is the whole agent.

    Raises:
        ProfileError: the profile has no such process, or does not say how to control it alone.
    """
    profile = request.profile.alone(request.parameters.get("process", ""))
    # The fence is the whole agent's all the same.
    return build_script(replace(request, profile=profile), body, slug=slug(request.host, request.profile), before="")


class StopProcess:
    """The rest of the agent goes on."""

    def build(self, request: ActionRequest) -> str:
        """Return the script; ProfileError where the process can't be stopped alone."""
        return build_alone(request, BODY)

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return what had to be ended by signals as fact `killed`."""
        found = read_found(done)
        return ActionResult(True, facts={"killed": found.killed}) if found.ok else found.failure()
