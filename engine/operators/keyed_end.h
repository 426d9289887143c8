/* operators/keyed_end.h -- how a keyed aggregation (count, reduce) gives out what its tables hold:
 * at a flush, where counts may not be held back, and at the end, batch by batch. Slot's thread. */
#ifndef OPERATORS_KEYED_END_H
#define OPERATORS_KEYED_END_H

#include "operators/keyed_rows.h"
#include "operators/output_port.h"

/* Emits entries of the table that is being drained, about `batches` batches; `more`: some are left.
 */
typedef int (*weir_keyed_drain)(void *self, uint32_t batches, bool *ret_more, weir_error *err);

typedef struct weir_keyed_end {
    weir_keyed_rows *keyed;
    weir_output_port *port;
    weir_keyed_drain drain;
    void *self;
} weir_keyed_end;

/* `holds_back`: a combiner of a streaming job, which may not when the stream pauses. */
int weir_keyed_flush(const weir_keyed_end *of, bool holds_back, weir_error *err) WEIR_MUST_CHECK;
/* First the rest of a table that was being drained, then the one that was filling; WEIR_PENDING:
 * call again. `changes`: rows left as they changed, nothing is kept. */
int weir_keyed_finish(const weir_keyed_end *of, bool changes, weir_wait *ret_wait,
                      weir_error *err) WEIR_MUST_CHECK;

#endif
