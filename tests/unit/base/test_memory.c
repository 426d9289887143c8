/* tests/unit/base/test_memory.c -- allocation and the failure hook. */
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void zero_sizes_give_blocks(void **state)
{
    (void)state;
    void *blocks[] = {weir_alloc(0), weir_calloc(0, 8), weir_calloc(8, 0), weir_alloc_aligned(0)};
    for (size_t i = 0; i < WEIR_COUNT(blocks); i++) {
        assert_non_null(blocks[i]);
        weir_free(blocks[i]);
    }
    weir_free(NULL);
}

static void impossible_sizes_fail(void **state)
{
    (void)state;
    assert_null(weir_alloc(SIZE_MAX));
    assert_null(weir_calloc(SIZE_MAX / 2, 4));
    assert_null(weir_alloc_aligned(SIZE_MAX - 10));
    char *kept = weir_strdup("kept");
    assert_null(weir_realloc(kept, SIZE_MAX));
    assert_string_equal(kept, "kept");
    weir_free(kept);
}

static void calloc_zeroes_and_aligned_aligns(void **state)
{
    (void)state;
    uint8_t *zeroed = weir_calloc(33, 3);
    for (size_t i = 0; i < 99; i++)
        assert_int_equal(zeroed[i], 0);
    weir_free(zeroed);
    for (size_t size = 1; size < 300; size += 37) {
        uint8_t *aligned = weir_alloc_aligned(size);
        assert_int_equal((uintptr_t)aligned % 64, 0);
        memset(aligned, 1, size);
        weir_free(aligned);
    }
}

static void text_copies(void **state)
{
    (void)state;
    assert_null(weir_strdup(NULL));
    assert_null(weir_strndup(NULL, 3));
    char *whole = weir_strdup("river"), *part = weir_strndup("river", 3);
    char *shorter = weir_strndup("river", 100), *made = weir_asprintf("%s-%d", "a", 5);
    assert_string_equal(whole, "river");
    assert_string_equal(part, "riv");
    assert_string_equal(shorter, "river");
    assert_string_equal(made, "a-5");
    weir_free(whole);
    weir_free(part);
    weir_free(shorter);
    weir_free(made);
}

static void exactly_the_nth_fails(void **state)
{
    (void)state;
    weir_memory_fail_at(3);
    for (int i = 1; i <= 5; i++) {
        void *block = weir_alloc(1);
        assert_true((block == NULL) == (i == 3));
        weir_free(block);
    }
    weir_memory_fail_at(1);
    assert_null(weir_calloc(1, 1));
    weir_memory_fail_at(1);
    assert_null(weir_strdup("x"));
    weir_memory_fail_at(1);
    assert_null(weir_asprintf("x"));
    weir_memory_fail_at(1);
    assert_null(weir_alloc_aligned(1));
    weir_memory_fail_at(1);
    weir_memory_fail_at(0);
    void *block = weir_alloc(1);
    assert_non_null(block);
    weir_free(block);
}

static void all_from_the_nth_on_fail(void **state)
{
    (void)state;
    weir_memory_fail_from(3);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(weir_memory_fail_left(), i < 3 ? 4 - i : 1);
        void *block = weir_alloc(1);
        assert_true((block == NULL) == (i >= 3));
        weir_free(block);
    }
    weir_memory_fail_at(2);
    assert_int_equal(weir_memory_fail_left(), 2);
    weir_free(weir_alloc(1));
    assert_null(weir_alloc(1));
    assert_int_equal(weir_memory_fail_left(), 0);
    void *block = weir_alloc(1);
    assert_non_null(block);
    weir_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_sizes_give_blocks),
        cmocka_unit_test(impossible_sizes_fail),
        cmocka_unit_test(calloc_zeroes_and_aligned_aligns),
        cmocka_unit_test(text_copies),
        cmocka_unit_test(exactly_the_nth_fails),
        cmocka_unit_test(all_from_the_nth_on_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
