#include "connectors/datagen/datagen.h"

#include "base/memory.h"
#include "base/units.h"
#include "connectors/datagen/generator.h"
#include "connectors/formats/format.h"

#include <string.h>

#define CHUNK_ROWS 256

typedef struct settings {
    int64_t rows, rate;
    weir_generator_config generator;
} settings;

typedef struct datagen {
    weir_reader base;
    const weir_connector_context *context;
    settings settings;
    weir_generator *generator;
    uint64_t next, end, stride; /* row numbers of this subtask; end UINT64_MAX: none */
    int64_t since_ms;           /* when the count of `made` began */
    uint64_t made;              /* rows since then, for the rate */
} datagen;

static const weir_connector_option options[] = {
    {"rows", "0", "int", "rows of all subtasks together; 0: without end", true, false},
    {"rate", "0", "int", "rows per second of all subtasks together; 0: as fast as possible", true,
     false},
    {"seed", "1", "int", "the same seed gives the same rows, at any parallelism", true, false},
    {"min", "0", "int", "the least number", true, false},
    {"max", "999999", "int", "the greatest number", true, false},
    {"keys", "0", "int",
     "how many different integers (0..keys-1) and strings (key-0...) there are; 0: no limit", true,
     false},
    {"length", "16", "int", "bytes of strings and bytes, 1 to 65536", true, false},
    {"sequence", "", "string",
     "the bigint field that holds the row number; default: the one that is named sequence", true,
     false},
    {"start", "1704067200000", "int", "timestamps: of row 0, in milliseconds since 1970", true,
     false},
    {"step", "1ms", "duration", "timestamps: from row to row", true, false},
};

static int read_int(const weir_graph_operator *op, const char *name, const char *fallback,
                    int64_t min, int64_t max, int64_t *ret, weir_error *err)
{
    char place[WEIR_FORMAT_PLACE_MAX];
    int rc = weir_parse_int(weir_format_option(op, name, fallback), min, max, ret, err);

    if (rc != 0)
        return weir_error_wrap(err, rc, "%s: option %s", weir_format_place(op, false, place), name);
    return 0;
}

static int find_sequence(const weir_graph_operator *op, int *ret, weir_error *err)
{
    const weir_schema *schema = weir_format_schema(op, false);
    const char *name = weir_format_option(op, "sequence", "");
    char place[WEIR_FORMAT_PLACE_MAX];
    int index;

    *ret = -1;
    if (schema == NULL)
        return 0;
    index = weir_schema_find(schema, name[0] != '\0' ? name : "sequence");
    if (index >= 0 && weir_schema_at(schema, (uint32_t)index)->kind == WEIR_KIND_bigint)
        *ret = index;
    else if (name[0] != '\0')
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: option sequence names a bigint field of the record; '%s' is %s; "
                              "name another",
                              weir_format_place(op, false, place), name,
                              index < 0 ? "no field" : "of another type");
    return 0;
}

static int read_settings(const weir_graph_operator *op, settings *ret, weir_error *err)
{
    char place[WEIR_FORMAT_PLACE_MAX];
    weir_generator_config *g = &ret->generator;
    int64_t seed = 0, keys = 0, length = 0;
    int rc = read_int(op, "rows", "0", 0, INT64_MAX, &ret->rows, err);

    if (rc == 0)
        rc = read_int(op, "rate", "0", 0, 1000000000000, &ret->rate, err);
    if (rc == 0)
        rc = read_int(op, "seed", "1", INT64_MIN, INT64_MAX, &seed, err);
    if (rc == 0)
        rc = read_int(op, "min", "0", INT64_MIN, INT64_MAX, &g->min, err);
    if (rc == 0)
        rc = read_int(op, "max", "999999", INT64_MIN, INT64_MAX, &g->max, err);
    if (rc == 0)
        rc = read_int(op, "keys", "0", 0, INT64_MAX, &keys, err);
    if (rc == 0)
        rc = read_int(op, "length", "16", 1, 65536, &length, err);
    if (rc == 0)
        rc = read_int(op, "start", "1704067200000", INT64_MIN, INT64_MAX, &g->start_ms, err);
    if (rc == 0)
        rc = weir_parse_duration_ms(weir_format_option(op, "step", "1ms"), &g->step_ms, err);
    if (rc == 0)
        rc = find_sequence(op, &g->sequence, err);
    if (rc == 0 && g->min > g->max)
        rc = weir_error_set(err, WEIR_EINVALID,
                            "%s: min is greater than max; they are %lld and %lld; exchange them",
                            weir_format_place(op, false, place), (long long)g->min,
                            (long long)g->max);
    g->seed = (uint64_t)seed;
    g->keys = (uint64_t)keys;
    g->length = (uint32_t)length;
    return rc;
}

static int check(const weir_graph_operator *op, bool sink, weir_error *err)
{
    settings ignored;

    (void)sink;
    return read_settings(op, &ignored, err);
}

static bool bounded(const weir_graph_operator *op, bool local)
{
    (void)local;
    return strspn(weir_format_option(op, "rows", "0"), "+0") !=
           strlen(weir_format_option(op, "rows", "0"));
}

/* ---- reading ---- */

/* How many rows the rate allows now; 0: *ret_at_ms says when one will be. A second's worth may be
 * made up for at once, not more. */
static uint64_t allowed(datagen *d, int64_t now_ms, int64_t *ret_at_ms)
{
    unsigned __int128 per_row = (unsigned __int128)1000 * d->context->parallelism;
    uint64_t rate = (uint64_t)d->settings.rate, due, second;

    if (now_ms < d->since_ms)
        now_ms = d->since_ms;
    due = (uint64_t)((unsigned __int128)(uint64_t)(now_ms - d->since_ms) * rate / per_row);
    second = rate / d->context->parallelism + 1;
    if (due > d->made + second)
        d->made = due - second;
    if (due > d->made)
        return due - d->made;
    *ret_at_ms =
        d->since_ms + (int64_t)(((unsigned __int128)(d->made + 1) * per_row + rate - 1) / rate);
    if (*ret_at_ms <= now_ms)
        *ret_at_ms = now_ms + 1;
    return 0;
}

static int read_rows(weir_reader *self, weir_builder *into, weir_wait *ret_wait, weir_error *err)
{
    datagen *d = (datagen *)self;

    while (!weir_builder_is_full(into)) {
        const weir_columns *columns;
        uint64_t count = CHUNK_ROWS, left;
        int64_t at_ms = 0;
        int rc;

        if (d->next >= d->end)
            return WEIR_READ_END;
        left = (d->end - d->next - 1) / d->stride + 1;
        count = count < left ? count : left;
        if (d->settings.rate > 0) {
            int64_t now_ms = d->context->clock_ms(d->context->clock_self);
            uint64_t tokens = allowed(d, now_ms, &at_ms);

            if (tokens == 0) {
                *ret_wait = (weir_wait){.fd = -1, .at_ms = at_ms};
                return WEIR_READ_PENDING;
            }
            count = count < tokens ? count : tokens;
        }
        rc = weir_generator_make(d->generator, d->next, d->stride, (uint32_t)count, &columns);
        if (rc == 0)
            rc = weir_builder_append_columns(into, columns, NULL, columns->rows, NULL);
        if (rc != 0)
            return weir_error_set(err, rc,
                                  "source 'datagen:': %u row(s) do not fit a batch: %s; "
                                  "lower length",
                                  (unsigned)count, weir_code_text(rc));
        d->next += count * d->stride;
        d->made += count;
    }
    return WEIR_READ_MORE;
}

static void close_reader(weir_reader *self)
{
    datagen *d = (datagen *)self;

    weir_generator_destroy(&d->generator);
    weir_free(d);
}

static const struct weir_reader_class reader_class = {.read = read_rows, .close = close_reader};

static uint64_t share(uint64_t rows, uint32_t subtask, uint32_t parallelism)
{
    return (uint64_t)((unsigned __int128)rows * subtask / parallelism);
}

static int open_reader(const weir_connector_context *context, weir_reader **ret, weir_error *err)
{
    datagen *d = weir_calloc(1, sizeof *d);
    uint64_t rows;
    int rc;

    if (d == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "source 'datagen:': no memory; free some");
    d->base.vtable = &reader_class;
    d->context = context;
    d->since_ms = context->now_ms;
    rc = read_settings(context->operator_, &d->settings, err);
    if (rc == 0) {
        rc = weir_generator_new(weir_format_schema(context->operator_, false),
                                &d->settings.generator, &d->generator);
        if (rc != 0)
            weir_error_set(err, rc, "source 'datagen:': no memory; free some");
    }
    if (rc != 0) {
        close_reader(&d->base);
        return rc;
    }
    rows = (uint64_t)d->settings.rows;
    d->stride = rows > 0 ? 1 : context->parallelism;
    d->next = rows > 0 ? share(rows, context->subtask, context->parallelism) : context->subtask;
    d->end = rows > 0 ? share(rows, context->subtask + 1, context->parallelism) : UINT64_MAX;
    *ret = &d->base;
    return 0;
}

const weir_connector weir_datagen_connector = {
    .name = "datagen",
    .meaning = "Makes rows up: random values by type, the same for the same seed.",
    .path_meaning = "none",
    .options = options,
    .noptions = WEIR_COUNT(options),
    .source = true,
    .check = check,
    .bounded = bounded,
    .open_reader = open_reader,
};
