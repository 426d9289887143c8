/* The promises of dispatcher/slot_pool.h, against a plain model. */
#include "base/clock.h"
#include "base/memory.h"
#include "dispatcher/slot_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { MEMBERS = 5, JOBS = 6 };

typedef struct model {
    uint32_t slots[MEMBERS]; /* 0: not there */
    uint32_t held[MEMBERS][JOBS];
} model;

static const char *name(char kind, uint64_t index)
{
    static char names[8][16];
    static unsigned next;
    char *out = names[next++ % 8];
    snprintf(out, 16, "%c%u", kind, (unsigned)index);
    return out;
}

static uint32_t used(const model *m, size_t member)
{
    uint32_t sum = 0;
    for (size_t job = 0; job < JOBS; job++)
        sum += m->held[member][job];
    return sum;
}

static void check(const weir_slot_pool *pool, const model *m)
{
    weir_slot_totals expected = {0, 0, 0};
    for (size_t i = 0; i < MEMBERS; i++) {
        const weir_slot_member *member = weir_slot_pool_find(pool, name('m', i));
        assert_int_equal(member != NULL, m->slots[i] != 0);
        if (member == NULL)
            continue;
        assert_true(used(m, i) <= m->slots[i]); /* never more than there are */
        assert_int_equal(weir_slot_member_free(member), m->slots[i] - used(m, i));
        expected.members++;
        expected.slots += m->slots[i];
        expected.free += m->slots[i] - used(m, i);
        for (size_t job = 0; job < JOBS; job++) {
            const weir_slot_hold *hold = weir_slot_member_find(member, name('j', job));
            assert_int_equal(hold == NULL ? 0 : hold->count, m->held[i][job]);
        }
    }
    weir_slot_totals totals = weir_slot_pool_totals(pool);
    assert_memory_equal(&totals, &expected, sizeof totals);
}

/* What the model says is free for a job: not on members where it holds something, nor on the
 * skipped. */
static uint32_t available(const model *m, size_t job, const bool *skipped)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < MEMBERS; i++)
        sum +=
            m->slots[i] == 0 || m->held[i][job] != 0 || skipped[i] ? 0 : m->slots[i] - used(m, i);
    return sum;
}

static bool is_skipped(void *data, const char *process)
{
    return ((const bool *)data)[process[1] - '0'];
}

static void take_over(weir_slot_pool *pool, model *m, size_t job)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        const weir_slot_member *member = weir_slot_pool_find(pool, name('m', i));
        weir_slot_hold *hold =
            member == NULL ? NULL : weir_slot_member_find(member, name('j', job));
        if (hold == NULL || m->held[i][job] != 0)
            continue;
        assert_int_equal(hold->state, WEIR_HOLD_RESERVED);
        assert_ptr_equal(hold->member, member);
        hold->state = WEIR_HOLD_HELD;
        m->held[i][job] = hold->count;
    }
}

static void test_random_model(void **state)
{
    (void)state;
    weir_prng prng = {42};
    weir_slot_pool *pool = weir_slot_pool_new();
    model m;
    uint32_t granted = 0, refused = 0;
    memset(&m, 0, sizeof m);
    for (int step = 0; step < 20000; step++) {
        uint64_t i = weir_prng_below(&prng, MEMBERS), job = weir_prng_below(&prng, JOBS);
        weir_slot_member *member = weir_slot_pool_find(pool, name('m', i));
        switch (weir_prng_below(&prng, 6)) {
        case 0:
            if (member == NULL) {
                m.slots[i] = 1 + (uint32_t)weir_prng_below(&prng, 8);
                assert_non_null(weir_slot_pool_add(pool, name('m', i), "host", m.slots[i]));
            }
            break;
        case 1:
            if (member != NULL && weir_prng_below(&prng, 4) == 0) {
                weir_slot_pool_remove(pool, member);
                m.slots[i] = 0;
                memset(m.held[i], 0, sizeof m.held[i]);
            }
            break;
        case 2:
            if (member != NULL && m.held[i][job] != 0) {
                weir_slot_member_drop(member, weir_slot_member_find(member, name('j', job)));
                m.held[i][job] = 0;
            }
            break;
        default: {
            bool skipped[MEMBERS] = {false};
            skipped[weir_prng_below(&prng, MEMBERS)] = true;
            uint32_t count = 1 + (uint32_t)weir_prng_below(&prng, 12);
            bool fits = count <= available(&m, job, skipped);
            uint32_t before = weir_slot_pool_held(pool, name('j', job), WEIR_HOLD_HELD);
            int rc = weir_slot_pool_reserve(pool, name('j', job), count, is_skipped, skipped);
            assert_int_equal(rc, fits ? 0 : WEIR_ERESOURCES);
            assert_int_equal(weir_slot_pool_held(pool, name('j', job), WEIR_HOLD_RESERVED),
                             fits ? count : 0);
            take_over(pool, &m, job);
            assert_int_equal(weir_slot_pool_held(pool, name('j', job), WEIR_HOLD_HELD),
                             before + (fits ? count : 0));
            granted += fits ? 1 : 0;
            refused += fits ? 0 : 1;
        }
        }
        check(pool, &m);
    }
    assert_true(granted > 500 && refused > 500);
    weir_slot_pool_destroy(&pool);
    weir_slot_pool_destroy(&pool);
}

static void test_order(void **state)
{
    (void)state;
    weir_slot_pool *pool = weir_slot_pool_new();
    weir_slot_member *a = weir_slot_pool_add(pool, "a", "h", 2);
    weir_slot_member *b = weir_slot_pool_add(pool, "b", "h", 4);
    weir_slot_member *c = weir_slot_pool_add(pool, "c", "h", 4);
    assert_int_equal(weir_slot_pool_reserve(pool, "x", 5, NULL, NULL), 0);
    assert_null(weir_slot_member_find(a, "x"));
    assert_int_equal(weir_slot_member_find(b, "x")->count, 4);
    assert_int_equal(weir_slot_member_find(c, "x")->count, 1);
    assert_int_equal(weir_slot_pool_reserve(pool, "y", 6, NULL, NULL), WEIR_ERESOURCES);
    assert_int_equal(weir_slot_pool_reserve(pool, "y", 3, NULL, NULL), 0);
    assert_null(weir_slot_member_find(a, "y"));
    assert_int_equal(weir_slot_member_find(c, "y")->count, 3);
    /* A member that reported more than it has is full, no more. */
    assert_non_null(weir_slot_member_hold(a, "z", 100, WEIR_HOLD_HELD));
    assert_int_equal(weir_slot_member_free(a), 0);
    assert_ptr_equal(weir_slot_pool_add(pool, "a", "h", 200), a);
    assert_int_equal(weir_slot_member_free(a), 100);
    weir_slot_pool_destroy(&pool);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 3; nth++) {
        weir_slot_pool *pool = weir_slot_pool_new();
        weir_memory_fail_at(nth);
        assert_null(weir_slot_pool_add(pool, "a", "h", 2));
        weir_memory_fail_at(0);
        assert_non_null(weir_slot_pool_add(pool, "a", "h", 2));
        assert_non_null(weir_slot_pool_add(pool, "b", "h", 2));
        weir_memory_fail_at(nth);
        int rc = weir_slot_pool_reserve(pool, "x", 4, NULL, NULL);
        weir_memory_fail_at(0);
        assert_int_equal(rc, nth <= 2 ? WEIR_ENO_MEMORY : 0);
        assert_int_equal(weir_slot_pool_totals(pool).free, nth <= 2 ? 4 : 0);
        weir_slot_pool_destroy(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_model),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
