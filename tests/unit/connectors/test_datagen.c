/* test_datagen.c -- made-up rows: the same at any parallelism, of every type, at a rate. */
#include "harness.h"

#include "connectors/blackhole/blackhole.h"

#define EVERY                                                                                      \
    "sequence bigint not null, a boolean not null, b tinyint, c smallint, d integer, e bigint, "   \
    "f float, g double, h decimal(38, 10), i char(5), j varchar(3), k string, l binary(4), "       \
    "m bytes, n date, o time, p timestamp(0), q timestamp(9), r timestamp_ltz(3), "                \
    "s array<string>, t map<string, bigint>, u row<x integer, y array<double>>"

/* All rows of all subtasks, one after the other. */
static void collect(const char *url, const char *schema, uint32_t parallelism, uint32_t rows_max,
                    weir_buffer *out)
{
    harness h;

    if (harness_open(&h, url, schema, false) != 0)
        fail_msg("%s", h.err.text);
    h.context.parallelism = parallelism;
    for (h.context.subtask = 0; h.context.subtask < parallelism; h.context.subtask++)
        assert_int_equal(harness_read_all(&h, rows_max, out), 0);
    harness_close(&h);
}

static void rows_do_not_depend_on_parallelism(void **state)
{
    weir_buffer one = WEIR_BUFFER_INIT, many = WEIR_BUFFER_INIT, other = WEIR_BUFFER_INIT;

    (void)state;
    collect("datagen:?rows=1000", EVERY, 1, 100000, &one);
    collect("datagen:?rows=1000", EVERY, 7, 10, &many);
    collect("datagen:?rows=1000&seed=2", EVERY, 1, 100000, &other);
    assert_string_equal(weir_buffer_text(&one), weir_buffer_text(&many));
    assert_string_not_equal(weir_buffer_text(&one), weir_buffer_text(&other));
    assert_non_null(strstr(weir_buffer_text(&one), "\n{\"sequence\":999,"));
    assert_null(strstr(weir_buffer_text(&one), "\"sequence\":1000,"));
    weir_buffer_deinit(&one);
    weir_buffer_deinit(&many);
    weir_buffer_deinit(&other);
}

static void options_shape_the_values(void **state)
{
    weir_buffer rows = WEIR_BUFFER_INIT;

    (void)state;
    collect("datagen:?rows=3&keys=1&sequence=n&start=1000&step=2s",
            "n bigint, k string, i integer, "
            "t timestamp(3)",
            1, 10, &rows);
    assert_string_equal(weir_buffer_text(&rows),
                        "{\"n\":0,\"k\":\"key-0\",\"i\":0,\"t\":\"1970-01-01 00:00:01.000\"}\n"
                        "{\"n\":1,\"k\":\"key-0\",\"i\":0,\"t\":\"1970-01-01 00:00:03.000\"}\n"
                        "{\"n\":2,\"k\":\"key-0\",\"i\":0,\"t\":\"1970-01-01 00:00:05.000\"}\n");
    weir_buffer_clear(&rows);
    collect("datagen:?rows=2&min=7&max=7&length=1", "n bigint, b tinyint, d decimal(3, 0)", 1, 10,
            &rows);
    assert_string_equal(weir_buffer_text(&rows),
                        "{\"n\":7,\"b\":7,\"d\":7}\n{\"n\":7,\"b\":7,\"d\":7}\n");
    weir_buffer_deinit(&rows);
}

static void wrong_options_are_refused(void **state)
{
    static const char *const urls[] = {"datagen:?rows=-1",     "datagen:?min=2&max=1",
                                       "datagen:?sequence=no", "datagen:?sequence=k",
                                       "datagen:?length=0",    "datagen:?rate=x"};
    harness h;

    (void)state;
    for (size_t i = 0; i < WEIR_COUNT(urls); i++) {
        if (harness_open(&h, urls[i], "n bigint, k string", false) == 0)
            fail_msg("%s was accepted", urls[i]);
        harness_close(&h);
    }
}

/* Unbounded, 1,000 rows a second over two subtasks: 500 each, never earlier than due. */
static void the_rate_is_kept(void **state)
{
    weir_builder *builder = NULL;
    weir_reader *reader = NULL;
    uint64_t rows = 0;
    weir_wait wait;
    harness h;

    (void)state;
    assert_int_equal(harness_open(&h, "datagen:?rate=1000", "sequence bigint not null", false), 0);
    assert_false(h.connector->bounded(&h.op, true));
    h.context.parallelism = 2;
    h.context.subtask = 1;
    h.now_ms = h.context.now_ms = 5000;
    assert_int_equal(weir_builder_new(h.schema, 1u << 20, 1u << 30, &builder), 0);
    assert_int_equal(h.connector->open_reader(&h.context, &reader, &h.err), 0);
    while (h.now_ms < 15000) {
        assert_int_equal(reader->vtable->read(reader, builder, &wait, &h.err), WEIR_READ_PENDING);
        assert_int_equal(wait.fd, -1);
        assert_true(wait.at_ms > h.now_ms && wait.at_ms <= h.now_ms + 2);
        rows = weir_builder_rows(builder);
        assert_true(rows <= (uint64_t)(h.now_ms - 5000) / 2);
        assert_true(rows + 1 >= (uint64_t)(h.now_ms - 5000) / 2);
        h.now_ms = wait.at_ms;
    }
    h.now_ms += 3600000; /* after a long pause a second's worth at once, not an hour's */
    assert_int_equal(reader->vtable->read(reader, builder, &wait, &h.err), WEIR_READ_PENDING);
    assert_true(weir_builder_rows(builder) - rows < 1100);
    reader->vtable->close(reader);
    weir_builder_destroy(&builder);
    harness_close(&h);
}

static void the_blackhole_reads_and_counts(void **state)
{
    weir_builder *builder = NULL;
    weir_reader *reader = NULL;
    weir_writer *writer = NULL;
    uint64_t rows, folded;
    weir_batch *batch;
    weir_wait wait;
    harness from, to;

    (void)state;
    assert_int_equal(harness_open(&from, "datagen:?rows=1000", EVERY, false), 0);
    assert_int_equal(harness_open(&to, "blackhole:", EVERY, true), 0);
    assert_int_equal(weir_builder_new(from.schema, 1u << 20, 1u << 30, &builder), 0);
    assert_int_equal(from.connector->open_reader(&from.context, &reader, &from.err), 0);
    assert_int_equal(to.connector->open_writer(&to.context, &writer, &to.err), 0);
    assert_int_equal(reader->vtable->read(reader, builder, &wait, &from.err), WEIR_READ_END);
    batch = harness_batch(builder);
    assert_int_equal(writer->vtable->write(writer, weir_batch_columns(batch), &wait, &to.err), 0);
    assert_int_equal(writer->vtable->finish(writer, &wait, &to.err), 0);
    weir_blackhole_seen(writer, &rows, &folded);
    assert_int_equal(rows, 1000);
    assert_true(folded != 0);
    writer->vtable->close(writer);
    reader->vtable->close(reader);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    harness_close(&from);
    harness_close(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_do_not_depend_on_parallelism),
        cmocka_unit_test(options_shape_the_values),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(the_rate_is_kept),
        cmocka_unit_test(the_blackhole_reads_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
