#!/usr/bin/env bash
# A cluster over three hosts, started by hand as docs/deploy.md says, with its files and commands; then
# other addresses: IPv6, names, wildcards, ports from a range.
source "$(dirname "${BASH_SOURCE[0]}")/hosts_lib.sh"
DOCUMENT=$ROOT/docs/deploy.md

# ---- what the document says ----

# document_file PLACE : the indented block that begins with `# PLACE`.
document_file() {
    awk -v place="    # $1" '$0 == place { on = 1; next } on && !/^    / { exit } on { print substr($0, 5) }' \
        "$DOCUMENT"
}
# document_commands HOST : its lines `host-x$ command`, without the prompt.
document_commands() { sed -nE "s/^    $1\\$ //p" "$DOCUMENT"; }

# The paths of the document, on the disk of a host here.
on_disk() {
    sed -e "s#/var/lib/weir#$WORK/$1/lib#g" -e "s#/var/log/weir#$WORK/$1/log#g" \
        -e "s#/etc/weir/weir.yaml#$WORK/$1/etc/weir.yaml#g"
}

# start_documented HOST ROLE : by the command for it.
start_documented() {
    local command
    command=$(document_commands "host-$1" | grep -E "^weir $2 " | on_disk "$1")
    [[ -n $command ]] || fail "docs/deploy.md has no command for a $2 on host-$1"
    # shellcheck disable=SC2086
    start_command "$1" "$2" $command
}

make_hosts a b c
client_on c

# Beats that are quicker than what the document means people to have.
quick=$'heartbeat.interval: 200ms\nheartbeat.timeout: 2s'
check 'files and commands of docs/deploy.md, and keys'
make_keys a b c x
allow a dispatcher
allow a jobmanager
allow b taskmanager
allow c taskmanager
allow x client
for host in a b c; do
    place="host-$host: /etc/weir/weir.yaml"
    if [[ $host = c ]]; then
        text=$(document_file "host-b: /etc/weir/weir.yaml" | sed 's/^taskmanager.host: host-b$/taskmanager.host: host-c/')
        [[ $text = *'taskmanager.host: host-c'* ]] || fail 'the file of host-b names no host'
    else
        text=$(document_file "$place")
    fi
    [[ -n $text ]] || fail "docs/deploy.md has no file for host-$host"
    printf '%s\n%s\n' "$text" "$quick" | on_disk "$host" | keyed "$host" | configure "$host" weir
done
for what in 'c taskmanager' 'a jobmanager' 'a dispatcher' 'b taskmanager'; do # in any order
    # shellcheck disable=SC2086
    start_documented $what
done
wait_ready a dispatcher
wait_ready a jobmanager
wait_ready b taskmanager
wait_ready c taskmanager

check 'a client on another host: context, status, a job with an exact result'
expect_error 2 'this process has none' "${CLI[@]}" cluster status -m host-a:6120
configure x weir <<<"security.key-file: $WORK/x/etc/key
security.allow-file: $WORK/x/etc/allowed"
export WEIR_CONFIG=$WORK/x/etc/weir.yaml
for command in 'context use host-a:6120' 'cluster status'; do
    document_commands host-c | grep -qxF "weir $command" || fail "docs/deploy.md has not: weir $command"
    # shellcheck disable=SC2086
    expect_exit 0 "${CLI[@]}" $command
done
expect_out host-a host-b host-c
expect_exit 0 "${CLI[@]}" cluster status -o json
expect_json '[.processes[] | select(.role == "taskmanager") | .host] | sort | join(" ")' 'host-b host-c'
expect_json '[.processes[] | select(.role != "taskmanager") | .endpoint | split("#")[0]] | sort | join(" ")' \
    'tcp://host-a:6120 tcp://host-a:6123'
expect_json '[.processes[].slots_free] | add' 4
make_text 4000 >"$WORK/text"
count_words "$WORK/text" >"$WORK/want"
count_on_all_hosts() {
    frames passed b c
    local before=$frames
    expect_exit 0 "${CLI[@]}" run -q -p 4 "$WORDCOUNT" --set input="file:$WORK/text?split-size=8kb"
    count_of_rows "$WORK/out" >"$WORK/got"
    expect_same "$WORK/want" "$WORK/got"
    frames passed b c
    ((frames > before + 10)) || fail "the hosts b and c hardly spoke: $((frames - before)) frames"
}
count_on_all_hosts

check 'logs come from every host; data ports are of the configured range'
submit -p 4 "$WORDCOUNT" --name long --set input='datagen:?rate=1000' --set output=blackhole:
wait_job "$JOB" RUNNING
for host in b c; do
    [[ -n $(runners_on "$host") ]] || fail "no task runner on $host"
    on "$host" ss -Hltn >"$WORK/out"
    grep -qE '0\.0\.0\.0:61[3-5][0-9] ' "$WORK/out" || fail "no data port of the range on $host"
done
expect_exit 0 "${CLI[@]}" cancel long
wait_job "$JOB" CANCELED
for what in dispatcher jobmanager taskmanager-1 taskmanager-2; do
    expect_exit 0 "${CLI[@]}" logs "$what"
    expect_out 'is ready'
done

check 'another TaskManager adds its slots; stopped, it takes them away'
allow a taskmanager
keyed a <<END | configure a taskmanager
cluster.directory: $WORK/a/lib
dispatcher.rpc.address: host-a
taskmanager.bind-host: ${ADDRESS[a]}
security.insecure: true
$quick
END
start_on a taskmanager
wait_until 5 'its slot is there' slots_are_free 5
expect_exit 0 "${CLI[@]}" cluster status -o json
expect_json '[.processes[] | select(.role == "taskmanager") | .host] | sort | join(" ")' \
    "${ADDRESS[a]} host-b host-c"
stop_on a taskmanager
wait_until 5 'its slot is gone' slots_are_free 4

check 'a wildcard without the address that others use is refused, and says what to set'
for role in taskmanager jobmanager dispatcher; do
    key=$role.rpc.address
    [[ $role != taskmanager ]] || key=taskmanager.host
    expect_exit 2 "${CLI[@]}" "$role" --insecure -D "$role.bind-host=0.0.0.0" \
        -D cluster.directory="$WORK/c/other"
    expect_err "means every address of this host" "set $key to"
done

check 'a dispatcher that is not there, and one whose name nobody knows, are told of in the log'
for host in 10.77.0.9 nowhere.invalid; do
    in_background "$host" timeout -s TERM 4 "${CLI[@]}" taskmanager \
        -D dispatcher.rpc.address="$host" -D cluster.directory="$WORK/c/$host"
done
for host in 10.77.0.9 nowhere.invalid; do
    expect_end "$host" 124
    expect_text "$WORK/$host.err" "no answer from the dispatcher at tcp://$host:6120; trying on"
done

check 'stop: TERM ends each process by itself'
stop_on b taskmanager
stop_on c taskmanager
stop_on a jobmanager dispatcher
unset WEIR_CONFIG

check 'IPv6: addresses in files, wildcard ::, an endpoint in brackets'
configure a dispatcher <<END
cluster.directory: $WORK/a/lib6
dispatcher.rpc.address: ${ADDRESS6[a]}
dispatcher.rpc.port: 6120-6129
dispatcher.bind-host: ${ADDRESS6[a]}
security.insecure: true
$quick
END
configure a jobmanager <<END
cluster.directory: $WORK/a/lib6
dispatcher.rpc.address: ${ADDRESS6[a]}
jobmanager.rpc.address: '[${ADDRESS6[a]}]'
jobmanager.bind-host: '::'
security.insecure: true
$quick
END
for host in b c; do
    configure "$host" taskmanager <<END
cluster.directory: $WORK/$host/lib6
dispatcher.rpc.address: ${ADDRESS6[a]}
taskmanager.host: ${ADDRESS6[$host]}
taskmanager.bind-host: '::'
taskmanager.numberOfTaskSlots: 2
security.insecure: true
$quick
END
done
start_on a dispatcher
start_on a jobmanager
for host in b c; do start_on "$host" taskmanager; done
expect_exit 0 "${CLI[@]}" context use "[${ADDRESS6[a]}]:6120"
expect_exit 0 "${CLI[@]}" cluster status -o json
expect_json '.processes[0].endpoint' "tcp://[${ADDRESS6[a]}]:6120"
count_on_all_hosts

check 'IPv6 by name; listening on a name'
stop_on b taskmanager
stop_on c taskmanager
stop_on a jobmanager
start_on a jobmanager jobmanager -D dispatcher.rpc.address=host-a-6 -D jobmanager.bind-host=host-a-6 \
    -D jobmanager.rpc.address=host-a-6
for host in b c; do
    start_on "$host" taskmanager taskmanager -D dispatcher.rpc.address=host-a-6 \
        -D "taskmanager.host=host-$host-6" -D "taskmanager.bind-host=host-$host-6"
done
count_on_all_hosts
stop_all
finish
