/* A simulated task runner: the runner actor and its slots in one simulated node; data frames are
 * packed, copied and delivered later, in order per pair of slots unless the plan breaks it. */
#include "cluster.h"

#include "base/memory.h"
#include "proto/codec.h"
#include "taskmanager/runner.h"
#include "taskmanager/runner_life.h"
#include "taskmanager/slot_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 16

typedef struct sim_slot {
    weir_slot_host host;
    sim_runner *runner;
    uint32_t number;
    weir_slot *slot;
    bool turn_scheduled;
    int64_t link_us[SLOTS_MAX]; /* by target slot: when the last frame arrives */
} sim_slot;

struct sim_runner {
    weir_runner_host host;
    struct sim_runner *next;
    sim_cluster *cluster;
    struct sim_taskmanager *taskmanager;
    weir_simulated_node *node;
    Weir__Proto__RunnerSpec *spec;
    weir_config *config;
    void *actor;
    weir_deployment *deployment;
    sim_slot slots[SLOTS_MAX];
    bool killed; /* not by its own will */
};

typedef struct sim_delivery {
    struct sim_delivery *next, **back;
    sim_runner *to; /* valid while its node lives, and only then is the event run */
    uint32_t to_slot;
    weir_frame *frame;
} sim_delivery;

static weir_context *context_of(sim_runner *runner)
{
    return weir_node_context(weir_simulated_node_get(runner->node), WEIR_RUNNER_ACTOR);
}

/* ---- turns ---- */

static void turn(void *data);

static void kick(sim_slot *slot, int64_t delay_us)
{
    if (slot->turn_scheduled || !slot->slot)
        return;
    slot->turn_scheduled = true;
    if (weir_simulator_schedule(slot->runner->cluster->simulator, slot->runner->node, delay_us,
                                turn, slot) < 0)
        slot->turn_scheduled = false;
}

static void turn(void *data)
{
    sim_slot *slot = data;
    sim_cluster *cluster = slot->runner->cluster;
    int fds[4];
    int64_t at_ms;

    slot->turn_scheduled = false;
    if (weir_slot_turn(slot->slot)) {
        kick(slot, 1 + (int64_t)weir_simulator_random(cluster->simulator, 100));
        return;
    }
    (void)weir_slot_wait(slot->slot, fds, 4, &at_ms);
    if (at_ms != INT64_MAX) {
        int64_t left = at_ms * 1000 - weir_simulator_now_us(cluster->simulator);
        kick(slot, left > 0 ? left : 1000);
    }
}

/* ---- data ---- */

static void unlink_delivery(sim_delivery *delivery)
{
    *delivery->back = delivery->next;
    if (delivery->next)
        delivery->next->back = delivery->back;
}

void sim_drop_deliveries(sim_cluster *cluster)
{
    while (cluster->deliveries) {
        sim_delivery *delivery = cluster->deliveries;
        unlink_delivery(delivery);
        weir_frame_destroy(&delivery->frame);
        weir_free(delivery);
    }
}

static void deliver(void *data)
{
    sim_delivery *delivery = data;
    sim_slot *slot = &delivery->to->slots[delivery->to_slot];

    unlink_delivery(delivery);
    if (slot->slot) {
        weir_slot_receive(slot->slot, delivery->frame);
        kick(slot, 1);
    } else {
        weir_frame_destroy(&delivery->frame);
    }
    weir_free(delivery);
}

static void release_bytes(void *bytes, void *hint)
{
    (void)hint;
    weir_free(bytes);
}

/* Through the wire form, as between processes. */
static weir_frame *copy_of(const weir_frame *frame)
{
    weir_buffer header = WEIR_BUFFER_INIT;
    weir_frame *copy = NULL;
    void *body = NULL;
    size_t size = 0;

    if (frame->kind == WEIR_FRAME_BATCH) {
        size = weir_batch_size(frame->batch);
        body = weir_alloc_aligned(size);
        memcpy(body, weir_batch_bytes(frame->batch), size);
    }
    if (weir_frame_pack_header(frame, &header) < 0 ||
        weir_frame_unpack(header.data, header.size, body, size, release_bytes, NULL, &copy, NULL) <
            0)
        abort();
    weir_buffer_deinit(&header);
    return copy;
}

static void schedule_frame(sim_slot *from, sim_runner *to, uint32_t to_slot, weir_frame *frame,
                           bool in_order)
{
    sim_cluster *cluster = from->runner->cluster;
    sim_delivery *delivery = weir_calloc(1, sizeof *delivery);
    int64_t now = weir_simulator_now_us(cluster->simulator);
    int64_t at = now + 20 + (int64_t)weir_simulator_random(cluster->simulator, 2000);

    if (in_order && at <= from->link_us[to_slot])
        at = from->link_us[to_slot] + 1;
    from->link_us[to_slot] = at;
    *delivery = (sim_delivery){cluster->deliveries, &cluster->deliveries, to, to_slot, frame};
    if (cluster->deliveries)
        cluster->deliveries->back = &delivery->next;
    cluster->deliveries = delivery;
    cluster->result->frames++;
    if (weir_simulator_schedule(cluster->simulator, to->node, at - now, deliver, delivery) < 0)
        abort();
}

static sim_runner *runner_of(sim_runner *from, uint32_t index)
{
    for (sim_runner *r = from->cluster->runners; r; r = r->next) {
        if (r->spec->runner == index && strcmp(r->spec->job, from->spec->job) == 0)
            return r;
    }
    return NULL;
}

static int slot_send(weir_slot_host *host, uint32_t to_slot, weir_frame *frame, weir_error *err)
{
    sim_slot *from = (sim_slot *)host;
    sim_runner *self = from->runner;
    const sim_plan *plan = self->cluster->plan;
    weir_simulator *simulator = self->cluster->simulator;
    uint32_t index = self->deployment->slot_runner[to_slot];
    sim_runner *to = index == self->spec->runner ? self : runner_of(self, index);

    if (!to) {
        weir_frame_destroy(&frame);
        return weir_error_set(err, WEIR_EUNAVAILABLE, "lost the data connection to task runner %u",
                              index);
    }
    /* Only batches vanish in silence: an end follows each, so that the gap must show. Nothing
     * follows the last credit; that it cannot vanish without a broken connection is the data bus's
     * promise. */
    if (to != self && frame->kind == WEIR_FRAME_BATCH &&
        weir_simulator_random(simulator, 100000) < plan->data_drop) {
        self->cluster->result->frames_dropped++;
        weir_frame_destroy(&frame);
        return 0;
    }
    weir_frame *copy = copy_of(frame);
    if (to != self && weir_simulator_random(simulator, 100000) < plan->data_repeat) {
        self->cluster->result->frames_repeated++;
        schedule_frame(from, to, to_slot, copy_of(frame), true);
    }
    weir_frame_destroy(&frame);
    schedule_frame(from, to, to_slot, copy, true);
    return 0;
}

/* ---- what slots tell ---- */

static void slot_status(weir_slot_host *host, uint32_t task, uint32_t subtask,
                        enum weir_task_status status, const weir_error *error)
{
    sim_slot *slot = (sim_slot *)host;
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
    (void)host;
    (void)operator_;
    (void)subtask;
    (void)bytes;
    (void)size;
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

    self->deployment = deployment;
    for (uint32_t s = 0; s < deployment->nslots && s < SLOTS_MAX; s++) {
        sim_slot *slot = &self->slots[s];
        if (deployment->slot_runner[s] != self->spec->runner)
            continue;
        slot->host = (weir_slot_host){slot_send,  slot_status, slot_want_split,
                                      slot_print, slot_now_ms, slot_log};
        slot->runner = self;
        slot->number = s;
        weir_slot_config config = weir_slot_config_of(deployment, s, &slot->host);
        config.batch_rows = 32; /* small batches: many frames, many chances for faults */
        config.batch_bytes = 1024;
        int rc = weir_slot_new(&config, &slot->slot, err);
        if (rc == 0)
            rc = weir_slot_open(slot->slot, err);
        weir_runner_on_opened(self->actor, context_of(self), s, rc < 0 ? err : NULL);
    }
    return 0;
}

static void host_start(weir_runner_host *host)
{
    for (uint32_t s = 0; s < SLOTS_MAX; s++) {
        sim_slot *slot = &of(host)->slots[s];
        if (slot->slot) {
            weir_slot_start(slot->slot);
            kick(slot, 1);
        }
    }
}

static void host_cancel(weir_runner_host *host)
{
    for (uint32_t s = 0; s < SLOTS_MAX; s++) {
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
        kick(slot, 1);
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

static void host_print_ready(weir_runner_host *host, uint32_t slot)
{
    weir_slot_print_ready(of(host)->slots[slot].slot);
}

static size_t host_progress(weir_runner_host *host, uint32_t slot, weir_subtask_progress *out,
                            size_t capacity, uint64_t *ret_counter, bool *ret_idle)
{
    sim_slot *s = &of(host)->slots[slot];
    return s->slot ? weir_slot_progress(s->slot, out, capacity, ret_counter, ret_idle) : 0;
}

static void host_print_to_log(weir_runner_host *host, const void *bytes, size_t size)
{
    (void)host;
    (void)bytes;
    (void)size;
}

/* ---- life and death ---- */

static void host_die(weir_runner_host *host, const char *reason)
{
    (void)reason;
    of(host)->killed = true;
    weir_simulator_kill(of(host)->cluster->simulator, of(host)->node);
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
    for (uint32_t s = 0; s < SLOTS_MAX; s++)
        weir_slot_destroy(&self->slots[s].slot);
    sim_runner_exited(self->taskmanager, self->spec->job,
                      self->killed ? "was killed by SIGKILL" : "");
    weir_deployment_destroy(&self->deployment);
    weir_config_destroy(&self->config);
    weir_proto_free(&self->spec->base);
    weir_free(self);
}

int sim_runner_spawn(sim_cluster *cluster, struct sim_taskmanager *taskmanager,
                     const Weir__Proto__RunnerSpec *spec, weir_error *err)
{
    sim_runner *self = weir_calloc(1, sizeof *self);

    self->host = (weir_runner_host){host_deploy,
                                    host_start,
                                    host_cancel,
                                    host_give_split,
                                    host_ask_split,
                                    host_print_ready,
                                    host_progress,
                                    host_print_to_log,
                                    host_die,
                                    NULL,
                                    NULL};
    self->cluster = cluster;
    self->taskmanager = taskmanager;
    if (weir_proto_copy(&spec->base, (ProtobufCMessage **)&self->spec) < 0)
        abort();
    if (weir_runner_config_of(self->spec, &self->config, err) < 0)
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
        rc = weir_node_spawn(weir_simulated_node_get(self->node), WEIR_RUNNER_ACTOR,
                             &weir_runner_class, self->actor, err);
    return rc;
}

void sim_runner_kill(sim_cluster *cluster, const struct sim_taskmanager *taskmanager,
                     const char *job)
{
    for (sim_runner *r = cluster->runners, *next; r; r = next) {
        next = r->next;
        if (r->taskmanager == taskmanager && (!job || strcmp(job, r->spec->job) == 0)) {
            r->killed = true;
            weir_simulator_kill(cluster->simulator, r->node);
        }
    }
}

weir_simulated_node *sim_runner_node(sim_cluster *cluster, const struct sim_taskmanager *of_one)
{
    for (sim_runner *r = cluster->runners; r; r = r->next) {
        if (r->taskmanager == of_one)
            return r->node;
    }
    return NULL;
}
