#include "operators/keyed_end.h"

#include "operators/classes.h"

int weir_keyed_flush(const weir_keyed_end *of, bool holds_back, weir_error *err)
{
    bool more = false;
    int rc = 0;

    if (holds_back) {
        rc = of->drain(of->self, UINT32_MAX, &more, err);
        if (rc == 0) {
            weir_keyed_rows_turn(of->keyed);
            rc = of->drain(of->self, UINT32_MAX, &more, err);
        }
    }
    return rc < 0 ? rc : weir_output_port_hand_on(of->port, err);
}

int weir_keyed_finish(const weir_keyed_end *of, bool changes, weir_wait *ret_wait, weir_error *err)
{
    bool more = false;

    if (!changes) {
        if (!of->keyed->draining)
            weir_keyed_rows_turn(of->keyed);
        int rc = of->drain(of->self, 1, &more, err);
        if (rc < 0)
            return rc;
        if (more || of->keyed->table->count > 0) {
            weir_operator_next_turn(ret_wait);
            return WEIR_PENDING;
        }
    }
    return weir_output_port_hand_on(of->port, err);
}
