# What all scripts share on a host: looking at processes, running commands, time limit, one line of result (fence.sh: the rest).
# Needs a POSIX shell, ps (procps), awk, flock (util-linux) and timeout (coreutils).
# Set before: token, action, limit (s), silence (s, 0: none), slug, specs, proxy_spec (lines: name TAB path TAB pattern TAB
# pid file TAB 1 for the guard), answers, grace, settle.
# The agent must not inherit the locale in which this script reads what tools print.
if [ -n "${LC_ALL+set}" ]; then restore="env LC_ALL=$LC_ALL"; else restore='env -u LC_ALL'; fi
export LC_ALL=C
exec 7<&0 </dev/null 2>&1

say() { printf '%s\n' "$*"; }

# One JSON string; what can't stand in one is dropped.
quote() {
  # sed and not awk's gsub, whose versions disagree on backslashes in what is put in.
  printf '%s' "$1" | tr -d '\000-\010\013-\037' | head -c 65536 | sed 's/\\/\\\\/g; s/"/\\"/g; s/\t/\\t/g' |
    awk 'BEGIN { printf "\"" } { printf "%s%s", (NR > 1 ? "\\n" : ""), $0 } END { printf "\"" }'
}

# result OUTCOME REASON: the last line of the output; `killed`, `proxy`, `answer` and `version` as they stand.
result() {
  printf '\nMUSTER-RESULT {"outcome":"%s","reason":%s,"answer":%s,"version":%s,"proxy":"%s","killed":[%s],"processes":[%s]}\n' \
    "$1" "$(quote "$2")" "$(quote "$answer")" "$(quote "$version")" "$proxy" "$killed" "$(list_processes)"
}

# The host's own record of what Muster did here, for people and for proof: "begin TOKEN ACTION UPTIME" once this script has
# the lock, "end TOKEN OUTCOME UPTIME" as its last act under it (uptime in hundredths of a second).
journal() { clock; printf '%s\n' "$* $up" >>"$base.journal"; }

# end OUTCOME REASON
end() {
  # The record first: once the result is out, the worker may close the channel, and a script that writes to it then ends.
  [ -z "$locked" ] || journal end "$token" "$1"
  result "$1" "$2"
  [ -z "$watch" ] || kill -KILL "$watch" 2>/dev/null
  rm -rf "$tmp"
  exit 0
}

fail() { say "FAILED: $1"; end failed "$1"; }

# Hundredths of a second since the host started.
clock() { read -r up rest </proc/uptime; up="${up%.*}${up#*.}"; }

# --- processes ---

# One line a process of the agent: name, pid, start (s since the epoch), 1 for the guard, arguments. Ended processes that
# nobody has collected yet, and whatever this script has started itself, are none.
look() {
  processes=$(
    ps -ewwo pid=,ppid=,stat=,etimes=,args= | MUSTER_SPECS="$1" MUSTER_NOW="$(date +%s)" MUSTER_SELF=$$ awk '
      BEGIN {
        count = split(ENVIRON["MUSTER_SPECS"], lines, "\n")
        for (i = 1; i <= count; i++) {
          split(lines[i], part, "\t")
          name[i] = part[1]; path[i] = part[2]; pattern[i] = part[3]; guard[i] = part[5]
          if (part[4] != "" && (getline pid < part[4]) > 0) { gsub(/[^0-9]/, "", pid); file[i] = pid }
        }
      }
      { parent[$1] = $2; state[$1] = $3; age[$1] = $4
        args = $0; sub(/^ *[0-9]+ +[0-9]+ +[^ ]+ +[0-9]+ /, "", args); all[$1] = args }
      function ours(pid) {
        while (pid > 1 && pid in parent) { if (pid == ENVIRON["MUSTER_SELF"]) return 1; pid = parent[pid] }
        return 0
      }
      # The program, or the script that an interpreter runs: the first word after it that is no option.
      function runs(args, path,    word, n, i) {
        if (args == path || index(args, path " ") == 1) return 1
        n = split(args, word, " ")
        if (word[1] !~ /(^|\/)(sh|bash|dash|ksh|env|perl|ruby|node|java|python[0-9.]*|pypy[0-9.]*)$/) return 0
        for (i = 2; i <= n && word[i] ~ /^-/; i++) ;
        sub(/^[^ ]+ +(-[^ ]* +)*/, "", args)
        return i <= n && (args == path || index(args, path " ") == 1)
      }
      function matches(pid, i) {
        if (path[i] != "" && runs(all[pid], path[i])) return 1
        if (pattern[i] != "" && all[pid] ~ pattern[i]) return 1
        return file[i] == pid && index(all[pid], name[i]) > 0
      }
      END {
        for (i = 1; i <= count; i++) for (pid in parent)
          if (state[pid] !~ /^Z/ && matches(pid, i) && !ours(pid))
            print name[i], pid, ENVIRON["MUSTER_NOW"] - age[pid], guard[i] + 0, all[pid]
      }' | sort -k1,1 -k2,2n
  )
}

# The pids that `look` found, of one name where one is given.
pids() { printf '%s\n' "$processes" | awk -v name="$1" '$2 && (name == "" || $1 == name) { printf "%s%s", sep, $2; sep = " " }'; }

list_processes() {
  printf '%s\n' "$processes" | awk '$2 { printf "%s{\"name\":\"%s\",\"pid\":%s,\"start\":%s}", sep, $1, $2, $3; sep = "," }'
}

show_processes() {
  if [ -z "$processes" ]; then say "no process of the agent runs"; return; fi
  printf '%s\n' "$processes" | awk '{ line = "  " $1 " pid " $2 ":"; for (i = 5; i <= NF; i++) line = line " " $i; print line }'
}

# What keeps it from being one process of each name; '' when it is so.
unlike_one_each() {
  printf '%s\n' "$specs" | MUSTER_FOUND="$processes" awk -F '\t' '
    BEGIN { n = split(ENVIRON["MUSTER_FOUND"], line, "\n")
            for (i = 1; i <= n; i++) { split(line[i], part, " "); if (part[2]) { count[part[1]]++; pids[part[1]] = pids[part[1]] " " part[2] } } }
    count[$1] != 1 { printf "%s%s", sep, (count[$1] ? count[$1] " processes of " $1 " (pids" pids[$1] ")" : "no process " $1 " (" ($2 $3 == "" ? $4 : $2 $3) ")"); sep = ", " }'
}

alive() {
  for one in $1; do
    case "$(ps -o stat= -p "$one" 2>/dev/null)" in '' | Z*) ;; *) return 0 ;; esac
  done
  return 1
}

# signal NAME PIDS, then wait up to `grace` seconds until all of them are gone.
signal_and_wait() {
  kill -s "$1" $2 2>/dev/null
  clock; until_time=$((up + grace * 100))
  while alive "$2"; do
    clock; [ "$up" -lt "$until_time" ] || return 1
    sleep 0.1
  done
}

# end_leftovers SPECS: end what is left of these processes, the guards first: TERM, then KILL. Reports each.
end_leftovers() {
  for kind in 1 0; do
    look "$1"
    left=$(printf '%s\n' "$processes" | awk -v kind="$kind" '$2 && $4 == kind { printf "%s ", $2 }')
    [ -n "$left" ] || continue
    say "left over: sending TERM to pids $left"
    with=TERM
    if ! signal_and_wait TERM "$left"; then
      say "still there after $grace s: sending KILL to pids $left"
      with=KILL
      signal_and_wait KILL "$left"
    fi
    for one in $left; do killed="${killed:+$killed,}{\"pid\":$one,\"signal\":\"$with\"}"; done
  done
}

# --- commands ---

# text_of FILE: of more than 64 KiB the first and the last 32, and how much is missing between.
text_of() {
  size=$(wc -c <"$1")
  if [ "$size" -le 65536 ]; then cat "$1"; return; fi
  head -c 32768 "$1"
  printf '\n[... %s bytes left out ...]\n' $((size - 65536))
  tail -c 32768 "$1"
}

# run SECONDS COMMAND...: sets `code` (124: it did not end in time and was killed) and `answer`, and logs all of it.
run() {
  seconds=$1; shift
  # The watch ends everything just now, and what starts after its look at the processes would live on.
  [ ! -e "$tmp/over" ] || sleep 10
  say "\$ $*"
  clock; began=$up
  $restore timeout -k 2 "$seconds" "$@" </dev/null >"$tmp/out" 2>"$tmp/err" 7<&- 9>&-
  code=$?
  clock; took=$((up - began))
  answer=$(text_of "$tmp/out"; text_of "$tmp/err")
  [ -z "$answer" ] || say "$answer"
  [ "$code" -ne 137 ] || code=124
  if [ "$answers" = json ] && [ "$code" -eq 0 ] && printf '%s' "$answer" | grep -Eq '"successful" *: *false'; then code=255; fi
  if [ "$code" -eq 124 ]; then say "did not end within $seconds s: killed"; fi
  say "exit $code after $((took / 100)).$(printf %02d $((took % 100))) s"
}

why() { if [ "$code" -eq 124 ]; then printf 'did not end within %s s' "$seconds"; else printf 'ended with exit code %s' "$code"; fi; }

# --- time limit, connection and fence ---

# below ROOTS EXCEPT: the living processes of these and below them, but those of and below EXCEPT.
below() {
  ps -eo pid=,ppid=,stat= | awk -v roots="$1" -v except="$2" '
    BEGIN { n = split(roots, root, " "); for (i = 1; i <= n; i++) is_root[root[i]] = 1 }
    { parent[$1] = $2; state[$1] = $3 }
    END { for (pid in parent) { under = 0
            for (p = pid; p > 1 && p in parent; p = parent[p]) { if (p == except) { under = 0; break } if (p in is_root) under = 1 }
            if (under && state[pid] !~ /^Z/) printf "%s ", pid } }'
}

# end_everything WATCH: ends this script and all that it has started: TERM, after two seconds KILL. What daemons have become
# lives on. The watch has the lock, too, so nobody else works here until nothing of this run can.
end_everything() {
  : >"$tmp/over"
  ended=$(below $$ "$1")
  kill -s KILL $$
  for _ in 1 2 3; do
    ended=$(below "$ended" "$1")
    [ -n "$ended" ] || return
    kill -s TERM $ended 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do alive "$ended" || break; sleep 0.2; done
    kill -s KILL $ended 2>/dev/null
  done
}

# Notes when the worker was last heard of: it writes a line a second for as long as it wants this script to run.
hear() {
  while read -r _; do clock; printf '%s\n' "$up" >"$tmp/heard"; done
  : >"$tmp/end"
}

# Whether the worker has been silent for too long: it is stopped or lost, or the network between is.
is_silent() {
  [ "$silence" -gt 0 ] || return 1
  read -r heard rest <"$tmp/heard" || return 1
  [ $((up - heard)) -ge $((silence * 100)) ]
} 2>/dev/null

# Ends everything when the time is over, the worker is not there any more, or a newer run is at work.
watch_over() {
  read -r self rest </proc/self/stat
  until [ -n "$outcome" ]; do
    # Without output and lock: once this watch is ended, a sleep must keep neither the channel nor the lock.
    sleep 0.5 >/dev/null 2>&1 9>&-
    clock
    newest=$(cat "$base.token" 2>/dev/null)
    if [ "$up" -ge "$deadline" ]; then outcome=failed reason="passed its time limit of $limit s; what ran was killed"
    elif [ -e "$tmp/end" ]; then outcome=failed reason="the connection was lost; what ran was killed"
    elif is_silent; then outcome=failed reason="the worker was silent for $silence s; what ran was killed"
    elif [ "${newest:-0}" -gt "$token" ]; then outcome=fenced reason="a newer run has taken over"; fi
  done
  end_everything "$self"
  case "$(tail -n 1 "$base.journal" 2>/dev/null)" in "begin $token "*) journal end "$token" "$outcome" ;; esac
  say "$reason"
  answer='' version='' proxy='' killed='' processes=''
  result "$outcome" "$reason"
  rm -rf "$tmp"
}

# An environment must not fill these in.
answer='' version='' proxy='' killed='' processes='' watch='' outcome='' locked='' tmp='' base=''
