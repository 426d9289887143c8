# tests/system/hosts_lib.sh -- what the tests across hosts share; they source it instead of lib.sh.
#
# Hosts are network namespaces with addresses of their own, 10.77.0.<n> and fd00:77::<n>, and names,
# host-<letter>; between them lies a network made by hosts_link (link.c), which can be told to be
# slow, lossy or cut. The whole test runs in namespaces for processes and mounts of its own: nothing
# outside is touched, any number run at a time, and when the test ends, however it does, the kernel
# takes everything away. Where namespaces cannot be made the test is skipped, with exit code 77.
SKIPPED=77

skip() {
    [[ -z ${WORK:-} ]] || { trap - EXIT && rm -rf "$WORK"; }
    printf 'SKIPPED: %s; hosts need root (CAP_SYS_ADMIN, CAP_NET_ADMIN) and /dev/net/tun\n' "$*" >&2
    exit "$SKIPPED"
}

if [[ -z ${WEIR_HOSTS_INSIDE:-} ]]; then
    inside=(unshare --mount --pid --fork --kill-child --mount-proc)
    for tool in unshare nsenter ip; do
        command -v "$tool" >/dev/null || skip "there is no $tool (packages util-linux, iproute2)"
    done
    why=$("${inside[@]}" true 2>&1) || skip "namespaces cannot be made: $why"
    WEIR_HOSTS_INSIDE=1 exec "${inside[@]}" bash "$0" "$@"
fi

# Files of the test vanish with its namespaces, too.
for space in /mnt /media /srv; do
    [[ -d $space ]] && mount -t tmpfs -o mode=0755 tmpfs "$space" && export TMPDIR=$space && break
done
PORTS=0
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
WEIR_HOSTS_INSIDE=1

declare -A SPACE ADDRESS ADDRESS6 PID READY
HOSTS=()
HOST_SEED=${HOST_SEED:-7}

# make_hosts NAME... : a network of hosts host-<name>, addresses in order.
make_hosts() {
    local line name n=0 rc=0
    HOSTS=("$@")
    coproc NET { exec "${HOSTS_LINK:?set it to the executable hosts_link; ctest does}" \
        --seed "$HOST_SEED" "${HOSTS[@]}" 2>"$WORK/link.err"; }
    local link=$NET_PID from=${NET[0]} # bash forgets them when it ends
    while IFS= read -r -t 10 line <&"$from" && [[ $line != ready ]]; do
        read -r _ name space <<<"$line"
        SPACE[$name]=/proc/$link/fd/$space
    done
    if [[ $line != ready ]]; then
        wait "$link" || rc=$?
        [[ $rc != "$SKIPPED" ]] || skip "$(cat "$WORK/link.err")"
        fail "no network: $(cat "$WORK/link.err")"
    fi
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$WORK/hosts"
    for name in "${HOSTS[@]}"; do
        n=$((n + 1))
        ADDRESS[$name]=10.77.0.$n
        ADDRESS6[$name]=fd00:77::$n
        printf '%s host-%s\n%s host-%s-6\n' "${ADDRESS[$name]}" "$name" "${ADDRESS6[$name]}" "$name" \
            >>"$WORK/hosts"
        on "$name" ip link set lo up
        on "$name" ip link set eth0 up
        on "$name" ip address add "${ADDRESS[$name]}/24" dev eth0
        on "$name" ip -6 address add "${ADDRESS6[$name]}/64" dev eth0 nodad
    done
    mount --bind "$WORK/hosts" /etc/hosts
}

# on HOST COMMAND... : there.
on() { nsenter --net="${SPACE[$1]}" "${@:2}"; }

# network COMMAND : of hosts_link; in force when it returns. The answer is in $network_said.
network() {
    printf '%s\n' "$*" >&"${NET[1]}"
    IFS= read -r -t 5 network_said <&"${NET[0]}" || fail "the network does not answer: $*"
    [[ $network_said = ok* ]] || fail "network $*: $network_said"
}

# frames WHAT [WHERE] : how many were passed, lost, cut or overrun until now, into $frames.
frames() {
    network stats "${@:2}"
    frames=$(sed -E "s/.* $1 ([0-9]+).*/\1/" <<<"$network_said")
}

# ---- time ----

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
started_ms=0
stopwatch() { started_ms=$(now_ms); }
# took WHAT : since the stopwatch; for the log of the test.
took() { printf '   %s: %d ms\n' "$1" $(($(now_ms) - started_ms)); }

# ---- clusters by hand ----

# configure HOST NAME <text : the file of a process. $WORK/<host> stands for the host's own disk.
configure() {
    mkdir -p "$WORK/$1/etc" "$WORK/$1/log"
    cat >"$WORK/$1/etc/$2.yaml"
}

# start_command HOST NAME weir ARGUMENTS... : a daemon, whose log is log/<name>.log on the host's disk;
# PID[host/name] is its process id.
start_command() {
    local log=$WORK/$1/log/$2.log
    mkdir -p "$WORK/$1/log"
    : >>"$log"
    READY[$1/$2]=$(count_lines 'is ready:' "$log")
    nsenter --net="${SPACE[$1]}" "$WEIR" "${@:4}" </dev/null >>"$log" 2>&1 9>&- &
    PID[$1/$2]=$!
    disown # the shell shall not tell of its end
}

# wait_ready HOST NAME
wait_ready() {
    local log=$WORK/$1/log/$2.log
    wait_until 20 "$2 on $1 is ready" ready_or_dead "${READY[$1/$2]}" "$log" "${PID[$1/$2]}"
    is_alive "${PID[$1/$2]}" || fail "$2 on $1 ended at its start"
}
ready_or_dead() { more_than "$1" 'is ready:' "$2" || is_gone "$3"; }

# start_on HOST ROLE [NAME] [ARGUMENTS...] : by its file <name>.yaml, and waits until it is ready.
start_on() {
    local name=${3:-$2}
    start_command "$1" "$name" weir "$2" --config "$WORK/$1/etc/$name.yaml" \
        --log "$WORK/$1/log/$name.log" "${@:4}"
    wait_ready "$1" "$name"
}

# stop_on HOST NAME... : each in good order.
stop_on() {
    local name
    for name in "${@:2}"; do
        kill -TERM "${PID[$1/$name]}"
        wait_until 10 "the end of $name on $1" is_gone "${PID[$1/$name]}"
    done
}

# Every process that was started here, TaskManagers first.
stop_all() {
    local name
    for name in $(printf '%s\n' "${!PID[@]}" | sort -t/ -k2 -r); do
        ! is_alive "${PID[$name]}" || stop_on "${name%/*}" "${name#*/}"
    done
}

# Processes of a host: daemons and task runners.
processes_on() {
    local pid wanted
    wanted=$(stat -Lc %i "${SPACE[$1]}")
    for pid in $(own_processes); do
        [[ $(stat -Lc %i "/proc/$pid/ns/net" 2>/dev/null) != "$wanted" ]] || echo "$pid"
    done
}
runners_on() {
    local pid
    for pid in $(processes_on "$1"); do
        ! tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q 'runner' || echo "$pid"
    done
}
has_no_runners() { [[ -z $(runners_on "$1") ]]; }
has_runners() { [[ -n $(runners_on "$1") ]]; }

pause_host() {
    local pid
    for pid in $(processes_on "$1"); do kill -STOP "$pid" 2>/dev/null || true; done
}
wake_host() {
    local pid
    for pid in $(processes_on "$1"); do kill -CONT "$pid" 2>/dev/null || true; done
}

# client_on HOST : the host of the commands "${CLI[@]}" from now on.
client_on() {
    CLIENT=$1
    CLI=(nsenter --net="${SPACE[$1]}" "$WEIR")
}

# As in lib.sh, from the client's host.
state_of() { "${CLI[@]}" describe -o json "$1" 2>/dev/null | jq -r .state 2>/dev/null; }
submit() {
    expect_exit 0 "${CLI[@]}" run -d "$@"
    JOB=$(cat "$WORK/out")
    [[ $JOB =~ ^[0-9a-f]{32}$ ]] || fail 'expected the id of a job'
}
wait_job() {
    wait_until "${3:-20}" "job $1 is $2" is_state_or_ended "$1" "$2"
    expect_exit 0 "${CLI[@]}" describe -o json "$1"
    expect_json .state "$2"
}
slots_are_free() {
    [[ $("${CLI[@]}" cluster status -o json 2>/dev/null | jq '[.processes[].slots_free] | add') = "$1" ]]
}

# ---- keys ----

# make_keys HOST... : a key for each, which is allowed nothing yet.
make_keys() {
    local host
    KEYED=("$@")
    for host in "$@"; do
        mkdir -p "$WORK/$host/etc"
        expect_exit 0 "$WEIR" keys new "$WORK/$host/etc/key"
    done
}
# allow HOST ROLE : in the list, which is the same on every host.
allow() {
    local host
    expect_exit 0 "$WEIR" keys allow "$2" "$WORK/$1/etc/key" --list "$WORK/allowed" --label "host-$1"
    for host in "${KEYED[@]}"; do
        cp -p "$WORK/allowed" "$WORK/$host/etc/allowed.new"
        mv "$WORK/$host/etc/allowed.new" "$WORK/$host/etc/allowed"
    done
}
# keyed HOST : a file on stdin, with keys in place of trust in everybody.
keyed() {
    sed -e "s#^security.insecure: true\$#security.key-file: $WORK/$1/etc/key\nsecurity.allow-file: $WORK/$1/etc/allowed#"
}
# give_keys JOBMANAGER_HOST CLIENT_HOST : to the hosts of make_cluster.
give_keys() {
    make_keys "${HOSTS[@]}"
    allow a dispatcher
    allow "$1" jobmanager
    allow b taskmanager
    allow c taskmanager
    allow "$2" client
    configure "$2" client < <(keyed "$2" <<<'security.insecure: true')
    export WEIR_CONFIG=$WORK/$2/etc/client.yaml
}

# ---- a cluster ----

# Quick beats; the rest of a file of every process.
TIMEOUT_MS=2000
common() {
    printf '%s\n' "cluster.directory: $WORK/$1/lib" "env.log.dir: $WORK/$1/log" \
        "dispatcher.rpc.address: ${ADDRESS[a]}" \
        'heartbeat.interval: 200ms' "heartbeat.timeout: ${TIMEOUT_MS}ms" 'slot.request.timeout: 4s' \
        'security.insecure: true' | if [[ -n ${HOSTS_KEYS:-} ]]; then keyed "$1"; else cat; fi
}

configure_dispatcher() {
    configure "$1" dispatcher <<<"$(common "$1")
dispatcher.bind-host: ${ADDRESS[$1]}"
}
configure_jobmanager() {
    configure "$1" jobmanager <<<"$(common "$1")
jobmanager.bind-host: ${ADDRESS[$1]}"
}
configure_taskmanager() {
    configure "$1" taskmanager <<<"$(common "$1")
taskmanager.bind-host: ${ADDRESS[$1]}
taskmanager.numberOfTaskSlots: 2"
}

# make_cluster JOBMANAGER_HOST : the dispatcher on a, TaskManagers with 2 slots each on b and c.
make_cluster() {
    [[ -z ${HOSTS_KEYS:-} ]] || give_keys "$1" "$CLIENT"
    configure_dispatcher a
    configure_jobmanager "$1"
    start_on a dispatcher
    start_on "$1" jobmanager
    local host
    for host in b c; do
        configure_taskmanager "$host"
        start_on "$host" taskmanager
    done
    expect_exit 0 "${CLI[@]}" context use "${ADDRESS[a]}"
    wait_until 10 'all slots are there' slots_are_free 4
}

# ---- jobs ----

# Words that come one by one, each sent on at once from host to host and counted there.
STREAM='datagen:?keys=100&seed=3'
streaming() { # NAME ROWS RATE
    printf '%s\n' -p 4 "$WORDCOUNT" --name "$1" -D execution.runtime-mode=STREAMING \
        --set "input=$STREAM&rows=$2&rate=$3" --set "output=filesystem:$WORK/out-$1?format=csv"
}

# start_streaming NAME ROWS RATE : detached, and waits until it runs. ROWS 0: without end.
start_streaming() {
    local arguments
    mapfile -t arguments < <(streaming "$@")
    submit "${arguments[@]}"
    wait_until 10 "job $1 runs" is_state "$1" RUNNING
}

# The counts that ROWS rows have, from a run in one process; made once.
wanted() {
    [[ -e $WORK/want-$1 ]] || {
        "$WEIR" run --local -q "$WORDCOUNT" --set "input=$STREAM&rows=$1" >"$WORK/want.out"
        count_of_rows "$WORK/want.out" >"$WORK/want-$1"
    }
    echo "$WORK/want-$1"
}

# count_of_changes DIRECTORY : the last count of each word of a changelog, whose rows must follow
# each other without a gap.
count_of_changes() {
    local part
    for part in "$1"/part-*; do
        awk -F, '
            $1 == "-U" { if (n[$2] != $3) bad = 1; next }
            { if ($3 != n[$2] + 1) bad = 1; n[$2] = $3 }
            END { for (word in n) print n[word] " " word; exit bad }' "$part" || fail "$part has a gap"
    done | sort
}

# expect_exact NAME ROWS : what the job wrote is what its rows have.
expect_exact() {
    count_of_changes "$WORK/out-$1" >"$WORK/got"
    expect_same "$(wanted "$2")" "$WORK/got"
}

# expect_failed JOB TEXT... : it ended as FAILED; its error has the texts, and no part of its output is
# to be seen.
expect_failed() {
    wait_until 30 "the end of $1" has_ended "$1"
    expect_exit 0 "${CLI[@]}" describe -o json "$1"
    expect_json .state FAILED
    jq -r .error "$WORK/out" >"$WORK/error"
    printf '   %s\n' "$(head -n 1 "$WORK/error")"
    expect_text "$WORK/error" "${@:2}"
    local parts=("$WORK/out-$1"/part-*)
    [[ ${#parts[@]} = 0 ]] || fail "a job that failed left ${parts[*]}"
}

# good_job NAME : on all slots, when they are back.
good_job() {
    wait_until 20 'all slots are free' slots_are_free 4
    took 'all slots are free'
    expect_exit 0 "${CLI[@]}" run -q -p 4 "$WORDCOUNT" --name "$1" --set "input=$STREAM&rows=3000"
    count_of_rows "$WORK/out" >"$WORK/got"
    expect_same "$(wanted 3000)" "$WORK/got"
}

# pause SECONDS : how long a fault lasts is what is tried out.
pause() { read -rt "$1" <> <(:) || true; }
