/* tests/unit/base/test_piece.c -- pieces of a transfer settle at what a link takes. */
#include "base/piece.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The size after so many pieces over a link of so many bytes per millisecond and a round trip. */
static uint32_t settle(uint32_t bytes_per_ms, int64_t round_trip_ms, int pieces)
{
    uint32_t size = WEIR_PIECE_FIRST;

    for (int i = 0; i < pieces; i++)
        size = weir_piece_next(size, round_trip_ms + size / bytes_per_ms);
    return size;
}

static void test_a_fast_link_gets_large_pieces(void **state)
{
    (void)state;
    assert_int_equal(settle(1000000, 0, 3), WEIR_PIECE_MAX);
    assert_int_equal(settle(1000000, 0, 100), WEIR_PIECE_MAX);
    assert_int_equal(settle(100000, 20, 4), WEIR_PIECE_MAX);
}

static void test_a_slow_link_gets_small_ones(void **state)
{
    (void)state;
    assert_int_equal(settle(60, 10, 20), WEIR_PIECE_MIN); /* half a megabit per second */
    uint32_t size = settle(600, 10, 20);
    assert_true(size / 600 <= 200 && size > WEIR_PIECE_MIN);
    assert_int_equal(weir_piece_next(WEIR_PIECE_MIN, 60000), WEIR_PIECE_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fast_link_gets_large_pieces),
        cmocka_unit_test(test_a_slow_link_gets_small_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
