/* exchange/watermark_merge.h -- the watermark of several channels: the minimum over those that are
 * active and not ended, never going back.
 *
 * A channel that was idle and wakes counts again once its watermark has caught up with the merged
 * one. When every channel that has not ended is idle, the merged watermark goes to the greatest of
 * theirs. An ended channel holds nothing back, and pushes nothing forward. When all have ended the
 * watermark stays. Channels begin active, with INT64_MIN. O(log channels) per change. Owned by one
 * thread. */
#ifndef EXCHANGE_WATERMARK_MERGE_H
#define EXCHANGE_WATERMARK_MERGE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct weir_watermark_merge weir_watermark_merge;

int weir_watermark_merge_new(uint32_t channels, weir_watermark_merge **ret) WEIR_MUST_CHECK;
void weir_watermark_merge_destroy(weir_watermark_merge **merge);

/* `channel` is an index below the count. A lower watermark than before changes nothing, nor does
 * anything of an ended channel. */
void weir_watermark_merge_set(weir_watermark_merge *merge, uint32_t channel, int64_t watermark);
void weir_watermark_merge_set_idle(weir_watermark_merge *merge, uint32_t channel, bool idle);
void weir_watermark_merge_end(weir_watermark_merge *merge, uint32_t channel);

int64_t weir_watermark_merge_get(const weir_watermark_merge *merge);  /* INT64_MIN: none yet */
bool weir_watermark_merge_is_idle(const weir_watermark_merge *merge); /* some unended, all idle */
bool weir_watermark_merge_is_ended(const weir_watermark_merge *merge);

#endif
