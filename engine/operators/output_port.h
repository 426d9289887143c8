/* operators/output_port.h -- one output of an operator: rows gather here until they fill a batch,
 * then go to the collector as views, without a copy.
 *
 * Rows come in through the builder, or, when the stream is one string that is never NULL and
 * carries neither event times nor row kinds, through put_short, which is a handful of
 * instructions. At most one of the two holds rows at any time, so order is kept. Owned by its
 * operator; one thread. */
#ifndef OPERATORS_OUTPUT_PORT_H
#define OPERATORS_OUTPUT_PORT_H

#include "base/memory.h"
#include "graph/operator.h"

#include <string.h>

#define WEIR_PORT_SHORT 16u /* bytes of a short string, and written beyond the end of any */

typedef struct weir_output_port {
    /* What put_short touches. */
    char *bytes;
    uint32_t *offsets;
    uint32_t rows;      /* of the strings */
    uint32_t rows_room; /* rows_max; 0 while the builder may hold rows */
    uint32_t used;
    uint32_t rows_max;
    uint32_t long_max; /* bytes that long strings may fill: the rest is enough for short ones */
    bool strings;      /* put_string is possible */
    weir_builder *builder;
    weir_collector *collector;
    weir_operator *operator_; /* counts the rows that leave */
    weir_schema *schema;      /* a reference */
} weir_output_port;

/* `schema` is ref'd. Limits come from the operator's context. */
int weir_output_port_init(weir_output_port *port, weir_operator *operator_, weir_schema *schema,
                          weir_collector *collector) WEIR_MUST_CHECK;
void weir_output_port_deinit(weir_output_port *port);

/* For appending with the builder's functions: hands on strings first. Call it once per run of
 * appends, and weir_output_port_advance after each. */
int weir_output_port_begin(weir_output_port *port, weir_error *err) WEIR_MUST_CHECK;
/* Hands on everything that waits; no rows, no call of the collector. */
int weir_output_port_hand_on(weir_output_port *port, weir_error *err) WEIR_MUST_CHECK;
/* Hands on the columns of somebody else unchanged, after what waits. */
int weir_output_port_pass(weir_output_port *port, const weir_columns *columns,
                          weir_error *err) WEIR_MUST_CHECK;
/* Appends the selected rows (all when `selection` is NULL), batch by batch. */
int weir_output_port_gather(weir_output_port *port, const weir_columns *columns,
                            const uint32_t *selection, uint32_t count,
                            weir_error *err) WEIR_MUST_CHECK;
void weir_output_port_clear(weir_output_port *port); /* drops what waits */

/* Hands on when the batch is full. */
static inline int weir_output_port_advance(weir_output_port *port, weir_error *err)
{
    return weir_builder_is_full(port->builder) ? weir_output_port_hand_on(port, err) : 0;
}

/* Memory from which a short string may be read 16 bytes at a time: positions [0, span) of begin. */
typedef struct weir_readable {
    const char *begin;
    size_t span;
} weir_readable;

static inline bool weir_readable_holds(const weir_readable *readable, const char *p)
{
    return (uintptr_t)p - (uintptr_t)readable->begin < readable->span;
}

/* Appends a string that is short and lies in `readable`, in one move of 16 bytes and without a
 * call; false when it is neither or there is no room. */
static inline bool weir_output_port_put_short(weir_output_port *port, weir_string string,
                                              const weir_readable *readable)
{
    if (string.n > WEIR_PORT_SHORT || !weir_readable_holds(readable, string.p) ||
        port->rows >= port->rows_room)
        return false;
    memcpy(port->bytes + port->used, string.p, WEIR_PORT_SHORT);
    port->used += string.n;
    port->offsets[++port->rows] = port->used;
    return true;
}

/* Appends any string; false when there is no room (or no such column, or the builder holds rows):
 * use the builder then. */
static inline bool weir_output_port_put_string(weir_output_port *port, weir_string string)
{
    if (port->rows >= port->rows_room || (uint64_t)port->used + string.n > port->long_max ||
        (!string.p && string.n > 0))
        return false;
    if (string.n > 0)
        memcpy(port->bytes + port->used, string.p, string.n);
    port->used += string.n;
    port->offsets[++port->rows] = port->used;
    return true;
}

#endif
