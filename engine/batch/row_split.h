/* batch/row_split.h -- rows of columns into batches, one or more per target. Every value is copied
 * once: from where it is straight into the block that travels.
 *
 * Rows are sorted by target first (their numbers, that is), then the batches are laid out, then
 * filled column by column, so that of the source one column at a time has to be in the caches.
 *
 * Owned by one thread; memory for the working is kept between calls. */
#ifndef BATCH_ROW_SPLIT_H
#define BATCH_ROW_SPLIT_H

#include "batch/batch.h"

#define WEIR_SPLIT_PIECES_MAX 2u

typedef struct weir_row_split weir_row_split;

/* Rows [first, first + count) of `columns`, of the schema's shape; row first + i goes to
 * targets[i]. */
typedef struct weir_split_piece {
    const weir_columns *columns;
    const uint16_t *targets;
    uint32_t first, count;
} weir_split_piece;

typedef struct weir_split_batch {
    weir_batch *batch;
    uint32_t target;
} weir_split_batch;

/* Batches have at most `rows_max` rows and at most `bytes_max` bytes, but one row at least. Of rows
 * with lists the bytes are taken at their average. The schema is ref'd. WEIR_EINVALID: no target,
 * no row. */
int weir_row_split_new(weir_schema *schema, uint32_t targets, uint32_t rows_max, uint32_t bytes_max,
                       weir_row_split **ret) WEIR_MUST_CHECK;
void weir_row_split_destroy(weir_row_split **split);

/* The batches of the pieces' rows, piece by piece: to one target all rows in their order, in as
 * many batches as the limits need. `*ret` is valid until the next call; its references are the
 * caller's. WEIR_EINVALID: another shape, a NULL where none may be, an unknown row kind;
 * WEIR_ETOO_LARGE: a row that fits no batch; WEIR_ENO_MEMORY. On failure nothing was made. */
int weir_row_split_make(weir_row_split *split, const weir_split_piece *pieces, uint32_t count,
                        weir_split_batch **ret, uint32_t *ret_count) WEIR_MUST_CHECK;

/* Bytes of a row of `columns` in a batch, on average; at least 1. */
size_t weir_columns_row_bytes(const weir_columns *columns);

#endif
