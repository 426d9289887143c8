#!/usr/bin/env bash
# bench/cluster.sh [--quick] -- a cluster and a job on it: how quickly both come up, what they weigh, and
# the row API at work on 1 GB of text (--quick: 100 MB) against mawk.
source "$(dirname "$0")/lib.sh"

size=$(choose $((100 << 20)) $((1 << 30)))
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir
wordcount=$BUILD/examples/wordcount.so
times=5

make_text() {
    mkdir -p "$cache"
    text=$cache/bench-$size.txt
    if [[ $(stat -c %s "$text" 2>/dev/null || echo 0) -lt $size ]]; then
        say "writing $text"
        find -L /usr/share/common-licenses -maxdepth 1 -type f | sort | xargs -d '\n' cat >"$WORK/small"
        local n=$((size / $(stat -c %s "$WORK/small") + 1)) i
        for ((i = 0; i < n; i++)); do cat "$WORK/small"; done >"$WORK/text"
        mv "$WORK/text" "$text"
    fi
    cat "$text" >/dev/null # in the page cache for both
}

count_words() { # ARGUMENTS... : microseconds of a word count
    local begin
    begin=$(microseconds)
    "$WEIR" run -q -p 2 "$@" --set "input=file:$text" --set output=blackhole: 2>"$WORK/err" >&2 || fail 'the job failed'
    echo $(($(microseconds) - begin))
}

# Against four processes that do nothing.
measure_start() {
    local i begin
    for ((i = 0; i < times; i++)); do
        begin=$(microseconds)
        for _ in 1 2 3 4; do "$WEIR" version >/dev/null; done
        echo $(($(microseconds) - begin)) >>"$WORK/four"
        begin=$(microseconds)
        start_cluster -t 2 -s 1
        echo $(($(microseconds) - begin)) >>"$WORK/start"
        stop_cluster
    done
    local took
    took=$(median <"$WORK/start")
    figure 'cluster start, 2 TaskManagers' us "$took" "$(median <"$WORK/four")" '4 x weir version' 10 lower
    figure 'cluster start, 2 TaskManagers' us "$took" 100000 'limit' 1 lower
}

is_running() {
    "$WEIR" describe "$1" -o json >"$WORK/detail" 2>"$WORK/err" && jq -e '.state == "RUNNING"' "$WORK/detail" >/dev/null
}
submit_endless() { # RATE
    id=$("$WEIR" run -d "$wordcount" -p 2 --set "input=datagen:?rows=0&rate=$1" --set output=blackhole: \
        2>"$WORK/err") || fail 'a job is not accepted'
    until_true 10 'the job runs' is_running "$id"
}

measure_submission() {
    local i
    for ((i = 0; i < times; i++)); do
        submit_endless 10
        jq '(.history[] | select(.state == "RUNNING") | .at_ms) - .start_ms' "$WORK/detail" >>"$WORK/running"
        "$WEIR" cancel "$id" >/dev/null 2>&1 || true
    done
    figure 'submission of a compiled job until every task is RUNNING' ms "$(median <"$WORK/running")" 50 'limit' 1 lower
}

measure_memory() {
    local name pid
    submit_endless 1
    for name in $(daemons); do
        figure "resident memory of $name" KiB "$(awk '/^VmRSS/ { print $2 }' "/proc/$(pid_of "$name")/status")" \
            12288 'limit' 1 lower
    done
    for pid in $(runners); do
        figure 'private memory of a task runner' KiB \
            "$(awk '/^Private/ { s += $2 } END { print s }' "/proc/$pid/smaps_rollup")" 3072 'limit' 1 lower
    done
    "$WEIR" cancel "$id" >/dev/null 2>&1 || true
}

say 'the start of a cluster'
measure_start
start_cluster -t 2 -s 8
say 'the start of a job, and its memory'
measure_submission
measure_memory
make_text
say "mawk over $((size >> 20)) MB"
begin=$(microseconds)
mawk '{ for (i = 1; i <= NF; i++) c[$i]++ }' "$text"
mawk_us=$(($(microseconds) - begin))
for mode in local cluster; do
    say "word count, $mode"
    if [[ $mode = local ]]; then took=$(count_words "$ROOT/examples/wordcount.c" --local); else took=$(count_words "$wordcount"); fi
    figure "word count of $((size >> 20)) MB, row API, p=2, $mode" ms "$(calculate "$took / 1000")" \
        "$(calculate "$mawk_us / 1000")" 'mawk; the ratio: times as fast' 5 higher "$(calculate "$mawk_us / $took")"
done
stop_cluster
