/* bench/exchange_job.c -- nothing but a hash exchange: rows of about 100 bytes are made, sent to
 * their keys, and dropped there. */
#include <weir/weir.h>

WEIR_RECORD(row, (bigint, key), (bigint, a), (bigint, b), (bigint, c), (bigint, d), (bigint, e),
            (string, text));

WEIR_JOB("exchange")
{
    weir_stream *rows = weir_source(env, "datagen:?rows=${rows}&length=52", row);

    weir_sink(weir_key_by(rows, "key"), "blackhole:");
}
