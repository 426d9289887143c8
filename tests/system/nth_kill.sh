#!/usr/bin/env bash
# kill -9 of the dispatcher at its n-th file operation or LMDB call: while it starts, takes a
# submission, hands it out and notes its end. Started again, it keeps its promise: what its client was
# told is there, and runs once, with all of its output.
#
# A selection of n; every n, some minutes: WEIR_NTH=all, or a list: WEIR_NTH='17 18 19'.
PORTS=7510-7519
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${WEIR_FAULTS:?set it to libweir_faults.so; ctest does}"

if [[ ${WEIR_SANITIZE:-} = *thread* ]]; then
    echo 'skipped: the start of the thread sanitizer meets the interposed calls too early'
    exit 77
fi
# The address sanitizer's library has to stand before it.
preload="$(ldd "$WEIR" | awk '/lib[a-z]*san\.so/ { print $3 }' | tr '\n' ' ')$WEIR_FAULTS"

rows='datagen:?rows=300&keys=100&seed=3'
expect_exit 0 "$WEIR" run -q "$WORDCOUNT" --set input="$rows"
count_of_rows "$WORK/out" >"$WORK/want"

# With a history of two jobs every start reads as much as the last one, and every end forgets one.
start_cluster c -t 1 -s 2 -D heartbeat.interval=100ms -D heartbeat.timeout=2s \
    -D jobstore.max-capacity=2
LOG=$DIR/log/dispatcher.log
pid=$(pid_of dispatcher)

is_ready_or_gone() { more_than "$1" 'is ready:' "$LOG" || is_gone "$pid"; }

# start_doomed N: a dispatcher that dies at its n-th operation (0: never) and tells them in `trace`.
start_doomed() {
    local count
    count=$(count_lines 'is ready:' "$LOG")
    rm -f "$WORK/trace"
    # Not of this shell: its word about the death is not wanted.
    LD_PRELOAD=$preload WEIR_FAULTS_ROOT=$DIR/dispatcher WEIR_FAULTS_KILL=$1 \
        WEIR_FAULTS_TRACE=$WORK/trace "$WEIR" dispatcher --config "$DIR/weir.yaml" --log "$LOG" \
        </dev/null >>"$LOG" 2>&1 9>&- &
    pid=$!
    disown
    wait_until 10 'the dispatcher is ready, or dead' is_ready_or_gone "$count"
}

end_dispatcher() {
    kill "-${1:-KILL}" "$pid" 2>/dev/null || true
    wait_until 5 'the end of the dispatcher' is_gone "$pid"
}

start_well() {
    start_daemon dispatcher dispatcher
    pid=$(pid_of dispatcher)
}

operations() { count_lines '' "$WORK/trace"; }
client_is_done() { is_gone "${jobs[$1]}" || is_gone "$pid"; }
is_over_or_dead() { has_ended "$1" || is_gone "$pid"; }

# Each has an artifact of its own: what stands behind a shared object's end is not looked at.
submit_in_background() {
    cp "$WORDCOUNT" "$WORK/$1.so"
    echo "$1" >>"$WORK/$1.so"
    in_background "$1" "$WEIR" run -d -p 2 "$WORK/$1.so" --name "$1" --set input="$rows" \
        --set output="filesystem:$WORK/$1"
}

check 'how many operations there are'
for name in first second third; do
    submit_in_background "$name"
    expect_end "$name" 0
    wait_job "$(cat "$WORK/$name.out")" FINISHED
done
end_dispatcher TERM
start_doomed 0
starting=$(operations)
submit_in_background counted
expect_end counted 0
wait_job "$(cat "$WORK/counted.out")" FINISHED
all=$(operations)
end_dispatcher TERM
start_well
echo "   $starting while it starts, $((all - starting)) for a submission"
((starting > 20 && all - starting > 30)) || fail 'so few cannot be all'

# try N
try() {
    local name=n$1 listed
    end_dispatcher
    start_doomed "$1"
    if is_alive "$pid"; then
        submit_in_background "$name"
        wait_until 20 'the client is done, or the dispatcher' client_is_done "$name"
        if is_alive "$pid" && is_gone "${jobs[$name]}"; then
            wait_until 20 'the job is over, or the dispatcher' is_over_or_dead \
                "$(cat "$WORK/$name.out")"
        fi
    fi
    last="the dispatcher, killed at operation $(tail -n 1 "$WORK/trace" 2>/dev/null)"
    end_dispatcher
    start_well
    if [[ ! -v jobs[$name] ]]; then # it never came up
        submit_in_background "$name"
    fi
    wait_until 40 "the client of $name" is_gone "${jobs[$name]}"
    code=0
    wait "${jobs[$name]}" || code=$?
    "$WEIR" list -a -o json >"$WORK/list"
    listed=$(jq "[.[] | select(.name == \"$name\")] | length" "$WORK/list")
    if [[ $code != 0 ]]; then
        # It was told that it is not there; then it is not, and it can come again.
        grep -q ': error: ' "$WORK/$name.err" || fail 'the client was told nothing'
        [[ $listed = 0 ]] || fail "the client was told that it failed, but there are $listed jobs"
        submit_in_background "$name"
        expect_end "$name" 0
    else
        [[ $listed = 1 ]] || fail "expected one job, found $listed"
    fi
    wait_job "$(cat "$WORK/$name.out")" FINISHED
    count_of_parts "$WORK/$name" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
    [[ $(grep -c "'$name': created" "$DIR/log/jobmanager.log") = 1 ]] || fail 'it was created twice'
    rm -r "${WORK:?}/$name"
}

case ${WEIR_NTH:-} in
all) mapfile -t numbers < <(seq 1 $((all + 3))) ;;
'') # two of the start, nine of the rest
    numbers=($((starting / 3)) $((starting * 2 / 3)))
    for ((i = 0; i < 9; i++)); do
        numbers+=($((starting + 1 + i * (all - starting) / 9)))
    done
    ;;
*) read -ra numbers <<<"$WEIR_NTH" ;;
esac
check "killed at ${#numbers[@]} of $all operations"
for n in "${numbers[@]}"; do
    try "$n"
    printf '   %3d %s\n' "$n" "$(tail -n 1 "$WORK/trace" | cut -d' ' -f2- | sed "s#$DIR/##")"
done

check 'each job was created once'
created=$(grep -c ': created' "$DIR/log/jobmanager.log")
[[ $created = $((${#numbers[@]} + 4)) ]] || fail "there are $created"

stop_cluster
finish
