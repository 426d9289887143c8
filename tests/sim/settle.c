/* tests/sim/settle.c -- when the last job has ended and the disasters are over: nothing is left
 * behind, every slot is free, every end is what it was, and a job that needs all slots finishes. */
#include "cluster.h"

#include "base/memory.h"
#include "proto/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISPATCHER "dispatcher"
#define SECOND_US  INT64_C(1000000)

enum {
    OWNER_S = 20, /* heartbeat.timeout, and what follows from it */
    SETTLE_S = 120,
    LAST_JOB_S = 60,
    ASK_MS = 5000
};

/* ---- questions ---- */

typedef struct inspector {
    sim_cluster *cluster;
    weir_simulated_node *node;
    bool answered;
    weir_envelope *reply; /* NULL: an error */
    weir_error error;
} inspector;

static void start(void *actor, weir_context *context)
{
    inspector *self = actor;
    weir_error error = WEIR_ERROR_INIT;
    if (weir_context_connect(context, DISPATCHER, "sim://dispatcher", 0, &error) < 0)
        sim_wrong(self->cluster, "%s", error.text);
}

static const weir_actor_class inspector_class = {"Inspector", start, NULL, NULL, NULL, NULL};

static void on_answer(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                      const weir_error *error)
{
    inspector *self = actor;
    (void)context;
    (void)data;
    self->answered = true;
    if (error != NULL)
        self->error = *error;
    else if (weir_proto_copy(&reply->base, (ProtobufCMessage **)&self->reply) < 0)
        abort();
}

static bool is_answered(void *data)
{
    return ((inspector *)data)->answered;
}

static void forget(inspector *self)
{
    if (self->reply != NULL)
        weir_proto_free(&self->reply->base);
    self->reply = NULL;
}

/* The answer, until the next question; NULL: an error, in self->error. */
static const weir_envelope *ask(inspector *self, weir_envelope *question)
{
    sim_cluster *cluster = self->cluster;
    forget(self);
    self->answered = false;
    weir_context *context = weir_node_context(weir_simulated_node_get(self->node), "inspector");
    weir_context_request(context, (weir_address){DISPATCHER, DISPATCHER}, question, ASK_MS,
                         on_answer, NULL);
    if (weir_simulator_run(cluster->simulator, is_answered, self, INT64_MAX - 1) < 0)
        sim_wrong(cluster, "a question to the dispatcher has no outcome");
    return self->reply;
}

/* ---- what must be true ---- */

static bool is_settled(void *data)
{
    const sim_cluster *cluster = data;
    if (cluster->runners != NULL || !sim_is_whole(cluster))
        return false;
    for (uint32_t i = 0; i < cluster->njobs; i++) {
        if (sim_master_of(&cluster->jobs[i]))
            return false;
    }
    return true;
}

static void tell_unsettled(const sim_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->njobs; i++) {
        if (sim_master_of(&cluster->jobs[i]))
            sim_wrong(cluster, "the JobMaster of job %u, which is %s, was left behind", i,
                      cluster->jobs[i].state);
    }
    sim_wrong(cluster, "%s was left behind",
              cluster->runners != NULL ? "a task runner" : "a process that does not start");
}

static void wait_until_settled(sim_cluster *cluster)
{
    int64_t limit_us = weir_simulator_now_us(cluster->simulator) + SETTLE_S * SECOND_US;
    if (weir_simulator_run(cluster->simulator, is_settled, cluster, limit_us) < 0)
        tell_unsettled(cluster);
}

/* All processes are registered, once, and all slots are free. */
static bool are_slots_free(const sim_cluster *cluster, const Weir__Proto__ClusterDetail *detail,
                           char *text, size_t size)
{
    uint32_t taskmanagers = 0, jobmanagers = 0, slots = 0, free_slots = 0;
    for (size_t i = 0; i < detail->n_processes; i++) {
        const Weir__Proto__ProcessSummary *process = detail->processes[i];
        taskmanagers += strcmp(process->role, "taskmanager") == 0;
        jobmanagers += strcmp(process->role, "jobmanager") == 0;
        slots += process->slots;
        free_slots += process->slots_free;
    }
    snprintf(text, size,
             "long after the last job %u of %u slots are free; %u TaskManagers (of %u) and %u "
             "JobManagers are registered",
             free_slots, slots, taskmanagers, cluster->plan->taskmanagers, jobmanagers);
    return taskmanagers == cluster->plan->taskmanagers && jobmanagers == 1 &&
           slots == cluster->plan->taskmanagers * cluster->plan->slots && free_slots == slots;
}

static void wait_for_slots(inspector *self)
{
    sim_cluster *cluster = self->cluster;
    Weir__Proto__ClusterStatus body = WEIR__PROTO__CLUSTER_STATUS__INIT;
    char text[256] = "the dispatcher does not answer";

    for (int i = 0; i < SETTLE_S; i++) {
        weir_envelope question = WEIR__PROTO__ENVELOPE__INIT;
        question.body_case = WEIR__PROTO__ENVELOPE__BODY_CLUSTER_STATUS;
        question.cluster_status = &body;
        const weir_envelope *reply = ask(self, &question);
        if (reply != NULL && are_slots_free(cluster, reply->cluster_detail, text, sizeof text))
            return;
        (void)!weir_simulator_run(cluster->simulator, NULL, NULL,
                                  weir_simulator_now_us(cluster->simulator) + SECOND_US);
    }
    sim_wrong(cluster, "%s", text);
}

static void check_memory(inspector *self)
{
    sim_cluster *cluster = self->cluster;
    for (uint32_t i = 0; i < cluster->njobs; i++) {
        sim_job *job = &cluster->jobs[i];
        Weir__Proto__DescribeJob body = WEIR__PROTO__DESCRIBE_JOB__INIT;
        weir_envelope question = WEIR__PROTO__ENVELOPE__INIT;
        body.job = job->id;
        question.body_case = WEIR__PROTO__ENVELOPE__BODY_DESCRIBE_JOB;
        question.describe_job = &body;
        const weir_envelope *reply = ask(self, &question);
        if (reply == NULL)
            sim_wrong(cluster, "job %u was %s and is not known any more: %s", i, job->state,
                      self->error.text);
        const Weir__Proto__JobSummary *summary = reply->job_detail->summary;
        if (strcmp(summary->state, job->state) != 0 || strcmp(summary->error, job->error) != 0)
            sim_wrong(cluster, "job %u was %s (%s) and is now %s (%s)", i, job->state, job->error,
                      summary->state, summary->error);
    }
}

/* ---- the last job ---- */

static bool is_last_ended(void *data)
{
    const sim_cluster *cluster = data;
    return cluster->jobs[cluster->njobs - 1].ended;
}

static void run_last_job(sim_cluster *cluster)
{
    sim_job *job = &cluster->jobs[cluster->njobs++];
    int64_t limit_us = weir_simulator_now_us(cluster->simulator) + LAST_JOB_S * SECOND_US;
    sim_start_client(job);
    if (weir_simulator_run(cluster->simulator, is_last_ended, cluster, limit_us) < 0)
        sim_tell_unended(cluster);
    sim_check_job(job);
    if (strcmp(job->state, "FINISHED") != 0)
        sim_wrong(cluster, "the last job, on a cluster that is well, is %s", job->state);
}

static void calm(sim_cluster *cluster)
{
    static const weir_fault_plan none = {.delay_min_us = 50, .delay_max_us = 300};
    cluster->is_calm = true;
    weir_simulator_set_faults(cluster->simulator, &none);
    weir_simulator_heal(cluster->simulator);
    sim_disk_heal(cluster->disk);
    (void)!weir_simulator_run(cluster->simulator, NULL, NULL, cluster->paused_until_us);
}

static bool has_no_runner(void *data)
{
    return ((const sim_cluster *)data)->runners == NULL;
}

/* Whatever became of the jobs, their task runners end, also on a host that stays cut off: nobody
 * there goes on with what others were given or were told is over. */
static void wait_for_runners(sim_cluster *cluster)
{
    int64_t from_us = weir_simulator_now_us(cluster->simulator);
    if (from_us < cluster->paused_until_us)
        from_us = cluster->paused_until_us;
    if (weir_simulator_run(cluster->simulator, has_no_runner, cluster,
                           from_us + OWNER_S * SECOND_US) < 0)
        sim_wrong(cluster, "all jobs have ended, and %d s later a task runner lives on", OWNER_S);
}

void sim_settle(sim_cluster *cluster)
{
    inspector self = {.cluster = cluster};
    wait_for_runners(cluster);
    calm(cluster);
    wait_until_settled(cluster);
    if (cluster->plan->restart_at_end)
        weir_simulator_kill(cluster->simulator, cluster->dispatcher);
    self.node = sim_add_node(cluster, "client", NULL, NULL, NULL);
    sim_spawn(self.node, "inspector", &inspector_class, &self);
    wait_for_slots(&self);
    run_last_job(cluster);
    wait_until_settled(cluster);
    check_memory(&self);
    forget(&self);
    weir_simulator_kill(cluster->simulator, self.node); /* it lives on this stack */
}
