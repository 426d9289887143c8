/* tests/bench/test_histogram.c -- against sorted values, which is what a histogram stands for. */
#include "histogram.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 200000

static histogram h, other;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int ascending(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

static void assert_close(int64_t found, int64_t wanted)
{
    if (found < wanted || (double)(found - wanted) > (double)wanted * 0.001)
        fail_msg("found %lld for %lld", (long long)found, (long long)wanted);
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    histogram_init(&h);
    for (int64_t value = 0; value < 2048; value++)
        histogram_record(&h, value, 1);
    assert_int_equal(histogram_percentile(&h, 0), 0);
    assert_int_equal(histogram_percentile(&h, 50), 1023);
    assert_int_equal(histogram_percentile(&h, 100), 2047);
    assert_int_equal(h.min, 0);
    assert_int_equal(h.max, 2047);
}

/* Every power of two and its neighbours: where a shift would be off by one. */
static void test_each_value_keeps_three_digits(void **state)
{
    (void)state;
    for (int bit = 0; bit < 42; bit++) {
        for (int64_t at = -1; at <= 1; at++) {
            int64_t value = (INT64_C(1) << bit) + at;
            histogram_init(&h);
            histogram_record(&h, value, 1);
            histogram_record(&h, HISTOGRAM_VALUE_MAX, 1); /* else the maximum is the answer */
            assert_close(histogram_percentile(&h, 50), value);
        }
    }
}

static void test_percentiles_of_many(void **state)
{
    static const double percents[] = {1, 25, 50, 90, 99, 99.9, 99.99, 100};
    int64_t *values = malloc(MANY * sizeof *values);
    uint64_t seed = 88172645463325252u;
    (void)state;

    assert_non_null(values);
    histogram_init(&h);
    for (int i = 0; i < MANY; i++) { /* over nine orders of magnitude */
        values[i] = (int64_t)exp((double)(next_random(&seed) % 1000000) / 1000000.0 * 20.7);
        histogram_record(&h, values[i], 1);
    }
    qsort(values, MANY, sizeof *values, ascending);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        size_t rank = (size_t)ceil(MANY * percents[i] / 100.0);
        assert_close(histogram_percentile(&h, percents[i]), values[rank - 1]);
    }
    assert_int_equal(h.total, MANY);
    assert_int_equal(h.max, values[MANY - 1]);
    free(values);
}

static void test_what_is_out_of_range_is_kept_at_its_ends(void **state)
{
    (void)state;
    histogram_init(&h);
    histogram_record(&h, -5, 1);
    histogram_record(&h, INT64_MAX, 1);
    assert_int_equal(histogram_percentile(&h, 50), 0);
    assert_int_equal(histogram_percentile(&h, 100), HISTOGRAM_VALUE_MAX);
    histogram_init(&h);
    assert_int_equal(histogram_percentile(&h, 99), 0);
    assert_true(histogram_mean(&h) == 0);
}

/* 100 answers of 1 ms and one that took 100 ms while 10 ms were the interval: it kept nine back. */
static void test_coordinated_omission(void **state)
{
    (void)state;
    histogram_init(&h);
    for (int i = 0; i < 100; i++)
        histogram_record_corrected(&h, 1000000, 10000000);
    histogram_record_corrected(&h, 100000000, 10000000);
    assert_int_equal(h.total, 110);
    assert_close(histogram_percentile(&h, 100.0 * 100 / 110), 1000000);
    assert_close(histogram_percentile(&h, 100.0 * 101 / 110), 10000000);
    assert_close(histogram_percentile(&h, 100.0 * 109 / 110), 90000000);
    assert_close(histogram_percentile(&h, 100), 100000000);
}

static void test_two_are_added_also_by_way_of_a_file(void **state)
{
    FILE *file = tmpfile();
    (void)state;

    assert_non_null(file);
    histogram_init(&h);
    histogram_init(&other);
    for (int64_t i = 1; i <= 1000; i++) {
        histogram_record(&h, i * 1000, 1);
        histogram_record(&other, i * 1000000, 2);
    }
    assert_int_equal(histogram_write(&other, file), 0);
    rewind(file);
    assert_int_equal(histogram_read(&h, file), 0);
    histogram_init(&other);
    assert_int_equal(h.total, 3000);
    assert_close(histogram_percentile(&h, 100), 1000000000);
    assert_close(histogram_percentile(&h, 100.0 * 1000 / 3000), 1000000);
    rewind(file);
    assert_int_equal(fputs("12 x\n", file) >= 0, 1);
    rewind(file);
    assert_int_equal(histogram_read(&other, file), -1);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_each_value_keeps_three_digits),
        cmocka_unit_test(test_percentiles_of_many),
        cmocka_unit_test(test_what_is_out_of_range_is_kept_at_its_ends),
        cmocka_unit_test(test_coordinated_omission),
        cmocka_unit_test(test_two_are_added_also_by_way_of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
