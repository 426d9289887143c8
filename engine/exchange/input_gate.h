/* exchange/input_gate.h -- the consumer's end of the channels of one task input: checks epoch and
 * sequence, queues what arrived, gives events in each channel's order and fairly between channels,
 * and returns credit as batches are consumed.
 *
 * Belongs to the consumer's slot. A gap, a repeat, a wrong epoch, more bytes than were granted, or
 * something behind the end fails the gate (WEIR_ECORRUPT, WEIR_ESTALE): the task fails, the region
 * restarts; every later call returns the same error. The watermark of the gate is the minimum over
 * its active, unended channels (exchange/watermark_merge.h); it is reported when it advances.
 *
 * Ports are called from start, next and release, last of all: a port may call the producer's
 * channel, and that weir_input_gate_receive, before it returns. */
#ifndef EXCHANGE_INPUT_GATE_H
#define EXCHANGE_INPUT_GATE_H

#include "exchange/frame.h"
#include "exchange/output_channel.h"

typedef struct weir_input_gate weir_input_gate;

enum weir_gate_event {
    WEIR_GATE_EMPTY = 0,
    WEIR_GATE_BATCH,     /* ret->batch: give it back with weir_input_gate_release */
    WEIR_GATE_WATERMARK, /* ret->watermark */
    WEIR_GATE_BARRIER,   /* ret->barrier, ret->channel: per channel, in order */
    WEIR_GATE_IDLE,      /* ret->idle: the whole gate became idle, or active again */
    WEIR_GATE_END        /* all channels have ended; given once */
};

typedef struct weir_gate_item {
    weir_batch *batch;
    uint32_t channel; /* the id, as given to weir_input_gate_new */
    int64_t watermark;
    weir_barrier barrier;
    bool idle;
} weir_gate_item;

/* `channels` are ids, all different; port[i] (borrowed) carries credit frames back to the producer
 * of channels[i]. `window` bytes, not 0, are granted to each channel by weir_input_gate_start,
 * which is called once. The schema is ref'd. WEIR_EINVALID, WEIR_ENO_MEMORY. */
int weir_input_gate_new(weir_schema *schema, const uint32_t *channels, weir_port *const *ports,
                        uint32_t count, uint64_t epoch, uint32_t window,
                        weir_input_gate **ret) WEIR_MUST_CHECK;
void weir_input_gate_destroy(weir_input_gate **gate);
int weir_input_gate_start(weir_input_gate *gate, weir_error *err) WEIR_MUST_CHECK;
/* A frame that arrived: taken over, also on failure. */
int weir_input_gate_receive(weir_input_gate *gate, weir_frame *frame,
                            weir_error *err) WEIR_MUST_CHECK;
/* The next event (enum weir_gate_event) or a negative error; raw batches are opened here.
 * Watermarks of a channel count when they are reached in its queue, not on arrival. */
int weir_input_gate_next(weir_input_gate *gate, weir_gate_item *ret,
                         weir_error *err) WEIR_MUST_CHECK;
/* The batch of a BATCH event was processed: drops the reference, sets item->batch to NULL and
 * returns credit (gathered into one CREDIT frame until a quarter of the window is owed or the
 * channel's queue is empty; nothing once the channel's end has arrived). Several batches may be out
 * at once. */
int weir_input_gate_release(weir_input_gate *gate, weir_gate_item *item,
                            weir_error *err) WEIR_MUST_CHECK;
bool weir_input_gate_has_events(const weir_input_gate *gate);
size_t weir_input_gate_queued(const weir_input_gate *gate);     /* bytes waiting */
int64_t weir_input_gate_watermark(const weir_input_gate *gate); /* INT64_MIN: none yet */

#endif
