/* wrongtype.c -- wrong on purpose: the operator takes other records than the stream has. */
#include <weir/weir.h>

WEIR_RECORD(payment, (string, card), (bigint, cents));

static bool keep(weir_ctx *ctx, const void *record)
{
    (void)ctx;
    return ((const payment *)record)->cents > 0;
}

WEIR_JOB("wrongtype")
{
    weir_stream *lines = weir_source(env, "datagen:?rows=10", weir_line);

    weir_sink(weir_filter(lines, keep, payment), "print:");
}
