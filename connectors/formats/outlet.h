/* formats/outlet.h -- encoded rows on their way to a receiver that may be full: a terminal, a
 * socket.
 *
 * Rows are taken while less than WEIR_OUTLET_SIZE bytes wait, so what waits is at most that and the
 * text of one batch. Owned by one thread; embedded in its writer. */
#ifndef CONNECTORS_FORMATS_OUTLET_H
#define CONNECTORS_FORMATS_OUTLET_H

#include "connectors/formats/encoder.h"

#define WEIR_OUTLET_SIZE (64u << 10)

/* Gives up to `size` bytes away: 0 and *ret_taken > 0; or WEIR_READ_PENDING, none taken; or an
 * error. */
typedef int (*weir_outlet_give)(void *self, const char *bytes, size_t size, size_t *ret_taken,
                                weir_error *err);

typedef struct weir_outlet {
    weir_encoder *encoder; /* owned */
    weir_outlet_give give;
    void *self;
    weir_buffer buffer;
    size_t sent; /* bytes of the buffer that are gone */
} weir_outlet;

/* The format comes from the sink `op`. */
int weir_outlet_init(weir_outlet *outlet, const weir_graph_operator *op, weir_outlet_give give,
                     void *self, weir_error *err) WEIR_MUST_CHECK;
void weir_outlet_deinit(weir_outlet *outlet);
/* Takes all rows, or WEIR_READ_PENDING and none. Gives away what is more than WEIR_OUTLET_SIZE. */
int weir_outlet_write(weir_outlet *outlet, const weir_columns *columns,
                      weir_error *err) WEIR_MUST_CHECK;
/* Gives everything away: 0, WEIR_READ_PENDING while something is left, or an error. */
int weir_outlet_drain(weir_outlet *outlet, weir_error *err) WEIR_MUST_CHECK;
/* As drain, with the header of a stream that had no rows. */
int weir_outlet_finish(weir_outlet *outlet, weir_error *err) WEIR_MUST_CHECK;

/* The bytes of whole lines in front, at most `limit` of them; when the first line is longer: the
 * whole line if `whole`, else `limit` bytes of it. */
size_t weir_outlet_lines(const char *bytes, size_t size, size_t limit, bool whole);

#endif
