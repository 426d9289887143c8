/* filter.c -- sensor readings that are too warm, in Fahrenheit
 *
 *   weir run filter.c --set input=file:readings.csv --set 'output=filesystem:/tmp/warm?format=csv'
 *
 * where readings.csv has lines like these (the second has no note: its field is empty, so NULL):
 *
 *   boiler,96.5,check the valve
 *   kitchen,31.0,
 */
#include <weir/weir.h>

WEIR_RECORD(reading, (string, sensor), (double, celsius), (nullable_string, note));
WEIR_RECORD(warning, (string, sensor), (double, fahrenheit), (nullable_string, note));

static bool too_warm(weir_ctx *ctx, const void *record)
{
    const reading *r = record;

    (void)ctx;
    return r->celsius > 30;
}

static int to_warning(weir_ctx *ctx, const void *in, void *out)
{
    const reading *r = in;
    warning *w = out;

    if (r->sensor.n == 0)
        return weir_fail(ctx, "a reading without a sensor");
    w->sensor = r->sensor;
    w->fahrenheit = r->celsius * 9 / 5 + 32;
    w->note = r->note; /* NULL stays NULL */
    return 0;
}

WEIR_JOB("filter")
{
    weir_stream *readings = weir_source(env, "${input:stdin:?format=csv}", reading);
    weir_stream *warm = weir_filter(readings, too_warm, reading);

    weir_sink(weir_map(warm, to_warning, reading, warning), "${output:print:}");
}
