# tests/system/lib.sh -- what the system tests share; they source it. Each runs the real executable
# ($WEIR) in a directory of its own ($WORK, with its own WEIR_HOME and compile cache) and takes the
# dispatcher's port from a range of its own ($PORTS), so that several run at a time.
#
# A test says what it checks (`check`), and at the first thing that is wrong it ends with the last
# command, its output and the logs of all its daemons. Whatever happens, nothing it started is left.
set -euo pipefail
shopt -s nullglob
export LC_ALL=C

: "${WEIR:?set it to the executable weir; ctest does}"
: "${WEIR_BUILD_DIR:?set it to the build directory; ctest does}"
: "${PORTS:?the test sets it before it sources lib.sh}"
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
WEIR=$(readlink -f "$WEIR")
WORDCOUNT=$WEIR_BUILD_DIR/examples/wordcount.so
WORK=$(mktemp -d "${TMPDIR:-/tmp}/weir-system-XXXXXX")
mkdir "$WORK/tmp"
export WEIR_HOME=$WORK/home XDG_CACHE_HOME=$WORK/cache TMPDIR=$WORK/tmp
unset WEIR_CONFIG
for name in ${!WEIR_CONF_*}; do unset "$name"; done
# Sanitizers map terabytes of address space, which the limit on a job's memory counts; crashes are for
# our own handlers to tell.
if [[ -n ${WEIR_SANITIZE:-} ]]; then
    export WEIR_CONF_TASKMANAGER_MEMORY_TASK_SIZE=0
    export ASAN_OPTIONS="${ASAN_OPTIONS:-}:handle_segv=0:handle_sigbus=0:handle_sigfpe=0"
    export TSAN_OPTIONS="${TSAN_OPTIONS:-} handle_segv=0 handle_sigbus=0 handle_sigfpe=0"
fi

code=0          # of the last command
last=           # the last command
DIR=            # the directory of the test's cluster
declare -A jobs # process ids of commands in the background, by name

check() { printf -- '-- %s (%d s)\n' "$*" "$SECONDS"; }

show() {
    local file
    for file in "$@"; do
        [[ -s $file ]] || continue
        printf '==> %s <==\n' "${file#"$WORK"/}"
        tail -n 40 "$file"
    done
}

fail() {
    [[ ! -e $WORK/failed ]] || exit 1
    : >"$WORK/failed"
    {
        printf '\nFAILED: %s\n' "$*"
        printf 'at:%s\n' "$(for ((i = 1; i < ${#BASH_LINENO[@]}; i++)); do
            printf ' %s:%d' "$(basename "${BASH_SOURCE[i]}")" "${BASH_LINENO[i - 1]}"
        done)"
        [[ -z $last ]] || printf 'last command, exit code %d: %s\n' "$code" "$last"
        show "$WORK"/{out,err} "$WORK"/*.err "$WORK"/*/log/*.log
    } >&2
    exit 1
}

# ---- processes ----

# What this test started and still runs: our executable with our WEIR_HOME, and such a process's
# children of that name (of task runners the system tells only root more).
own_processes() {
    local directory pid parent ours=' ' children=()
    for directory in /proc/[0-9]*; do
        pid=${directory#/proc/}
        [[ $(cat "$directory/comm" 2>/dev/null) = "${WEIR##*/}" ]] || continue
        if [[ $(readlink "$directory/exe" 2>/dev/null) = "$WEIR" ]] &&
            grep -qszxF "WEIR_HOME=$WEIR_HOME" "$directory/environ" 2>/dev/null; then
            ours+="$pid "
        else
            children+=("$pid")
        fi
    done
    for pid in "${children[@]}"; do
        parent=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || continue
        [[ -z $parent || $ours != *" $parent "* ]] || ours+="$pid "
    done
    # shellcheck disable=SC2086
    printf '%s\n' $ours
}

# is_alive PID. A zombie is not, unless threads of it still end: then its files are open yet.
is_alive() {
    local threads=("/proc/$1/task/"*)
    [[ ${#threads[@]} -gt 1 ]] || { [[ -r /proc/$1/status ]] &&
        ! grep -qs '^State:[[:space:]]*[ZX]' "/proc/$1/status"; }
}
is_gone() { ! is_alive "$1"; }

# What a sanitizer said in the log of a daemon or of a task runner that then went on, or was killed.
expect_no_reports() {
    local logs=("$WORK"/*/log/*.log)
    [[ ${#logs[@]} = 0 ]] || ! grep -qE 'ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error: ' "${logs[@]}" ||
        fail 'a sanitizer complains in a log'
}

clean_up() {
    local rc=$? pid
    trap - EXIT
    [[ $rc != 0 || -z ${WEIR_SANITIZE:-} ]] || (expect_no_reports) || rc=1
    [[ $rc = 0 ]] || (fail "the script ended with $rc at: $BASH_COMMAND") || true
    for pid in $(own_processes) $(jobs -p); do kill -KILL "$pid" 2>/dev/null || true; done
    [[ $(type -t test_clean_up) != function ]] || test_clean_up || true
    rm -rf "$WORK"
    [[ $rc != 0 ]] || printf 'passed in %d s\n' "$SECONDS"
    exit "$rc"
}
trap clean_up EXIT

# wait_until SECONDS WHAT COMMAND... : for what no command can wait for.
wait_until() {
    local seconds=$1 what=$2 deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
    shift 2
    until "$@"; do
        ((${EPOCHREALTIME/./} < deadline)) || fail "not within $seconds s: $what"
        sleep 0.03
    done
}

# ---- commands ----

# run COMMAND... : into $WORK/out, $WORK/err and $code.
run() {
    last="$*"
    code=0
    # The shell's own word about a signal is not wanted.
    { timeout --foreground -k 5 40 "$@" >"$WORK/out" 2>"$WORK/err" 9>&- || code=$?; } 2>/dev/null
    [[ $code != 124 ]] || fail 'it did not end within 40 s'
}

expect_exit() {
    local want=$1
    shift
    run "$@"
    [[ $code = "$want" ]] || fail "expected exit code $want, got $code"
}

# expect_text FILE TEXT...
expect_text() {
    local file=$1 text
    shift
    for text in "$@"; do
        grep -qF -e "$text" "$file" || fail "expected in ${file#"$WORK"/}: $text"
    done
}
expect_out() { expect_text "$WORK/out" "$@"; }
expect_err() { expect_text "$WORK/err" "$@"; }
expect_no_out() { [[ ! -s $WORK/out ]] || fail 'expected nothing on stdout'; }

# expect_error CODE TEXT COMMAND... : fails with that code, nothing on stdout, and exactly one error of
# the form `where: error: what; ...`, which has the text in it.
expect_error() {
    local want=$1 text=$2
    shift 2
    expect_exit "$want" "$@"
    expect_no_out
    [[ $(grep -c ': error: ' "$WORK/err") = 1 ]] || fail 'expected exactly one line with an error'
    grep -qE '^[^ ].*: error: .+' "$WORK/err" || fail 'expected `where: error: what; ...`'
    expect_err "$text"
}

expect_same() {
    cmp -s "$1" "$2" && return
    diff "$1" "$2" | head -n 20 >&2 || true
    fail "${2#"$WORK"/} differs from ${1#"$WORK"/}"
}

# expect_json FILTER VALUE [FILE]: jq's answer about stdout.
expect_json() {
    local got
    got=$(jq -r "$1" "${3:-$WORK/out}") || fail "jq cannot read it: $1"
    [[ $got = "$2" ]] || fail "expected $1 to be '$2', got '$got'"
}

# in_background NAME COMMAND... : into $WORK/NAME.out and .err; `expect_end` waits for it.
in_background() {
    local name=$1
    shift
    : >"$WORK/$name.err"
    # Descriptor 9 is of `serve`. A shell's background commands ignore SIGINT; ours shall not.
    env --default-signal=INT,QUIT "$@" >"$WORK/$name.out" 2>"$WORK/$name.err" 9>&- &
    jobs[$name]=$!
}

# expect_end NAME CODE
expect_end() {
    local name=$1 want=$2 pid=${jobs[$1]}
    wait_until 40 "the end of '$name'" is_gone "$pid"
    code=0
    last="$name (in the background)"
    wait "$pid" || code=$?
    [[ $code = "$want" ]] || fail "expected exit code $want, got $code"
}

# ---- clusters ----

# start_cluster NAME ARGUMENTS... : of `weir cluster start`. Sets DIR.
start_cluster() {
    DIR=$WORK/$1
    shift
    expect_exit 0 "$WEIR" cluster start --dir "$DIR" -D dispatcher.rpc.port="$PORTS" \
        -D jobmanager.rpc.port=0 "$@"
}

stop_cluster() { expect_exit 0 "$WEIR" cluster stop --dir "$DIR"; }

pid_of() { cut -d' ' -f1 "$DIR/pid/$1.pid"; }

daemons() {
    local file
    for file in "$DIR"/pid/*.pid; do basename "$file" .pid; done
}

# Every daemon that was started lives.
expect_daemons_alive() {
    local name
    for name in $(daemons); do
        is_alive "$(pid_of "$name")" || fail "$name is dead"
    done
}

# start_daemon NAME ROLE ARGUMENTS... : by hand, as `weir cluster start` would; it is a member of the
# cluster's directory afterwards.
start_daemon() {
    local name=$1 role=$2 log=$DIR/log/$1.log count
    shift 2
    count=$(count_lines 'is ready:' "$log")
    "$WEIR" "$role" --config "$DIR/weir.yaml" --log "$log" "$@" </dev/null >>"$log" 2>&1 9>&- &
    disown # the shell shall not tell of its end
    echo "$! $(sed 's/.*) //' "/proc/$!/stat" | cut -d' ' -f20)" >"$DIR/pid/$name.pid"
    wait_until 10 "$name is ready" more_than "$count" 'is ready:' "$log"
}
more_than() { (($(count_lines "$2" "$3") > $1)); }
# count_lines TEXT FILE, which need not be there.
count_lines() { grep -csF -e "$1" "$2" || [[ -e $2 ]] || echo 0; }

# ---- jobs ----

# submit ARGUMENTS... : detached; sets JOB.
submit() {
    expect_exit 0 "$WEIR" run -d "$@"
    JOB=$(cat "$WORK/out")
    [[ $JOB =~ ^[0-9a-f]{32}$ ]] || fail 'expected the id of a job'
}

state_of() { "$WEIR" describe -o json "$1" 2>/dev/null | jq -r .state 2>/dev/null; }
is_state() { [[ $(state_of "$1") = "$2" ]]; }
has_ended() { [[ $(state_of "$1") =~ ^(FINISHED|FAILED|CANCELED)$ ]]; }

# wait_job JOB STATE [SECONDS]
wait_job() {
    wait_until "${3:-20}" "job $1 is $2" is_state_or_ended "$1" "$2"
    expect_exit 0 "$WEIR" describe -o json "$1"
    expect_json .state "$2"
}
is_state_or_ended() {
    local state
    state=$(state_of "$1")
    [[ $state = "$2" || $state =~ ^(FINISHED|FAILED|CANCELED)$ ]]
}

# ---- texts ----

# serve NAME: a TCP server that hands on what is written to descriptor 9; sets PORT.
serve() {
    mkfifo "$WORK/$1.lines"
    "${LINE_SERVER:?set it to the executable line_server; ctest does}" "$WORK/$1.port" \
        <"$WORK/$1.lines" &
    exec 9>"$WORK/$1.lines"
    wait_until 5 'the server listens' test -s "$WORK/$1.port"
    PORT=$(cat "$WORK/$1.port")
}

# make_text LINES: words, some often, some once; always the same.
make_text() {
    awk -v lines="$1" 'BEGIN {
        x = 12345
        for (i = 0; i < lines; i++) {
            line = ""
            for (w = 0; w < 9; w++) {
                x = (x * 1103515245 + 12345) % 2147483648
                word = "w" (int(x / 65536) % (w < 5 ? 20 : 700))
                line = line (w == 0 ? "" : w % 4 == 3 ? "  " : w % 4 == 2 ? "\t" : " ") word
            }
            print line
        }
    }'
}

# count_words FILE: "<n> <word>", sorted.
count_words() {
    tr -s ' \t' '\n\n' <"$1" | grep -v '^$' | sort | uniq -c | sed -E 's/^ *//' | sort
}

# The same from rows of print: and from the csv files of a directory.
count_of_rows() { sed -nE 's/^text=(.*)  n=([0-9]+)$/\2 \1/p' "$1" | sort; }
count_of_parts() { cat "$1"/part-* | sed -E 's/^(.*),([0-9]+)$/\2 \1/' | sort; }

# ---- the test ----

# Nothing of the test may be left; the last line of each.
finish() {
    check 'nothing is left behind'
    wait_until 5 'every process has ended' has_no_processes
}
has_no_processes() { [[ $(own_processes) =~ ^[[:space:]]*$ ]]; }
