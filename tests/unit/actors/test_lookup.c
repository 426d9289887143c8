/* tests/unit/actors/test_lookup.c -- names of hosts are looked up beside everything else. */
#include "actors/lookup.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

static void test_what_is_no_name(void **state)
{
    (void)state;
    assert_true(weir_address_is_numeric("10.77.0.1"));
    assert_true(weir_address_is_numeric("fd00::1"));
    assert_true(weir_address_is_numeric("[fd00::1]"));
    assert_false(weir_address_is_numeric("localhost"));
    assert_false(weir_address_is_numeric("10.77.0.1.example"));
    assert_false(weir_address_is_numeric("127"));
}

static int look_up(const char *name, char out[WEIR_ADDRESS_MAX], weir_error *err)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    struct pollfd item = {.fd = fd, .events = POLLIN};
    weir_lookup *lookup = NULL;

    assert_int_equal(weir_lookup_start(name, fd, &lookup, err), 0);
    assert_int_equal(poll(&item, 1, 60000), 1);
    assert_true(weir_lookup_is_done(lookup));
    int rc = weir_lookup_result(lookup, out, err);
    weir_lookup_drop(&lookup);
    assert_null(lookup);
    close(fd);
    return rc;
}

static void test_a_name_gets_its_address(void **state)
{
    char address[WEIR_ADDRESS_MAX];
    weir_error error = WEIR_ERROR_INIT;
    (void)state;

    assert_int_equal(look_up("localhost", address, &error), 0);
    assert_string_equal(address, "127.0.0.1"); /* not ::1, which it has, too */
    assert_int_equal(look_up("::1", address, &error), 0);
    assert_string_equal(address, "[::1]");
}

static void test_a_name_that_nobody_knows(void **state)
{
    char address[WEIR_ADDRESS_MAX];
    weir_error error = WEIR_ERROR_INIT;
    (void)state;

    assert_int_equal(look_up("no such name", address, &error), WEIR_ENOT_FOUND);
    assert_non_null(strstr(error.text, "the name 'no such name' has no address"));
}

static void test_who_asked_may_leave(void **state)
{
    weir_lookup *lookup = NULL;
    weir_error error = WEIR_ERROR_INIT;
    (void)state;

    for (int i = 0; i < 20; i++) {
        int fd = eventfd(0, EFD_CLOEXEC);
        assert_int_equal(weir_lookup_start("localhost", fd, &lookup, &error), 0);
        close(fd);
        weir_lookup_drop(&lookup);
    }
    weir_lookup_drop(&lookup);
    weir_lookup_drop(NULL);
    assert_int_equal(weir_lookup_start("localhost", -1, &lookup, &error), WEIR_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_name),
        cmocka_unit_test(test_a_name_gets_its_address),
        cmocka_unit_test(test_a_name_that_nobody_knows),
        cmocka_unit_test(test_who_asked_may_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
