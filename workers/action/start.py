"""Start all agent processes, and see one of each, none from before, alive after a settle time."""

from workers.action.action import ActionRequest, ActionResult, Completion, build_script, read_found
from workers.action.prepare import pids_before

STARTING = """\
# What a process has just forked looks like that process until it becomes its program: a moment later it does not.
look_again() { look "$specs"; [ -z "$wrong" ] && [ "$pids" = "$first" ] || { sleep 0.2; look "$specs"; }; }
start_agent
[ "$code" -ne 124 ] || say "a start command must leave the agent in the background and end"
[ "$code" -eq 0 ] || { look "$specs"; fail "the start $(why)"; }
clock; until_time=$((up + start_seconds * 100)) told=''
while :; do
  look "$specs"
  [ -n "$wrong" ] || break
  # One too many will not go away by waiting; one that lacks may be on its way.
  clock; [ "$up" -lt "$until_time" ] || break
  case $wrong in *"no process"*) ;; *) [ "$up" -lt $((until_time - start_seconds * 100 + 300)) ] || break ;; esac
  # Said once, and only where it lasts.
  [ -n "$told" ] || [ "$up" -lt $((until_time - start_seconds * 100 + 100)) ] || { say "waiting: $wrong"; told=yes; }
  sleep 0.1
done
show_processes
[ -z "$wrong" ] || fail "not one process of each: $wrong"
answer=''
for one in $pids; do
  case " $before " in *" $one "*) fail "pid $one is from before the restart" ;; esac
done
first=$pids
[ "$settle" -eq 0 ] || { sleep "$settle"; look_again; }
[ -z "$wrong" ] || { show_processes; fail "after $settle s not one process of each any more: $wrong"; }
[ "$pids" = "$first" ] || { show_processes; fail "not the same after $settle s: pids $first became $pids"; }
say "alive after $settle s"
"""
BODY = f"{STARTING}end ok ''\n"


class Start:
    """The agent runs anew."""

    def build(self, request: ActionRequest) -> str:
        """Return the script."""
        return build_script(request, BODY, before=pids_before(request))

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return the new pids as fact `after`."""
        found = read_found(done)
        return ActionResult(True, facts={"after": found.pids}) if found.ok else found.failure()
