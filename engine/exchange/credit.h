/* exchange/credit.h -- how both ends of a channel count credit: one rule, so that the producer
 * spends exactly what the consumer checks.
 *
 * The first grant is the channel's window. A frame is charged its cost, but never more than the
 * window: a batch larger than the window takes all of it, and so goes when nothing is outstanding.
 * Outstanding is what was charged and not yet credited back.
 *   - BATCH, WATERMARK, IDLE go when outstanding + charge <= window.
 *   - BARRIER, END need no credit: they go when outstanding + charge <= window + slack. The slack
 * holds 64 of them; more must wait, so that what is outstanding is bounded whatever happens. Order
 * is never changed: what has to wait holds back everything behind it. */
#ifndef EXCHANGE_CREDIT_H
#define EXCHANGE_CREDIT_H

#include "exchange/frame.h"

#include <stdbool.h>

#define WEIR_CREDIT_SLACK (64u * WEIR_FRAME_COST_MIN)

static inline uint32_t weir_credit_charge(uint32_t cost, uint32_t window)
{
    return cost < window ? cost : window;
}

static inline bool weir_credit_allows(enum weir_frame_kind kind, uint32_t charge,
                                      uint64_t outstanding, uint32_t window)
{
    uint64_t limit = window;
    if (kind == WEIR_FRAME_BARRIER || kind == WEIR_FRAME_END) {
        limit += WEIR_CREDIT_SLACK;
    }
    return window != 0 && outstanding + charge <= limit;
}

#endif
