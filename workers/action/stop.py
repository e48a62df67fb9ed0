"""Stop all agent processes: by the control program, then whatever is left, and see that none is."""

from workers.action.action import ActionRequest, ActionResult, Completion, build_script, read_found

STOPPING = """\
look "$specs" kin
show_processes
family=$kin
stop_agent
stopped=$code
failed_answer=$answer
clock; until_time=$((up + grace * 100))
while :; do
  look "$specs"
  [ -n "$processes" ] || break
  clock; [ "$stopped" -eq 0 ] && [ "$up" -lt "$until_time" ] || break
  sleep 0.1
done
if [ -n "$processes" ]; then
  [ "$stopped" -eq 0 ] || say "the stop $(why); what is left is ended by signals"
  show_processes
  end_leftovers "$specs"
  # A guard that was alive at the last look may have started one more.
  end_leftovers "$specs"
  look "$specs"
fi
answer=$failed_answer
[ -z "$processes" ] || fail "processes that can't be ended: pids $pids"
say "no process of the agent is left"
# What else it started may be what must outlive it, a database say: the profile decides what belongs to the agent.
living_kin() { left=''; for one in $family; do ! alive "$one" || left="$left$one "; done; }
living_kin
# Most end with their parent, or soon after.
[ -z "$left" ] || { sleep 1; living_kin; }
if [ -n "$left" ]; then
  say "started by the agent, but not in its profile, so left alone:"
  for one in $left; do words=$(tr '\\0' ' ' <"/proc/$one/cmdline"); say "  $one ${words% }"; done
fi
answer=''
"""
BODY = f"{STOPPING}end ok ''\n"


class Stop:
    """The guard goes first: it would start the others again."""

    def build(self, request: ActionRequest) -> str:
        """Return the script."""
        return build_script(request, BODY)

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return what had to be ended by signals as fact `killed`."""
        found = read_found(done)
        return ActionResult(True, facts={"killed": found.killed}) if found.ok else found.failure()
