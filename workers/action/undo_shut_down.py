"""Undo Shut down: the agent runs again where it ran before, and so does the proxy beside it."""

from workers.action.action import ActionRequest, ActionResult, Completion, build_script
from workers.action.prepare import ran_before
from workers.action.start import Start
from workers.action.undo_stop import RUNNING

# The agent's own start may have started it.
PROXY = """\
look "$proxy_spec"
if [ -z "$processes" ]; then
  start_proxy
  [ "$code" -eq 0 ] || fail "the start of the proxy $(why)"
  clock; until_time=$((up + start_seconds * 100))
  while :; do
    look "$proxy_spec"
    [ -z "$processes" ] || break
    clock; [ "$up" -lt "$until_time" ] || fail "the proxy did not come up"
    sleep 0.2
  done
fi
sleep "$settle"
look "$proxy_spec"
show_processes
[ -n "$processes" ] || fail "the proxy ended within $settle s"
look "$specs"
"""


class UndoShutDown:
    """Goes by what Prepare found."""

    def build(self, request: ActionRequest) -> str:
        """Return the script, or none."""
        parts = [RUNNING] if ran_before(request) else []
        parts += [PROXY] if _had_proxy(request) else []
        return build_script(request, "".join([*parts, "end ok ''\n"]), before="") if parts else ""

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return the pids as fact `after`."""
        if not ran_before(request) and not _had_proxy(request):
            return ActionResult(True, "Nothing to undo: neither agent nor proxy ran before.")
        return Start().read(done, request)


def _had_proxy(request: ActionRequest) -> bool:
    proxy = request.profile.proxy
    return proxy is not None and proxy.process.name in request.facts.get("before", {})
