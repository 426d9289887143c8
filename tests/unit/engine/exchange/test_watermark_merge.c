/* The merged watermark: against examples, and against the definition computed naively. */
#include "exchange/watermark_merge.h"

#include "exchange_support.h"

static weir_watermark_merge *make(uint32_t channels)
{
    weir_watermark_merge *merge = NULL;
    assert_int_equal(weir_watermark_merge_new(channels, &merge), 0);
    return merge;
}

static void is_the_minimum(void **state)
{
    (void)state;
    weir_watermark_merge *merge = make(3);
    assert_true(weir_watermark_merge_get(merge) == INT64_MIN);
    weir_watermark_merge_set(merge, 0, 10);
    weir_watermark_merge_set(merge, 1, 20);
    assert_true(weir_watermark_merge_get(merge) == INT64_MIN);
    weir_watermark_merge_set(merge, 2, 5);
    assert_int_equal(weir_watermark_merge_get(merge), 5);
    weir_watermark_merge_set(merge, 2, 3); /* never back */
    assert_int_equal(weir_watermark_merge_get(merge), 5);
    weir_watermark_merge_set(merge, 2, 30);
    assert_int_equal(weir_watermark_merge_get(merge), 10);
    weir_watermark_merge_destroy(&merge);
    assert_null(merge);
    weir_watermark_merge_destroy(&merge);
}

static void idle_channels_hold_nothing_back(void **state)
{
    (void)state;
    weir_watermark_merge *merge = make(2);
    weir_watermark_merge_set(merge, 0, 10);
    weir_watermark_merge_set_idle(merge, 1, true);
    assert_int_equal(weir_watermark_merge_get(merge), 10);
    assert_false(weir_watermark_merge_is_idle(merge));
    /* awake, and behind: it does not count until it has caught up */
    weir_watermark_merge_set_idle(merge, 1, false);
    weir_watermark_merge_set(merge, 0, 20);
    assert_int_equal(weir_watermark_merge_get(merge), 20);
    weir_watermark_merge_set(merge, 1, 19);
    weir_watermark_merge_set(merge, 0, 30);
    assert_int_equal(weir_watermark_merge_get(merge), 30);
    weir_watermark_merge_set(merge, 1, 30);
    weir_watermark_merge_set(merge, 0, 50);
    assert_int_equal(weir_watermark_merge_get(merge), 30);
    weir_watermark_merge_destroy(&merge);
}

static void all_idle_flushes_the_greatest(void **state)
{
    (void)state;
    weir_watermark_merge *merge = make(3);
    weir_watermark_merge_set(merge, 0, 10);
    weir_watermark_merge_set(merge, 1, 70);
    weir_watermark_merge_set(merge, 2, INT64_MAX);
    weir_watermark_merge_end(merge, 2); /* pushes nothing forward */
    weir_watermark_merge_set_idle(merge, 0, true);
    assert_int_equal(weir_watermark_merge_get(merge), 70);
    weir_watermark_merge_set_idle(merge, 1, true);
    assert_true(weir_watermark_merge_is_idle(merge));
    assert_int_equal(weir_watermark_merge_get(merge), 70);
    weir_watermark_merge_set(merge, 0, 80);
    assert_int_equal(weir_watermark_merge_get(merge), 80);
    weir_watermark_merge_set_idle(merge, 1, false);
    assert_false(weir_watermark_merge_is_idle(merge));
    assert_int_equal(weir_watermark_merge_get(merge), 80);
    weir_watermark_merge_destroy(&merge);
}

static void ended_channels_hold_nothing_back(void **state)
{
    (void)state;
    weir_watermark_merge *merge = make(2);
    weir_watermark_merge_set(merge, 0, 10);
    weir_watermark_merge_end(merge, 1);
    assert_int_equal(weir_watermark_merge_get(merge), 10);
    weir_watermark_merge_set(merge, 1, 5);
    weir_watermark_merge_set_idle(merge, 1, true);
    assert_false(weir_watermark_merge_is_idle(merge));
    assert_false(weir_watermark_merge_is_ended(merge));
    weir_watermark_merge_end(merge, 0);
    weir_watermark_merge_end(merge, 0);
    assert_true(weir_watermark_merge_is_ended(merge));
    assert_false(weir_watermark_merge_is_idle(merge));
    assert_int_equal(weir_watermark_merge_get(merge), 10);
    weir_watermark_merge_destroy(&merge);
}

/* ---- the definition ---- */

typedef struct naive {
    int64_t watermark;
    bool idle, ended, counts;
} naive;

static int64_t naive_merge(naive *channels, uint32_t count, int64_t merged)
{
    int64_t min = INT64_MAX, max = INT64_MIN;
    uint32_t counted = 0, unended = 0, idle = 0;
    for (uint32_t i = 0; i < count; i++) {
        naive *c = &channels[i];
        if (c->ended) {
            continue;
        }
        unended++;
        idle += c->idle ? 1 : 0;
        max = c->watermark > max ? c->watermark : max;
        c->counts = !c->idle && (c->counts || c->watermark >= merged);
        if (c->counts) {
            counted++;
            min = c->watermark < min ? c->watermark : min;
        }
    }
    if (unended > 0 && unended == idle) {
        return max > merged ? max : merged;
    }
    return counted > 0 && min > merged ? min : merged;
}

static void agrees_with_the_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t random = seed;
        uint32_t count = 1 + below(&random, 40);
        naive channels[40];
        for (uint32_t i = 0; i < count; i++) {
            channels[i] = (naive){.watermark = INT64_MIN, .counts = true};
        }
        weir_watermark_merge *merge = make(count);
        int64_t merged = INT64_MIN;
        for (int step = 0; step < 600; step++) {
            uint32_t i = below(&random, count), what = below(&random, 100);
            naive *c = &channels[i];
            if (what < 70) {
                int64_t watermark = step + (int64_t)below(&random, 60);
                weir_watermark_merge_set(merge, i, watermark);
                c->watermark = watermark > c->watermark && !c->ended ? watermark : c->watermark;
            } else if (what < 98) {
                bool idle = below(&random, 2) == 0;
                weir_watermark_merge_set_idle(merge, i, idle);
                c->idle = idle;
            } else if (below(&random, 5) == 0) {
                weir_watermark_merge_end(merge, i);
                c->ended = true;
            }
            merged = naive_merge(channels, count, merged);
            assert_true(weir_watermark_merge_get(merge) == merged);
        }
        weir_watermark_merge_destroy(&merge);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_minimum),
        cmocka_unit_test(idle_channels_hold_nothing_back),
        cmocka_unit_test(all_idle_flushes_the_greatest),
        cmocka_unit_test(ended_channels_hold_nothing_back),
        cmocka_unit_test(agrees_with_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
