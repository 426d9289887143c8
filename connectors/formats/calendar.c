#include "connectors/formats/calendar.h"

#include "connectors/formats/digits.h"
#include "connectors/formats/number.h"

#include <string.h>

static const char not_a_date[] = "is not a date (YYYY-MM-DD)";
static const char not_a_time[] = "is not a time (hh:mm:ss.fff)";
static const char not_a_timestamp[] = "is not a timestamp (YYYY-MM-DD hh:mm:ss.fff)";

/* Days and civil dates by eras of 400 years that begin on 1 March: leap days come last. */
int64_t weir_calendar_days(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

void weir_calendar_civil(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097,
            day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;

    *ret_day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (unsigned)(month < 10 ? month + 3 : month - 9);
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

static unsigned days_of_month(int64_t year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
        return 29;
    return days[month - 1];
}

/* A cursor over the text; each step returns whether it matched. */
typedef struct cursor {
    const char *p, *end;
} cursor;

static bool take(cursor *c, char wanted)
{
    if (c->p == c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

static bool take_digits(cursor *c, unsigned least, unsigned most, int64_t *ret, unsigned *ret_count)
{
    unsigned count = 0;
    int64_t value = 0;

    while (count < most && c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        value = value * 10 + (*c->p++ - '0');
        count++;
    }
    *ret = value;
    if (ret_count != NULL)
        *ret_count = count;
    return count >= least;
}

static bool take_date(cursor *c, int64_t *ret_days)
{
    bool negative = take(c, '-');
    int64_t year, month, day;

    if (!negative)
        (void)take(c, '+');
    if (!take_digits(c, 4, 7, &year, NULL) || !take(c, '-') ||
        !take_digits(c, 2, 2, &month, NULL) || !take(c, '-') || !take_digits(c, 2, 2, &day, NULL))
        return false;
    if (negative)
        year = -year;
    if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, (unsigned)month))
        return false;
    *ret_days = weir_calendar_days(year, (unsigned)month, (unsigned)day);
    return true;
}

static bool take_fraction(cursor *c, int64_t *ret_ns)
{
    static const int64_t units[] = {100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
    int64_t fraction;
    unsigned digits;

    if (!take(c, '.'))
        return true;
    if (!take_digits(c, 1, 9, &fraction, &digits))
        return false;
    *ret_ns += fraction * units[digits - 1];
    return true;
}

/* Nanoseconds since midnight. */
static bool take_time(cursor *c, int64_t *ret_ns)
{
    int64_t hour, minute, second = 0, ns = 0;

    if (!take_digits(c, 2, 2, &hour, NULL) || !take(c, ':') || !take_digits(c, 2, 2, &minute, NULL))
        return false;
    if (take(c, ':')) {
        if (!take_digits(c, 2, 2, &second, NULL))
            return false;
        if (!take_fraction(c, &ns))
            return false;
    }
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *ret_ns = ((hour * 60 + minute) * 60 + second) * INT64_C(1000000000) + ns;
    return true;
}

static bool take_zone(cursor *c, int64_t *ret_seconds)
{
    int64_t hour, minute = 0, sign = 1;

    *ret_seconds = 0;
    if (c->p == c->end || take(c, 'Z') || take(c, 'z'))
        return true;
    if (take(c, '-'))
        sign = -1;
    else if (!take(c, '+'))
        return false;
    if (!take_digits(c, 2, 2, &hour, NULL))
        return false;
    if ((take(c, ':') || c->p < c->end) && !take_digits(c, 2, 2, &minute, NULL))
        return false;
    *ret_seconds = sign * (hour * 3600 + minute * 60);
    return hour <= 18 && minute <= 59;
}

const char *weir_calendar_parse_date(const char *text, size_t n, int32_t *ret)
{
    cursor c = {text, text + n};
    int64_t days;

    if (!take_date(&c, &days) || c.p != c.end)
        return not_a_date;
    if (days < INT32_MIN || days > INT32_MAX)
        return "is out of range";
    *ret = (int32_t)days;
    return NULL;
}

const char *weir_calendar_parse_time(const char *text, size_t n, int32_t *ret)
{
    cursor c = {text, text + n};
    int64_t ns;

    if (!take_time(&c, &ns) || c.p != c.end)
        return not_a_time;
    *ret = (int32_t)(ns / 1000000);
    return NULL;
}

static int64_t units_per_second(uint32_t precision)
{
    int64_t units = 1;

    for (uint32_t i = 0; i < precision && i < 9; i++)
        units *= 10;
    return units;
}

/* Two digits as a number; *bad gets bits above 3 set when they are none. */
static inline unsigned two(const char *p, unsigned *bad)
{
    unsigned high = (unsigned char)p[0] - (unsigned)'0', low = (unsigned char)p[1] - (unsigned)'0';

    *bad |= (high > 9 ? 16u : 0u) | (low > 9 ? 16u : 0u);
    return high * 10 + low;
}

/* The usual shape, YYYY-MM-DD hh:mm:ss, all at once. False: look closer. */
static bool read_common(cursor *c, int64_t *ret_days, int64_t *ret_ns)
{
    const char *p = c->p;
    unsigned bad = 0, year, month, day, hour, minute, second;

    if (c->end - p < 19 || p[4] != '-' || p[7] != '-' || (p[10] != ' ' && p[10] != 'T') ||
        p[13] != ':' || p[16] != ':')
        return false;
    year = two(p, &bad) * 100 + two(p + 2, &bad);
    month = two(p + 5, &bad);
    day = two(p + 8, &bad);
    hour = two(p + 11, &bad);
    minute = two(p + 14, &bad);
    second = two(p + 17, &bad);
    if (bad > 9 || month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) ||
        hour > 23 || minute > 59 || second > 59)
        return false;
    *ret_days = weir_calendar_days(year, month, day);
    *ret_ns = (int64_t)((hour * 60 + minute) * 60 + second) * 1000000000;
    c->p = p + 19;
    return true;
}

const char *weir_calendar_parse_timestamp(const char *text, size_t n, uint32_t precision, bool zone,
                                          int64_t *ret)
{
    cursor c = {text, text + n};
    int64_t days, ns = 0, offset = 0, units = units_per_second(precision);
    __int128 value; /* the second of the earliest value begins before what 64 bits hold */

    if (read_common(&c, &days, &ns)) {
        if (!take_fraction(&c, &ns))
            return not_a_timestamp;
    } else if (!take_date(&c, &days)) {
        return not_a_timestamp;
    } else if (c.p < c.end && !((take(&c, 'T') || take(&c, ' ')) && take_time(&c, &ns))) {
        return not_a_timestamp;
    }
    if (zone && !take_zone(&c, &offset))
        return not_a_timestamp;
    if (c.p != c.end)
        return not_a_timestamp;
    value = (__int128)(days * 86400 + ns / INT64_C(1000000000) - offset) * units +
            ns % INT64_C(1000000000) / (INT64_C(1000000000) / units);
    if (value < INT64_MIN || value > INT64_MAX)
        return "is out of range";
    *ret = (int64_t)value;
    return NULL;
}

/* 'YYYY-MM-DD hh:mm:ss', perhaps with a fraction of 1 to 8 digits, perhaps a Z. */
bool weir_calendar_parse_near(const char *text, size_t n, uint32_t precision, bool zone,
                              weir_calendar_near *near, int64_t *ret)
{
    static const uint32_t powers[] = {1,      10,      100,      1000,      10000,
                                      100000, 1000000, 10000000, 100000000, 1000000000};
    uint32_t hour, minute, second, fraction = 0, places;
    uint64_t head, time;
    uint16_t tail;
    int64_t value;

    if (zone && n > 0 && text[n - 1] == 'Z')
        n--;
    if (n < 19 || precision > 9 || (text[10] != ' ' && text[10] != 'T'))
        return false;
    memcpy(&head, text, sizeof head);
    memcpy(&tail, text + 8, sizeof tail);
    if (head != near->head || tail != near->tail || head == 0) {
        cursor c = {text, text + 10};

        if (!take_date(&c, &near->days) || c.p != c.end) {
            near->head = 0;
            return false;
        }
        near->head = head;
        near->tail = tail;
    }
    time = weir_digits_load(text + 11) ^ weir_digits_load("00:00:00");
    if ((time & UINT64_C(0x0000ff0000ff0000)) != 0 || !weir_digits_are_all(time))
        return false;
    time = time * 10 + (time >> 8);
    hour = time & 0xff;
    minute = (time >> 24) & 0xff;
    second = (time >> 48) & 0xff;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    places = (uint32_t)n - 20;
    if (n == 19)
        places = 0;
    else if (places - 1 >= 8 || text[19] != '.' ||
             !weir_digits_read(weir_digits_load(text + 20), places, &fraction))
        return false;
    value = near->days * 86400 + ((hour * 60 + minute) * 60 + second);
    if (__builtin_mul_overflow(value, (int64_t)powers[precision], &value))
        return false;
    *ret = value + (places > precision ? (int64_t)(fraction / powers[places - precision])
                                       : (int64_t)fraction * (int64_t)powers[precision - places]);
    return true;
}

static inline size_t put_two(unsigned value, char *out)
{
    weir_digits_put_two(value % 100, out);
    return 2;
}

static size_t put_days(int64_t days, char *out)
{
    unsigned month, day, digits;
    uint64_t year_size;
    int64_t year;
    size_t at = 0;

    weir_calendar_civil(days, &year, &month, &day);
    if (year < 0)
        out[at++] = '-';
    year_size = year < 0 ? 0 - (uint64_t)year : (uint64_t)year;
    digits = weir_digits_count(year_size);
    digits = digits > 4 ? digits : 4;
    weir_digits_put(year_size, digits, out + at);
    at += digits;
    out[at++] = '-';
    at += put_two(month, out + at);
    out[at++] = '-';
    return at + put_two(day, out + at);
}

static inline size_t put_seconds(unsigned second, char *out)
{
    put_two(second / 3600, out);
    out[2] = ':';
    put_two(second / 60 % 60, out + 3);
    out[5] = ':';
    put_two(second % 60, out + 6);
    return 8;
}

static inline size_t put_fraction(uint64_t value, uint32_t digits, char *out)
{
    out[0] = '.';
    weir_digits_put(value, digits, out + 1);
    return digits + 1;
}

size_t weir_calendar_format_date(int32_t days, char *out)
{
    return put_days(days, out);
}

size_t weir_calendar_format_time(int32_t ms, char *out)
{
    uint32_t clamped = (uint32_t)ms % 86400000u; /* a value from outside may be anything */
    size_t at = put_seconds(clamped / 1000, out);

    if (clamped % 1000 != 0)
        at += put_fraction(clamped % 1000, 3, out + at);
    return at;
}

/* Values of one day share its text; days are counted by the eras' arithmetic, which costs. */
static inline size_t put_near_day(int64_t days, weir_calendar_day *near, char *out)
{
    if (near->size == 0 || near->days != days) {
        near->days = days;
        near->size = (uint8_t)put_days(days, near->text);
    }
    memcpy(out, near->text, sizeof near->text);
    return near->size;
}

/* Inlined with each precision: divisions by constants. */
static inline __attribute__((always_inline)) size_t
format_timestamp(int64_t value, int64_t units, uint32_t digits, weir_calendar_day *near, char *out)
{
    int64_t day_units = units * 86400, days = value / day_units, rest = value % day_units;
    size_t at;

    if (rest < 0) {
        rest += day_units;
        days--;
    }
    at = put_near_day(days, near, out);
    out[at++] = ' ';
    at += put_seconds((unsigned)((uint64_t)rest / (uint64_t)units), out + at);
    if (digits > 0)
        at += put_fraction((uint64_t)rest % (uint64_t)units, digits, out + at);
    return at;
}

size_t weir_calendar_format_timestamp_near(int64_t value, uint32_t precision, bool zone,
                                           weir_calendar_day *near, char *out)
{
    uint32_t digits = precision < 9 ? precision : 9;
    size_t at;

    if (digits == 3)
        at = format_timestamp(value, 1000, 3, near, out);
    else if (digits == 6)
        at = format_timestamp(value, 1000000, 6, near, out);
    else
        at = format_timestamp(value, units_per_second(digits), digits, near, out);
    if (zone)
        out[at++] = 'Z';
    return at;
}

size_t weir_calendar_format_timestamp(int64_t value, uint32_t precision, bool zone, char *out)
{
    weir_calendar_day near = {.size = 0};

    return weir_calendar_format_timestamp_near(value, precision, zone, &near, out);
}
