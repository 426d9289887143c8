#!/usr/bin/env bash
# A cluster with a job that has nothing to do uses almost no CPU.
PORTS=7480-7489
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# user and system time of a process, in clock ticks.
ticks_of() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

serve lines
start_cluster c -t 2 -s 2
submit -p 4 "$WORDCOUNT" --name idle --set input="socket://127.0.0.1:$PORT" \
    --set output=blackhole:
printf 'one line\n' >&9
has_worked() { [[ $("$WEIR" describe idle -o json | jq .records_in) = 1 ]]; }
wait_until 10 'the job has read its line' has_worked

check 'three seconds of an idle cluster with one job'
mapfile -t pids < <(own_processes)
[[ ${#pids[@]} = 6 ]] || fail "expected four daemons and two task runners, found ${#pids[@]} processes"
before=() names=()
for pid in "${pids[@]}"; do
    before+=("$(ticks_of "$pid")")
    names+=("$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -d' ' -f2)")
done
read -rt 3 <> <(:) || true # the time that is measured
sum=0
for i in "${!pids[@]}"; do
    used=$(($(ticks_of "${pids[i]}") - before[i]))
    sum=$((sum + used))
    printf '   %-12s %2d ticks of 1/%d s, %d KiB resident\n' "${names[i]}" "$used" "$(getconf CLK_TCK)" \
        "$(awk '/^VmRSS/ { print $2 }' "/proc/${pids[i]}/status")"
    ((used <= 5)) || fail "${names[i]} (${pids[i]}) used $used ticks in 3 s"
done
printf '   together     %2d ticks\n' "$sum"

check 'a line after the rest is noticed: the counters move again'
printf 'another line\n' >&9
has_worked_again() { [[ $("$WEIR" describe idle -o json | jq .records_in) = 2 ]]; }
wait_until 10 'the job has read its second line' has_worked_again
expect_exit 0 "$WEIR" cancel idle
exec 9>&-
stop_cluster
finish
