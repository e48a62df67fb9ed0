# Puts the script under its fence: time limit, connection, token and lock. What only looks does without.
fence() {
  clock
  deadline=$((up + limit * 100))
  folder=$HOME/.muster
  [ -d "$folder" ] || mkdir -p -m 700 "$folder" 2>/dev/null
  [ -w "$folder" ] || { folder=/var/tmp/muster-$(id -u); [ -d "$folder" ] || mkdir -p -m 700 "$folder"; }
  [ -O "$folder" ] && [ ! -L "$folder" ] || fail "$folder is not this user's own directory"
  base=$folder/$slug

  # The newest token wins, whoever comes first: an older run that still works here sees it and ends.
  if is_outdone; then end fenced "a newer run has been here"; fi
  [ -z "$unwritten" ] || fail "$folder can't be written: is the disk full?"
  heard=$up
  # By exec: redirected otherwise, a shell keeps copies of what it is to come back to, and with them the channel.
  (exec <&7 7<&- >/dev/null 2>&1; hear) &
  hearing=$!
  exec 9>"$base.lock"
  (exec 7<&-; watch_over) &
  watch=$!
  exec 7<&-
  flock -n 9 || {
    say "waiting for another run, which holds $base.lock"
    flock -w "$limit" 9 || fail "another run holds $base.lock"
  }
  if is_outdone; then end fenced "a newer run has taken over"; fi
  locked=1

  # Now and then, what has grown is cut, and what runs left that were ended with their host is removed.
  if [ "$tokens" -gt 20 ]; then
    printf '%s\n' "$newest" >"$base.token.new" && mv "$base.token.new" "$base.token"
    if [ "$(wc -c 2>/dev/null <"$base.journal" || echo 0)" -gt 262144 ]; then
      tail -n 1000 "$base.journal" >"$base.journal.new" && mv "$base.journal.new" "$base.journal"
    fi
    for file in "$base".out-* "$base".err-*; do
      [ "${file##*-}" -ge "$token" ] || rm -f "$file"
    done 2>/dev/null
  fi
  journal begin "$token" "$action"
}
