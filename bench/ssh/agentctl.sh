#!/bin/sh
# The control program of a light agent: real processes, started and ended at once, so that what is measured is the tool
# that asks for it. Answers like ocp_agentctl.
home=${0%/bin/*}
agent='ocp_agentd ocp_mgragent ocp_monagent'

answer() { printf '{"successful":true,"message":%s,"error":""}\n' "$1"; }

fail() { printf '{"successful":false,"message":null,"error":"%s"}\n' "$1" >&2; exit 255; }

# is_alive NAME: sets `pid`, too. An ended process that nobody has collected yet is none.
is_alive() {
  { read -r pid <"$home/run/$1.pid" && read -r _ _ state _ <"/proc/$pid/stat"; } 2>/dev/null && [ "$state" != Z ]
}

start() {
  # Ansible's `raw` comes on a terminal, whose end must not be the agent's.
  trap '' HUP
  for name; do
    is_alive "$name" && continue
    "$home/bin/$name" infinity </dev/null >/dev/null 2>&1 &
    printf '%s\n' $! >"$home/run/$name.pid"
  done
}

stop() {
  for name; do is_alive "$name" && kill "$pid"; done
  for name; do while is_alive "$name"; do sleep 0.01; done; done
}

case "$1 ${2-}" in
  'start ') start $agent ;;
  'stop ') stop $agent ;;
  'service start') start "$3" ;;
  'service stop') stop "$3" ;;
  'status ')
    for name in $agent; do is_alive "$name" || fail "$name does not run"; done
    answer '{"state":"running","ready":true,"version":"4.3.1"}'
    exit ;;
  *) fail "no such command" ;;
esac
answer '"ok"'
