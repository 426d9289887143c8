#include "connectors/formats/number.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
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
