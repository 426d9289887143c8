/* refuses.c -- fails at the 100th record by weir_fail, with a reason. */
#include <weir/weir.h>

WEIR_RECORD(number, (bigint, sequence));

static int check(weir_ctx *ctx, const void *in, void *out)
{
    const number *n = in;

    if (n->sequence == 99)
        return weir_fail(ctx, "number %lld is not wanted", (long long)n->sequence);
    *(number *)out = *n;
    return 0;
}

WEIR_JOB("refuses")
{
    weir_stream *numbers = weir_source(env, "datagen:?rows=1000", number);

    weir_sink(weir_map(numbers, check, number, number), "blackhole:");
}
