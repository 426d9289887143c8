/* Whole jobs whose n-th allocation fails, for every n: they fail with WEIR_ENO_MEMORY, or their
 * rows are right. Under a leak checker also: nothing is left. */
#include "job_check.h"

#include <unistd.h>

#define ROWS 90

WEIR_RECORD(line, (bigint, n), (string, text), (array, parts, WEIR_OF(string)));
WEIR_RECORD(read_line, (bigint, n), (string, text));
WEIR_RECORD(counted, (string, text), (bigint, count));

static int split(weir_ctx *ctx, const void *record)
{
    const read_line *r = record;
    weir_string parts[3] = {r->text, r->text, r->text};
    line l = {r->n, r->text, {parts, (uint32_t)(r->n % 4)}};
    int rc = weir_emit_to(ctx, 1, r);

    return rc == 0 ? weir_emit(ctx, &l) : rc;
}

static bool always(weir_ctx *ctx, const void *record)
{
    (void)ctx;
    return ((const line *)record)->n >= 0;
}

static bool odd(weir_ctx *ctx, const void *record)
{
    (void)ctx;
    return ((const line *)record)->n % 2 == 1;
}

static int longer(weir_ctx *ctx, void *accumulator, const void *record)
{
    line *to = accumulator;
    const line *from = record;

    (void)ctx;
    to->n += from->n;
    if (from->parts.n > to->parts.n)
        to->parts = from->parts;
    return 0;
}

static int same(weir_ctx *ctx, const void *in, void *out)
{
    (void)ctx;
    *(line *)out = *(const line *)in;
    return 0;
}

static int merge(weir_ctx *ctx, uint32_t input, const void *record)
{
    (void)input;
    return weir_emit(ctx, record);
}

static const weir_output sides[] = {{"raw", WEIR_TYPE(read_line)}, {NULL, NULL}};
static const weir_op splitter = {WEIR_OP("split", read_line, line), .sides = sides,
                                 .on_record = split};
static const weir_op merger = {WEIR_OP("merge", line, line), .in2 = WEIR_TYPE(line),
                               .on_input = merge};

static void build(weir_env *env)
{
    weir_stream *read = weir_source(env, "file:${file}?split-size=700", read_line);
    weir_stream *made = weir_process(read, &splitter);
    weir_stream *kept = weir_filter(made, always, line);
    weir_stream *reduced = weir_reduce(weir_key_by(kept, "text"), longer, line);
    weir_stream *both = weir_process2(weir_map(reduced, same, line, line),
                                      weir_broadcast(weir_filter(kept, odd, line)), &merger);

    weir_sink(weir_parallelism(weir_filter(both, always, line), 1), "print:?format=json");
    weir_sink(weir_count(weir_key_by(weir_side(made, "raw"), "text"), counted), CSV);
}

static char path[] = "/tmp/weir-memory-XXXXXX.csv";

static int make_file(void **state)
{
    (void)state;
    close(mkstemps(path, 4));
    FILE *file = fopen(path, "w");
    for (int n = 0; n < ROWS; n++)
        fprintf(file, "%d,%s %d\n", n, n % 3 ? "text" : "a text that is rather long", n % 10);
    fclose(file);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* The job without a failure; its rows are right for all others (reduce in batch mode). */
static char *right_rows(const job_options *options)
{
    slot_job job;

    job_finish(&job, options, 0);
    char *rows = strdup(job.printed);
    job_close(&job);
    return rows;
}

/* Has the allocation failed meanwhile? */
static bool has_failed(uint64_t nth)
{
    bool pending = false;

    for (uint64_t i = 0; i < nth && !pending; i++) {
        void *block = weir_alloc(1);
        pending = block == NULL;
        weir_free(block);
    }
    weir_memory_fail_at(0);
    return !pending;
}

/* False: the job needs fewer allocations than that. */
static bool run_with_failure(const job_options *options, uint64_t nth, uint32_t refusals,
                             const char *right)
{
    slot_job job;
    weir_memory_fail_at(nth);
    int rc = job_try_open(&job, options);

    if (rc == 0) {
        job.print_refusals = refusals;
        job_start(&job);
        job_run(&job);
    }
    bool failed = has_failed(nth);
    if (rc < 0 || job.error.code) {
        if (job.error.code != WEIR_ENO_MEMORY || !job.error.text[0])
            fail_msg("allocation %lu: code %d: %s", (unsigned long)nth, job.error.code,
                     job.error.text);
    } else {
        if (job.finished != job_subtasks(&job))
            fail_msg("allocation %lu: hangs; %u of %u subtasks have finished", (unsigned long)nth,
                     job.finished, job_subtasks(&job));
        check_lines(options, job.printed, right);
    }
    job_close(&job);
    return failed;
}

static void check_each_allocation(job_options options, uint32_t refusals)
{
    weir_graph_option params[] = {{"file", path}};

    options.params = params;
    options.nparams = 1;
    options.combine_memory = 1;
    options.batch_rows = 16;
    char *right = right_rows(&options);
    uint64_t nth = 1;
    while (run_with_failure(&options, nth, refusals, right))
        nth += nth < 1500 ? 1 : 7;
    assert_true(nth > 300);
    free(right);
}

static void test_memory_ends_in_one_slot(void **state)
{
    (void)state;
    check_each_allocation(job_defaults(build), 0);
}

static void test_memory_ends_in_two_slots(void **state)
{
    job_options options = job_defaults(build);
    (void)state;

    options.parallelism = 2;
    options.window = 400;
    check_each_allocation(options, 0);
    options.chaining = false;
    check_each_allocation(options, 50);
}

/* With one subtask the changes of a streaming job are the same in every run. */
static void test_memory_ends_in_a_streaming_job(void **state)
{
    job_options options = job_defaults(build);
    (void)state;

    options.runtime_mode = 1;
    check_each_allocation(options, 0);
    options.chaining = false;
    check_each_allocation(options, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_ends_in_one_slot),
        cmocka_unit_test(test_memory_ends_in_two_slots),
        cmocka_unit_test(test_memory_ends_in_a_streaming_job),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
