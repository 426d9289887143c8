/* Whole jobs that fail: each says where in the job, in which operator, why, and at which record. */
#include "job_check.h"

#include <unistd.h>

WEIR_RECORD(number, (bigint, sequence));
WEIR_RECORD(narrow, (char, text, WEIR_LENGTH(3)), (decimal, price, WEIR_PRECISION(3, 1)));
WEIR_RECORD(must, (bigint, sequence), (string, text));

static int call_line; /* of the call that makes the failing operator */
#define HERE(call) (call_line = __LINE__, (call))

static weir_stream *numbers(weir_env *env)
{
    return weir_source(env, "datagen:?rows=1000", number);
}

static int pass(weir_ctx *ctx, const void *record)
{
    return weir_emit(ctx, record);
}

static const weir_op passer = {WEIR_OP("pass", number, number), .on_record = pass};

/* Behind the failing operator there is more; what fails is told once, by who fails. */
static void finish(weir_stream *s)
{
    weir_sink(weir_process(weir_key_by(weir_process(s, &passer), "sequence"), &passer), CSV);
}

/* ---- in each kind of callback ---- */

static int fail_at_777(weir_ctx *ctx, const void *record)
{
    return ((const number *)record)->sequence == 777 ? weir_fail(ctx, "no %s today", "luck") : 0;
}

static int in_map(weir_ctx *ctx, const void *in, void *out)
{
    *(number *)out = *(const number *)in;
    return fail_at_777(ctx, in);
}

static bool in_filter(weir_ctx *ctx, const void *record)
{
    return fail_at_777(ctx, record) == 0;
}

static int in_record(weir_ctx *ctx, const void *record)
{
    (void)fail_at_777(ctx, record); /* the failure sticks, whatever is returned */
    return weir_emit(ctx, record) == 0 ? 0 : 0;
}

static int in_input(weir_ctx *ctx, uint32_t input, const void *record)
{
    return input == 1 ? fail_at_777(ctx, record) : weir_emit(ctx, record);
}

static int in_batch(weir_ctx *ctx, uint32_t input, const weir_columns *batch)
{
    (void)input;
    return weir_emit_columns(ctx, 0, batch, NULL, 0) == 0 ? weir_fail(ctx, "no luck today") : -1;
}

static int in_end(weir_ctx *ctx)
{
    return weir_subtask_index(ctx) == 0 ? weir_fail(ctx, "no luck today") : 0;
}

static int in_reduce(weir_ctx *ctx, void *accumulator, const void *record)
{
    (void)accumulator;
    return weir_fail(ctx, "no luck today, %s", record ? "record" : "");
}

static const weir_op record_op = {WEIR_OP("my op", number, number), .on_record = in_record};
static const weir_op batch_op = {WEIR_OP("my op", number, number), .on_batch = in_batch};
static const weir_op end_op = {WEIR_OP("my op", number, number), .on_record = pass,
                               .on_end = in_end};
static const weir_op input_op = {WEIR_OP("my op", number, number), .in2 = WEIR_TYPE(number),
                                 .on_input = in_input};
static const weir_op open_op = {WEIR_OP("my op", number, number), .open = in_end,
                                .on_record = pass};

static void build_map(weir_env *env)
{
    finish(HERE(weir_map(numbers(env), in_map, number, number)));
}

static void build_filter(weir_env *env)
{
    finish(HERE(weir_filter(numbers(env), in_filter, number)));
}

static void build_record(weir_env *env)
{
    finish(HERE(weir_process(numbers(env), &record_op)));
}

static void build_input(weir_env *env)
{
    finish(HERE(weir_process2(numbers(env), weir_rebalance(numbers(env)), &input_op)));
}

static void build_batch(weir_env *env)
{
    finish(HERE(weir_process(weir_key_by(numbers(env), "sequence"), &batch_op)));
}

static void build_end(weir_env *env)
{
    finish(HERE(weir_process(numbers(env), &end_op)));
}

static int to_one(weir_ctx *ctx, const void *in, void *out)
{
    (void)ctx;
    (void)in;
    ((number *)out)->sequence = 1;
    return 0;
}

static void build_reduce(weir_env *env)
{
    weir_stream *ones = weir_key_by(weir_map(numbers(env), to_one, number, number), "sequence");

    finish(HERE(weir_reduce(ones, in_reduce, number)));
}

static void build_open(weir_env *env)
{
    finish(HERE(weir_process(numbers(env), &open_op)));
}

/* ---- in what the callbacks do ---- */

static int number_without_text(weir_ctx *ctx, const void *record)
{
    (void)ctx;
    return ((const number *)record)->sequence == 777 ? 5 : 0;
}

static int to_nowhere(weir_ctx *ctx, const void *record)
{
    return ((const number *)record)->sequence == 777 ? weir_emit_to(ctx, 3, record) : 0;
}

static int too_long(weir_ctx *ctx, const void *in, void *out)
{
    (void)ctx;
    ((narrow *)out)->text = weir_text(((const number *)in)->sequence == 777 ? "long" : "l");
    return 0;
}

static int too_much(weir_ctx *ctx, const void *in, void *out)
{
    (void)ctx;
    ((narrow *)out)->text = weir_text("x");
    ((narrow *)out)->price.low = ((const number *)in)->sequence == 777 ? 1000 : 999;
    return 0;
}

static int emit_in_map(weir_ctx *ctx, const void *in, void *out)
{
    (void)out;
    return weir_emit(ctx, in);
}

static int emit_in_open(weir_ctx *ctx)
{
    number n = {1};
    return weir_emit(ctx, &n);
}

static const weir_op code_op = {WEIR_OP("my op", number, number), .on_record = number_without_text};
static const weir_op nowhere_op = {WEIR_OP("my op", number, number), .on_record = to_nowhere};
static const weir_op early_op = {WEIR_OP("my op", number, number), .open = emit_in_open,
                                 .on_record = pass};

static void build_code(weir_env *env)
{
    finish(HERE(weir_process(numbers(env), &code_op)));
}

static void build_nowhere(weir_env *env)
{
    finish(HERE(weir_process(numbers(env), &nowhere_op)));
}

static void build_too_long(weir_env *env)
{
    weir_sink(HERE(weir_map(numbers(env), too_long, number, narrow)), CSV);
}

static void build_too_much(weir_env *env)
{
    weir_sink(HERE(weir_map(numbers(env), too_much, number, narrow)), CSV);
}

static void build_emit_in_map(weir_env *env)
{
    finish(HERE(weir_map(numbers(env), emit_in_map, number, number)));
}

static void build_emit_in_open(weir_env *env)
{
    finish(HERE(weir_process(numbers(env), &early_op)));
}

/* ---- the checks ---- */

static uint32_t times_in(const char *text, const char *part)
{
    uint32_t times = 0;

    for (; (text = strstr(text, part)); text++)
        times++;
    return times;
}

static void check_failure(void (*build)(weir_env *), uint64_t seed, int code, const char *name,
                          const char *why, const char *record)
{
    job_options options = job_defaults(build);
    char where[64];
    slot_job job;

    options.parallelism = seed % 2 ? 1 : 3;
    options.chaining = seed / 2 % 2;
    options.runtime_mode = seed / 4 % 2;
    options.seed = seed;
    if (job_try_open(&job, &options) == 0) {
        job_start(&job);
        job_run(&job);
    }
    snprintf(where, sizeof where, "test_jobs_failures.c:%d: %s: ", call_line, name);
    if (job.error.code != code || job.failed == 0 || !strstr(job.error.text, where) ||
        !strstr(job.error.text, why) || (record && !strstr(job.error.text, record)) ||
        times_in(job.error.text, "test_jobs_failures.c:") != 1)
        fail_msg("seed %lu: code %d, %u failed, '%s' instead of '%s', '%s', '%s'",
                 (unsigned long)seed, job.error.code, job.failed, job.error.text, where, why,
                 record ? record : "");
    for (uint32_t s = 0; s < job.plan->slots; s++)
        if (job.slots[s].slot)
            weir_slot_cancel(job.slots[s].slot);
    job_close(&job);
}

static void test_weir_fail_in_each_callback(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        check_failure(build_map, seed, WEIR_EUSER, "in_map", "no luck today", "{sequence=777}");
        check_failure(build_filter, seed, WEIR_EUSER, "in_filter", "no luck today",
                      "{sequence=777}");
        check_failure(build_record, seed, WEIR_EUSER, "my op", "no luck today", "{sequence=777}");
        check_failure(build_input, seed, WEIR_EUSER, "my op", "no luck today", "{sequence=777}");
        check_failure(build_batch, seed, WEIR_EUSER, "my op", "no luck today", NULL);
        check_failure(build_end, seed, WEIR_EUSER, "my op", "no luck today", NULL);
        check_failure(build_reduce, seed, WEIR_EUSER, "reduce", "no luck today, record",
                      "{sequence=1}");
        check_failure(build_open, seed, WEIR_EUSER, "my op", "no luck today", NULL);
    }
}

static void test_wrong_uses_of_the_api(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        check_failure(build_code, seed, WEIR_EUSER, "my op", "returned 5", "{sequence=777}");
        check_failure(build_nowhere, seed, WEIR_EUSER, "my op", "output 3", "{sequence=777}");
        check_failure(build_too_long, seed, WEIR_EINVALID, "too_long", "longer", "{sequence=777}");
        check_failure(build_too_much, seed, WEIR_EINVALID, "too_much", "digits", "{sequence=777}");
        check_failure(build_emit_in_map, seed, WEIR_EUSER, "emit_in_map", "weir_emit",
                      "{sequence=");
        check_failure(build_emit_in_open, seed, WEIR_EUSER, "my op", "weir_emit", NULL);
    }
}

/* ---- close ---- */

static uint32_t closed;

static int fail_close(weir_ctx *ctx)
{
    closed++;
    return weir_fail(ctx, "the door is stuck");
}

static int emit_close(weir_ctx *ctx)
{
    number n = {1};
    closed++;
    return weir_emit(ctx, &n);
}

static const weir_op stuck_op = {WEIR_OP("my op", number, number), .on_record = pass,
                                 .close = fail_close};
static const weir_op late_op = {WEIR_OP("my op", number, number), .on_record = pass,
                                .close = emit_close};
static const weir_op unopened_op = {WEIR_OP("my op", number, number), .open = in_end,
                                    .on_record = pass, .close = fail_close};

static void build_stuck(weir_env *env)
{
    finish(HERE(weir_process(numbers(env), &stuck_op)));
}

static void build_late(weir_env *env)
{
    finish(HERE(weir_process(numbers(env), &late_op)));
}

static void build_unopened(weir_env *env)
{
    finish(HERE(weir_process(numbers(env), &unopened_op)));
}

static void check_close(void (*build)(weir_env *), const char *why)
{
    for (uint32_t p = 1; p <= 3; p++) {
        job_options options = job_defaults(build);
        slot_job job;

        options.parallelism = p;
        closed = 0;
        job_finish(&job, &options, 0);
        assert_int_equal(closed, p);
        assert_non_null(strstr(job.log, why));
        assert_non_null(strstr(job.log, "my op"));
        job_lines lines = job_lines_of(job.printed, false);
        assert_int_equal(lines.count, 1000); /* close emits nothing */
        job_lines_free(&lines);
        job_close(&job);
    }
}

static void test_a_failing_close_is_logged(void **state)
{
    (void)state;
    check_close(build_stuck, "the door is stuck");
    check_close(build_late, "weir_emit");
}

static void test_what_did_not_open_is_not_closed(void **state)
{
    (void)state;
    closed = 0;
    check_failure(build_unopened, 1, WEIR_EUSER, "my op", "no luck today", NULL);
    assert_int_equal(closed, 0);
}

/* Opened and then cancelled or failed elsewhere: closed all the same, once. */
static void test_close_is_called_after_a_failure_elsewhere(void **state)
{
    (void)state;
    for (int failed = 0; failed < 2; failed++) {
        job_options options = job_defaults(build_stuck);
        weir_error error = {WEIR_EIO, "a connection broke"};
        slot_job job;

        options.parallelism = 3;
        closed = 0;
        assert_int_equal(job_try_open(&job, &options), 0);
        job_start(&job);
        for (int i = 0; i < 20; i++)
            job_step(&job);
        for (uint32_t s = 0; s < 3; s++) {
            if (failed)
                weir_slot_fail(job.slots[s].slot, &error);
            else
                weir_slot_cancel(job.slots[s].slot);
            assert_true(weir_slot_is_done(job.slots[s].slot));
        }
        assert_int_equal(closed, 3);
        job_close(&job);
        assert_int_equal(closed, 3);
    }
}

/* ---- a source that finds a bad row ---- */

static void build_bad_file(weir_env *env)
{
    weir_sink(HERE(weir_source(env, "file:${file}?split-size=100", must)), CSV);
}

static void test_a_bad_row_is_told_with_its_place(void **state)
{
    char path[] = "/tmp/weir-bad-XXXXXX.csv";
    weir_graph_option params[] = {{"file", path}};
    (void)state;

    close(mkstemps(path, 4));
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 500; i++)
        fprintf(file, i == 400 ? "4oo,text\n" : "%d,text\n", i);
    fclose(file);
    for (uint64_t seed = 1; seed < 5; seed++) {
        job_options options = job_defaults(build_bad_file);
        slot_job job;

        options.params = params;
        options.nparams = 1;
        options.parallelism = seed % 2 ? 1 : 3;
        options.chaining = seed / 2;
        assert_int_equal(job_try_open(&job, &options), 0);
        job_start(&job);
        job_run(&job);
        assert_true(job.failed > 0);
        if (!strstr(job.error.text, "test_jobs_failures.c:") || !strstr(job.error.text, path) ||
            !strstr(job.error.text, "4oo") || !strstr(job.error.text, "byte 3490"))
            fail_msg("%s", job.error.text);
        job_close(&job);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weir_fail_in_each_callback),
        cmocka_unit_test(test_wrong_uses_of_the_api),
        cmocka_unit_test(test_a_failing_close_is_logged),
        cmocka_unit_test(test_what_did_not_open_is_not_closed),
        cmocka_unit_test(test_close_is_called_after_a_failure_elsewhere),
        cmocka_unit_test(test_a_bad_row_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
