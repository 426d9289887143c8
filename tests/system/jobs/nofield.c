/* nofield.c -- wrong on purpose: the key is no field of the record. */
#include <weir/weir.h>

WEIR_RECORD(payment, (string, card), (bigint, cents));
WEIR_RECORD(payments, (string, card), (bigint, n));

WEIR_JOB("nofield")
{
    weir_stream *all = weir_source(env, "datagen:?rows=10", payment);

    weir_sink(weir_count(weir_key_by(all, "crad"), payments), "print:");
}
