#include "connectors/formats/number.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_MAX    1024 /* of a number that the C library has to read */
#define SAFE_DIGITS 19   /* any number of so many digits fits 64 bits */

typedef unsigned __int128 wide;

static const char not_a_number[] = "is not a number";
static const char out_of_range[] = "is out of range";

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static const char digit_pairs[] = "0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

const char *weir_number_parse_int(const char *text, size_t n, int64_t min, int64_t max,
                                  int64_t *ret)
{
    bool negative = n > 0 && text[0] == '-';
    size_t i = n > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    uint64_t value = 0;
    int64_t result;

    if (i == n)
        return n == 0 ? "is empty" : not_a_number;
    for (size_t safe = n < i + SAFE_DIGITS ? n : i + SAFE_DIGITS; i < safe; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';

        if (digit > 9)
            return not_a_number;
        value = value * 10 + digit;
    }
    for (; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';

        if (digit > 9)
            return not_a_number;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return out_of_range;
    }
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return out_of_range;
    result = negative ? (int64_t)(0 - value) : (int64_t)value;
    if (result < min || result > max)
        return out_of_range;
    *ret = result;
    return NULL;
}

/* ---- floating point ---- */

typedef struct scientific {
    uint64_t mantissa;
    int64_t exponent;
    bool negative, exact; /* exact: the mantissa holds every digit */
} scientific;

/* Checks the whole syntax, so that the C library sees nothing but a decimal number. */
static bool scan_exponent(const char *text, size_t n, int64_t *ret)
{
    bool negative = n > 0 && text[0] == '-';
    size_t i = n > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    int64_t value = 0;

    if (i == n)
        return false;
    for (; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (value < 100000)
            value = value * 10 + (text[i] - '0');
    }
    *ret = negative ? -value : value;
    return true;
}

static bool scan_scientific(const char *text, size_t n, scientific *ret)
{
    size_t i = n > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0, digits = 0;
    int64_t exponent = 0;
    bool point = false;

    *ret = (scientific){.negative = n > 0 && text[0] == '-', .exact = true};
    for (; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';

        if (digit <= 9) {
            digits++;
            if (ret->mantissa < UINT64_C(100000000000000000)) {
                ret->mantissa = ret->mantissa * 10 + digit;
                ret->exponent -= point;
            } else {
                ret->exact = false;
            }
        } else if (text[i] == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    if (digits == 0)
        return false;
    if (i < n && (text[i] != 'e' && text[i] != 'E'))
        return false;
    if (i < n && !scan_exponent(text + i + 1, n - i - 1, &exponent))
        return false;
    ret->exponent += exponent;
    return true;
}

static bool parse_word(const char *text, size_t n, double *ret)
{
    bool negative = n > 0 && text[0] == '-';

    if (n > 0 && (text[0] == '-' || text[0] == '+')) {
        text++;
        n--;
    }
    if (n == 3 && strncasecmp(text, "nan", 3) == 0)
        *ret = (double)NAN;
    else if ((n == 3 && strncasecmp(text, "inf", 3) == 0) ||
             (n == 8 && strncasecmp(text, "infinity", 8) == 0))
        *ret = negative ? -(double)INFINITY : (double)INFINITY;
    else
        return false;
    return true;
}

/* The C library's conversion, always in the "C" locale, on a bounded copy. */
static const char *parse_slow(const char *text, size_t n, bool single, double *ret)
{
    char copy[TEXT_MAX + 1];
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value;

    if (n > TEXT_MAX || c == (locale_t)0) {
        if (c != (locale_t)0)
            freelocale(c);
        return "is too long for a number";
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    value = single ? (double)strtof_l(copy, NULL, c) : strtod_l(copy, NULL, c);
    freelocale(c);
    if (isinf(value))
        return out_of_range;
    *ret = value;
    return NULL;
}

const char *weir_number_parse_double(const char *text, size_t n, double *ret)
{
    scientific s;
    double value;

    if (n == 0)
        return "is empty";
    if (!scan_scientific(text, n, &s))
        return parse_word(text, n, ret) ? NULL : not_a_number;
    /* Clinger's fast path: both operands are exact, so the one rounding is the right one. */
    if (!s.exact || s.mantissa > (UINT64_C(1) << 53) || s.exponent < -22 || s.exponent > 22)
        return parse_slow(text, n, false, ret);
    value = (double)s.mantissa;
    value = s.exponent < 0 ? value / powers[-s.exponent] : value * powers[s.exponent];
    *ret = s.negative ? -value : value;
    return NULL;
}

const char *weir_number_parse_float(const char *text, size_t n, float *ret)
{
    const char *problem;
    scientific s;
    double wide_value = 0;
    float value;

    if (n == 0)
        return "is empty";
    if (!scan_scientific(text, n, &s)) {
        if (!parse_word(text, n, &wide_value))
            return not_a_number;
        *ret = (float)wide_value;
        return NULL;
    }
    if (!s.exact || s.mantissa > (1u << 24) || s.exponent < -10 || s.exponent > 10) {
        problem = parse_slow(text, n, true, &wide_value);
        if (problem == NULL)
            *ret = (float)wide_value;
        return problem;
    }
    value = (float)s.mantissa;
    value = s.exponent < 0 ? value / (float)powers[-s.exponent] : value * (float)powers[s.exponent];
    *ret = s.negative ? -value : value;
    return NULL;
}

/* ---- decimal ---- */

static wide power_of_ten(uint32_t exponent)
{
    wide value = 1;

    for (uint32_t i = 0; i < exponent; i++)
        value *= 10;
    return value;
}

const char *weir_number_parse_decimal(const char *text, size_t n, uint32_t precision,
                                      uint32_t scale, weir_decimal *ret)
{
    wide tenth = power_of_ten((precision < 38 ? precision : 38) - 1), value = 0;
    size_t i = n > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0, digits = 0;
    uint32_t fraction = 0;
    bool point = false;

    if (n == 0)
        return "is empty";
    for (; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';

        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (digit > 9)
            return not_a_number;
        digits++;
        if (point && fraction == scale) {
            if (digit != 0)
                return "has more digits behind the point than its scale";
            continue;
        }
        fraction += point;
        if (value >= tenth)
            return out_of_range;
        value = value * 10 + digit;
    }
    if (digits == 0)
        return not_a_number;
    for (; fraction < scale; fraction++) {
        if (value >= tenth)
            return out_of_range;
        value *= 10;
    }
    if (text[0] == '-')
        value = 0 - value;
    ret->low = (uint64_t)value;
    ret->high = (int64_t)(uint64_t)(value >> 64);
    return NULL;
}

/* ---- formatting ---- */

static size_t format_unsigned(uint64_t value, char *out)
{
    char text[20];
    size_t at = sizeof text;

    while (value >= 100) {
        at -= 2;
        memcpy(text + at, digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(text + at, digit_pairs + 2 * value, 2);
    } else {
        text[--at] = (char)('0' + value);
    }
    memcpy(out, text + at, sizeof text - at);
    return sizeof text - at;
}

size_t weir_number_format_int(int64_t value, char *out)
{
    if (value >= 0)
        return format_unsigned((uint64_t)value, out);
    out[0] = '-';
    return 1 + format_unsigned(0 - (uint64_t)value, out + 1);
}

/* `digits` with `places` of them behind a point. */
static size_t format_scaled(uint64_t digits, unsigned places, bool negative, char *out)
{
    char text[20];
    size_t size = format_unsigned(digits, text), at = 0;

    if (negative)
        out[at++] = '-';
    if (size <= places) {
        out[at++] = '0';
        out[at++] = '.';
        memset(out + at, '0', places - size);
        at += places - size;
        memcpy(out + at, text, size);
        return at + size;
    }
    memcpy(out + at, text, size - places);
    at += size - places;
    out[at++] = '.';
    if (places == 0) {
        out[at++] = '0';
        return at;
    }
    memcpy(out + at, text + size - places, places);
    return at + places;
}

static size_t format_special(double value, char *out)
{
    const char *text = isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    size_t size = strlen(text);

    memcpy(out, text, size);
    return size;
}

/* Tries ever more digits until the text reads back to the value. */
static size_t format_slow(double value, bool single, char *out)
{
    int least = single ? 6 : 15, most = single ? 9 : 17;
    char text[64];
    size_t size = 0;

    for (int digits = least; digits <= most; digits++) {
        double back = 0;
        float back_single = 0;
        int n = snprintf(text, sizeof text, "%.*g", digits, value);

        size = n > 0 ? (size_t)n : 0;
        for (size_t i = 0; i < size; i++) {
            if (text[i] != '-' && text[i] != '+' && text[i] != 'e' &&
                (text[i] < '0' || text[i] > '9'))
                text[i] = '.'; /* whatever the locale puts there */
        }
        if (digits == most)
            break;
        if (single ? weir_number_parse_float(text, size, &back_single) == NULL &&
                         back_single >= (float)value && back_single <= (float)value
                   : weir_number_parse_double(text, size, &back) == NULL && back >= value &&
                         back <= value)
            break;
    }
    memcpy(out, text, size);
    if (memchr(text, '.', size) == NULL && memchr(text, 'e', size) == NULL) {
        memcpy(out + size, ".0", 2);
        size += 2;
    }
    return size;
}

/* Short decimals: when value * 10^k is a small integer whose quotient by 10^k is the value again,
 * its digits read back to the value; the first such k is the shortest text. */
size_t weir_number_format_double(double value, char *out)
{
    double size = fabs(value);

    if (!isfinite(value))
        return format_special(value, out);
    if (size < 1e15 && (size >= 1e-5 || size <= 0)) {
        for (unsigned k = 0; k <= 9; k++) {
            double scaled = rint(size * powers[k]), back;

            if (scaled >= 9007199254740992.0)
                break;
            back = scaled / powers[k];
            if (back >= size && back <= size)
                return format_scaled((uint64_t)scaled, k, signbit(value) != 0, out);
        }
    }
    return format_slow(value, false, out);
}

size_t weir_number_format_float(float value, char *out)
{
    float size = fabsf(value);

    if (!isfinite(value))
        return format_special((double)value, out);
    if (size < 1e7f && (size >= 1e-4f || size <= 0)) {
        for (unsigned k = 0; k <= 7; k++) {
            float scaled = rintf(size * (float)powers[k]), back;

            if (scaled > 16777216.0f)
                break;
            back = scaled / (float)powers[k];
            if (back >= size && back <= size)
                return format_scaled((uint64_t)scaled, k, signbit(value) != 0, out);
        }
    }
    return format_slow((double)value, true, out);
}

size_t weir_number_format_decimal(const weir_decimal *value, uint32_t scale, char *out)
{
    wide bits = (wide)(uint64_t)value->high << 64 | value->low;
    bool negative = value->high < 0;
    char text[WEIR_NUMBER_MAX];
    size_t at = sizeof text, size = 0;
    uint32_t places = 0;

    if (negative)
        bits = 0 - bits;
    while (bits != 0 || places <= scale) {
        if (at < 3) /* wider than any decimal: not from us */
            break;
        if (places == scale && scale > 0)
            text[--at] = '.';
        text[--at] = (char)('0' + (unsigned)(bits % 10));
        bits /= 10;
        places++;
    }
    if (negative)
        text[--at] = '-';
    size = sizeof text - at;
    memcpy(out, text + at, size);
    return size;
}
