#!/usr/bin/env bash
# A cluster with keys, its processes on several addresses of this host: each with its own key, started
# by hand. Jobs run exactly; whoever has no key, a wrong one, or one for something else is told why.
PORTS=7495-7499
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

DIR=$WORK/c
mkdir -p "$DIR"/{log,pid} "$WORK/keys"
allow=$DIR/allowed
declare -A key
for name in dispatcher jobmanager taskmanager-1 taskmanager-2 client stranger; do
    expect_exit 0 "$WEIR" keys new "$WORK/keys/$name"
    key[$name]=$(cat "$WORK/out")
    [[ ${key[$name]} =~ ^[0-9a-f]{64}$ ]] || fail 'expected a key'
done

# use NAME: the key of a process, as options.
use() { echo "-D security.key-file=$WORK/keys/$1"; }
allow() { expect_exit 0 "$WEIR" keys allow "$1" "$2" --list "$allow" --label "${3-}"; }
# disallow KEY: the list without it, put in place at once.
disallow() {
    grep -v "$1" "$allow" >"$allow.new"
    mv "$allow.new" "$allow"
}
count_of() { grep -cF -e "$1" "$DIR/log/$2.log" || true; }

cat >"$DIR/weir.yaml" <<END
dispatcher.rpc.port: $PORTS
jobmanager.rpc.port: 0
jobmanager.bind-host: 127.0.0.2
jobmanager.rpc.address: 127.0.0.2
cluster.directory: $DIR
security.allow-file: $allow
heartbeat.interval: 100 ms
heartbeat.timeout: 2 s
END
export WEIR_CONFIG=$DIR/weir.yaml
allow dispatcher "${key[dispatcher]}" 'the dispatcher'
allow jobmanager "${key[jobmanager]}" 'host 2'
allow taskmanager "${key[taskmanager-1]}" 'host 3'
allow client "${key[client]}" 'an operator'

start_taskmanager() {
    # shellcheck disable=SC2046
    start_daemon "taskmanager-$1" taskmanager $(use "taskmanager-$1") --number "$1" \
        -D taskmanager.bind-host="127.0.0.$((2 + $1))" -D taskmanager.host="127.0.0.$((2 + $1))" \
        -D taskmanager.numberOfTaskSlots=2
}

check 'every process with a key of its own'
# shellcheck disable=SC2046
start_daemon dispatcher dispatcher $(use dispatcher)
port=$(sed -nE 's/.* is ready: tcp:.*:([0-9]+)#.*/\1/p' "$DIR/log/dispatcher.log")
endpoint=tcp://127.0.0.1:$port
# shellcheck disable=SC2046
start_daemon jobmanager jobmanager $(use jobmanager) --dispatcher "$endpoint"
sed -i "s/^dispatcher.rpc.port: .*/dispatcher.rpc.port: $port/" "$DIR/weir.yaml"
start_taskmanager 1
expect_exit 0 "$WEIR" context use "$endpoint"
allow taskmanager "${key[taskmanager-2]}" 'host 4' # while the dispatcher runs
start_taskmanager 2
# shellcheck disable=SC2046
expect_exit 0 "$WEIR" cluster status -o json $(use client)
expect_json '.processes | length' 4
expect_json '[.processes[].slots_free] | add' 4
expect_json '.processes[] | select(.role == "jobmanager") | .endpoint | split("#")[1]' \
    "${key[jobmanager]}"
for name in dispatcher jobmanager taskmanager-1 taskmanager-2; do
    printf '   %s: %d KiB resident\n' "$name" \
        "$(awk '/^VmRSS/ { print $2 }' "/proc/$(pid_of "$name")/status")"
done

check 'a job over all of them is exact, and its data goes from address to address'
make_text 20000 >"$WORK/text"
count_words "$WORK/text" >"$WORK/want"
# shellcheck disable=SC2046
expect_exit 0 "$WEIR" run -p 4 "$WORDCOUNT" $(use client) --set input="file:$WORK/text?split-size=20kb" \
    --set output="filesystem:$WORK/counted"
count_of_parts "$WORK/counted" >"$WORK/got"
expect_same "$WORK/want" "$WORK/got"
# shellcheck disable=SC2046
in_background attached "$WEIR" run -p 4 "$WORDCOUNT" --name attached $(use client) \
    --set input='datagen:?rows=0&keys=100&seed=3&rate=1000'
wait_until 10 'the attached job runs' grep -q RUNNING "$WORK/attached.err"

check 'a task runner has the key of its job in no argument, no environment, no log, and no other key'
runners=0
for pid in $(own_processes); do
    [[ $(tr '\0' ' ' <"/proc/$pid/cmdline") = *' runner '* ]] || continue
    runners=$((runners + 1))
    ! tr '\0' '\n' <"/proc/$pid/cmdline" | grep -E '[0-9a-f]{64}' || fail 'a key is an argument'
    ! tr '\0' '\n' <"/proc/$pid/environ" | grep -E '[0-9a-f]{64}' || fail 'a key is in the environment'
    ls -l "/proc/$pid/fd" >"$WORK/descriptors"
    ! grep -F "$WORK/keys" "$WORK/descriptors" || fail 'a key file is open'
done
[[ $runners = 2 ]] || fail "expected 2 task runners, found $runners"
# shellcheck disable=SC2046
expect_exit 0 "$WEIR" cancel attached $(use client)
expect_end attached 1
for file in "$DIR"/log/*.log; do
    ! grep -qF -f <(sed -n 's/^secret //p' "$WORK"/keys/*) "$file" || fail "a secret is in $file"
done
# What is in the clear on the wire would be in a trace; here, that nobody reports a message refused.
[[ $(count_of 'refused a message' jobmanager) = 0 ]] || fail 'the JobManager refused messages'
[[ $(count_of 'refused a message' dispatcher) = 0 ]] || fail 'the dispatcher refused messages'

# refuses TEXT COMMAND... : a word of the cluster, or of ZeroMQ; not a timeout.
refuses() {
    local text=$1
    shift
    expect_error 2 "$text" "$@"
    expect_err "$endpoint refused the connection: "
}

check 'a client without a key, with a strange one, with one of another role'
refuses 'talks to none without a key, and this process has none; set security.key-file' \
    "$WEIR" list
# shellcheck disable=SC2046
refuses "weir keys allow client ${key[stranger]}" "$WEIR" list $(use stranger)
expect_text "$DIR/log/dispatcher.log" "turned away key ${key[stranger]} from 127.0.0.1"
# shellcheck disable=SC2046
refuses "may be taskmanager, not client" "$WEIR" list $(use taskmanager-1)
expect_err "weir keys allow client ${key[taskmanager-1]}"

check 'a client that expects another dispatcher'
# shellcheck disable=SC2046
expect_error 3 'it hangs up on us: its key may be another' "$WEIR" list $(use client) \
    -D security.dispatcher-key="${key[stranger]}"
# shellcheck disable=SC2046
expect_error 2 'security.dispatcher-key: expected a key of 64 hex digits' "$WEIR" list $(use client) \
    -D security.dispatcher-key=12
# shellcheck disable=SC2046
expect_error 2 'security.dispatcher-key: is not set' "$WEIR" list $(use client) \
    -D security.allow-file=
# shellcheck disable=SC2046
expect_exit 0 "$WEIR" list $(use client) -D security.allow-file= \
    -D security.dispatcher-key="${key[dispatcher]}"

check 'a key file that others may read, a list that others may write'
chmod 0644 "$WORK/keys/client"
# shellcheck disable=SC2046
expect_exit 2 "$WEIR" list $(use client)
expect_err 'security.key-file' "$WORK/keys/client" '0600'
chmod 0600 "$WORK/keys/client"
chmod 0666 "$allow"
# shellcheck disable=SC2046
expect_exit 2 "$WEIR" list $(use client)
expect_err 'security.allow-file' "$allow"
chmod 0644 "$allow"

# daemon_fails TEXT ROLE ARGUMENTS... : it ends by itself, and says why.
daemon_fails() {
    local text=$1
    shift
    run "$WEIR" "$@"
    [[ $code != 0 ]] || fail 'expected it to fail'
    expect_err "$text"
}

check 'daemons: a key of another role, none, one without a list'
# shellcheck disable=SC2046
daemon_fails 'refused this JobManager: key' jobmanager $(use taskmanager-1)
expect_err "may be taskmanager, not jobmanager" "weir keys allow jobmanager ${key[taskmanager-1]}"
# shellcheck disable=SC2046
daemon_fails 'refused this TaskManager' taskmanager $(use stranger)
expect_err "weir keys allow taskmanager ${key[stranger]}"
daemon_fails 'talks to none without a key' taskmanager
# shellcheck disable=SC2046
daemon_fails 'nothing says whose keys it lets in' jobmanager $(use jobmanager) -D security.allow-file=

check 'beyond loopback: only with a key and a list, or insecure'
for host in 0.0.0.0 '*' 10.1.2.3 127.0.0.1.example; do
    daemon_fails 'needs keys beyond loopback' jobmanager -D jobmanager.bind-host="$host"
    expect_err 'security.key-file and security.allow-file' security.insecure "'$host'"
    # shellcheck disable=SC2046
    daemon_fails 'needs keys beyond loopback' taskmanager -D taskmanager.bind-host="$host" \
        $(use taskmanager-1) -D security.allow-file=
done

check 'a TaskManager whose key is taken away is out at once, and the rest goes on'
# shellcheck disable=SC2046
submit -p 2 "$WORDCOUNT" --name long $(use client) --set input='datagen:?rate=2000&keys=50' \
    --set output=blackhole:
pid=$(pid_of taskmanager-2)
before=${EPOCHREALTIME/./}
disallow "${key[taskmanager-2]}"
wait_until 2 'the TaskManager ends' is_gone "$pid"
printf '   after %d ms\n' $(((${EPOCHREALTIME/./} - before) / 1000))
expect_text "$DIR/log/taskmanager-2.log" "its key may not be taskmanager any more: ${key[taskmanager-2]}"
expect_text "$DIR/log/dispatcher.log" "loaded $allow again" "its key may not be taskmanager any more"
# shellcheck disable=SC2046
expect_exit 0 "$WEIR" cluster status -o json $(use client)
expect_json '.processes | length' 3
# shellcheck disable=SC2046
daemon_fails 'refused this TaskManager' taskmanager $(use taskmanager-2)
# shellcheck disable=SC2046
run "$WEIR" cancel "$JOB" $(use client) # it may have failed with its TaskManager
# shellcheck disable=SC2046
expect_exit 0 "$WEIR" run -p 2 "$WORDCOUNT" $(use client) --set input="file:$WORK/text?split-size=20kb" \
    --set output="filesystem:$WORK/again"
count_of_parts "$WORK/again" >"$WORK/got"
expect_same "$WORK/want" "$WORK/got"

check 'a client whose key is taken away is out in the midst of its job'
# shellcheck disable=SC2046
in_background watching "$WEIR" run -p 2 "$WORDCOUNT" --name watching $(use client) \
    --set input='datagen:?rate=1000&keys=50' --set output=blackhole:
wait_until 10 'the job runs' grep -q RUNNING "$WORK/watching.err"
disallow "${key[client]}"
wait_until 5 'the client ends' is_gone "${jobs[watching]}"
expect_text "$WORK/watching.err" "its key may not be client any more"
wait "${jobs[watching]}" || true

check 'a bad list changes nothing'
echo 'client 12' >>"$allow"
wait_until 5 'the dispatcher says so' more_than 0 'for it is bad now' "$DIR/log/dispatcher.log"
disallow 'client 12'
allow client "${key[client]}" 'the operator is back'
# shellcheck disable=SC2046
expect_exit 0 "$WEIR" cancel watching $(use client)

check 'stop'
rm "$DIR/pid/taskmanager-2.pid"
# shellcheck disable=SC2046
expect_exit 0 "$WEIR" cluster stop --dir "$DIR" $(use client)
finish
