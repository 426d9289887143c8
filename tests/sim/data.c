/* tests/sim/data.c -- frames between slots: within a task runner as pointers, between two in their
 * packed form, in order per pair of slots, unless the plan breaks it. What no producer or consumer
 * may do is seen here, apart from their own checks: to send without credit, to have more under way
 * than the window, to give credit for what never came. */
#include "runner.h"

#include "base/memory.h"
#include "graph/status.h"

#include <stdlib.h>
#include <string.h>

enum {
    FRAME_US = 2000,
    OVERTAKEN_US = 30000,
    LATE_US = 2000000,
    LOST_US = 30000,
    LOST_TOLD_PERCENT = 75,
    CHANCES = 100000,
    SLACK = 64 * 64 /* ends and barriers may go beyond the window: 64 of them */
};

struct sim_channel {
    uint32_t window;         /* as the producer knows it; 0: nothing was granted yet */
    uint64_t outstanding;    /* sent, and not credited back as far as the producer knows */
    uint64_t came, returned; /* to the consumer; by it */
    uint64_t arrived[2];     /* highest number: data, credit */
    bool granted, full_seen;
};

typedef struct sim_delivery {
    struct sim_delivery *next, **back;
    sim_runner *to; /* valid while its node lives, and only then is the event run */
    uint32_t from_runner, to_slot;
    weir_frame *frame;    /* NULL: no frame, but the news that the connection is lost */
    enum sim_fault fault; /* SIM_FAULTS: none */
} sim_delivery;

/* ---- deliveries ---- */

static void free_delivery(sim_delivery *delivery)
{
    *delivery->back = delivery->next;
    if (delivery->next)
        delivery->next->back = delivery->back;
    weir_frame_destroy(&delivery->frame);
    weir_free(delivery);
}

void sim_drop_deliveries(sim_cluster *cluster)
{
    while (cluster->deliveries)
        free_delivery(cluster->deliveries);
}

void sim_data_close(sim_runner *runner)
{
    for (sim_delivery *d = runner->cluster->deliveries, *next; d; d = next) {
        next = d->next;
        if (d->to == runner)
            free_delivery(d);
    }
}

void sim_data_open(sim_runner *runner)
{
    sim_job *job = runner->job;
    uint32_t count = runner->deployment->plan->nchannels;
    if (job->channels)
        return;
    job->channels = weir_calloc(count + 1, sizeof *job->channels);
    if (!job->channels)
        abort();
    job->nchannels = count;
}

static const weir_task_edge *edge_of(const sim_runner *runner, const weir_frame *frame)
{
    return weir_task_plan_edge_of(runner->deployment->plan, frame->channel);
}

/* Somebody is there who must notice what is wrong with the frame. */
static bool is_awaited(const sim_slot *slot, const weir_frame *frame)
{
    const weir_task_edge *edge = edge_of(slot->runner, frame);
    uint32_t task = frame->kind == WEIR_FRAME_CREDIT ? edge->from : edge->to;
    return slot->slot && !slot->ended[task];
}

/* ---- what must be true ---- */

static uint32_t charge_of(const weir_frame *frame, uint32_t window)
{
    uint32_t cost = weir_frame_cost(frame);
    return cost < window ? cost : window;
}

static void check_sent(sim_job *job, const weir_frame *frame)
{
    sim_channel *channel = &job->channels[frame->channel];
    const sim_cluster *cluster = job->cluster;

    if (job->tampered)
        return;
    if (frame->kind == WEIR_FRAME_CREDIT) {
        if (!channel->granted && frame->u.credit != cluster->plan->window)
            sim_wrong(cluster, "job %u, channel %u: a window of %llu bytes is granted; it has %u",
                      job->index, frame->channel, (unsigned long long)frame->u.credit,
                      cluster->plan->window);
        channel->returned += channel->granted ? frame->u.credit : 0;
        channel->granted = true;
        if (channel->returned > channel->came)
            sim_wrong(cluster,
                      "job %u, channel %u: credit for %llu bytes is returned; only %llu came",
                      job->index, frame->channel, (unsigned long long)channel->returned,
                      (unsigned long long)channel->came);
        return;
    }
    if (channel->window == 0)
        sim_wrong(cluster, "job %u, channel %u: a frame is sent without any credit", job->index,
                  frame->channel);
    bool passes = frame->kind == WEIR_FRAME_END || frame->kind == WEIR_FRAME_BARRIER;
    channel->outstanding += charge_of(frame, channel->window);
    if (channel->outstanding > channel->window + (passes ? SLACK : 0u))
        sim_wrong(cluster,
                  "job %u, channel %u: %llu bytes are under way in a window of %u: a frame was "
                  "sent without credit",
                  job->index, frame->channel, (unsigned long long)channel->outstanding,
                  channel->window);
    if (channel->full_seen ||
        channel->outstanding + charge_of(frame, channel->window) <= channel->window)
        return;
    channel->full_seen = true;
    sim_mattered(job->cluster, SIM_CREDIT_USED_UP);
}

static void check_arrived(sim_job *job, const weir_frame *frame)
{
    sim_channel *channel = &job->channels[frame->channel];

    if (job->tampered)
        return;
    if (frame->kind != WEIR_FRAME_CREDIT) {
        channel->came += charge_of(frame, channel->window);
    } else if (channel->window == 0) {
        channel->window = (uint32_t)frame->u.credit;
        sim_made(job->cluster, SIM_CREDIT_USED_UP);
    } else if (frame->u.credit > channel->outstanding) {
        sim_wrong(job->cluster, "job %u, channel %u: credit for %llu bytes came back; %llu are out",
                  job->index, frame->channel, (unsigned long long)frame->u.credit,
                  (unsigned long long)channel->outstanding);
    } else {
        channel->outstanding -= frame->u.credit;
    }
}

/* ---- arriving ---- */

static void tell_slots(sim_runner *runner, uint32_t lost, enum sim_fault fault)
{
    weir_error error = WEIR_ERROR_INIT;
    bool is_news = false;
    weir_error_set(&error, WEIR_EUNAVAILABLE, "lost the data connection to task runner %u", lost);
    for (uint32_t s = 0; s < SIM_SLOTS_MAX; s++) {
        sim_slot *slot = &runner->slots[s];
        if (!slot->slot || weir_slot_is_done(slot->slot))
            continue;
        is_news = true;
        weir_slot_fail(slot->slot, &error);
    }
    runner->job->hurt |= is_news;
    if (is_news && fault != SIM_FAULTS)
        sim_mattered(runner->cluster, fault);
}

/* What is wrong with the frame matters when there is somebody to notice. */
static void note_fault(sim_slot *slot, const weir_frame *frame, enum sim_fault fault)
{
    sim_job *job = slot->runner->job;
    uint64_t *arrived = &job->channels[frame->channel].arrived[frame->kind == WEIR_FRAME_CREDIT];

    if (!job->tampered && frame->sequence > *arrived + 1)
        fault = SIM_FRAME_REORDERED; /* the one before it comes later */
    else if (fault == SIM_FRAME_REORDERED)
        fault = SIM_FAULTS;
    *arrived = frame->sequence > *arrived ? frame->sequence : *arrived;
    if (fault == SIM_FAULTS || !is_awaited(slot, frame))
        return;
    sim_mattered(job->cluster, fault);
    if (fault == SIM_FRAME_LATE)
        return;
    job->tampered = true;
    job->hurt = true;
}

static void deliver(void *data)
{
    sim_delivery *delivery = data;
    sim_runner *to = delivery->to;
    sim_slot *slot = &to->slots[delivery->to_slot];
    weir_frame *frame = delivery->frame;

    delivery->frame = NULL;
    if (!frame) {
        tell_slots(to, delivery->from_runner, delivery->fault);
    } else if (!slot->slot) {
        weir_frame_destroy(&frame);
    } else {
        note_fault(slot, frame, delivery->fault);
        check_arrived(to->job, frame);
        weir_slot_receive(slot->slot, frame);
        sim_slot_kick(slot, 1);
    }
    free_delivery(delivery);
}

static sim_delivery *make_delivery(sim_runner *to, uint32_t from_runner, weir_frame *frame)
{
    sim_cluster *cluster = to->cluster;
    sim_delivery *delivery = weir_calloc(1, sizeof *delivery);
    if (!delivery)
        abort();
    *delivery = (sim_delivery){.next = cluster->deliveries,
                               .back = &cluster->deliveries,
                               .to = to,
                               .from_runner = from_runner,
                               .frame = frame,
                               .fault = SIM_FAULTS};
    if (cluster->deliveries)
        cluster->deliveries->back = &delivery->next;
    cluster->deliveries = delivery;
    return delivery;
}

/* ---- leaving ---- */

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
        if (!body)
            abort();
        memcpy(body, weir_batch_bytes(frame->batch), size);
    }
    if (weir_frame_pack_header(frame, &header) < 0 ||
        weir_frame_unpack(header.data, header.size, body, size, release_bytes, NULL, &copy, NULL) <
            0)
        abort();
    weir_buffer_deinit(&header);
    return copy;
}

static bool chance(sim_cluster *cluster, uint32_t of)
{
    return of > 0 && weir_simulator_random(cluster->simulator, CHANCES) < of;
}

/* At most one fault. What was lost shows by what follows it on its channel; at the latest when the
 * loss of the connection is told, as the data bus promises. Nothing follows an end or the last
 * credit.
 */
static enum sim_fault choose_fault(sim_cluster *cluster, const weir_frame *frame)
{
    const sim_plan *plan = cluster->plan;
    bool vanishes = frame->kind != WEIR_FRAME_END && frame->kind != WEIR_FRAME_CREDIT;
    enum sim_fault fault = SIM_FAULTS;

    if (cluster->is_calm)
        return SIM_FAULTS;
    if (chance(cluster, plan->frame_drop) && vanishes)
        fault = SIM_FRAME_DROPPED;
    else if (chance(cluster, plan->frame_repeat))
        fault = SIM_FRAME_REPEATED;
    else if (chance(cluster, plan->frame_reorder))
        fault = SIM_FRAME_REORDERED;
    else if (chance(cluster, plan->frame_late))
        fault = SIM_FRAME_LATE;
    else if (chance(cluster, plan->frame_stale))
        fault = SIM_FRAME_STALE;
    if (fault != SIM_FAULTS)
        sim_made(cluster, fault);
    return fault;
}

static void schedule_frame(sim_slot *from, sim_runner *to, uint32_t to_slot, weir_frame *frame,
                           enum sim_fault fault)
{
    sim_cluster *cluster = from->runner->cluster;
    sim_delivery *delivery = make_delivery(to, from->runner->spec->runner, frame);
    int64_t now = weir_simulator_now_us(cluster->simulator);
    int64_t at = now + 20 + (int64_t)weir_simulator_random(cluster->simulator, FRAME_US);

    delivery->to_slot = to_slot;
    delivery->fault = fault;
    if (fault == SIM_FRAME_LATE)
        at += (int64_t)weir_simulator_random(cluster->simulator, LATE_US);
    if (at <= from->link_us[to_slot])
        at = from->link_us[to_slot] + 1;
    if (fault == SIM_FRAME_REORDERED)
        at += (int64_t)weir_simulator_random(cluster->simulator, OVERTAKEN_US);
    else
        from->link_us[to_slot] = at;
    cluster->result->frames++;
    sim_schedule(cluster, to->node, at - now, deliver, delivery);
}

static void tell_lost(sim_runner *runner, uint32_t lost, enum sim_fault fault)
{
    sim_cluster *cluster = runner->cluster;
    sim_delivery *news = make_delivery(runner, lost, NULL);
    news->fault = fault;
    sim_schedule(cluster, runner->node, (int64_t)weir_simulator_random(cluster->simulator, LOST_US),
                 deliver, news);
}

static void send_with(sim_slot *from, sim_runner *to, uint32_t to_slot, weir_frame *frame,
                      enum sim_fault fault)
{
    sim_job *job = to->job;

    if (fault != SIM_FAULTS && fault != SIM_FRAME_LATE && job->excuse == NULL)
        job->excuse = "its frames were tampered with";
    if (fault == SIM_FRAME_DROPPED) {
        job->tampered = true;
        if (is_awaited(&to->slots[to_slot], frame)) {
            job->hurt = true;
            sim_mattered(job->cluster, fault);
        }
        tell_lost(to, from->runner->spec->runner, SIM_FAULTS);
        return;
    }
    weir_frame *copy = copy_of(frame);
    if (fault == SIM_FRAME_STALE) { /* in place of the right one, and but for its epoch like it */
        job->tampered = true;
        copy->epoch--;
    }
    if (fault == SIM_FRAME_REPEATED) {
        job->tampered = true;
        schedule_frame(from, to, to_slot, copy_of(frame), SIM_FAULTS);
    }
    schedule_frame(from, to, to_slot, copy, fault);
}

static sim_runner *runner_of(sim_runner *from, uint32_t index)
{
    for (sim_runner *r = from->cluster->runners; r; r = r->next) {
        if (r->spec->runner == index && r->job == from->job)
            return r;
    }
    return NULL;
}

int sim_slot_send(weir_slot_host *host, uint32_t to_slot, weir_frame *frame, weir_error *err)
{
    sim_slot *from = (sim_slot *)host;
    sim_runner *self = from->runner;
    uint32_t index = self->deployment->slot_runner[to_slot];
    sim_runner *to = runner_of(self, index);

    if (!to || !to->deployment || self->job->broken[self->spec->runner][index]) {
        weir_frame_destroy(&frame);
        return weir_error_set(err, WEIR_EUNAVAILABLE, "lost the data connection to task runner %u",
                              index);
    }
    check_sent(self->job, frame);
    if (to == self) {
        schedule_frame(from, to, to_slot, frame, SIM_FAULTS);
        return 0;
    }
    send_with(from, to, to_slot, frame, choose_fault(self->cluster, frame));
    weir_frame_destroy(&frame);
    return 0;
}

/* ---- connections that break ---- */

void sim_data_tell_lost(sim_runner *gone)
{
    sim_cluster *cluster = gone->cluster;
    for (sim_runner *r = cluster->runners; r; r = r->next) {
        if (r->job == gone->job && r != gone && r->deployment &&
            weir_simulator_random(cluster->simulator, 100) < LOST_TOLD_PERCENT)
            tell_lost(r, gone->spec->runner, SIM_FAULTS);
    }
}

/* What arrives in its place is the news. */
static void lose(sim_delivery *delivery)
{
    weir_frame_destroy(&delivery->frame);
    delivery->fault = SIM_FAULTS;
}

void sim_data_break(sim_runner *a, sim_runner *b)
{
    sim_cluster *cluster = a->cluster;
    uint32_t ai = a->spec->runner, bi = b->spec->runner;

    a->job->broken[ai][bi] = a->job->broken[bi][ai] = true;
    a->job->tampered = true;
    if (a->job->excuse == NULL)
        a->job->excuse = "a data connection was broken";
    for (sim_delivery *d = cluster->deliveries; d; d = d->next) {
        if ((d->to == a && d->from_runner == bi) || (d->to == b && d->from_runner == ai))
            lose(d);
    }
    tell_lost(a, bi, SIM_CONNECTION_BROKEN);
    tell_lost(b, ai, SIM_FAULTS);
}
