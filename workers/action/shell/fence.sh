# Puts the script under its fence: time limit, connection, token and lock. What only looks does without.
clock
deadline=$((up + limit * 100))
tmp=$(mktemp -d "${TMPDIR:-/tmp}/muster.XXXXXX") || { tmp=/nonexistent; fail "no temporary directory can be made: is the disk full?"; }
folder=$HOME/.muster
mkdir -p -m 700 "$folder" 2>/dev/null && [ -w "$folder" ] || { folder=/var/tmp/muster-$(id -u); mkdir -p -m 700 "$folder"; }
[ -O "$folder" ] && [ ! -L "$folder" ] || fail "$folder is not this user's own directory"
base=$folder/$slug

# The newest token wins, whoever comes first: an older run that still works here sees it and ends.
exec 8>"$base.mark" || fail "$folder can't be written: is the disk full?"
flock 8
newest=$(cat "$base.token" 2>/dev/null)
if [ "${newest:-0}" -gt "$token" ]; then end fenced "a newer run has been here"; fi
printf '%s\n' "$token" >"$base.token.new" && mv "$base.token.new" "$base.token" || fail "$folder can't be written: is the disk full?"
flock -u 8
exec 8>&-

printf '%s\n' "$up" >"$tmp/heard"
# By exec: redirected otherwise, a shell keeps copies of what it is to come back to, and with them the channel.
(exec <&7 7<&- >/dev/null 2>&1; hear) &
exec 9>"$base.lock"
(exec 7<&-; watch_over) &
watch=$!
exec 7<&-
flock -w "$limit" 9 || fail "another run holds $base.lock"
newest=$(cat "$base.token")
[ "$newest" -le "$token" ] || end fenced "a newer run has taken over"
locked=1
if [ "$(wc -c 2>/dev/null <"$base.journal" || echo 0)" -gt 262144 ]; then
  tail -n 1000 "$base.journal" >"$base.journal.new" && mv "$base.journal.new" "$base.journal"
fi
journal begin "$token" "$action"
