/* tests/unit/base/test_error.c -- codes, texts, cutting, wrapping. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void set_gives_code_and_text(void **state)
{
    (void)state;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_error_set(&err, WEIR_EINVALID, "a: %d; b", 7), WEIR_EINVALID);
    assert_int_equal(err.code, WEIR_EINVALID);
    assert_string_equal(err.text, "a: 7; b");
    assert_int_equal(weir_error_set(NULL, WEIR_EIO, "x"), WEIR_EIO);
}

static void set_may_read_its_own_text_and_keeps_errno(void **state)
{
    (void)state;
    weir_error err = WEIR_ERROR_INIT;
    weir_error_set(&err, WEIR_EIO, "inner");
    errno = EBUSY;
    weir_error_set(&err, WEIR_EUSER, "outer (%s)", err.text);
    assert_int_equal(errno, EBUSY);
    assert_string_equal(err.text, "outer (inner)");
}

static void long_text_is_cut_with_dots(void **state)
{
    (void)state;
    weir_error err = WEIR_ERROR_INIT;
    char fits[WEIR_ERROR_TEXT_MAX], over[WEIR_ERROR_TEXT_MAX + 1];
    memset(fits, 'a', sizeof fits);
    fits[sizeof fits - 1] = '\0';
    memset(over, 'b', sizeof over);
    over[sizeof over - 1] = '\0';
    weir_error_set(&err, WEIR_EIO, "%s", fits);
    assert_string_equal(err.text, fits);
    weir_error_set(&err, WEIR_EIO, "%s", over);
    assert_int_equal(strlen(err.text), WEIR_ERROR_TEXT_MAX - 1);
    assert_string_equal(err.text + WEIR_ERROR_TEXT_MAX - 4, "...");
    assert_int_equal(err.text[WEIR_ERROR_TEXT_MAX - 5], 'b');
}

/* Two-byte characters at both phases: the byte in front of the dots always ends a character. */
static void cut_keeps_whole_characters(void **state)
{
    (void)state;
    for (size_t phase = 0; phase < 2; phase++) {
        char text[2 * WEIR_ERROR_TEXT_MAX];
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (i + phase) % 2 == 0 ? '\xC3' : '\xA9';
        text[0] = 'x';
        if (phase == 1)
            text[1] = '\xC3';
        if (phase == 0)
            text[1] = 'x';
        text[sizeof text - 1] = '\0';
        weir_error err = WEIR_ERROR_INIT;
        weir_error_set(&err, WEIR_EIO, "%s", text);
        size_t end = strlen(err.text) - 3;
        assert_string_equal(err.text + end, "...");
        assert_int_equal((unsigned char)err.text[end - 1], 0xA9);
    }
}

static void text_is_always_fit_for_a_message(void **state)
{
    (void)state;
    weir_error err = WEIR_ERROR_INIT;
    weir_error_set(&err, WEIR_EUSER, "bad line '%.*s'", 4, "caf\xE9");
    assert_string_equal(err.text, "bad line 'caf?'");
    weir_error_set(&err, WEIR_EUSER, "bad line '%.2s' (\xE2\x82\xAC)", "\xE2\x82\xAC");
    assert_string_equal(err.text, "bad line '\?\?' (\xE2\x82\xAC)");
    weir_error_wrap(&err, WEIR_EUSER, "job \xFF\x1B\n\tx");
    assert_string_equal(err.text, "job ?\?\n\tx: bad line '\?\?' (\xE2\x82\xAC)");
    weir_error_errno(&err, ENOENT, "file \xE9");
    assert_string_equal(err.text, "file ?: No such file or directory");
}

/* Bytes that look like the inside of characters are no reason to cut everything. */
static void ill_formed_text_is_cut_like_any_other(void **state)
{
    (void)state;
    char text[2 * WEIR_ERROR_TEXT_MAX];
    memset(text, 0x80, sizeof text);
    text[sizeof text - 1] = '\0';
    weir_error err = WEIR_ERROR_INIT;
    weir_error_set(&err, WEIR_EIO, "%s", text);
    assert_int_equal(strlen(err.text), WEIR_ERROR_TEXT_MAX - 1);
    assert_int_equal(strspn(err.text, "?"), WEIR_ERROR_TEXT_MAX - 4);
    assert_string_equal(err.text + WEIR_ERROR_TEXT_MAX - 4, "...");
}

static void wrap_puts_a_prefix_and_keeps_the_code(void **state)
{
    (void)state;
    weir_error err = WEIR_ERROR_INIT;
    weir_error_set(&err, WEIR_ETIMEOUT, "no answer");
    assert_int_equal(weir_error_wrap(&err, WEIR_EIO, "job %d", 3), WEIR_ETIMEOUT);
    assert_string_equal(err.text, "job 3: no answer");
    assert_int_equal(weir_error_wrap(NULL, WEIR_EIO, "job"), WEIR_EIO);
    weir_error empty = WEIR_ERROR_INIT;
    assert_int_equal(weir_error_wrap(&empty, WEIR_EIO, "job"), WEIR_EIO);
    assert_string_equal(empty.text, "job");
}

static void errno_maps_to_codes(void **state)
{
    (void)state;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_error_errno(&err, ENOENT, "%s", "f"), WEIR_ENOT_FOUND);
    assert_string_equal(err.text, "f: No such file or directory");
    assert_int_equal(weir_error_errno(&err, ENOSPC, "f"), WEIR_ENO_SPACE);
    assert_int_equal(weir_error_errno(&err, EDQUOT, "f"), WEIR_ENO_SPACE);
    assert_int_equal(weir_error_errno(&err, ENOMEM, "f"), WEIR_ENO_MEMORY);
    assert_int_equal(weir_error_errno(&err, EACCES, "f"), WEIR_EIO);
    assert_int_equal(err.code, WEIR_EIO);
    assert_int_equal(weir_error_errno(NULL, ENOENT, "f"), WEIR_ENOT_FOUND);
}

static void every_code_has_its_number_and_text(void **state)
{
    (void)state;
    assert_int_equal(WEIR_EINVALID, -1);
    assert_int_equal(WEIR_EREFUSED, -18);
    assert_string_equal(weir_code_text(WEIR_ENOT_FOUND), "not found");
    assert_string_equal(weir_code_text(WEIR_ENO_SPACE), "disk full");
    for (int code = -1; code >= -18; code--)
        assert_string_not_equal(weir_code_text(code), "unknown error");
    assert_string_equal(weir_code_text(-19), "unknown error");
    assert_string_equal(weir_code_text(5), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_gives_code_and_text),
        cmocka_unit_test(set_may_read_its_own_text_and_keeps_errno),
        cmocka_unit_test(long_text_is_cut_with_dots),
        cmocka_unit_test(cut_keeps_whole_characters),
        cmocka_unit_test(text_is_always_fit_for_a_message),
        cmocka_unit_test(ill_formed_text_is_cut_like_any_other),
        cmocka_unit_test(wrap_puts_a_prefix_and_keeps_the_code),
        cmocka_unit_test(errno_maps_to_codes),
        cmocka_unit_test(every_code_has_its_number_and_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
