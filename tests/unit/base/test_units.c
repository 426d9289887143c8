/* tests/unit/base/test_units.c -- what users write, what we show, suggestions. */
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0},
        {"250", 250},
        {"850 ms", 850},
        {"5s", 5000},
        {" 5  sec ", 5000},
        {"5 Seconds", 5000},
        {"1 second", 1000},
        {"2 min", 120000},
        {"2m", 120000},
        {"3 minutes", 180000},
        {"1 h", 3600000},
        {"2 hours", 7200000},
        {"1 d", 86400000},
        {"2 days", 172800000},
        {"7 millis", 7},
        {"1 milli", 1},
        {"9 milliseconds", 9},
        {"3000 us", 3},
        {"1 us", 1},
        {"1001 micros", 2},
        {"1000000 ns", 1},
        {"1 nanosecond", 1},
        {"0 ns", 0},
        {"2000 \xC2\xB5s", 2},
        {"9223372036854775807", INT64_MAX},
        {"18446744073709551615 ns", 18446744073710},
    };
    for (size_t i = 0; i < WEIR_COUNT(good); i++) {
        int64_t ms = -1;
        assert_int_equal(weir_parse_duration_ms(good[i].text, &ms, NULL), 0);
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"",
                                      " ",
                                      "s",
                                      "-1 s",
                                      "+1 s",
                                      "1.5 s",
                                      "5 parsecs",
                                      "5 s s",
                                      "5 ms2",
                                      "0x5 s",
                                      "five",
                                      "9223372036854775808",
                                      "9223372036854776 s",
                                      "18446744073709551616 ns",
                                      "99999999999999999999999 d",
                                      "1\n",
                                      "5 month"};
    for (size_t i = 0; i < WEIR_COUNT(bad); i++) {
        int64_t ms = 77;
        weir_error err = WEIR_ERROR_INIT;
        assert_int_equal(weir_parse_duration_ms(bad[i], &ms, &err), WEIR_EINVALID);
        assert_int_equal(ms, 77);
        assert_non_null(strstr(err.text, "; found '"));
    }
    weir_error err = WEIR_ERROR_INIT;
    int64_t ms;
    assert_int_equal(weir_parse_duration_ms("5 parsecs", &ms, &err), WEIR_EINVALID);
    assert_string_equal(err.text, "expected a duration such as 500 ms; found '5 parsecs'; write a "
                                  "whole number and ns, us, ms, s, min, h or d");
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"17", 17},
                {"17 b", 17},
                {"17 bytes", 17},
                {"1k", 1024},
                {"2 KB", 2048},
                {"2KiB", 2048},
                {"3m", 3 << 20},
                {"3mb", 3 << 20},
                {"3 MiB", 3 << 20},
                {"1g", 1 << 30},
                {"1gb", 1 << 30},
                {"1 GiB ", 1 << 30},
                {"1t", UINT64_C(1) << 40},
                {"1tb", UINT64_C(1) << 40},
                {"1tib", UINT64_C(1) << 40},
                {"16777215 tb", UINT64_C(16777215) << 40},
                {"18446744073709551615", UINT64_MAX}};
    for (size_t i = 0; i < WEIR_COUNT(good); i++) {
        uint64_t bytes = 1;
        assert_int_equal(weir_parse_size(good[i].text, &bytes, NULL), 0);
        assert_true(bytes == good[i].bytes);
    }
    static const char *const bad[] = {"",     "mb",    "-1",          "1.5gb",
                                      "1 pb", "1 m b", "16777216 tb", "18446744073709551616",
                                      "1kk",  "0x10"};
    for (size_t i = 0; i < WEIR_COUNT(bad); i++) {
        uint64_t bytes = 77;
        assert_int_equal(weir_parse_size(bad[i], &bytes, NULL), WEIR_EINVALID);
        assert_true(bytes == 77);
    }
}

static void whole_numbers(void **state)
{
    (void)state;
    int64_t value = 0;
    assert_int_equal(weir_parse_int(" -5 ", -10, 10, &value, NULL), 0);
    assert_int_equal(value, -5);
    assert_int_equal(weir_parse_int("+7", -10, 10, &value, NULL), 0);
    assert_int_equal(value, 7);
    assert_int_equal(weir_parse_int("-9223372036854775808", INT64_MIN, INT64_MAX, &value, NULL), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(weir_parse_int("9223372036854775807", INT64_MIN, INT64_MAX, &value, NULL), 0);
    assert_true(value == INT64_MAX);
    static const char *const bad[] = {"",
                                      "-",
                                      "1x",
                                      "0x1",
                                      "1.0",
                                      "--1",
                                      "1 2",
                                      "1e3",
                                      "11",
                                      "-11",
                                      "99999999999999999999",
                                      "-9223372036854775809"};
    for (size_t i = 0; i < WEIR_COUNT(bad); i++)
        assert_int_equal(weir_parse_int(bad[i], -10, 10, &value, NULL), WEIR_EINVALID);
    assert_true(value == INT64_MAX);
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_parse_int("x", 1, 32768, &value, &err), WEIR_EINVALID);
    assert_string_equal(err.text, "expected a whole number from 1 to 32768; found 'x'");
    assert_int_equal(weir_parse_int("x", 1, INT64_MAX, &value, &err), WEIR_EINVALID);
    assert_string_equal(err.text, "expected a whole number of at least 1; found 'x'");
}

static void real_numbers_and_booleans(void **state)
{
    (void)state;
    double value = 0;
    assert_int_equal(weir_parse_double(" 1.5 ", &value, NULL), 0);
    assert_true(value == 1.5);
    assert_int_equal(weir_parse_double("-2e6", &value, NULL), 0);
    assert_true(value == -2e6);
    static const char *const bad[] = {"",      "nan",   "inf", "0x1p3", "1,5",
                                      "1.5.2", "1e999", "e",   "1 2"};
    for (size_t i = 0; i < WEIR_COUNT(bad); i++)
        assert_int_equal(weir_parse_double(bad[i], &value, NULL), WEIR_EINVALID);
    assert_true(value == -2e6);

    bool flag = false;
    assert_int_equal(weir_parse_bool("TRUE", &flag, NULL), 0);
    assert_true(flag);
    assert_int_equal(weir_parse_bool(" false ", &flag, NULL), 0);
    assert_false(flag);
    static const char *const no_bool[] = {"", "yes", "1", "truely", "tru", "true false"};
    for (size_t i = 0; i < WEIR_COUNT(no_bool); i++)
        assert_int_equal(weir_parse_bool(no_bool[i], &flag, NULL), WEIR_EINVALID);
}

static void shown_durations(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{0, "0 ms"},
                 {850, "850 ms"},
                 {1000, "1 s"},
                 {12345, "12.3 s"},
                 {59999, "59.9 s"},
                 {60000, "1 min"},
                 {65999, "1 min 5 s"},
                 {3600000, "1 h"},
                 {7500000, "2 h 5 min"},
                 {86400000, "1 d"},
                 {INT64_C(8640) * 10000 * 365, "365 d"},
                 {90000000, "1 d 1 h"},
                 {-1500, "-1.5 s"},
                 {INT64_MIN, "-106751991167 d 7 h"}};
    for (size_t i = 0; i < WEIR_COUNT(cases); i++) {
        char out[64];
        assert_string_equal(weir_format_duration(cases[i].ms, out, sizeof out), cases[i].text);
    }
    char small[4];
    assert_string_equal(weir_format_duration(12345, small, sizeof small), "12.");
}

static void shown_sizes_and_counts(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {1024, "1 KiB"},
                 {1536, "1.5 KiB"},
                 {4299161, "4.1 MiB"},
                 {1048575, "1 MiB"},
                 {UINT64_C(64) << 20, "64 MiB"},
                 {UINT64_MAX, "16 EiB"}};
    char out[64];
    for (size_t i = 0; i < WEIR_COUNT(cases); i++)
        assert_string_equal(weir_format_size(cases[i].bytes, out, sizeof out), cases[i].text);
    assert_string_equal(weir_format_count(0, out, sizeof out), "0");
    assert_string_equal(weir_format_count(999, out, sizeof out), "999");
    assert_string_equal(weir_format_count(1000, out, sizeof out), "1,000");
    assert_string_equal(weir_format_count(158000000, out, sizeof out), "158,000,000");
    assert_string_equal(weir_format_count(UINT64_MAX, out, sizeof out),
                        "18,446,744,073,709,551,615");
    for (size_t size = 1; size < 12; size++) {
        memset(out, '#', sizeof out);
        weir_format_count(158000000, out, size);
        assert_true(strlen(out) < size);
    }
}

static void quoted_texts(void **state)
{
    (void)state;
    char out[WEIR_QUOTED_MAX];
    assert_string_equal(weir_format_quoted("plain", out, sizeof out), "'plain'");
    assert_string_equal(weir_format_quoted("a\n\x1b[1m", out, sizeof out), "'a\\x0a\\x1b[1m'");
    char text[300];
    for (size_t size = 1; size < 120; size++) { /* two-byte characters are never halved */
        memset(text, 'x', size % 2);
        for (size_t i = size % 2; i + 1 < sizeof text; i += 2)
            memcpy(text + i, "\xC3\xA9", 2);
        text[sizeof text - 1 - (sizeof text - 1 - size % 2) % 2] = '\0';
        char cut[128];
        memset(cut, '#', sizeof cut);
        weir_format_quoted(text, cut, size);
        size_t length = strlen(cut);
        assert_true(length < size || size == 0);
        if (length > 6) {
            assert_string_equal(cut + length - 4, "...'");
            assert_int_equal((unsigned char)cut[length - 5], 0xA9);
        }
    }
}

static void suggestions(void **state)
{
    (void)state;
    static const char *const known[] = {"parallelism.default", "heartbeat.timeout", "run", "stop"};
    assert_string_equal(weir_suggest("paralelism.default", known, 4), known[0]);
    assert_string_equal(weir_suggest("Heartbeat.Timeout", known, 4), known[1]);
    assert_string_equal(weir_suggest("heartbeat.timeuot", known, 4), known[1]);
    assert_string_equal(weir_suggest("rnu", known, 4), known[2]); /* a swap is one edit */
    assert_string_equal(weir_suggest("stpo", known, 4), known[3]);
    assert_null(weir_suggest("stxy", known, 4)); /* two edits in four are too many */
    assert_null(weir_suggest("", known, 4));
    assert_null(weir_suggest("ru", known, 4));
    assert_null(weir_suggest("run", known, 0));
    char word[1000];
    memset(word, 'a', sizeof word);
    word[sizeof word - 1] = '\0';
    assert_null(weir_suggest(word, known, 4));
    const char *const long_known[] = {word, "aaa"};
    assert_string_equal(weir_suggest("aab", long_known, 2), "aaa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),       cmocka_unit_test(sizes),
        cmocka_unit_test(whole_numbers),   cmocka_unit_test(real_numbers_and_booleans),
        cmocka_unit_test(shown_durations), cmocka_unit_test(shown_sizes_and_counts),
        cmocka_unit_test(quoted_texts),    cmocka_unit_test(suggestions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
