/* base/units.c -- durations, sizes and numbers as users write them, and as we show them. */
#include "base/units.h"

#include "base/memory.h"

#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SUGGEST_WORD_MAX = 128, NUMBER_TEXT_MAX = 64 };

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    /* in ns */
    {"ms", 1000000},
    {"milli", 1000000},
    {"millis", 1000000},
    {"millisecond", 1000000},
    {"milliseconds", 1000000},
    {"s", 1000000000},
    {"sec", 1000000000},
    {"secs", 1000000000},
    {"second", 1000000000},
    {"seconds", 1000000000},
    {"min", 60000000000},
    {"m", 60000000000},
    {"minute", 60000000000},
    {"minutes", 60000000000},
    {"h", 3600000000000},
    {"hour", 3600000000000},
    {"hours", 3600000000000},
    {"d", 86400000000000},
    {"day", 86400000000000},
    {"days", 86400000000000},
    {"us", 1000},
    {"\xC2\xB5s", 1000}, /* the micro sign, and the Greek letter */
    {"\xCE\xBCs", 1000},
    {"micro", 1000},
    {"micros", 1000},
    {"microsecond", 1000},
    {"microseconds", 1000},
    {"ns", 1},
    {"nano", 1},
    {"nanos", 1},
    {"nanosecond", 1},
    {"nanoseconds", 1},
};

static const struct unit size_units[] = {
    {"b", 1},
    {"bytes", 1},
    {"k", UINT64_C(1) << 10},
    {"kb", UINT64_C(1) << 10},
    {"kib", UINT64_C(1) << 10},
    {"m", UINT64_C(1) << 20},
    {"mb", UINT64_C(1) << 20},
    {"mib", UINT64_C(1) << 20},
    {"g", UINT64_C(1) << 30},
    {"gb", UINT64_C(1) << 30},
    {"gib", UINT64_C(1) << 30},
    {"t", UINT64_C(1) << 40},
    {"tb", UINT64_C(1) << 40},
    {"tib", UINT64_C(1) << 40},
};

static const char *skip_spaces(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

static bool only_spaces(const char *text)
{
    return *skip_spaces(text) == '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits; false when there are none or they overflow. Always moves past all of them. */
static bool read_digits(const char **at, uint64_t *ret)
{
    bool good = is_digit(**at);
    uint64_t value = 0;
    for (; is_digit(**at); ++*at) {
        uint64_t digit = (uint64_t)(**at - '0');
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, digit, &value))
            good = false;
    }
    *ret = value;
    return good;
}

/* The factor of the unit at `text` (spaces around it are fine); 0 when it is unknown. */
static uint64_t unit_factor(const char *text, const struct unit *units, size_t count,
                            uint64_t without)
{
    text = skip_spaces(text);
    if (*text == '\0')
        return without;
    size_t length = strlen(text);
    while (text[length - 1] == ' ' || text[length - 1] == '\t')
        length--;
    for (size_t i = 0; i < count; i++)
        if (strlen(units[i].name) == length && strncasecmp(units[i].name, text, length) == 0)
            return units[i].factor;
    return 0;
}

static int refuse(weir_error *err, const char *what, const char *text, const char *advice)
{
    char quoted[WEIR_QUOTED_MAX];
    return weir_error_set(err, WEIR_EINVALID, "expected %s; found %s; %s", what,
                          weir_format_quoted(text, quoted, sizeof quoted), advice);
}

/* A fraction of a millisecond rounds up: a short time must never become "no time" (or "no limit").
 */
int weir_parse_duration_ms(const char *text, int64_t *ret_ms, weir_error *err)
{
    static const char advice[] = "write a whole number and ns, us, ms, s, min, h or d";
    const char *at = skip_spaces(text);
    uint64_t number;
    if (!is_digit(*at))
        return refuse(err, "a duration such as 500 ms", text, advice);
    bool fits = read_digits(&at, &number);
    uint64_t factor = unit_factor(at, duration_units, WEIR_COUNT(duration_units), 1000000);
    if (factor == 0)
        return refuse(err, "a duration such as 500 ms", text, advice);
    uint64_t ms = number;
    if (factor >= 1000000)
        fits = fits && !__builtin_mul_overflow(number, factor / 1000000, &ms);
    else
        ms = number / (1000000 / factor) + (number % (1000000 / factor) != 0);
    if (!fits || ms > INT64_MAX)
        return refuse(err, "a duration such as 500 ms", text, "that is too long; write less");
    *ret_ms = (int64_t)ms;
    return 0;
}

int weir_parse_size(const char *text, uint64_t *ret_bytes, weir_error *err)
{
    static const char advice[] = "write a whole number and b, kb, mb, gb or tb";
    const char *at = skip_spaces(text);
    uint64_t number, bytes;
    if (!is_digit(*at))
        return refuse(err, "a size such as 64mb", text, advice);
    bool fits = read_digits(&at, &number);
    uint64_t factor = unit_factor(at, size_units, WEIR_COUNT(size_units), 1);
    if (factor == 0)
        return refuse(err, "a size such as 64mb", text, advice);
    if (!fits || __builtin_mul_overflow(number, factor, &bytes))
        return refuse(err, "a size such as 64mb", text, "that is too large; write less");
    *ret_bytes = bytes;
    return 0;
}

static int refuse_int(const char *text, int64_t min, int64_t max, weir_error *err)
{
    char quoted[WEIR_QUOTED_MAX];
    weir_format_quoted(text, quoted, sizeof quoted);
    if (min == INT64_MIN && max == INT64_MAX)
        return weir_error_set(err, WEIR_EINVALID, "expected a whole number; found %s", quoted);
    if (max == INT64_MAX)
        return weir_error_set(err, WEIR_EINVALID,
                              "expected a whole number of at least %" PRId64 "; found %s", min,
                              quoted);
    return weir_error_set(err, WEIR_EINVALID,
                          "expected a whole number from %" PRId64 " to %" PRId64 "; found %s", min,
                          max, quoted);
}

int weir_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret, weir_error *err)
{
    const char *at = skip_spaces(text);
    bool negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    uint64_t magnitude;
    uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    if (!read_digits(&at, &magnitude) || !only_spaces(at) || magnitude > limit)
        return refuse_int(text, min, max, err);
    int64_t value = negative ? (int64_t)-magnitude : (int64_t)magnitude;
    if (value < min || value > max)
        return refuse_int(text, min, max, err);
    *ret = value;
    return 0;
}

/* strtod in the C locale, whatever the process uses; no "nan", no "inf", no hexadecimal. */
int weir_parse_double(const char *text, double *ret, weir_error *err)
{
    const char *at = skip_spaces(text);
    size_t length = strspn(at, "0123456789+-.eE");
    if (length > 0 && length < NUMBER_TEXT_MAX && only_spaces(at + length)) {
        locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        if (plain == (locale_t)0)
            return weir_error_set(err, WEIR_ENO_MEMORY, "out of memory");
        char *end;
        double value = strtod_l(at, &end, plain);
        freelocale(plain);
        if (end == at + length && isfinite(value)) {
            *ret = value;
            return 0;
        }
    }
    return refuse(err, "a number", text, "write digits, such as 1.5 or 2e6");
}

int weir_parse_bool(const char *text, bool *ret, weir_error *err)
{
    const char *at = skip_spaces(text);
    size_t length = strcspn(at, " \t");
    bool is_true = length == 4 && strncasecmp(at, "true", 4) == 0;
    bool is_false = length == 5 && strncasecmp(at, "false", 5) == 0;
    if ((!is_true && !is_false) || !only_spaces(at + length)) {
        char quoted[WEIR_QUOTED_MAX];
        return weir_error_set(err, WEIR_EINVALID, "expected true or false; found %s",
                              weir_format_quoted(text, quoted, sizeof quoted));
    }
    *ret = is_true;
    return 0;
}

/* "2 h 5 min": two neighbouring units, the second left out when it is 0. */
static const char *format_pair(bool negative, uint64_t first, const char *first_unit,
                               uint64_t second, const char *second_unit, char *out, size_t size)
{
    const char *sign = negative ? "-" : "";
    if (second == 0)
        snprintf(out, size, "%s%" PRIu64 " %s", sign, first, first_unit);
    else
        snprintf(out, size, "%s%" PRIu64 " %s %" PRIu64 " %s", sign, first, first_unit, second,
                 second_unit);
    return out;
}

const char *weir_format_duration(int64_t ms, char *out, size_t size)
{
    bool negative = ms < 0;
    uint64_t left = negative ? -(uint64_t)ms : (uint64_t)ms;
    if (left < 1000)
        return format_pair(negative, left, "ms", 0, "", out, size);
    if (left < 60000) {
        uint64_t tenths = left / 100; /* cut, not rounded: 59.96 s must not become 60.0 s */
        if (tenths % 10 == 0)
            return format_pair(negative, tenths / 10, "s", 0, "", out, size);
        snprintf(out, size, "%s%" PRIu64 ".%" PRIu64 " s", negative ? "-" : "", tenths / 10,
                 tenths % 10);
        return out;
    }
    uint64_t seconds = left / 1000;
    if (seconds < 3600)
        return format_pair(negative, seconds / 60, "min", seconds % 60, "s", out, size);
    if (seconds < 86400)
        return format_pair(negative, seconds / 3600, "h", seconds / 60 % 60, "min", out, size);
    return format_pair(negative, seconds / 86400, "d", seconds / 3600 % 24, "h", out, size);
}

const char *weir_format_size(uint64_t bytes, char *out, size_t size)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    uint64_t tenths = 0;
    size_t power = 0;
    if (bytes < 1024) {
        snprintf(out, size, "%" PRIu64 " B", bytes);
        return out;
    }
    do { /* rounding may carry into the next unit: 1,048,575 bytes are 1 MiB */
        power++;
        uint64_t unit = UINT64_C(1) << (10 * power);
        tenths = bytes / unit * 10 + (bytes % unit * 10 + unit / 2) / unit;
    } while (tenths >= 10240 && power + 1 < WEIR_COUNT(names));
    if (tenths % 10 == 0)
        snprintf(out, size, "%" PRIu64 " %s", tenths / 10, names[power]);
    else
        snprintf(out, size, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, names[power]);
    return out;
}

const char *weir_format_count(uint64_t n, char *out, size_t size)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, n);
    size_t end = 0;
    for (int i = 0; i < length; i++) {
        bool comma = i > 0 && (length - i) % 3 == 0;
        if (end + (comma ? 2 : 1) >= size)
            break;
        if (comma)
            out[end++] = ',';
        out[end++] = digits[i];
    }
    if (size > 0)
        out[end] = '\0';
    return out;
}

const char *weir_format_quoted(const char *text, char *out, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const size_t tail = sizeof "...'"; /* what must still fit behind the text */
    if (size < tail + 2) {
        if (size > 0)
            out[0] = '\0';
        return out;
    }
    size_t end = 0;
    out[end++] = '\'';
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool escape = c < 0x20 || c == 0x7F;
        if (end + (escape ? 4 : 1) > size - tail) {
            while (end > 1 && ((unsigned char)*text & 0xC0) == 0x80) { /* no half characters */
                text--;
                end--;
            }
            memcpy(out + end, "...", 3);
            end += 3;
            break;
        }
        if (escape) {
            out[end++] = '\\';
            out[end++] = 'x';
            out[end++] = digits[c >> 4];
            out[end++] = digits[c & 15];
        } else {
            out[end++] = *text;
        }
    }
    out[end++] = '\'';
    out[end] = '\0';
    return out;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Edit distance without case, where two swapped neighbours count as one edit. Both at most
 * SUGGEST_WORD_MAX long. */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][SUGGEST_WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x == y ? 0 : 1));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                y == tolower((unsigned char)a[i - 2]) && two_above[j - 2] + 1 < row[j])
                row[j] = two_above[j - 2] + 1;
        }
    }
    return rows[a_size % 3][b_size];
}

const char *weir_suggest(const char *word, const char *const *known, size_t count)
{
    size_t size = strnlen(word, SUGGEST_WORD_MAX + 1);
    if (size > SUGGEST_WORD_MAX)
        return NULL;
    const char *best = NULL;
    size_t best_distance = size / 3 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t known_size = strnlen(known[i], SUGGEST_WORD_MAX + 1);
        if (known_size > SUGGEST_WORD_MAX)
            continue;
        size_t edits = distance(word, size, known[i], known_size);
        if (edits < best_distance) {
            best = known[i];
            best_distance = edits;
        }
    }
    return best;
}
