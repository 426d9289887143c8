#!/usr/bin/env bash
# bench/jobs.sh [--quick] -- many jobs: idle ones must cost nothing but memory, and little of that; small
# ones that come one after another must end quickly, and leave nothing behind that grows.
source "$(dirname "$0")/lib.sh"

idle_jobs=$(choose 50 200)
small_jobs=$(choose 300 1000)
settled=$(choose 100 200) # from this job on nothing grows
watch_seconds=$(choose 5 10)

# ---- idle jobs ----

all_running() {
    "$WEIR" list -o json >"$WORK/list" 2>"$WORK/err" &&
        [[ $(jq '[.[] | select(.state == "RUNNING")] | length' "$WORK/list") = "$idle_jobs" ]]
}
# Nanoseconds on a processor of all threads of the given processes.
cpu_of() {
    local pid
    for pid in "$@"; do cat "/proc/$pid/task/"*/schedstat; done | awk '{ s += $1 } END { printf "%.0f\n", s }'
}
private_of() { awk '/^Private/ { s += $2 } END { print s }' "/proc/$1/smaps_rollup"; }
resident_of() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

measure_idle() {
    local i before after all=() name
    mkfifo "$WORK/hold"
    "$BENCH/hold_bench" <"$WORK/hold" >"$WORK/port" &
    exec 9>"$WORK/hold"
    until_true 5 'the port of the server' test -s "$WORK/port"
    start_cluster -t 2 -s "$idle_jobs"
    for ((i = 0; i < idle_jobs; i++)); do
        "$WEIR" run -d -p 2 "$BUILD/examples/wordcount.so" --name "idle-$i" \
            --set "input=socket://127.0.0.1:$(cat "$WORK/port")" --set output=blackhole: \
            >/dev/null 2>"$WORK/err" 9>&- || fail 'a job is not accepted'
    done
    until_true 60 'all jobs run' all_running
    say "$idle_jobs idle jobs run; waiting for their rest"
    read -rt 3 <> <(:) || true # what they did to start is over
    read -ra all <<<"$(for name in $(daemons); do pid_of "$name"; done | tr '\n' ' ') $(runners | tr '\n' ' ')"
    before=$(cpu_of "${all[@]}")
    read -rt "$watch_seconds" <> <(:) || true # the time that is measured
    after=$(cpu_of "${all[@]}")
    figure "$idle_jobs idle jobs of parallelism 2: CPU of all ${#all[@]} processes" '% of a core' \
        "$(calculate "($after - $before) / 1e7 / $watch_seconds")" 1 'limit' 1 lower
    for i in $(runners); do private_of "$i"; done | sort -n >"$WORK/private"
    figure 'private memory of a task runner, the largest' KiB "$(tail -n 1 "$WORK/private")" 3072 'limit' 1 lower
    for name in $(daemons); do
        figure "resident memory of $name with $idle_jobs jobs" KiB "$(resident_of "$(pid_of "$name")")" \
            null '' null lower
    done
    stop_cluster
    exec 9>&-
}

# ---- small jobs ----

submit_small() {
    local i
    for ((i = $1; i < $2; i++)); do
        "$WEIR" run -d "$BUILD/examples/wordcount.so" --name "small-$i" --set "input=file:$WORK/text" \
            --set "output=filesystem:$WORK/results/$i" >/dev/null 2>"$WORK/err" || fail "job $i is not accepted"
    done
}
all_ended() { [[ $("$WEIR" list -o json 2>"$WORK/err" | jq length) = 0 ]]; }
descriptors_of() { local all=("/proc/$1/fd/"*); echo "${#all[@]}"; }
threads_of() { local all=("/proc/$1/task/"*); echo "${#all[@]}"; }

# remember FILE: what may grow
remember() {
    local name pid
    until_true 60 'every job has ended' all_ended
    until_true 10 'the end of the task runners' have_no_runners
    for name in $(daemons); do
        pid=$(pid_of "$name")
        echo "$name-resident $(resident_of "$pid")"
        echo "$name-descriptors $(descriptors_of "$pid")"
        echo "$name-threads $(threads_of "$pid")"
    done >"$1"
    echo "disk $(du -sk "$CLUSTER" | cut -f1)" >>"$1"
}
grown() { # KEY WHAT UNIT WANTED
    figure "$2 after $small_jobs jobs" "$3" "$(awk -v k="$1" '$1 == k { print $2 }' "$WORK/end")" \
        "$(awk -v k="$1" '$1 == k { print $2 }' "$WORK/settled")" "after $settled jobs" "$4" lower
}

measure_small() {
    local begin middle end took name
    printf 'a b a\n' >"$WORK/text"
    mkdir "$WORK/results"
    # What is kept is bounded; with these bounds it is full when the first jobs have ended.
    start_cluster -t 2 -s 4 -D jobstore.max-capacity=50 -D env.log.max-size=8kb -D env.log.max=1
    begin=$(microseconds)
    submit_small 0 "$settled"
    remember "$WORK/settled"
    middle=$(microseconds)
    say "$settled jobs in $(((middle - begin) / 1000)) ms"
    submit_small "$settled" "$small_jobs"
    until_true 60 'every job has ended' all_ended
    end=$(microseconds)
    took=$(calculate "($end - $begin) / 1e6")
    say "$small_jobs jobs in $took s"
    remember "$WORK/end"
    # One file a job, with both words; a job that failed leaves none.
    [[ $(cat "$WORK"/results/*/part-* | sort | uniq -c | awk '{ print $1 ":" $2 }' | tr '\n' ' ') = \
        "$small_jobs:a,2 $small_jobs:b,1 " ]] || fail 'results are wrong, or missing'
    "$WEIR" list -a -o json >"$WORK/list" 2>"$WORK/err"
    [[ $(jq -r 'map(.state) | unique | join(" ")' "$WORK/list") = FINISHED ]] || fail 'a job has failed'
    figure "small jobs, one \`weir run -d\` after another, 2 TaskManagers" jobs/s \
        "$(calculate "$small_jobs / $took")" 50 'wanted' 1 higher
    for name in $(daemons); do
        grown "$name-resident" "resident memory of $name" KiB 1.05
        grown "$name-descriptors" "descriptors of $name" descriptors 1
        grown "$name-threads" "threads of $name" threads 1
    done
    grown disk "disk of the cluster's directory" KiB 1.1
    stop_cluster
}

measure_idle
measure_small
