#!/usr/bin/env bash
# The verbs that need no cluster: version, help, config, connectors, plan, completion, context.
PORTS=7400-7409
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

check 'version'
expect_exit 0 "$WEIR" version
grep -qE '^weir [0-9]+\.[0-9]+\.[0-9]+$' "$WORK/out" || fail 'expected: weir <version>'
cp "$WORK/out" "$WORK/version"
expect_exit 0 "$WEIR" --version
expect_same "$WORK/version" "$WORK/out"

check 'help: all verbs, and each of them'
expect_exit 0 "$WEIR" help
for verb in run plan list describe cancel logs top context config connectors dispatcher jobmanager \
    taskmanager completion version help 'cluster start' 'cluster stop' 'cluster status'; do
    expect_exit 0 "$WEIR" help
    expect_out "  $verb "
    # shellcheck disable=SC2086
    expect_exit 0 "$WEIR" help $verb
    expect_out "usage: weir $verb"
    cp "$WORK/out" "$WORK/help"
    # shellcheck disable=SC2086
    expect_exit 0 "$WEIR" $verb --help
    expect_same "$WORK/help" "$WORK/out"
done
expect_exit 0 "$WEIR" help cluster
expect_out 'usage: weir cluster start' 'usage: weir cluster status' 'usage: weir cluster stop'
expect_exit 2 "$WEIR"
expect_err 'usage: weir VERB'
expect_no_out

check 'config: every key, one key, json and yaml; where a value is from'
expect_exit 0 "$WEIR" config -o json
expect_json 'length > 40' true
expect_json 'map(select((.key | length) == 0 or (.meaning | endswith(".") | not) or .type == "")) | length' 0
expect_json '.[] | select(.key == "parallelism.default") | .default' 1
mapfile -t keys < <(jq -r '.[].key' "$WORK/out")
expect_exit 0 "$WEIR" config
for key in "${keys[@]}"; do expect_out "$key = "; done
for key in "${keys[0]}" heartbeat.interval "${keys[-1]}"; do
    expect_exit 0 "$WEIR" config "$key"
    [[ $(grep -c ' = ' "$WORK/out") = 1 ]] || fail 'expected one key'
    expect_exit 0 "$WEIR" config "$key" -o json
    expect_json .key "$key"
done
printf 'parallelism:\n  default: 3\nheartbeat.interval: 70 ms\n' >"$WORK/weir.yaml"
expect_exit 0 "$WEIR" config --config "$WORK/weir.yaml" parallelism.default -o json
expect_json .value 3
expect_exit 0 env WEIR_CONFIG="$WORK/weir.yaml" "$WEIR" config heartbeat.interval
expect_out '70 ms' 'weir.yaml'
expect_exit 0 env WEIR_CONF_PARALLELISM_DEFAULT=4 "$WEIR" config --config "$WORK/weir.yaml" \
    parallelism.default -o json
expect_json .value 4
expect_exit 0 "$WEIR" config --config "$WORK/weir.yaml" -D parallelism.default=5 parallelism.default
expect_out 'parallelism.default = 5' 'set by -D'
# What yaml shows is a configuration with the same values.
expect_exit 0 "$WEIR" config -o yaml -D parallelism.default=6
cp "$WORK/out" "$WORK/all.yaml"
expect_exit 0 "$WEIR" config --config "$WORK/all.yaml" parallelism.default -o json
expect_json .value 6

check 'connectors'
expect_exit 0 "$WEIR" connectors
expect_out 'filesystem:' 'print:' 'datagen:' 'socket:' 'blackhole:' 'stdin:' 'file:'
expect_exit 0 "$WEIR" connectors -o json
expect_json 'map(.name) | sort | join(" ")' 'blackhole datagen filesystem print socket stdin'
expect_json '.[] | select(.name == "filesystem") | .aliases | join(" ")' file
expect_exit 0 "$WEIR" connectors datagen
expect_out 'rows=' 'rate=' 'seed='
expect_exit 0 "$WEIR" connectors file -o json
expect_json .name filesystem
expect_error 3 "there is no connector 'kafak'" "$WEIR" connectors kafak

check 'plan: text, json, dot'
expect_exit 0 "$WEIR" plan "$WORDCOUNT" -p 3
expect_out 'job wordcount' 'source stdin' 'split' 'count (final)' 'sink print' 'hash(text)' x3
expect_exit 0 "$WEIR" plan "$WORDCOUNT" -p 3 -o json
expect_json 'type' object
expect_json '.name' wordcount
expect_exit 0 "$WEIR" plan "$WORDCOUNT" -o dot
[[ $(head -n 1 "$WORK/out") = 'digraph "wordcount" {' && $(tail -n 1 "$WORK/out") = '}' ]] ||
    fail 'expected a graph in the language of dot'
expect_exit 0 "$WEIR" plan "$WORDCOUNT" --name other --set input=datagen: -o json
expect_json '.name' other
expect_out datagen

check 'completion'
expect_exit 0 "$WEIR" completion bash
cp "$WORK/out" "$WORK/completion"
bash -n "$WORK/completion" || fail 'bash cannot read it'
# shellcheck disable=SC2016
run bash -c 'source "$1"; COMP_WORDS=(weir cl); COMP_CWORD=1; _weir; echo "${COMPREPLY[@]}"
    COMP_WORDS=(weir cluster st); COMP_CWORD=2; _weir; echo "${COMPREPLY[@]}"
    COMP_WORDS=(weir run --par); COMP_CWORD=2; _weir; echo "${COMPREPLY[@]}"' bash "$WORK/completion"
[[ $(cat "$WORK/out") = $'cluster\nstart stop status\n--parallelism' ]] || fail 'other completions expected'
expect_error 2 "expected bash; found 'ksh'" "$WEIR" completion ksh

check 'context: none, use, show, clear'
expect_error 3 'no cluster is named' "$WEIR" context
expect_exit 0 "$WEIR" context use example.org:6125
expect_exit 0 "$WEIR" context
expect_out 'tcp://example.org:6125'
expect_exit 0 "$WEIR" context show -o json
expect_json .endpoint tcp://example.org:6125
expect_error 2 'endpoint' "$WEIR" context use 'udp://x:1'
expect_exit 0 "$WEIR" context clear
expect_error 3 'no cluster is named' "$WEIR" context show
finish
