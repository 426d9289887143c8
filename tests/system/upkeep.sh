#!/usr/bin/env bash
# What a cluster does so that it can stay up: logs, results and artifacts of former jobs go, daemons do
# not grow, and a task runner that hangs is found out.
PORTS=7495-7499
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

KEPT=8
printf 'a b a\n' >"$WORK/text"
start_cluster c -t 2 -s 4 -D jobstore.max-capacity=$KEPT -D heartbeat.interval=100ms \
    -D heartbeat.timeout=1s -D env.log.max-size=8kb -D env.log.max=1

run_jobs() {
    local i
    for ((i = 0; i < $1; i++)); do
        expect_exit 0 "$WEIR" run -q "$WORDCOUNT" --name "job-$i" --set input="file:$WORK/text" \
            --set output=blackhole:
    done
}
descriptors_of() { local all=("/proc/$(pid_of "$1")/fd/"*); echo "${#all[@]}"; }
threads_of() { local all=("/proc/$(pid_of "$1")/task/"*); echo "${#all[@]}"; }
count_runner_logs() { local all=("$DIR"/log/runner-*.log); echo "${#all[@]}"; }

check 'sixty jobs: as many results and logs stay as are to be kept, and no descriptor more than before'
run_jobs 20
declare -A descriptors threads
for name in $(daemons); do
    descriptors[$name]=$(descriptors_of "$name")
    threads[$name]=$(threads_of "$name")
done
run_jobs 40
expect_exit 0 "$WEIR" list -a -o json
expect_json length $KEPT
expect_json 'map(.state) | unique | join(" ")' FINISHED
last_job=$(jq -r 'map(select(.name == "job-39"))[0].job' "$WORK/out")
# Logs are looked through now and then, not at each end.
(($(count_runner_logs) <= KEPT + 4)) || fail "$(count_runner_logs) logs of task runners are left"
expect_exit 0 "$WEIR" logs "$last_job"
for name in $(daemons); do
    # One that is just being closed, perhaps.
    (($(descriptors_of "$name") <= descriptors[$name] + 1)) ||
        fail "$name had ${descriptors[$name]} descriptors; it has $(descriptors_of "$name")"
    (($(threads_of "$name") <= threads[$name])) ||
        fail "$name had ${threads[$name]} threads; it has $(threads_of "$name")"
done

check 'logs of daemons: one that is full is put aside, and one of those is kept'
[[ -e $DIR/log/dispatcher.log.1 && ! -e $DIR/log/dispatcher.log.2 ]] ||
    fail "expected dispatcher.log and dispatcher.log.1, found: $(ls "$DIR/log")"
(($(stat -c %s "$DIR/log/dispatcher.log.1") < 9000)) || fail 'dispatcher.log.1 is too long'

check 'a log of a task runner that lives is never removed, however many end beside it'
submit "$WORDCOUNT" --name living --set input='datagen:?rate=100' --set output=blackhole:
living=$JOB
wait_job "$living" RUNNING
touch -d '3 days ago' "$DIR"/log/runner-"$living"-*.log
run_jobs 20
expect_exit 0 "$WEIR" logs "$living"
expect_exit 0 "$WEIR" describe "$living" -o json
expect_json .state RUNNING

check 'a task runner that hangs: its job fails and says so, the other job does not notice'
submit "$WORDCOUNT" --name stopped --set input='datagen:?rate=100' --set output=blackhole:
wait_job "$JOB" RUNNING
expect_exit 0 "$WEIR" describe "$JOB" -o json
kill -STOP "$(jq '[.vertices[].subtasks[].runner_pid | select(. > 0)][0]' "$WORK/out")"
wait_job "$JOB" FAILED
expect_exit 0 "$WEIR" describe "$JOB"
expect_out 'gave no sign of life for heartbeat.timeout'
expect_exit 0 "$WEIR" describe "$living" -o json
expect_json .state RUNNING
expect_exit 0 "$WEIR" cancel "$living"

check 'a TaskManager that is started again: artifacts that nobody used for long are gone'
artifacts=("$DIR"/taskmanager-2/artifacts/*.so)
[[ ${#artifacts[@]} = 1 ]] || fail 'expected one artifact on the second TaskManager'
kill -KILL "$(pid_of taskmanager-2)"
wait_until 5 'the end of taskmanager-2' is_gone "$(pid_of taskmanager-2)"
touch -d '2 hours ago' "${artifacts[0]}"
start_daemon taskmanager-2 taskmanager --number 2
[[ ! -e ${artifacts[0]} ]] || fail 'the artifact is there yet'
run_jobs 2

check '   one beside it that was given no number, and died: what it left goes, too'
start_daemon taskmanager-x taskmanager
left=("$DIR/taskmanager-$(pid_of taskmanager-x)")
[[ -e ${left[0]}/artifacts/lock ]] || fail "expected ${left[0]}/artifacts/lock"
kill -KILL "$(pid_of taskmanager-x)"
wait_until 5 'the end of taskmanager-x' is_gone "$(pid_of taskmanager-x)"
rm "$DIR/pid/taskmanager-x.pid"
expect_exit 2 "$WEIR" taskmanager --config "$DIR/weir.yaml" --number 2
expect_err 'taskmanager-2/artifacts: another TaskManager of this host has it'
start_daemon taskmanager-3 taskmanager --number 3
[[ ! -e ${left[0]} ]] || fail "${left[0]} is there yet"
[[ -e $DIR/taskmanager-1/artifacts/lock && -e $DIR/taskmanager-2/artifacts/lock ]] ||
    fail 'the directory of a TaskManager that lives is gone'

expect_daemons_alive
stop_cluster
finish
