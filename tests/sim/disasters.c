/* tests/sim/disasters.c -- what a plan does to processes and connections. What a job may fail of is
 * said where it is done. */
#include "runner.h"

#include "base/memory.h"
#include "proto/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HARMLESS_US INT64_C(2500000) /* well below heartbeat.timeout */
#define FOR_GOOD_US INT64_C(600000000)
#define STEPS       12   /* of the disk, within which it fails */
#define AGAIN_US    5000 /* when there was nobody to whom it could happen */

/* Silences add up: processes that hear nothing of each other for heartbeat.timeout give each other
 * up. True: from now on that may be. */
static bool is_long_silence(sim_cluster *cluster, const sim_disaster *what)
{
    cluster->silence_us += what->for_us;
    return cluster->silence_us > HARMLESS_US;
}

/* ---- killing ---- */

static void kill_node(sim_cluster *cluster, weir_simulated_node *node, enum sim_fault fault,
                      bool has_work)
{
    if (node == NULL)
        return;
    uint64_t before = weir_simulator_mattered(cluster->simulator).killed;
    weir_simulator_kill(cluster->simulator, node);
    sim_made(cluster, fault);
    if (has_work || weir_simulator_mattered(cluster->simulator).killed > before)
        sim_mattered(cluster, fault);
}

/* At any time, or when agents have been asked for slots, and nobody was told of them yet. */
static bool kill_dispatcher(sim_cluster *cluster, const sim_disaster *what)
{
    if (what->dice % 2 == 0 && !sim_is_allocating(cluster))
        return false;
    kill_node(cluster, cluster->dispatcher, SIM_KILLED_DISPATCHER, false);
    return true;
}

static bool kill_jobmanager(sim_cluster *cluster, const sim_disaster *what)
{
    bool has_work = false;
    (void)what;
    if (cluster->jobmanager == NULL)
        return true;
    sim_excuse(cluster, "its JobManager was killed");
    for (uint32_t i = 0; i < cluster->njobs; i++)
        has_work |= sim_master_of(&cluster->jobs[i]) && !cluster->jobs[i].ended;
    kill_node(cluster, cluster->jobmanager, SIM_KILLED_JOBMANAGER, has_work);
    return true;
}

static sim_taskmanager *any_taskmanager(const sim_cluster *cluster, uint64_t dice)
{
    return cluster->taskmanagers[dice % cluster->plan->taskmanagers];
}

static bool kill_taskmanager(sim_cluster *cluster, const sim_disaster *what)
{
    const sim_taskmanager *victim = any_taskmanager(cluster, what->dice);
    bool has_work = false;
    if (sim_taskmanager_node(victim) == NULL)
        return true;
    sim_excuse(cluster, "a TaskManager was killed");
    for (const sim_runner *r = cluster->runners; r != NULL; r = r->next)
        has_work |= r->taskmanager == victim && !r->job->ended;
    kill_node(cluster, sim_taskmanager_node(victim), SIM_KILLED_TASKMANAGER, has_work);
    return true;
}

static bool kill_runner(sim_cluster *cluster, const sim_disaster *what)
{
    sim_runner *runner = sim_runner_any(cluster, what->dice);
    if (runner == NULL)
        return false;
    if (runner->job->excuse == NULL)
        runner->job->excuse = "a task runner of it was killed";
    runner->killed = true;
    kill_node(cluster, runner->node, SIM_KILLED_RUNNER, !runner->job->ended);
    return true;
}

/* ---- pausing ---- */

/* Whether it mattered shows at the end: whether it has held something up. */
static void pause_node(sim_cluster *cluster, weir_simulated_node *node, const sim_disaster *what,
                       enum sim_fault fault)
{
    if (node == NULL)
        return;
    int64_t until_us = weir_simulator_now_us(cluster->simulator) + what->for_us;
    cluster->paused_until_us =
        until_us > cluster->paused_until_us ? until_us : cluster->paused_until_us;
    sim_made(cluster, fault);
    weir_simulator_pause(cluster->simulator, node, what->for_us);
    cluster->pauses[cluster->npauses].node = node;
    cluster->pauses[cluster->npauses++].fault = fault;
}

void sim_count_pauses(sim_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->npauses; i++) {
        if (weir_simulated_node_was_held_up(cluster->pauses[i].node))
            sim_mattered(cluster, cluster->pauses[i].fault);
    }
}

static bool pause_somebody(sim_cluster *cluster, const sim_disaster *what)
{
    uint64_t role = what->dice % 5;
    sim_taskmanager *taskmanager = any_taskmanager(cluster, what->dice / 5);
    bool is_long = is_long_silence(cluster, what);

    if (role == 0) {
        if (is_long) /* artifacts come from it */
            sim_excuse(cluster, "the dispatcher was paused");
        pause_node(cluster, cluster->dispatcher, what, SIM_PAUSED_DISPATCHER);
    } else if (role == 1) {
        if (is_long)
            sim_excuse(cluster, "its JobManager was paused");
        pause_node(cluster, cluster->jobmanager, what, SIM_PAUSED_JOBMANAGER);
    } else if (role == 2) {
        pause_node(cluster, cluster->jobs[what->dice / 5 % cluster->njobs].client, what,
                   SIM_PAUSED_CLIENT);
    } else {
        if (is_long)
            sim_excuse(cluster, "a TaskManager was paused");
        pause_node(cluster, sim_taskmanager_node(taskmanager), what, SIM_PAUSED_TASKMANAGER);
        for (sim_runner *r = cluster->runners; role == 4 && r != NULL; r = r->next) {
            if (r->taskmanager == taskmanager)
                weir_simulator_pause(cluster->simulator, r->node, what->for_us);
        }
    }
    return true;
}

/* ---- cutting ---- */

static bool cut(sim_cluster *cluster, const sim_disaster *what)
{
    sim_runner *runner = sim_runner_any(cluster, what->dice / 64);
    weir_simulated_node *taskmanager =
        sim_taskmanager_node(any_taskmanager(cluster, what->dice / 64));
    weir_simulated_node *dispatcher = cluster->dispatcher, *jobmanager = cluster->jobmanager;
    weir_simulated_node *pairs[][2] = {
        {taskmanager, dispatcher},
        {taskmanager, jobmanager},
        {jobmanager, dispatcher},
        {runner != NULL ? runner->node : taskmanager, jobmanager},
        {cluster->jobs[what->dice / 64 % cluster->njobs].client, dispatcher},
    };
    weir_simulated_node **pair = pairs[what->dice % WEIR_COUNT(pairs)];
    bool both_ways = what->dice / 8 % 2 == 0;
    bool is_forth = what->dice / 16 % 2 == 0;

    if (pair[0] == NULL || pair[1] == NULL)
        return true;
    if (is_long_silence(cluster, what))
        sim_excuse(cluster, "processes were cut off from each other");
    weir_simulator_cut(cluster->simulator, pair[!is_forth], pair[is_forth], both_ways,
                       what->for_us);
    return true;
}

/* A TaskManager and what runs on its host, from everybody, until all is over. */
static bool isolate(sim_cluster *cluster, const sim_disaster *what)
{
    const sim_taskmanager *victim = any_taskmanager(cluster, what->dice);
    weir_simulated_node *host[1 + SIM_SLOTS_MAX] = {sim_taskmanager_node(victim)};
    uint32_t count = 1;
    bool has_work = false, both_ways = what->dice / 8 % 4 != 0;

    if (host[0] == NULL || cluster->dispatcher == NULL || cluster->jobmanager == NULL)
        return false;
    for (const sim_runner *r = cluster->runners; r != NULL && count <= SIM_SLOTS_MAX; r = r->next) {
        if (r->taskmanager != victim)
            continue;
        has_work |= !r->job->ended;
        host[count++] = r->node;
    }
    if (!has_work && what->dice % 4 != 0) /* mostly one where something runs */
        return false;
    sim_excuse(cluster, "a host was cut off");
    sim_made(cluster, SIM_HOST_ISOLATED);
    if (has_work)
        sim_mattered(cluster, SIM_HOST_ISOLATED);
    for (uint32_t i = 0; i < count; i++) {
        weir_simulator_cut(cluster->simulator, host[i], cluster->dispatcher, both_ways,
                           FOR_GOOD_US);
        weir_simulator_cut(cluster->simulator, host[i], cluster->jobmanager, both_ways,
                           FOR_GOOD_US);
    }
    return true;
}

/* ---- disks ---- */

static bool break_disk(sim_cluster *cluster, const sim_disaster *what)
{
    static const enum sim_fault faults[] = {[SIM_KILL_WRITING] = SIM_KILLED_WRITING,
                                            [SIM_FAIL_WRITE] = SIM_DISK_WRITE_FAILS,
                                            [SIM_FAIL_SYNC] = SIM_DISK_SYNC_FAILS};
    sim_made(cluster, faults[what->kind]);
    sim_disk_arm(cluster->disk, what->kind, 1 + what->dice % STEPS, what->dice / STEPS);
    return true;
}

static void empty_disk(void *data)
{
    sim_disk_fill(((sim_cluster *)data)->disk, false);
}

static bool fill_disk(sim_cluster *cluster, const sim_disaster *what)
{
    sim_made(cluster, SIM_DISK_FULL);
    sim_disk_fill(cluster->disk, true);
    sim_schedule(cluster, NULL, what->for_us, empty_disk, cluster);
    return true;
}

static bool fail_cache(sim_cluster *cluster, const sim_disaster *what)
{
    sim_made(cluster, SIM_CACHE_FAILS);
    sim_taskmanager_fail_cache(any_taskmanager(cluster, what->dice));
    return true;
}

/* ---- data connections ---- */

static bool break_connection(sim_cluster *cluster, const sim_disaster *what)
{
    (void)what;
    for (sim_runner *one = cluster->runners; one != NULL; one = one->next) {
        for (sim_runner *other = one->next; other != NULL; other = other->next) {
            if (other->job != one->job || !one->deployment || !other->deployment)
                continue;
            sim_made(cluster, SIM_CONNECTION_BROKEN);
            sim_data_break(one, other);
            return true;
        }
    }
    return false;
}

/* ---- commands of an old epoch ---- */

static bool forge(sim_cluster *cluster, const sim_disaster *what)
{
    sim_runner *runner = sim_runner_any(cluster, what->dice);
    Weir__Proto__EndRunner end = WEIR__PROTO__END_RUNNER__INIT;
    Weir__Proto__CancelTasks cancel = WEIR__PROTO__CANCEL_TASKS__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    weir_buffer bytes = WEIR_BUFFER_INIT;
    char process[64];

    if (runner == NULL || cluster->jobmanager == NULL)
        return false;
    weir_context *context =
        weir_node_context(weir_simulated_node_get(cluster->jobmanager), "jobmanager");
    if (context == NULL)
        return false;
    snprintf(process, sizeof process, "%s", weir_context_process(context));
    envelope.from_process = process;
    envelope.from = runner->spec->master;
    envelope.to = (char *)WEIR_RUNNER_ACTOR;
    envelope.correlation = what->dice | 1;
    envelope.epoch = runner->spec->epoch - 1;
    if (what->dice % 2 == 0) {
        end.job = runner->spec->job;
        envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_END_RUNNER;
        envelope.end_runner = &end;
    } else {
        cancel.job = runner->spec->job;
        envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_CANCEL_TASKS;
        envelope.cancel_tasks = &cancel;
    }
    if (weir_proto_pack(&envelope.base, &bytes) < 0)
        abort();
    sim_made(cluster, SIM_MESSAGE_STALE);
    if (weir_simulator_inject(cluster->simulator, cluster->jobmanager, runner->node, bytes.data,
                              bytes.size) == 0 &&
        !runner->job->ended)
        sim_mattered(cluster, SIM_MESSAGE_STALE);
    weir_buffer_deinit(&bytes);
    return true;
}

/* ---- the plan ---- */

static const char *const names[] = {
    [SIM_KILL_DISPATCHER] = "kill the dispatcher",
    [SIM_KILL_WRITING] = "kill the dispatcher at a step of its disk",
    [SIM_KILL_JOBMANAGER] = "kill the JobManager",
    [SIM_KILL_TASKMANAGER] = "kill a TaskManager",
    [SIM_KILL_RUNNER] = "kill a task runner",
    [SIM_PAUSE] = "pause",
    [SIM_CUT] = "cut",
    [SIM_ISOLATE] = "cut off a host",
    [SIM_FAIL_WRITE] = "fail a write",
    [SIM_FAIL_SYNC] = "fail a sync",
    [SIM_FILL_DISK] = "fill the disk",
    [SIM_FAIL_CACHE] = "fill a TaskManager's disk",
    [SIM_BREAK_CONNECTION] = "break a data connection",
    [SIM_FORGE] = "forge a command of an old epoch",
};

/* False: there was nobody to whom it could happen. */
static bool (*const disasters[])(sim_cluster *, const sim_disaster *) = {
    [SIM_KILL_DISPATCHER] = kill_dispatcher,
    [SIM_KILL_WRITING] = break_disk,
    [SIM_KILL_JOBMANAGER] = kill_jobmanager,
    [SIM_KILL_TASKMANAGER] = kill_taskmanager,
    [SIM_KILL_RUNNER] = kill_runner,
    [SIM_PAUSE] = pause_somebody,
    [SIM_CUT] = cut,
    [SIM_ISOLATE] = isolate,
    [SIM_FAIL_WRITE] = break_disk,
    [SIM_FAIL_SYNC] = break_disk,
    [SIM_FILL_DISK] = fill_disk,
    [SIM_FAIL_CACHE] = fail_cache,
    [SIM_BREAK_CONNECTION] = break_connection,
    [SIM_FORGE] = forge,
};

static void happen(void *data)
{
    const sim_planned *planned = data;
    sim_cluster *cluster = planned->cluster;
    if (cluster->is_calm)
        return;
    if (disasters[planned->what->kind](cluster, planned->what)) {
        if (cluster->plan->trace)
            fprintf(stderr, "%12lld disaster: %s for %lld ms\n",
                    (long long)weir_simulator_now_us(cluster->simulator),
                    names[planned->what->kind], (long long)(planned->what->for_us / 1000));
        return;
    }
    if (sim_is_busy(cluster))
        sim_schedule(cluster, NULL, AGAIN_US, happen, data);
}

void sim_plan_disasters(sim_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->plan->ndisasters; i++) {
        const sim_disaster *what = &cluster->plan->disasters[i];
        cluster->planned[i] = (sim_planned){cluster, what};
        sim_schedule(cluster, NULL, what->at_us, happen, &cluster->planned[i]);
    }
}
