/* Whole jobs with keys: count and reduce, each key once in a batch job and as changes in a
 * streaming one, combined before the shuffle or not. */
#include "job_check.h"

#define ROWS  3000
#define ROWS_ "3000"

WEIR_RECORD(number, (bigint, sequence));
WEIR_RECORD(event, (string, word), (integer, shard), (bigint, n), (string, longest));
WEIR_RECORD(word_count, (string, word), (bigint, count));
WEIR_RECORD(swapped_count, (bigint, many), (integer, shard), (string, word));
WEIR_RECORD(optional, (nullable_string, word), (nullable_bigint, shard), (bigint, n));
WEIR_RECORD(optional_count, (nullable_string, word), (nullable_bigint, shard), (bigint, many));

static int64_t keys = 40; /* how many words there are */

static void put_word(int64_t n, char out[64])
{
    int64_t k = n * n % 104729 % keys;
    snprintf(out, 64, k % 3 ? "w%ld" : "a word that is longer than any inline key %ld", (long)k);
}

/* The number, and more or less behind it. */
static void put_longest(int64_t n, char out[64])
{
    size_t size = (size_t)snprintf(out, 64, "%04ld", (long)n);

    memset(out + size, 'x', (size_t)(n % 20));
    out[size + (size_t)(n % 20)] = 0;
}

static int make_event(weir_ctx *ctx, const void *record)
{
    int64_t n = ((const number *)record)->sequence;
    char word[64], longest[64];

    put_word(n, word);
    put_longest(n, longest);
    event e = {weir_text(word), (int32_t)(n % 3), n, weir_text(longest)};
    return weir_emit(ctx, &e);
}

static const weir_op maker = {WEIR_OP("make", number, event), .on_record = make_event};

static weir_stream *events(weir_env *env)
{
    return weir_process(weir_source(env, "datagen:?rows=" ROWS_, number), &maker);
}

/* The sum of n, and the greatest text. */
static int fold(weir_ctx *ctx, void *accumulator, const void *record)
{
    event *to = accumulator;
    const event *from = record;
    uint32_t n = to->longest.n < from->longest.n ? to->longest.n : from->longest.n;
    int order = memcmp(to->longest.p, from->longest.p, n);

    (void)ctx;
    to->n += from->n;
    if (order < 0 || (order == 0 && to->longest.n < from->longest.n))
        to->longest = from->longest; /* borrowed: the engine must copy it */
    return 0;
}

/* ---- what is right ---- */

typedef struct group {
    char word[64], longest[64];
    int shard;
    long count, sum;
} group;

/* Groups of all rows, by word or by word and shard. */
static uint32_t groups_of(group *groups, bool by_shard)
{
    uint32_t count = 0;

    for (long n = 0; n < ROWS; n++) {
        char word[64], longest[64];
        uint32_t g = 0;
        int shard = by_shard ? (int)(n % 3) : 0;

        put_word(n, word);
        while (g < count && (strcmp(groups[g].word, word) != 0 || groups[g].shard != shard))
            g++;
        if (g == count) {
            memset(&groups[count++], 0, sizeof *groups);
            snprintf(groups[g].word, sizeof groups[g].word, "%s", word);
            groups[g].shard = shard;
        }
        put_longest(n, longest);
        groups[g].count++;
        groups[g].sum += n;
        if (strcmp(groups[g].longest, longest) < 0)
            snprintf(groups[g].longest, sizeof groups[g].longest, "%s", longest);
    }
    return count;
}

static group groups[ROWS];

/* ---- each key once ---- */

static void build_count(weir_env *env)
{
    weir_sink(weir_count(weir_key_by(events(env), "word"), word_count), CSV);
}

static void build_count_of_two(weir_env *env)
{
    weir_sink(weir_count(weir_key_by(events(env), "word, shard"), swapped_count), CSV);
}

static void check_batch(void (*build)(weir_env *), const char *right)
{
    job_options options = job_defaults(build);
    const uint64_t memories[] = {1 << 20, 20000, 1};

    options.runtime_mode = 2;
    for (size_t i = 0; i < WEIR_COUNT(memories); i++) {
        options.combine_memory = memories[i];
        check_everywhere(options, right);
    }
}

static void test_count_gives_each_key_once(void **state)
{
    (void)state;
    for (keys = 1; keys <= 2000; keys = keys * 7 + 1) {
        job_text right;
        FILE *out = text_open(&right);
        uint32_t n = groups_of(groups, false);

        for (uint32_t g = 0; g < n; g++)
            fprintf(out, "%s,%ld\n", groups[g].word, groups[g].count);
        fclose(out);
        check_batch(build_count, right.bytes);
        free(right.bytes);
    }
    keys = 40;
}

static void test_count_by_several_fields(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    uint32_t n = groups_of(groups, true);
    (void)state;

    for (uint32_t g = 0; g < n; g++)
        fprintf(out, "%ld,%d,%s\n", groups[g].count, groups[g].shard, groups[g].word);
    fclose(out);
    check_batch(build_count_of_two, right.bytes);
    free(right.bytes);
}

static uint32_t frames_of(uint64_t combine_memory)
{
    job_options options = job_defaults(build_count);
    slot_job job;
    uint32_t partials = 0;

    options.parallelism = 3;
    options.combine_memory = combine_memory;
    job_finish(&job, &options, 0);
    for (uint32_t i = 0; i < job.graph->noperators; i++)
        partials += job.graph->operators[i].phase == WEIR_PHASE_PARTIAL;
    assert_int_equal(partials, 1);
    uint64_t frames = job.frames;
    job_close(&job);
    return (uint32_t)frames;
}

static void test_a_batch_job_combines_before_the_shuffle(void **state)
{
    (void)state;
    assert_true(frames_of(1 << 20) < 60); /* 40 keys: a handful of batches, their credits, ends */
    assert_true(frames_of(1) > frames_of(1 << 20));
}

/* ---- changes ---- */

typedef struct entry {
    char key[64], value[128];
    bool is_there, is_withdrawn;
} entry;

typedef struct replay {
    entry entries[2048];
    uint32_t count;
} replay;

static entry *entry_of(replay *r, const char *key)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (strcmp(r->entries[i].key, key) == 0)
            return &r->entries[i];
    assert_true(r->count < WEIR_COUNT(r->entries));
    snprintf(r->entries[r->count].key, sizeof r->entries[r->count].key, "%s", key);
    return &r->entries[r->count++];
}

/* One change "+U,key,value": it must fit what is there. */
static void apply(replay *r, const char *line)
{
    const char *comma = strchr(line + 3, ',');
    char key[64];

    assert_non_null(comma);
    snprintf(key, sizeof key, "%.*s", (int)(comma - line - 3), line + 3);
    entry *e = entry_of(r, key);
    if (strncmp(line, "+I,", 3) == 0)
        assert_true(!e->is_there && !e->is_withdrawn);
    else if (strncmp(line, "+U,", 3) == 0)
        assert_true(!e->is_there && e->is_withdrawn);
    else if (e->is_there && strcmp(e->value, comma + 1) != 0)
        fail_msg("'%s' takes back what is '%s'", line, e->value);
    else
        assert_true(e->is_there && strncmp(line, "-U,", 3) == 0);
    e->is_there = line[0] == '+';
    e->is_withdrawn = !e->is_there;
    snprintf(e->value, sizeof e->value, "%s", comma + 1);
}

/* The state at the end, as lines. */
static char *replay_lines(const char *printed)
{
    replay *r = calloc(1, sizeof *r);
    job_lines lines = job_lines_of(printed, false);
    job_text text;
    FILE *out = text_open(&text);

    for (uint32_t i = 0; i < lines.count; i++)
        apply(r, lines.at[i]);
    for (uint32_t i = 0; i < r->count; i++) {
        assert_true(r->entries[i].is_there);
        fprintf(out, "%s,%s\n", r->entries[i].key, r->entries[i].value);
    }
    fclose(out);
    job_lines_free(&lines);
    free(r);
    return text.bytes;
}

static void check_changes(void (*build)(weir_env *), uint32_t changes, const char *right)
{
    job_options options = job_defaults(build);

    options.runtime_mode = 1;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        slot_job job;
        options.parallelism = seed % 2 ? 1 : 3;
        options.chaining = seed / 2 % 2;
        options.seed = seed;
        options.window = seed < 7 ? 0 : 500;
        job_finish(&job, &options, seed % 3 ? 0 : 50);
        job_lines lines = job_lines_of(job.printed, false);
        assert_int_equal(lines.count, changes);
        job_lines_free(&lines);
        char *end = replay_lines(job.printed);
        check_lines(&options, end, right);
        free(end);
        job_close(&job);
    }
}

static void test_count_streams_changes(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    uint32_t n = groups_of(groups, false);
    (void)state;

    for (uint32_t g = 0; g < n; g++)
        fprintf(out, "%s,%ld\n", groups[g].word, groups[g].count);
    fclose(out);
    check_changes(build_count, 2 * ROWS - n, right.bytes);
    free(right.bytes);
}

static int to_total(weir_ctx *ctx, const void *in, void *out)
{
    const event *e = in;
    (void)ctx;
    *(event *)out = (event){e->word, 0, e->n, e->longest};
    return 0;
}

static void build_reduce_total(weir_env *env)
{
    weir_stream *best = weir_reduce(weir_key_by(events(env), "word"), fold, event);
    weir_sink(weir_map(best, to_total, event, event), CSV);
}

static char *right_totals(uint32_t *ret_groups)
{
    job_text right;
    FILE *out = text_open(&right);

    *ret_groups = groups_of(groups, false);
    for (uint32_t g = 0; g < *ret_groups; g++)
        fprintf(out, "%s,0,%ld,%s\n", groups[g].word, groups[g].sum, groups[g].longest);
    fclose(out);
    return right.bytes;
}

static void test_reduce_streams_changes(void **state)
{
    uint32_t n;
    char *right = right_totals(&n);
    (void)state;

    check_changes(build_reduce_total, 2 * ROWS - n, right);
    free(right);
}

static void test_reduce_in_batch(void **state)
{
    (void)state;
    for (keys = 1; keys <= 2000; keys = keys * 7 + 1) {
        uint32_t n;
        char *right = right_totals(&n);
        check_batch(build_reduce_total, right);
        free(right);
    }
    keys = 40;
}

/* A count of counts: how many words have each count; what it takes back must be right. */
WEIR_RECORD(histogram, (bigint, count), (bigint, words));

static const char *first_of(char *values)
{
    values[strcspn(values, ",")] = 0;
    return values;
}

static void build_histogram(weir_env *env)
{
    weir_stream *counts = weir_count(weir_key_by(events(env), "word"), word_count);
    weir_sink(weir_count(weir_key_by(counts, "count"), histogram), CSV);
}

static void test_a_count_of_counts(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    uint32_t n = groups_of(groups, false), words[ROWS] = {0};
    job_options options = job_defaults(build_histogram);
    (void)state;

    for (uint32_t g = 0; g < n; g++)
        words[groups[g].count]++;
    for (long c = 0; c < ROWS; c++)
        if (words[c])
            fprintf(out, "%ld,%u\n", c, words[c]);
    fclose(out);
    check_everywhere(options, right.bytes);
    options.runtime_mode = 1;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        slot_job job;
        job_text end;
        replay *r = calloc(1, sizeof *r);
        options.parallelism = seed % 2 ? 1 : 3;
        options.seed = seed;
        job_finish(&job, &options, 0);
        job_lines lines = job_lines_of(job.printed, false);
        for (uint32_t i = 0; i < lines.count; i++) {
            if (strncmp(lines.at[i], "-D,", 3) == 0) { /* as if it had never been */
                entry *e = entry_of(r, first_of(lines.at[i] + 3));
                assert_true(e->is_there && strcmp(e->value, "1") == 0);
                e->is_there = e->is_withdrawn = false;
            } else {
                apply(r, lines.at[i]);
            }
        }
        out = text_open(&end);
        for (uint32_t i = 0; i < r->count; i++)
            if (r->entries[i].is_there)
                fprintf(out, "%s,%s\n", r->entries[i].key, r->entries[i].value);
        fclose(out);
        check_lines(&options, end.bytes, right.bytes);
        free(end.bytes);
        free(r);
        job_lines_free(&lines);
        job_close(&job);
    }
    free(right.bytes);
}

/* ---- nullable keys ---- */

static int64_t null_at = -1;

static int make_optional(weir_ctx *ctx, const void *in, void *out)
{
    int64_t n = ((const number *)in)->sequence;
    optional *o = out;

    (void)ctx;
    o->word.value = weir_text(n % 2 ? "odd" : "even");
    o->shard.value = n % 3;
    o->shard.is_null = n == null_at;
    o->n = n;
    return 0;
}

static int pass(weir_ctx *ctx, const void *record)
{
    return weir_emit(ctx, record);
}

static const weir_op pass_optional = {WEIR_OP("pass", optional, optional), .on_record = pass};

static weir_stream *keyed_optionals(weir_env *env)
{
    weir_stream *made =
        weir_map(weir_source(env, "datagen:?rows=" ROWS_, number), make_optional, number, optional);
    return weir_key_by(made, "word, shard");
}

static void build_optional_count(weir_env *env)
{
    weir_sink(weir_count(keyed_optionals(env), optional_count), CSV);
}

static void build_optional_process(weir_env *env)
{
    weir_sink(weir_process(keyed_optionals(env), &pass_optional), CSV);
}

static void build_optional_sink(weir_env *env)
{
    weir_sink(keyed_optionals(env), CSV);
}

static void test_nullable_keys_without_nulls(void **state)
{
    (void)state;
    null_at = -1;
    check_everywhere(job_defaults(build_optional_count),
                     "even,0,500\neven,1,500\neven,2,500\nodd,0,500\nodd,1,500\nodd,2,500\n");
}

static void test_a_null_key_fails_and_names_the_record(void **state)
{
    void (*builds[])(weir_env *) = {build_optional_count, build_optional_process,
                                    build_optional_sink};
    (void)state;

    null_at = 1234;
    for (size_t b = 0; b < WEIR_COUNT(builds); b++) {
        for (uint64_t seed = 0; seed < 8; seed++) {
            job_options options = job_defaults(builds[b]);
            slot_job job;

            options.parallelism = seed % 2 ? 3 : 1;
            options.chaining = seed / 2 % 2;
            options.runtime_mode = seed / 4 ? 1 : 2;
            options.seed = seed;
            assert_int_equal(job_try_open(&job, &options), 0);
            job_start(&job);
            job_run(&job);
            assert_int_equal(job.error.code, WEIR_EUSER);
            assert_true(job.failed > 0);
            if (!strstr(job.error.text, "NULL") || !strstr(job.error.text, "shard") ||
                !strstr(job.error.text, "n=1234") || !strstr(job.error.text, "test_jobs_keys.c:"))
                fail_msg("%s", job.error.text);
            job_close(&job);
        }
    }
    null_at = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_gives_each_key_once),
        cmocka_unit_test(test_count_by_several_fields),
        cmocka_unit_test(test_a_batch_job_combines_before_the_shuffle),
        cmocka_unit_test(test_count_streams_changes),
        cmocka_unit_test(test_reduce_streams_changes),
        cmocka_unit_test(test_reduce_in_batch),
        cmocka_unit_test(test_a_count_of_counts),
        cmocka_unit_test(test_nullable_keys_without_nulls),
        cmocka_unit_test(test_a_null_key_fails_and_names_the_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
