/* Whole jobs of one operator's kind each: every row exactly once, whatever the parallelism, the
 * chaining and the order of turns. */
#include "job_check.h"

#include <unistd.h>

#define ROWS  1000
#define ROWS_ "1000"

WEIR_RECORD(number, (bigint, sequence));
WEIR_RECORD(pair, (bigint, n), (string, text));
WEIR_RECORD(tagged, (integer, tag), (bigint, n));

#define NUMBERS(env) weir_source(env, "datagen:?rows=" ROWS_, number)

static const char *const names[] = {"", "weir", "a longer name than sixteen bytes", "x,\"y\"",
                                    "\xc3\xa9t\xc3\xa9"};
static const char *const quoted[] = {"", "weir", "a longer name than sixteen bytes",
                                     "\"x,\"\"y\"\"\"", "\xc3\xa9t\xc3\xa9"};

/* ---- map and filter ---- */

static int name_it(weir_ctx *ctx, const void *in, void *out)
{
    int64_t n = ((const number *)in)->sequence;
    (void)ctx;
    *(pair *)out = (pair){.n = n, .text = weir_text(names[n % 5])};
    return 0;
}

static bool is_kept(weir_ctx *ctx, const void *record)
{
    const pair *p = record;
    (void)ctx;
    return p->n % 3 != 0 && p->text.n != 4;
}

static bool is_any(weir_ctx *ctx, const void *record)
{
    (void)ctx;
    (void)record;
    return true;
}

static void build_map_filter(weir_env *env)
{
    weir_stream *named = weir_map(NUMBERS(env), name_it, number, pair);

    weir_sink(weir_filter(weir_filter(named, is_any, pair), is_kept, pair), CSV);
}

static void test_map_and_filter(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    (void)state;

    for (int64_t n = 0; n < ROWS; n++)
        if (n % 3 != 0 && n % 5 != 1)
            fprintf(out, "%ld,%s\n", (long)n, quoted[n % 5]);
    fclose(out);
    check_everywhere(job_defaults(build_map_filter), right.bytes);
    free(right.bytes);
}

/* ---- flat map ---- */

static int repeat(weir_ctx *ctx, const void *record)
{
    int64_t n = ((const number *)record)->sequence;
    int rc = 0;

    for (int32_t i = 0; rc == 0 && i < n % 4; i++) {
        tagged t = {.tag = i, .n = n};
        rc = weir_emit(ctx, &t);
        memset(&t, 0xff, sizeof t); /* it was copied */
    }
    return rc;
}

static const weir_op repeater = {WEIR_OP("repeat", number, tagged), .on_record = repeat};

static void build_flat_map(weir_env *env)
{
    weir_sink(weir_flat_map(NUMBERS(env), &repeater), CSV);
}

static void test_flat_map(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    (void)state;

    for (int64_t n = 0; n < ROWS; n++)
        for (int i = 0; i < n % 4; i++)
            fprintf(out, "%d,%ld\n", i, (long)n);
    fclose(out);
    check_everywhere(job_defaults(build_flat_map), right.bytes);
    free(right.bytes);
}

/* ---- process: an instance, open, close, on_end ---- */

typedef struct sum {
    int64_t total, rows, magic;
} sum;

static uint32_t opens, closes, ends;

static int sum_open(weir_ctx *ctx)
{
    sum *s = weir_instance(ctx);

    if (s->total != 0 || s->rows != 0)
        return weir_fail(ctx, "the instance is not zeroed");
    s->magic = 4711 + weir_subtask_index(ctx);
    opens++;
    return 0;
}

static int sum_record(weir_ctx *ctx, const void *record)
{
    sum *s = weir_instance(ctx);

    if (s->magic != 4711 + weir_subtask_index(ctx))
        return weir_fail(ctx, "another subtask's instance");
    s->total += ((const number *)record)->sequence;
    s->rows++;
    return 0;
}

static int sum_end(weir_ctx *ctx)
{
    sum *s = weir_instance(ctx);
    number n = {.sequence = s->total};

    ends++;
    return s->rows > 0 ? weir_emit(ctx, &n) : 0;
}

static int sum_close(weir_ctx *ctx)
{
    (void)ctx;
    closes++;
    return 0;
}

static const weir_op summer = {WEIR_OP("sum", number, number),
                               .instance_size = sizeof(sum),
                               .open = sum_open,
                               .on_record = sum_record,
                               .on_end = sum_end,
                               .close = sum_close};

static void build_sum(weir_env *env)
{
    weir_stream *partial = weir_process(weir_rebalance(NUMBERS(env)), &summer);

    weir_sink(weir_parallelism(weir_process(partial, &summer), 1), CSV);
}

static void test_process_keeps_an_instance_and_ends_once(void **state)
{
    char right[32];
    (void)state;

    snprintf(right, sizeof right, "%d\n", ROWS * (ROWS - 1) / 2);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        job_options options = job_defaults(build_sum);
        options.parallelism = seed % 2 ? 1 : 3;
        options.chaining = seed / 2 % 2;
        options.seed = seed;
        opens = closes = ends = 0;
        check_job(&options, right);
        assert_int_equal(opens, options.parallelism + 1);
        assert_int_equal(ends, opens);
        assert_int_equal(closes, opens);
    }
}

/* ---- process2 ---- */

static int tell_input(weir_ctx *ctx, uint32_t input, const void *record)
{
    tagged t = {.tag = (int32_t)input};

    t.n = input == 0 ? ((const number *)record)->sequence : ((const pair *)record)->n;
    return weir_emit(ctx, &t);
}

static int count_ends(weir_ctx *ctx)
{
    ends++;
    tagged t = {.tag = 9, .n = 0};
    return weir_subtask_index(ctx) == 0 ? weir_emit(ctx, &t) : 0;
}

static const weir_op joiner = {WEIR_OP("join", number, tagged), .in2 = WEIR_TYPE(pair),
                               .on_input = tell_input, .on_end = count_ends};

static void build_two_inputs(weir_env *env)
{
    weir_stream *numbers = NUMBERS(env);
    weir_stream *pairs =
        weir_map(weir_source(env, "datagen:?rows=77", number), name_it, number, pair);

    weir_sink(weir_process2(weir_rebalance(numbers), weir_key_by(pairs, "text"), &joiner), CSV);
}

static void test_process2_tells_its_inputs_apart(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    (void)state;

    for (long n = 0; n < ROWS; n++)
        fprintf(out, "0,%ld\n", n);
    for (long n = 0; n < 77; n++)
        fprintf(out, "1,%ld\n", n);
    fprintf(out, "9,0\n");
    fclose(out);
    check_everywhere(job_defaults(build_two_inputs), right.bytes);
    free(right.bytes);
}

/* Both inputs from one operator: neither may wait for the other. */
static void build_diamond(weir_env *env)
{
    weir_stream *numbers = NUMBERS(env);
    weir_stream *pairs = weir_map(numbers, name_it, number, pair);

    weir_sink(weir_process2(weir_rebalance(numbers), weir_key_by(pairs, "n"), &joiner), CSV);
}

static void test_a_diamond_does_not_lock(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    job_options options = job_defaults(build_diamond);
    (void)state;

    for (long n = 0; n < ROWS; n++)
        fprintf(out, "0,%ld\n1,%ld\n", n, n);
    fprintf(out, "9,0\n");
    fclose(out);
    check_everywhere(options, right.bytes);
    options.window = 1;
    options.batch_rows = 7;
    check_everywhere(options, right.bytes);
    free(right.bytes);
}

/* ---- side outputs ---- */

static int divide(weir_ctx *ctx, const void *record)
{
    const number *n = record;
    tagged t = {.tag = 3, .n = n->sequence};
    pair p = {.n = n->sequence, .text = weir_text("five")};
    int rc = 0;

    if (n->sequence % 3 == 0)
        rc = weir_emit_to(ctx, 1, &t);
    if (rc == 0 && n->sequence % 5 == 0)
        rc = weir_emit_to(ctx, 2, &p);
    return rc == 0 && n->sequence % 3 && n->sequence % 5 ? weir_emit_to(ctx, 0, n) : rc;
}

static const weir_output divided[] = {
    {"three", WEIR_TYPE(tagged)}, {"five", WEIR_TYPE(pair)}, {NULL, NULL}};
static const weir_op divider = {WEIR_OP("divide", number, number), .sides = divided,
                                .on_record = divide};

static void build_sides(weir_env *env)
{
    weir_stream *rest = weir_process(NUMBERS(env), &divider);

    weir_sink(rest, CSV);
    weir_sink(weir_key_by(weir_side(rest, "three"), "n"), CSV);
    weir_sink(weir_side(rest, "five"), CSV);
}

static void test_side_outputs(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    (void)state;

    for (long n = 0; n < ROWS; n++) {
        if (n % 3 == 0)
            fprintf(out, "3,%ld\n", n);
        if (n % 5 == 0)
            fprintf(out, "%ld,five\n", n);
        if (n % 3 && n % 5)
            fprintf(out, "%ld\n", n);
    }
    fclose(out);
    check_everywhere(job_defaults(build_sides), right.bytes);
    free(right.bytes);
}

/* ---- batches ---- */

static int halve(weir_ctx *ctx, uint32_t input, const weir_columns *batch)
{
    uint32_t *even = malloc(batch->rows * sizeof *even), n = 0;
    int rc;

    if (input != 0 || batch->ncolumns != 2)
        return weir_fail(ctx, "input %u with %u columns", input, batch->ncolumns);
    for (uint32_t i = 0; i < batch->rows; i++) {
        int64_t value;
        memcpy(&value, (const int64_t *)batch->columns[0].values + i, sizeof value);
        if (value % 2 == 0)
            even[n++] = i;
    }
    rc = weir_emit_columns(ctx, 0, batch, even, n);
    memset(even, 0xff, n * sizeof *even);
    free(even);
    return rc == 0 ? weir_emit_columns(ctx, 1, batch, NULL, batch->rows) : rc;
}

static const weir_output all_rows[] = {{"all", WEIR_TYPE(pair)}, {NULL, NULL}};
static const weir_op halver = {WEIR_OP("halve", pair, pair), .sides = all_rows, .on_batch = halve};

static void build_batches(weir_env *env)
{
    weir_stream *named = weir_map(NUMBERS(env), name_it, number, pair);
    weir_stream *even = weir_process(weir_key_by(named, "text"), &halver);

    weir_sink(even, CSV);
    weir_sink(weir_rebalance(weir_side(even, "all")), CSV);
}

static void test_batch_callbacks_with_selections(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    (void)state;

    for (long n = 0; n < ROWS; n++) {
        fprintf(out, "%ld,%s\n", n, quoted[n % 5]);
        if (n % 2 == 0)
            fprintf(out, "%ld,%s\n", n, quoted[n % 5]);
    }
    fclose(out);
    check_everywhere(job_defaults(build_batches), right.bytes);
    free(right.bytes);
}

/* ---- parameters ---- */

static int with_greeting(weir_ctx *ctx, const void *in, void *out)
{
    const char *greeting = weir_param(ctx, "greeting"), *count = weir_param(ctx, "count");

    if (weir_param(ctx, "unheard-of") || !greeting || strcmp(count, "5") != 0)
        return weir_fail(ctx, "wrong parameters");
    *(pair *)out = (pair){((const number *)in)->sequence, weir_text(greeting)};
    return 0;
}

static void build_params(weir_env *env)
{
    (void)weir_env_param(env, "greeting", "hello");
    weir_sink(
        weir_map(weir_source(env, "datagen:?rows=${count:5}", number), with_greeting, number, pair),
        CSV);
}

static void test_parameters_at_run_time(void **state)
{
    weir_graph_option params[] = {{"greeting", "salut"}};
    job_options options = job_defaults(build_params);
    (void)state;

    check_everywhere(options, "0,hello\n1,hello\n2,hello\n3,hello\n4,hello\n");
    options.params = params;
    options.nparams = 1;
    check_everywhere(options, "0,salut\n1,salut\n2,salut\n3,salut\n4,salut\n");
}

/* ---- little and nothing ---- */

static int swallow(weir_ctx *ctx, const void *record)
{
    (void)ctx;
    (void)record;
    return 0;
}

static const weir_op swallower = {WEIR_OP("swallow", number, number), .on_record = swallow};

static void build_nothing(weir_env *env)
{
    weir_sink(weir_key_by(weir_process(NUMBERS(env), &swallower), "sequence"), CSV);
}

static void test_an_operator_that_emits_nothing(void **state)
{
    (void)state;
    check_everywhere(job_defaults(build_nothing), "");
}

WEIR_RECORD(tally, (bigint, sequence), (bigint, n));

static int add(weir_ctx *ctx, void *accumulator, const void *record)
{
    (void)ctx;
    ((number *)accumulator)->sequence += ((const number *)record)->sequence;
    return 0;
}

static void build_empty(weir_env *env)
{
    weir_stream *none = weir_source(env, "file:${file}", number);
    weir_stream *keyed = weir_key_by(none, "sequence");

    weir_sink(weir_count(keyed, tally), CSV);
    weir_sink(weir_reduce(keyed, add, number), CSV);
    weir_sink(weir_process2(none, weir_map(none, name_it, number, pair), &joiner), CSV);
    weir_sink(weir_process(weir_broadcast(none), &summer), "print:?format=csv&header=true");
}

static void test_empty_inputs(void **state)
{
    char path[] = "/tmp/weir-empty-XXXXXX";
    weir_graph_option params[] = {{"file", path}};
    job_options options = job_defaults(build_empty);
    (void)state;

    close(mkstemp(path));
    options.params = params;
    options.nparams = 1;
    for (int mode = 0; mode < 2; mode++) {
        options.runtime_mode = mode;
        options.parallelism = 1;
        check_job(&options, "9,0\nsequence\n");
        options.parallelism = 3;
        check_job(&options, "9,0\nsequence\nsequence\nsequence\n");
        options.chaining = !options.chaining;
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_and_filter),
        cmocka_unit_test(test_flat_map),
        cmocka_unit_test(test_process_keeps_an_instance_and_ends_once),
        cmocka_unit_test(test_process2_tells_its_inputs_apart),
        cmocka_unit_test(test_a_diamond_does_not_lock),
        cmocka_unit_test(test_side_outputs),
        cmocka_unit_test(test_batch_callbacks_with_selections),
        cmocka_unit_test(test_parameters_at_run_time),
        cmocka_unit_test(test_an_operator_that_emits_nothing),
        cmocka_unit_test(test_empty_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
