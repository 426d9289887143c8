/* tests/unit/actors/test_timer_heap.c -- timers, and the map of numbers beneath them, against plain
 * arrays. */
#include "actors/number_map.h"
#include "actors/timer_heap.h"
#include "base/clock.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { KEYS = 512, STEPS = 200000, TIMERS = 3000 };

static void test_map_against_an_array(void **state)
{
    (void)state;
    static char values[4];
    void *model[KEYS] = {0};
    size_t count = 0;
    weir_prng prng = {7};
    weir_number_map map = {0};
    assert_null(weir_number_map_get(&map, 1));
    assert_null(weir_number_map_take(&map, 1));
    for (int step = 0; step < STEPS; step++) {
        uint64_t key = weir_prng_below(&prng, KEYS);
        uint64_t number = key << 40; /* keys that differ in high bits only */
        if (weir_prng_below(&prng, 2) == 0) {
            void *value = &values[weir_prng_below(&prng, 4)];
            assert_int_equal(weir_number_map_put(&map, number, value), 0);
            count += model[key] == NULL;
            model[key] = value;
        } else {
            assert_ptr_equal(weir_number_map_take(&map, number), model[key]);
            count -= model[key] != NULL;
            model[key] = NULL;
        }
        key = weir_prng_below(&prng, KEYS);
        assert_ptr_equal(weir_number_map_get(&map, key << 40), model[key]);
        assert_int_equal(map.count, count);
    }
    size_t seen = 0;
    uint64_t number;
    void *value;
    for (size_t i = 0; weir_number_map_next(&map, &i, &number, &value); seen++)
        assert_ptr_equal(value, model[number >> 40]);
    assert_int_equal(seen, count);
    weir_number_map_deinit(&map);
    weir_number_map_deinit(&map);
}

static void test_map_without_memory_is_as_before(void **state)
{
    (void)state;
    weir_number_map map = {0};
    int value;
    for (uint64_t i = 0; i < 1000; i++) {
        weir_memory_fail_at(1);
        int rc = weir_number_map_put(&map, i, &value);
        weir_memory_fail_at(0);
        if (rc != 0) {
            assert_int_equal(rc, WEIR_ENO_MEMORY);
            assert_null(weir_number_map_get(&map, i));
            assert_int_equal(weir_number_map_put(&map, i, &value), 0);
        }
    }
    for (uint64_t i = 0; i < 1000; i++)
        assert_ptr_equal(weir_number_map_take(&map, i), &value);
    assert_int_equal(map.count, 0);
    weir_number_map_deinit(&map);
}

static void test_timers_fire_by_time_then_number(void **state)
{
    (void)state;
    weir_timer_heap heap = {0};
    weir_prng prng = {9};
    static bool is_set[TIMERS + 1];
    size_t count = 0;
    assert_int_equal(weir_timer_heap_next_ms(&heap), INT64_MAX);
    for (int i = 0; i < TIMERS; i++) {
        uint64_t number = weir_timer_heap_add(&heap, (int64_t)weir_prng_below(&prng, 500),
                                              (uint32_t)(i % 2), (uint64_t)(i % 10));
        assert_int_equal(number, i + 1);
        is_set[number] = true;
    }
    for (int i = 0; i < TIMERS / 3; i++) {
        uint64_t number = 1 + weir_prng_below(&prng, TIMERS);
        weir_timer_heap_cancel(&heap, number);
        weir_timer_heap_cancel(&heap, number);
        is_set[number] = false;
    }
    weir_timer_heap_cancel_all(&heap, 1, 5);
    for (uint64_t i = 0; i < TIMERS; i++) {
        if (i % 2 == 1 && i % 10 == 5)
            is_set[i + 1] = false;
        count += is_set[i + 1];
    }
    assert_int_equal(heap.count, count);
    weir_timer timer, last = {.at_ms = -1};
    for (int64_t now = 0; now < 500; now++) {
        while (weir_timer_heap_pop(&heap, now, &timer)) {
            assert_int_equal(timer.at_ms, now);
            assert_true(timer.at_ms > last.at_ms || timer.number > last.number);
            assert_true(is_set[timer.number]);
            is_set[timer.number] = false;
            last = timer;
            count--;
        }
        assert_true(weir_timer_heap_next_ms(&heap) > now);
    }
    assert_int_equal(count, 0);
    assert_true(weir_timer_heap_add(&heap, 5, 0, 0) > TIMERS); /* numbers are not used again */
    weir_timer_heap_deinit(&heap);
}

static void test_timers_without_memory(void **state)
{
    (void)state;
    weir_timer_heap heap = {0};
    size_t set = 0;
    for (int i = 0; i < 200; i++) {
        weir_memory_fail_at(1 + (uint64_t)i % 3);
        set += weir_timer_heap_add(&heap, i, 0, 0) != 0;
        weir_memory_fail_at(0);
    }
    assert_int_equal(heap.count, set);
    assert_true(set > 0 && set < 200);
    weir_timer timer;
    while (weir_timer_heap_pop(&heap, 1000, &timer))
        set--;
    assert_int_equal(set, 0);
    weir_timer_heap_deinit(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_against_an_array),
        cmocka_unit_test(test_map_without_memory_is_as_before),
        cmocka_unit_test(test_timers_fire_by_time_then_number),
        cmocka_unit_test(test_timers_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
