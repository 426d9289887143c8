/* operators/operators.h -- makes the running operators of a task, and the running half of the job
 * API.
 *
 * The life of an operator is that of graph/operator.h: new, open, process_batch or poll, flush,
 * end_of_input, close. `process_batch` is NULL in sources; `poll` and `add_split` are NULL
 * everywhere else; the other functions are always there. Rows that do not fill a batch wait in the
 * operator until flush or end_of_input, so a task flushes its operators in the order of their
 * chain. After an error an operator may only be closed. Not thread-safe: one slot's thread. */
#ifndef OPERATORS_OPERATORS_H
#define OPERATORS_OPERATORS_H

#include "graph/operator.h"

typedef struct weir_operator_class weir_operator_class;

/* NULL for a number that is no kind. */
const weir_operator_class *weir_operator_class_of(enum weir_operator_kind kind);

/* The operator of context->operator_; the context is copied, what it points to is borrowed until
 * close. It is not open yet. Close it with its vtable, opened or not. WEIR_EINVALID for an unknown
 * kind, WEIR_ENO_MEMORY. */
int weir_operator_new(const weir_operator_context *context, weir_operator **ret) WEIR_MUST_CHECK;

/* Fills emit_to ... log of the table; the building half is left as it is. */
void weir_user_context_api(weir_api *api);

#endif
