#include "harness.h"

WEIR_RECORD(word, (string, text));
WEIR_RECORD(counted, (string, text), (bigint, n));
WEIR_RECORD(turned, (bigint, n), (string, text)); /* the count stands first */
WEIR_RECORD(maybe, (bigint, other), (nullable_string, text));
WEIR_RECORD(maybe_counted, (nullable_string, text), (bigint, n));
WEIR_RECORD(id, (bigint, id));
WEIR_RECORD(id_counted, (bigint, id), (bigint, n));
WEIR_RECORD(tiny, (smallint, id));
WEIR_RECORD(tiny_counted, (smallint, id), (bigint, n));
WEIR_RECORD(pair, (integer, a), (bigint, other), (string, b), (boolean, c));
WEIR_RECORD(pair_counted, (string, b), (bigint, n), (boolean, c), (integer, a));
WEIR_RECORD(padded, (char, text, WEIR_LENGTH(5)));
WEIR_RECORD(padded_counted, (char, text, WEIR_LENGTH(5)), (bigint, n));

static void count_init(fixture *f, enum weir_phase phase, bool batch, const weir_type *in,
                       const weir_type *out)
{
    fixture_init(f, WEIR_OPERATOR_COUNT, in, out);
    f->described.name = "count";
    f->described.phase = phase;
    f->described.nkeys = 1;
    f->described.count_field = 1;
    f->described.count_input = 1;
    f->graph.batch = batch;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_rows(catcher *c)
{
    if (c->count > 0)
        qsort(c->rows, c->count, sizeof *c->rows, by_text);
}

static void test_complete_batch(void **state)
{
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(word), WEIR_TYPE(turned));
    f.described.count_field = 0;
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(word){str("b")});
    add(&f, &(word){str("a")});
    add(&f, &(word){str("")});
    add(&f, &(word){str("a-key-longer-than-sixteen")});
    assert_int_equal(feed(&f, 0), 0);
    add(&f, &(word){str("a")});
    add(&f, &(word){str("a-key-longer-than-sixteen")});
    add_full(&f, 0, &(word){str("b")}, INT64_MIN, WEIR_DELETE); /* b is gone again */
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(flush(&f), 0);
    assert_int_equal(f.outputs[0].count, 0); /* once, at the end */
    assert_int_equal(end_input(&f, NULL), 0);
    sort_rows(&f.outputs[0]);
    EXPECT(&f.outputs[0], "+I{n=1, text=}", "+I{n=2, text=a-key-longer-than-sixteen}",
           "+I{n=2, text=a}");
    assert_int_equal(f.op->records_in, 7);
    assert_int_equal(f.op->records_out, 3);
    fixture_close(&f);
}

/* A column without a single byte has no memory at all. */
static void test_only_empty_keys(void **state)
{
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(word), WEIR_TYPE(counted));
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(word){str("")});
    add(&f, &(word){{NULL, 0}});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    EXPECT(&f.outputs[0], "+I{text=, n=2}");
    fixture_close(&f);
}

static void test_changes(void **state)
{
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_COMPLETE, false, WEIR_TYPE(word), WEIR_TYPE(counted));
    assert_int_equal(fixture_open(&f), 0);
    add_full(&f, 0, &(word){str("a")}, 1, WEIR_INSERT);
    add_full(&f, 0, &(word){str("a")}, 2, WEIR_INSERT);
    add_full(&f, 0, &(word){str("b")}, 3, WEIR_DELETE); /* never seen: says nothing */
    add_full(&f, 0, &(word){str("a")}, 4, WEIR_UPDATE_BEFORE);
    add_full(&f, 0, &(word){str("b")}, 5, WEIR_UPDATE_AFTER);
    add_full(&f, 0, &(word){str("a")}, 6, WEIR_DELETE);
    add_full(&f, 0, &(word){str("a")}, 7, WEIR_INSERT);
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(flush(&f), 0);
    EXPECT(&f.outputs[0], "+I{text=a, n=1}@1", "-U{text=a, n=1}@2", "+U{text=a, n=2}@2",
           "-U{text=a, n=2}@4", "+U{text=a, n=1}@4", "+I{text=b, n=1}@5", "-D{text=a, n=1}@6",
           "+I{text=a, n=1}@7");
    assert_int_equal(end_input(&f, NULL), 0);
    assert_int_equal(f.outputs[0].count, 8);
    fixture_close(&f);
}

/* ---- random streams against a naive model ---- */

#define KEYS 400

static const char *key_text(uint64_t k)
{
    static char text[64];

    (void)snprintf(text, sizeof text, k % 5 ? "w%llu" : "a-long-long-long-word-%llu",
                   (unsigned long long)k);
    return text;
}

/* Every partial count that came out, summed per key; returns how many rows there were. */
static void sum_rows(const catcher *c, int64_t *sums)
{
    for (size_t i = 0; i < c->count; i++) {
        const char *n = strstr(c->rows[i], ", n=");
        uint64_t k = 0;

        assert_non_null(n);
        while (k < KEYS) {
            char want[100];

            (void)snprintf(want, sizeof want, "+I{text=%s, n=", key_text(k));
            if (strncmp(c->rows[i], want, strlen(want)) == 0)
                break;
            k++;
        }
        assert_true(k < KEYS);
        sums[k] += strtoll(n + 4, NULL, 10);
    }
}

/* A combiner hands on what it has when its memory is used up: sums stay right whatever the limit.
 */
static void test_partial_model(void **state)
{
    static const uint64_t limits[] = {0, 20000, 80000, 1u << 20};
    size_t rows_before = SIZE_MAX;

    (void)state;
    for (size_t l = 0; l < WEIR_COUNT(limits); l++) {
        int64_t model[KEYS] = {0}, sums[KEYS] = {0};
        weir_prng prng = {1};
        fixture f;

        count_init(&f, WEIR_PHASE_PARTIAL, true, WEIR_TYPE(word), WEIR_TYPE(counted));
        f.context.combine_memory = limits[l];
        assert_int_equal(fixture_open(&f), 0);
        for (int batch = 0; batch < 60; batch++) {
            uint64_t n = weir_prng_below(&prng, 200);

            for (uint64_t i = 0; i < n; i++) {
                uint64_t k = weir_prng_below(&prng, 20) * weir_prng_below(&prng, KEYS / 20);
                bool take = weir_prng_below(&prng, 10) == 0;

                model[k] += take ? -1 : 1;
                add_full(&f, 0, &(word){str(key_text(k))}, INT64_MIN,
                         take ? WEIR_DELETE : WEIR_INSERT);
            }
            assert_int_equal(feed(&f, 0), 0);
        }
        assert_int_equal(end_input(&f, NULL), 0);
        sum_rows(&f.outputs[0], sums);
        assert_memory_equal(model, sums, sizeof sums);
        assert_true(f.outputs[0].largest <= 100);
        assert_true(f.outputs[0].count <= rows_before); /* more memory combines more */
        rows_before = f.outputs[0].count;
        if (limits[l] == 0)
            assert_true(rows_before > 2000);
        fixture_close(&f);
    }
    assert_true(rows_before <= KEYS);
}

/* A full combiner drains piece by piece, not all at once. */
static void test_partial_drains_smoothly(void **state)
{
    size_t before = 0;
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_PARTIAL, true, WEIR_TYPE(id), WEIR_TYPE(id_counted));
    f.context.combine_memory = 2 * 64 * 1024;
    assert_int_equal(fixture_open(&f), 0);
    for (int64_t at = 0; at < 50000; at += 100) {
        for (int64_t i = 0; i < 100; i++)
            add(&f, &(id){at + i});
        assert_int_equal(feed(&f, 0), 0);
        assert_true(f.outputs[0].count - before <= 300);
        before = f.outputs[0].count;
    }
    assert_true(before > 40000);
    assert_int_equal(end_input(&f, NULL), 0);
    assert_int_equal(f.outputs[0].count, 50000);
    fixture_close(&f);
}

/* In a streaming job a pause hands on what was combined. */
static void test_partial_streaming_flush(void **state)
{
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_PARTIAL, false, WEIR_TYPE(word), WEIR_TYPE(counted));
    assert_int_equal(fixture_open(&f), 0);
    for (int round = 0; round < 3; round++) {
        add(&f, &(word){str("a")});
        add(&f, &(word){str("a")});
        assert_int_equal(feed(&f, 0), 0);
        assert_int_equal(flush(&f), 0);
    }
    EXPECT(&f.outputs[0], "+I{text=a, n=2}", "+I{text=a, n=2}", "+I{text=a, n=2}");
    assert_int_equal(end_input(&f, NULL), 0);
    assert_int_equal(f.outputs[0].count, 3);
    fixture_close(&f);
}

static void test_final_sums(void **state)
{
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_FINAL, true, WEIR_TYPE(counted), WEIR_TYPE(turned));
    f.described.count_field = 0;
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(counted){str("a"), 3});
    add(&f, &(counted){str("b"), 5});
    add(&f, &(counted){str("c"), -1});
    assert_int_equal(feed(&f, 0), 0);
    add(&f, &(counted){str("a"), 4});
    add(&f, &(counted){str("c"), 1});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    sort_rows(&f.outputs[0]);
    EXPECT(&f.outputs[0], "+I{n=5, text=b}", "+I{n=7, text=a}");
    fixture_close(&f);
}

static void test_final_changes(void **state)
{
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_FINAL, false, WEIR_TYPE(counted), WEIR_TYPE(counted));
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(counted){str("a"), -2}); /* partial counts may overtake each other */
    add(&f, &(counted){str("a"), 3});
    add(&f, &(counted){str("a"), 4});
    add(&f, &(counted){str("a"), 0});
    add(&f, &(counted){str("a"), -5});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(flush(&f), 0);
    EXPECT(&f.outputs[0], "+I{text=a, n=1}", "-U{text=a, n=1}", "+U{text=a, n=5}",
           "-D{text=a, n=5}");
    fixture_close(&f);
}

/* A changelog, applied row by row, gives the counts; each change repeats the row it takes back. */
static void test_changes_model(void **state)
{
    int64_t model[KEYS] = {0}, seen[KEYS] = {0};
    weir_prng prng = {3};
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_COMPLETE, false, WEIR_TYPE(id), WEIR_TYPE(id_counted));
    assert_int_equal(fixture_open(&f), 0);
    for (int batch = 0; batch < 100; batch++) {
        for (int i = 0; i < 150; i++) {
            uint64_t k = weir_prng_below(&prng, 20) * weir_prng_below(&prng, KEYS / 20);
            bool take = weir_prng_below(&prng, 2) == 0;

            if (!take)
                model[k]++;
            else if (model[k] > 0)
                model[k]--;
            add_full(&f, 0, &(id){(int64_t)k}, INT64_MIN, take ? WEIR_DELETE : WEIR_INSERT);
        }
        assert_int_equal(feed(&f, 0), 0);
    }
    assert_int_equal(flush(&f), 0);
    for (size_t i = 0; i < f.outputs[0].count; i++) {
        const char *row = f.outputs[0].rows[i];
        char kind[3] = {row[0], row[1], 0};
        long long k, n;

        assert_int_equal(sscanf(row + 2, "{id=%lld, n=%lld}", &k, &n), 2);
        assert_true(k >= 0 && k < KEYS);
        if (strcmp(kind, "+I") == 0 || strcmp(kind, "+U") == 0) {
            assert_int_equal(seen[k], strcmp(kind, "+I") == 0 ? 0 : -1);
            seen[k] = n;
        } else {
            assert_int_equal(seen[k], n);
            seen[k] = strcmp(kind, "-D") == 0 ? 0 : -1; /* -1: a +U must follow */
        }
    }
    assert_memory_equal(seen, model, sizeof seen);
    fixture_close(&f);
}

/* ---- keys of other types ---- */

static void test_key_types(void **state)
{
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(tiny), WEIR_TYPE(tiny_counted));
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(tiny){-3});
    add(&f, &(tiny){300});
    add(&f, &(tiny){-3});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    sort_rows(&f.outputs[0]);
    EXPECT(&f.outputs[0], "+I{id=-3, n=2}", "+I{id=300, n=1}");
    fixture_close(&f);

    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(pair), WEIR_TYPE(pair_counted));
    f.described.nkeys = 3;
    f.described.keys[0] = 3;
    f.described.keys[1] = 0;
    f.described.keys[2] = 2;
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(pair){1, 7, str("x"), true});
    add(&f, &(pair){1, 8, str("x"), true});
    add(&f, &(pair){1, 8, str("x"), false});
    add(&f, &(pair){2, 8, str("a text of many bytes"), true});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    sort_rows(&f.outputs[0]);
    EXPECT(&f.outputs[0], "+I{b=a text of many bytes, n=1, c=true, a=2}",
           "+I{b=x, n=1, c=false, a=1}", "+I{b=x, n=2, c=true, a=1}");
    fixture_close(&f);

    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(padded), WEIR_TYPE(padded_counted));
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(padded){str("ab")});
    add(&f, &(padded){str("ab  ")});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    EXPECT(&f.outputs[0], "+I{text=ab   , n=2}"); /* trailing spaces make no difference */
    fixture_close(&f);
}

/* ---- errors ---- */

static void test_null_key(void **state)
{
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(maybe), WEIR_TYPE(maybe_counted));
    f.described.keys[0] = 1;
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(maybe){1, {.value = str("x")}});
    assert_int_equal(feed(&f, 0), 0);
    add(&f, &(maybe){2, {.value = str("x")}});
    add(&f, &(maybe){3, {.is_null = true}});
    assert_int_equal(feed(&f, 0), WEIR_EUSER);
    assert_string_equal(f.err.text,
                        "job.c:7: count: a key is NULL; field text of record {other=3, text=NULL}; "
                        "filter it out or give it a value before key_by");
    fixture_close(&f);
}

static void test_overflow(void **state)
{
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_FINAL, true, WEIR_TYPE(counted), WEIR_TYPE(counted));
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(counted){str("a"), INT64_MAX});
    assert_int_equal(feed(&f, 0), 0);
    add(&f, &(counted){str("a"), 1});
    assert_int_equal(feed(&f, 0), WEIR_EUSER);
    assert_non_null(strstr(f.err.text, "job.c:7: count: a count is beyond the range of bigint"));
    fixture_close(&f);
}

static void test_open_errors(void **state)
{
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(word), WEIR_TYPE(id_counted));
    assert_int_equal(fixture_open(&f), WEIR_EINVALID);
    assert_non_null(strstr(f.err.text, "no column text"));
    fixture_close(&f);
    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(word), WEIR_TYPE(counted));
    f.described.count_field = 0;
    assert_int_equal(fixture_open(&f), WEIR_EINVALID);
    fixture_close(&f);
    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(word), WEIR_TYPE(counted));
    f.described.keys[0] = 9;
    assert_int_equal(fixture_open(&f), WEIR_EINVALID);
    fixture_close(&f);
    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(word), WEIR_TYPE(counted));
    f.described.nkeys = 0;
    assert_int_equal(fixture_open(&f), WEIR_EINVALID);
    fixture_close(&f);
}

static void test_end_is_resumable(void **state)
{
    uint32_t turns;
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(id), WEIR_TYPE(id_counted));
    assert_int_equal(fixture_open(&f), 0);
    for (int64_t i = 0; i < 10000; i++)
        add(&f, &(id){i});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, &turns), 0);
    assert_int_equal(f.outputs[0].count, 10000);
    assert_true(turns >= 90 && turns <= 101); /* about a batch a turn */
    assert_int_equal(f.outputs[0].largest, 100);
    fixture_close(&f);
}

static void test_out_of_memory(void **state)
{
    weir_batch *batch = NULL;
    fixture f;

    (void)state;
    count_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(id), WEIR_TYPE(id_counted));
    assert_int_equal(fixture_open(&f), 0);
    for (int64_t i = 0; i < 10000; i++)
        add(&f, &(id){i});
    assert_int_equal(weir_builder_finish(f.input[0], &batch), 0);
    weir_memory_fail_at(1);
    assert_int_equal(
        f.op->vtable->process_batch(f.op, 0, weir_batch_columns(batch), &f.wait, &f.err),
        WEIR_ENO_MEMORY);
    weir_memory_fail_at(0);
    assert_non_null(strstr(f.err.text, "job.c:7: count: out of memory for its keys; 0 keys"));
    weir_batch_unref(&batch);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete_batch),
        cmocka_unit_test(test_only_empty_keys),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_partial_model),
        cmocka_unit_test(test_partial_drains_smoothly),
        cmocka_unit_test(test_partial_streaming_flush),
        cmocka_unit_test(test_final_sums),
        cmocka_unit_test(test_final_changes),
        cmocka_unit_test(test_changes_model),
        cmocka_unit_test(test_key_types),
        cmocka_unit_test(test_null_key),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_open_errors),
        cmocka_unit_test(test_end_is_resumable),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
