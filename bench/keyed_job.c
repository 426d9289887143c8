/* bench/keyed_job.c -- a keyed job: rows are made, sent to their keys, and counted there. */
#include <weir/weir.h>

WEIR_RECORD(event, (bigint, key), (bigint, value));
WEIR_RECORD(total, (bigint, key), (bigint, n));

WEIR_JOB("keyed")
{
    weir_stream *events = weir_source(env, "datagen:?rows=${rows}&keys=${keys:10000}", event);

    weir_sink(weir_count(weir_key_by(events, "key"), total), "blackhole:");
}
