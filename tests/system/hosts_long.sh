#!/usr/bin/env bash
# Rounds of chance: while a job runs, links between hosts are cut, slowed and made lossy, and hosts are
# paused, in any combination and for any time. Whatever happens, the job ends: exactly, or as FAILED with
# a reason; then all slots come back and the next job runs. Processes grow no descriptors over it.
#
#   tests/system/hosts_long.sh [ROUNDS [SEED]]      20 rounds, seed 1; a minute takes some 6 rounds
#
# With HOSTS_KEYS=1 the cluster has keys.
source "$(dirname "${BASH_SOURCE[0]}")/hosts_lib.sh"
rounds=${1:-20}
RANDOM=${2:-1}

make_hosts a b c j x
client_on x
make_cluster j
wanted 6000 >/dev/null

between() { echo $(($1 + RANDOM % ($2 - $1 + 1))); }
any() { # WORD... : one of them
    local words=("$@")
    echo "${words[RANDOM % $#]}"
}

# One fault at a time, for a while; several follow each other while the job runs.
fault() {
    local kind where ms
    kind=$(any cut cut cut one-way one-way host pause delay loss)
    ms=$(between 100 3500)
    case $kind in
    cut) where=$(any 'a b' 'a c' 'a j' 'b c' 'b j' 'c j') ;;
    one-way) where=$(any 'a>b' 'b>a' 'b>c' 'c>b' 'j>b' 'b>j' 'c>j' 'a>j' 'j>a') ;;
    *) where=$(any a b c j) ;;
    esac
    told+=" $kind:$where:${ms}ms"
    case $kind in
    cut | one-way | host) network cut "$where" ;;
    pause) pause_host "$where" ;;
    delay) network delay "$(between 20 300)" "$where" ;;
    loss) network loss "$(between 1 30)" "$where" ;;
    esac
    pause "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
    # Every other time the next fault comes on top of this one.
    ((RANDOM % 2)) || end_faults
}
end_faults() {
    local host
    network heal
    network delay 0
    network loss 0
    for host in a b c j; do wake_host "$host"; done
}

descriptors() {
    local name total=0 files
    for name in "${!PID[@]}"; do
        files=("/proc/${PID[$name]}/fd"/*)
        total=$((total + ${#files[@]}))
    done
    echo "$total"
}
memory() {
    local name
    for name in "${!PID[@]}"; do
        printf ' %s %d KiB' "$name" "$(awk '/^VmRSS/ { print $2 }' "/proc/${PID[$name]}/status")"
    done | sort
}

expect_processes() {
    local name
    for name in "${!PID[@]}"; do is_alive "${PID[$name]}" || fail "$name is dead"; done
}

finished=0 failed=0
check "$rounds rounds, seed ${2:-1}"
for ((round = 1; round <= rounds; round++)); do
    told=
    start_streaming "round-$round" 6000 "$(between 1000 2500)"
    for ((n = $(between 1 4); n > 0; n--)); do fault; done
    end_faults
    stopwatch
    wait_until 60 "the end of job round-$round after$told" has_ended "round-$round"
    expect_exit 0 "${CLI[@]}" describe -o json "round-$round"
    state=$(jq -r .state "$WORK/out")
    case $state in
    FINISHED)
        expect_exact "round-$round" 6000
        finished=$((finished + 1))
        ;;
    FAILED)
        [[ -n $(jq -r '.error // empty' "$WORK/out") ]] || fail "round-$round failed without a reason"
        failed=$((failed + 1))
        ;;
    *) fail "round-$round is $state" ;;
    esac
    printf '   %d:%s: %s %s\n' "$round" "$told" "$state" "$(jq -r '.error // ""' "$WORK/out" | head -n 1)"
    good_job "after-$round"
    for host in b c; do wait_until 20 "no task runner is left on $host" has_no_runners "$host"; done
    expect_processes
    [[ $round != 1 ]] || before=$(descriptors)
done
printf '   %d finished, %d failed; descriptors: %d, then %d;%s\n' "$finished" "$failed" "$before" \
    "$(descriptors)" "$(memory)"
(($(descriptors) <= before + 20)) || fail 'descriptors are left over'
check 'a client that is cut off for good gives up, and says so; its job goes on'
in_background watching "${CLI[@]}" run -p 4 "$WORDCOUNT" --name watching \
    --set "input=$STREAM&rows=45000&rate=1000"
wait_until 10 'the job runs' grep -q RUNNING "$WORK/watching.err"
network cut x
expect_end watching 4
expect_text "$WORK/watching.err" "no answer from tcp://${ADDRESS[a]}:6120" "job 'watching' may run on"
network heal
wait_job watching FINISHED 40

stop_all
finish
