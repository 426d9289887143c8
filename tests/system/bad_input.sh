#!/usr/bin/env bash
# Everything a user can get wrong: one clear error, the right exit code, and the next good job runs.
PORTS=7450-7459
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mounted=
test_clean_up() { [[ -z $mounted ]] || umount "$mounted"; }

printf 'a b a\n' >"$WORK/text"
printf 'text=a  n=2\ntext=b  n=1\n' >"$WORK/want"
good_job() {
    expect_exit 0 "$WEIR" run "$WORDCOUNT" --set input="file:$WORK/text"
    sort "$WORK/out" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
}

check 'no cluster: exit code 3, and what to do'
for verb in list 'describe x' 'cancel x' 'logs x' top 'cluster status' 'cluster stop'; do
    # shellcheck disable=SC2086
    expect_error 3 'cluster' "$WEIR" $verb
done
expect_error 3 'no answer from tcp://127.0.0.1:1 ' "$WEIR" run -m 127.0.0.1:1 "$WORDCOUNT" \
    --set input="file:$WORK/text"
expect_err 'weir cluster start' 'weir run --local'
expect_error 2 'needs a cluster' "$WEIR" run -d "$WORDCOUNT" --set input="file:$WORK/text"

start_cluster c -t 1 -s 2 -D blob.max-size=100kb
good_job

check 'words: a wrong verb, option, value'
expect_error 2 "there is no verb 'rnu'" "$WEIR" rnu
expect_err "did you mean 'weir run'"
expect_error 2 'start, stop, status' "$WEIR" cluster
expect_error 2 "did you mean '--parallelism'" "$WEIR" run --paralelism 2 "$WORDCOUNT"
expect_error 2 'expected a value' "$WEIR" run "$WORDCOUNT" -p
expect_error 2 'parallelism' "$WEIR" run -p none "$WORDCOUNT"
expect_error 2 'parallelism' "$WEIR" run -p 0 "$WORDCOUNT"
expect_error 2 'expected FILE.c|FILE.so' "$WEIR" run
expect_error 2 'too many words' "$WEIR" run "$WORDCOUNT" "$WORDCOUNT"
expect_error 2 'expected text|json' "$WEIR" list -o xml
expect_error 2 'exclude each other' "$WEIR" run --local -m 127.0.0.1 "$WORDCOUNT"

check 'configuration: unknown keys, bad values, a bad file'
expect_error 2 "did you mean 'parallelism.default'" "$WEIR" run -D paralelism.default=2 "$WORDCOUNT"
expect_error 2 'expected key=value' "$WEIR" run -D parallelism.default "$WORDCOUNT"
expect_error 2 'heartbeat.interval' "$WEIR" run -D heartbeat.interval=soon "$WORDCOUNT"
printf 'parallelism.default: 1\nparalelism:\n  default: 2\n' >"$WORK/bad.yaml"
expect_error 2 "$WORK/bad.yaml:3" "$WEIR" run --config "$WORK/bad.yaml" "$WORDCOUNT"
printf 'a: [\n' >"$WORK/bad.yaml"
expect_error 2 "$WORK/bad.yaml" "$WEIR" run --config "$WORK/bad.yaml" "$WORDCOUNT"
expect_error 3 "$WORK/none.yaml" "$WEIR" run --config "$WORK/none.yaml" "$WORDCOUNT"
expect_error 2 'WEIR_CONF_PARALELISM_DEFAULT' env WEIR_CONF_PARALELISM_DEFAULT=2 "$WEIR" run "$WORDCOUNT"
expect_error 2 "did you mean 'parallelism.default'" "$WEIR" config parallelism.defualt
expect_error 2 "$WORK/bad.yaml" "$WEIR" cluster start --dir "$WORK/never" --config "$WORK/bad.yaml"

check 'files: missing, no job, no shared object, of another ABI, not C'
expect_error 3 none.c "$WEIR" run "$WORK/none.c"
expect_error 3 none.so "$WEIR" run "$WORK/none.so"
expect_error 2 'expected FILE.c or FILE.so' "$WEIR" run "$WORK/text"
cp "$WORK/text" "$WORK/text.so"
expect_error 2 'not a shared object' "$WEIR" run "$WORK/text.so"
printf 'int answer(void) { return 42; }\n' >"$WORK/other.c"
gcc -shared -fPIC -o "$WORK/other.so" "$WORK/other.c"
expect_error 2 'not a weir job' "$WEIR" run "$WORK/other.so"
expect_error 2 'not a weir job' "$WEIR" run "$WORK/other.c"
mkdir -p "$WORK/include/weir"
cat "$ROOT/include/weir/types.h" >"$WORK/include/weir/types.h"
sed -E 's/(#define WEIR_ABI +)1u/\12u/' "$ROOT/include/weir/weir.h" >"$WORK/include/weir/weir.h"
gcc -shared -fPIC -I "$WORK/include" -o "$WORK/abi.so" "$ROOT/examples/wordcount.c"
expect_error 2 'built for ABI 2, this weir speaks 1' "$WEIR" run "$WORK/abi.so"
head -c 3000 "$WORDCOUNT" >"$WORK/cut.so"
expect_error 2 cut.so "$WEIR" run "$WORK/cut.so"
printf '#include <weir/weir.h>\nWEIR_JOB("broken")\n{\n    weir_sink(lines, "print:")\n}\n' >"$WORK/broken.c"
expect_exit 2 "$WEIR" run "$WORK/broken.c"
expect_err 'broken.c:4' 'weir: error:' 'nothing was started'

check 'the graph: no sink, no such field, another type, a parameter missing or unknown'
jobs_of=$ROOT/tests/system/jobs
expect_exit 2 "$WEIR" run "$jobs_of/nosink.c" # all errors at once
expect_err 'nosink.c:6: error: ' "job 'nosink': error: " weir_sink '2 errors; nothing was started'
expect_error 2 "no field 'crad'" "$WEIR" run "$jobs_of/nofield.c"
expect_err "nofield.c:11: error: " 'card'
expect_error 2 'wrongtype.c:16: error: ' "$WEIR" run "$jobs_of/wrongtype.c"
expect_err payment weir_line
expect_error 2 'needsparam.c:6: error: ' "$WEIR" run "$jobs_of/needsparam.c"
expect_err '--set input='
expect_error 2 'inptu' "$WEIR" run "$WORDCOUNT" --set input=datagen: --set inptu=x
expect_err "'input'"
expect_error 2 'expected name=value' "$WEIR" run "$WORDCOUNT" --set input

check 'connectors: unknown, unknown option, bad value, of the wrong side'
expect_error 2 "'fiel'" "$WEIR" run "$WORDCOUNT" --set input=fiel:x
expect_err file
expect_error 2 "'rowz'" "$WEIR" run "$WORDCOUNT" --set input='datagen:?rowz=1'
expect_err rows
expect_error 2 'rows' "$WEIR" run "$WORDCOUNT" --set input='datagen:?rows=many'
expect_error 2 'print' "$WEIR" run "$WORDCOUNT" --set input=print:
expect_error 2 'socket' "$WEIR" run "$WORDCOUNT" --set input=socket:nowhere

check 'while it runs: no such file, a file where a directory is needed, nobody listens, a refusing job'
expect_error 1 "$WORK/none.txt" "$WEIR" run "$WORDCOUNT" --set input="file:$WORK/none.txt"
expect_error 1 "$WORK/text/part" "$WEIR" run "$WORDCOUNT" --set input="file:$WORK/text" \
    --set output="filesystem:$WORK/text/part"
expect_error 1 "$WORK/text" "$WEIR" run "$WORDCOUNT" --set input="file:$WORK/text" \
    --set output="filesystem:$WORK/text"
expect_error 1 '127.0.0.1:1' "$WEIR" run "$WORDCOUNT" --set input=socket://127.0.0.1:1 \
    --set output=blackhole:
expect_error 1 'number 99 is not wanted' "$WEIR" run "$jobs_of/refuses.c"
mkdir "$WORK/full"
: >"$WORK/full/part-0-0.csv"
expect_error 1 'overwrite' "$WEIR" run "$WORDCOUNT" --set input="file:$WORK/text" \
    --set output="filesystem:$WORK/full"

check 'an artifact beyond blob.max-size: refused by the cluster, its limit named'
cp "$WORDCOUNT" "$WORK/large.so"
head -c 200000 /dev/zero >>"$WORK/large.so"
expect_error 2 'blob.max-size' "$WEIR" run "$WORK/large.so" --set input="file:$WORK/text"

check 'the daemons live, every slot is free, and a good job runs'
expect_daemons_alive
good_job
expect_exit 0 "$WEIR" cluster status -o json
expect_json '[.processes[].slots_free] | add' 2
expect_json .jobs_running 0
stop_cluster

check 'a full disk under the dispatcher: refused, and fine again when there is room'
mkdir "$WORK/disk"
if [[ $EUID != 0 ]] || ! mount -t tmpfs -o size=1m weir-test "$WORK/disk" 2>/dev/null; then
    printf '   left out: this user cannot mount a file system\n'
else
    mounted=$WORK/disk
    start_cluster disk
    dd if=/dev/zero of="$WORK/disk/filler" bs=4k 2>/dev/null || true
    expect_error 1 'No space left' "$WEIR" run "$WORDCOUNT" --set input="file:$WORK/text"
    expect_daemons_alive
    expect_exit 0 "$WEIR" list -a -o json
    expect_json length 0
    rm "$WORK/disk/filler"
    good_job
    stop_cluster
    umount "$mounted"
    mounted=
fi
finish
