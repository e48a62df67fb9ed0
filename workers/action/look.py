"""Look at what runs of the agent on a host now. It is no step: it raises no token, takes no lock and writes no file.

So it neither disturbs a step that is at work there nor waits for one. It ends by itself: each of its commands is short.
"""

import time
from collections.abc import Sequence

from dag.inquiry import Look, SeenProcess
from workers.action.action import Completion, Found, compose, read_found, version_of
from workers.mask import masked
from workers.profile.profile import Profile

LONGEST_COMMAND = 4096

BODY = """\
# In place of the prelude's, which keeps what commands print in files.
run() {
  shift
  answer=$(become timeout -k 1 "$look_seconds" "$@" </dev/null 2>&1)
  code=$?
}

# "inode port" of every TCP socket that listens (state 0A in /proc/net/tcp, the port in hexadecimal).
listening=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
  awk '$4 == "0A" { n = split($2, part, ":"); print $10, part[n] }')

# ports PID: those on which the process listens, as far as this user may see its sockets.
ports() {
  for hex in $(ls -l "/proc/$1/fd" 2>/dev/null | MUSTER_LISTENING="$listening" awk '
    BEGIN { n = split(ENVIRON["MUSTER_LISTENING"], line, "\\n")
            for (i = 1; i <= n; i++) { split(line[i], part, " "); port[part[1]] = part[2] } }
    match($0, /socket:\\[[0-9]+\\]/) {
      inode = substr($0, RSTART + 8, RLENGTH - 9)
      if (inode in port) print port[inode]
    }
  ' | sort -u); do
    printf '%s%s' "$comma" $((0x$hex))
    comma=,
  done
}

list_more() {
  printf '%s\\n' "$processes" | while read -r name _ pid _ age _ args; do
    [ -n "$pid" ] || continue
    pid=${pid%,} comma=''
    quote "$args"
    printf '%s{"name":"%s","pid":%s,"age":%s,"user":"%s","command":%s,"ports":[%s]}' \\
      "$sep" "$name" "$pid" "$age" "$(stat -c %U "/proc/$pid" 2>/dev/null)" "$quoted" "$(ports "$pid")"
    sep=,
  done
}

see_system
version_agent
version=$answer
status_agent
look "$specs
$proxy_spec"
sep=''
listed=$(list_more)
[ -z "$proxy_path" ] || [ -e "$proxy_path" ] || proxy=absent
result ok ''
exit 0
"""


def build_look(profile: Profile, *, seconds: float) -> str:
    """Return the script; none of its commands takes longer than half of `seconds`."""
    path = profile.proxy.process.path if profile.proxy else ""
    return compose(profile, BODY, look_seconds=str(max(1, int(seconds / 2) - 1)), proxy_path=path)


def read_look(done: Completion, profile: Profile) -> Look:
    """Return what the script saw: every process of the profile, those that do not run without a pid."""
    found = read_found(done)
    if not found.ok:
        return Look(reason=found.reason)
    processes = tuple(process for spec in profile.all_processes for process in _of(spec.name, bool(spec.start), found))
    if found.proxy == "absent" and profile.proxy:
        # A release without a proxy has no process of that name that could be stopped.
        absent = profile.proxy.process.name
        processes = tuple(process for process in processes if process.pid or process.name != absent)
    main = tuple(spec.name for spec in profile.processes)
    return Look(
        version=version_of(found),
        home=profile.variables.get("home", ""),
        processes=processes,
        main=main,
        operating_system=found.operating_system,
        architecture=found.architecture,
    )


def _of(name: str, operable: bool, found: Found) -> Sequence[SeenProcess]:
    seen = [
        SeenProcess(
            name,
            operable,
            pid=one["pid"],
            user=one["user"].strip(),
            command=masked(one["command"])[:LONGEST_COMMAND],
            ports=tuple(one["ports"]),
            started_at=int((time.time() - one["age"]) * 1000),
        )
        for one in found.processes
        if one["name"] == name
    ]
    return seen or [SeenProcess(name, operable)]
