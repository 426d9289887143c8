/* operators/user_context.h -- what user code gets as its weir_ctx: emits, failures, facts of the
 * record in hand.
 *
 * One per operator with user code; lives in the operator's instance. The first failure of a
 * callback sticks: later emits do nothing and return it, and weir_user_context_result reports it
 * even when the callback returned 0. One thread. */
#ifndef OPERATORS_USER_CONTEXT_H
#define OPERATORS_USER_CONTEXT_H

#include "operators/output_port.h"

#include <weir/weir.h>

#define WEIR_USER_TEXT_MAX 1024 /* bytes of a weir_fail text */

/* By memcpy: a batch that came over a socket may lie unaligned. */
static inline int64_t weir_row_timestamp(const weir_columns *columns, uint32_t row)
{
    int64_t timestamp = WEIR_NO_TIMESTAMP;

    if (columns->timestamps)
        memcpy(&timestamp, columns->timestamps + row, sizeof timestamp);
    return timestamp;
}

typedef struct weir_user_context {
    weir_ctx ctx;            /* first: callbacks get its address */
    int64_t timestamp;       /* of the record in hand; INT64_MIN: none */
    weir_output_port *ports; /* of the operator's outputs; may be none */
    uint32_t nports;
    uint32_t string_offset; /* emit of one string: of the member in the record */
    weir_readable readable; /* strings of the batch in hand that emit may copy without asking */
    uint8_t row_kind;
    bool emits;    /* this callback may emit */
    int failure;   /* code of the callback's first failure; 0: none */
    bool reported; /* `error` is whole already: of a collector */
    weir_operator *operator_;
    void *instance;
    weir_error error;
} weir_user_context;

/* Ports are borrowed: opened before, closed after. `instance_size` may be 0. */
int weir_user_context_init(weir_user_context *context, weir_operator *operator_,
                           weir_output_port *ports, uint32_t nports,
                           uint32_t instance_size) WEIR_MUST_CHECK;
void weir_user_context_deinit(weir_user_context *context);

/* May the next callbacks emit? At first they may not. */
void weir_user_context_allow_emits(weir_user_context *context, bool emits);
/* A batch is in hand: its strings may be read 16 bytes at a time, and emitted fast if it has no
 * event times. NULL: none is. */
void weir_user_context_set_batch(weir_user_context *context, const weir_columns *columns);
static inline void weir_user_context_set_row(weir_user_context *context,
                                             const weir_columns *columns, uint32_t row)
{
    context->timestamp = weir_row_timestamp(columns, row);
    context->row_kind = columns->row_kinds ? columns->row_kinds[row] : (uint8_t)WEIR_INSERT;
}

/* Did the callback that returned `rc` succeed? */
static inline bool weir_user_context_ok(const weir_user_context *context, int rc)
{
    return __builtin_expect((rc | context->failure) == 0, 1);
}
/* The error of a callback that returned `rc`, by which the task fails; drops what waits in the
 * ports. With `schema` and `columns` the text ends in the record of `row`; else pass NULL. */
int weir_user_context_fail(weir_user_context *context, int rc, const weir_schema *schema,
                           const weir_columns *columns, uint32_t row, weir_error *err);

/* Appends a record that user code made to a port, handing on full batches. Failures stick. */
int weir_user_context_put(weir_user_context *context, weir_output_port *port, const void *record,
                          int64_t timestamp, uint8_t row_kind) WEIR_MUST_CHECK;

/* The schema with the C layout of `type`, which must agree with the graph's; a new reference. When
 * `type` is NULL the graph's own is taken, which must have a C layout then. */
int weir_user_schema(const weir_operator *operator_, const weir_type *type,
                     weir_schema *graph_schema, weir_schema **ret, weir_error *err) WEIR_MUST_CHECK;

#endif
