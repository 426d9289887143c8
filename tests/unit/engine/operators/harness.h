/* What the tests of operators share: an operator between a batch and collectors that write down, as
 * text, each row that comes out: "+I{text=a, n=1}", with "@5" behind it when it has an event time.
 */
#ifndef TESTS_OPERATORS_HARNESS_H
#define TESTS_OPERATORS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* weir_fail calls a member of that name */

#include "base/clock.h"
#include "base/memory.h"
#include "operators/operators.h"
#include "operators/row_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_MAX 512

typedef struct catcher {
    weir_collector base;
    weir_schema *schema; /* borrowed */
    char **rows;
    size_t count, capacity;
    size_t batches, largest;  /* largest: rows of one batch */
    size_t most_bytes;        /* of texts in the first column of one batch */
    const weir_columns *last; /* as it was passed, for telling a view from a copy */
    int fail_with;            /* what collect returns; 0: it takes the rows */
} catcher;

typedef struct fixture {
    weir_graph graph;
    weir_graph_option params[1];
    weir_graph_operator described;
    weir_user_code code;
    weir_api api;
    weir_operator_context context;
    catcher outputs[3];
    weir_operator *op;
    weir_builder *input[2];
    weir_error err;
    weir_wait wait;
    char logged[256];
} fixture;

static inline int catch_rows(weir_collector *self, const weir_columns *columns, weir_error *err)
{
    static const char *const kinds[] = {"+I", "-U", "+U", "-D"};
    catcher *c = (catcher *)self;

    if (c->fail_with != 0)
        return weir_error_set(err, c->fail_with, "far.c:9: sink: downstream is broken");
    assert_true(columns->rows > 0);
    c->batches++;
    c->last = columns;
    if (columns->rows > c->largest)
        c->largest = columns->rows;
    if (weir_kind_is_variable(columns->columns[0].kind)) {
        uint32_t bytes;

        memcpy(&bytes, columns->columns[0].offsets + columns->rows, sizeof bytes);
        c->most_bytes = bytes > c->most_bytes ? bytes : c->most_bytes;
    }
    for (uint32_t i = 0; i < columns->rows; i++) {
        char row[ROW_MAX], text[ROW_MAX + 32], time[32] = "";

        weir_row_text(c->schema, columns, i, row, sizeof row);
        if (columns->timestamps && columns->timestamps[i] != INT64_MIN)
            (void)snprintf(time, sizeof time, "@%lld", (long long)columns->timestamps[i]);
        (void)snprintf(text, sizeof text, "%s%s%s",
                       kinds[columns->row_kinds ? columns->row_kinds[i] : 0], row, time);
        if (c->count == c->capacity) {
            c->capacity = c->capacity ? c->capacity * 2 : 64;
            c->rows = realloc(c->rows, c->capacity * sizeof *c->rows);
            assert_non_null(c->rows);
        }
        c->rows[c->count++] = strdup(text);
    }
    return 0;
}

static inline void catcher_clear(catcher *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->rows[i]);
    free(c->rows);
    c->rows = NULL;
    c->count = c->capacity = c->batches = c->largest = c->most_bytes = 0;
}

static inline void keep_log(void *self, const char *line)
{
    (void)snprintf(self, sizeof((fixture *)0)->logged, "%s", line);
}

static inline weir_schema *schema_of(const weir_type *type)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_schema *schema = NULL;

    if (type)
        assert_int_equal(weir_schema_from_type(type, &schema, &err), 0);
    return schema;
}

/* Types: inputs and outputs, NULL: none. Called first; then the test changes what it wants in
 * described, code and context, and calls fixture_open. */
static inline void fixture_init(fixture *f, enum weir_operator_kind kind, const weir_type *in,
                                const weir_type *out)
{
    memset(f, 0, sizeof *f);
    f->params[0] = (weir_graph_option){"color", "blue"};
    f->graph = (weir_graph){
        .name = "test", .batch = true, .parallelism = 1, .params = f->params, .nparams = 1};
    f->api.size = sizeof f->api;
    weir_user_context_api(&f->api);
    f->described = (weir_graph_operator){.kind = kind,
                                         .name = "op",
                                         .where = "job.c:7",
                                         .ninputs = in ? 1 : 0,
                                         .inputs = {schema_of(in)},
                                         .noutputs = out ? 1 : 0,
                                         .outputs = {schema_of(out)},
                                         .output_names = {""}};
    f->code = (weir_user_code){.in = in, .out = out};
    f->context = (weir_operator_context){.graph = &f->graph,
                                         .operator_ = &f->described,
                                         .code = &f->code,
                                         .api = &f->api,
                                         .subtask = 1,
                                         .parallelism = 4,
                                         .batch_rows = 100,
                                         .batch_bytes = 64u << 10,
                                         .combine_memory = 1u << 20,
                                         .log = keep_log,
                                         .log_self = f->logged};
}

static inline int fixture_open(fixture *f)
{
    for (uint32_t i = 0; i < f->described.noutputs; i++) {
        f->outputs[i].base.collect = catch_rows;
        f->outputs[i].schema = f->described.outputs[i];
        f->context.outputs[i] = &f->outputs[i].base;
    }
    for (uint32_t i = 0; i < f->described.ninputs; i++)
        assert_int_equal(weir_builder_new(f->described.inputs[i], 100000, 1u << 26, &f->input[i]),
                         0);
    assert_int_equal(weir_operator_new(&f->context, &f->op), 0);
    assert_ptr_equal(f->op->vtable, weir_operator_class_of(f->described.kind));
    return f->op->vtable->open(f->op, &f->err);
}

static inline void fixture_close(fixture *f)
{
    if (f->op)
        f->op->vtable->close(f->op);
    for (uint32_t i = 0; i < 3; i++)
        catcher_clear(&f->outputs[i]);
    for (uint32_t i = 0; i < 2; i++) {
        weir_builder_destroy(&f->input[i]);
        weir_schema_unref(&f->described.inputs[i]);
    }
    for (uint32_t i = 0; i < f->described.noutputs; i++)
        weir_schema_unref(&f->described.outputs[i]);
}

static inline void add_full(fixture *f, uint32_t input, const void *record, int64_t timestamp,
                            uint8_t kind)
{
    assert_int_equal(weir_builder_append_record(f->input[input], record, timestamp, kind), 0);
}

static inline void add(fixture *f, const void *record)
{
    add_full(f, 0, record, INT64_MIN, WEIR_INSERT);
}

/* Feeds the rows added so far as one batch: what a sender would make of them, so that reads beyond
 * its bytes are seen by the sanitizer. */
static inline int feed(fixture *f, uint32_t input)
{
    weir_batch *batch = NULL;
    int rc;

    assert_int_equal(weir_builder_finish(f->input[input], &batch), 0);
    rc = f->op->vtable->process_batch(f->op, input, weir_batch_columns(batch), &f->wait, &f->err);
    weir_batch_unref(&batch);
    return rc;
}

static inline int end_input(fixture *f, uint32_t *ret_turns)
{
    uint32_t turns = 0;
    int rc;

    do {
        f->wait = (weir_wait){.fd = 77, .at_ms = INT64_MAX};
        rc = f->op->vtable->end_of_input(f->op, &f->wait, &f->err);
        turns++;
        if (rc == WEIR_PENDING) {
            assert_int_equal(f->wait.fd, -1);
            assert_int_equal(f->wait.at_ms, 0);
        }
    } while (rc == WEIR_PENDING);
    if (ret_turns)
        *ret_turns = turns;
    return rc;
}

static inline int flush(fixture *f)
{
    return f->op->vtable->flush(f->op, &f->wait, &f->err);
}

static inline weir_string str(const char *text)
{
    return (weir_string){text, (uint32_t)strlen(text)};
}

static inline void expect_rows(const catcher *c, const char *const *rows, size_t count)
{
    for (size_t i = 0; i < c->count && i < count; i++)
        assert_string_equal(c->rows[i], rows[i]);
    assert_int_equal(c->count, count);
}

#define EXPECT(catcher_, ...)                                                                      \
    do {                                                                                           \
        const char *const rows_[] = {__VA_ARGS__};                                                 \
        expect_rows(catcher_, rows_, WEIR_COUNT(rows_));                                           \
    } while (0)

#endif
