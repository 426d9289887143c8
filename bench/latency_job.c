/* bench/latency_job.c -- how long records take from their intended time, through a hash exchange.
 *
 * Row k of a source's subtask is due at t0 + k * interval. t0 is learned: the source never makes a
 * row before it is due, so of the rows of the warm-up the one that comes soonest tells it. A source
 * that falls behind is seen as late rows, not as a later schedule: nothing is omitted.
 *
 *   warm-up=S     seconds that are not measured
 *   rate=N        rows a second of all subtasks together; 0: as many as can be, for the rate only
 *   into=DIR      each measuring subtask writes DIR/<index>: "<rows> <first ns> <last ns>" and the
 *                 histogram of what it took from */
#include "histogram.h"

#include <weir/weir.h>

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define NANOSECONDS INT64_C(1000000000)
#define ROWS_MAX    65536

WEIR_RECORD(tick, (bigint, sequence), (bigint, key), (bigint, due));

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

static int64_t bigint_at(const weir_column *column, uint32_t row)
{
    int64_t value;

    memcpy(&value, (const char *)column->values + row * sizeof value, sizeof value);
    return value;
}

/* ---- at the source ---- */

typedef struct stamp {
    int64_t first_row;   /* -1: none has come */
    int64_t learned, t0; /* until when t0 is learned */
    double interval;     /* of one subtask's rows, ns; 0: no schedule */
    int64_t due[ROWS_MAX];
} stamp;

static int open_stamp(weir_ctx *ctx)
{
    stamp *s = weir_instance(ctx);
    double rate = strtod(weir_param(ctx, "rate"), NULL);

    s->interval = rate > 0 ? (double)NANOSECONDS * ctx->api->parallelism(ctx) / rate : 0;
    s->first_row = -1;
    s->t0 = INT64_MAX;
    return 0;
}

static void learn(weir_ctx *ctx, stamp *s, int64_t now, int64_t row)
{
    int64_t t0 = now - (int64_t)((double)row * s->interval);

    if (s->learned == 0)
        s->learned =
            now + (int64_t)(strtod(weir_param(ctx, "warm-up"), NULL) / 2 * (double)NANOSECONDS);
    if (now < s->learned && t0 < s->t0)
        s->t0 = t0;
}

static int stamp_rows(weir_ctx *ctx, uint32_t input, const weir_columns *in)
{
    stamp *s = weir_instance(ctx);
    weir_column columns[3] = {in->columns[0], in->columns[1], in->columns[2]};
    weir_columns out = *in;
    int64_t now = now_ns();
    (void)input;

    if (in->rows > ROWS_MAX)
        return weir_fail(ctx, "a batch of %u rows came; there is room for %d", in->rows, ROWS_MAX);
    if (s->first_row < 0)
        s->first_row = bigint_at(&in->columns[0], 0);
    int64_t first = bigint_at(&in->columns[0], 0) - s->first_row;
    if (s->interval > 0)
        learn(ctx, s, now, first + in->rows - 1);
    for (uint32_t i = 0; i < in->rows; i++)
        s->due[i] = s->interval > 0 ? s->t0 + (int64_t)((double)(first + i) * s->interval) : now;
    columns[2].values = s->due;
    columns[2].nulls = 0;
    columns[2].validity = NULL;
    out.columns = columns;
    return weir_emit_columns(ctx, 0, &out, NULL, in->rows);
}

static const weir_op stamper = {WEIR_OP("stamp", tick, tick), .instance_size = sizeof(stamp),
                                .open = open_stamp, .on_batch = stamp_rows};

/* ---- behind the exchange ---- */

typedef struct measure {
    int64_t begin, first, last, warm_up;
    uint64_t rows;
    histogram histogram;
} measure;

static int open_measure(weir_ctx *ctx)
{
    measure *m = weir_instance(ctx);

    m->warm_up = (int64_t)(strtod(weir_param(ctx, "warm-up"), NULL) * (double)NANOSECONDS);
    histogram_init(&m->histogram);
    return 0;
}

static int measure_rows(weir_ctx *ctx, uint32_t input, const weir_columns *in)
{
    measure *m = weir_instance(ctx);
    int64_t now = now_ns();
    (void)input;

    if (m->begin == 0)
        m->begin = now;
    if (now - m->begin < m->warm_up)
        return 0;
    if (m->first == 0)
        m->first = now;
    m->last = now;
    m->rows += in->rows;
    for (uint32_t i = 0; i < in->rows; i++)
        histogram_record(&m->histogram, now - bigint_at(&in->columns[2], i), 1);
    return 0;
}

static int write_measure(weir_ctx *ctx)
{
    const measure *m = weir_instance(ctx);
    char path[4096];

    snprintf(path, sizeof path, "%s/%u", weir_param(ctx, "into"), weir_subtask_index(ctx));
    FILE *file = fopen(path, "w");
    if (!file)
        return weir_fail(ctx, "%s: cannot be written", path);
    fprintf(file, "%" PRIu64 " %" PRId64 " %" PRId64 "\n", m->rows, m->first, m->last);
    int rc = histogram_write(&m->histogram, file);
    if (fclose(file) != 0 || rc != 0)
        return weir_fail(ctx, "%s: cannot be written", path);
    return 0;
}

static const weir_op measurer = {.size = sizeof(weir_op),
                                 .name = "measure",
                                 .in = WEIR_TYPE(tick),
                                 .instance_size = sizeof(measure),
                                 .open = open_measure,
                                 .on_batch = measure_rows,
                                 .on_end = write_measure};

WEIR_JOB("latency")
{
    weir_stream *rows =
        weir_source(env, "datagen:?rows=${rows}&rate=${rate:0}&min=0&max=1000000000", tick);

    weir_env_param(env, "warm-up", "1");
    weir_env_param(env, "into", ".");
    weir_process(weir_key_by(weir_process(rows, &stamper), "key"), &measurer);
}
