/* exchange/frame.h -- one message of a channel: a batch, watermark, barrier, end of input,
 * idleness, or (backwards) credit. Inside a runner frames travel as pointers; between runners as a
 * packed header (proto/data.proto) and the batch's bytes, without a copy. */
#ifndef EXCHANGE_FRAME_H
#define EXCHANGE_FRAME_H

#include "base/buffer.h"
#include "batch/batch.h"

enum weir_frame_kind {
    WEIR_FRAME_BATCH = 1,
    WEIR_FRAME_WATERMARK,
    WEIR_FRAME_BARRIER,
    WEIR_FRAME_END,
    WEIR_FRAME_CREDIT,
    WEIR_FRAME_IDLE
};

typedef struct weir_barrier {
    uint64_t checkpoint;
    int64_t timestamp;
    uint32_t options;
} weir_barrier;

typedef struct weir_frame {
    struct weir_frame *next; /* of the queue it is in */
    enum weir_frame_kind kind;
    uint32_t channel;
    uint64_t epoch, sequence;
    uint32_t cost;     /* bytes of credit it takes, see weir_frame_cost */
    weir_batch *batch; /* BATCH, one reference; NULL while it is raw bytes */
    void *raw;         /* BATCH from the wire, not opened yet: the consumer's slot opens it */
    size_t raw_size;
    weir_batch_release raw_release;
    void *raw_hint;
    union {
        int64_t watermark;
        weir_barrier barrier;
        uint64_t credit;
        bool idle;
    } u;
} weir_frame;

#define WEIR_FRAME_COST_MIN   64u
#define WEIR_FRAME_HEADER_MAX 256u /* bytes of a packed header; a longer one is refused */

weir_frame *weir_frame_new(enum weir_frame_kind kind, uint32_t channel) WEIR_MUST_CHECK;
void weir_frame_destroy(weir_frame **frame); /* with its batch or raw bytes */
/* What it costs, computed alike at both ends and never sent: BATCH its size in bytes, at least 64;
 * CREDIT 0; every other kind 64. How costs are counted against the window: exchange/credit.h. */
uint32_t weir_frame_cost(const weir_frame *frame);

/* The header of a frame; for BATCH the bytes to send are the batch's. */
int weir_frame_pack_header(const weir_frame *frame, weir_buffer *out) WEIR_MUST_CHECK;
/* From a header and the second part (BATCH: the batch's bytes; else empty), which the frame owns
 * from then on if this succeeds: `release(raw, hint)` is called once, on any thread; NULL:
 * borrowed. On failure the caller still owns it. WEIR_ECORRUPT when the header is damaged or no
 * frame of a channel (a hello is none), or when the sizes do not agree; WEIR_ETOO_LARGE over
 * WEIR_BATCH_SIZE_MAX. */
int weir_frame_unpack(const void *header, size_t header_size, void *raw, size_t raw_size,
                      weir_batch_release release, void *hint, weir_frame **ret,
                      weir_error *err) WEIR_MUST_CHECK;

#endif
