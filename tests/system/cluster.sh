#!/usr/bin/env bash
# The life of a cluster: start, status, stop, and what is refused.
PORTS=7420-7429
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

check 'start: when it returns, every process is there and every slot is offered'
start_cluster c -t 2 -s 2 -o json
expect_json 'map(.process) | join(" ")' 'dispatcher jobmanager taskmanager-1 taskmanager-2'
cp "$WORK/out" "$WORK/started"
port=$(jq -r '.[0].endpoint | split(":")[2]' "$WORK/started")
expect_exit 0 "$WEIR" cluster status -o json
expect_json '.processes | length' 4
expect_json '[.processes[].slots_free] | add' 4

check 'ps shows the absolute path and the role; pid and log files are there'
for name in dispatcher jobmanager taskmanager-1 taskmanager-2; do
    pid=$(pid_of "$name")
    is_alive "$pid" || fail "$name is not alive"
    [[ $(ps -o args= -p "$pid") = "$WEIR ${name%-[0-9]} "* ]] || fail "ps shows $(ps -o args= -p "$pid")"
    expect_json ".[] | select(.process == \"$name\") | .pid" "$pid" "$WORK/started"
    expect_text "$DIR/log/$name.log" 'is ready:'
    printf '   %s: %d KiB resident\n' "$name" "$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")"
done

check 'status: text, by directory, by endpoint'
for how in '' "--dir $DIR" "-m tcp://127.0.0.1:$port" "-m 127.0.0.1:$port" "-m localhost:$port"; do
    # shellcheck disable=SC2086
    expect_exit 0 "$WEIR" cluster status $how
    expect_out dispatcher jobmanager taskmanager "$(pid_of taskmanager-2)"
done
expect_exit 0 "$WEIR" context -o json
expect_json .endpoint "tcp://127.0.0.1:$port"
expect_json .directory "$DIR"

check 'a second start in the same directory is refused and harms nothing'
expect_error 2 'a cluster runs here already' "$WEIR" cluster start --dir "$DIR"
expect_daemons_alive
expect_exit 0 "$WEIR" cluster status --dir "$DIR"

check 'a port in use: the error names it, nothing is left running'
before=$(own_processes | wc -l)
expect_exit 1 "$WEIR" cluster start --dir "$WORK/other" -D dispatcher.rpc.port="$port"
expect_err "port $port of tcp://127.0.0.1 is in use" ': error: dispatcher ended while it started'
[[ $(own_processes | wc -l) = "$before" ]] || fail 'processes of the failed start are left'
pids=("$WORK"/other/pid/*)
[[ ${#pids[@]} = 0 ]] || fail 'pid files of the failed start are left'
expect_exit 0 "$WEIR" cluster status
expect_out "$(pid_of dispatcher)"

check 'the next port of the range is taken by a second cluster'
first=$DIR
start_cluster second
expect_exit 0 "$WEIR" context -o json
[[ $(jq -r .endpoint "$WORK/out") != "tcp://127.0.0.1:$port" ]] || fail 'the same port twice'
stop_cluster
DIR=$first
expect_error 3 'no cluster is named' "$WEIR" list
expect_exit 0 "$WEIR" context use "127.0.0.1:$port"

check 'not enough slots: how many there are, how many are needed, how to add'
expect_exit 1 "$WEIR" run -p 7 "$WORDCOUNT" --set input=datagen: --set output=blackhole: \
    -D slot.request.timeout=200ms
expect_err 'needs 7 slots' '4 free of 4 in 2 task managers' 'weir taskmanager' '-p'
expect_exit 0 "$WEIR" cluster status -o json
expect_json '[.processes[].slots_free] | add' 4

check 'a TaskManager started by hand adds its slots, and the same job runs'
start_daemon taskmanager-3 taskmanager --number 3 -D taskmanager.numberOfTaskSlots=3
expect_exit 0 "$WEIR" run -p 7 "$WORDCOUNT" --set input='datagen:?rows=1000' --set output=blackhole:

check 'stop: every process ends; again: exit code 3'
mapfile -t pids < <(own_processes)
stop_cluster
expect_err 'stopped 5 processes'
for pid in "${pids[@]}"; do is_gone "$pid" || fail "process $pid lives"; done
files=("$DIR"/pid/*)
[[ ${#files[@]} = 0 ]] || fail 'pid files are left'
expect_error 3 'no cluster is running here' "$WEIR" cluster stop --dir "$DIR"
expect_error 3 'no cluster is running here' "$WEIR" cluster status --dir "$DIR"

check 'start again in the same directory: the jobs that ended are still known'
start_cluster c -t 1
expect_exit 0 "$WEIR" list -a -o json
expect_json 'map(.state) | join(" ")' 'FAILED FINISHED'

check 'a stale pid file is no cluster: processes that died are not in the way'
mapfile -t pids < <(own_processes)
for pid in "${pids[@]}"; do kill -KILL "$pid"; done
for pid in "${pids[@]}"; do wait_until 5 "the end of $pid" is_gone "$pid"; done
expect_error 3 'no cluster is running here' "$WEIR" cluster status --dir "$DIR"
start_cluster c -t 1
expect_exit 0 "$WEIR" run "$WORDCOUNT" --set input='datagen:?rows=10' --set output=blackhole:
stop_cluster
finish
