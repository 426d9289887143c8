/* orders.c -- what each customer has spent in two shops; orders that make no sense go elsewhere
 *
 *   weir run orders.c --set north=file:north.csv --set south=file:south.csv
 *
 * where both files have lines like `ann,1250`: customer and cents. Orders of less than one cent are
 * printed apart; write them to files with --set 'rejected=filesystem:/tmp/rejected?format=csv'.
 */
#include <weir/weir.h>

WEIR_RECORD(order, (string, customer), (bigint, cents));
WEIR_RECORD(total, (string, customer), (bigint, orders), (bigint, cents));
WEIR_RECORD(reject, (string, customer), (bigint, cents), (string, why));

enum { REJECTED = 1 }; /* the first side output */

static int check(weir_ctx *ctx, const void *in)
{
    const order *o = in;

    if (o->cents < 1)
        return weir_emit_to(ctx, REJECTED,
                            &(reject){o->customer, o->cents, weir_text("less than one cent")});
    return weir_emit(ctx, &(total){.customer = o->customer, .orders = 1, .cents = o->cents});
}

static int add(weir_ctx *ctx, void *accumulator, const void *record)
{
    total *sum = accumulator;
    const total *next = record;

    (void)ctx;
    sum->orders += next->orders;
    sum->cents += next->cents;
    return 0;
}

static const weir_output sides[] = {{"rejected", WEIR_TYPE(reject)}, {NULL, NULL}};
static const weir_op checker = {WEIR_OP("check", order, total), .sides = sides, .on_record = check};

WEIR_JOB("orders")
{
    weir_stream *north = weir_source(env, "${north:file:north.csv}", order);
    weir_stream *south = weir_source(env, "${south:file:south.csv}", order);
    weir_stream *checked = weir_process(weir_union(north, south), &checker);
    weir_stream *totals = weir_reduce(weir_key_by(checked, "customer"), add, total);

    weir_sink(totals, "${output:print:}");
    weir_sink(weir_side(checked, "rejected"), "${rejected:print:}");
}
