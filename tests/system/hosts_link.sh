#!/usr/bin/env bash
# Slow, lossy and narrow networks between hosts, and cuts that are shorter than heartbeat.timeout: jobs
# go on, results are exact, nobody is given up.
source "$(dirname "${BASH_SOURCE[0]}")/hosts_lib.sh"

make_hosts a b c
client_on b
make_cluster a

nobody_was_lost() {
    local log
    for log in "$WORK"/?/log/*.log; do
        ! grep -q 'lost ' "$log" || fail "somebody was given up, see ${log#"$WORK"/}"
    done
}

# exact_job NAME ROWS : as fast as it can, and how long it took.
exact_job() {
    local arguments
    mapfile -t arguments < <(streaming "$1" "$2" 0)
    stopwatch
    expect_exit 0 "${CLI[@]}" run -q "${arguments[@]}"
    took "$2 rows"
    expect_exact "$1" "$2"
}

check 'as it is'
exact_job plain 100000

check 'slow: 20 ms one way, and up to 10 ms more'
network delay 20
network jitter 10
stopwatch
expect_exit 0 "${CLI[@]}" cluster status
took 'cluster status'
(($(now_ms) - started_ms >= 80)) || fail 'the network is not slow'
exact_job slow 100000

check 'slow, and 5 % of the frames are lost'
network loss 5
exact_job lossy 50000
frames lost
((frames > 20)) || fail "hardly a frame was lost: $frames"
network loss 0
network jitter 0

check 'far: 100 ms one way'
network delay 100
exact_job far 20000

check 'narrow: 2 Mbit/s'
network delay 5
network rate 2000
exact_job narrow 100000
network rate 0

check 'a large shared object over 30 Mbit/s is sent once to each, and heartbeats get through'
cp "$WORDCOUNT" "$WORK/large.so"
head -c 4000000 /dev/urandom >>"$WORK/large.so"
network rate 30000
frames passed
before=$frames
stopwatch
expect_exit 0 "${CLI[@]}" run -q -p 4 "$WORK/large.so" --set "input=$STREAM&rows=3000"
took 'upload, two downloads and the job'
count_of_rows "$WORK/out" >"$WORK/got"
expect_same "$(wanted 3000)" "$WORK/got"
frames passed
# Three times 4 MB in frames of 1.4 KB, and acknowledgements.
printf '   frames: %d\n' $((frames - before))
((frames - before < 25000)) || fail 'the same was sent again and again'
network rate 0
network delay 0
nobody_was_lost

check 'cuts of half a second: both ways and one way, of data and of control'
start_streaming brief 9000 1500
for where in 'b c' 'a b' 'a c' 'b>c' 'a>b' 'c>a' 'c>b' 'b>a'; do
    network cut "$where"
    pause 0.5
    network heal "$where"
    pause 0.1
done
frames cut
((frames > 50)) || fail "hardly a frame was cut off: $frames"
wait_job brief FINISHED 30
expect_exact brief 9000
nobody_was_lost
stop_all
finish
