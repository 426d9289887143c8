/* tests/sim/plan.c -- what happens in a seed. A third of the seeds hold nothing that may fail a
 * job: messages that get lost, repeated, late; dispatchers that die; disks that fail; short pauses
 * and cuts. In the others anything may happen. */
#include "cluster.h"

#include <string.h>

#define SECOND_US INT64_C(1000000)

enum { JOB_US = 250000 /* about what a job takes */ };

const char *const sim_fault_names[SIM_FAULTS] = {
    [SIM_MESSAGE_DROPPED] = "message dropped",
    [SIM_MESSAGE_REPEATED] = "message repeated",
    [SIM_MESSAGE_REORDERED] = "message overtaken",
    [SIM_MESSAGE_LATE] = "message late",
    [SIM_MESSAGE_POSTHUMOUS] = "message of the dead",
    [SIM_MESSAGE_STALE] = "command of an old epoch",
    [SIM_CUT_BOTH] = "link cut both ways",
    [SIM_CUT_ONE] = "link cut one way",
    [SIM_HOST_ISOLATED] = "host cut off for good",
    [SIM_PAUSED_DISPATCHER] = "dispatcher paused",
    [SIM_PAUSED_JOBMANAGER] = "JobManager paused",
    [SIM_PAUSED_TASKMANAGER] = "TaskManager paused",
    [SIM_PAUSED_CLIENT] = "client paused",
    [SIM_KILLED_DISPATCHER] = "dispatcher killed",
    [SIM_KILLED_WRITING] = "dispatcher killed while it writes",
    [SIM_KILLED_JOBMANAGER] = "JobManager killed",
    [SIM_KILLED_TASKMANAGER] = "TaskManager killed",
    [SIM_KILLED_RUNNER] = "task runner killed",
    [SIM_DISK_WRITE_FAILS] = "disk: write fails",
    [SIM_DISK_SYNC_FAILS] = "disk: sync fails",
    [SIM_DISK_FULL] = "disk full",
    [SIM_CACHE_FAILS] = "TaskManager's disk full",
    [SIM_FRAME_DROPPED] = "data frame dropped",
    [SIM_FRAME_REPEATED] = "data frame repeated",
    [SIM_FRAME_REORDERED] = "data frame overtaken",
    [SIM_FRAME_LATE] = "data frame late",
    [SIM_FRAME_STALE] = "data frame of an old epoch",
    [SIM_CONNECTION_BROKEN] = "data connection broken",
    [SIM_SUBMITTED_AGAIN] = "submitted again",
    [SIM_CANCELLED] = "job cancelled",
    [SIM_CREDIT_USED_UP] = "channel without credit left",
};

static bool one_in(weir_prng *prng, uint64_t n)
{
    return weir_prng_below(prng, n) == 0;
}

static int64_t between(weir_prng *prng, int64_t from, int64_t to)
{
    return from + (int64_t)weir_prng_below(prng, (uint64_t)(to - from) + 1);
}

static uint32_t number(weir_prng *prng, uint32_t from, uint32_t to)
{
    return (uint32_t)between(prng, from, to);
}

static void choose_messages(sim_plan *plan, weir_prng *prng)
{
    bool rough = one_in(prng, 2);
    plan->messages = (weir_fault_plan){
        .drop = number(prng, 0, rough ? 60 : 10),
        .repeat = number(prng, 0, rough ? 80 : 20),
        .reorder = number(prng, 0, rough ? 80 : 20),
        .late = one_in(prng, 2) ? number(prng, 1, 12) : 0,
        .late_max_us = between(prng, SECOND_US / 2, 2 * SECOND_US),
        .delay_min_us = 50,
        .delay_max_us = between(prng, 100, one_in(prng, 3) ? 20000 : 1000),
    };
}

static void choose_jobs(sim_plan *plan, weir_prng *prng)
{
    uint32_t slots = plan->taskmanagers * plan->slots;
    plan->njobs = number(prng, 1, SIM_JOBS_MAX - 1);
    for (uint32_t i = 0; i <= plan->njobs; i++) {
        sim_job_plan *job = &plan->jobs[i];
        bool is_last = i == plan->njobs;
        job->shapes = one_in(prng, 3);
        job->stream = one_in(prng, 2);
        job->printed = !job->shapes && one_in(prng, 2);
        job->parallelism = is_last ? slots : number(prng, 1, slots);
        job->lines = number(prng, 20, job->stream || job->shapes ? 120 : 300);
        job->submit_us = is_last ? 1000 : between(prng, 1000, 400000);
        job->patience_ms = between(prng, 20, one_in(prng, 3) ? 300 : 10000);
        job->submits_again = one_in(prng, 4);
        job->cancel_us = SIM_NEVER;
        if (!is_last && one_in(prng, 6))
            job->cancel_us = between(prng, 0, 400000);
        if (is_last)
            job->patience_ms = 10000;
    }
}

static void add(sim_plan *plan, weir_prng *prng, enum sim_disaster_kind kind, int64_t longest_us)
{
    if (plan->ndisasters == SIM_DISASTERS_MAX)
        return;
    const sim_job_plan *during = &plan->jobs[weir_prng_below(prng, plan->njobs)];
    plan->disasters[plan->ndisasters++] = (sim_disaster){
        .kind = kind,
        .at_us = during->submit_us + between(prng, 0, JOB_US),
        .for_us = between(prng, SECOND_US / 100, longest_us),
        .dice = weir_prng_next(prng),
    };
}

/* What no job may suffer from. */
static void choose_harmless(sim_plan *plan, weir_prng *prng)
{
    static const struct {
        enum sim_disaster_kind kind;
        int64_t longest_us;
    } harmless[] = {{SIM_KILL_DISPATCHER, 1}, {SIM_KILL_WRITING, 1}, {SIM_FAIL_WRITE, 1},
                    {SIM_FAIL_SYNC, 1},       {SIM_FILL_DISK, 3},    {SIM_PAUSE, 2},
                    {SIM_PAUSE, 1},           {SIM_CUT, 2},          {SIM_FORGE, 1}};
    uint32_t count = number(prng, 0, 4);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t which = weir_prng_below(prng, sizeof harmless / sizeof harmless[0]);
        add(plan, prng, harmless[which].kind, harmless[which].longest_us * SECOND_US);
    }
}

static void choose_frame_faults(sim_plan *plan, weir_prng *prng)
{
    uint32_t *chances[] = {&plan->frame_drop, &plan->frame_repeat, &plan->frame_reorder,
                           &plan->frame_stale};
    uint32_t *chosen = chances[weir_prng_below(prng, 4)];
    *chosen = number(prng, 500, 5000);
    if (chosen == &plan->frame_reorder) /* few are followed at once by one of their channel */
        *chosen *= 8;
}

static void choose_harm(sim_plan *plan, weir_prng *prng)
{
    static const enum sim_disaster_kind harm[] = {SIM_KILL_JOBMANAGER,
                                                  SIM_KILL_JOBMANAGER,
                                                  SIM_KILL_TASKMANAGER,
                                                  SIM_KILL_TASKMANAGER,
                                                  SIM_KILL_TASKMANAGER,
                                                  SIM_KILL_RUNNER,
                                                  SIM_KILL_RUNNER,
                                                  SIM_PAUSE,
                                                  SIM_PAUSE,
                                                  SIM_PAUSE,
                                                  SIM_CUT,
                                                  SIM_CUT,
                                                  SIM_FAIL_CACHE,
                                                  SIM_FAIL_CACHE,
                                                  SIM_FAIL_CACHE,
                                                  SIM_ISOLATE,
                                                  SIM_ISOLATE};
    uint32_t count = number(prng, 1, 3);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t dice = weir_prng_below(prng, 6);
        if (dice < 3)
            choose_frame_faults(plan, prng);
        else if (dice < 4)
            add(plan, prng, SIM_BREAK_CONNECTION, SECOND_US);
        else
            add(plan, prng, harm[weir_prng_below(prng, sizeof harm / sizeof harm[0])],
                9 * SECOND_US);
    }
}

void sim_plan_choose(sim_plan *plan, uint64_t seed)
{
    weir_prng prng = {seed};

    memset(plan, 0, sizeof *plan);
    plan->seed = seed;
    plan->taskmanagers = number(&prng, 1, 3);
    plan->slots = number(&prng, 1, 3);
    plan->window = number(&prng, 128, one_in(&prng, 2) ? 1024 : 8192);
    plan->batch_rows = number(&prng, 4, 32);
    plan->batch_bytes = number(&prng, 128, 1024);
    plan->frame_late = one_in(&prng, 3) ? number(&prng, 50, 500) : 0;
    plan->restart_at_end = one_in(&prng, 2);
    plan->ask_timeout_ms = one_in(&prng, 8) ? between(&prng, 50, 1500) : 0;
    choose_messages(plan, &prng);
    choose_jobs(plan, &prng);
    choose_harmless(plan, &prng);
    if (!one_in(&prng, 3))
        choose_harm(plan, &prng);
}
