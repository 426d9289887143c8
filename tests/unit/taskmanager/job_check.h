/* Whole jobs whose rows are known: a job that is compiled into the test runs at several
 * parallelisms, chained and not, in several orders, and what it printed is compared with what is
 * right. */
#ifndef TEST_JOB_CHECK_H
#define TEST_JOB_CHECK_H

#include "slot_job.h"

#define CSV "print:?format=csv&header=false"

static void (*build_job)(weir_env *env); /* of the test in hand */

WEIR_JOB("test")
{
    build_job(env);
}

/* A run that a test changes to its liking: all defaults, one slot. */
static inline job_options job_defaults(void (*build)(weir_env *))
{
    build_job = build;
    return (job_options){.module = &weir_module_v1, .parallelism = 1, .chaining = true, .seed = 1};
}

typedef struct job_lines {
    char *text, **at;
    uint32_t count;
} job_lines;

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline job_lines job_lines_of(const char *text, bool sorted)
{
    job_lines lines = {strdup(text ? text : ""), NULL, 0};
    uint32_t capacity = 1;

    for (const char *c = lines.text; *c; c++)
        capacity += *c == '\n';
    lines.at = calloc(capacity, sizeof(char *));
    for (char *rest = lines.text; *rest;) {
        char *end = strchr(rest, '\n');
        assert_non_null(end); /* rows come whole */
        *end = 0;
        lines.at[lines.count++] = rest;
        rest = end + 1;
    }
    if (sorted)
        qsort(lines.at, lines.count, sizeof(char *), compare_lines);
    return lines;
}

static inline void job_lines_free(job_lines *lines)
{
    free(lines->text);
    free(lines->at);
}

/* The same lines, in any order. */
static inline void check_lines(const job_options *options, const char *printed, const char *right)
{
    job_lines is = job_lines_of(printed, true), wanted = job_lines_of(right, true);

    for (uint32_t i = 0; i < is.count || i < wanted.count; i++) {
        const char *a = i < is.count ? is.at[i] : "(nothing)";
        const char *b = i < wanted.count ? wanted.at[i] : "(nothing)";
        if (strcmp(a, b) != 0)
            fail_msg("p=%u chaining=%d seed=%lu: %u lines, %u are right; the first that differs is "
                     "'%s', right is '%s'",
                     options->parallelism, options->chaining, (unsigned long)options->seed,
                     is.count, wanted.count, a, b);
    }
    job_lines_free(&is);
    job_lines_free(&wanted);
}

static inline uint32_t job_subtasks(const slot_job *job)
{
    uint32_t subtasks = 0;

    for (uint32_t t = 0; t < job->plan->ntasks; t++)
        subtasks += job->plan->tasks[t].parallelism;
    return subtasks;
}

/* To its end, which must be good. Close it afterwards. */
static inline void job_finish(slot_job *job, const job_options *options, uint32_t print_refusals)
{
    if (job_try_open(job, options) == 0) {
        job->print_refusals = print_refusals;
        job_start(job);
        job_run(job);
    }
    if (job->error.code)
        fail_msg("p=%u chaining=%d seed=%lu: %s", options->parallelism, options->chaining,
                 (unsigned long)options->seed, job->error.text);
    if (job->finished != job_subtasks(job))
        fail_msg("p=%u chaining=%d seed=%lu: %u of %u subtasks finished", options->parallelism,
                 options->chaining, (unsigned long)options->seed, job->finished, job_subtasks(job));
}

/* Runs to the end with these options; the rows must be `right`, in any order. */
static inline void check_job(const job_options *options, const char *right)
{
    slot_job job;

    job_finish(&job, options, 0);
    check_lines(options, job.printed, right);
    job_close(&job);
}

/* The same job everywhere: parallelism 1 and 3, chained and not, and some seeds of each. */
static inline void check_everywhere(job_options options, const char *right)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        options.parallelism = seed % 2 ? 1 : 3;
        options.chaining = seed / 2 % 2;
        options.seed = seed;
        check_job(&options, right);
    }
}

/* What is right, written like a file: `FILE *out = text_open(&text); fprintf; text_close(out)`. */
typedef struct job_text {
    char *bytes;
    size_t size;
} job_text;

static inline FILE *text_open(job_text *text)
{
    *text = (job_text){NULL, 0};
    FILE *out = open_memstream(&text->bytes, &text->size);
    assert_non_null(out);
    return out;
}

#endif
