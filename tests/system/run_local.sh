#!/usr/bin/env bash
# `weir run` without a cluster: everything in one process.
PORTS=7410-7419
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_text 3000 >"$WORK/text"
count_words "$WORK/text" >"$WORK/want"

check 'a job of C is compiled and run; rows on stdout, progress on stderr'
expect_exit 0 "$WEIR" run "$ROOT/examples/wordcount.c" --set input="file:$WORK/text"
count_of_rows "$WORK/out" >"$WORK/got"
expect_same "$WORK/want" "$WORK/got"
[[ $(wc -l <"$WORK/out") = $(wc -l <"$WORK/want") ]] || fail 'expected nothing but rows on stdout'
expect_err 'job wordcount FINISHED in'

check 'the second run takes the compiled job from the cache: no compiler is called'
objects=("$XDG_CACHE_HOME"/weir/*.so)
[[ ${#objects[@]} = 1 ]] || fail 'expected one compiled job in the cache'
printf '#!/bin/sh\necho compiler >>%s\nexec gcc "$@"\n' "$WORK/calls" >"$WORK/cc"
chmod +x "$WORK/cc"
: >"$WORK/calls"
for want in yes yes; do
    expect_exit 0 env CC="$WORK/cc" "$WEIR" run "$ROOT/examples/wordcount.c" \
        --set input="file:$WORK/text"
done
calls=$(wc -l <"$WORK/calls")
expect_exit 0 env CC="$WORK/cc" "$WEIR" run "$ROOT/examples/wordcount.c" --set input="file:$WORK/text"
[[ $calls -gt 0 && $(wc -l <"$WORK/calls") = "$calls" ]] || fail 'the job was compiled again'

check 'stdin, at parallelism 1, 2 and 4'
for parallelism in 1 2 4; do
    expect_exit 0 "$WEIR" run -p "$parallelism" "$WORDCOUNT" --set input=stdin: <"$WORK/text"
    count_of_rows "$WORK/out" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
done

check 'a file to files, at parallelism 1, 2 and 4, in small splits'
for parallelism in 1 2 4; do
    expect_exit 0 "$WEIR" run -q -p "$parallelism" "$WORDCOUNT" \
        --set input="file:$WORK/text?split-size=10kb" --set output="filesystem:$WORK/parts-$parallelism"
    expect_no_out
    [[ ! -s $WORK/err ]] || fail 'expected silence with -q'
    parts=("$WORK/parts-$parallelism"/*)
    [[ ${#parts[@]} = "$parallelism" ]] || fail 'expected one part file per subtask'
    count_of_parts "$WORK/parts-$parallelism" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
done

check '-o json: the job in one document behind the rows'
expect_exit 0 "$WEIR" run -o json "$WORDCOUNT" --set input="file:$WORK/text" \
    --set output="filesystem:$WORK/parts-json" --name counting
expect_json .state FINISHED
expect_json .name counting
expect_json .records_in 3000
expect_json .records_out "$(wc -l <"$WORK/want")"

check 'an unbounded local job ends in order at Ctrl-C and at SIGTERM, with exit code 1'
for signal in INT TERM; do
    in_background "local-$signal" "$WEIR" run "$WORDCOUNT" --set input="datagen:?rate=1000" --set output=blackhole:
    wait_until 10 'the job runs' grep -q RUNNING "$WORK/local-$signal.err"
    kill "-$signal" "${jobs[local-$signal]}"
    expect_end "local-$signal" 1
    expect_text "$WORK/local-$signal.err" CANCELED
done

check 'a reader that leaves early ends the job without noise'
code=0
"$WEIR" run "$WORDCOUNT" --set input='datagen:?rows=300000&keys=0' 2>"$WORK/err" | head -n 1 >"$WORK/out" ||
    code=${PIPESTATUS[0]}
[[ $code = 1 && $(wc -l <"$WORK/out") = 1 ]] || fail 'expected one row, and exit code 1'
! grep -q ': error: ' "$WORK/err" || fail 'expected no error message'

check 'no context is made, no file is left outside of the cache'
[[ ! -e $WEIR_HOME ]] || fail 'a local run wrote into WEIR_HOME'
left=("$TMPDIR"/*)
[[ ${#left[@]} = 0 ]] || fail "local runs left ${left[*]}"
finish
