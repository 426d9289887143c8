#!/usr/bin/env bash
# bench/exchange.sh [--quick] -- how fast rows go from one subtask to another, by the hash of a key: rows of
# 100 bytes (six bigints, a text of 52 bytes), every value of which the receiver reads. Between two task
# runners over TCP, against ZeroMQ alone; between two slots of one runner, against memcpy; in a job. Both
# sides of a ratio are measured in turn, and the median of the ratios of the rounds counts.
source "$(dirname "$0")/lib.sh"

rounds=$(choose 3 7)
ms=$(choose 400 1000)
job_rows=$(choose 20000000 60000000)
pair=$BENCH/exchange_pair_bench

# exchange NAME MODE ARGUMENTS... : MB/s of rows, into the file NAME
exchange() {
    local name=$1
    shift
    "$pair" "$@" "ms=$ms" >"$WORK/json" 2>"$WORK/err" || fail "exchange_pair_bench $* failed"
    jq .mb_per_s "$WORK/json" >>"$WORK/$name"
    say "$name: $(cat "$WORK/json")"
}

# zmq NAME ARGUMENTS... : the faster of two ways to have memory
zmq() {
    local name=$1 keep speed best=0
    shift
    for keep in 0 1; do
        speed=$("$BENCH/reference_raw_zmq" "ms=$ms" "keep=$keep" "$@")
        ((speed <= best)) || best=$speed
    done
    echo "$best" >>"$WORK/$name"
    say "$name: $best MB/s"
}

copy() {
    local speed
    speed=$("$BENCH/reference_memcpy" "${@:2}")
    echo "$speed" >>"$WORK/$1"
    say "$1: $speed MB/s"
}

for ((i = 1; i <= rounds; i++)); do
    say "round $i of $rounds"
    zmq raw
    exchange two runners
    exchange thousand runners producers=32 consumers=32
    zmq raw-curve curve=1
    exchange curve runners curve=1
    copy memcpy
    copy memcpy-pieces 131072
    exchange shared shared producers=2 consumers=2
    exchange one-way slots consumers=1
    exchange many runners producers=1 consumers=1000
done

# compare WHAT NAME REFERENCE REFERENCE_WHAT WANTED
compare() {
    local ratio
    ratio=$(paste "$WORK/$2" "$WORK/$3" | awk '{ print $1 / $2 }' | median)
    figure "$1" MB/s "$(median <"$WORK/$2")" "$(median <"$WORK/$3")" "$4" "$5" higher "$ratio"
}
raw='ZeroMQ alone, 128 KiB messages, unread'
compare 'hash exchange, two runners over TCP, 2 channels' two raw "$raw" 0.6
compare 'the same, 32 x 32 slots, 1,024 channels' thousand raw "$raw" 0.3
compare 'the same, 1 x 1,000 slots, 1,000 channels' many raw "$raw" null
compare 'the same, 2 channels, with keys (CURVE)' curve raw-curve 'ZeroMQ alone with CURVE' 0.8
compare 'hash exchange, 2 x 2 in two slots (2 cores), by pointer' shared memcpy \
    'one memcpy of 256 MiB, 1 core' 0.4
compare 'the same' shared memcpy-pieces 'memcpy of 128 KiB at a time, 1 core' null
compare 'hash exchange, one slot to another (2 cores), by pointer' one-way memcpy-pieces \
    'memcpy of 128 KiB at a time, 1 core' null

# A job on two TaskManagers: rows of 100 bytes from datagen to a reduce per key, which is cheap. What datagen
# and reduce take is in it, so that it is no measure of the exchange alone.
say "a job of $job_rows rows on two TaskManagers"
start_cluster --taskmanagers 2 --slots 1
for ((i = 0; i < 3; i++)); do
    begin=$(microseconds)
    "$WEIR" run -q -p 2 "$BENCH/exchange_job.so" --set "rows=$job_rows" >"$WORK/out" 2>"$WORK/err" ||
        fail 'the job failed'
    calculate "$job_rows / ($(microseconds) - $begin)" | tee -a "$WORK/job" >&2
done
stop_cluster
figure 'datagen, key_by, blackhole: p=2, two TaskManagers' 'M rows/s' "$(median <"$WORK/job")" null '' null higher
