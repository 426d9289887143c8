#!/usr/bin/env bash
# bench/wordcount.sh [--quick] -- word count at parallelism 2 through the row API, in words per second of
# CPU (of all processes, user and system), against the same in C by hand; and that one against splitting
# and a single probe per word, so that it is known to be fast.
source "$(dirname "$0")/lib.sh"

size=$(choose $((128 << 20)) $((1 << 30)))
rounds=$(choose 3 5)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir
mkdir -p "$cache"
TIMEFORMAT='%R %U %S'

# make_text FILE COMMAND...: the command's output again and again, up to `size` bytes.
make_text() {
    local file=$1 piece=$WORK/piece
    shift
    [[ $(stat -c %s "$file" 2>/dev/null || echo 0) -lt $size ]] || return 0
    say "writing $file"
    "$@" >"$piece"
    for ((i = size / $(stat -c %s "$piece") + 1; i > 0; i--)); do cat "$piece"; done >"$file"
    rm "$piece"
}
licenses() { find -L /usr/share/common-licenses -maxdepth 1 -type f | sort | xargs -d '\n' cat; }
# 145,000 words, the n-th one n times as rare as the first, and every one of them.
large_vocabulary() {
    mawk -W random=1 'function word(n,    w, k) {
            for (k = n; k > 0; k = int(k / 26)) w = substr("etaoinshrdlucmfwypvbgkjqxz", k % 26 + 1, 1) w
            return n < 200 ? w : w substr("ingsationlementallyeringnesse", n % 17 + 1, n % 7 + 1)
        }
        BEGIN {
            for (i = 1; i <= 145000; i++) words[i] = word(i)
            for (line = 0; line < 500000; line++) {
                text = ""
                for (i = 0; i < 10; i++) text = text words[int(exp(rand() * log(145000)))] " "
                print text
            }
            for (i = 1; i <= 145000; i++) printf "%s%s", words[i], i % 10 ? " " : "\n"
        }'
}

# run_weir TEXT OUTPUT; run_reference TEXT WHAT: the time goes to $WORK/time as real, user, system.
run_weir() {
    { time "$WEIR" run "$BUILD/examples/wordcount.so" --local -q -p 2 --set "input=file:$1" \
        --set "output=$2" 2>"$WORK/err"; } 2>"$WORK/time" || fail 'the job failed'
}
run_reference() {
    { time "$BENCH/reference_wordcount" "$1" 2 "$2" >"$WORK/out" 2>"$WORK/err"; } 2>"$WORK/time" ||
        fail 'the reference failed'
}
cpu() { awk '{ print $2 + $3 }' "$WORK/time"; }

# The same words, the same counts.
check_counts() {
    run_weir "$1" "filesystem:$WORK/counts?format=csv&delimiter=%5Ct&quote="
    run_reference "$1" print
    cmp <(cat "$WORK/counts"/part-* | sort) <(sort "$WORK/out") >&2 || fail 'the counts differ'
    rm -r "$WORK/counts"
}

# measure NAME TEXT WANTED
measure() {
    local name=$1 text=$2 wanted=$3 words i weir reference floor wall
    cat "$text" >/dev/null # in the page cache for all
    check_counts "$text"
    for ((i = 1; i <= rounds; i++)); do
        say "$name: round $i of $rounds"
        run_reference "$text" floor
        cpu >>"$WORK/floor"
        run_weir "$text" blackhole:
        cpu >>"$WORK/weir"
        awk '{ print $1 }' "$WORK/time" >>"$WORK/wall"
        run_reference "$text" count
        cpu >>"$WORK/reference"
    done
    words=$(awk '{ print $2 }' "$WORK/out")
    weir=$(calculate "$words / $(median <"$WORK/weir") / 1e6")
    reference=$(calculate "$words / $(median <"$WORK/reference") / 1e6")
    floor=$(calculate "$words / $(median <"$WORK/floor") / 1e6")
    wall=$(median <"$WORK/wall")
    figure "word count, $name, p=2" 'M words/core-s' "$weir" "$reference" \
        'bench/reference/wordcount.c, 2 threads' "$wanted" higher
    figure "word count, $name, p=2: time on the wall" 's' "$wall" null '' null lower
    figure "the reference's own speed, $name" 'M words/core-s' "$reference" "$floor" \
        'read, split, hash, one probe per word' "$([[ $wanted = null ]] && echo null || echo 0.667)" higher
    rm "$WORK"/{weir,wall,reference,floor}
}

make_text "$cache/bench-$size.txt" licenses
measure "4,000 distinct words" "$cache/bench-$size.txt" 0.35
make_text "$cache/bench-vocabulary-$size.txt" large_vocabulary
measure "145,000 distinct words" "$cache/bench-vocabulary-$size.txt" null
