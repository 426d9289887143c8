/* test_file_sink.c -- part files: atomic, per subtask, and never somebody else's. */
#include "harness.h"

#include <unistd.h>

#define TWO "a string, b integer"

typedef struct sink {
    harness h;
    weir_writer *writer;
    char url[128];
} sink;

static const char *const job_a = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char *const job_b = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static int begin(sink *s, const char *directory, const char *options, const char *job,
                 uint32_t subtask, uint32_t parallelism, uint32_t attempt)
{
    snprintf(s->url, sizeof s->url, "file:%s%s", directory, options);
    if (harness_open(&s->h, s->url, TWO, true) != 0)
        fail_msg("%s", s->h.err.text);
    s->h.context.job_id = job;
    s->h.context.subtask = subtask;
    s->h.context.parallelism = parallelism;
    s->h.context.attempt = attempt;
    s->writer = NULL;
    return s->h.connector->open_writer(&s->h.context, &s->writer, &s->h.err);
}

static void put(sink *s, const char *a, int32_t b, uint32_t count)
{
    weir_builder *builder = NULL;
    weir_batch *batch;
    weir_wait wait;

    assert_int_equal(weir_builder_new(s->h.schema, count, 1u << 30, &builder), 0);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(weir_builder_put_bytes(builder, 0, a, strlen(a)), 0);
        assert_int_equal(weir_builder_put_fixed(builder, 1, &b), 0);
        assert_int_equal(weir_builder_end_row(builder, INT64_MIN, WEIR_INSERT), 0);
    }
    batch = harness_batch(builder);
    assert_int_equal(
        s->writer->vtable->write(s->writer, weir_batch_columns(batch), &wait, &s->h.err), 0);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
}

static int finish(sink *s)
{
    weir_wait wait;
    int rc = s->writer->vtable->flush(s->writer, &wait, &s->h.err);

    return rc == 0 ? s->writer->vtable->finish(s->writer, &wait, &s->h.err) : rc;
}

static void end(sink *s)
{
    if (s->writer != NULL)
        s->writer->vtable->close(s->writer);
    harness_close(&s->h);
}

static void run(const char *directory, const char *options, const char *job, uint32_t subtask,
                uint32_t parallelism, const char *a)
{
    sink s;

    if (begin(&s, directory, options, job, subtask, parallelism, 1) != 0)
        fail_msg("%s", s.h.err.text);
    put(&s, a, 1, 1);
    if (finish(&s) != 0)
        fail_msg("%s", s.h.err.text);
    end(&s);
}

static void assert_file(const char *directory, const char *name, const char *wanted)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    char path[160];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(weir_file_exists(path), wanted != NULL);
    if (wanted != NULL) {
        assert_int_equal(weir_file_read(path, 1u << 20, &text, NULL), 0);
        assert_string_equal(weir_buffer_text(&text), wanted);
    }
    weir_buffer_deinit(&text);
}

static void parts_appear_when_they_are_whole(void **state)
{
    char directory[64], deep[96];
    sink s;

    (void)state;
    harness_directory(directory);
    snprintf(deep, sizeof deep, "%s/x/y", directory);
    assert_int_equal(begin(&s, deep, "?header=true", job_a, 2, 3, 1), 0);
    put(&s, "q,", 1, 2);
    assert_file(deep, "part-2-0.csv", NULL);
    assert_file(deep, ".part-2-0.1.inprogress", "");
    assert_int_equal(finish(&s), 0);
    end(&s);
    assert_file(deep, "part-2-0.csv", "a,b\n\"q,\",1\n\"q,\",1\n");
    assert_file(deep, ".part-2-0.1.inprogress", NULL);
    assert_int_equal(begin(&s, deep, "?format=json", job_a, 1, 3, 1), 0);
    assert_int_equal(finish(&s), 0);
    end(&s);
    assert_file(deep, "part-1-0.json", "");
    assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
}

static void what_is_not_finished_disappears(void **state)
{
    char directory[64];
    sink s;

    (void)state;
    harness_directory(directory);
    assert_int_equal(begin(&s, directory, "", job_a, 0, 1, 1), 0);
    put(&s, "x", 1, 100000);
    end(&s);
    assert_file(directory, "part-0-0.csv", NULL);
    assert_file(directory, ".part-0-0.1.inprogress", NULL);
    assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
}

static void another_runs_parts_are_safe(void **state)
{
    char directory[64];
    sink s;

    (void)state;
    harness_directory(directory);
    run(directory, "", job_a, 0, 3, "a0");
    run(directory, "", job_a, 1, 3, "a1");
    run(directory, "", job_a, 2, 3, "a2");
    assert_int_equal(begin(&s, directory, "", job_b, 0, 1, 1), WEIR_EEXISTS);
    assert_non_null(strstr(s.h.err.text, "earlier run"));
    assert_non_null(strstr(s.h.err.text, "overwrite=true"));
    end(&s);
    assert_int_equal(begin(&s, directory, "", job_b, 1, 4, 1), WEIR_EEXISTS);
    end(&s);
    assert_int_equal(begin(&s, directory, "", job_b, 3, 4, 1), 0); /* no part 3 yet */
    end(&s);
    /* With overwrite the old parts stay until the new ones are whole. */
    assert_int_equal(begin(&s, directory, "?overwrite=true&format=json", job_b, 0, 2, 1), 0);
    assert_file(directory, "part-0-0.csv", "a0,1\n");
    assert_int_equal(finish(&s), 0);
    end(&s);
    assert_file(directory, "part-0-0.csv", NULL);
    assert_file(directory, "part-0-0.json", "");
    assert_file(directory, "part-1-0.csv", "a1,1\n"); /* subtask 1 looks after it */
    assert_file(directory, "part-2-0.csv", NULL);
    assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
}

static void later_attempts_replace_earlier_ones(void **state)
{
    char directory[64], path[128];
    sink s;

    (void)state;
    harness_directory(directory);
    run(directory, "", job_a, 0, 2, "first");
    snprintf(path, sizeof path, "%s/.part-0-0.1.inprogress", directory);
    harness_write_file(path, "x", 1);
    assert_int_equal(begin(&s, directory, "", job_a, 0, 2, 2), 0);
    assert_file(directory, ".part-0-0.1.inprogress", NULL);
    put(&s, "second", 2, 1);
    assert_int_equal(finish(&s), 0);
    end(&s);
    assert_file(directory, "part-0-0.csv", "second,2\n");
    assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
}

static void a_second_writer_is_noticed(void **state)
{
    char directory[64], path[128];
    sink s;

    (void)state;
    harness_directory(directory);
    assert_int_equal(begin(&s, directory, "", job_a, 0, 1, 1), 0);
    snprintf(path, sizeof path, "%s/.part-0-0.1.inprogress", directory);
    assert_int_equal(unlink(path), 0);
    harness_write_file(path, "theirs", 6);
    assert_int_equal(finish(&s), WEIR_ESTALE);
    end(&s);
    assert_file(directory, ".part-0-0.1.inprogress", "theirs");
    assert_file(directory, "part-0-0.csv", NULL);
    assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
}

static void disk_errors_are_reported(void **state)
{
    char directory[64];
    sink s;

    (void)state;
    harness_directory(directory);
    assert_int_equal(begin(&s, directory, "", job_a, 0, 1, 1), 0);
    put(&s, "x", 1, 10);
    weir_file_fail_at(1, 28 /* ENOSPC */);
    assert_int_equal(finish(&s), WEIR_ENO_SPACE);
    weir_file_fail_at(0, 0);
    assert_non_null(strstr(s.h.err.text, ".part-0-0.1.inprogress"));
    end(&s);
    assert_file(directory, "part-0-0.csv", NULL);
    assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
}

static void a_file_is_no_directory(void **state)
{
    char directory[64], path[128];
    sink s;

    (void)state;
    harness_directory(directory);
    snprintf(path, sizeof path, "%s/f", directory);
    harness_write_file(path, "x", 1);
    assert_int_equal(begin(&s, path, "", job_a, 0, 1, 1), WEIR_EINVALID);
    assert_non_null(strstr(s.h.err.text, "is a file"));
    end(&s);
    assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
}

/* What the sink writes the source reads. */
static void csv_reads_back(void **state)
{
    weir_buffer rows = WEIR_BUFFER_INIT;
    char directory[64], url[160];
    harness h;

    (void)state;
    harness_directory(directory);
    run(directory, "?header=true", job_a, 0, 2, "p\"q\r");
    run(directory, "?header=true", job_a, 1, 2, "r\ns");
    snprintf(url, sizeof url, "file:%s?header=true&multiline=true", directory);
    assert_int_equal(harness_open(&h, url, TWO, false), 0);
    if (harness_read_all(&h, 10, &rows) != 0)
        fail_msg("%s", h.err.text);
    assert_string_equal(weir_buffer_text(&rows),
                        "{\"a\":\"p\\\"q\\r\",\"b\":1}\n{\"a\":\"r\\ns\",\"b\":1}\n");
    weir_buffer_deinit(&rows);
    harness_close(&h);
    assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_appear_when_they_are_whole),
        cmocka_unit_test(what_is_not_finished_disappears),
        cmocka_unit_test(another_runs_parts_are_safe),
        cmocka_unit_test(later_attempts_replace_earlier_ones),
        cmocka_unit_test(a_second_writer_is_noticed),
        cmocka_unit_test(disk_errors_are_reported),
        cmocka_unit_test(a_file_is_no_directory),
        cmocka_unit_test(csv_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
