#!/usr/bin/env bash
# Jobs on a cluster: attached, detached, watched, cancelled, several at a time.
PORTS=7430-7439
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_text 5000 >"$WORK/text"
count_words "$WORK/text" >"$WORK/want"
start_cluster c -t 2 -s 4

check 'attached, four subtasks on two TaskManagers: the rows come to stdout, every count is right'
for round in 1 2 3; do
    expect_exit 0 "$WEIR" run -p 4 "$WORDCOUNT" --name "printed-$round" \
        --set input="file:$WORK/text?split-size=20kb"
    count_of_rows "$WORK/out" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
    expect_err "job printed-$round FINISHED in"
done

check 'across both TaskManagers, to files'
expect_exit 0 "$WEIR" run -p 8 "$WORDCOUNT" --name wide --set input="file:$WORK/text?split-size=20kb" \
    --set output="filesystem:$WORK/wide"
count_of_parts "$WORK/wide" >"$WORK/got"
expect_same "$WORK/want" "$WORK/got"
expect_exit 0 "$WEIR" describe wide -o json
expect_json '[.vertices[].subtasks[].taskmanager] | unique | length' 2

check 'attached with -o json: the job behind the rows'
expect_exit 0 "$WEIR" run -o json "$WORDCOUNT" --set input="file:$WORK/text" \
    --set output="filesystem:$WORK/json"
expect_json .state FINISHED
expect_json .records_in 5000

check 'detached: an id; list, describe, logs and top know the job by id, prefix and name'
submit -p 2 "$WORDCOUNT" --name endless --set input='datagen:?rate=20000&keys=50' --set output=blackhole:
wait_job "$JOB" RUNNING
for word in "$JOB" "${JOB:0:8}" endless; do
    expect_exit 0 "$WEIR" describe "$word"
    expect_out "$JOB" endless RUNNING 'source datagen'
    expect_exit 0 "$WEIR" describe "$word" -o json
    expect_json .job "$JOB"
    expect_json '.vertices | length > 1' true
    expect_json '[.history[].state] | join(" ")' 'INITIALIZING CREATED RUNNING'
    expect_exit 0 "$WEIR" logs "$word"
done
records_have_come() { [[ $("$WEIR" describe endless -o json | jq .records_in) -gt 0 ]]; }
wait_until 10 'the counters move' records_have_come
expect_exit 0 "$WEIR" list
expect_out "$JOB" endless RUNNING
expect_exit 0 "$WEIR" list -o json
expect_json 'length' 1
expect_json '.[0].name' endless
expect_exit 0 "$WEIR" list -a -o json
expect_json 'map(.name) | sort | join(" ")' 'endless printed-1 printed-2 printed-3 wide wordcount'
expect_exit 0 "$WEIR" top -1
expect_out endless "${JOB:0:8}" dispatcher taskmanager
expect_exit 0 "$WEIR" top -o json
expect_json 'type' object
for name in dispatcher jobmanager taskmanager-1; do
    expect_exit 0 "$WEIR" logs "$name"
    expect_out 'is ready:'
    expect_exit 0 "$WEIR" logs "$name" -o json -n 5
    expect_json '.text | length > 0' true
done
expect_error 3 'is not known' "$WEIR" describe nobody
expect_error 3 'is not known' "$WEIR" cancel nobody
expect_error 3 'no process and no job has that name' "$WEIR" logs nobody

check 'a job on a cluster needs a file of its own side: stdin: is refused'
expect_error 2 stdin "$WEIR" run "$WORDCOUNT" --set input=stdin:

check 'cancel: waits for the end; a second one is an error'
expect_exit 0 "$WEIR" cancel endless -o json
expect_json .state CANCELED
expect_error 2 'has ended already' "$WEIR" cancel "$JOB"
expect_exit 0 "$WEIR" cluster status -o json
expect_json '[.processes[].slots_free] | add' 8

check 'an attached run of a job that is cancelled ends with exit code 1'
in_background attached "$WEIR" run -p 2 "$WORDCOUNT" --name attached --set input='datagen:?rate=1000' \
    --set output=blackhole:
wait_until 10 'the job runs' grep -q RUNNING "$WORK/attached.err"
expect_exit 0 "$WEIR" cancel attached
expect_end attached 1
expect_text "$WORK/attached.err" 'job attached CANCELED'

check 'Ctrl-C cancels the job that a command is attached to, and so does SIGTERM'
for signal in INT TERM; do
    in_background "by_$signal" "$WEIR" run "$WORDCOUNT" --name "by_$signal" \
        --set input='datagen:?rate=1000' --set output=blackhole:
    wait_until 10 'the job runs' grep -q RUNNING "$WORK/by_$signal.err"
    kill "-$signal" "${jobs[by_$signal]}"
    expect_end "by_$signal" 1
    expect_exit 0 "$WEIR" describe "by_$signal" -o json
    expect_json .state CANCELED
done

check 'a reader of rows that leaves early: the job is cancelled, quietly'
code=0
"$WEIR" run "$WORDCOUNT" --name unread --set input='datagen:?keys=0' -D execution.runtime-mode=streaming \
    2>"$WORK/err" | head -n 1 >"$WORK/out" || code=${PIPESTATUS[0]}
[[ $code = 1 && $(wc -l <"$WORK/out") = 1 ]] || fail 'expected one row, and exit code 1'
wait_job unread CANCELED

# read_late NAME ARGUMENTS... : an attached run whose stdout is a fifo, open as 8, that nobody reads.
read_late() {
    local name=$1
    shift
    rm -f "$WORK/fifo"
    mkfifo "$WORK/fifo"
    # shellcheck disable=SC2016
    in_background "$name" bash -c 'exec "$@" >"$0"' "$WORK/fifo" "$WEIR" run "$WORDCOUNT" \
        --name "$name" "$@"
    exec 8<"$WORK/fifo"
    wait_until 10 'the job runs' grep -q RUNNING "$WORK/$name.err"
    progress=
    wait_until 20 'the job waits for its reader' has_no_progress "$name"
}
# The job's state and counters are the same as 3 s before: longer than a sign of life takes.
has_no_progress() {
    local now
    now=$("$WEIR" describe -o json "$1" | jq -c '[.state, .records_in, .records_out]')
    if [[ $now != "$progress" ]]; then
        progress=$now
        progress_since=$SECONDS
    fi
    ((SECONDS - progress_since >= 3))
}

check 'a reader of rows that comes late: the job waits, and every row comes, once'
read_late late --set input='datagen:?keys=0&rows=400000&length=8'
sed -nE 's/^text=.*  n=([0-9]+)$/\1/p' <&8 | awk '{ n += $1 } END { print n }' >"$WORK/got"
exec 8<&-
expect_end late 0
[[ $(cat "$WORK/got") = 400000 ]] || fail "expected 400000 words, got $(cat "$WORK/got")"
expect_text "$WORK/late.err" 'job late FINISHED in'

check 'Ctrl-C while nobody reads the rows: the job is cancelled; a second one leaves the rows'
read_late blocked --set input='datagen:?keys=0' -D execution.runtime-mode=streaming
kill -INT "${jobs[blocked]}"
wait_job blocked CANCELED
kill -INT "${jobs[blocked]}"
expect_end blocked 1
expect_text "$WORK/blocked.err" 'is being cancelled'
exec 8<&-

check 'three jobs at a time do not disturb each other'
for n in 1 2 3; do
    in_background "parallel-$n" "$WEIR" run -p 2 "$WORDCOUNT" --name "parallel-$n" \
        --set input="file:$WORK/text?split-size=20kb"
done
for n in 1 2 3; do
    expect_end "parallel-$n" 0
    count_of_rows "$WORK/parallel-$n.out" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
done

check 'two live jobs of one name: ids tell them apart; one live job comes before ended ones'
submit "$WORDCOUNT" --name twin --set input='datagen:?rate=100' --set output=blackhole:
first=$JOB
submit "$WORDCOUNT" --name twin --set input='datagen:?rate=100' --set output=blackhole:
expect_exit 2 "$WEIR" cancel twin
expect_text "$WORK/err" 'fits 2 jobs'
expect_exit 0 "$WEIR" cancel "$JOB"
expect_exit 0 "$WEIR" describe twin -o json
expect_json .job "$first"
expect_exit 0 "$WEIR" cancel twin

check 'the other examples: csv in, csv and json out, a side output'
printf 'boiler,96.5,check the valve\nkitchen,31.0,\ncellar,9,\n' >"$WORK/readings.csv"
expect_exit 0 "$WEIR" run "$WEIR_BUILD_DIR/examples/filter.so" --set input="file:$WORK/readings.csv"
expect_out 'sensor=boiler' 'fahrenheit=205.7' 'note=check the valve' 'note=NULL'
[[ $(wc -l <"$WORK/out") = 2 ]] || fail 'expected two rows'
printf 'ann,1250\nbob,0\nann,50\n' >"$WORK/north.csv"
printf 'bob,700\nann,-3\n' >"$WORK/south.csv"
expect_exit 0 "$WEIR" run -p 2 "$WEIR_BUILD_DIR/examples/orders.so" --set north="file:$WORK/north.csv" \
    --set south="file:$WORK/south.csv" --set output="filesystem:$WORK/totals?format=json"
expect_out 'why=less than one cent'
[[ $(wc -l <"$WORK/out") = 2 ]] || fail 'expected two rejected orders'
cat "$WORK"/totals/* | jq -r '"\(.customer) \(.orders) \(.cents)"' | sort >"$WORK/got"
printf 'ann 2 1300\nbob 1 700\n' >"$WORK/totals.want"
expect_same "$WORK/totals.want" "$WORK/got"

check 'all slots are free again, all daemons live'
expect_exit 0 "$WEIR" cluster status -o json
expect_json '[.processes[].slots_free] | add' 8
expect_json .jobs_running 0
expect_daemons_alive
stop_cluster
finish
