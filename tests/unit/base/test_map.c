/* tests/unit/base/test_map.c -- order, growth, removal, ownership, failure. */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static int freed;

static void count_free(void *value)
{
    freed++;
    weir_free(value);
}

static int put_number(weir_map *map, unsigned key, unsigned number)
{
    char text[16];
    snprintf(text, sizeof text, "key-%u", key);
    unsigned *value = weir_alloc(sizeof *value);
    assert_non_null(value);
    *value = number;
    int rc = weir_map_put(map, text, value);
    if (rc != 0)
        weir_free(value);
    return rc;
}

static unsigned *get_number(const weir_map *map, unsigned key)
{
    char text[16];
    snprintf(text, sizeof text, "key-%u", key);
    return weir_map_get(map, text);
}

static bool remove_number(weir_map *map, unsigned key)
{
    char text[16];
    snprintf(text, sizeof text, "key-%u", key);
    return weir_map_remove(map, text);
}

static void keeps_insertion_order(void **state)
{
    (void)state;
    freed = 0;
    weir_map *map = weir_map_new(count_free);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(put_number(map, i, i), 0);
    for (unsigned i = 0; i < 1000; i += 3)
        assert_true(remove_number(map, i));
    assert_int_equal(put_number(map, 1, 5001), 0); /* replaced: keeps its place */
    assert_int_equal(put_number(map, 0, 5000), 0); /* added again: at the end */
    assert_int_equal(weir_map_count(map), 1000 - 334 + 1);
    const char *key;
    void *value;
    unsigned seen = 0, expected = 1;
    for (size_t i = 0; weir_map_next(map, &i, &key, &value); seen++) {
        if (seen < 666) {
            assert_int_equal(*(unsigned *)value, expected == 1 ? 5001 : expected);
            expected += expected % 3 == 2 ? 2 : 1;
        } else {
            assert_string_equal(key, "key-0");
        }
    }
    assert_int_equal(seen, weir_map_count(map));
    weir_map_destroy(&map);
    assert_null(map);
    assert_int_equal(freed, 1002);
    weir_map_destroy(&map);
    weir_map_destroy(NULL);
}

static void take_does_not_free(void **state)
{
    (void)state;
    weir_map *map = weir_map_new(NULL);
    int a = 1, b = 2;
    char key[] = "a";
    assert_int_equal(weir_map_put(map, key, &a), 0);
    key[0] = 'z'; /* keys are copied */
    assert_int_equal(weir_map_put(map, "b", &b), 0);
    assert_int_equal(weir_map_put(map, "", &b), 0);
    assert_ptr_equal(weir_map_get(map, "a"), &a);
    assert_null(weir_map_get(map, "z"));
    assert_ptr_equal(weir_map_take(map, "a"), &a);
    assert_null(weir_map_take(map, "a"));
    assert_false(weir_map_remove(map, "a"));
    assert_true(weir_map_remove(map, ""));
    assert_int_equal(weir_map_count(map), 1);
    weir_map_destroy(&map);
}

static void putting_the_same_value_does_not_free_it(void **state)
{
    (void)state;
    freed = 0;
    weir_map *map = weir_map_new(count_free);
    char *value = weir_strdup("v");
    assert_int_equal(weir_map_put(map, "k", value), 0);
    assert_int_equal(weir_map_put(map, "k", value), 0);
    assert_int_equal(freed, 0);
    assert_string_equal(weir_map_get(map, "k"), "v");
    weir_map_destroy(&map);
    assert_int_equal(freed, 1);
}

static void removing_while_walking(void **state)
{
    (void)state;
    weir_map *map = weir_map_new(count_free);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(put_number(map, i, i), 0);
    const char *key;
    void *value;
    unsigned seen = 0;
    for (size_t i = 0; weir_map_next(map, &i, &key, &value); seen++)
        if (*(unsigned *)value % 2 == 0)
            assert_true(weir_map_remove(map, key));
    assert_int_equal(seen, 100);
    assert_int_equal(weir_map_count(map), 50);
    for (size_t i = 0; weir_map_next(map, &i, &key, NULL);)
        assert_true(weir_map_remove(map, key));
    assert_int_equal(weir_map_count(map), 0);
    weir_map_destroy(&map);
}

/* Random puts and removals against a plain array; long churn on few keys must not grow the map. */
static void agrees_with_a_model(void **state)
{
    (void)state;
    weir_map *map = weir_map_new(count_free);
    weir_prng prng = {42};
    unsigned model[64] = {0}; /* 0: absent */
    for (unsigned step = 1; step <= 20000; step++) {
        unsigned key = (unsigned)weir_prng_below(&prng, 64);
        if (weir_prng_below(&prng, 2) == 0) {
            assert_int_equal(put_number(map, key, step), 0);
            model[key] = step;
        } else {
            assert_true(remove_number(map, key) == (model[key] != 0));
            model[key] = 0;
        }
        unsigned probe = (unsigned)weir_prng_below(&prng, 64);
        const unsigned *found = get_number(map, probe);
        assert_int_equal(found == NULL ? 0 : *found, model[probe]);
    }
    weir_map_destroy(&map);
}

static void failed_put_changes_nothing(void **state)
{
    (void)state;
    weir_memory_fail_at(1);
    assert_null(weir_map_new(NULL));
    weir_map *map = weir_map_new(NULL);
    int value = 1;
    for (unsigned i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        for (uint64_t nth = 1;; nth++) {
            weir_memory_fail_at(nth);
            int rc = weir_map_put(map, key, &value);
            weir_memory_fail_at(0);
            if (rc == 0)
                break;
            assert_int_equal(rc, WEIR_ENO_MEMORY);
            assert_null(weir_map_get(map, key));
            assert_int_equal(weir_map_count(map), i);
        }
        assert_ptr_equal(weir_map_get(map, key), &value);
    }
    weir_map_destroy(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_insertion_order),
        cmocka_unit_test(take_does_not_free),
        cmocka_unit_test(putting_the_same_value_does_not_free_it),
        cmocka_unit_test(removing_while_walking),
        cmocka_unit_test(agrees_with_a_model),
        cmocka_unit_test(failed_put_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
