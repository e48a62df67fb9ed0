# A command that takes longer is seen while it runs. `run` and `watch_over` (prelude.sh) are the two sides of it.
#
# What a command prints goes to files, for what it starts may keep them open. Once it has run for `soon` (hundredths of a second)
# the watch shows their whole lines twice a second, and this script the rest when it has ended. `base.live` says which command
# runs, `base.shown` how many lines of it have been shown. To show no line twice without a lock, each side writes its own file
# before it reads the other's: either the watch sees that the command has ended, or the end sees that the watch is at it. What
# they write overwrites what was there (1<>), for to cut a file to nothing first costs thirty times as much.
soon=50

# Sets `lines_out` and `lines_err`: how many lines of the command that has just ended the watch has shown.
count_shown() {
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -e "$base.shown" ] || break
    whose='' since='' lines_err=''
    { read -r whose since lines_out lines_err <"$base.shown"; } 2>/dev/null
    [ "$whose $since" = "$token $began" ] || break
    [ -z "$lines_err" ] || return 0
    # It is at it.
    sleep 0.05
  done
  lines_out=0 lines_err=0
}

# show DESCRIPTOR: shows the whole lines that are new in a file, `count` of them by now, `at` bytes; `part` is the begin of one.
# Empty ones wait for the next that is not: at the ends of an output they are left out.
show() {
  while IFS= read -r line <&"$1"; do
    line=$part$line part=''
    at=$((at + ${#line} + 1))
    if [ -z "$line" ]; then empty=$((empty + 1)); continue; fi
    room=$((room - ${#line} - empty - 1))
    [ "$at" -le 32768 ] && [ "$room" -ge 0 ] || { room=0; return 0; }
    counted=$((count + empty + 1))
    while [ "$empty" -gt 0 ]; do
      [ "$count" -eq 0 ] || say ''
      empty=$((empty - 1))
    done
    say "$line"
    count=$counted
  done
  part=$part$line
}

# In the watch. What it shows in a script has an end, for it must never wait for whoever reads it.
show_news() {
  [ "$room" -gt 0 ] && [ -s "$base.live" ] || return 0
  whose='' alarm=''
  { { read -r whose since; IFS= read -r news; IFS= read -r alarm; } <"$base.live"; } 2>/dev/null
  [ "$whose" = "$token" ] && [ -n "$alarm" ] && [ $((up - since)) -ge "$soon" ] || return 0
  [ -s "$news" ] || [ -s "$alarm" ] || return 0
  seen=$since since=''
  printf '%s\n' "$token $seen busy" 2>/dev/null 1<>"$base.shown"
  { read -r whose since <"$base.live"; } 2>/dev/null
  if [ "$since" = "$seen" ]; then
    if [ "$seen" != "$followed" ]; then
      followed=$seen count_out=0 count_err=0 at_out=0 at_err=0 part_out='' part_err='' empty_out=0 empty_err=0
      command exec 3<"$news" 4<"$alarm"
    fi
    count=$count_out at=$at_out part=$part_out empty=$empty_out
    show 3
    count_out=$count at_out=$at part_out=$part empty_out=$empty
    count=$count_err at=$at_err part=$part_err empty=$empty_err
    show 4
    count_err=$count at_err=$at part_err=$part empty_err=$empty
  fi
  printf '%s\n' "$token $followed $count_out $count_err" 2>/dev/null 1<>"$base.shown"
}

# rest_of FILE LINES: what text_of (prelude.sh) sets, without the first LINES, which stand in the first 32 KiB and have been shown.
rest_of() {
  size=$(wc -c <"$1")
  if [ "$size" -le 65536 ]; then text=$(tail -n "+$(($2 + 1))" "$1"); return; fi
  text=$(head -c 32768 "$1" | tail -n "+$(($2 + 1))"; printf '\n[... %s bytes left out ...]\n' $((size - 65536)); tail -c 32768 "$1")
}

