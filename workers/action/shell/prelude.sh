# What all scripts share on a host: looking at processes, running commands, time limit, one line of result (news.sh, fence.sh: the rest).
# Needs a POSIX shell, awk (gawk or mawk), flock (util-linux) and timeout (coreutils).
# A shell is told these functions once; each script is a subshell of it that calls `begin`, and `fence` where it may do more than look.
# Set by the script: token, action, limit (s), silence (s, 0: none), slug, specs, proxy_spec (lines: name TAB path TAB pattern TAB
# pid file TAB 1 for the guard), answers, grace, settle.
# Hundreds of hosts may be asked at once, and some are small: what the shell can do itself starts no process.
nl='
'

# The beginning of each script.
begin() {
  # The agent must not inherit the locale in which this script reads what tools print.
  locale=${LC_ALL-} had_locale=${LC_ALL+yes}
  export LC_ALL=C
  exec 7<&0 </dev/null 2>&1
  # This process: $$ is the shell, which goes on once the script has ended.
  read -r me rest </proc/self/stat
  # An environment must not fill these in.
  answer='' version='' system='' machine='' proxy='' killed='' processes='' listed='' watch='' hearing='' outcome='' locked='' base='' unwritten='' starts='' kept=''
}

say() { printf '%s\n' "$*"; }

# quote TEXT: sets `quoted` to it as one JSON string; what can't stand in one is dropped.
quote() {
  rest=$1 quoted=''
  [ ${#rest} -le 4096 ] || { quote_long "$1"; return; }
  while :; do
    case $rest in *[\\\"[:cntrl:]]*) ;; *) break ;; esac
    quoted=$quoted${rest%%[\\\"[:cntrl:]]*}
    rest=${rest#"${rest%%[\\\"[:cntrl:]]*}"}
    case $rest in [\\\"]*) quoted="$quoted\\${rest%"${rest#?}"}" ;; "$nl"*) quoted="$quoted\\n" ;; '	'*) quoted="$quoted\\t" ;; esac
    rest=${rest#?}
  done
  quoted="\"$quoted$rest\""
}

quote_long() {
  # sed and not awk's gsub, whose versions disagree on backslashes in what is put in.
  quoted=$(printf '%s' "$1" | tr -d '\000-\010\013-\037' | head -c 65536 | sed 's/\\/\\\\/g; s/"/\\"/g; s/\t/\\t/g' |
    awk 'BEGIN { printf "\"" } { printf "%s%s", (NR > 1 ? "\\n" : ""), $0 } END { printf "\"" }')
}

# result OUTCOME REASON: the last line of the output; `killed`, `proxy`, `answer`, `version`, `listed`, `system` and `machine` as they stand.
result() {
  quote "$2"; reason=$quoted
  quote "$answer"; answer=$quoted
  quote "$system"; system=$quoted
  quote "$machine"; machine=$quoted
  quote "$version"
  printf '\nMUSTER-RESULT {"outcome":"%s","reason":%s,"answer":%s,"version":%s,"proxy":"%s","killed":[%s],"processes":[%s],"system":%s,"machine":%s}\n' \
    "$1" "$reason" "$answer" "$quoted" "$proxy" "$killed" "$listed" "$system" "$machine"
}

# Sets `system` and `machine`: the host's operating system by os-release(5), its architecture as uname(1) has it.
see_system() {
  while IFS='=' read -r key value; do
    [ "$key" != PRETTY_NAME ] || { system=${value#[\"\']}; system=${system%[\"\']}; }
  done 2>/dev/null </etc/os-release
  { read -r machine </proc/sys/kernel/arch; } 2>/dev/null || machine=$(uname -m)
}

# The host's own record of what Muster did here, for people and for proof: "begin TOKEN ACTION UPTIME" once this script has
# the lock, "end TOKEN OUTCOME UPTIME" as its last act under it (uptime in hundredths of a second).
journal() { clock; printf '%s\n' "$* $up" >>"$base.journal"; }

# end OUTCOME REASON
end() {
  # The record first: once the result is out, the worker may close the channel, and a script that writes to it then ends.
  [ -z "$locked" ] || journal end "$token" "$1"
  result "$1" "$2"
  if [ -n "$watch" ]; then
    kill -KILL "$watch" "$hearing"
    # What hears the worker must not take what it sends next.
    wait "$watch" "$hearing"
  fi 2>/dev/null
  forget
  exit 0
}

fail() { say "FAILED: $1"; end failed "$1"; }

# What commands printed is not kept; `kept`: there are files of a start, which are `later` removed by the next step that starts something.
forget() {
  [ -z "$locked" ] || { printf '' >"$base.out"; printf '' >"$base.err"; } 2>/dev/null
  case $kept in
    yes) rm -f "$base".out-* "$base".err-* ;;
    later) { printf '' >"$base.out-$token"; printf '' >"$base.err-$token"; } 2>/dev/null ;;
  esac
}

# Hundredths of a second since the host started.
clock() { read -r up rest </proc/uptime; up="${up%.*}${up#*.}"; }

# --- processes ---

# Read from /proc, whose files end their words with NUL: one awk costs a fifth of ps and what would have to follow it.
proc='
  BEGIN { RS = "\0" }
  # Sets `state`, `parent` and `started` (hundredths of a second after the host) of a process; 0: it is gone.
  function stat(pid,    file, text, part, found) {
    file = "/proc/" pid "/stat"
    found = (getline text < file) > 0
    close(file)
    sub(/^.*\) /, "", text)
    split(text, part, " ")
    state = part[1]; parent = part[2]; started = part[20]
    return found
  }
  # The arguments, in one line with blanks between; of an ended process, or one of the kernel, "".
  function arguments(pid,    file, word, all) {
    file = "/proc/" pid "/cmdline"
    while ((getline word < file) > 0) all = all word " "
    close(file)
    sub(/ +$/, "", all)
    gsub(/[\001-\037]/, "?", all)
    return all
  }
  function pid_of(folder) { sub(/.*\//, "", folder); return folder }
  # The living processes of `roots` and below them, but those of and below `except`.
  function below(roots, except,    root, is_root, above, of, pids, pid, at, p, n, i, under) {
    n = split(roots, root, " ")
    for (i = 1; i <= n; i++) is_root[root[i]] = 1
    for (at = 1; at < ARGC; at++) { pid = pid_of(ARGV[at]); if (stat(pid)) { above[pid] = parent; of[pid] = state } }
    for (pid in above) {
      under = 0
      for (p = pid; p > 1 && p in above; p = above[p]) {
        if (p == except) { under = 0; break }
        if (p in is_root) under = 1
      }
      if (under && of[pid] !~ /^[ZX]/) pids = pids pid " "
    }
    return pids
  }
'
look='
  # The program, or the script that an interpreter runs: the first word after it that is no option.
  function runs(args, path,    word, n, i) {
    if (args == path || index(args, path " ") == 1) return 1
    n = split(args, word, " ")
    if (word[1] !~ /(^|\/)(sh|bash|dash|ksh|env|perl|ruby|node|java|python[0-9.]*|pypy[0-9.]*)$/) return 0
    for (i = 2; i <= n && word[i] ~ /^-/; i++) ;
    sub(/^[^ ]+ +(-[^ ]* +)*/, "", args)
    return i <= n && (args == path || index(args, path " ") == 1)
  }
  function matches(pid, args, i) {
    if (path[i] != "" && runs(args, path[i])) return 1
    if (pattern[i] != "" && args ~ pattern[i]) return 1
    return file[i] == pid && index(args, name[i]) > 0
  }
  function is_ours(pid) {
    while (pid > 1 && stat(pid)) { if (pid == ENVIRON["MUSTER_SELF"]) return 1; pid = parent }
    return 0
  }
  # Keeps what is found in the order of names, then pids.
  function keep(pid, args, i,    at) {
    for (at = ++found; at > 1 && (name[i] < name_at[at - 1] || (name[i] == name_at[at - 1] && pid < pid_at[at - 1])); at--) {
      name_at[at] = name_at[at - 1]; pid_at[at] = pid_at[at - 1]; row[at] = row[at - 1]; json[at] = json[at - 1]
    }
    stat(pid)
    age = int((ENVIRON["MUSTER_UP"] - started) / 100)
    if (age < 0) age = 0
    name_at[at] = name[i]; pid_at[at] = pid; row[at] = "  " name[i] " pid " pid ", since " age " s: " args
    json[at] = "{\"name\":\"" name[i] "\",\"pid\":" pid ",\"age\":" age "}"
    if (guard[i]) guards = guards pid " "; else others = others pid " "
    times[name[i]]++
  }
  # What keeps it from being one process of each of the agent.
  function wrong(    lines, part, n, i, at, text, pids) {
    n = split(ENVIRON["MUSTER_AGENT"], lines, "\n")
    for (i = 1; i <= n; i++) {
      split(lines[i], part, "\t")
      if (times[part[1]] == 1) continue
      pids = ""
      for (at = 1; at <= found; at++) if (name_at[at] == part[1]) pids = pids " " pid_at[at]
      text = text (text == "" ? "" : ", ") (pids != "" ? times[part[1]] " processes of " part[1] " (pids" pids ")" \
        : "no process " part[1] " (" (part[2] part[3] == "" ? part[4] : part[2] part[3]) ")")
    }
    return text
  }
  BEGIN {
    # An awk that does not take NUL for the end of a record would find nothing, and that must not pass for an answer.
    if ((getline args < "/proc/self/cmdline") <= 0 || (getline args < "/proc/self/cmdline") <= 0) exit 3
    count = split(ENVIRON["MUSTER_SPECS"], lines, "\n")
    for (i = 1; i <= count; i++) {
      split(lines[i], part, "\t")
      name[i] = part[1]; path[i] = part[2]; pattern[i] = part[3]; guard[i] = part[5] + 0
      if (part[4] != "" && (getline pid < part[4]) > 0) { sub(/\n.*/, "", pid); gsub(/[^0-9]/, "", pid); file[i] = pid }
    }
    for (at = 1; at < ARGC; at++) {
      pid = pid_of(ARGV[at]) + 0
      args = arguments(pid)
      for (i = 1; args != "" && i <= count; i++)
        if (matches(pid, args, i) && !is_ours(pid)) keep(pid, args, i)
    }
    for (at = 1; at <= found; at++) {
      pids = pids (at > 1 ? " " : "") pid_at[at]; listed = listed (at > 1 ? "," : "") json[at]; rows = rows row[at] "\n"
    }
    print pids; print guards; print others; print listed; print wrong()
    print ENVIRON["MUSTER_KIN"] && found ? below(pids, ENVIRON["MUSTER_SELF"]) : ""
    printf "%s", rows; print "seen"
  }
'

# look SPECS: sets, of the processes that run of them: `processes` (a line each: name, pid, seconds since its start,
# arguments, for people), `pids`, `guards` and `others` (their pids), `listed` (JSON), and `wrong`: what keeps it from being one process
# of each of the agent. Ended processes that nobody has collected yet, and whatever this script has started itself, are none.
# look SPECS kin: sets `kin`, too: their pids, and those of all that they have started.
look() {
  clock
  # mawk gives up, and says so, where a process ends in the moment in which it is read.
  for _ in 1 2 3 4 5; do
    processes=$(MUSTER_SPECS="$1" MUSTER_AGENT="$specs" MUSTER_KIN="${2-}" MUSTER_SELF=$$ MUSTER_UP="$up" awk "$proc$look" /proc/[0-9]* 2>/dev/null) && break
  done
  case $nl$processes in
    *"${nl}seen") processes=${processes%seen} ;;
    *) listed='' processes=''; fail "the processes can't be seen: awk must be gawk, or mawk 1.3.4 or later, and /proc readable" ;;
  esac
  cut_line; pids=$line; cut_line; guards=$line; cut_line; others=$line; cut_line; listed=$line; cut_line; wrong=$line; cut_line; kin=$line
  processes=${processes%"$nl"}
}

cut_line() { line=${processes%%"$nl"*} processes=${processes#*"$nl"}; }

show_processes() {
  say "${processes:-no process of the agent runs}"
}

# alive PIDS: whether one of them lives; one that has ended and that nobody has collected yet does not.
alive() {
  for one in $1; do
    { read -r stat <"/proc/$one/stat"; } 2>/dev/null || continue
    case ${stat##*) } in [ZX]*) ;; *) return 0 ;; esac
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
  for kind in guards others; do
    look "$1"
    left=$guards
    [ "$kind" = guards ] || left=$others
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

# text_of FILE DESCRIPTOR: sets `text` to what a command wrote; of more than 64 KiB the first and the last 32, and how much
# is missing between. How much it was is told by the place at which the descriptor stands.
text_of() {
  text='' size=''
  [ -s "$1" ] || return 0
  read -r _ size <"/proc/self/fdinfo/$2"
  if [ "${size:-9999}" -le 4096 ]; then
    while IFS= read -r line || [ -n "$line" ]; do text=$text${text:+$nl}$line; done <"$1"
    return
  fi
  size=$(wc -c <"$1")
  if [ "$size" -le 65536 ]; then text=$(cat "$1"); return; fi
  text=$(head -c 32768 "$1"; printf '\n[... %s bytes left out ...]\n' $((size - 65536)); tail -c 32768 "$1")
}

# To be called in a subshell: becomes the command, in the locale that the script came with.
become() {
  if [ -n "$had_locale" ]; then LC_ALL=$locale; else unset LC_ALL; fi
  exec "$@"
}

# Whether a control program said that it failed, whatever its exit code.
says_no() {
  case $answer in
    *'"successful"'*false*) printf '%s' "$answer" | grep -Eq '"successful" *: *false' ;;
    *) return 1 ;;
  esac
}

# run SECONDS COMMAND...: sets `code` (124: it did not end in time and was killed) and `answer`, and logs all of it.
run() {
  seconds=$1; shift
  # The watch ends everything just now, and what starts after its look at the processes would live on.
  if [ -e "$base.over" ] && read -r over <"$base.over" && [ "$over" = "$token" ]; then sleep 10; fi
  say "\$ $*"
  # Files of their own, removed at the end, where what is started may go on writing to them; others are used again.
  out=$base.out err=$base.err
  [ -z "$starts" ] || { out=$out-$token err=$err-$token kept=yes; }
  command exec 5>"$out" 6>"$err" || fail "$folder can't be written: is the disk full?"
  clock; began=$up
  printf '%s\n' "$token $began" "$out" "$err" 2>/dev/null 1<>"$base.live"
  (become timeout -k 2 "$seconds" "$@") </dev/null >&5 2>&6 5>&- 6>&- 7<&- 9>&-
  code=$?
  echo ended 2>/dev/null 1<>"$base.live"
  clock; took=$((up - began))
  text_of "$out" 5; answer=$text
  text_of "$err" 6; answer=$answer${answer:+${text:+$nl}}$text
  lines_out=0 lines_err=0 unseen=$answer
  [ "$took" -lt "$soon" ] || [ -z "$answer" ] || count_shown
  if [ $((lines_out + lines_err)) -gt 0 ]; then
    rest_of "$out" "$lines_out"; unseen=$text
    rest_of "$err" "$lines_err"; unseen=$unseen${unseen:+${text:+$nl}}$text
  fi
  [ -z "$unseen" ] || say "$unseen"
  [ "$code" -ne 137 ] || code=124
  if [ "$answers" = json ] && [ "$code" -eq 0 ] && says_no; then code=255; fi
  if [ "$code" -eq 124 ]; then say "did not end within $seconds s: killed"; fi
  hundredths=0$((took % 100))
  say "exit $code after $((took / 100)).${hundredths#"${hundredths%??}"} s"
}

why() { if [ "$code" -eq 124 ]; then printf 'did not end within %s s' "$seconds"; else printf 'ended with exit code %s' "$code"; fi; }

# --- time limit, connection and fence ---

# below ROOTS EXCEPT: the living processes of these and below them, but those of and below EXCEPT.
below() {
  for _ in 1 2 3 4 5; do MUSTER_ROOTS="$1" MUSTER_EXCEPT="$2" awk "$proc"'BEGIN { printf "%s", below(ENVIRON["MUSTER_ROOTS"], ENVIRON["MUSTER_EXCEPT"]) }' /proc/[0-9]* 2>/dev/null && return; done
}

# end_everything WATCH: ends this script and all that it has started: TERM, after two seconds KILL. What daemons have become
# lives on. The watch has the lock, too, so nobody else works here until nothing of this run can.
end_everything() {
  printf '%s\n' "$token" >"$base.over"
  ended=$(below $$ "$1")
  kill -s KILL "$me" $$ 2>/dev/null
  for _ in 1 2 3; do
    ended=$(below "$ended" "$1")
    [ -n "$ended" ] || return
    kill -s TERM $ended 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do alive "$ended" || break; sleep 0.2; done
    kill -s KILL $ended 2>/dev/null
  done
}

# Notes when the worker was last heard of: it writes a line a second for as long as it wants this script to run. One file for
# all runs on this agent, whose lines say which run they are about: a run that another's line has displaced hears again soon.
hear() {
  while read -r _; do clock; printf '%s\n' "$token $up" >"$base.heard"; done
  printf '%s\n' "$token gone" >"$base.heard"
}

# Sets `heard` to when the worker was last heard of, or to "gone".
listen() {
  about='' word=''
  { read -r about word <"$base.heard"; } 2>/dev/null
  if [ "$about" = "$token" ]; then heard=${word:-$up}
  # A line that is being written, or for which the disk has no room, says that somebody is there.
  elif [ -z "$about" ] && [ -e "$base.heard" ]; then heard=$up; fi
  case $heard in *[!0-9]*) heard=gone ;; esac
}

# Whether the worker has been silent for too long: it is stopped or lost, or the network between is.
is_silent() { [ "$silence" -gt 0 ] && [ $((up - heard)) -ge $((silence * 100)) ]; }

# Whether a newer run has been here; `tokens` is how many lines the file of tokens has. Each run adds its own token where it
# finds no newer one, and looks again when it has the lock and twice a second: so no two need to agree on who writes.
is_outdone() {
  newest=0 tokens=0
  while read -r one; do
    tokens=$((tokens + 1))
    if [ "${one:-0}" -gt "$newest" ]; then newest=$one; fi
  done <"$base.token"
  [ "$newest" -le "$token" ] || return 0
  # A line break before: what a full disk has cut off must not run on into this number.
  [ "$newest" -eq "$token" ] || printf '\n%s\n' "$token" >>"$base.token" || unwritten=yes
  return 1
} 2>/dev/null

# Ends everything when the time is over, the worker is not there any more, or a newer run is at work. Of the last two the step
# can't help, so its run is no failure (`unheard`, `fenced`).
watch_over() {
  room=65536 followed='' count_out=0 count_err=0
  read -r self rest </proc/self/stat
  until [ -n "$outcome" ]; do
    # Without output and lock: once this watch is ended, a sleep must keep neither the channel nor the lock.
    sleep 0.5 >/dev/null 2>&1 9>&-
    clock
    show_news
    listen
    if [ "$up" -ge "$deadline" ]; then outcome=failed reason="passed its time limit of $limit s; what ran was killed"
    elif [ "$heard" = gone ]; then outcome=unheard reason="the worker has let go of it, or was lost; what ran was killed"
    elif is_silent; then outcome=unheard reason="the worker was silent for $silence s; what ran was killed"
    elif is_outdone; then outcome=fenced reason="a newer run has taken over"; fi
  done
  end_everything "$self"
  case "$(tail -n 1 "$base.journal" 2>/dev/null)" in "begin $token "*) journal end "$token" "$outcome" ;; esac
  say "$reason"
  answer='' version='' system='' machine='' proxy='' killed='' listed=''
  result "$outcome" "$reason"
  rm -f "$base.over" "$base.out-$token" "$base.err-$token"
}
