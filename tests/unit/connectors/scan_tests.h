/* scan_tests.h -- formats/scan.h against loops over single bytes; included by two tests, with and
 * without the processor's wide instructions. */
#ifndef TESTS_UNIT_CONNECTORS_SCAN_TESTS_H
#define TESTS_UNIT_CONNECTORS_SCAN_TESTS_H

#include "connectors/formats/scan.h"

#include "harness.h"

static void every_byte_is_found(void **state)
{
    weir_prng prng = {5};

    (void)state;
    for (int round = 0; round < 4000; round++) {
        uint32_t n = (uint32_t)weir_prng_below(&prng, 500), max, count = 0, found;
        uint32_t positions[600], rare = 1 + (uint32_t)weir_prng_below(&prng, 60);
        char *text = malloc(n + WEIR_SCAN_SLACK); /* a read too far is seen */

        assert_non_null(text);
        for (uint32_t i = 0; i < n + WEIR_SCAN_SLACK; i++)
            text[i] = weir_prng_below(&prng, rare) == 0 ? '\n' : (char)weir_prng_below(&prng, 256);
        max = round % 2 ? 500 : 1 + (uint32_t)weir_prng_below(&prng, 500);
        found = weir_scan_all(text, n, '\n', positions, max);
        for (uint32_t i = 0; i < n && count < found; i++)
            if (text[i] == '\n')
                assert_int_equal(positions[count++], i);
        assert_int_equal(count, found);
        assert_true(found <= max + 64);
        if (found < max) /* all of them */
            for (uint32_t i = found > 0 ? positions[found - 1] + 1 : 0; i < n; i++)
                assert_int_not_equal(text[i], '\n');
        free(text);
    }
}

static void the_first_byte_is_found(void **state)
{
    weir_prng prng = {6};

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)weir_prng_below(&prng, 90), wanted = n;
        char *text = malloc(n + WEIR_SCAN_SLACK);
        uint64_t ones, others;

        assert_non_null(text);
        for (size_t i = 0; i < n + WEIR_SCAN_SLACK; i++)
            text[i] = (char)('a' + weir_prng_below(&prng, 1 + (uint64_t)round % 60));
        for (size_t i = n; i-- > 0;)
            wanted = text[i] == 'b' ? i : wanted;
        assert_ptr_equal(weir_scan_first(text, text + n, 'b'), text + wanted);
        ones = weir_scan_64(text, 'b', 'c', &others);
        for (size_t i = 0; i < 64; i++) {
            assert_int_equal((ones >> i) & 1, text[i] == 'b');
            assert_int_equal((others >> i) & 1, text[i] == 'c');
        }
        free(text);
    }
}

static void copies_stop_at_odd_bytes(void **state)
{
    weir_prng prng = {7};

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)weir_prng_below(&prng, 70),
               room = n + (size_t)weir_prng_below(&prng, 20);
        char *text = malloc(room + 1), *to = malloc(n + 16);
        bool plain = true;

        assert_non_null(text);
        assert_non_null(to);
        for (size_t i = 0; i < room; i++)
            text[i] = (char)('a' + weir_prng_below(&prng, 4 + (uint64_t)round % 200));
        for (size_t i = 0; i < n; i++)
            plain &= text[i] < 'a' || text[i] > 'd';
        assert_int_equal(weir_scan_copy(to, text, n, room, 'a', 'b', 'c', 'd'), plain);
        if (plain && n > 0)
            assert_memory_equal(to, text, n);
        free(text);
        free(to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_found),
        cmocka_unit_test(the_first_byte_is_found),
        cmocka_unit_test(copies_stop_at_odd_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
