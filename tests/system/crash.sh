#!/usr/bin/env bash
# Jobs whose code crashes in every way, beside a job that does not: each fails with its reason, and
# nobody else notices.
PORTS=7440-7449
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_text 2000 >"$WORK/text"
count_words "$WORK/text" >"$WORK/want"

# Of 2 x 3 slots the healthy job takes four, so it is on both TaskManagers. It gets one half of its text
# before the others crash, and one after that.
start_cluster c -t 2 -s 3 -D taskmanager.memory.task.size=256mb
serve text
submit -p 4 "$WORDCOUNT" --name healthy --set input="socket://127.0.0.1:$PORT" \
    --set output="filesystem:$WORK/healthy"
healthy_job=$JOB
head -n 1000 "$WORK/text" >&9
has_read() { [[ $("$WEIR" describe "$healthy_job" -o json | jq .records_in) = "$1" ]]; }
wait_until 10 'half of the text is read' has_read 1000
wait_job "$JOB" RUNNING
expect_json '[.vertices[].subtasks[].taskmanager] | unique | length' 2
mapfile -t pids < <(for name in $(daemons); do pid_of "$name"; done)

# crashes HOW TEXT... : the texts are in the error.
crashes() {
    local how=$1
    shift
    check "a job with $how: FAILED: $1"
    expect_exit 1 "$WEIR" run -p 2 "$ROOT/tests/system/jobs/crash.c" --name "$how" --set how="$how"
    expect_err "job $how FAILED in" "weir: error: job '$how' failed: the task runner of the job on TaskManager" \
        "$@" 'its last lines:' 'the 1000th record is here'
    [[ $(grep -c ': error: ' "$WORK/err") = 1 ]] || fail 'expected one error'
    expect_exit 0 "$WEIR" describe "$how" -o json
    expect_json .state FAILED
    expect_json ".error | contains(\"$1\")" true
    expect_exit 0 "$WEIR" logs "$how"
    expect_out 'the 1000th record is here'
}

crashes segfault 'was killed by SIGSEGV' "in function 'write_nowhere'"
crashes abort 'was killed by SIGABRT' 'in function'
crashes exit 'called exit(0)'
crashes divide 'was killed by SIGFPE' "in function 'divide_by_zero'"
crashes recurse 'was killed by SIGSEGV' "in function 'recurse'"
# There is no limit under a sanitizer (lib.sh).
[[ -n ${WEIR_SANITIZE:-} ]] || crashes allocate 'out of memory' 'taskmanager.memory.task.size'

check 'the daemons are the same as before, the slots are free again'
for pid in "${pids[@]}"; do is_alive "$pid" || fail "daemon $pid died"; done
expect_exit 0 "$WEIR" cluster status -o json
expect_json '[.processes[].slots_free] | add' 2
expect_json .jobs_running 1

check 'the job beside them runs on, and every count is right'
expect_exit 0 "$WEIR" describe "$healthy_job" -o json
expect_json .state RUNNING
expect_json .records_in 1000
tail -n +1001 "$WORK/text" >&9
exec 9>&-
wait_job "$healthy_job" FINISHED
# A changelog: each occurrence of a word is one +I or +U with its count so far.
cat "$WORK"/healthy/part-* | awk -F, '/^[+]/ { if ($3 != ++n[$2]) print "gap", $0 }
    END { for (word in n) print n[word], word }' | sort >"$WORK/got"
expect_same "$WORK/want" "$WORK/got"

check 'in one process, too, the end is told: it is never taken for success'
run "$WEIR" run --local "$ROOT/tests/system/jobs/crash.c" --set how=segfault
[[ $code = 139 ]] || fail "expected the end by SIGSEGV, got $code"
expect_err "was killed by SIGSEGV in function 'write_nowhere'"
expect_exit 1 "$WEIR" run --local "$ROOT/tests/system/jobs/crash.c" --set how=exit
expect_err "the job's code called exit(0)"
stop_cluster
finish
