/* tests/unit/actors/test_door_watch.c -- strangers are told once, and then in numbers. */
#include "actors/door_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void one_who_speaks_is_no_stranger(void **state)
{
    (void)state;
    weir_door_watch watch = {.count = 0};
    char line[WEIR_DOOR_LINE_MAX];
    weir_door_watch_accepted_from(&watch, 7, "10.0.0.1");
    weir_door_watch_spoke(&watch, 7);
    assert_false(weir_door_watch_gone(&watch, 7, 0, line));
    assert_false(weir_door_watch_gone(&watch, 99, 0, line)); /* never seen */
    weir_door_watch_deinit(&watch);
}

static void strangers_are_told_once_a_minute(void **state)
{
    (void)state;
    weir_door_watch watch = {.count = 0};
    char line[WEIR_DOOR_LINE_MAX];
    int told = 0;
    for (int i = 0; i < 10000; i++) {
        weir_door_watch_accepted_from(&watch, i, "10.0.0.1");
        told += weir_door_watch_gone(&watch, i, 5, line);
    }
    assert_int_equal(told, 1);
    assert_non_null(strstr(line, "a connection from 10.0.0.1"));
    weir_door_watch_accepted_from(&watch, 1, "10.0.0.2"); /* another address is told by itself */
    assert_true(weir_door_watch_gone(&watch, 1, 6, line));
    assert_non_null(strstr(line, "10.0.0.2"));
    weir_door_watch_accepted_from(&watch, 1, "10.0.0.1");
    assert_true(weir_door_watch_gone(&watch, 1, 5 + WEIR_DOOR_WINDOW_MS, line));
    assert_non_null(strstr(line, "10000 connections from 10.0.0.1"));
    weir_door_watch_deinit(&watch);
}

static void addresses_without_end_are_bounded(void **state)
{
    (void)state;
    weir_door_watch watch = {.count = 0};
    char line[WEIR_DOOR_LINE_MAX], address[32];
    int told = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(address, sizeof address, "10.0.%d.%d", i / 256, i % 256);
        weir_door_watch_accepted_from(&watch, 3, address);
        told += weir_door_watch_gone(&watch, 3, 1, line);
    }
    assert_int_equal(told, WEIR_DOOR_ADDRESSES_MAX + 1);
    assert_non_null(strstr(line, "elsewhere"));
    weir_door_watch_deinit(&watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_who_speaks_is_no_stranger),
        cmocka_unit_test(strangers_are_told_once_a_minute),
        cmocka_unit_test(addresses_without_end_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
