# bench/lib.sh -- what benchmarks share; they source it. It is no benchmark itself.
#
# A benchmark prints on stdout one line of JSON per figure (`figure`), and its progress on stderr. Its
# only argument is --quick. It takes the executables of $WEIR_BUILD, else of build/release.
set -euo pipefail
export LC_ALL=C
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$(readlink -f "${WEIR_BUILD:-$ROOT/build/release}")
WEIR=$BUILD/weir
BENCH=$BUILD/bench
TOPIC=$(basename "$0" .sh)
QUICK=0
[[ ${1:-} != --quick ]] || QUICK=1
[[ -x $WEIR ]] || {
    echo "bench/$TOPIC.sh: error: $WEIR is not built; cmake --preset release && cmake --build --preset release" >&2
    exit 2
}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/weir-bench-XXXXXX")
CLUSTER=$WORK/cluster
export WEIR_HOME=$WORK/home
mkdir -p "$WEIR_HOME"
unset WEIR_CONFIG
for name in ${!WEIR_CONF_*}; do unset "$name"; done

clean_up() {
    local rc=$?
    trap - EXIT
    [[ ! -d $CLUSTER/pid ]] || "$WEIR" cluster stop --dir "$CLUSTER" >/dev/null 2>&1 || true
    for pid in $(jobs -p); do kill "$pid" 2>/dev/null || true; done
    rm -rf "$WORK"
    exit "$rc"
}
trap clean_up EXIT

say() { printf '%s: %s\n' "$TOPIC" "$*" >&2; }
fail() {
    say "error: $*"
    [[ ! -s $WORK/err ]] || tail -n 20 "$WORK/err" >&2
    tail -n 5 "$CLUSTER"/log/*.log 2>/dev/null >&2 || true
    exit 1
}
choose() { if ((QUICK)); then echo "$1"; else echo "$2"; fi; } # QUICK FULL
calculate() { awk "BEGIN { printf \"%.6g\\n\", $1 }"; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
microseconds() { echo "${EPOCHREALTIME/[.,]/}"; }

# figure WHAT UNIT VALUE REFERENCE REFERENCE_WHAT WANTED BETTER [RATIO]: REFERENCE, WANTED may be null;
# RATIO is VALUE / REFERENCE without it.
figure() {
    jq -cn --arg what "$1" --arg unit "$2" --argjson weir "$3" --argjson reference "$4" \
        --arg reference_what "$5" --argjson wanted "$6" --arg better "$7" --argjson ratio "${8:-null}" '
        def rounded: if . == null then null else (. * 1000 | round) / 1000 end;
        {$what, $unit, weir: $weir | rounded, reference: $reference | rounded, $reference_what,
         ratio: (if $ratio != null then $ratio elif ($reference // 0) == 0 then null
                 else $weir / $reference end) | rounded,
         $wanted, $better}'
}

# start_cluster ARGUMENTS... : of `weir cluster start`.
start_cluster() {
    "$WEIR" cluster start --dir "$CLUSTER" -D dispatcher.rpc.port=7540-7559 -D jobmanager.rpc.port=0 "$@" \
        >"$WORK/out" 2>"$WORK/err" || fail 'the cluster does not start'
}
stop_cluster() {
    "$WEIR" cluster stop --dir "$CLUSTER" >"$WORK/out" 2>"$WORK/err" || fail 'the cluster does not stop'
    rm -rf "$CLUSTER"
}

# Process ids: of the daemons, by name, and of the task runners.
daemons() {
    local file
    for file in "$CLUSTER"/pid/*.pid; do basename "$file" .pid; done
}
pid_of() { cut -d' ' -f1 "$CLUSTER/pid/$1.pid"; }
runners() {
    local name
    for name in $(daemons); do
        [[ $name != taskmanager-* ]] || cat "/proc/$(pid_of "$name")/task/"*/children 2>/dev/null || true
    done
}
have_no_runners() { [[ -z $(runners | tr -d ' \n') ]]; }

# until_true SECONDS WHAT COMMAND...
until_true() {
    local until=$(($(microseconds) + $1 * 1000000)) what=$2
    shift 2
    until "$@"; do
        (($(microseconds) < until)) || fail "not in time: $what"
        read -rt 0.02 <> <(:) || true
    done
}
