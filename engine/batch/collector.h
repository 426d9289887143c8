/* batch/collector.h -- where an operator's output goes: the next operator of the chain, or an edge.
 * The columns are valid for the call only. collect never blocks; 0 or a negative error. */
#ifndef BATCH_COLLECTOR_H
#define BATCH_COLLECTOR_H

#include "base/error.h"

#include <weir/types.h>

typedef struct weir_collector {
    int (*collect)(struct weir_collector *self, const weir_columns *columns, weir_error *err);
} weir_collector;

#endif
