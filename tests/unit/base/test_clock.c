/* tests/unit/base/test_clock.c -- clocks, generators, shown times. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void clocks_go_forward(void **state)
{
    (void)state;
    int64_t before = weir_clock_monotonic_ns();
    int64_t ms = weir_clock_monotonic_ms();
    int64_t after = weir_clock_monotonic_ns();
    assert_true(before / 1000000 <= ms && ms <= after / 1000000);
    assert_true(weir_clock_wall_ms() > INT64_C(1600000000000));
}

static void prng_is_splitmix64(void **state)
{
    (void)state;
    weir_prng prng = {1234567};
    /* The published test vector of splitmix64. */
    assert_true(weir_prng_next(&prng) == UINT64_C(6457827717110365317));
    assert_true(weir_prng_next(&prng) == UINT64_C(3203168211198807973));
    assert_true(weir_prng_next(&prng) == UINT64_C(9817491932198370423));
}

static void below_is_bounded_and_even(void **state)
{
    (void)state;
    weir_prng prng = {1};
    unsigned seen[6] = {0};
    for (int i = 0; i < 60000; i++)
        seen[weir_prng_below(&prng, 6)]++;
    for (int i = 0; i < 6; i++)
        assert_in_range(seen[i], 9500, 10500);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(weir_prng_below(&prng, 1), 0);
        assert_true(weir_prng_below(&prng, UINT64_MAX) < UINT64_MAX);
        assert_true(weir_prng_below(&prng, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
    }
    weir_prng a = {9}, b = {9};
    for (int i = 0; i < 100; i++)
        assert_true(weir_prng_below(&a, 1000) == weir_prng_below(&b, 1000));
}

static void random_differs(void **state)
{
    (void)state;
    assert_true(weir_random_u64() != weir_random_u64());
}

static void times_are_iso(void **state)
{
    (void)state;
    char out[25];
    assert_string_equal(weir_format_time(0, out, sizeof out), "1970-01-01T00:00:00.000Z");
    assert_string_equal(weir_format_time(1787306400123, out, sizeof out),
                        "2026-08-21T10:00:00.123Z");
    assert_string_equal(weir_format_time(-1, out, sizeof out), "1969-12-31T23:59:59.999Z");
    assert_string_equal(weir_format_time(951782400000, out, sizeof out),
                        "2000-02-29T00:00:00.000Z");
    memset(out, '#', sizeof out);
    weir_format_time(INT64_MAX, out, sizeof out); /* any year: cut, never over the end */
    assert_true(strnlen(out, sizeof out) < sizeof out);
    weir_format_time(INT64_MIN, out, sizeof out);
    assert_true(strnlen(out, sizeof out) < sizeof out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_go_forward),
        cmocka_unit_test(prng_is_splitmix64),
        cmocka_unit_test(below_is_bounded_and_even),
        cmocka_unit_test(random_differs),
        cmocka_unit_test(times_are_iso),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
