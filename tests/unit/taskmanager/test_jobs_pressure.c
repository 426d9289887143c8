/* Whole jobs under pressure: sinks that are not ready, windows of a byte, cancels at any point,
 * memory that ends. Rows come exactly once and in order, or the job fails and says so; nothing is
 * left. */
#include "job_check.h"

#include <unistd.h>

WEIR_RECORD(number, (bigint, sequence));
WEIR_RECORD(wide, (integer, tag), (bigint, n), (string, text));
WEIR_RECORD(wide_count, (string, text), (bigint, count));

static char filler[400];
static int64_t copies = 1;

static int widen(weir_ctx *ctx, int32_t tag, const void *record)
{
    int rc = 0;

    for (int64_t i = 0; rc == 0 && i < copies; i++) {
        wide w = {tag, ((const number *)record)->sequence * copies + i, {filler, 300}};
        rc = weir_emit(ctx, &w);
    }
    return rc;
}

static int widen_1(weir_ctx *ctx, const void *record)
{
    return widen(ctx, 1, record);
}

static int widen_2(weir_ctx *ctx, const void *record)
{
    return widen(ctx, 2, record);
}

static int pass(weir_ctx *ctx, const void *record)
{
    return weir_emit(ctx, record);
}

static const weir_op widener_1 = {WEIR_OP("widen 1", number, wide), .on_record = widen_1};
static const weir_op widener_2 = {WEIR_OP("widen 2", number, wide), .on_record = widen_2};
static const weir_op passer = {WEIR_OP("pass", number, number), .on_record = pass};

/* ---- order and number ---- */

/* Each tag's rows are 0 to rows - 1, each `times` times and in order when `ordered`. */
static void check_rows(const slot_job *job, uint32_t tags, uint32_t rows, uint32_t times,
                       bool ordered)
{
    job_lines lines = job_lines_of(job->printed, false);
    uint8_t *seen = calloc(tags + 1, rows);
    long last[8] = {-1, -1, -1, -1, -1, -1, -1, -1};

    assert_int_equal(lines.count, tags * rows * times);
    for (uint32_t i = 0; i < lines.count; i++) {
        unsigned tag;
        long n;
        assert_int_equal(sscanf(lines.at[i], "%u,%ld,", &tag, &n), 2);
        assert_true(tag >= 1 && tag <= tags && n >= 0 && n < (long)rows);
        assert_true(!ordered || n == last[tag] + 1);
        last[tag] = n;
        seen[tag * rows + (uint32_t)n]++;
    }
    for (uint32_t i = rows; i < (tags + 1) * rows; i++)
        assert_int_equal(seen[i], times);
    free(seen);
    job_lines_free(&lines);
}

/* Two sinks in one chain, each with its own pace, and one behind an exchange. */
static void build_two_sinks(weir_env *env)
{
    weir_stream *numbers = weir_source(env, "datagen:?rows=1200", number);

    weir_sink(weir_process(numbers, &widener_1), CSV);
    weir_sink(weir_rebalance(weir_process(numbers, &widener_2)), CSV);
}

static void run_refused(void (*build)(weir_env *), uint32_t tags, uint32_t rows, uint64_t seed)
{
    job_options options = job_defaults(build);
    slot_job job;

    options.parallelism = seed % 2 ? 1 : 3;
    options.chaining = seed / 2 % 2;
    options.seed = seed;
    options.window = seed % 3 == 0 ? 1 : 0;
    options.batch_rows = seed % 5 == 0 ? 1 : 50;
    options.batch_bytes = 20000;
    job_finish(&job, &options, seed % 3 == 2 ? 99 : 80);
    check_rows(&job, tags, rows, 1, options.parallelism == 1);
    job_close(&job);
}

static void test_sinks_that_are_not_ready(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 16; seed++)
        run_refused(build_two_sinks, 2, 1200, seed);
}

static void build_burst(weir_env *env)
{
    weir_stream *numbers = weir_source(env, "datagen:?rows=3", number);

    weir_sink(weir_process(numbers, &widener_1), CSV);
}

static void test_a_burst_into_a_sink_that_is_not_ready(void **state)
{
    (void)state;
    copies = 2000;
    for (uint64_t seed = 1; seed <= 8; seed++)
        run_refused(build_burst, 1, 6000, seed);
    copies = 1;
}

static int burst_at_end(weir_ctx *ctx)
{
    number n = {0};

    copies = 2000;
    int rc = weir_subtask_index(ctx) == 0 ? widen(ctx, 1, &n) : 0;
    copies = 1;
    return rc;
}

static int swallow(weir_ctx *ctx, const void *record)
{
    (void)ctx;
    (void)record;
    return 0;
}

static int pass_wide(weir_ctx *ctx, const void *record)
{
    return weir_emit(ctx, record);
}

static const weir_op ender = {WEIR_OP("end", number, wide), .on_record = swallow,
                              .on_end = burst_at_end};
static const weir_op pass_on = {WEIR_OP("pass on", wide, wide), .on_record = pass_wide};

static void build_burst_at_end(weir_env *env)
{
    weir_stream *burst = weir_process(weir_source(env, "datagen:?rows=3", number), &ender);

    weir_sink(weir_process(burst, &pass_on), CSV);
}

static void test_a_burst_at_the_end(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++)
        run_refused(build_burst_at_end, 1, 2000, seed);
}

/* A sink that never gets ready: what waits for it is bounded, and then told. */
static void test_too_many_rows_for_a_sink_that_is_not_ready(void **state)
{
    job_options options = job_defaults(build_burst);
    slot_job job;
    (void)state;

    copies = 250000;
    assert_int_equal(job_try_open(&job, &options), 0);
    job.print_refusals = 100;
    job_start(&job);
    for (int i = 0; i < 100 && job.error.code == 0; i++)
        job_step(&job);
    copies = 1;
    assert_int_equal(job.error.code, WEIR_ETOO_LARGE);
    if (!strstr(job.error.text, "test_jobs_pressure.c:") || !strstr(job.error.text, "sink print") ||
        !strstr(job.error.text, "not ready"))
        fail_msg("%s", job.error.text);
    job_close(&job);
}

/* ---- one record becomes many ---- */

WEIR_RECORD(part, (bigint, n), (string, text));

static int explode(weir_ctx *ctx, const void *record)
{
    int rc = 0;

    for (int64_t i = 0; rc == 0 && i < 100000; i++) {
        part p = {.n = i + ((const number *)record)->sequence, .text = weir_text("a part")};
        rc = weir_emit(ctx, &p);
    }
    return rc;
}

static const weir_op exploder = {WEIR_OP("explode", number, part), .on_record = explode};
static const weir_op pass_part = {WEIR_OP("pass", part, part), .on_record = pass};

static void build_explosion(weir_env *env)
{
    weir_stream *parts = weir_process(weir_source(env, "datagen:?rows=1", number), &exploder);

    weir_sink(weir_process(weir_key_by(parts, "n"), &pass_part), CSV);
}

static void test_100000_rows_of_one_record(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    job_options options = job_defaults(build_explosion);
    (void)state;

    for (int i = 0; i < 100000; i++)
        fprintf(out, "%d,a part\n", i);
    fclose(out);
    check_job(&options, right.bytes);
    options.parallelism = 3;
    options.window = 1000;
    check_job(&options, right.bytes);
    options.chaining = false;
    check_job(&options, right.bytes);
    free(right.bytes);
}

/* What one record makes must fit the memory for what waits: the record is named. */
static void test_more_output_than_memory_names_the_record(void **state)
{
    job_options options = job_defaults(build_explosion);
    slot_job job;
    (void)state;

    options.parallelism = 2;
    options.window = 1000;
    options.overdraft_max = 100000;
    assert_int_equal(job_try_open(&job, &options), 0);
    job_start(&job);
    job_run(&job);
    assert_int_equal(job.error.code, WEIR_ETOO_LARGE);
    if (!strstr(job.error.text, "more output than there is memory for") ||
        !strstr(job.error.text, "{sequence=0}") ||
        !strstr(job.error.text, "taskmanager.memory.network.size"))
        fail_msg("%s", job.error.text);
    job_close(&job);
}

/* Rows that are larger than a batch should be, and than a window. */
static int enlarge(weir_ctx *ctx, const void *record)
{
    int64_t n = ((const number *)record)->sequence;
    size_t size = (size_t)(n % 5) * 700000 + 1;
    char *text = malloc(size);

    memset(text, 'a' + (int)(n % 26), size);
    part p = {n, {text, (uint32_t)size}};
    int rc = weir_emit(ctx, &p);
    free(text);
    return rc;
}

static int measure(weir_ctx *ctx, const void *record)
{
    const part *in = record;
    number size = {in->text.n};

    for (uint32_t i = 0; i < in->text.n; i++)
        if (in->text.p[i] != 'a' + (char)(in->n % 26))
            return weir_fail(ctx, "byte %u is wrong", i);
    return weir_emit(ctx, &size);
}

static const weir_op enlarger = {WEIR_OP("enlarge", number, part), .on_record = enlarge};
static const weir_op measurer = {WEIR_OP("measure", part, number), .on_record = measure};

static void build_large_rows(weir_env *env)
{
    weir_stream *large = weir_process(weir_source(env, "datagen:?rows=20", number), &enlarger);

    weir_sink(weir_process(weir_rebalance(weir_process(weir_key_by(large, "text"), &pass_part)),
                           &measurer),
              CSV);
}

static void test_rows_of_megabytes(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    job_options options = job_defaults(build_large_rows);
    (void)state;

    for (int i = 0; i < 20; i++)
        fprintf(out, "%d\n", i % 5 * 700000 + 1);
    fclose(out);
    check_job(&options, right.bytes);
    options.parallelism = 3;
    check_job(&options, right.bytes);
    options.window = 1;
    options.chaining = false;
    check_job(&options, right.bytes);
    free(right.bytes);
}

/* ---- backpressure ---- */

static void build_pipeline(weir_env *env)
{
    weir_stream *numbers = weir_source(env, "datagen:?rows=500", number);
    weir_stream *keyed = weir_process(weir_key_by(numbers, "sequence"), &passer);
    weir_stream *all = weir_process(weir_broadcast(keyed), &widener_1);
    weir_stream *other = weir_process(weir_rebalance(keyed), &widener_2);
    weir_stream *one = weir_parallelism(weir_process(weir_rebalance(other), &pass_on), 1);

    weir_sink(all, "blackhole:");
    weir_sink(one, CSV);
}

static void test_windows_of_any_size(void **state)
{
    const uint32_t windows[] = {1, 63, 64, 65, 500, 2000, 100000};
    (void)state;

    for (uint64_t seed = 0; seed < 28; seed++) {
        job_options options = job_defaults(build_pipeline);
        slot_job job;

        options.window = windows[seed % 7];
        options.batch_rows = seed % 3 ? 20 : 1;
        options.parallelism = seed % 2 ? 1 : 3;
        options.chaining = seed / 2 % 2;
        options.seed = seed;
        job_finish(&job, &options, 0);
        job_lines lines = job_lines_of(job.printed, false);
        assert_int_equal(lines.count, 500);
        job_lines_free(&lines);
        job_close(&job);
    }
}

static void build_keyed(weir_env *env)
{
    weir_stream *numbers = weir_source(env, "datagen:?rows=100000", number);

    weir_sink(weir_key_by(numbers, "sequence"), "blackhole:");
}

/* A slot that has nothing to do sends what it has gathered, but not when all it waits for is
 * credit: its batches would become ever smaller, and the credit for them ever later. */
static void test_waiting_for_credit_does_not_cut_batches(void **state)
{
    job_options options = job_defaults(build_keyed);
    slot_job job;
    (void)state;

    options.window = 4096;
    options.batch_rows = 1000;
    options.batch_bytes = 2048; /* some 200 rows */
    options.parallelism = 8;
    assert_int_equal(job_try_open(&job, &options), 0);
    job_start(&job);
    for (int round = 0; round < 10000 && job.finished < job_subtasks(&job); round++) {
        uint32_t s = (uint32_t)round % 8; /* each runs until it can no more, in no time */
        for (uint32_t from = 0; from < 8; from++) {
            for (weir_frame *frame; (frame = job.first[from][s]) != NULL;) {
                job.first[from][s] = frame->next;
                if (!frame->next)
                    job.last[from][s] = NULL;
                weir_slot_receive(job.slots[s].slot, frame);
            }
        }
        while (weir_slot_turn(job.slots[s].slot))
            continue;
    }
    assert_int_equal(job.finished, job_subtasks(&job));
    /* 7 of 8 rows go to another slot, in batches of 150 and more, and credit for each comes back.
     */
    assert_true(job.frames < 2 * (100000 * 7 / 8 / 150) + 3 * 64);
    job_close(&job);
}

/* A source without end and a slow sink: what is under way stays bounded. */
static void build_endless(weir_env *env)
{
    weir_stream *numbers = weir_source(env, "datagen:?rows=0", number);
    weir_stream *wide_ones = weir_process(weir_key_by(numbers, "sequence"), &widener_1);

    weir_sink(weir_rebalance(wide_ones), CSV);
}

static void test_backpressure_reaches_the_source(void **state)
{
    (void)state;
    for (int chaining = 0; chaining < 2; chaining++) {
        job_options options = job_defaults(build_endless);
        weir_subtask_progress progress[8];
        uint64_t counter, made[2] = {0, 0};
        bool idle;
        slot_job job;

        options.parallelism = 3;
        options.chaining = chaining;
        assert_int_equal(job_try_open(&job, &options), 0);
        job.print_refusals = 100;
        job_start(&job);
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < 20000; i++)
                job_step(&job);
            for (uint32_t s = 0; s < 3; s++) {
                size_t n = weir_slot_progress(job.slots[s].slot, progress, 8, &counter, &idle);
                for (size_t t = 0; t < n; t++)
                    made[round] += progress[t].task == 0 ? progress[t].records_in : 0;
            }
        }
        assert_true(made[0] > 100 && made[0] == made[1]);
        for (uint32_t s = 0; s < 3; s++)
            weir_slot_cancel(job.slots[s].slot);
        job_close(&job);
    }
}

/* ---- cancel ---- */

static void build_all_kinds(weir_env *env)
{
    weir_stream *numbers = weir_source(env, "datagen:?rows=0", number);
    weir_stream *wide_ones = weir_process(weir_rebalance(numbers), &widener_1);

    weir_sink(weir_count(weir_key_by(wide_ones, "text"), wide_count), CSV);
    weir_sink(weir_union(wide_ones, weir_broadcast(wide_ones)), CSV);
}

static void test_a_cancel_at_any_point_leaves_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        job_options options = job_defaults(build_all_kinds);
        weir_prng prng = {seed};
        slot_job job;

        options.parallelism = 1 + (uint32_t)(seed % 3);
        options.chaining = seed / 2 % 2;
        options.seed = seed;
        assert_int_equal(job_try_open(&job, &options), 0);
        job.print_refusals = seed % 4 ? 0 : 90;
        if (seed % 10)
            job_start(&job);
        for (uint64_t i = weir_prng_below(&prng, 300); i > 0; i--)
            job_step(&job);
        for (uint32_t s = 0; s < job.plan->slots; s++) {
            weir_slot_cancel(job.slots[s].slot);
            for (uint64_t i = weir_prng_below(&prng, 10); i > 0; i--)
                job_step(&job); /* the others run on for a while */
        }
        assert_int_equal(job.canceled, job_subtasks(&job));
        assert_int_equal(job.error.code, 0);
        job_run(&job);
        for (uint32_t s = 0; s < job.plan->slots; s++)
            assert_true(weir_slot_is_done(job.slots[s].slot));
        job_close(&job);
    }
}

int main(void)
{
    memset(filler, 'f', sizeof filler);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sinks_that_are_not_ready),
        cmocka_unit_test(test_a_burst_into_a_sink_that_is_not_ready),
        cmocka_unit_test(test_a_burst_at_the_end),
        cmocka_unit_test(test_too_many_rows_for_a_sink_that_is_not_ready),
        cmocka_unit_test(test_100000_rows_of_one_record),
        cmocka_unit_test(test_more_output_than_memory_names_the_record),
        cmocka_unit_test(test_rows_of_megabytes),
        cmocka_unit_test(test_windows_of_any_size),
        cmocka_unit_test(test_waiting_for_credit_does_not_cut_batches),
        cmocka_unit_test(test_backpressure_reaches_the_source),
        cmocka_unit_test(test_a_cancel_at_any_point_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
