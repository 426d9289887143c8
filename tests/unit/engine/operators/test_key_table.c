#include "harness.h"

#include "operators/key_table.h"

#define KEYS 3000

/* The model: key number k has these bytes; sizes cover 0, the inline limit and long keys. */
static uint32_t key_bytes(uint32_t k, uint8_t *out)
{
    static const uint32_t sizes[] = {4, 5, 8, 15, 16, 17, 40, 300};
    uint32_t size = k == 0 ? 0 : sizes[k % WEIR_COUNT(sizes)];

    memset(out, 'x', size);
    if (size >= 4)
        memcpy(out, &k, 4);
    if (k % 3 == 0 && size >= 5)
        out[size - 1] = 0; /* zeroes are bytes, not padding */
    return size;
}

typedef struct model {
    weir_key_table table;
    int64_t counts[KEYS]; /* 0: absent */
    uint64_t present;
} model;

/* A block of keys in memory that ends with them: nothing behind may be read. */
static void find_block(model *m, const uint32_t *keys, uint32_t n, weir_key_entry **entries)
{
    uint32_t offsets[WEIR_KEY_BLOCK + 1] = {0};
    uint8_t scratch[WEIR_KEY_BLOCK * 300], *exact;

    for (uint32_t i = 0; i < n; i++)
        offsets[i + 1] = offsets[i] + key_bytes(keys[i], scratch + offsets[i]);
    exact = malloc(offsets[n] + 1);
    assert_non_null(exact);
    memcpy(exact + 1, scratch, offsets[n]); /* odd alignment */
    assert_int_equal(weir_key_table_reserve(&m->table, n, UINT64_MAX), 0);
    assert_int_equal(weir_key_table_find(&m->table, exact + 1, offsets, offsets[n], n, entries), 0);
    free(exact);
}

static void check_model(model *m)
{
    uint64_t cursor = 0, seen = 0;
    weir_key_entry *entry;
    uint8_t expected[300];

    assert_int_equal(m->table.count, m->present);
    while ((entry = weir_key_table_next(&m->table, &cursor))) {
        uint32_t size = weir_key_entry_size(entry), k = 0;

        if (size > 0)
            memcpy(&k, weir_key_entry_bytes(entry), 4);
        assert_true(k < KEYS);
        assert_int_equal(key_bytes(k, expected), size);
        assert_memory_equal(expected, weir_key_entry_bytes(entry), size);
        assert_int_equal(entry->value.count, m->counts[k]);
        seen++;
    }
    assert_int_equal(seen, m->present);
}

static void test_model(void **state)
{
    model *m = calloc(1, sizeof *m);
    weir_prng prng = {42};

    (void)state;
    assert_non_null(m);
    weir_key_table_init(&m->table, 5);
    for (int step = 0; step < 6000; step++) {
        uint32_t keys[WEIR_KEY_BLOCK], n = (uint32_t)weir_prng_below(&prng, WEIR_KEY_BLOCK + 1);
        weir_key_entry *entries[WEIR_KEY_BLOCK];

        for (uint32_t i = 0; i < n; i++)
            keys[i] = (uint32_t)(weir_prng_below(&prng, 60) * weir_prng_below(&prng, KEYS / 60));
        find_block(m, keys, n, entries);
        for (uint32_t i = 0; i < n; i++) {
            if (m->counts[keys[i]] == 0)
                m->present++;
            assert_int_equal(entries[i]->value.count, m->counts[keys[i]]);
            m->counts[keys[i]] = ++entries[i]->value.count;
        }
        if (n > 0 && step % 2) { /* removal moves entries: only one of the block */
            weir_key_table_remove(&m->table, entries[0]);
            m->counts[keys[0]] = 0;
            m->present--;
        }
        if (step % 500 == 0)
            check_model(m);
    }
    check_model(m);
    weir_key_table_clear(&m->table);
    memset(m->counts, 0, sizeof m->counts);
    m->present = 0;
    check_model(m);
    weir_key_table_deinit(&m->table);
    free(m);
}

/* Counting is finding and adding. */
static void test_counts(void **state)
{
    weir_prng prng = {43};
    weir_key_table found, counted;
    uint64_t cursor = 0;
    weir_key_entry *entry, *one[WEIR_KEY_BLOCK];

    (void)state;
    weir_key_table_init(&found, 5);
    weir_key_table_init(&counted, 5);
    for (int step = 0; step < 3000; step++) {
        uint32_t n = (uint32_t)weir_prng_below(&prng, WEIR_KEY_BLOCK + 1);
        uint32_t offsets[WEIR_KEY_BLOCK + 1] = {0};
        uint8_t scratch[WEIR_KEY_BLOCK * 300], *exact;

        for (uint32_t i = 0; i < n; i++)
            offsets[i + 1] = offsets[i] + key_bytes((uint32_t)weir_prng_below(&prng, KEYS),
                                                    scratch + offsets[i]);
        exact = malloc(offsets[n] + 1);
        assert_non_null(exact);
        memcpy(exact + 1, scratch, offsets[n]);
        assert_int_equal(weir_key_table_reserve(&found, n, UINT64_MAX), 0);
        assert_int_equal(weir_key_table_reserve(&counted, n, UINT64_MAX), 0);
        assert_int_equal(weir_key_table_find(&found, exact + 1, offsets, offsets[n], n, one), 0);
        for (uint32_t i = 0; i < n; i++)
            one[i]->value.count++;
        assert_int_equal(weir_key_table_count(&counted, exact + 1, offsets, offsets[n], n), 0);
        free(exact);
    }
    assert_int_equal(found.count, counted.count);
    while ((entry = weir_key_table_next(&found, &cursor))) {
        uint32_t offsets[2] = {0, weir_key_entry_size(entry)};

        assert_int_equal(
            weir_key_table_find(&counted, weir_key_entry_bytes(entry), offsets, offsets[1], 1, one),
            0);
        assert_int_equal(one[0]->value.count, entry->value.count);
    }
    assert_int_equal(found.count, counted.count);
    one[0]->value.count = INT64_MAX;
    assert_int_equal(weir_key_table_count(&counted, weir_key_entry_bytes(one[0]),
                                          (uint32_t[]){0, weir_key_entry_size(one[0])},
                                          weir_key_entry_size(one[0]), 1),
                     WEIR_EINVALID);
    weir_key_table_deinit(&found);
    weir_key_table_deinit(&counted);
}

static void test_words(void **state)
{
    weir_key_table table;
    weir_key_entry *entries[WEIR_KEY_BLOCK];

    (void)state;
    weir_key_table_init(&table, 1);
    for (uint64_t base = 0; base < 20000; base += WEIR_KEY_BLOCK) {
        uint64_t words[WEIR_KEY_BLOCK];

        for (uint32_t i = 0; i < WEIR_KEY_BLOCK; i++)
            words[i] = (base + i) / 2 * 0x100000001u;
        assert_int_equal(weir_key_table_reserve(&table, WEIR_KEY_BLOCK, UINT64_MAX), 0);
        weir_key_table_find_words(&table, words, 8, WEIR_KEY_BLOCK, entries);
        for (uint32_t i = 0; i < WEIR_KEY_BLOCK; i++) {
            assert_memory_equal(weir_key_entry_bytes(entries[i]), &words[i], 8);
            assert_int_equal(++entries[i]->value.count, i % 2 + 1);
        }
    }
    assert_int_equal(table.count, 10000);
    weir_key_table_deinit(&table);
}

/* A table that is filled in the order of another one stays fast: no long runs. */
static void test_seeds_differ(void **state)
{
    weir_key_table a, b;
    uint64_t cursor = 0, words[1], distance = 0;
    weir_key_entry *entry, *copy[1];

    (void)state;
    weir_key_table_init(&a, 4);
    weir_key_table_init(&b, 5);
    for (uint64_t i = 0; i < 100000; i++) {
        words[0] = i;
        assert_int_equal(weir_key_table_reserve(&a, 1, UINT64_MAX), 0);
        weir_key_table_find_words(&a, words, 8, 1, copy);
    }
    while ((entry = weir_key_table_next(&a, &cursor))) {
        words[0] = entry->key.words[0];
        assert_int_equal(weir_key_table_reserve(&b, 1, UINT64_MAX), 0);
        weir_key_table_find_words(&b, words, 8, 1, copy);
        distance += ((uint64_t)(copy[0] - b.entries) - weir_key_table_home(&b, copy[0]->hash)) &
                    (b.capacity - 1);
    }
    assert_int_equal(b.count, 100000);
    assert_true(distance < 200000);
    weir_key_table_deinit(&a);
    weir_key_table_deinit(&b);
}

static void test_limits(void **state)
{
    weir_key_table table;
    weir_key_entry *entries[1];
    uint64_t word = 0;

    (void)state;
    weir_key_table_init(&table, 0);
    /* An empty table makes room whatever the limit is, or nothing would ever go in. */
    assert_int_equal(weir_key_table_reserve(&table, 100, 1), 0);
    weir_key_table_find_words(&table, &word, 8, 1, entries);
    assert_int_equal(weir_key_table_reserve(&table, 1, 1), WEIR_ETOO_LARGE);
    assert_int_equal(weir_key_table_reserve(&table, 1, weir_key_table_memory(&table)), 0);
    assert_int_equal(weir_key_table_reserve(&table, 1000, weir_key_table_memory(&table)),
                     WEIR_ETOO_LARGE);
    assert_int_equal(weir_key_table_reserve(&table, (uint64_t)1 << 40, UINT64_MAX),
                     WEIR_ETOO_LARGE);
    weir_memory_fail_at(1);
    assert_int_equal(weir_key_table_reserve(&table, 1000, UINT64_MAX), WEIR_ENO_MEMORY);
    weir_memory_fail_at(0);
    assert_int_equal(table.count, 1);
    weir_key_table_find_words(&table, &word, 8, 1, entries);
    assert_int_equal(table.count, 1);
    weir_key_table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),  cmocka_unit_test(test_counts),
        cmocka_unit_test(test_words),  cmocka_unit_test(test_seeds_differ),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
