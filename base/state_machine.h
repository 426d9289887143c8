/* base/state_machine.h -- a lifecycle as a table of allowed transitions. The table is const data, a
 * bit mask of the states that may follow each state; at most 32 states. */
#ifndef BASE_STATE_MACHINE_H
#define BASE_STATE_MACHINE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct weir_state_row {
    const char *name; /* as users see it: "RUNNING" */
    uint32_t next;    /* bit mask of allowed followers */
    bool terminal;    /* nothing follows */
} weir_state_row;

typedef struct weir_state_table {
    const char *what; /* "job", "task": for messages */
    const weir_state_row *rows;
    uint32_t count;
} weir_state_table;

bool weir_state_allows(const weir_state_table *table, uint32_t from, uint32_t to);
bool weir_state_is_terminal(const weir_state_table *table, uint32_t state);
/* "?" for a number outside the table (a newer peer's). */
const char *weir_state_name(const weir_state_table *table, uint32_t state);
/* Moves *state, or fails with WEIR_ESTATE and leaves it. */
int weir_state_move(const weir_state_table *table, uint32_t *state, uint32_t to,
                    weir_error *err) WEIR_MUST_CHECK;

#endif
