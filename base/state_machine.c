/* base/state_machine.c -- a lifecycle as a table of allowed transitions. */
#include "base/state_machine.h"

#include <assert.h>

bool weir_state_allows(const weir_state_table *table, uint32_t from, uint32_t to)
{
    assert(table->count <= 32);
    if (from >= table->count || to >= table->count || table->rows[from].terminal)
        return false;
    return (table->rows[from].next & (UINT32_C(1) << to)) != 0;
}

bool weir_state_is_terminal(const weir_state_table *table, uint32_t state)
{
    return state < table->count && table->rows[state].terminal;
}

const char *weir_state_name(const weir_state_table *table, uint32_t state)
{
    return state < table->count ? table->rows[state].name : "?";
}

int weir_state_move(const weir_state_table *table, uint32_t *state, uint32_t to, weir_error *err)
{
    if (!weir_state_allows(table, *state, to))
        return weir_error_set(err, WEIR_ESTATE, "%s: cannot go from %s to %s", table->what,
                              weir_state_name(table, *state), weir_state_name(table, to));
    *state = to;
    return 0;
}
