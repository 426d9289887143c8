/* The slot: a whole job through real operators, connectors and channels, in any order of turns. */
#include "slot_job.h"

#include <unistd.h>

static const char *words[] = {"weir", "the", "of", "and", "stream",
                              "a",    "to",  "in", "dam", "river"};

static char *make_text(const char *path, uint64_t seed, uint32_t lines, uint32_t *counts)
{
    weir_prng prng = {seed};
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    memset(counts, 0, WEIR_COUNT(words) * sizeof *counts);
    for (uint32_t i = 0; i < lines; i++) {
        uint64_t n = weir_prng_below(&prng, 12);
        for (uint64_t w = 0; w < n; w++) {
            uint64_t which = weir_prng_below(&prng, WEIR_COUNT(words));
            counts[which]++;
            fprintf(file, "%s%s", words[which], w + 1 < n ? " " : "");
        }
        fputc('\n', file);
    }
    fclose(file);
    return NULL;
}

static void check_counts(const char *printed, const uint32_t *counts)
{
    uint32_t found = 0;

    for (size_t w = 0; w < WEIR_COUNT(words); w++) {
        char line[128];
        snprintf(line, sizeof line, "%s,%u\n", words[w], counts[w]);
        const char *at = printed;
        while ((at = strstr(at, line)) && at != printed && at[-1] != '\n')
            at++;
        if (counts[w] && !at)
            fail_msg("no line '%s' in:\n%s", line, printed);
        found += counts[w] > 0;
    }
    uint32_t lines = 0;
    for (const char *at = printed; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, found);
}

static void run_wordcount(uint64_t seed, uint32_t parallelism, bool chaining)
{
    char path[] = "/tmp/weir-slot-XXXXXX", url[128];
    uint32_t counts[WEIR_COUNT(words)];
    slot_job job;

    close(mkstemp(path));
    make_text(path, seed, 3000, counts);
    snprintf(url, sizeof url, "file:%s?split-size=3kb", path);
    weir_graph_option params[] = {{"input", url}, {"output", "print:?format=csv"}};
    job_open(&job, WEIR_EXAMPLES_DIR "/wordcount.so", params, 2, parallelism, chaining, seed);
    job_start(&job);
    job_run(&job);
    if (job.error.code)
        fail_msg("seed %lu: %s", (unsigned long)seed, job.error.text);
    uint32_t subtasks = 0;
    for (uint32_t t = 0; t < job.plan->ntasks; t++)
        subtasks += job.plan->tasks[t].parallelism;
    assert_int_equal(job.finished, subtasks);
    check_counts(job.printed ? job.printed : "", counts);
    job_close(&job);
    unlink(path);
}

static void test_wordcount_is_exact_in_any_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++)
        run_wordcount(seed, 1 + (uint32_t)(seed % 5), seed % 3 != 0);
}

static void test_a_lost_batch_fails_the_job(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-slot-XXXXXX", url[128];
    uint32_t counts[WEIR_COUNT(words)];
    slot_job job;

    close(mkstemp(path));
    make_text(path, 5, 500, counts);
    snprintf(url, sizeof url, "file:%s?split-size=1kb", path);
    weir_graph_option params[] = {{"input", url}, {"output", "print:?format=csv"}};
    job_open(&job, WEIR_EXAMPLES_DIR "/wordcount.so", params, 2, 3, true, 5);
    job.lose_a_frame = true;
    job_start(&job);
    job_run(&job);
    assert_true(job.failed > 0);
    assert_int_equal(job.error.code, WEIR_ECORRUPT);
    for (uint32_t s = 0; s < job.plan->slots; s++)
        weir_slot_cancel(job.slots[s].slot);
    assert_int_equal(job.failed + job.finished + job.canceled, job.plan->ntasks * 3);
    job_close(&job);
    unlink(path);
}

static void test_cancel_ends_every_subtask(void **state)
{
    (void)state;
    slot_job job;
    weir_graph_option params[] = {{"input", "datagen:?rows=0&length=4"}, {"output", "blackhole:"}};

    job_open(&job, WEIR_EXAMPLES_DIR "/wordcount.so", params, 2, 4, true, 9);
    job_start(&job);
    for (int i = 0; i < 200; i++)
        job_step(&job);
    assert_int_equal(job.finished, 0);
    for (uint32_t s = 0; s < job.plan->slots; s++) {
        weir_slot_cancel(job.slots[s].slot);
        assert_true(weir_slot_is_done(job.slots[s].slot));
    }
    assert_int_equal(job.canceled, job.plan->ntasks * 4);
    job_close(&job);
}

/* Its job's other slots may take a while to open: a wait that ends at once would keep a core busy.
 */
static void test_a_slot_that_is_not_started_waits_for_nothing(void **state)
{
    weir_graph_option params[] = {{"input", "file:/etc/hosts"}, {"output", "print:"}};
    slot_job job;
    int fds[4];
    int64_t at_ms;
    (void)state;

    job_open(&job, WEIR_EXAMPLES_DIR "/wordcount.so", params, 2, 2, true, 1);
    for (uint32_t s = 0; s < 2; s++) {
        assert_false(weir_slot_turn(job.slots[s].slot));
        assert_int_equal(weir_slot_wait(job.slots[s].slot, fds, 4, &at_ms), 0);
        assert_int_equal(at_ms, INT64_MAX);
    }
    job_close(&job);
}

static void test_a_missing_file_is_told(void **state)
{
    (void)state;
    slot_job job;
    weir_graph_option params[] = {{"input", "file:/nowhere/at/all"}, {"output", "print:"}};

    job_open(&job, WEIR_EXAMPLES_DIR "/wordcount.so", params, 2, 1, true, 1);
    job_start(&job);
    assert_int_equal(job.error.code, WEIR_ENOT_FOUND);
    assert_non_null(strstr(job.error.text, "/nowhere/at/all"));
    assert_non_null(strstr(job.error.text, "wordcount.c:"));
    job_close(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wordcount_is_exact_in_any_order),
        cmocka_unit_test(test_a_lost_batch_fails_the_job),
        cmocka_unit_test(test_cancel_ends_every_subtask),
        cmocka_unit_test(test_a_slot_that_is_not_started_waits_for_nothing),
        cmocka_unit_test(test_a_missing_file_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
