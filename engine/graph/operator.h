/* graph/operator.h -- what an operator is while it runs: the vtable between a task's chain and the
 * operators of engine/operators/.
 *
 * All calls come from the slot's thread. Input arrives as column views that are valid for the call.
 * Output goes to collectors; collect never blocks (what the next edge cannot take goes to its
 * overdraft) and returns 0 or a negative error that the operator passes on. Verbs stand in this
 * order in every operator's file. */
#ifndef GRAPH_OPERATOR_H
#define GRAPH_OPERATOR_H

#include "batch/builder.h"
#include "batch/collector.h"
#include "graph/connector.h"
#include "graph/environment.h"
#include "graph/graph.h"

#define WEIR_DONE    0
#define WEIR_PENDING 1 /* call again later: after ret_wait, or at the next turn */

/* What an operator is opened with; borrowed until close. */
typedef struct weir_operator_context {
    const weir_graph *graph; /* the optimized one */
    const weir_graph_operator *operator_;
    const weir_user_code *code; /* of operator_->origin */
    const weir_api *api;        /* complete: both halves */
    uint32_t subtask, parallelism;
    weir_collector *outputs[WEIR_GRAPH_OUTPUTS_MAX]; /* never NULL below operator_->noutputs */
    uint32_t batch_rows, batch_bytes;                /* limits of one batch */
    uint64_t combine_memory;                         /* bytes of a combiner */
    const weir_connector_context *connector;         /* SOURCE, SINK */
    const weir_connector *connector_class;
    void (*log)(void *self, const char *line); /* the job's log */
    void *log_self;
} weir_operator_context;

typedef struct weir_operator {
    const struct weir_operator_class *vtable;
    weir_operator_context context;    /* a copy */
    uint64_t records_in, records_out; /* single writer; read by the slot for reports */
} weir_operator;

struct weir_operator_class {
    const char *name;
    int (*open)(weir_operator *self, weir_error *err);
    /* Rows of input `input`. WEIR_PENDING: nothing was taken, call again with the same (sinks). */
    int (*process_batch)(weir_operator *self, uint32_t input, const weir_columns *columns,
                         weir_wait *ret_wait, weir_error *err);
    /* Sources only: makes up to about one batch; returns weir_read_result or an error. */
    int (*poll)(weir_operator *self, weir_wait *ret_wait, weir_error *err);
    int (*add_split)(weir_operator *self, const void *split, size_t size, weir_error *err);
    /* The slot would idle: hand on what is buffered (half-full batches, writers' buffers). */
    int (*flush)(weir_operator *self, weir_wait *ret_wait, weir_error *err);
    /* All inputs have ended: emit the rest and, for sinks, make the output final. Resumable. */
    int (*end_of_input)(weir_operator *self, weir_wait *ret_wait, weir_error *err);
    void (*close)(weir_operator *self); /* frees it; after a failed open, too */
};

#endif
