/* source and sink, with a connector of the test's own. */
#include "harness.h"

WEIR_RECORD(number, (bigint, n));

/* ---- a reader that follows a script ---- */

typedef struct script_step {
    int rows;   /* appended before the result */
    int result; /* weir_read_result or an error */
} script_step;

typedef struct script_reader {
    weir_reader base;
    const script_step *next;
    int64_t n;
} script_reader;

typedef struct script_writer {
    weir_writer base;
} script_writer;

static const script_step *script;
static char last_split[16];
static int closed, pending_writes, pending_flushes, pending_finishes, written, flushed, finished;
static int open_result, write_result;

static int script_read(weir_reader *self, weir_builder *into, weir_wait *ret_wait, weir_error *err)
{
    script_reader *r = (script_reader *)self;
    const script_step *step = r->next++;

    for (int i = 0; i < step->rows; i++) {
        int64_t n = r->n++;

        assert_int_equal(weir_builder_put_fixed(into, 0, &n), 0);
        assert_int_equal(weir_builder_end_row(into, INT64_MIN, WEIR_INSERT), 0);
    }
    *ret_wait = (weir_wait){.fd = 5, .at_ms = 99};
    return step->result < 0 ? weir_error_set(err, step->result, "script: line 3; bad")
                            : step->result;
}

static int script_add_split(weir_reader *self, const void *split, size_t size, weir_error *err)
{
    (void)self;
    if (size >= sizeof last_split)
        return weir_error_set(err, WEIR_EINVALID, "script: split is too long");
    memcpy(last_split, split, size);
    last_split[size] = 0;
    return 0;
}

static void script_close(weir_reader *self)
{
    closed++;
    weir_free(self);
}

static const struct weir_reader_class reader_class = {script_read, script_add_split, script_close};

static int open_reader(const weir_connector_context *context, weir_reader **ret, weir_error *err)
{
    script_reader *r = weir_calloc(1, sizeof *r);

    (void)context;
    assert_non_null(r);
    if (open_result < 0) {
        weir_free(r);
        return weir_error_set(err, open_result, "script: /a.txt; not there");
    }
    r->base.vtable = &reader_class;
    r->next = script;
    *ret = &r->base;
    return 0;
}

static int script_write(weir_writer *self, const weir_columns *columns, weir_wait *ret_wait,
                        weir_error *err)
{
    (void)self;
    (void)ret_wait;
    if (write_result < 0)
        return weir_error_set(err, write_result, "script: /out; full");
    if (pending_writes > 0) {
        pending_writes--;
        return WEIR_READ_PENDING;
    }
    written += (int)columns->rows;
    return 0;
}

static int script_flush(weir_writer *self, weir_wait *ret_wait, weir_error *err)
{
    (void)self;
    (void)ret_wait;
    (void)err;
    if (pending_flushes > 0) {
        pending_flushes--;
        return WEIR_READ_PENDING;
    }
    flushed++;
    return 0;
}

static int script_finish(weir_writer *self, weir_wait *ret_wait, weir_error *err)
{
    (void)self;
    (void)ret_wait;
    (void)err;
    assert_true(flushed > 0);
    if (pending_finishes > 0) {
        pending_finishes--;
        return WEIR_READ_PENDING;
    }
    finished++;
    return 0;
}

static void script_writer_close(weir_writer *self)
{
    closed++;
    weir_free(self);
}

static const struct weir_writer_class writer_class = {script_write, script_flush, script_finish,
                                                      script_writer_close};

static int open_writer(const weir_connector_context *context, weir_writer **ret, weir_error *err)
{
    script_writer *w = weir_calloc(1, sizeof *w);

    (void)context;
    (void)err;
    assert_non_null(w);
    w->base.vtable = &writer_class;
    *ret = &w->base;
    return 0;
}

static const weir_connector connector = {
    .name = "script", .open_reader = open_reader, .open_writer = open_writer};

static void source_init(fixture *f, const script_step *steps)
{
    script = steps;
    closed = open_result = 0;
    fixture_init(f, WEIR_OPERATOR_SOURCE, NULL, WEIR_TYPE(number));
    f->described.name = "source script";
    f->described.connector = "script";
    f->context.connector_class = &connector;
}

static int poll(fixture *f)
{
    return f->op->vtable->poll(f->op, &f->wait, &f->err);
}

static void test_source(void **state)
{
    static const script_step steps[] = {{30, WEIR_READ_MORE},   {30, WEIR_READ_SPLIT_END},
                                        {45, WEIR_READ_MORE},   {5, WEIR_READ_PENDING},
                                        {0, WEIR_READ_PENDING}, {7, WEIR_READ_SPLIT_END},
                                        {2, WEIR_READ_END}};
    fixture f;

    (void)state;
    source_init(&f, steps);
    assert_int_equal(fixture_open(&f), 0);
    assert_int_equal(f.op->vtable->add_split(f.op, "one", 3, &f.err), 0);
    assert_string_equal(last_split, "one");
    assert_int_equal(poll(&f), WEIR_READ_MORE);
    assert_int_equal(poll(&f), WEIR_READ_SPLIT_END);
    assert_int_equal(f.outputs[0].count, 0); /* splits may share a batch */
    assert_int_equal(poll(&f), WEIR_READ_MORE);
    assert_int_equal(f.outputs[0].count, 105); /* full */
    assert_int_equal(poll(&f), WEIR_READ_PENDING);
    assert_int_equal(f.outputs[0].count, 110); /* a pause: nothing waits */
    assert_int_equal(f.wait.fd, 5);
    assert_int_equal(f.wait.at_ms, 99);
    assert_int_equal(poll(&f), WEIR_READ_PENDING);
    assert_int_equal(poll(&f), WEIR_READ_SPLIT_END);
    assert_int_equal(flush(&f), 0);
    assert_int_equal(f.outputs[0].count, 117);
    assert_int_equal(poll(&f), WEIR_READ_END);
    assert_int_equal(f.outputs[0].count, 119);
    assert_int_equal(end_input(&f, NULL), 0);
    assert_int_equal(f.outputs[0].batches, 4);
    assert_string_equal(f.outputs[0].rows[118], "+I{n=118}");
    assert_int_equal(f.op->records_out, 119);
    assert_int_equal(f.op->records_in, 0);
    fixture_close(&f);
    assert_int_equal(closed, 1);
}

static void test_source_errors(void **state)
{
    static const script_step steps[] = {{3, WEIR_EINVALID}};
    fixture f;

    (void)state;
    source_init(&f, steps);
    assert_int_equal(fixture_open(&f), 0);
    assert_int_equal(poll(&f), WEIR_EINVALID);
    assert_string_equal(f.err.text, "job.c:7: source script: script: line 3; bad");
    assert_int_equal(f.op->vtable->add_split(f.op, "0123456789abcdefgh", 18, &f.err),
                     WEIR_EINVALID);
    assert_string_equal(f.err.text, "job.c:7: source script: script: split is too long");
    fixture_close(&f);
    assert_int_equal(closed, 1);
    source_init(&f, steps);
    open_result = WEIR_ENOT_FOUND;
    assert_int_equal(fixture_open(&f), WEIR_ENOT_FOUND);
    assert_string_equal(f.err.text, "job.c:7: source script: script: /a.txt; not there");
    fixture_close(&f);
    assert_int_equal(closed, 0);
}

static void sink_init(fixture *f)
{
    closed = written = flushed = finished = write_result = 0;
    fixture_init(f, WEIR_OPERATOR_SINK, WEIR_TYPE(number), NULL);
    f->described.connector = "script";
    f->context.connector_class = &connector;
}

static void test_sink(void **state)
{
    weir_batch *batch = NULL;
    fixture f;

    (void)state;
    sink_init(&f);
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(number){1});
    add(&f, &(number){2});
    assert_int_equal(weir_builder_finish(f.input[0], &batch), 0);
    pending_writes = 1;
    assert_int_equal(
        f.op->vtable->process_batch(f.op, 0, weir_batch_columns(batch), &f.wait, &f.err),
        WEIR_PENDING);
    assert_int_equal(f.op->records_in, 0); /* nothing was taken */
    assert_int_equal(
        f.op->vtable->process_batch(f.op, 0, weir_batch_columns(batch), &f.wait, &f.err), 0);
    assert_int_equal(f.op->records_in, 2);
    assert_int_equal(written, 2);
    weir_batch_unref(&batch);
    pending_flushes = 1;
    assert_int_equal(flush(&f), WEIR_PENDING);
    assert_int_equal(flush(&f), 0);
    pending_flushes = 1;
    pending_finishes = 2;
    for (int turn = 0; turn < 3; turn++)
        assert_int_equal(f.op->vtable->end_of_input(f.op, &f.wait, &f.err), WEIR_PENDING);
    assert_int_equal(f.op->vtable->end_of_input(f.op, &f.wait, &f.err), WEIR_DONE);
    assert_int_equal(finished, 1);
    write_result = WEIR_ENO_SPACE;
    add(&f, &(number){3});
    assert_int_equal(feed(&f, 0), WEIR_ENO_SPACE);
    assert_string_equal(f.err.text, "job.c:7: op: script: /out; full");
    fixture_close(&f);
    assert_int_equal(closed, 1);
}

static void test_unknown_kind(void **state)
{
    weir_operator *op = NULL;
    fixture f;

    (void)state;
    assert_null(weir_operator_class_of((enum weir_operator_kind)0));
    assert_null(weir_operator_class_of((enum weir_operator_kind)99));
    sink_init(&f);
    f.described.kind = (enum weir_operator_kind)99;
    assert_int_equal(weir_operator_new(&f.context, &op), WEIR_EINVALID);
    f.described.kind = WEIR_OPERATOR_SINK;
    f.context.connector_class = NULL;
    assert_int_equal(fixture_open(&f), WEIR_EINVALID);
    assert_non_null(strstr(f.err.text, "cannot be written to"));
    fixture_close(&f);
    for (int kind = WEIR_OPERATOR_SOURCE; kind <= WEIR_OPERATOR_SINK; kind++) {
        f.described.kind = (enum weir_operator_kind)kind; /* closed without having been opened */
        assert_int_equal(weir_operator_new(&f.context, &op), 0);
        op->vtable->close(op);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_source_errors),
        cmocka_unit_test(test_sink),
        cmocka_unit_test(test_unknown_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
