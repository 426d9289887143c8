#include "harness.h"

#include "operators/byte_slab.h"

typedef struct block {
    uint8_t *bytes;
    size_t size;
    uint8_t fill;
} block;

static size_t random_size(weir_prng *prng)
{
    switch (weir_prng_below(prng, 4)) {
    case 0:
        return (size_t)weir_prng_below(prng, 64);
    case 1:
        return (size_t)weir_prng_below(prng, 1100);
    case 2:
        return (size_t)weir_prng_below(prng, 70000);
    default:
        return 65500 + (size_t)weir_prng_below(prng, 100);
    }
}

/* Blocks keep their content while others come and go; none overlap; reset gives memory back. */
static void test_blocks_are_apart(void **state)
{
    weir_byte_slab slab = {0};
    weir_prng prng = {7};
    block blocks[200] = {0};

    (void)state;
    for (int step = 0; step < 20000; step++) {
        block *b = &blocks[weir_prng_below(&prng, WEIR_COUNT(blocks))];

        for (size_t i = 0; i < b->size; i++)
            assert_int_equal(b->bytes[i], b->fill);
        weir_byte_slab_free(&slab, b->bytes, b->size);
        b->size = random_size(&prng) & (step % 16 ? 127 : SIZE_MAX);
        b->bytes = weir_byte_slab_alloc(&slab, b->size);
        b->fill = (uint8_t)step;
        assert_non_null(b->bytes);
        assert_int_equal((uintptr_t)b->bytes % 16, 0);
        memset(b->bytes, b->fill, b->size);
    }
    assert_true(slab.memory > 0);
    weir_byte_slab_reset(&slab);
    assert_true(slab.memory < 300u << 10);
    weir_byte_slab_deinit(&slab);
    assert_int_equal(slab.memory, 0);
}

/* What is freed is used again: no growth. */
static void test_memory_is_reused(void **state)
{
    weir_byte_slab slab = {0};
    size_t memory = 0;

    (void)state;
    for (int round = 0; round < 1000; round++) {
        for (size_t size = 1; size < 200000; size = size * 3 + 1) {
            void *p = weir_byte_slab_alloc(&slab, size);

            assert_non_null(p);
            weir_byte_slab_free(&slab, p, size);
        }
        if (round == 0)
            memory = slab.memory;
        assert_int_equal(slab.memory, memory);
    }
    weir_byte_slab_deinit(&slab);
}

static void test_out_of_memory(void **state)
{
    weir_byte_slab slab = {0};

    (void)state;
    weir_memory_fail_at(1);
    assert_null(weir_byte_slab_alloc(&slab, 10));
    weir_memory_fail_at(1);
    assert_null(weir_byte_slab_alloc(&slab, 100000));
    weir_memory_fail_at(0);
    assert_non_null(weir_byte_slab_alloc(&slab, 10));
    weir_byte_slab_free(&slab, NULL, 5);
    weir_byte_slab_deinit(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_apart),
        cmocka_unit_test(test_memory_is_reused),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
