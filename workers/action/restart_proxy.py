"""Restart pos proxy: stop it and start it, and see its new process or its port; nothing to do is a success."""

from workers.action.action import ActionRequest, ActionResult, Completion, build_script, read_found

BODY = """\
look "$proxy_spec"
if [ ! -e "$proxy_path" ] && [ -z "$processes" ]; then
  say "this agent has no $proxy_name ($proxy_path is missing): nothing to restart"
  proxy=absent
  end ok ''
fi
show_processes
old=" $pids "
stop_proxy
# All that there were have just been seen; only where one lives on, there is more to do.
processes=''
if alive "$old"; then end_leftovers "$proxy_spec"; look "$proxy_spec"; fi
[ -z "$processes" ] || fail "$proxy_name can't be stopped: pids $pids"
start_proxy
kept=later
[ "$code" -eq 0 ] || fail "the start of $proxy_name $(why)"

# Whether something listens on the port (state 0A of /proc/net/tcp is LISTEN).
listens() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port=":$port_hex" '
    $4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
    END { exit !found }'
}

clock; until_time=$((up + 500))
while :; do
  look "$proxy_spec"
  [ -n "$pids" ] && { [ "$port" -eq 0 ] || listens; } && break
  clock; [ "$up" -lt "$until_time" ] || break
  sleep 0.1
done
[ "$settle" -eq 0 ] || { sleep "$settle"; look "$proxy_spec"; }
show_processes
if [ "$port" -ne 0 ]; then if listens; then say "port $port is open"; else say "port $port is not open"; fi; fi
for one in $pids; do
  case $old in *" $one "*) ;; *) proxy=restarted; end ok '' ;; esac
done
if [ -z "$processes" ] && [ "$port" -ne 0 ] && listens; then proxy=restarted; end ok ''; fi
fail "$proxy_name did not come up: no new process, and port $port is not open"
"""

ABSENT = """\
say "the profile has no proxy: nothing to restart"
proxy=absent
end ok ''
"""


class RestartProxy:
    """The step before the agent itself is stopped."""

    def build(self, request: ActionRequest) -> str:
        """Return the script; without a proxy in the profile it only says so."""
        proxy = request.profile.proxy
        if proxy is None:
            return build_script(request, ABSENT)
        return build_script(
            request,
            BODY,
            proxy_name=proxy.process.name,
            proxy_path=proxy.process.path,
            port=proxy.port,
            port_hex=f"{int(proxy.port):04X}",
        )

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return the proxy's new pids as fact `proxy`."""
        found = read_found(done)
        return ActionResult(True, facts={"proxy": found.pids}) if found.ok else found.failure()
