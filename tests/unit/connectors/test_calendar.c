/* test_calendar.c -- dates and times as text, both ways. */
#include "harness.h"

#include "connectors/formats/calendar.h"

#include <time.h>

static void days_agree_with_the_system(void **state)
{
    weir_prng prng = {3};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t days = (int64_t)weir_prng_below(&prng, 4000000) - 2000000, year;
        time_t seconds = (time_t)days * 86400;
        unsigned month, day;
        struct tm tm;

        assert_non_null(gmtime_r(&seconds, &tm));
        weir_calendar_civil(days, &year, &month, &day);
        assert_int_equal(year, tm.tm_year + 1900);
        assert_int_equal(month, tm.tm_mon + 1);
        assert_int_equal(day, tm.tm_mday);
        assert_int_equal(weir_calendar_days(year, month, day), days);
    }
}

static void dates_are_checked(void **state)
{
    static const char *const bad[] = {"",           "2024-02-30", "2023-02-29",  "1900-02-29",
                                      "2024-13-01", "2024-00-01", "2024-01-00",  "24-01-01",
                                      "2024-1-01",  "2024/01/01", "2024-01-01 ", "9999999-01-01"};
    char out[WEIR_CALENDAR_MAX + 1];
    int32_t days = 1;

    (void)state;
    assert_null(weir_calendar_parse_date("1970-01-01", 10, &days));
    assert_int_equal(days, 0);
    assert_null(weir_calendar_parse_date("2000-02-29", 10, &days));
    assert_int_equal(days, 11016);
    assert_null(weir_calendar_parse_date("-0044-03-15", 11, &days));
    out[weir_calendar_format_date(days, out)] = '\0';
    assert_string_equal(out, "-0044-03-15");
    for (size_t i = 0; i + 1 < WEIR_COUNT(bad); i++)
        assert_non_null(weir_calendar_parse_date(bad[i], strlen(bad[i]), &days));
    out[weir_calendar_format_date(INT32_MIN, out)] = '\0';
    assert_null(weir_calendar_parse_date(out, strlen(out), &days));
    assert_int_equal(days, INT32_MIN);
}

static void times_are_checked(void **state)
{
    static const char *const bad[] = {"", "24:00", "12:60", "12:00:60", "1:00", "12:00:00.", "12"};
    char out[WEIR_CALENDAR_MAX + 1];
    int32_t ms = 0;

    (void)state;
    assert_null(weir_calendar_parse_time("23:59:59.999", 12, &ms));
    assert_int_equal(ms, 86399999);
    assert_null(weir_calendar_parse_time("10:42", 5, &ms));
    out[weir_calendar_format_time(ms, out)] = '\0';
    assert_string_equal(out, "10:42:00");
    out[weir_calendar_format_time(1, out)] = '\0';
    assert_string_equal(out, "00:00:00.001");
    for (size_t i = 0; i < WEIR_COUNT(bad); i++)
        assert_non_null(weir_calendar_parse_time(bad[i], strlen(bad[i]), &ms));
}

static int64_t stamp(const char *text, uint32_t precision, bool zone)
{
    int64_t value = INT64_MIN;

    assert_null(weir_calendar_parse_timestamp(text, strlen(text), precision, zone, &value));
    return value;
}

static void timestamps_have_their_precision(void **state)
{
    int64_t value;

    (void)state;
    assert_int_equal(stamp("1970-01-01 00:00:01.5", 3, false), 1500);
    assert_int_equal(stamp("1970-01-01T00:00:01.123456789", 9, false), 1123456789);
    assert_int_equal(stamp("1970-01-01 00:00:01.123456789", 6, false), 1123456);
    assert_int_equal(stamp("1970-01-01 00:00:01.9", 0, false), 1);
    assert_int_equal(stamp("1970-01-02", 3, false), 86400000);
    assert_int_equal(stamp("1970-01-01 00:01", 3, false), 60000);
    assert_int_equal(stamp("1969-12-31 23:59:59.999", 3, false), -1);
    assert_int_equal(stamp("1970-01-01 01:00:00+01:00", 3, true), 0);
    assert_int_equal(stamp("1970-01-01T00:00:00Z", 3, true), 0);
    assert_int_equal(stamp("1969-12-31 19:00:00-0500", 3, true), 0);
    assert_non_null(weir_calendar_parse_timestamp("1970-01-01 00:00:00Z", 20, 3, false, &value));
    assert_non_null(weir_calendar_parse_timestamp("1970-01-01 00:00:00x", 20, 3, true, &value));
    assert_non_null(weir_calendar_parse_timestamp("1970-01-01 25:00:00", 19, 3, true, &value));
    assert_non_null(weir_calendar_parse_timestamp("1970-02-30 05:00:00", 19, 3, true, &value));
    assert_non_null(weir_calendar_parse_timestamp("1970-01-0x 05:00:00", 19, 3, true, &value));
    assert_non_null(weir_calendar_parse_timestamp("2999-01-01 00:00:00", 19, 9, false, &value));
}

static void every_timestamp_reads_back(void **state)
{
    static const uint32_t precisions[] = {0, 3, 6, 9};
    weir_prng prng = {5};
    char out[WEIR_CALENDAR_MAX + 1];

    (void)state;
    for (int i = 0; i < 40000; i++) {
        uint32_t precision = precisions[i % 4];
        bool zone = i % 8 < 4;
        int64_t value = (int64_t)weir_prng_next(&prng) >> (precision == 0 ? 24 : 12);

        out[weir_calendar_format_timestamp(value, precision, zone, out)] = '\0';
        assert_true(stamp(out, precision, zone) == value);
    }
    assert_true(weir_calendar_format_timestamp(INT64_MIN, 0, true, out) <= WEIR_CALENDAR_MAX);
    assert_true(weir_calendar_format_timestamp(INT64_MIN, 9, true, out) <= WEIR_CALENDAR_MAX);
}

/* The fast parser takes nothing that the other one does not, and reads the same; what it leaves is
 * not of the usual shape. */
static void near_days_are_read_alike(void **state)
{
    static const char odd[] = "0123456789-:. TZ+x";
    weir_prng prng = {15};
    weir_calendar_near near = {.head = 0};
    uint32_t taken = 0, refused = 0;

    (void)state;
    for (int i = 0; i < 300000; i++) {
        char text[80] = {0};
        uint32_t precision = (uint32_t)weir_prng_below(&prng, 10);
        bool zone = weir_prng_below(&prng, 2) == 0, read;
        int64_t fast = 42, slow = 42;
        size_t n = (size_t)snprintf(
            text, sizeof text, "%04u-%02u-%02u%c%02u:%02u:%02u",
            weir_prng_below(&prng, 4) == 0 ? (unsigned)weir_prng_below(&prng, 10000) : 2024u,
            (unsigned)weir_prng_below(&prng, 3) + 1, (unsigned)weir_prng_below(&prng, 30) + 1,
            weir_prng_below(&prng, 3) == 0 ? 'T' : ' ', (unsigned)weir_prng_below(&prng, 24),
            (unsigned)weir_prng_below(&prng, 60), (unsigned)weir_prng_below(&prng, 60));

        if (weir_prng_below(&prng, 3) != 0)
            n += (size_t)snprintf(text + n, 12, ".%0*u", 1 + (int)weir_prng_below(&prng, 9),
                                  (unsigned)weir_prng_below(&prng, 10));
        if (weir_prng_below(&prng, 4) == 0)
            text[n++] = 'Z';
        if (weir_prng_below(&prng, 4) == 0)
            text[weir_prng_below(&prng, n)] = odd[weir_prng_below(&prng, sizeof odd - 1)];
        if (weir_prng_below(&prng, 20) == 0)
            n = (size_t)weir_prng_below(&prng, n + 1);
        read = weir_calendar_parse_near(text, n, precision, zone, &near, &fast);
        taken += read;
        refused += !read;
        if (!read)
            assert_true(fast == 42);
        else if (weir_calendar_parse_timestamp(text, n, precision, zone, &slow) != NULL ||
                 slow != fast)
            fail_msg("'%.*s', precision %u", (int)n, text, precision);
    }
    assert_true(taken > 100000 && refused > 20000);
    near = (weir_calendar_near){.head = 0}; /* no day is remembered: not even one of zeros */
    assert_false(weir_calendar_parse_near("\0\0\0\0\0\0\0\0\0\0 00:00:00\0\0\0\0\0\0\0\0", 19, 3,
                                          false, &near, &(int64_t){0}));
}

static void near_days_are_written_alike(void **state)
{
    weir_prng prng = {16};
    weir_calendar_day near = {.size = 0};

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char fresh[WEIR_CALENDAR_MAX], out[WEIR_CALENDAR_MAX];
        uint32_t precision = (uint32_t)weir_prng_below(&prng, 10);
        bool zone = i % 2 == 0;
        int64_t value = (int64_t)weir_prng_next(&prng) >> weir_prng_below(&prng, 64);
        size_t size = weir_calendar_format_timestamp(value, precision, zone, fresh);

        assert_int_equal(weir_calendar_format_timestamp_near(value, precision, zone, &near, out),
                         size);
        assert_memory_equal(out, fresh, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_agree_with_the_system),
        cmocka_unit_test(dates_are_checked),
        cmocka_unit_test(times_are_checked),
        cmocka_unit_test(timestamps_have_their_precision),
        cmocka_unit_test(every_timestamp_reads_back),
        cmocka_unit_test(near_days_are_read_alike),
        cmocka_unit_test(near_days_are_written_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
