/* exchange/output_channel.c -- see output_channel.h. */
#include "exchange/output_channel.h"

#include "base/memory.h"
#include "exchange/credit.h"
#include "exchange/frame_queue.h"

#include <assert.h>

struct weir_output_channel {
    weir_port *port;
    weir_frame_queue waiting;                     /* the overdraft */
    weir_frame *waiting_watermark, *waiting_idle; /* of those behind the last batch and barrier */
    size_t overdraft;
    uint64_t epoch;
    uint64_t sequence;        /* of the last frame sent */
    uint64_t credit_sequence; /* of the last credit received */
    uint64_t outstanding;
    uint32_t window; /* 0: nothing was granted yet */
    uint32_t id;
    bool ended, failed;
    bool is_full; /* as it is counted in `full` */
    uint32_t *full;
};

int weir_output_channel_new(uint32_t id, uint64_t epoch, weir_port *port, weir_output_channel **ret)
{
    weir_output_channel *channel = weir_calloc(1, sizeof *channel);
    if (channel == NULL) {
        return WEIR_ENO_MEMORY;
    }
    channel->id = id;
    channel->epoch = epoch;
    channel->port = port;
    *ret = channel;
    return 0;
}

void weir_output_channel_destroy(weir_output_channel **channel)
{
    if (*channel != NULL) {
        weir_frame_queue_deinit(&(*channel)->waiting);
        weir_free(*channel);
        *channel = NULL;
    }
}

/* ---- room ---- */

bool weir_output_channel_has_room(const weir_output_channel *channel)
{
    return channel->waiting.head == NULL && channel->outstanding < channel->window;
}

static void update_full(weir_output_channel *channel)
{
    bool full = !weir_output_channel_has_room(channel);
    if (full != channel->is_full && channel->full != NULL) {
        *channel->full += full ? 1u : UINT32_MAX; /* which is -1 */
    }
    channel->is_full = full;
}

void weir_output_channel_count_full(weir_output_channel *channel, uint32_t *full)
{
    update_full(channel);
    if (channel->full != NULL && channel->is_full) {
        --*channel->full;
    }
    channel->full = full;
    if (full != NULL && channel->is_full) {
        ++*full;
    }
}

/* ---- sending ---- */

static bool may_send(const weir_output_channel *channel, const weir_frame *frame)
{
    return weir_credit_allows(frame->kind, weir_credit_charge(frame->cost, channel->window),
                              channel->outstanding, channel->window);
}

/* All is counted before the port is called: what it calls may come back to this channel. */
static int send_frame(weir_output_channel *channel, weir_frame *frame, weir_error *err)
{
    frame->epoch = channel->epoch;
    frame->sequence = ++channel->sequence;
    channel->outstanding += weir_credit_charge(frame->cost, channel->window);
    update_full(channel);
    int rc = channel->port->send(channel->port, frame, err);
    if (rc != 0) {
        channel->failed = true;
    }
    return rc;
}

static void wait_for_credit(weir_output_channel *channel, weir_frame *frame)
{
    weir_frame_queue_push(&channel->waiting, frame);
    channel->overdraft += frame->cost;
    if (frame->kind == WEIR_FRAME_WATERMARK) {
        channel->waiting_watermark = frame;
    } else if (frame->kind == WEIR_FRAME_IDLE) {
        channel->waiting_idle = frame;
    } else {
        channel->waiting_watermark = NULL;
        channel->waiting_idle = NULL;
    }
    update_full(channel);
}

static weir_frame *take_waiting(weir_output_channel *channel)
{
    weir_frame *frame = weir_frame_queue_pop(&channel->waiting);
    channel->overdraft -= frame->cost;
    if (frame == channel->waiting_watermark) {
        channel->waiting_watermark = NULL;
    } else if (frame == channel->waiting_idle) {
        channel->waiting_idle = NULL;
    }
    return frame;
}

static int check_open(const weir_output_channel *channel, weir_error *err)
{
    if (channel->failed) {
        return weir_error_set(err, WEIR_ESTATE,
                              "channel %u: it failed before; nothing can be sent; restart the task",
                              channel->id);
    }
    if (channel->ended) {
        return weir_error_set(err, WEIR_ESTATE,
                              "channel %u: its end was sent; something more was given to it; send "
                              "nothing after the end",
                              channel->id);
    }
    return 0;
}

static int out_of_memory(weir_output_channel *channel, weir_error *err)
{
    channel->failed = true;
    return weir_error_set(
        err, WEIR_ENO_MEMORY,
        "channel %u: out of memory; a frame of %zu bytes was to be sent; give the "
        "process more memory",
        channel->id, sizeof(weir_frame));
}

static int submit(weir_output_channel *channel, weir_frame *frame, weir_error *err)
{
    frame->cost = weir_frame_cost(frame);
    if (channel->waiting.head == NULL && may_send(channel, frame)) {
        return send_frame(channel, frame, err);
    }
    wait_for_credit(channel, frame);
    return 0;
}

int weir_output_channel_batch(weir_output_channel *channel, weir_batch *batch, weir_error *err)
{
    assert(batch != NULL);
    int rc = check_open(channel, err);
    weir_frame *frame = rc == 0 ? weir_frame_new(WEIR_FRAME_BATCH, channel->id) : NULL;
    if (frame == NULL) {
        weir_batch_unref(&batch);
        return rc != 0 ? rc : out_of_memory(channel, err);
    }
    frame->batch = batch;
    return submit(channel, frame, err);
}

int weir_output_channel_watermark(weir_output_channel *channel, int64_t watermark, weir_error *err)
{
    int rc = check_open(channel, err);
    if (rc != 0) {
        return rc;
    }
    if (channel->waiting_watermark != NULL) {
        channel->waiting_watermark->u.watermark = watermark;
        return 0;
    }
    weir_frame *frame = weir_frame_new(WEIR_FRAME_WATERMARK, channel->id);
    if (frame == NULL) {
        return out_of_memory(channel, err);
    }
    frame->u.watermark = watermark;
    return submit(channel, frame, err);
}

int weir_output_channel_barrier(weir_output_channel *channel, const weir_barrier *barrier,
                                weir_error *err)
{
    int rc = check_open(channel, err);
    if (rc != 0) {
        return rc;
    }
    weir_frame *frame = weir_frame_new(WEIR_FRAME_BARRIER, channel->id);
    if (frame == NULL) {
        return out_of_memory(channel, err);
    }
    frame->u.barrier = *barrier;
    return submit(channel, frame, err);
}

int weir_output_channel_idle(weir_output_channel *channel, bool idle, weir_error *err)
{
    int rc = check_open(channel, err);
    if (rc != 0) {
        return rc;
    }
    if (channel->waiting_idle != NULL) {
        channel->waiting_idle->u.idle = idle;
        return 0;
    }
    weir_frame *frame = weir_frame_new(WEIR_FRAME_IDLE, channel->id);
    if (frame == NULL) {
        return out_of_memory(channel, err);
    }
    frame->u.idle = idle;
    return submit(channel, frame, err);
}

int weir_output_channel_end(weir_output_channel *channel, weir_error *err)
{
    int rc = check_open(channel, err);
    if (rc != 0) {
        return rc;
    }
    weir_frame *frame = weir_frame_new(WEIR_FRAME_END, channel->id);
    if (frame == NULL) {
        return out_of_memory(channel, err);
    }
    channel->ended = true;
    return submit(channel, frame, err);
}

static int check_credit(const weir_output_channel *channel, const weir_frame *frame,
                        weir_error *err)
{
    if (frame->kind != WEIR_FRAME_CREDIT || frame->channel != channel->id) {
        return weir_error_set(err, WEIR_ECORRUPT,
                              "channel %u: expected a credit; found a frame of kind %u for channel "
                              "%u; the region restarts",
                              channel->id, (unsigned)frame->kind, frame->channel);
    }
    if (frame->epoch != channel->epoch) {
        bool older = frame->epoch < channel->epoch;
        return weir_error_set(err, older ? WEIR_ESTALE : WEIR_ECORRUPT,
                              "channel %u: a credit of %s epoch; expected %llu, found %llu; it is "
                              "refused",
                              channel->id, older ? "an older" : "a newer",
                              (unsigned long long)channel->epoch, (unsigned long long)frame->epoch);
    }
    if (frame->sequence != channel->credit_sequence + 1) {
        return weir_error_set(err, WEIR_ECORRUPT,
                              "channel %u: a credit was lost or repeated; expected number %llu, "
                              "found %llu; the region restarts",
                              channel->id, (unsigned long long)channel->credit_sequence + 1,
                              (unsigned long long)frame->sequence);
    }
    uint64_t limit = channel->window == 0 ? UINT32_MAX : channel->outstanding;
    if (frame->u.credit == 0 || frame->u.credit > limit) {
        return weir_error_set(
            err, WEIR_ECORRUPT,
            "channel %u: a credit that cannot be; expected 1 to %llu bytes, found "
            "%llu; the region restarts",
            channel->id, (unsigned long long)limit, (unsigned long long)frame->u.credit);
    }
    return 0;
}

int weir_output_channel_credit(weir_output_channel *channel, const weir_frame *frame,
                               weir_error *err)
{
    if (channel->failed) {
        return check_open(channel, err);
    }
    int rc = check_credit(channel, frame, err);
    if (rc != 0) {
        channel->failed = true;
        return rc;
    }
    channel->credit_sequence++;
    if (channel->window == 0) {
        channel->window = (uint32_t)frame->u.credit;
    } else {
        channel->outstanding -= frame->u.credit;
    }
    update_full(channel);
    while (rc == 0 && channel->waiting.head != NULL && may_send(channel, channel->waiting.head)) {
        rc = send_frame(channel, take_waiting(channel), err);
    }
    return rc;
}

size_t weir_output_channel_overdraft(const weir_output_channel *channel)
{
    return channel->overdraft;
}

bool weir_output_channel_is_drained(const weir_output_channel *channel)
{
    return channel->waiting.head == NULL;
}

uint32_t weir_output_channel_id(const weir_output_channel *channel)
{
    return channel->id;
}
