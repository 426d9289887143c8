#!/usr/bin/env bash
# kill -9 of each process while jobs come and run. The dispatcher started again forgets no accepted job
# and runs none twice; whatever else dies, its jobs fail loudly, and the next job runs.
PORTS=7460-7469
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# About a second of work; the same rows always.
rows='datagen:?rows=3000&keys=100&seed=3'
slow="$rows&rate=3000"
expect_exit 0 "$WEIR" run -q "$WORDCOUNT" --set input="$rows"
count_of_rows "$WORK/out" >"$WORK/want"
endless='datagen:?rate=1000'

start_cluster c -t 2 -s 4 -D heartbeat.interval=100ms -D heartbeat.timeout=1s

kill_daemon() {
    local pid
    pid=$(pid_of "$1")
    kill -KILL "$pid"
    wait_until 5 "the end of $1" is_gone "$pid"
}

# The slots of whatever failed come back: all of N are free.
slots_are_free() {
    [[ $("$WEIR" cluster status -o json 2>/dev/null | jq '[.processes[].slots_free] | add') = "$1" ]]
}

# good_job NAME: with parallelism 4, on what is left of the cluster.
good_job() {
    expect_exit 0 "$WEIR" run -p 4 "$WORDCOUNT" --name "$1" --set input="$rows"
    count_of_rows "$WORK/out" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
}

check 'dispatcher: an accepted job survives it and runs once; an attached client does not notice'
submit -p 2 "$WORDCOUNT" --name accepted --set input="$slow" --set output="filesystem:$WORK/accepted"
accepted=$JOB
in_background watched "$WEIR" run -p 2 "$WORDCOUNT" --name watched --set input="$slow"
wait_until 10 'the attached job runs' grep -q RUNNING "$WORK/watched.err"
kill_daemon dispatcher
check '   a client that comes while it is dead goes on trying, and is served'
in_background waiting "$WEIR" run -d -p 2 "$WORDCOUNT" --name waiting --set input="$rows" \
    --set output="filesystem:$WORK/waiting"
start_daemon dispatcher dispatcher
expect_end waiting 0
expect_end watched 0
count_of_rows "$WORK/watched.out" >"$WORK/got"
expect_same "$WORK/want" "$WORK/got"
for job in "$accepted" "$(cat "$WORK/waiting.out")"; do
    wait_job "$job" FINISHED
    count_of_parts "$WORK/$(jq -r .name "$WORK/out")" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
done
expect_exit 0 "$WEIR" list -a -o json
expect_json 'map(.name) | sort | join(" ")' 'accepted waiting watched'
good_job after-dispatcher

check 'dispatcher: killed at many moments of submissions: what was accepted is there once and ends'
for delay in 0 5 10 15 20 30 40 60; do
    in_background "burst-$delay" "$WEIR" run -d -p 2 "$WORDCOUNT" --name "burst-$delay" \
        --set input="$rows" --set output="filesystem:$WORK/burst-$delay"
    read -rt "0.$(printf %03d "$delay")" <> <(:) || true # the moment is what is tried out
    kill_daemon dispatcher
    start_daemon dispatcher dispatcher
    expect_end "burst-$delay" 0
    wait_job "$(cat "$WORK/burst-$delay.out")" FINISHED
    count_of_parts "$WORK/burst-$delay" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
done
expect_exit 0 "$WEIR" list -a -o json
expect_json '[.[] | select(.name | startswith("burst-"))] | length' 8
expect_json '[.[] | select(.state != "FINISHED")] | length' 0
[[ $(grep -c 'burst-.*: created' "$DIR/log/jobmanager.log") = 8 ]] || fail 'a job was created twice'

check 'a task runner: its job fails with the reason, the other job does not notice'
submit -p 2 "$WORDCOUNT" --name beside --set input="$slow" --set output="filesystem:$WORK/beside"
beside=$JOB
in_background victim "$WEIR" run -p 4 "$WORDCOUNT" --name victim --set input="$endless" \
    --set output=blackhole:
wait_until 10 'the job runs' grep -q RUNNING "$WORK/victim.err"
runner_of() { "$WEIR" describe -o json "$1" | jq '[.vertices[].subtasks[].runner_pid | select(. > 0)][0] // empty'; }
has_runner() { [[ -n $(runner_of "$1") ]]; }
wait_until 10 'the process of the job is known' has_runner victim
kill -KILL "$(runner_of victim)"
expect_end victim 1
expect_text "$WORK/victim.err" "job 'victim' failed: the task runner of the job on TaskManager" SIGKILL
wait_job "$beside" FINISHED
count_of_parts "$WORK/beside" >"$WORK/got"
expect_same "$WORK/want" "$WORK/got"
expect_daemons_alive
wait_until 10 'all slots are free' slots_are_free 8
good_job after-runner

check 'a TaskManager: its job fails with the reason, the next one runs on the slots that are left'
in_background lost "$WEIR" run -p 8 "$WORDCOUNT" --name lost --set input="$endless" --set output=blackhole:
wait_until 10 'the job runs' grep -q RUNNING "$WORK/lost.err"
kill_daemon taskmanager-2
rm "$DIR/pid/taskmanager-2.pid"
expect_end lost 1
expect_text "$WORK/lost.err" "job 'lost' failed: lost"
wait_until 10 'the slots that are left are free' slots_are_free 4
good_job after-taskmanager

check '   one that is killed while a job is submitted: the job runs elsewhere, or fails loudly'
start_daemon taskmanager-3 taskmanager --number 3
wait_until 10 'the new slots are there' slots_are_free 8
in_background racing "$WEIR" run -p 2 "$WORDCOUNT" --name racing --set input="$slow"
kill_daemon taskmanager-3
rm "$DIR/pid/taskmanager-3.pid"
wait_until 30 'the end of the job' is_gone "${jobs[racing]}"
code=0
wait "${jobs[racing]}" || code=$?
if [[ $code = 0 ]]; then
    count_of_rows "$WORK/racing.out" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
else
    [[ $code = 1 ]] || fail "expected exit code 0 or 1, got $code"
    expect_text "$WORK/racing.err" "job 'racing' failed: "
fi
wait_until 10 'the slots that are left are free' slots_are_free 4

check 'the JobManager: its jobs fail loudly, their processes end, a new one takes new jobs'
in_background orphan "$WEIR" run -p 2 "$WORDCOUNT" --name orphan --set input="$endless" --set output=blackhole:
wait_until 10 'the job runs' grep -q RUNNING "$WORK/orphan.err"
kill_daemon jobmanager
expect_end orphan 1
expect_text "$WORK/orphan.err" "job 'orphan' failed: " JobManager
start_daemon jobmanager jobmanager
wait_until 20 'all slots are free' slots_are_free 4
good_job after-jobmanager

check '   a job that comes while there is none waits for it, and says so'
kill_daemon jobmanager
has_no_jobmanager() { ! "$WEIR" cluster status 2>/dev/null | grep -q '^jobmanager'; }
wait_until 10 'the dispatcher has noticed' has_no_jobmanager
in_background early "$WEIR" run -p 2 "$WORDCOUNT" --name early --set input="$rows"
in_list() { "$WEIR" list 2>/dev/null | grep -q " $1 "; }
wait_until 10 'the job is accepted' in_list early
wait_until 10 'its user is told why it waits' grep -q 'no JobManager is registered' "$WORK/early.err"
start_daemon jobmanager jobmanager
expect_end early 0
count_of_rows "$WORK/early.out" >"$WORK/got"
expect_same "$WORK/want" "$WORK/got"

stop_cluster
finish
