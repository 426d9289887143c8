#!/usr/bin/env bash
# Hosts that are cut off or paused for longer than heartbeat.timeout. The jobs that this touches fail,
# with a reason that names the host, and leave no output; on the far side their tasks stop by
# themselves; what the fault does not touch goes on. When the network is whole again, or the host is
# awake, all slots come back and the next job runs. The log of the test tells how long each side took.
source "$(dirname "${BASH_SOURCE[0]}")/hosts_lib.sh"

# The JobManager on a host of its own, and the client, too.
make_hosts a b c j x
client_on x
make_cluster j

check 'a TaskManager that is cut off: its job fails, and its tasks stop there, too'
start_streaming cut 0 1000
stopwatch
network cut b
expect_failed cut lost TaskManager 'at 10.77.0.2: ' 'no sign of life'
took 'the job has failed'
wait_until 10 'no task runner is left on the far side' has_no_runners b
took 'its tasks have stopped on the far side'
expect_text "$WORK/b/log/taskmanager.log" \
    "the task runner of job $JOB was ended by its TaskManager, which lost the JobManager at tcp://${ADDRESS[j]}:6123"
wait_until 10 'its slots are gone' slots_are_free 2
pause 1
network heal
stopwatch
good_job after-cut

for way in 'b>a b>j b>c' 'a>b j>b c>b'; do
    check "   one way: $way"
    name=cut-${way:0:1}
    start_streaming "$name" 0 1000
    stopwatch
    for where in $way; do network cut "$where"; done
    expect_failed "$name" 'at 10.77.0.2: '
    took 'the job has failed'
    wait_until 10 'no task runner is left on b' has_no_runners b
    took 'its tasks have stopped'
    wait_until 10 'its slots are gone' slots_are_free 2
    network heal
    stopwatch
    good_job "after-$name"
done

check 'TaskManagers that reach everybody but each other'
start_streaming data 0 1000
stopwatch
network cut b c
expect_failed data 'on host 10.77.0' 'lost its data connection to task runner' 'tcp://10.77.0.'
took 'the job has failed'
network heal
stopwatch
good_job after-data

check '   from the start: a port is closed'
network cut b c
mapfile -t arguments < <(streaming closed 0 1000)
submit "${arguments[@]}"
stopwatch
expect_failed closed 'on host 10.77.0' 'no answer within 4 s; open this port'
took 'the job has failed (slot.request.timeout is 4 s)'
network heal
stopwatch
good_job after-closed

check 'a TaskManager that does not reach the JobManager'
network cut c j
stop_on c taskmanager
start_on c taskmanager
mapfile -t arguments < <(streaming unreached 0 1000)
submit "${arguments[@]}"
stopwatch
expect_failed unreached 'could not be deployed within 4 s' 'at 10.77.0.3: ' 'jobmanager.rpc.address'
took 'the job has failed (slot.request.timeout is 4 s)'
network heal
stopwatch
good_job after-unreached

check 'the dispatcher cut off from everybody: what it cannot see it calls failed, and then it is over'
start_streaming apart 0 1000
network cut a
wait_until 10 'the others notice' grep -qs 'lost the dispatcher' "$WORK/j/log/jobmanager.log"
has_runners b || fail 'the tasks have stopped; nobody told them to'
network heal
stopwatch
expect_failed apart 'lost the JobManager that ran it' 'no sign of life'
for host in b c; do wait_until 10 "no task runner is left on $host" has_no_runners "$host"; done
took 'its tasks have stopped'
good_job after-apart

check 'dispatcher and JobManager cut off from each other: the job fails, its tasks stop'
start_streaming orphan 0 1000
stopwatch
network cut a j
expect_failed orphan 'lost the JobManager that ran it' 'no sign of life'
took 'the job has failed'
for host in b c; do wait_until 10 "no task runner is left on $host" has_no_runners "$host"; done
took 'its tasks have stopped'
network heal
stopwatch
good_job after-orphan

check "the JobManager's host cut off from everybody"
start_streaming lonely 0 1000
stopwatch
network cut j
expect_failed lonely 'lost the JobManager that ran it' 'no sign of life'
took 'the job has failed'
for host in b c; do wait_until 10 "no task runner is left on $host" has_no_runners "$host"; done
took 'its tasks have stopped'
network heal
stopwatch
good_job after-lonely

check 'an attached client that is cut off: its job goes on; it says so, and misses no row'
in_background watching "${CLI[@]}" run -p 4 "$WORDCOUNT" --name watching \
    --set "input=$STREAM&rows=10000&rate=1000"
wait_until 10 'the job runs' grep -q RUNNING "$WORK/watching.err"
network cut x
wait_until 15 'the client says what it does' grep -q "no answer from tcp://${ADDRESS[a]}:6120" \
    "$WORK/watching.err"
network heal
expect_end watching 0
expect_text "$WORK/watching.err" 'job watching may run on' 'answers again' FINISHED
count_of_rows "$WORK/watching.out" >"$WORK/got"
expect_same "$(wanted 10000)" "$WORK/got"

check 'a paused TaskManager wakes up and finds that it was given up'
start_streaming asleep 0 1000
stopwatch
pause_host b
expect_failed asleep 'at 10.77.0.2: ' 'no sign of life'
took 'the job has failed'
pause 1
wake_host b
stopwatch
wait_until 5 'no task runner is left on b' has_no_runners b
took 'its tasks have stopped'
good_job after-asleep

check 'a paused JobManager wakes up: its job has failed, and it takes the next'
start_streaming dozing 0 1000
stopwatch
pause_host j
expect_failed dozing 'lost the JobManager that ran it'
took 'the job has failed'
for host in b c; do wait_until 10 "no task runner is left on $host" has_no_runners "$host"; done
took 'its tasks have stopped'
wake_host j
stopwatch
good_job after-dozing

check 'a paused dispatcher wakes up: the job did not notice'
start_streaming dreaming 6000 1000
pause_host a
pause 3
wake_host a
wait_job dreaming FINISHED 20
expect_exact dreaming 6000
stopwatch
good_job after-dreaming

check 'a name service that does not answer: who waits for a name is there for everybody else'
printf 'nameserver 10.77.0.99\n' >"$WORK/resolv.conf"
mount --bind "$WORK/resolv.conf" /etc/resolv.conf
stop_on j jobmanager
start_on j jobmanager jobmanager -D jobmanager.rpc.address=host-nowhere
count=$(count_lines 'lost the taskmanager' "$WORK/a/log/dispatcher.log")
mapfile -t arguments < <(streaming nameless 0 1000)
submit "${arguments[@]}"
expect_failed nameless 'could not be deployed within 4 s' 'has not come to this JobManager'
[[ $(count_lines 'lost the taskmanager' "$WORK/a/log/dispatcher.log") = "$count" ]] ||
    fail 'a TaskManager was given up'
stop_on j jobmanager
start_on j jobmanager
stopwatch
good_job after-nameless

stop_all
finish
