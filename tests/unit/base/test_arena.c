/* tests/unit/base/test_arena.c -- alignment, zeroing, reset, failure. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"

#include <string.h>

static void gives_aligned_zeroed_separate_memory(void **state)
{
    (void)state;
    weir_arena *arena = weir_arena_new(100); /* no multiple of 16 */
    uint8_t *blocks[300];
    size_t total = 0;
    for (size_t i = 0; i < 300; i++) {
        size_t size = (i * 7) % 250; /* many are larger than a block */
        blocks[i] = weir_arena_alloc(arena, size);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        for (size_t j = 0; j < size; j++)
            assert_int_equal(blocks[i][j], 0);
        memset(blocks[i], (int)(i % 251), size);
        total += size;
    }
    for (size_t i = 0; i < 300; i++)
        for (size_t j = 0; j < (i * 7) % 250; j++)
            assert_int_equal(blocks[i][j], i % 251);
    assert_int_equal(weir_arena_used(arena), total);
    weir_arena_destroy(&arena);
    assert_null(arena);
    weir_arena_destroy(&arena);
    weir_arena_destroy(NULL);
}

static void texts(void **state)
{
    (void)state;
    weir_arena *arena = weir_arena_new(0);
    assert_null(weir_arena_strdup(arena, NULL));
    assert_null(weir_arena_strndup(arena, NULL, 1));
    assert_string_equal(weir_arena_strdup(arena, "weir"), "weir");
    assert_string_equal(weir_arena_strndup(arena, "weir", 2), "we");
    assert_string_equal(weir_arena_strndup(arena, "weir", 9), "weir");
    assert_string_equal(weir_arena_printf(arena, "%d %s", 4, "x"), "4 x");
    weir_arena_destroy(&arena);
}

/* After a reset the kept block serves again, zeroed, without a new allocation. */
static void reset_keeps_one_block(void **state)
{
    (void)state;
    weir_arena *arena = weir_arena_new(256);
    for (int i = 0; i < 50; i++)
        memset(weir_arena_alloc(arena, 100), 0xAB, 100);
    weir_arena_reset(arena);
    assert_int_equal(weir_arena_used(arena), 0);
    weir_memory_fail_at(1);
    const uint8_t *again = weir_arena_alloc(arena, 200);
    weir_memory_fail_at(0);
    assert_non_null(again);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(again[i], 0);
    weir_arena_destroy(&arena);
}

static void large_request_leaves_the_block_in_use(void **state)
{
    (void)state;
    weir_arena *arena = weir_arena_new(256);
    assert_non_null(weir_arena_alloc(arena, 16));
    assert_non_null(weir_arena_alloc(arena, 5000));
    weir_memory_fail_at(1);
    assert_non_null(weir_arena_alloc(arena, 200)); /* from the first block */
    weir_memory_fail_at(0);
    weir_arena_reset(arena);
    weir_arena_reset(arena);
    weir_arena_destroy(&arena);
}

static void failures_are_null(void **state)
{
    (void)state;
    weir_memory_fail_at(1);
    assert_null(weir_arena_new(0));
    weir_arena *arena = weir_arena_new(0);
    weir_memory_fail_at(1);
    assert_null(weir_arena_alloc(arena, 1));
    assert_null(weir_arena_alloc(arena, SIZE_MAX));
    assert_null(weir_arena_alloc(arena, SIZE_MAX / 2 - 20));
    assert_non_null(weir_arena_alloc(arena, 1));
    assert_int_equal(weir_arena_used(arena), 1);
    weir_arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_aligned_zeroed_separate_memory),
        cmocka_unit_test(texts),
        cmocka_unit_test(reset_keeps_one_block),
        cmocka_unit_test(large_request_leaves_the_block_in_use),
        cmocka_unit_test(failures_are_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
