/* exchange/input_gate.c -- see input_gate.h. */
#include "exchange/input_gate.h"

#include "base/memory.h"
#include "exchange/credit.h"
#include "exchange/frame_queue.h"
#include "exchange/watermark_merge.h"

#include <assert.h>
#include <stdlib.h>

typedef struct gate_channel {
    weir_frame_queue queue;
    struct gate_channel *next_ready; /* of the gate's ready list, when its queue has frames */
    weir_port *port;
    uint64_t sequence;        /* of the last frame received */
    uint64_t credit_sequence; /* of the last credit sent */
    uint64_t outstanding;     /* charged and not credited back */
    uint64_t owed;            /* of it: consumed */
    uint32_t id;
    bool end_received;
} gate_channel;

struct weir_input_gate {
    weir_schema *schema;
    weir_watermark_merge *merge;
    gate_channel *channels; /* sorted by id */
    gate_channel *ready_head, *ready_tail;
    uint64_t epoch;
    size_t queued;
    int64_t reported_watermark;
    uint32_t count, window;
    bool started, reported_idle, reported_end;
    weir_error failure; /* code 0: none */
};

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = ((const gate_channel *)a)->id, y = ((const gate_channel *)b)->id;
    return x < y ? -1 : x > y;
}

static int set_channels(weir_input_gate *gate, const uint32_t *channels, weir_port *const *ports)
{
    gate->channels = weir_calloc(gate->count, sizeof *gate->channels);
    if (gate->channels == NULL) {
        return WEIR_ENO_MEMORY;
    }
    for (uint32_t i = 0; i < gate->count; i++) {
        gate->channels[i].id = channels[i];
        gate->channels[i].port = ports[i];
    }
    qsort(gate->channels, gate->count, sizeof *gate->channels, compare_ids);
    for (uint32_t i = 1; i < gate->count; i++) {
        if (gate->channels[i].id == gate->channels[i - 1].id) {
            return WEIR_EINVALID;
        }
    }
    return 0;
}

int weir_input_gate_new(weir_schema *schema, const uint32_t *channels, weir_port *const *ports,
                        uint32_t count, uint64_t epoch, uint32_t window, weir_input_gate **ret)
{
    if (count == 0 || window == 0) {
        return WEIR_EINVALID;
    }
    weir_input_gate *gate = weir_calloc(1, sizeof *gate);
    if (gate == NULL) {
        return WEIR_ENO_MEMORY;
    }
    gate->schema = weir_schema_ref(schema);
    gate->count = count;
    gate->epoch = epoch;
    gate->window = window;
    gate->reported_watermark = INT64_MIN;
    int rc = set_channels(gate, channels, ports);
    if (rc == 0) {
        rc = weir_watermark_merge_new(count, &gate->merge);
    }
    if (rc != 0) {
        weir_input_gate_destroy(&gate);
        return rc;
    }
    *ret = gate;
    return 0;
}

void weir_input_gate_destroy(weir_input_gate **gate)
{
    weir_input_gate *self = *gate;
    if (self == NULL) {
        return;
    }
    *gate = NULL;
    for (uint32_t i = 0; self->channels != NULL && i < self->count; i++) {
        weir_frame_queue_deinit(&self->channels[i].queue);
    }
    weir_free(self->channels);
    weir_watermark_merge_destroy(&self->merge);
    weir_schema_unref(&self->schema);
    weir_free(self);
}

/* ---- failure: the first one stays ---- */

static int report_failure(const weir_input_gate *gate, weir_error *err)
{
    return weir_error_set(err, gate->failure.code, "%s", gate->failure.text);
}

static int fail(weir_input_gate *gate, weir_error *err, int code, const char *format, ...)
    WEIR_PRINTF(4, 5);

static int fail(weir_input_gate *gate, weir_error *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    weir_error_vset(&gate->failure, code, format, args);
    va_end(args);
    return report_failure(gate, err);
}

/* ---- credit ---- */

/* The port is called last: it may come back with frames for this gate. */
static int send_credit(weir_input_gate *gate, gate_channel *channel, uint64_t bytes,
                       weir_error *err)
{
    weir_frame *frame = weir_frame_new(WEIR_FRAME_CREDIT, channel->id);
    if (frame == NULL) {
        return fail(gate, err, WEIR_ENO_MEMORY,
                    "channel %u: out of memory; a credit was to be sent; give the process more "
                    "memory",
                    channel->id);
    }
    frame->epoch = gate->epoch;
    frame->sequence = ++channel->credit_sequence;
    frame->u.credit = bytes;
    weir_error failure;
    failure.text[0] = 0;
    int rc = channel->port->send(channel->port, frame, &failure);
    if (gate->failure.code != 0) { /* what the port called has failed this gate */
        return report_failure(gate, err);
    }
    if (rc != 0) {
        return fail(gate, err, rc, "channel %u: credit: %s", channel->id, failure.text);
    }
    return 0;
}

int weir_input_gate_start(weir_input_gate *gate, weir_error *err)
{
    if (gate->failure.code != 0) {
        return report_failure(gate, err);
    }
    if (gate->started) {
        return weir_error_set(err, WEIR_ESTATE,
                              "input gate: it has started; start was called again; call it once");
    }
    gate->started = true;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < gate->count; i++) {
        rc = send_credit(gate, &gate->channels[i], gate->window, err);
    }
    return rc;
}

/* All that is owed must go once the queue is empty: the producer may wait for the whole window. A
 * producer that has sent its end needs none and may be gone. */
static int return_credit(weir_input_gate *gate, gate_channel *channel, weir_error *err)
{
    uint64_t owed = channel->owed;
    if (owed == 0 || channel->end_received ||
        (channel->queue.head != NULL && owed < (gate->window + 3u) / 4)) {
        return 0;
    }
    channel->owed = 0;
    channel->outstanding -= owed;
    return send_credit(gate, channel, owed, err);
}

/* ---- receiving ---- */

static gate_channel *find_channel(const weir_input_gate *gate, uint32_t id)
{
    gate_channel key = {.id = id};
    return bsearch(&key, gate->channels, gate->count, sizeof key, compare_ids);
}

static int check_epoch(weir_input_gate *gate, const weir_frame *frame, weir_error *err)
{
    if (frame->epoch == gate->epoch) {
        return 0;
    }
    bool older = frame->epoch < gate->epoch;
    return fail(gate, err, older ? WEIR_ESTALE : WEIR_ECORRUPT,
                "channel %u: a frame of %s epoch; expected %llu, found %llu; it is refused",
                frame->channel, older ? "an older" : "a newer", (unsigned long long)gate->epoch,
                (unsigned long long)frame->epoch);
}

static int check_frame(weir_input_gate *gate, const gate_channel *channel, const weir_frame *frame,
                       weir_error *err)
{
    if (channel == NULL) {
        return fail(
            gate, err, WEIR_ECORRUPT,
            "channel %u: it is not one of this input; found in a frame; the region restarts",
            frame->channel);
    }
    int rc = check_epoch(gate, frame, err);
    if (rc != 0) {
        return rc;
    }
    if (frame->sequence != channel->sequence + 1) {
        return fail(gate, err, WEIR_ECORRUPT,
                    "channel %u: a frame was lost, repeated or reordered; expected number %llu, "
                    "found %llu; the region restarts",
                    frame->channel, (unsigned long long)channel->sequence + 1,
                    (unsigned long long)frame->sequence);
    }
    if (channel->end_received) {
        return fail(gate, err, WEIR_ECORRUPT,
                    "channel %u: something follows its end; found a frame of kind %u; the region "
                    "restarts",
                    frame->channel, (unsigned)frame->kind);
    }
    bool batch = frame->kind == WEIR_FRAME_BATCH && (frame->batch != NULL || frame->raw != NULL);
    bool control = frame->kind == WEIR_FRAME_WATERMARK || frame->kind == WEIR_FRAME_BARRIER ||
                   frame->kind == WEIR_FRAME_END || frame->kind == WEIR_FRAME_IDLE;
    if (!batch && !control) {
        return fail(gate, err, WEIR_ECORRUPT,
                    "channel %u: a frame that a producer does not send; found kind %u; the region "
                    "restarts",
                    frame->channel, (unsigned)frame->kind);
    }
    if (!gate->started ||
        !weir_credit_allows(frame->kind, weir_credit_charge(frame->cost, gate->window),
                            channel->outstanding, gate->window)) {
        return fail(gate, err, WEIR_ECORRUPT,
                    "channel %u: more bytes than were granted; expected at most %u, found %llu "
                    "outstanding and %u more; the region restarts",
                    frame->channel, gate->started ? gate->window : 0,
                    (unsigned long long)channel->outstanding, frame->cost);
    }
    return 0;
}

static void make_ready(weir_input_gate *gate, gate_channel *channel)
{
    channel->next_ready = NULL;
    if (gate->ready_tail != NULL) {
        gate->ready_tail->next_ready = channel;
    } else {
        gate->ready_head = channel;
    }
    gate->ready_tail = channel;
}

int weir_input_gate_receive(weir_input_gate *gate, weir_frame *frame, weir_error *err)
{
    int rc;
    gate_channel *channel = NULL;
    if (gate->failure.code != 0) {
        rc = report_failure(gate, err);
    } else {
        frame->cost = weir_frame_cost(frame);
        channel = find_channel(gate, frame->channel);
        rc = check_frame(gate, channel, frame, err);
    }
    if (rc != 0) {
        weir_frame_destroy(&frame);
        return rc;
    }
    channel->sequence++;
    channel->outstanding += weir_credit_charge(frame->cost, gate->window);
    channel->end_received = frame->kind == WEIR_FRAME_END;
    gate->queued += frame->cost;
    if (channel->queue.head == NULL) {
        make_ready(gate, channel);
    }
    weir_frame_queue_push(&channel->queue, frame);
    return 0;
}

/* ---- consuming ---- */

/* The next frame, in turn: a channel that has more goes to the end of the ready list. */
static weir_frame *take_frame(weir_input_gate *gate, gate_channel **ret_channel)
{
    gate_channel *channel = gate->ready_head;
    if (channel == NULL) {
        return NULL;
    }
    gate->ready_head = channel->next_ready;
    if (gate->ready_head == NULL) {
        gate->ready_tail = NULL;
    }
    weir_frame *frame = weir_frame_queue_pop(&channel->queue);
    if (channel->queue.head != NULL) {
        make_ready(gate, channel);
    }
    gate->queued -= frame->cost;
    *ret_channel = channel;
    return frame;
}

static int open_batch(weir_input_gate *gate, weir_frame *frame, weir_batch **ret, weir_error *err)
{
    if (frame->batch != NULL) {
        uint64_t found = weir_schema_fingerprint(weir_batch_schema(frame->batch));
        if (found != weir_schema_fingerprint(gate->schema)) {
            return fail(
                gate, err, WEIR_EINVALID,
                "channel %u: a batch of another schema; found fingerprint %016llx; both ends "
                "of an edge must have one schema",
                frame->channel, (unsigned long long)found);
        }
        *ret = frame->batch;
        frame->batch = NULL;
        return 0;
    }
    weir_error failure;
    failure.text[0] = 0;
    weir_batch *batch = NULL;
    int rc = weir_batch_open(gate->schema, frame->raw, frame->raw_size, frame->raw_release,
                             frame->raw_hint, &batch, &failure);
    if (rc != 0) {
        return fail(gate, err, rc, "channel %u: %s", frame->channel, failure.text);
    }
    frame->raw_release = NULL;                       /* the batch owns the bytes now */
    if (weir_batch_size(batch) != frame->raw_size) { /* its credit is counted by its size */
        size_t size = weir_batch_size(batch);
        weir_batch_unref(&batch);
        return fail(gate, err, WEIR_ECORRUPT,
                    "channel %u: a batch tells a wrong size; found %zu in %zu bytes; the region "
                    "restarts",
                    frame->channel, size, frame->raw_size);
    }
    *ret = batch;
    return 0;
}

static uint32_t index_of(const weir_input_gate *gate, const gate_channel *channel)
{
    return (uint32_t)(channel - gate->channels);
}

/* An event for the caller, WEIR_GATE_EMPTY when the frame gave none, or an error. */
static int consume(weir_input_gate *gate, gate_channel *channel, weir_frame *frame,
                   weir_gate_item *ret, weir_error *err)
{
    int event = WEIR_GATE_EMPTY;
    switch (frame->kind) {
    case WEIR_FRAME_BATCH: {
        int rc = open_batch(gate, frame, &ret->batch, err);
        return rc != 0 ? rc : WEIR_GATE_BATCH; /* its credit comes with its release */
    }
    case WEIR_FRAME_WATERMARK:
        weir_watermark_merge_set(gate->merge, index_of(gate, channel), frame->u.watermark);
        break;
    case WEIR_FRAME_IDLE:
        weir_watermark_merge_set_idle(gate->merge, index_of(gate, channel), frame->u.idle);
        break;
    case WEIR_FRAME_END:
        weir_watermark_merge_end(gate->merge, index_of(gate, channel));
        break;
    default:
        assert(frame->kind == WEIR_FRAME_BARRIER);
        ret->barrier = frame->u.barrier;
        event = WEIR_GATE_BARRIER;
        break;
    }
    channel->owed += weir_credit_charge(frame->cost, gate->window);
    int rc = return_credit(gate, channel, err);
    return rc != 0 ? rc : event;
}

/* What the frames consumed so far have changed and the caller was not told yet. Awake before the
 * watermark and idle after it, so that downstream never takes a watermark from an input that it
 * believes idle. */
static enum weir_gate_event derived_event(weir_input_gate *gate, weir_gate_item *ret)
{
    bool ended = weir_watermark_merge_is_ended(gate->merge);
    bool idle = weir_watermark_merge_is_idle(gate->merge);
    int64_t watermark = weir_watermark_merge_get(gate->merge);
    if (gate->reported_idle && !idle && !ended) {
        gate->reported_idle = false;
        ret->idle = false;
        return WEIR_GATE_IDLE;
    }
    if (watermark > gate->reported_watermark) {
        gate->reported_watermark = watermark;
        ret->watermark = watermark;
        return WEIR_GATE_WATERMARK;
    }
    if (!gate->reported_idle && idle) {
        gate->reported_idle = true;
        ret->idle = true;
        return WEIR_GATE_IDLE;
    }
    if (ended && !gate->reported_end) {
        gate->reported_end = true;
        return WEIR_GATE_END;
    }
    return WEIR_GATE_EMPTY;
}

static bool has_derived_event(const weir_input_gate *gate)
{
    bool ended = weir_watermark_merge_is_ended(gate->merge);
    bool idle = weir_watermark_merge_is_idle(gate->merge);
    return (ended ? !gate->reported_end : idle != gate->reported_idle) ||
           weir_watermark_merge_get(gate->merge) > gate->reported_watermark;
}

int weir_input_gate_next(weir_input_gate *gate, weir_gate_item *ret, weir_error *err)
{
    *ret = (weir_gate_item){0};
    if (gate->failure.code != 0) {
        return report_failure(gate, err);
    }
    for (;;) {
        enum weir_gate_event derived = derived_event(gate, ret);
        if (derived != WEIR_GATE_EMPTY) {
            return (int)derived;
        }
        gate_channel *channel = NULL;
        weir_frame *frame = take_frame(gate, &channel);
        if (frame == NULL) {
            return WEIR_GATE_EMPTY;
        }
        ret->channel = channel->id;
        int event = consume(gate, channel, frame, ret, err);
        weir_frame_destroy(&frame);
        if (event != WEIR_GATE_EMPTY) {
            return event;
        }
    }
}

int weir_input_gate_release(weir_input_gate *gate, weir_gate_item *item, weir_error *err)
{
    if (item->batch == NULL) {
        return 0;
    }
    size_t size = weir_batch_size(item->batch);
    weir_batch_unref(&item->batch);
    if (gate->failure.code != 0) {
        return report_failure(gate, err);
    }
    gate_channel *channel = find_channel(gate, item->channel);
    assert(channel != NULL);
    uint32_t cost = size < WEIR_FRAME_COST_MIN ? WEIR_FRAME_COST_MIN : (uint32_t)size;
    channel->owed += weir_credit_charge(cost, gate->window);
    return return_credit(gate, channel, err);
}

bool weir_input_gate_has_events(const weir_input_gate *gate)
{
    return gate->failure.code != 0 || gate->ready_head != NULL || has_derived_event(gate);
}

size_t weir_input_gate_queued(const weir_input_gate *gate)
{
    return gate->queued;
}

int64_t weir_input_gate_watermark(const weir_input_gate *gate)
{
    return gate->reported_watermark;
}
