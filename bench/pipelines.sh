#!/usr/bin/env bash
# bench/pipelines.sh [--quick] -- stateless pipelines from files to files, in bytes of input per second of
# CPU (user and system): csv with a filter and a projection against the same in C by hand, lines against
# cat. Output goes to memory (/dev/shm), so that no disk is measured.
source "$(dirname "$0")/lib.sh"

size=$(choose $((128 << 20)) $((512 << 20)))
rounds=$(choose 3 5)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir
memory=$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo "$WORK")")
mkdir -p "$cache"
trap 'rm -rf "$memory"; clean_up' EXIT
TIMEFORMAT='%R %U %S'

# Lines of six columns, of 68 bytes on average; one product in eight is in quotes.
orders() {
    mawk -W random=7 'BEGIN {
        split("garden chair;lamp;\"desk, oak\";usb cable 2m;coffee mug;notebook A5;bicycle pump;tent", products, ";")
        at = 1700000000000
        for (i = 0; i < 250000; i++) {
            at += int(rand() * 2000)
            if (int(at / 60000) != minute) {
                minute = int(at / 60000)
                text = strftime("%Y-%m-%d %H:%M", minute * 60, 1)
            }
            printf "%d,customer-%05d,%s,%.2f,%d,%s:%02d.%03d\n", 10000000 + i, rand() * 20000,
                products[1 + int(rand() * 8)], 0.5 + rand() * 500, 1 + rand() * 100, text,
                int(at / 1000) % 60, at % 1000
        }
    }'
}
licenses() { find -L /usr/share/common-licenses -maxdepth 1 -type f | sort | xargs -d '\n' cat; }
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

# run_weir JOB INPUT OPTIONS; the others take INPUT. Times go to $WORK/time as real, user, system.
run_weir() {
    rm -rf "$memory/weir"
    { time "$WEIR" run "$BENCH/$1.so" --local -q -p 1 --set "input=file:$2?$3" \
        --set "output=filesystem:$memory/weir?$3" 2>"$WORK/err"; } 2>"$WORK/time" || fail 'the job failed'
}
run_csv() {
    rm -f "$memory/reference"
    { time "$BENCH/reference_csv" "$1" "$memory/reference" >"$WORK/out" 2>"$WORK/err"; } 2>"$WORK/time" ||
        fail 'the reference failed'
}
run_cat() {
    rm -f "$memory/reference"
    { time cat "$1" >"$memory/reference"; } 2>"$WORK/time"
}
cpu() { awk '{ print $2 + $3 }' "$WORK/time"; }
real() { awk '{ print $1 }' "$WORK/time"; }

# measure NAME JOB INPUT FORMAT REFERENCE: the medians go to the variables weir, reference (MB per second
# of CPU) and wall, reference_wall (MB per second). The first round is for the memory's pages.
measure() {
    local name=$1 job=$2 input=$3 format=$4 by=$5 bytes i
    bytes=$(stat -c %s "$input")
    cat "$input" >/dev/null
    rm -f "$WORK"/{weir,reference}{,_wall}
    for ((i = 0; i <= rounds; i++)); do
        say "$name: round $i of $rounds"
        "$by" "$input"
        ((i == 0)) || { cpu >>"$WORK/reference" && real >>"$WORK/reference_wall"; }
        run_weir "$job" "$input" "format=$format"
        ((i == 0)) || { cpu >>"$WORK/weir" && real >>"$WORK/weir_wall"; }
        cmp "$memory"/weir/part-0-0.* "$memory/reference" >&2 || fail 'the outputs differ'
    done
    weir=$(calculate "$bytes / $(median <"$WORK/weir") / 1e6")
    reference=$(calculate "$bytes / $(median <"$WORK/reference") / 1e6")
    wall=$(calculate "$bytes / $(median <"$WORK/weir_wall") / 1e6")
    reference_wall=$(calculate "$bytes / $(median <"$WORK/reference_wall") / 1e6")
}

make_text "$cache/bench-orders-$size.csv" orders
measure csv orders_job "$cache/bench-orders-$size.csv" csv run_csv
figure 'csv, 6 columns -> filter -> projection -> csv' 'MB/core-s' "$weir" "$reference" \
    'bench/reference/csv.c' 0.4 higher
figure 'csv -> csv: on the wall' 'MB/s' "$wall" "$reference_wall" 'bench/reference/csv.c' null higher

make_text "$cache/bench-$size.txt" licenses
measure lines lines_job "$cache/bench-$size.txt" line run_cat
figure 'lines -> lines, p=1' 'MB/core-s' "$weir" 1000 '1 GB/s' 1 higher
figure 'lines -> lines: against cat' 'MB/core-s' "$weir" "$reference" 'cat, which looks for no lines' null higher
figure 'lines -> lines: on the wall' 'MB/s' "$wall" "$reference_wall" 'cat' null higher
