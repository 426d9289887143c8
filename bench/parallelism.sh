#!/usr/bin/env bash
# bench/parallelism.sh [--quick] -- CPU time of all processes for one event of a keyed job, at parallelism
# 1, 2, 4 and 8: more threads than cores must not spin, nor fight for anything.
source "$(dirname "$0")/lib.sh"

events=$(choose 10000000 20000000)
rounds=3
job=("$WEIR" run -q -D execution.runtime-mode=STREAMING "$BENCH/keyed_job.so" --set "rows=$events")

nanoseconds_per_event() { calculate "$1 * 1e9 / $events"; }

# Seconds of user and system time.
local_cpu() {
    local TIMEFORMAT='%U %S'
    { time "${job[@]}" --local -p "$1" 2>"$WORK/err" >&2; } 2>&1 | awk '{ print $1 + $2 }'
}

# The daemons' own time and that of the task runners they have waited for.
ticks_of_cluster() {
    local name ticks=0
    for name in $(daemons); do
        ticks=$((ticks + $(sed 's/.*) //' "/proc/$(pid_of "$name")/stat" | awk '{ print $12 + $13 + $14 + $15 }')))
    done
    echo "$ticks"
}
cluster_cpu() {
    local before
    until_true 10 'the end of the last task runners' have_no_runners
    before=$(ticks_of_cluster)
    "${job[@]}" -p "$1" 2>"$WORK/err" || fail 'the job failed'
    until_true 10 'the end of the task runners' have_no_runners
    calculate "($(ticks_of_cluster) - $before) / $(getconf CLK_TCK)"
}

measure() {
    local mode=$1 round p
    for ((round = 0; round < rounds; round++)); do
        for p in 1 2 4 8; do "${mode}_cpu" "$p" >>"$WORK/$mode-$p"; done
        say "$mode: round $((round + 1)) of $rounds"
    done
    local best
    best=$(for p in 1 2 4 8; do median <"$WORK/$mode-$p"; done | sort -g | head -n 1)
    for p in 1 2 4 8; do
        figure "CPU per event of a keyed job, $mode, p=$p" ns \
            "$(nanoseconds_per_event "$(median <"$WORK/$mode-$p")")" "$(nanoseconds_per_event "$best")" \
            'the cheapest parallelism' 1.3 lower
    done
}

measure local
start_cluster -t 2 -s 4
measure cluster
stop_cluster
