#!/usr/bin/env bash
# Rude peers at every door while jobs run: the processes live, stay small, say whom they refused, and
# every count comes out right. (hostile.c is the peer.)
PORTS=7500-7509
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${HOSTILE:?set it to the executable hostile; ctest does}"

ADDRESS=127.0.0.1
MEMORY_MAX=$((128 * 1024)) # KiB
[[ -z ${WEIR_SANITIZE:-} ]] || MEMORY_MAX=$((1024 * 1024))
many=10000
((many + 500 < $(ulimit -Hn))) || many=$(($(ulimit -Hn) - 500))

make_text 3000 >"$WORK/text"
count_words "$WORK/text" >"$WORK/want"

port_of() { sed -E 's/.*:([0-9]+)$/\1/' <<<"$1"; }
# The port on which a process listens.
door_of() {
    ss -Hltnp | awk -v pid="pid=$1," 'index($0, pid) { sub(/.*:/, "", $4); print $4; exit }'
}

# Every daemon lives and is small, and so is the task runner.
expect_well() {
    local name pid kib
    expect_daemons_alive
    for pid in $(own_processes); do
        kib=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || continue
        [[ -z $kib ]] || ((kib < MEMORY_MAX)) || fail "process $pid had $kib KiB, at $1"
    done
    expect_exit 0 "$WEIR" cluster status
}

# hostile NAME ARGUMENTS... : to its end.
hostile() {
    local name=$1
    shift
    expect_exit 0 "$HOSTILE" "$@"
    cp "$WORK/out" "$WORK/told"
    expect_well "$name"
}

# hold NAME ARGUMENTS... : in the background until `let_go`.
hold() {
    mkfifo "$WORK/$1.held"
    # Opened for both ways, so that neither side waits for the other.
    exec 8<>"$WORK/$1.held"
    "$HOSTILE" "${@:2}" <"$WORK/$1.held" >"$WORK/$1.out" 2>"$WORK/$1.err" 8>&- 9>&- &
    holder=$!
    wait_until 60 "$1 is in force" test -s "$WORK/$1.out"
}
let_go() {
    kill "$holder" 2>/dev/null || true
    wait "$holder" 2>/dev/null || true
    exec 8>&-
}

start_cluster c -t 2 -s 4
dispatcher=$(port_of "$(jq -r '.endpoint' <("$WEIR" context -o json))")
jobmanager=$(door_of "$(pid_of jobmanager)")

check "a job on both TaskManagers that runs through all of it"
serve text
submit -p 6 "$WORDCOUNT" --name through --set input="socket://127.0.0.1:$PORT" \
    --set output="filesystem:$WORK/through"
through=$JOB
head -n 1500 "$WORK/text" >&9
has_read() { [[ $("$WEIR" describe "$through" -o json | jq .records_in) = "$1" ]]; }
wait_until 20 'half of the text is read' has_read 1500
runner=$("$WEIR" describe "$through" -o json | jq -r '[.vertices[].subtasks[].runner_pid] | unique | first')
data=$(door_of "$runner")
[[ -n $data && -n $jobmanager && -n $dispatcher ]] || fail 'the doors are not known'

for door in "dispatcher $dispatcher" "jobmanager $jobmanager" "data $data"; do
    read -r role port <<<"$door"
    check "$role: garbage, greetings and garbage, frames of 8 GiB"
    hostile garbage garbage $ADDRESS "$port" 500
    hostile greeting greeting $ADDRESS "$port" 500
    hostile huge huge $ADDRESS "$port" 3
    check "$role: $many silent connections, and 500 half-open handshakes; a job runs meanwhile"
    hold "silent-$role" silent $ADDRESS "$port" "$many"
    expect_exit 0 "$WEIR" run -q -p 2 "$WORDCOUNT" --set input="file:$WORK/text" --set output="filesystem:$WORK/out-$role"
    count_of_parts "$WORK/out-$role" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
    expect_well silent
    let_go
    hold "half-$role" half-open $ADDRESS "$port" 500
    expect_well half-open
    let_go
done

for door in "dispatcher $dispatcher" "jobmanager $jobmanager"; do
    read -r role port <<<"$door"
    check "$role: another cluster, another protocol, a role that is none: each is told why"
    hostile cluster refused $ADDRESS "$port" 1 another taskmanager
    expect_text "$WORK/told" "wrong cluster: the $role is of cluster 'default'"
    hostile protocol refused $ADDRESS "$port" 1 default taskmanager 99
    expect_text "$WORK/told" 'protocol versions do not meet'
    hostile role refused $ADDRESS "$port" 1 default king
    check "$role: messages cut short and with flipped bits; reports about a job that are not its own"
    hostile spoiled spoiled $ADDRESS "$port" 200 default taskmanager
    hostile forged forged $ADDRESS "$port" 1 default taskmanager "$through"
    check "$role: somebody who asks and never reads"
    hold "unread-$role" unread $ADDRESS "$port" 50000 default client
    expect_well unread
    let_go
done
check 'data: batches without a hello, hellos of other jobs, protocols and keys'
hostile data data $ADDRESS "$data" 300 "$through"

check 'it was told who was refused, and not a thousand times'
for name in dispatcher jobmanager; do
    log=$DIR/log/$name.log
    expect_text "$log" '127.0.0.1' 'refused'
    (($(wc -l <"$log") < 400)) || fail "$name wrote $(wc -l <"$log") lines"
done

check 'the job ran through it, and every count is right'
wait_job "$through" RUNNING
tail -n +1501 "$WORK/text" >&9
exec 9>&-
wait_job "$through" FINISHED
cat "$WORK"/through/part-* | awk -F, '/^[+]/ { if ($3 != ++n[$2]) print "gap", $0 }
    END { for (word in n) print n[word], word }' | sort >"$WORK/got"
expect_same "$WORK/want" "$WORK/got"
expect_well 'the end'
stop_cluster
finish
