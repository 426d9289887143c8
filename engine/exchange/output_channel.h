/* exchange/output_channel.h -- the producer's end of a channel: numbers frames, spends credit, and
 * keeps in its overdraft what there is no credit for.
 *
 * Belongs to the producer's slot. A port carries frames to the consumer: to another slot, another
 * runner or (same slot) straight to the input channel. Credit starts at 0: the consumer grants its
 * window when it starts, and nothing is sent before; the rule for spending it is that of
 * exchange/credit.h. Watermarks and idleness in the overdraft coalesce (the last ones win when no
 * batch or barrier lies between). What fails (the port, memory, a wrong credit) fails the channel
 * for good: from then on every call returns WEIR_ESTATE. */
#ifndef EXCHANGE_OUTPUT_CHANNEL_H
#define EXCHANGE_OUTPUT_CHANNEL_H

#include "exchange/frame.h"

typedef struct weir_port { /* takes the frame over, also when it fails */
    int (*send)(struct weir_port *self, weir_frame *frame, weir_error *err);
} weir_port;

typedef struct weir_output_channel weir_output_channel;

int weir_output_channel_new(uint32_t id, uint64_t epoch, weir_port *port,
                            weir_output_channel **ret) WEIR_MUST_CHECK;
void weir_output_channel_destroy(weir_output_channel **channel);

/* Send in order; each takes what it is given. After end nothing may follow (WEIR_ESTATE). */
int weir_output_channel_batch(weir_output_channel *channel, weir_batch *batch,
                              weir_error *err) WEIR_MUST_CHECK; /* takes the reference */
int weir_output_channel_watermark(weir_output_channel *channel, int64_t watermark,
                                  weir_error *err) WEIR_MUST_CHECK;
int weir_output_channel_barrier(weir_output_channel *channel, const weir_barrier *barrier,
                                weir_error *err) WEIR_MUST_CHECK;
int weir_output_channel_idle(weir_output_channel *channel, bool idle,
                             weir_error *err) WEIR_MUST_CHECK;
int weir_output_channel_end(weir_output_channel *channel, weir_error *err) WEIR_MUST_CHECK;
/* A CREDIT frame of the consumer: checks epoch (older: WEIR_ESTALE), sequence and amount (a gap, a
 * repeat, more than is outstanding: WEIR_ECORRUPT, credit is exact), then sends what is waiting.
 * The frame stays the caller's. */
int weir_output_channel_credit(weir_output_channel *channel, const weir_frame *frame,
                               weir_error *err) WEIR_MUST_CHECK;

/* Room for one batch: nothing waits and there is credit. */
bool weir_output_channel_has_room(const weir_output_channel *channel);
/* `full` (borrowed; NULL: none any more) holds from now on how many of the channels that were given
 * it have no room: one look instead of one at each. */
void weir_output_channel_count_full(weir_output_channel *channel, uint32_t *full);
size_t weir_output_channel_overdraft(const weir_output_channel *channel); /* bytes waiting */
bool weir_output_channel_is_drained(const weir_output_channel *channel);  /* nothing waits */
uint32_t weir_output_channel_id(const weir_output_channel *channel);

#endif
