/* batch/partition.h -- splits a batch's rows by target subtask, a counting sort over row numbers.
 */
#ifndef BATCH_PARTITION_H
#define BATCH_PARTITION_H

#include "batch/key.h"

typedef struct weir_partitioner weir_partitioner;

/* Rows of target t are selection[starts[t]..starts[t+1]), in their order. Valid until the next
 * call. */
typedef struct weir_partitions {
    const uint32_t *selection;
    const uint32_t *starts; /* targets + 1 */
} weir_partitions;

/* By key group of the given key fields. */
int weir_partitioner_new(weir_schema *schema, const uint32_t *fields, uint32_t count,
                         uint32_t targets, uint32_t max_parallelism, weir_partitioner **ret,
                         weir_error *err) WEIR_MUST_CHECK;
void weir_partitioner_destroy(weir_partitioner **partitioner);
int weir_partitioner_split(weir_partitioner *partitioner, const weir_columns *columns,
                           weir_partitions *ret) WEIR_MUST_CHECK;

#endif
