/* batch/partition.h -- which subtask each row goes to: the one of its key group. */
#ifndef BATCH_PARTITION_H
#define BATCH_PARTITION_H

#include "batch/key.h"

typedef struct weir_partitioner weir_partitioner;

/* By key group of the given key fields. WEIR_EINVALID, WEIR_ENO_MEMORY. */
int weir_partitioner_new(weir_schema *schema, const uint32_t *fields, uint32_t count,
                         uint32_t targets, uint32_t max_parallelism, weir_partitioner **ret,
                         weir_error *err) WEIR_MUST_CHECK;
void weir_partitioner_destroy(weir_partitioner **partitioner);
/* The target of every row, into `ret[0..rows)`. */
int weir_partitioner_targets(weir_partitioner *partitioner, const weir_columns *columns,
                             uint16_t *ret) WEIR_MUST_CHECK;

#endif
