/* tests/sim/runner.c -- a simulated task runner: the runner actor and its slots in one simulated
 * node. A job's runner is started once, by one JobMaster, within the slots of its TaskManager. */
#include "runner.h"

#include "base/memory.h"
#include "proto/codec.h"
#include "taskmanager/runner_life.h"
#include "taskmanager/slot_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static weir_context *context_of(sim_runner *runner)
{
    return weir_node_context(weir_simulated_node_get(runner->node), WEIR_RUNNER_ACTOR);
}

/* ---- turns ---- */

static void turn(void *data);

void sim_slot_kick(sim_slot *slot, int64_t delay_us)
{
    if (slot->turn_scheduled || !slot->slot)
        return;
    slot->turn_scheduled = true;
    sim_schedule(slot->runner->cluster, slot->runner->node, delay_us, turn, slot);
}

static void turn(void *data)
{
    sim_slot *slot = data;
    sim_cluster *cluster = slot->runner->cluster;
    int fds[4];
    int64_t at_ms;

    slot->turn_scheduled = false;
    if (weir_slot_turn(slot->slot)) {
        sim_slot_kick(slot, 1 + (int64_t)weir_simulator_random(cluster->simulator, 100));
        return;
    }
    (void)weir_slot_wait(slot->slot, fds, 4, &at_ms);
    if (at_ms != INT64_MAX) {
        int64_t left = at_ms * 1000 - weir_simulator_now_us(cluster->simulator);
        sim_slot_kick(slot, left > 0 ? left : 1000);
    }
}

/* ---- what slots tell ---- */

static void slot_status(weir_slot_host *host, uint32_t task, uint32_t subtask,
                        enum weir_task_status status, const weir_error *error)
{
    sim_slot *slot = (sim_slot *)host;
    bool is_end = weir_state_is_terminal(&weir_task_status_table, (uint32_t)status);
    if (is_end && task < SIM_TASKS_MAX)
        slot->ended[task] = true;
    weir_runner_on_status(slot->runner->actor, context_of(slot->runner), subtask, task, status, 0,
                          0, error);
}

static void slot_want_split(weir_slot_host *host, uint32_t operator_, uint32_t subtask,
                            uint64_t number)
{
    sim_slot *slot = (sim_slot *)host;
    weir_runner_on_want_split(slot->runner->actor, context_of(slot->runner), operator_, subtask,
                              number);
}

static int slot_print(weir_slot_host *host, uint32_t operator_, uint32_t subtask, const char *bytes,
                      size_t size)
{
    sim_slot *slot = (sim_slot *)host;
    (void)subtask;
    if (slot->printing)
        return WEIR_READ_PENDING;
    slot->printing = true;
    weir_runner_on_print(slot->runner->actor, context_of(slot->runner), slot->number, operator_,
                         bytes, size);
    return 0;
}

static int64_t slot_now_ms(weir_slot_host *host)
{
    return weir_simulator_now_us(((sim_slot *)host)->runner->cluster->simulator) / 1000;
}

static void slot_log(weir_slot_host *host, const char *line)
{
    (void)host;
    (void)line;
}

/* ---- the runner's host ---- */

static sim_runner *of(weir_runner_host *host)
{
    return (sim_runner *)host;
}

static int host_deploy(weir_runner_host *host, weir_deployment *deployment, weir_error *err)
{
    sim_runner *self = of(host);
    const sim_plan *plan = self->cluster->plan;

    self->deployment = deployment;
    sim_data_open(self);
    for (uint32_t s = 0; s < deployment->nslots; s++) {
        sim_slot *slot = &self->slots[s];
        if (deployment->slot_runner[s] != self->spec->runner)
            continue;
        slot->host = (weir_slot_host){sim_slot_send, slot_status, slot_want_split,
                                      slot_print,    slot_now_ms, slot_log};
        slot->runner = self;
        slot->number = s;
        weir_slot_config config = weir_slot_config_of(deployment, s, &slot->host);
        config.window = plan->window; /* small ones: many frames, and credit that is used up */
        config.batch_rows = plan->batch_rows;
        config.batch_bytes = plan->batch_bytes;
        int rc = weir_slot_new(&config, &slot->slot, err);
        if (rc == 0)
            rc = weir_slot_open(slot->slot, err);
        weir_runner_on_opened(self->actor, context_of(self), s, rc < 0 ? err : NULL);
    }
    return 0;
}

static void host_start(weir_runner_host *host)
{
    for (uint32_t s = 0; s < SIM_SLOTS_MAX; s++) {
        sim_slot *slot = &of(host)->slots[s];
        if (slot->slot) {
            weir_slot_start(slot->slot);
            sim_slot_kick(slot, 1);
        }
    }
}

static void host_cancel(weir_runner_host *host)
{
    for (uint32_t s = 0; s < SIM_SLOTS_MAX; s++) {
        if (of(host)->slots[s].slot)
            weir_slot_cancel(of(host)->slots[s].slot);
    }
}

static void host_give_split(weir_runner_host *host, uint32_t operator_, uint32_t subtask,
                            uint64_t number, const void *split, size_t size, bool end)
{
    sim_slot *slot = &of(host)->slots[subtask];

    if (slot->slot) {
        weir_slot_give_split(slot->slot, operator_, subtask, number, split, size, end);
        sim_slot_kick(slot, 1);
    }
}

static void host_ask_split(weir_runner_host *host, uint32_t operator_, uint32_t subtask,
                           uint64_t number, void *cookie)
{
    sim_runner *self = of(host);
    weir_buffer split = WEIR_BUFFER_INIT;
    weir_error error = WEIR_ERROR_INIT;
    int rc = weir_slot_next_split(self->slots[0].slot, operator_, subtask, number, &split, &error);

    weir_runner_on_split(self->actor, context_of(self), cookie, split.data, split.size,
                         rc == WEIR_READ_END, rc < 0 ? &error : NULL);
    weir_buffer_deinit(&split);
}

static void host_print_ready(weir_runner_host *host, uint32_t s)
{
    sim_slot *slot = &of(host)->slots[s];
    slot->printing = false;
    weir_slot_print_ready(slot->slot);
    sim_slot_kick(slot, 1);
}

static size_t host_progress(weir_runner_host *host, uint32_t slot, weir_subtask_progress *out,
                            size_t capacity, uint64_t *ret_counter, bool *ret_idle)
{
    sim_slot *s = &of(host)->slots[slot];
    return s->slot ? weir_slot_progress(s->slot, out, capacity, ret_counter, ret_idle) : 0;
}

static void host_print_to_log(weir_runner_host *host, const void *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    of(host)->job->rows_lost = true;
}

/* ---- life and death ---- */

/* As if it had crashed: it fences itself when it has lost its JobMaster. */
static void host_die(weir_runner_host *host, const char *reason)
{
    sim_runner *self = of(host);
    snprintf(self->reason, sizeof self->reason, "%s", reason);
    self->killed = true;
    weir_simulator_kill(self->cluster->simulator, self->node);
}

static void on_end(void *data)
{
    sim_runner *self = data;

    for (sim_runner **at = &self->cluster->runners; *at; at = &(*at)->next) {
        if (*at == self) {
            *at = self->next;
            break;
        }
    }
    if (self->killed && !self->cluster->is_over)
        sim_data_tell_lost(self);
    sim_data_close(self);
    for (uint32_t s = 0; s < SIM_SLOTS_MAX; s++)
        weir_slot_destroy(&self->slots[s].slot);
    sim_runner_exited(self->taskmanager, self->spec->job,
                      self->reason[0] != 0 ? self->reason
                      : self->killed       ? "was killed by SIGKILL"
                                           : "");
    weir_deployment_destroy(&self->deployment);
    weir_config_destroy(&self->config);
    weir_proto_free(&self->spec->base);
    weir_free(self);
}

/* What must be true whenever a runner is started. */
static void check_start(sim_cluster *cluster, const sim_taskmanager *taskmanager, sim_job *job,
                        const Weir__Proto__RunnerSpec *spec)
{
    char by[sizeof job->jobmanager];
    uint32_t used = spec->slots;

    snprintf(by, sizeof by, "%s, epoch %llu", spec->jobmanager, (unsigned long long)spec->epoch);
    if (job->jobmanager[0] == 0)
        memcpy(job->jobmanager, by, sizeof by);
    if (strcmp(job->jobmanager, by) != 0)
        sim_wrong(cluster, "job %u is run by two JobMasters: of %s and of %s", job->index,
                  job->jobmanager, by);
    if (spec->runner >= SIM_SLOTS_MAX || job->runner_seen[spec->runner])
        sim_wrong(cluster, "task runner %u of job %u is started twice", spec->runner, job->index);
    job->runner_seen[spec->runner] = true;
    for (const sim_runner *r = cluster->runners; r; r = r->next)
        used += r->taskmanager == taskmanager ? r->spec->slots : 0;
    if (used > cluster->plan->slots)
        sim_wrong(cluster, "a TaskManager of %u slots runs task runners with %u",
                  cluster->plan->slots, used);
}

int sim_runner_spawn(sim_cluster *cluster, sim_taskmanager *taskmanager,
                     const Weir__Proto__RunnerSpec *spec, weir_error *err)
{
    sim_job *job = sim_job_of(cluster, spec->job);
    if (job == NULL)
        sim_wrong(cluster, "a task runner of a job that nobody submitted is started: %s",
                  spec->job);
    check_start(cluster, taskmanager, job, spec);
    sim_runner *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        abort();
    self->host = (weir_runner_host){.deploy = host_deploy,
                                    .start = host_start,
                                    .cancel = host_cancel,
                                    .give_split = host_give_split,
                                    .ask_split = host_ask_split,
                                    .print_ready = host_print_ready,
                                    .progress = host_progress,
                                    .print_to_log = host_print_to_log,
                                    .die = host_die};
    self->cluster = cluster;
    self->taskmanager = taskmanager;
    self->job = job;
    if (weir_proto_copy(&spec->base, (ProtobufCMessage **)&self->spec) < 0 ||
        weir_runner_config_of(self->spec, &self->config, err) < 0)
        abort();
    self->node = sim_add_node(cluster, "runner", NULL, on_end, self);
    self->next = cluster->runners;
    cluster->runners = self;
    weir_runner_config config = {.spec = self->spec,
                                 .config = self->config,
                                 .data_endpoint = "sim://data",
                                 .pid = 1,
                                 .host = &self->host};
    int rc = weir_runner_new(&config, &self->actor, err);
    if (rc == 0)
        sim_spawn(self->node, WEIR_RUNNER_ACTOR, &weir_runner_class, self->actor);
    return rc;
}

sim_runner *sim_runner_any(const sim_cluster *cluster, uint64_t dice)
{
    uint32_t count = 0;
    for (const sim_runner *r = cluster->runners; r; r = r->next)
        count++;
    sim_runner *chosen = cluster->runners;
    for (uint64_t i = count ? dice % count : 0; i > 0; i--)
        chosen = chosen->next;
    return chosen;
}

weir_simulated_node *sim_runner_node(const sim_runner *runner)
{
    return runner->node;
}

uint32_t sim_runner_kill(sim_cluster *cluster, const sim_taskmanager *taskmanager, const char *job)
{
    uint32_t killed = 0;
    for (sim_runner *r = cluster->runners, *next; r; r = next) {
        next = r->next;
        if (r->taskmanager != taskmanager || (job && strcmp(job, r->spec->job) != 0))
            continue;
        r->killed = true;
        killed++;
        weir_simulator_kill(cluster->simulator, r->node);
    }
    return killed;
}
