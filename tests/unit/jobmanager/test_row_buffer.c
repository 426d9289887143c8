#include "jobmanager/row_buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_rows_are_kept_until_acknowledged(void **state)
{
    weir_row_buffer rows;
    (void)state;

    weir_row_buffer_init(&rows, 10);
    assert_true(weir_row_buffer_is_empty(&rows));
    assert_int_equal(weir_row_buffer_add(&rows, "abcdef", 6), 0);
    assert_true(weir_row_buffer_has_room(&rows, 4));
    assert_false(weir_row_buffer_has_room(&rows, 5));
    weir_row_buffer_acknowledge(&rows, 4);
    assert_int_equal(rows.position, 4);
    assert_string_equal(weir_buffer_text(&rows.text), "ef");
    weir_row_buffer_acknowledge(&rows, 2);  /* an old word */
    weir_row_buffer_acknowledge(&rows, 99); /* behind the end */
    assert_string_equal(weir_buffer_text(&rows.text), "ef");
    weir_row_buffer_acknowledge(&rows, 6);
    assert_true(weir_row_buffer_is_empty(&rows));
    weir_row_buffer_deinit(&rows);
}

static void test_one_chunk_over_the_limit_passes_alone(void **state)
{
    weir_row_buffer rows;
    (void)state;

    weir_row_buffer_init(&rows, 4);
    assert_true(weir_row_buffer_has_room(&rows, 100));
    assert_int_equal(weir_row_buffer_add(&rows, "0123456789", 10), 0);
    assert_false(weir_row_buffer_has_room(&rows, 1));
    weir_row_buffer_deinit(&rows);
}

static void test_a_gap_shows_in_the_position(void **state)
{
    weir_row_buffer rows;
    (void)state;

    weir_row_buffer_init(&rows, 100);
    assert_int_equal(weir_row_buffer_add(&rows, "abc", 3), 0);
    weir_row_buffer_lose(&rows, 10);
    assert_int_equal(rows.position, 0);
    assert_false(weir_row_buffer_has_room(&rows, 1)); /* rows may not close the gap */
    weir_row_buffer_acknowledge(&rows, 3);
    assert_int_equal(rows.position, 13);
    assert_true(weir_row_buffer_has_room(&rows, 1));
    weir_row_buffer_lose(&rows, 2);
    assert_int_equal(rows.position, 15);
    weir_row_buffer_deinit(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_kept_until_acknowledged),
        cmocka_unit_test(test_one_chunk_over_the_limit_passes_alone),
        cmocka_unit_test(test_a_gap_shows_in_the_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
