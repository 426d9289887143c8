/* URLs of sources and sinks with the connectors of this build: refused with a reason, or resolved
 * to options that open what they name. Rows are read from what needs no file.
 *
 *   u8 sink, u8 schema, the URL */
#include "fuzz_columns.h"

#include "base/memory.h"
#include "connectors/catalog.h"
#include "connectors/formats/encoder.h"

#include <string.h>

static int64_t clock_ms(void *self)
{
    return ++*(int64_t *)self;
}

static void check_same(const weir_graph_operator *a, const weir_graph_operator *b)
{
    FUZZ_CHECK(strcmp(a->connector, b->connector) == 0 && strcmp(a->path, b->path) == 0);
    FUZZ_CHECK(strcmp(a->url, b->url) == 0 && a->noptions == b->noptions);
    for (uint32_t i = 0; i < a->noptions; i++) {
        FUZZ_CHECK(strcmp(a->options[i].name, b->options[i].name) == 0);
        FUZZ_CHECK(strcmp(a->options[i].value, b->options[i].value) == 0);
    }
}

static void check_options(const weir_connector *connector, const weir_graph_operator *op, bool sink)
{
    for (uint32_t i = 0; i < op->noptions; i++) {
        const weir_graph_option *given = &op->options[i];
        bool known = false;
        FUZZ_CHECK(given->name != NULL && given->value != NULL);
        FUZZ_CHECK(weir_connector_option_get(op, given->name) != NULL);
        for (uint32_t k = 0; k < connector->noptions; k++)
            known = known || (strcmp(connector->options[k].name, given->name) == 0 &&
                              (sink ? connector->options[k].sink : connector->options[k].source));
        FUZZ_CHECK(known);
    }
    if (connector->bounded != NULL)
        (void)connector->bounded(op, true);
}

/* Made-up rows come from nowhere and may be asked for at any number. */
static void read_rows(const weir_connector *connector, const weir_graph_operator *op,
                      uint32_t parallelism)
{
    int64_t now = 1000;
    weir_connector_context context = {.operator_ = op,
                                      .subtask = parallelism - 1,
                                      .parallelism = parallelism,
                                      .job_id = "0123456789abcdef0123456789abcdef",
                                      .now_ms = now,
                                      .clock_ms = clock_ms,
                                      .clock_self = &now};
    weir_reader *reader = NULL;
    weir_builder *builder = NULL;
    weir_error err = WEIR_ERROR_INIT;

    FUZZ_OK(weir_builder_new(op->outputs[0], 100, 1u << 16, &builder));
    FUZZ_OK(connector->open_reader(&context, &reader, &err));
    for (int i = 0; i < 3; i++) {
        weir_wait wait = {-1, INT64_MAX};
        int rc = reader->vtable->read(reader, builder, &wait, &err);
        if (rc < 0)
            fuzz_check_failure(rc, &err);
        fuzz_read_columns(op->outputs[0], weir_builder_view(builder));
        weir_builder_clear(builder);
        if (rc != WEIR_READ_MORE && rc != WEIR_READ_PENDING)
            break;
    }
    reader->vtable->close(reader);
    weir_builder_destroy(&builder);
}

static void check_format(const weir_graph_operator *op, bool sink)
{
    weir_format format;
    weir_error err = WEIR_ERROR_INIT;

    if (weir_connector_option_get(op, "format") == NULL)
        return;
    FUZZ_OK(weir_format_resolve(op, sink, &format, &err));
    FUZZ_CHECK(format.line_size_max >= 1 && format.line_size_max <= WEIR_FORMAT_LINE_SIZE_LIMIT);
    FUZZ_CHECK(format.delimiter != '\n' && format.delimiter != '\0');
    FUZZ_CHECK(!format.quoting || format.quote != format.delimiter);
    FUZZ_CHECK(format.null_size == strlen(format.null_text));
}

static void check_accepted(const char *url, bool sink, const weir_graph_operator *op)
{
    const weir_connector *connector = weir_connector_find(weir_connectors(), op->connector);
    weir_arena *arena = weir_arena_new(0);
    weir_graph_operator again = {.ninputs = op->ninputs, .noutputs = op->noutputs};
    weir_error err = WEIR_ERROR_INIT;

    FUZZ_CHECK(connector != NULL && arena != NULL && strcmp(op->url, url) == 0);
    again.inputs[0] = op->inputs[0];
    again.outputs[0] = op->outputs[0];
    FUZZ_OK(weir_connector_resolve(weir_connectors(), arena, op->url, sink, &again, &err));
    check_same(op, &again);
    check_options(connector, op, sink);
    check_format(op, sink);
    if (strcmp(op->connector, "datagen") == 0) {
        read_rows(connector, op, 1);
        read_rows(connector, op, 3);
    }
    weir_arena_destroy(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    bool sink = fuzz_u8(&input) & 1;
    weir_schema *schema = fuzz_schema(fuzz_below(&input, FUZZ_SCHEMAS));
    weir_graph_operator op = {.where = "job.c:1"};
    weir_arena *arena = weir_arena_new(0);
    weir_error err = WEIR_ERROR_INIT;
    size_t length;
    const uint8_t *rest = fuzz_rest(&input, &length);
    char *url = fuzz_text(rest, length);

    FUZZ_CHECK(arena != NULL);
    op.inputs[0] = sink ? schema : NULL;
    op.outputs[0] = sink ? NULL : schema;
    op.ninputs = sink ? 1 : 0;
    op.noutputs = sink ? 0 : 1;
    int rc = weir_connector_resolve(weir_connectors(), arena, url, sink, &op, &err);
    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        FUZZ_CHECK(rc == WEIR_EINVALID || rc == WEIR_ENOT_FOUND);
    } else {
        check_accepted(url, sink, &op);
    }
    weir_arena_destroy(&arena);
    weir_free(url);
    return 0;
}
