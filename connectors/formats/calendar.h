/* formats/calendar.h -- dates and times as ISO text, both ways, in the proleptic Gregorian
 * calendar. Parsers and formatters follow the rules of formats/number.h; formatters write at most
 * WEIR_CALENDAR_MAX bytes. */
#ifndef CONNECTORS_FORMATS_CALENDAR_H
#define CONNECTORS_FORMATS_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_CALENDAR_MAX 64

int64_t weir_calendar_days(int64_t year, unsigned month, unsigned day); /* since 1970-01-01 */
void weir_calendar_civil(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day);

/* "2026-08-21"; years of 4 to 7 digits, perhaps signed. */
const char *weir_calendar_parse_date(const char *text, size_t n, int32_t *ret);
/* "10:42", "10:42:11", "10:42:11.123" -> milliseconds since midnight; finer digits are cut off. */
const char *weir_calendar_parse_time(const char *text, size_t n, int32_t *ret);
/* A date, then perhaps `T` or a space and a time with up to 9 digits of a second; those finer than
 * `precision` (0..9) are cut off. With `zone`: perhaps Z or +hh:mm behind it (none: UTC). Units of
 * 10^-precision seconds since 1970. */
const char *weir_calendar_parse_timestamp(const char *text, size_t n, uint32_t precision, bool zone,
                                          int64_t *ret);

/* The day of the value before: most timestamps of a column are of the same. {0} at first. */
typedef struct weir_calendar_near {
    uint64_t head; /* "YYYY-MM-" */
    uint16_t tail; /* "DD" */
    int64_t days;
} weir_calendar_near;
/* The usual shape of a timestamp, fast; 16 bytes behind the text must be readable. False: it has
 * another shape or is none, weir_calendar_parse_timestamp tells; *ret is untouched then. */
bool weir_calendar_parse_near(const char *text, size_t n, uint32_t precision, bool zone,
                              weir_calendar_near *near, int64_t *ret);

size_t weir_calendar_format_date(int32_t days, char *out);
size_t weir_calendar_format_time(int32_t ms, char *out); /* milliseconds only when there are any */
/* "2026-08-21 10:42:11.123", with `zone` a Z behind it. */
size_t weir_calendar_format_timestamp(int64_t value, uint32_t precision, bool zone, char *out);

/* The text of a day: for a column of timestamps, most of which are of the same day as the one
 * before. {0} at first. */
typedef struct weir_calendar_day {
    int64_t days;
    uint8_t size; /* 0: none yet */
    char text[24];
} weir_calendar_day;
size_t weir_calendar_format_timestamp_near(int64_t value, uint32_t precision, bool zone,
                                           weir_calendar_day *near, char *out);

#endif
