/* map, filter, process and the user's context. */
#include "harness.h"

WEIR_RECORD(line, (string, text));
WEIR_RECORD(word, (string, text), (bigint, n));
WEIR_RECORD(short_word, (varchar, text, WEIR_LENGTH(3)));
WEIR_RECORD(number, (bigint, n));

static int split(weir_ctx *ctx, const void *in)
{
    const line *l = in;
    weir_string rest = l->text, token;
    int rc = 0;

    if (l->text.n == 3 && memcmp(l->text.p, "bad", 3) == 0) {
        (void)weir_emit(ctx, &(line){str("never seen")});
        return weir_fail(ctx, "cannot split %d bytes", (int)l->text.n);
    }
    while (rc == 0 && weir_token(&rest, " ", &token))
        rc = weir_emit(ctx, &(line){token});
    return rc;
}

static const weir_op splitter = {WEIR_OP("split", line, line), .on_record = split};

static int twice(weir_ctx *ctx, const void *in, void *out)
{
    const number *n = in;
    word *w = out;

    assert_int_equal(w->n, 0); /* zeroed */
    assert_null(w->text.p);
    if (n->n < 0)
        return weir_fail(ctx, "negative");
    if (n->n == 99)
        return weir_emit(ctx, in);
    w->n = 2 * n->n;
    w->text = str("x");
    return 0;
}

static bool is_even(weir_ctx *ctx, const void *record)
{
    const number *n = record;

    if (n->n == 13)
        (void)weir_fail(ctx, "thirteen");
    return n->n % 2 == 0;
}

static void test_map(void **state)
{
    fixture f;

    (void)state;
    fixture_init(&f, WEIR_OPERATOR_MAP, WEIR_TYPE(number), WEIR_TYPE(word));
    f.code.map = twice;
    assert_int_equal(fixture_open(&f), 0);
    add_full(&f, 0, &(number){1}, 50, WEIR_INSERT);
    add_full(&f, 0, &(number){2}, INT64_MIN, WEIR_DELETE);
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(flush(&f), 0);
    EXPECT(&f.outputs[0], "+I{text=x, n=2}@50", "-D{text=x, n=4}");
    for (int64_t i = 0; i < 250; i++)
        add(&f, &(number){i % 99});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(f.outputs[0].count, 202); /* full batches only */
    assert_int_equal(end_input(&f, NULL), 0);
    assert_int_equal(f.outputs[0].count, 252);
    assert_int_equal(f.outputs[0].largest, 100);
    assert_int_equal(f.op->records_in, 252);
    assert_int_equal(f.op->records_out, 252);
    add(&f, &(number){-4});
    assert_int_equal(feed(&f, 0), WEIR_EUSER);
    assert_string_equal(f.err.text, "job.c:7: op: negative; record {n=-4}");
    fixture_close(&f);
}

static void test_map_may_not_emit(void **state)
{
    fixture f;

    (void)state;
    fixture_init(&f, WEIR_OPERATOR_MAP, WEIR_TYPE(number), WEIR_TYPE(word));
    f.code.map = twice;
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(number){99});
    assert_int_equal(feed(&f, 0), WEIR_EUSER);
    assert_non_null(strstr(f.err.text, "weir_emit where nothing may be emitted"));
    assert_int_equal(flush(&f), 0);
    assert_int_equal(f.outputs[0].count, 0);
    fixture_close(&f);
}

static void test_filter(void **state)
{
    fixture f;
    weir_batch *batch = NULL;
    const weir_columns *columns;

    (void)state;
    fixture_init(&f, WEIR_OPERATOR_FILTER, WEIR_TYPE(number), WEIR_TYPE(number));
    f.code.filter = is_even;
    assert_int_equal(fixture_open(&f), 0);
    add_full(&f, 0, &(number){1}, 1, WEIR_INSERT);
    add_full(&f, 0, &(number){2}, 2, WEIR_UPDATE_AFTER);
    add_full(&f, 0, &(number){4}, 4, WEIR_INSERT);
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(f.outputs[0].count, 0); /* a batch that is not full waits */
    add(&f, &(number){6});
    assert_int_equal(weir_builder_finish(f.input[0], &batch), 0);
    columns = weir_batch_columns(batch);
    assert_int_equal(f.op->vtable->process_batch(f.op, 0, columns, &f.wait, &f.err), 0);
    assert_ptr_equal(f.outputs[0].last, columns); /* all pass: the same columns, no copy */
    weir_batch_unref(&batch);
    EXPECT(&f.outputs[0], "+U{n=2}@2", "+I{n=4}@4", "+I{n=6}");
    add(&f, &(number){7});
    assert_int_equal(feed(&f, 0), 0); /* none passes */
    for (int64_t i = 0; i < 5000; i++)
        add(&f, &(number){i == 13 ? 1 : i});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    assert_int_equal(f.outputs[0].count, 3 + 2500);
    assert_int_equal(f.op->records_out, 3 + 2500);
    add(&f, &(number){13});
    assert_int_equal(feed(&f, 0), WEIR_EUSER); /* weir_fail counts although it returns no code */
    assert_string_equal(f.err.text, "job.c:7: op: thirteen; record {n=13}");
    fixture_close(&f);
}

/* Texts of all lengths, in any order, with and without event times: every one comes out, in order,
 * and batches keep their limits. */
static void test_flat_map_keeps_the_limits(void **state)
{
    static const uint32_t limits[][2] = {
        {100, 1000}, {7, 1u << 16}, {100, 40}, {1, 1}, {100, 3200}};
    weir_prng prng = {4};

    (void)state;
    for (uint32_t round = 0; round < 5; round++) {
        static char texts[3000][160], letters[120];
        fixture f;

        memset(letters, 'w', sizeof letters);
        fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(line));
        f.code.op = &splitter;
        f.context.batch_rows = limits[round][0];
        f.context.batch_bytes = limits[round][1];
        assert_int_equal(fixture_open(&f), 0);
        for (uint32_t i = 0; i < 3000; i++) {
            bool timed = round != 4 && i % 500 > 450;
            bool is_long = weir_prng_below(&prng, round == 4 ? 2 : 9) == 0;
            uint32_t n = (is_long && i % 2 ? 100u : 1u) +
                         (uint32_t)weir_prng_below(&prng, is_long ? 20 : 12);

            (void)snprintf(texts[i], sizeof texts[i], "+I{text=%.*s%u}%s", (int)n, letters, i,
                           timed ? "@5" : "");
            add_full(&f, 0,
                     &(line){{strchr(texts[i], '=') + 1, n + (i > 999  ? 4u
                                                              : i > 99 ? 3u
                                                              : i > 9  ? 2u
                                                                       : 1u)}},
                     timed ? 5 : INT64_MIN, WEIR_INSERT);
            if (i % 100 == 99)
                assert_int_equal(feed(&f, 0), 0);
        }
        assert_int_equal(end_input(&f, NULL), 0);
        assert_int_equal(f.outputs[0].count, 3000);
        for (uint32_t i = 0; i < 3000; i++)
            assert_string_equal(f.outputs[0].rows[i], texts[i]);
        assert_true(f.outputs[0].largest <= limits[round][0]);
        /* Rows with an event time go through the builder, which is full a row later. */
        assert_true(f.outputs[0].most_bytes <= limits[round][1] + (round == 4 ? 0u : 124u));
        fixture_close(&f);
    }
}

/* A callback that goes on after a failure gets the failure again, and its rows go nowhere. */
static int stubborn(weir_ctx *ctx, const void *in)
{
    const line *l = in;

    assert_int_equal(weir_emit(ctx, &(line){l->text}), 0);
    assert_true(weir_fail(ctx, "no more") < 0);
    assert_true(weir_emit(ctx, &(line){l->text}) < 0);
    assert_true(weir_emit_to(ctx, 0, &(line){l->text}) < 0);
    return 0;
}

static void test_failures_stick(void **state)
{
    static const weir_op op = {WEIR_OP("stubborn", line, line), .on_record = stubborn};
    fixture f;

    (void)state;
    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(line));
    f.code.op = &op;
    assert_int_equal(fixture_open(&f), 0);
    for (int i = 0; i < 30; i++) /* enough behind it to be read in one move */
        add(&f, &(line){str("word")});
    assert_int_equal(feed(&f, 0), WEIR_EUSER);
    assert_string_equal(f.err.text, "job.c:7: op: no more; record {text=word}");
    assert_int_equal(flush(&f), 0);
    assert_int_equal(f.outputs[0].count, 0);
    fixture_close(&f);
}

static void test_flat_map_of_strings(void **state)
{
    char big[70000];
    fixture f;

    (void)state;
    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(line));
    f.code.op = &splitter;
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(line){str("to be or")});
    add(&f, &(line){str("")});
    add(&f, &(line){str("  a-word-of-more-than-sixteen-bytes x")});
    add_full(&f, 0, &(line){str("timed one")}, 9, WEIR_DELETE);
    assert_int_equal(feed(&f, 0), 0);
    add(&f, &(line){str("last")});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    EXPECT(&f.outputs[0], "+I{text=to}", "+I{text=be}", "+I{text=or}",
           "+I{text=a-word-of-more-than-sixteen-bytes}", "+I{text=x}", "+I{text=timed}@9",
           "+I{text=one}@9", "+I{text=last}");
    catcher_clear(&f.outputs[0]);
    memset(big, 'z', sizeof big); /* larger than a batch's bytes */
    add(&f, &(line){str("before")});
    add(&f, &(line){{big, sizeof big}});
    add(&f, &(line){str("after")});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(flush(&f), 0);
    assert_int_equal(f.outputs[0].count, 3);
    assert_string_equal(f.outputs[0].rows[0], "+I{text=before}");
    assert_string_equal(f.outputs[0].rows[2], "+I{text=after}");
    for (int i = 0; i < 1050; i++)
        add(&f, &(line){str("a b")});
    assert_int_equal(feed(&f, 0), 0);
    assert_true(f.outputs[0].count >= 3 + 2000); /* full batches did not wait */
    assert_int_equal(flush(&f), 0);
    assert_int_equal(f.outputs[0].largest, 100);
    assert_int_equal(f.outputs[0].count, 3 + 2100);
    assert_int_equal(f.op->records_in, 4 + 1 + 3 + 1050);
    fixture_close(&f);
}

static void test_failure_names_the_record(void **state)
{
    fixture f;

    (void)state;
    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(line));
    f.code.op = &splitter;
    f.described.name = "split";
    f.described.where = "wordcount.c:26";
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(line){str("good")});
    add(&f, &(line){str("bad")});
    assert_int_equal(feed(&f, 0), WEIR_EUSER);
    assert_int_equal(f.err.code, WEIR_EUSER);
    assert_string_equal(f.err.text,
                        "wordcount.c:26: split: cannot split 3 bytes; record {text=bad}");
    assert_int_equal(flush(&f), 0);
    assert_int_equal(f.outputs[0].count, 0);
    fixture_close(&f);
}

static void test_downstream_errors_name_the_record(void **state)
{
    fixture f;

    (void)state;
    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(line));
    f.code.op = &splitter;
    f.context.batch_rows = 2;
    assert_int_equal(fixture_open(&f), 0);
    f.outputs[0].fail_with = WEIR_EIO;
    add(&f, &(line){str("a b c d e f")});
    assert_int_equal(feed(&f, 0), WEIR_EIO);
    assert_string_equal(f.err.text,
                        "far.c:9: sink: downstream is broken; record {text=a b c d e f}");
    fixture_close(&f);
}

/* ---- everything else that the table offers ---- */

typedef struct seen {
    int64_t count, opened;
} seen;

static int everything_open(weir_ctx *ctx)
{
    seen *s = weir_instance(ctx);

    assert_int_equal(s->opened++, 0);
    assert_int_equal(weir_subtask_index(ctx), 1);
    assert_int_equal(ctx->api->parallelism(ctx), 4);
    assert_string_equal(weir_param(ctx, "color"), "blue");
    assert_null(weir_param(ctx, "shape"));
    weir_log_line(ctx, "opened %d", 5);
    return 0;
}

static int everything_record(weir_ctx *ctx, const void *record)
{
    const number *n = record;
    seen *s = weir_instance(ctx);

    s->count++;
    switch (n->n) {
    case 1: /* side output, explicit time and kind */
        return ctx->api->emit_to(ctx, 1, &(line){str("side")}, weir_time(ctx) + 1, WEIR_DELETE);
    case 2:
        return weir_emit_to(ctx, 0, &(number){ctx->api->row_kind(ctx)});
    case 3:
        return weir_emit_to(ctx, 7, record);
    case 4:
        return ctx->api->emit_to(ctx, 0, record, 0, 4);
    case 5:
        (void)weir_fail(ctx, "first");
        (void)weir_fail(ctx, "second");
        return weir_emit(ctx, record) == WEIR_EUSER ? 0 : 1;
    case 6:
        return -77;
    default:
        return weir_emit(ctx, record);
    }
}

static int everything_end(weir_ctx *ctx)
{
    seen *s = weir_instance(ctx);

    assert_int_equal(weir_time(ctx), WEIR_NO_TIMESTAMP);
    return weir_emit(ctx, &(number){1000 + s->count});
}

static int everything_close(weir_ctx *ctx)
{
    return weir_emit(ctx, &(number){5});
}

static const weir_output everything_sides[] = {{"late", WEIR_TYPE(line)}, {NULL, NULL}};
static const weir_op everything = {WEIR_OP("everything", number, number),
                                   .sides = everything_sides,
                                   .instance_size = sizeof(seen),
                                   .open = everything_open,
                                   .on_record = everything_record,
                                   .on_end = everything_end,
                                   .close = everything_close};

static void everything_init(fixture *f)
{
    fixture_init(f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(number), WEIR_TYPE(number));
    f->code.op = &everything;
    f->described.noutputs = 2;
    f->described.outputs[1] = schema_of(WEIR_TYPE(line));
    f->described.output_names[1] = "late";
}

static void test_sides_instance_facts(void **state)
{
    fixture f;

    (void)state;
    everything_init(&f);
    assert_int_equal(fixture_open(&f), 0);
    assert_string_equal(f.logged, "opened 5");
    add_full(&f, 0, &(number){1}, 10, WEIR_INSERT);
    add_full(&f, 0, &(number){2}, 11, WEIR_UPDATE_BEFORE);
    add_full(&f, 0, &(number){20}, 12, WEIR_UPDATE_BEFORE);
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    EXPECT(&f.outputs[0], "+I{n=1}@11", "+I{n=20}@12", "+I{n=1003}");
    EXPECT(&f.outputs[1], "-D{text=side}@11");
    assert_int_equal(f.op->records_out, 4);
    f.op->vtable->close(f.op); /* its close emits, which it may not: the log says so */
    f.op = NULL;
    assert_non_null(strstr(f.logged, "nothing may be emitted"));
    assert_int_equal(f.outputs[0].count, 3);
    fixture_close(&f);
}

static void test_misuse_fails_the_task(void **state)
{
    static const struct {
        int64_t n;
        const char *text;
    } cases[] = {{3, "emits to output 7, which it does not have; it has 2 output(s)"},
                 {4, "row kind 4"},
                 {5, "op: first; record {n=5}"},
                 {6, "returned -77 without a message"}};

    (void)state;
    for (size_t i = 0; i < WEIR_COUNT(cases); i++) {
        fixture f;

        everything_init(&f);
        assert_int_equal(fixture_open(&f), 0);
        add(&f, &(number){cases[i].n});
        assert_int_equal(feed(&f, 0), WEIR_EUSER);
        assert_non_null(strstr(f.err.text, cases[i].text));
        fixture_close(&f);
    }
}

/* A module built against a header that ended at on_record: what lies behind is not read. */
static void test_older_weir_op(void **state)
{
    const uint32_t size = offsetof(weir_op, on_input);
    void *older = malloc(size);
    fixture f;

    (void)state;
    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(line));
    assert_non_null(older);
    memcpy(older, &splitter, size);
    memcpy(older, &size, sizeof size);
    f.code.op = older;
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(line){str("a b")});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    EXPECT(&f.outputs[0], "+I{text=a}", "+I{text=b}");
    fixture_close(&f);
    free(older);
}

static int opens_badly(weir_ctx *ctx)
{
    return weir_fail(ctx, "no luck");
}

static int never_closed(weir_ctx *ctx)
{
    assert_null(ctx); /* a failed open is not closed */
    return 0;
}

static void test_open_errors(void **state)
{
    weir_op op = splitter;
    fixture f;

    (void)state;
    op.open = opens_badly;
    op.close = never_closed;
    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(line));
    f.code.op = &op;
    assert_int_equal(fixture_open(&f), WEIR_EUSER);
    assert_string_equal(f.err.text, "job.c:7: op: no luck");
    fixture_close(&f);

    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(line));
    assert_int_equal(fixture_open(&f), WEIR_EINVALID); /* no code */
    fixture_close(&f);

    op.on_record = NULL;
    op.open = NULL;
    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(line));
    f.code.op = &op;
    assert_int_equal(fixture_open(&f), WEIR_EINVALID); /* no callback */
    assert_non_null(strstr(f.err.text, "no callback"));
    fixture_close(&f);

    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(line));
    f.code.op = &splitter;
    f.code.in = WEIR_TYPE(number); /* not what the graph says */
    assert_int_equal(fixture_open(&f), WEIR_EINVALID);
    assert_non_null(strstr(f.err.text, "differs from the job graph's"));
    fixture_close(&f);
}

/* Every allocation of new and open may fail: an error, no leak. */
static void test_open_without_memory(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        weir_operator *op = NULL;
        weir_error err = WEIR_ERROR_INIT;
        fixture f;
        int rc;

        everything_init(&f);
        f.context.outputs[0] = &f.outputs[0].base;
        f.context.outputs[1] = &f.outputs[1].base;
        weir_memory_fail_at(nth);
        rc = weir_operator_new(&f.context, &op);
        if (rc == 0)
            rc = op->vtable->open(op, &err);
        weir_memory_fail_at(0);
        if (op)
            op->vtable->close(op);
        fixture_close(&f);
        if (rc == 0)
            break;
        assert_int_equal(rc, WEIR_ENO_MEMORY);
    }
}

/* ---- two inputs, batches ---- */

static int joined(weir_ctx *ctx, uint32_t input, const void *record)
{
    if (input == 0)
        return weir_emit(ctx, &(word){((const line *)record)->text, 0});
    return weir_emit(ctx, &(word){str("two"), ((const number *)record)->n});
}

static int by_batch(weir_ctx *ctx, uint32_t input, const weir_columns *batch)
{
    uint32_t odd[2] = {1, 3};

    assert_int_equal(input, 0);
    if (batch->rows == 1)
        return weir_fail(ctx, "a lonely row");
    if (batch->rows == 2) {
        odd[0] = 2;
        return weir_emit_columns(ctx, 0, batch, odd, 1);
    }
    if (weir_emit_columns(ctx, 0, batch, odd, 2) < 0)
        return -1;
    return weir_emit_columns(ctx, 0, batch, NULL, 0);
}

static void test_two_inputs(void **state)
{
    const weir_op op = {WEIR_OP("join", line, word), .on_input = joined, .in2 = WEIR_TYPE(number)};
    fixture f;

    (void)state;
    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(word));
    f.described.ninputs = 2;
    f.described.inputs[1] = schema_of(WEIR_TYPE(number));
    f.code.in2 = WEIR_TYPE(number);
    f.code.op = &op;
    assert_int_equal(fixture_open(&f), 0);
    add_full(&f, 0, &(line){str("one")}, 3, WEIR_INSERT);
    assert_int_equal(feed(&f, 0), 0);
    add_full(&f, 1, &(number){2}, 4, WEIR_INSERT);
    assert_int_equal(feed(&f, 1), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    EXPECT(&f.outputs[0], "+I{text=one, n=0}@3", "+I{text=two, n=2}@4");
    fixture_close(&f);
}

static void test_on_batch(void **state)
{
    const weir_op op = {WEIR_OP("batches", number, number), .on_batch = by_batch};
    fixture f;

    (void)state;
    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(number), WEIR_TYPE(number));
    f.code.op = &op;
    assert_int_equal(fixture_open(&f), 0);
    for (int64_t i = 0; i < 4; i++)
        add_full(&f, 0, &(number){i}, i, i == 3 ? WEIR_DELETE : WEIR_INSERT);
    assert_int_equal(feed(&f, 0), 0);
    EXPECT(&f.outputs[0], "+I{n=1}@1", "-D{n=3}@3", "+I{n=0}@0", "+I{n=1}@1", "+I{n=2}@2",
           "-D{n=3}@3");
    catcher_clear(&f.outputs[0]);
    for (int64_t i = 0; i < 1500; i++) /* more rows than a batch has: cut into batches */
        add(&f, &(number){i});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(flush(&f), 0);
    assert_int_equal(f.outputs[0].count, 1502);
    assert_true(f.outputs[0].batches > 2);
    assert_string_equal(f.outputs[0].rows[1501], "+I{n=1499}");
    add(&f, &(number){1});
    add(&f, &(number){2});
    assert_int_equal(feed(&f, 0), WEIR_EUSER);
    assert_non_null(strstr(f.err.text, "emits row 2 of columns that have 2 rows"));
    fixture_close(&f);
}

/* ---- values that do not fit ---- */

static int too_long(weir_ctx *ctx, const void *record)
{
    (void)record;
    return weir_emit(ctx, &(short_word){str("four")});
}

static void test_emit_that_does_not_fit(void **state)
{
    const weir_op op = {WEIR_OP("cut", line, short_word), .on_record = too_long};
    fixture f;

    (void)state;
    fixture_init(&f, WEIR_OPERATOR_PROCESS, WEIR_TYPE(line), WEIR_TYPE(short_word));
    f.code.op = &op;
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(line){str("in")});
    assert_int_equal(feed(&f, 0), WEIR_EINVALID);
    assert_non_null(strstr(f.err.text, "job.c:7: op: emits a record that does not fit short_word"));
    assert_non_null(strstr(f.err.text, "record {text=in}"));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_map_may_not_emit),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_flat_map_of_strings),
        cmocka_unit_test(test_flat_map_keeps_the_limits),
        cmocka_unit_test(test_failures_stick),
        cmocka_unit_test(test_failure_names_the_record),
        cmocka_unit_test(test_downstream_errors_name_the_record),
        cmocka_unit_test(test_sides_instance_facts),
        cmocka_unit_test(test_misuse_fails_the_task),
        cmocka_unit_test(test_older_weir_op),
        cmocka_unit_test(test_open_errors),
        cmocka_unit_test(test_open_without_memory),
        cmocka_unit_test(test_two_inputs),
        cmocka_unit_test(test_on_batch),
        cmocka_unit_test(test_emit_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
