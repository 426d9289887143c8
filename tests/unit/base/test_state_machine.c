/* tests/unit/base/test_state_machine.c -- transitions by table. */
#include "base/state_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CREATED, RUNNING, FAILED, STATE_COUNT };

static const weir_state_row rows[STATE_COUNT] = {
    [CREATED] = {"CREATED", 1u << RUNNING | 1u << FAILED, false},
    [RUNNING] = {"RUNNING", 1u << FAILED, false},
    [FAILED] = {"FAILED", 1u << CREATED, true}, /* the mask of a terminal state means nothing */
};
static const weir_state_table table = {"job", rows, STATE_COUNT};

static void only_listed_moves(void **state)
{
    (void)state;
    assert_true(weir_state_allows(&table, CREATED, RUNNING));
    assert_false(weir_state_allows(&table, RUNNING, CREATED));
    assert_false(weir_state_allows(&table, RUNNING, RUNNING));
    assert_false(weir_state_allows(&table, FAILED, CREATED));
    assert_false(weir_state_allows(&table, CREATED, 3));
    assert_false(weir_state_allows(&table, CREATED, 32 + RUNNING));
    assert_false(weir_state_allows(&table, UINT32_MAX, RUNNING));
}

static void move_moves_or_fails(void **state)
{
    (void)state;
    uint32_t at = CREATED;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_state_move(&table, &at, RUNNING, &err), 0);
    assert_int_equal(at, RUNNING);
    assert_int_equal(weir_state_move(&table, &at, CREATED, &err), WEIR_ESTATE);
    assert_int_equal(at, RUNNING);
    assert_string_equal(err.text, "job: cannot go from RUNNING to CREATED");
    assert_int_equal(weir_state_move(&table, &at, 99, NULL), WEIR_ESTATE);
}

static void names_and_ends(void **state)
{
    (void)state;
    assert_string_equal(weir_state_name(&table, FAILED), "FAILED");
    assert_string_equal(weir_state_name(&table, STATE_COUNT), "?");
    assert_true(weir_state_is_terminal(&table, FAILED));
    assert_false(weir_state_is_terminal(&table, RUNNING));
    assert_false(weir_state_is_terminal(&table, 77));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_listed_moves),
        cmocka_unit_test(move_moves_or_fails),
        cmocka_unit_test(names_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
