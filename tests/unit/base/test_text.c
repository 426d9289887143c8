/* tests/unit/base/test_text.c -- cleaning and cutting of texts. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void check_clean(const char *text, const char *expected)
{
    char buffer[128];
    snprintf(buffer, sizeof buffer, "%s", text);
    weir_text_clean(buffer);
    assert_string_equal(buffer, expected);
}

static void clean_keeps_what_is_well_formed(void **state)
{
    (void)state;
    check_clean("", "");
    check_clean("a\tb\nc ~", "a\tb\nc ~");
    check_clean("\xC2\xA0 \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x99\x82 \xF4\x8F\xBF\xBF",
                "\xC2\xA0 \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x99\x82 \xF4\x8F\xBF\xBF");
}

static void clean_replaces_what_is_ill_formed(void **state)
{
    (void)state;
    check_clean("caf\xE9", "caf?");
    check_clean("caf\xE9 au lait", "caf? au lait");
    check_clean("\x80\xBF", "??");
    check_clean("\xE2\x82", "??");           /* cut */
    check_clean("\xF0\x9F\x99x", "???x");    /* cut inside */
    check_clean("\xC0\xAF\xC1\x81", "????"); /* overlong */
    check_clean("\xE0\x80\x80|\xF0\x80\x80\x80", "???|????");
    check_clean("\xED\xA0\x80", "???");      /* a surrogate */
    check_clean("\xF4\x90\x80\x80", "????"); /* beyond U+10FFFF */
    check_clean("\xFE\xFF", "??");
}

static void clean_replaces_control_characters(void **state)
{
    (void)state;
    check_clean("\x01\r\x1B[31m\x7F", "???[31m?");
    check_clean("\xC2\x80\xC2\x9B\xC2\x9F", "??????");
}

static void cut_ends_at_a_character(void **state)
{
    (void)state;
    const char *text = "a\xE2\x82\xAC"
                       "b";
    const size_t expected[] = {0, 1, 1, 1, 4, 5, 5, 5};
    for (size_t size = 0; size < sizeof expected / sizeof expected[0]; size++)
        assert_int_equal(weir_text_cut(text, size), expected[size]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_keeps_what_is_well_formed),
        cmocka_unit_test(clean_replaces_what_is_ill_formed),
        cmocka_unit_test(clean_replaces_control_characters),
        cmocka_unit_test(cut_ends_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
