/* tests/unit/base/test_buffer.c -- growth, text, failure. */
#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"

#include <string.h>

static void empty_reads_as_text(void **state)
{
    (void)state;
    weir_buffer buffer = WEIR_BUFFER_INIT;
    assert_string_equal(weir_buffer_text(&buffer), "");
    weir_buffer_append(&buffer, NULL, 0);
    weir_buffer_clear(&buffer);
    assert_int_equal(weir_buffer_check(&buffer), 0);
    weir_buffer_deinit(&buffer);
    weir_buffer_deinit(&buffer);
    weir_buffer_deinit(NULL);
}

static void appends_grow_and_stay_terminated(void **state)
{
    (void)state;
    weir_buffer buffer = WEIR_BUFFER_INIT;
    for (size_t i = 0; i < 1000; i++) {
        weir_buffer_putc(&buffer, (char)('a' + i % 26));
        assert_int_equal(buffer.data[buffer.size], 0);
        assert_true(buffer.capacity >= buffer.size);
    }
    weir_buffer_puts(&buffer, "<>");
    weir_buffer_printf(&buffer, "%05d", 42);
    weir_buffer_printf(&buffer, "%s", "");
    assert_int_equal(buffer.size, 1007);
    assert_string_equal(weir_buffer_text(&buffer) + 1000, "<>00042");
    assert_int_equal(buffer.data[27], 'b');
    weir_buffer_deinit(&buffer);
    assert_null(buffer.data);
}

static void reserve_makes_room_once(void **state)
{
    (void)state;
    weir_buffer buffer = WEIR_BUFFER_INIT;
    assert_int_equal(weir_buffer_reserve(&buffer, 500), 0);
    assert_string_equal(weir_buffer_text(&buffer), "");
    const uint8_t *data = buffer.data;
    weir_memory_fail_at(1); /* no allocation may be needed from here */
    for (int i = 0; i < 500; i++)
        weir_buffer_putc(&buffer, 'x');
    weir_memory_fail_at(0);
    assert_int_equal(weir_buffer_check(&buffer), 0);
    assert_ptr_equal(buffer.data, data);
    weir_buffer_deinit(&buffer);
}

static void first_failure_is_kept(void **state)
{
    (void)state;
    weir_buffer buffer = WEIR_BUFFER_INIT;
    weir_buffer_puts(&buffer, "kept");
    weir_memory_fail_at(1);
    char big[200];
    memset(big, 'x', sizeof big);
    weir_buffer_append(&buffer, big, sizeof big);
    weir_memory_fail_at(0);
    weir_buffer_puts(&buffer, "later");
    weir_buffer_printf(&buffer, "%d", 1);
    assert_int_equal(weir_buffer_check(&buffer), WEIR_ENO_MEMORY);
    assert_int_equal(weir_buffer_reserve(&buffer, 1), WEIR_ENO_MEMORY);
    assert_string_equal(weir_buffer_text(&buffer), "kept");
    weir_buffer_clear(&buffer);
    assert_int_equal(weir_buffer_check(&buffer), 0);
    weir_buffer_puts(&buffer, "new");
    assert_string_equal(weir_buffer_text(&buffer), "new");
    weir_buffer_deinit(&buffer);
}

static void impossible_reserve_fails(void **state)
{
    (void)state;
    weir_buffer buffer = WEIR_BUFFER_INIT;
    weir_buffer_puts(&buffer, "x");
    assert_int_equal(weir_buffer_reserve(&buffer, SIZE_MAX), WEIR_ENO_MEMORY);
    weir_buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_reads_as_text),
        cmocka_unit_test(appends_grow_and_stay_terminated),
        cmocka_unit_test(reserve_makes_room_once),
        cmocka_unit_test(first_failure_is_kept),
        cmocka_unit_test(impossible_reserve_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
