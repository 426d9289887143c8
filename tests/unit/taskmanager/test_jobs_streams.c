/* Whole jobs: how streams are joined and spread, and what travels with their rows. */
#include "job_check.h"

#define ROWS  600
#define ROWS_ "600"

WEIR_RECORD(number, (bigint, sequence));
WEIR_RECORD(seen, (integer, tag), (integer, subtask), (bigint, n));
WEIR_RECORD(stamped, (bigint, n), (bigint, at), (integer, kind));

#define NUMBERS(env) weir_source(env, "datagen:?rows=" ROWS_, number)

static const weir_api *running(weir_ctx *ctx)
{
    return ctx->api;
}

/* Adds where a row came by: the operator's tag is its name. */
static int see_as(weir_ctx *ctx, int32_t tag, const void *record)
{
    seen s = {tag, (int32_t)weir_subtask_index(ctx), ((const number *)record)->sequence};
    return weir_emit(ctx, &s);
}

static int see_1(weir_ctx *ctx, const void *record)
{
    return see_as(ctx, 1, record);
}

static int see_2(weir_ctx *ctx, const void *record)
{
    return see_as(ctx, 2, record);
}

static int see_parallelism(weir_ctx *ctx, const void *record)
{
    return see_as(ctx, (int32_t)running(ctx)->parallelism(ctx), record);
}

static const weir_op seer_1 = {WEIR_OP("see 1", number, seen), .on_record = see_1};
static const weir_op seer_2 = {WEIR_OP("see 2", number, seen), .on_record = see_2};
static const weir_op seer_p = {WEIR_OP("see p", number, seen), .on_record = see_parallelism};

static int pass(weir_ctx *ctx, const void *record)
{
    return weir_emit(ctx, record);
}

static const weir_op pass_number = {WEIR_OP("pass", number, number), .on_record = pass};

static int check_subtask(weir_ctx *ctx, const void *record)
{
    const seen *s = record;

    if (s->subtask != (int32_t)weir_subtask_index(ctx))
        return weir_fail(ctx, "forwarded from subtask %d to %u", s->subtask,
                         weir_subtask_index(ctx));
    return weir_emit(ctx, s);
}

static const weir_op same_subtask = {WEIR_OP("same subtask", seen, seen),
                                     .on_record = check_subtask};

/* ---- the rows by tag and subtask ---- */

typedef struct tally {
    uint32_t rows[4][16];   /* by tag and subtask */
    uint8_t times[4][ROWS]; /* by tag and number */
} tally;

static void count_rows(const char *printed, tally *ret)
{
    job_lines lines = job_lines_of(printed, false);

    memset(ret, 0, sizeof *ret);
    for (uint32_t i = 0; i < lines.count; i++) {
        unsigned tag, subtask, n;
        assert_int_equal(sscanf(lines.at[i], "%u,%u,%u", &tag, &subtask, &n), 3);
        assert_true(tag < 4 && subtask < 16 && n < ROWS);
        ret->rows[tag][subtask]++;
        ret->times[tag][n]++;
    }
    job_lines_free(&lines);
}

static void run_and_count(const job_options *options, tally *ret)
{
    slot_job job;

    job_finish(&job, options, 0);
    count_rows(job.printed, ret);
    job_close(&job);
}

static void check_times(const tally *is, uint32_t tag, uint32_t times)
{
    for (uint32_t n = 0; n < ROWS; n++)
        if (is->times[tag][n] != times)
            fail_msg("number %u came %u times, not %u", n, is->times[tag][n], times);
}

/* ---- partitionings ---- */

static void build_rebalance(weir_env *env)
{
    weir_stream *one = weir_parallelism(NUMBERS(env), 1);
    weir_sink(weir_process(weir_rebalance(one), &seer_1), CSV);
}

static void test_rebalance_feeds_every_subtask_alike(void **state)
{
    job_options options = job_defaults(build_rebalance);
    tally is;
    (void)state;

    options.parallelism = 3;
    options.batch_rows = 10;
    for (uint64_t seed = 1; seed < 5; seed++) {
        options.seed = seed;
        options.chaining = seed % 2;
        run_and_count(&options, &is);
        check_times(&is, 1, 1);
        for (uint32_t s = 0; s < 3; s++)
            assert_in_range(is.rows[1][s], ROWS / 3 - 10, ROWS / 3 + 10);
    }
}

static void build_broadcast(weir_env *env)
{
    weir_sink(weir_process(weir_broadcast(NUMBERS(env)), &seer_1), CSV);
}

static void test_broadcast_gives_all_to_each(void **state)
{
    job_options options = job_defaults(build_broadcast);
    tally is;
    (void)state;

    for (uint64_t seed = 1; seed < 9; seed++) {
        options.parallelism = seed % 2 ? 3 : 1;
        options.chaining = seed / 2 % 2;
        options.seed = seed;
        options.window = seed < 5 ? 0 : 1;
        run_and_count(&options, &is);
        check_times(&is, 1, options.parallelism);
        for (uint32_t s = 0; s < options.parallelism; s++)
            assert_int_equal(is.rows[1][s], ROWS);
    }
}

static void build_forward(weir_env *env)
{
    weir_stream *first = weir_process(weir_rebalance(NUMBERS(env)), &seer_1);
    weir_stream *second = weir_no_chain(weir_process(weir_forward(first), &same_subtask));

    weir_sink(weir_process(second, &same_subtask), CSV);
}

static void test_forward_keeps_the_subtask(void **state)
{
    job_options options = job_defaults(build_forward);
    tally is;
    (void)state;

    for (uint64_t seed = 1; seed < 9; seed++) {
        options.parallelism = seed % 2 ? 3 : 1;
        options.chaining = seed / 2 % 2;
        options.seed = seed;
        run_and_count(&options, &is);
        check_times(&is, 1, 1);
    }
}

static uint32_t tasks_of(void (*build)(weir_env *), bool chaining)
{
    job_options options = job_defaults(build);
    slot_job job;

    options.chaining = chaining;
    assert_int_equal(job_try_open(&job, &options), 0);
    uint32_t tasks = job.plan->ntasks;
    job_close(&job);
    return tasks;
}

static void test_no_chain_cuts_the_task(void **state)
{
    (void)state;
    assert_int_equal(tasks_of(build_forward, true), 3);
    assert_int_equal(tasks_of(build_forward, false), 5);
}

static const weir_op pass_seen = {WEIR_OP("pass", seen, seen), .on_record = pass};

static void build_funnel(weir_env *env)
{
    weir_stream *two = weir_parallelism(weir_process(NUMBERS(env), &pass_number), 2);
    weir_stream *three = weir_parallelism(weir_process(two, &seer_p), 3);

    weir_sink(weir_parallelism(weir_process(weir_key_by(three, "n"), &pass_seen), 1), CSV);
}

static void test_parallelism_of_each_operator(void **state)
{
    job_options options = job_defaults(build_funnel);
    tally is;
    (void)state;

    for (uint64_t seed = 1; seed < 9; seed++) {
        options.parallelism = seed % 2 ? 4 : 1;
        options.chaining = seed / 2 % 2;
        options.seed = seed;
        options.batch_rows = 16;
        run_and_count(&options, &is);
        check_times(&is, 3, 1);
        assert_true(is.rows[3][0] && is.rows[3][1] && is.rows[3][2] && !is.rows[3][3]);
    }
}

/* ---- unions ---- */

static void build_union(weir_env *env)
{
    weir_stream *a = NUMBERS(env), *b = NUMBERS(env);
    weir_stream *all = weir_union(weir_union(a, weir_rebalance(b)), weir_union(a, a));

    weir_sink(weir_union(weir_process(all, &seer_1), weir_process(weir_broadcast(b), &seer_2)),
              CSV);
}

static void test_union_of_streams_and_of_one_with_itself(void **state)
{
    job_options options = job_defaults(build_union);
    tally is;
    (void)state;

    for (uint64_t seed = 1; seed < 13; seed++) {
        options.parallelism = seed % 2 ? 3 : 1;
        options.chaining = seed / 2 % 2;
        options.seed = seed;
        options.window = seed < 7 ? 0 : 100;
        run_and_count(&options, &is);
        check_times(&is, 1, 4);
        check_times(&is, 2, options.parallelism);
    }
}

/* ---- order ---- */

static void build_order(weir_env *env)
{
    weir_stream *one = weir_parallelism(NUMBERS(env), 1);
    weir_stream *keyed = weir_process(weir_key_by(one, "sequence"), &seer_1);

    weir_sink(keyed, CSV);
}

static void test_rows_between_two_subtasks_keep_their_order(void **state)
{
    job_options options = job_defaults(build_order);
    (void)state;

    for (uint64_t seed = 1; seed < 13; seed++) {
        long last[3] = {-1, -1, -1};
        slot_job job;

        options.parallelism = 3;
        options.chaining = seed % 2;
        options.seed = seed;
        options.window = seed < 7 ? 0 : 300;
        job_finish(&job, &options, seed % 3 ? 0 : 60);
        job_lines lines = job_lines_of(job.printed, false);
        assert_int_equal(lines.count, ROWS);
        for (uint32_t i = 0; i < lines.count; i++) {
            unsigned subtask;
            long n;
            assert_int_equal(sscanf(lines.at[i], "1,%u,%ld", &subtask, &n), 2);
            assert_true(n > last[subtask]);
            last[subtask] = n;
        }
        job_lines_free(&lines);
        job_close(&job);
    }
}

/* ---- event times and row kinds ---- */

/* Every third row has no event time; every fourth is no insert. */
static int stamp(weir_ctx *ctx, const void *record)
{
    int64_t n = ((const number *)record)->sequence;
    int kind = n % 4 == 3 ? (int)(n / 4 % 4) : WEIR_INSERT;

    if (weir_time(ctx) != WEIR_NO_TIMESTAMP || running(ctx)->row_kind(ctx) != WEIR_INSERT)
        return weir_fail(ctx, "a time or a kind from nowhere");
    return running(ctx)->emit_to(ctx, 0, record, n % 3 ? 1000 + n : WEIR_NO_TIMESTAMP, kind);
}

static int is_right(weir_ctx *ctx, const number *n)
{
    int64_t at = n->sequence % 3 ? 1000 + n->sequence : WEIR_NO_TIMESTAMP;
    int kind = n->sequence % 4 == 3 ? (int)(n->sequence / 4 % 4) : WEIR_INSERT;

    if (weir_time(ctx) != at || running(ctx)->row_kind(ctx) != kind)
        return weir_fail(ctx, "row %ld has time %ld and kind %d", (long)n->sequence,
                         (long)weir_time(ctx), running(ctx)->row_kind(ctx));
    return 0;
}

static bool keeps_stamps(weir_ctx *ctx, const void *record)
{
    return is_right(ctx, record) == 0 && ((const number *)record)->sequence % 2 == 0;
}

static int same(weir_ctx *ctx, const void *in, void *out)
{
    *(number *)out = *(const number *)in;
    return is_right(ctx, in);
}

static int tell_stamp(weir_ctx *ctx, const void *record)
{
    const number *n = record;
    stamped s = {n->sequence, weir_time(ctx) == WEIR_NO_TIMESTAMP ? -1 : weir_time(ctx),
                 running(ctx)->row_kind(ctx)};
    int rc = is_right(ctx, n);

    return rc == 0 ? weir_emit(ctx, &s) : rc;
}

static int check_own_time(weir_ctx *ctx, const void *record)
{
    const stamped *s = record;

    /* weir_emit gives the time of the record in hand, and +I. */
    if ((s->at == -1 ? WEIR_NO_TIMESTAMP : s->at) != weir_time(ctx) ||
        running(ctx)->row_kind(ctx) != WEIR_INSERT)
        return weir_fail(ctx, "an emitted record lost its time");
    return weir_emit(ctx, s);
}

static const weir_op stamper = {WEIR_OP("stamp", number, number), .on_record = stamp};
static const weir_op teller = {WEIR_OP("tell", number, stamped), .on_record = tell_stamp};
static const weir_op checker = {WEIR_OP("check", stamped, stamped), .on_record = check_own_time};

static void build_stamps(weir_env *env)
{
    weir_stream *made = weir_process(NUMBERS(env), &stamper);
    weir_stream *kept = weir_filter(weir_key_by(made, "sequence"), keeps_stamps, number);
    weir_stream *mapped = weir_rebalance(weir_map(kept, same, number, number));

    weir_sink(weir_process(weir_forward(weir_process(mapped, &teller)), &checker), CSV);
}

static void test_event_times_and_kinds_travel(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    (void)state;

    for (long n = 0; n < ROWS; n += 2)
        fprintf(out, "%ld,%ld,0\n", n, n % 3 ? 1000 + n : -1);
    fclose(out);
    check_everywhere(job_defaults(build_stamps), right.bytes);
    free(right.bytes);
}

static void build_changes(weir_env *env)
{
    weir_stream *made = weir_process(NUMBERS(env), &stamper);
    weir_sink(weir_map(weir_key_by(made, "sequence"), same, number, number), CSV "&changelog=true");
}

static void test_changes_are_printed(void **state)
{
    static const char *const kinds[] = {"+I", "-U", "+U", "-D"};
    job_text right;
    FILE *out = text_open(&right);
    (void)state;

    for (long n = 0; n < ROWS; n++)
        fprintf(out, "%s,%ld\n", kinds[n % 4 == 3 ? n / 4 % 4 : 0], n);
    fclose(out);
    check_everywhere(job_defaults(build_changes), right.bytes);
    free(right.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rebalance_feeds_every_subtask_alike),
        cmocka_unit_test(test_broadcast_gives_all_to_each),
        cmocka_unit_test(test_forward_keeps_the_subtask),
        cmocka_unit_test(test_no_chain_cuts_the_task),
        cmocka_unit_test(test_parallelism_of_each_operator),
        cmocka_unit_test(test_union_of_streams_and_of_one_with_itself),
        cmocka_unit_test(test_rows_between_two_subtasks_keep_their_order),
        cmocka_unit_test(test_event_times_and_kinds_travel),
        cmocka_unit_test(test_changes_are_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
