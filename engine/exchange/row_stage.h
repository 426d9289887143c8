/* exchange/row_stage.h -- internal to the room: rows on their way to many targets, by key.
 *
 * Rows gather in one place, in the order in which they come, until there are enough for a batch
 * worth sending to each target; then all are split at once. What the rows of one input alone would
 * cost -- a few of them for each of a thousand targets -- is so paid once per batch.
 *
 * Keeps about as many bytes as a batch for each target, and at most 32 MiB; what an input has
 * beyond that is never kept. Belongs to the producer's slot. */
#ifndef EXCHANGE_ROW_STAGE_H
#define EXCHANGE_ROW_STAGE_H

#include "batch/batch.h"

typedef struct weir__row_stage weir__row_stage;

typedef struct weir__row_stage_config {
    weir_schema *schema;
    const uint32_t *keys;
    uint32_t nkeys, max_parallelism;
    uint32_t targets;
    uint32_t batch_rows, batch_bytes; /* limits of a batch */
    /* Takes the reference, also when it fails. */
    int (*send)(void *self, uint32_t target, weir_batch *batch, weir_error *err);
    void *self;
} weir__row_stage_config;

int weir__row_stage_new(const weir__row_stage_config *config, weir__row_stage **ret,
                        weir_error *err) WEIR_MUST_CHECK;
void weir__row_stage_destroy(weir__row_stage **stage);
/* Keeps the rows; sends when enough have gathered. After a failure rows may be lost. */
int weir__row_stage_add(weir__row_stage *stage, const weir_columns *columns,
                        weir_error *err) WEIR_MUST_CHECK;
int weir__row_stage_flush(weir__row_stage *stage, weir_error *err) WEIR_MUST_CHECK; /* sends all */
uint32_t weir__row_stage_rows(const weir__row_stage *stage); /* that are kept */

#endif
