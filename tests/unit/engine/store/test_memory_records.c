/* The promises of store/memory_records.h: what a crash keeps and drops, planned failures. */
#include "base/memory.h"
#include "store/memory_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static bool has(weir_records *records, const char *key, const char *expected)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    uint16_t version = 0;
    int rc = weir_records_get(records, "t", key, &version, &out, NULL);
    bool result = rc == 0 && strcmp(weir_buffer_text(&out), expected) == 0;
    assert_true(rc == 0 || rc == WEIR_ENOT_FOUND);
    weir_buffer_deinit(&out);
    return result;
}

static int write_two(weir_records *records, const char *value)
{
    int rc = weir_records_begin(records, NULL);
    if (rc != 0)
        return rc;
    int first = weir_records_put(records, "t", "a", 1, value, strlen(value), NULL);
    int second = weir_records_put(records, "t", "b", 1, value, strlen(value), NULL);
    rc = weir_records_commit(records, NULL);
    assert_true(rc != 0 || (first == 0 && second == 0));
    return rc;
}

static void test_crash_drops_the_open_group(void **state)
{
    (void)state;
    weir_records *records = NULL;
    assert_int_equal(weir_memory_records_new(&records), 0);
    assert_int_equal(write_two(records, "old"), 0);
    assert_int_equal(weir_records_begin(records, NULL), 0);
    assert_int_equal(weir_records_put(records, "t", "a", 1, "new", 3, NULL), 0);
    weir_memory_records_crash(records);
    assert_true(has(records, "a", "old"));
    assert_int_equal(weir_memory_records_count(records), 2);
    assert_int_equal(weir_records_begin(records, NULL), 0);
    assert_int_equal(weir_records_remove(records, "t", "a", NULL), 0);
    assert_int_equal(weir_records_remove(records, "t", "x", NULL), 0);
    assert_int_equal(weir_records_commit(records, NULL), 0);
    assert_int_equal(weir_memory_records_count(records), 1);
    weir_records_close(&records);
}

static void test_planned_failures(void **state)
{
    (void)state;
    static const enum weir_records_failure kinds[] = {WEIR_RECORDS_FAIL, WEIR_RECORDS_FAIL_LATE,
                                                      WEIR_RECORDS_FREEZE};
    for (size_t kind = 0; kind < WEIR_COUNT(kinds); kind++) {
        for (uint64_t nth = 1; nth <= 5; nth++) {
            weir_records *records = NULL;
            assert_int_equal(weir_memory_records_new(&records), 0);
            assert_int_equal(write_two(records, "old"), 0);
            uint64_t steps = weir_memory_records_steps(records);
            assert_int_equal(steps, 4);
            weir_memory_records_fail_at(records, nth, kinds[kind], WEIR_EIO);
            int rc = write_two(records, "new");
            bool late = kinds[kind] == WEIR_RECORDS_FAIL_LATE && nth == 4;
            assert_int_equal(rc, nth == 5 ? 0 : WEIR_EIO);
            const char *expected = late || nth == 5 ? "new" : "old";
            assert_true(has(records, "a", expected) && has(records, "b", expected));
            /* Only a frozen store goes on failing, until the crash. */
            bool frozen = kinds[kind] == WEIR_RECORDS_FREEZE;
            assert_int_equal(write_two(records, "then") != 0, frozen || nth == 5);
            weir_memory_records_crash(records);
            assert_int_equal(write_two(records, "later"), 0);
            assert_true(has(records, "a", "later") && has(records, "b", "later"));
            weir_records_close(&records);
        }
    }
}

/* Against a plain array, with many keys and groups. */
static void test_random_groups(void **state)
{
    (void)state;
    enum { KEYS = 40 };
    int model[KEYS] = {0};
    weir_records *records = NULL;
    assert_int_equal(weir_memory_records_new(&records), 0);
    srandom(7);
    for (int round = 1; round < 500; round++) {
        int next[KEYS];
        memcpy(next, model, sizeof next);
        assert_int_equal(weir_records_begin(records, NULL), 0);
        for (long i = random() % 6; i > 0; i--) {
            int key = (int)(random() % KEYS);
            char name[2] = {(char)('0' + key), 0};
            char value[2] = {(char)(1 + round % 100), 0};
            next[key] = random() % 3 == 0 ? 0 : value[0];
            assert_int_equal(next[key] == 0
                                 ? weir_records_remove(records, "t", name, NULL)
                                 : weir_records_put(records, "t", name, 1, value, 1, NULL),
                             0);
        }
        if (random() % 4 == 0) {
            weir_records_abort(records);
            continue;
        }
        assert_int_equal(weir_records_commit(records, NULL), 0);
        memcpy(model, next, sizeof model);
        for (int key = 0; key < KEYS; key++) {
            char name[2] = {(char)('0' + key), 0}, value[2] = {(char)model[key], 0};
            if (model[key] != 0)
                assert_true(has(records, name, value));
            else
                assert_false(has(records, name, ""));
        }
    }
    weir_records_close(&records);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    weir_records *records = NULL;
    assert_int_equal(weir_memory_records_new(&records), 0);
    int rc = -1;
    for (uint64_t nth = 1; rc != 0; nth++) {
        assert_true(nth < 30);
        weir_memory_fail_at(nth);
        rc = write_two(records, "new");
        weir_memory_fail_at(0);
        assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
        assert_int_equal(weir_memory_records_count(records), rc == 0 ? 2 : 0);
    }
    weir_records_close(&records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash_drops_the_open_group),
        cmocka_unit_test(test_planned_failures),
        cmocka_unit_test(test_random_groups),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
