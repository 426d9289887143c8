#!/usr/bin/env bash
# bench/latency.sh [--quick] -- how long a record takes, from the time it was due by a fixed schedule (so
# that nothing is omitted where the program is slow): a line through a socket source to print at ten a
# second, and a row through a hash exchange at half of the greatest rate, which is found first.
source "$(dirname "$0")/lib.sh"

seconds=$(choose 10 30)  # of lines; five jobs with ten a second each
rounds=3                 # at half of the rate; the median counts
half_seconds=$(choose 3 6)
find_rows=$(choose 100000000 200000000)
report=$BENCH/latency_bench

# limits WHAT JSON P99_MS P99_9_MS: null: no limit
limits() {
    local what=$1 json=$2
    figure "$what, p99" ms "$(jq '.p99 / 1000' <<<"$json")" "$3" 'limit' 1 lower
    [[ $4 = null ]] ||
        figure "$what, p99.9" ms "$(jq '.p99_9 / 1000' <<<"$json")" "$4" 'limit' 1 lower
    say "$what: $json"
}

lines() { "$report" lines 10 "$seconds" 5 "$@" 2>"$WORK/err" || fail 'lines are missing'; }
run_lines=("$WEIR" run -q "$BENCH/lines_job.so" --set 'input=socket://127.0.0.1:%p')

# rows MODE ROWS RATE WARM_UP: what the job measured
rows() {
    rm -rf "$WORK/into"
    mkdir "$WORK/into"
    local where=()
    [[ $1 != local ]] || where=(--local)
    "$WEIR" run -q "${where[@]}" -p 2 -D execution.runtime-mode=STREAMING "$BENCH/latency_job.so" \
        --set "rows=$2" --set "rate=$3" --set "warm-up=$4" --set "into=$WORK/into" 2>"$WORK/err" ||
        fail 'the job failed'
    "$report" merge "$WORK/into" 2>"$WORK/err" || fail 'the job left nothing'
}

measure_rows() {
    local mode=$1 what=$2 i json rate=0 found
    for i in 1 2; do
        json=$(rows "$mode" "$find_rows" 0 0.5)
        found=$(jq '.rate | floor' <<<"$json")
        ((found <= rate)) || rate=$found
    done
    figure "$what: greatest rate" 'M rows/s' "$(calculate "$rate / 1e6")" null '' null higher
    rate=$((rate / 2))
    for ((i = 0; i < rounds; i++)); do
        rows "$mode" $((rate * (half_seconds + 2))) "$rate" 2
    done >"$WORK/rounds"
    cat "$WORK/rounds" >&2
    json=$(jq -n --argjson p99 "$(jq .p99 "$WORK/rounds" | median)" \
        --argjson p99_9 "$(jq .p99_9 "$WORK/rounds" | median)" '{$p99, $p99_9}')
    limits "$what at half of that" "$json" 5 20
}

say 'a relay: what a program that only reads and writes takes'
json=$(lines "$BENCH/reference_relay" %p)
figure 'relay of lines, 10/s, p99' ms "$(jq '.p99 / 1000' <<<"$json")" null '' null lower
say 'socket to print, in one process'
limits 'socket to print, 10/s, local' "$(lines "${run_lines[@]}" --local)" 2 null
say 'hash exchange, in one process'
measure_rows local 'hash exchange, p=2, local'
start_cluster -t 2 -s 4
say 'socket to print, on a cluster'
limits 'socket to print, 10/s, cluster' "$(lines "${run_lines[@]}")" 2 null
stop_cluster
start_cluster -t 2 -s 1
say 'hash exchange, across two task runners'
measure_rows cluster 'hash exchange, p=2, two task runners'
stop_cluster
