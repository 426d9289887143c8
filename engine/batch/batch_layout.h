/* batch/batch_layout.h -- internal to the room: where things lie in the block of a batch, for the
 * builder that writes it and for the batch that reads it. */
#ifndef BATCH_BATCH_LAYOUT_H
#define BATCH_BATCH_LAYOUT_H

#include "batch/batch.h"

#include <stdatomic.h>

#define WEIR__BATCH_MAGIC       0x54414257u /* "WBAT" */
#define WEIR__BATCH_HAS_TIMES   1u
#define WEIR__BATCH_HAS_KINDS   2u
#define WEIR__BATCH_HEADER_SIZE 64u
#define WEIR__BATCH_ENTRY_SIZE  24u
#define WEIR__BATCH_ALIGNMENT                                                                      \
    8u                        /* of a buffer in the block, and all that reading it in place needs */
#define WEIR__BATCH_FIRST 64u /* of the first buffer */

typedef struct weir__batch_header {
    uint32_t magic;
    uint16_t version, flags;
    uint64_t fingerprint;
    uint32_t rows, columns;
    uint64_t size;
    int64_t time_min, time_max;
    uint64_t rest[2];
} weir__batch_header;
_Static_assert(sizeof(weir__batch_header) == WEIR__BATCH_HEADER_SIZE, "header");

typedef struct weir__batch_entry {
    uint32_t validity, values, offsets; /* from the start of the block; 0: absent */
    uint32_t rows, nulls;
    uint32_t values_size;
} weir__batch_entry;
_Static_assert(sizeof(weir__batch_entry) == WEIR__BATCH_ENTRY_SIZE, "entry");

struct weir_batch {
    atomic_uint refs;
    weir_schema *schema;
    const uint8_t *block;
    size_t size;
    weir_columns view;
    weir_batch_release release; /* of a peer's bytes, of a share in a slab; or NULL */
    void *release_bytes, *hint;
    void *memory;          /* the one allocation that also holds this; NULL in a slab */
    weir_column columns[]; /* top level first, then the children of each, side by side */
};

static inline size_t weir__batch_object_size(uint32_t nodes)
{
    return sizeof(struct weir_batch) + nodes * sizeof(weir_column);
}

/* Event times lie behind the directory, row kinds behind them. */
static inline uint64_t weir__batch_times_at(uint32_t nodes)
{
    return WEIR__BATCH_HEADER_SIZE + (uint64_t)nodes * WEIR__BATCH_ENTRY_SIZE;
}

static inline uint64_t weir__batch_kinds_at(uint32_t nodes, uint32_t rows, uint32_t flags)
{
    return weir__batch_times_at(nodes) + (flags & WEIR__BATCH_HAS_TIMES ? 8ull * rows : 0);
}

static inline uint64_t weir__batch_buffers_at(uint32_t nodes, uint32_t rows, uint32_t flags)
{
    return weir__batch_kinds_at(nodes, rows, flags) + (flags & WEIR__BATCH_HAS_KINDS ? rows : 0);
}

/* Least and greatest event time of rows that have one; INT64_MAX and INT64_MIN when none has. */
void weir__batch_time_range(const void *times, uint32_t rows, int64_t *ret_min, int64_t *ret_max);

/* Sets up a batch in `memory` (which it owns from now on) over a block that is known to be sound.
 */
void weir__batch_init(weir_batch *batch, weir_schema *schema, const uint8_t *block, size_t size,
                      void *memory);

#endif
