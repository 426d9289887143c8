/* operators/classes.h -- what each operator's file gives to operators.c, and the errors they share.
 */
#ifndef OPERATORS_CLASSES_H
#define OPERATORS_CLASSES_H

#include "operators/operators.h"

#include <stddef.h>

typedef struct weir_operator_factory {
    const weir_operator_class *vtable;
    size_t size; /* of the instance, which begins with a weir_operator; it starts zeroed */
} weir_operator_factory;

extern const weir_operator_factory weir_source_factory;
extern const weir_operator_factory weir_map_factory;
extern const weir_operator_factory weir_filter_factory;
extern const weir_operator_factory weir_process_factory;
extern const weir_operator_factory weir_count_factory;
extern const weir_operator_factory weir_reduce_factory;
extern const weir_operator_factory weir_sink_factory;

/* Sets code and "<where>: <name>: <text>", returns the code. For what this operator finds wrong
 * itself: errors of a collector are passed on as they are. */
int weir_operator_error(const weir_operator *self, weir_error *err, int code, const char *format,
                        ...) WEIR_PRINTF(4, 5);
/* Puts "<where>: <name>: " in front of a text that a connector or a codec has set. */
int weir_operator_wrap(const weir_operator *self, weir_error *err, int code);
/* WEIR_ENO_MEMORY with a text that says what was being done. */
int weir_operator_no_memory(const weir_operator *self, weir_error *err, const char *doing);

/* A wait that is over at once: the caller comes again at its next turn. */
static inline void weir_operator_next_turn(weir_wait *ret_wait)
{
    if (ret_wait) {
        ret_wait->fd = -1;
        ret_wait->at_ms = 0;
    }
}

#endif
