/* harness.h -- an operator of a URL and a schema text, and readers and writers of it, for tests. */
#ifndef TESTS_UNIT_CONNECTORS_HARNESS_H
#define TESTS_UNIT_CONNECTORS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "connectors/catalog.h"
#include "connectors/formats/json_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct harness {
    weir_arena *arena;
    weir_schema *schema;
    weir_graph_operator op;
    const weir_connector *connector;
    weir_connector_context context;
    int64_t now_ms;
    weir_error err;
} harness;

static int64_t harness_clock(void *self)
{
    return ((harness *)self)->now_ms;
}

/* The code of resolving; on failure h->err has the text. */
static inline int harness_open(harness *h, const char *url, const char *schema, bool sink)
{
    int rc;

    memset(h, 0, sizeof *h);
    h->arena = weir_arena_new(0);
    assert_non_null(h->arena);
    assert_int_equal(weir_schema_parse(schema, &h->schema, &h->err), 0);
    if (sink) {
        h->op.inputs[0] = h->schema;
        h->op.ninputs = 1;
    } else {
        h->op.outputs[0] = h->schema;
        h->op.noutputs = 1;
    }
    h->op.kind = sink ? WEIR_OPERATOR_SINK : WEIR_OPERATOR_SOURCE;
    h->op.where = "job.c:1";
    rc = weir_connector_resolve(weir_connectors(), h->arena, url, sink, &h->op, &h->err);
    if (rc == 0) {
        h->connector = weir_connector_find(weir_connectors(), h->op.connector);
        assert_non_null(h->connector);
    }
    h->context.operator_ = &h->op;
    h->context.parallelism = 1;
    h->context.job_id = "0123456789abcdef0123456789abcdef";
    h->context.clock_ms = harness_clock;
    h->context.clock_self = h;
    return rc;
}

static inline void harness_close(harness *h)
{
    weir_schema_unref(&h->schema);
    weir_arena_destroy(&h->arena);
}

/* Rows as JSON lines. */
static inline void harness_rows(const harness *h, const weir_columns *columns, weir_buffer *out)
{
    for (uint32_t i = 0; i < columns->rows; i++)
        weir_json_write_row(h->schema, columns, i, NULL, out);
}

static inline weir_batch *harness_batch(weir_builder *builder)
{
    weir_batch *batch = NULL;

    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    return batch;
}

/* Reads all that one reader gives, with splits if the connector has them. 0 or the error. */
static inline int harness_read_all(harness *h, uint32_t rows_max, weir_buffer *out)
{
    weir_enumerator *enumerator = NULL;
    weir_reader *reader = NULL;
    weir_builder *builder = NULL;
    weir_buffer split = WEIR_BUFFER_INIT;
    int rc = 0;

    assert_int_equal(weir_builder_new(h->schema, rows_max, 1u << 20, &builder), 0);
    if (h->connector->open_enumerator != NULL) {
        rc = h->connector->open_enumerator(&h->context, &enumerator, &h->err);
        assert_int_equal(rc, 0);
        rc = WEIR_READ_SPLIT_END;
    }
    assert_int_equal(h->connector->open_reader(&h->context, &reader, &h->err), 0);
    while (rc >= 0 && rc != WEIR_READ_END) {
        weir_wait wait = {-1, 0};

        if (rc == WEIR_READ_SPLIT_END) {
            weir_buffer_clear(&split);
            rc = enumerator->vtable->next(enumerator, 0, &split, &h->err);
            if (rc == 0)
                rc = reader->vtable->add_split(reader, split.data, split.size, &h->err);
            if (rc != 0)
                break;
        }
        rc = reader->vtable->read(reader, builder, &wait, &h->err);
        if (rc >= 0 && (weir_builder_is_full(builder) || rc != WEIR_READ_MORE)) {
            weir_batch *batch = harness_batch(builder);

            harness_rows(h, weir_batch_columns(batch), out);
            weir_batch_unref(&batch);
        }
    }
    if (enumerator != NULL)
        enumerator->vtable->close(enumerator);
    reader->vtable->close(reader);
    weir_builder_destroy(&builder);
    weir_buffer_deinit(&split);
    return rc < 0 ? rc : 0;
}

static inline void harness_directory(char out[64])
{
    snprintf(out, 64, "/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(out));
}

static inline void harness_write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

#endif
