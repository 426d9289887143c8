#!/usr/bin/env bash
# Unbounded input: rows come out while it lasts, as a changelog.
PORTS=7470-7479
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

shows() { [[ $(cat "$1") = "$2" ]]; }
ends_with() { [[ $(tail -n 1 "$1") = "$2" ]]; }

check 'a bounded input in streaming mode: every change is a row'
printf 'a b a\nb a\n' >"$WORK/text"
printf '%s\n' '+I  text=a  n=1' '+I  text=b  n=1' '-U  text=a  n=1' '+U  text=a  n=2' '-U  text=b  n=1' \
    '+U  text=b  n=2' '-U  text=a  n=2' '+U  text=a  n=3' >"$WORK/want"
expect_exit 0 "$WEIR" run -D execution.runtime-mode=streaming "$WORDCOUNT" --set input="file:$WORK/text"
expect_same "$WORK/want" "$WORK/out"

check 'the last change of each word is its count, at parallelism 4'
make_text 500 >"$WORK/words"
count_words "$WORK/words" >"$WORK/want"
expect_exit 0 "$WEIR" run -D execution.runtime-mode=STREAMING -p 4 "$WORDCOUNT" \
    --set input="file:$WORK/words?split-size=1kb"
grep '^[+]' "$WORK/out" | sed -E 's/^..  text=(.*)  n=([0-9]+)$/\1 \2/' |
    awk '{ n[$1] = $2 > n[$1] ? $2 : n[$1] } END { for (w in n) print n[w], w }' | sort >"$WORK/got"
expect_same "$WORK/want" "$WORK/got"
[[ $(grep -c '^+' "$WORK/out") = $(wc -w <"$WORK/words") ]] || fail 'expected one + row per word'

check 'a socket, locally: rows come while the connection is open; its end ends the job'
serve local
in_background local "$WEIR" run "$WORDCOUNT" --set input="socket://127.0.0.1:$PORT"
printf 'to be\n' >&9
wait_until 10 'two rows' shows "$WORK/local.out" $'+I  text=to  n=1\n+I  text=be  n=1'
printf 'or not to' >&9
printf ' be\n' >&9
wait_until 10 'the changes' ends_with "$WORK/local.out" '+U  text=be  n=2'
exec 9>&-
expect_end local 0
expect_text "$WORK/local.out" '+I  text=or  n=1' '+I  text=not  n=1' '-U  text=to  n=1' '+U  text=to  n=2'
[[ $(wc -l <"$WORK/local.out") = 8 ]] || fail 'expected eight rows'

check 'a socket, on a cluster: rows come to the attached client; cancel ends it'
start_cluster c -t 2 -s 1
serve cluster
in_background attached "$WEIR" run -p 2 "$WORDCOUNT" --name lines --set input="socket://localhost:$PORT"
printf 'the quick brown fox\n' >&9
row_is_shown() { grep -qxF "$1" "$WORK/attached.out"; }
for word in the quick brown fox; do
    wait_until 10 "a row for $word" row_is_shown "+I  text=$word  n=1"
done
printf 'the fox\n' >&9
for word in the fox; do
    wait_until 10 "a change for $word" row_is_shown "+U  text=$word  n=2"
done
expect_exit 0 "$WEIR" cancel lines
expect_end attached 1
exec 9>&-
[[ $(grep -c '^[+]' "$WORK/attached.out") = 6 ]] || fail 'expected six + rows'

check 'print: of a job that nobody watches goes to the log of its task runner'
submit -p 1 "$WORDCOUNT" --name silent --set input="file:$WORK/text"
wait_job "$JOB" FINISHED
expect_exit 0 "$WEIR" logs "$JOB"
expect_out 'text=a  n=3' 'text=b  n=2'
stop_cluster
finish
