/* bench/orders_job.c -- large orders without their product, from csv to csv: a stateless pipeline
 * as one writes it. bench/reference/csv.c is the same by hand.
 *
 *   weir run orders_job.c --set input=file:orders.csv --set
 * 'output=filesystem:/tmp/large?format=csv'
 */
#include <weir/weir.h>

WEIR_RECORD(order, (bigint, id), (string, customer), (string, product), (double, price),
            (integer, quantity), (timestamp, at, WEIR_PRECISION(3, 0)));
WEIR_RECORD(large_order, (bigint, id), (string, customer), (double, price), (integer, quantity),
            (timestamp, at, WEIR_PRECISION(3, 0)));

static bool is_large(weir_ctx *ctx, const void *record)
{
    const order *o = record;

    (void)ctx;
    return o->quantity >= 50;
}

static int without_product(weir_ctx *ctx, const void *in, void *out)
{
    const order *o = in;
    large_order *l = out;

    (void)ctx;
    l->id = o->id;
    l->customer = o->customer;
    l->price = o->price;
    l->quantity = o->quantity;
    l->at = o->at;
    return 0;
}

WEIR_JOB("orders")
{
    weir_stream *orders = weir_source(env, "${input:stdin:?format=csv}", order);
    weir_stream *large = weir_filter(orders, is_large, order);

    weir_sink(weir_map(large, without_product, order, large_order), "${output:print:}");
}
