/* Numbers to text. */
#include "connectors/formats/number.h"

#include "connectors/formats/digits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SHORT_PLACES 9u

typedef unsigned __int128 wide;

const char weir_digit_pairs[201] = "0001020304050607080910111213141516171819"
                                   "2021222324252627282930313233343536373839"
                                   "4041424344454647484950515253545556575859"
                                   "6061626364656667686970717273747576777879"
                                   "8081828384858687888990919293949596979899";

static const double powers[SHORT_PLACES + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

size_t weir_number_format_int(int64_t value, char *out)
{
    if (value >= 0)
        return weir_digits_put_all((uint64_t)value, out);
    out[0] = '-';
    return 1 + weir_digits_put_all(0 - (uint64_t)value, out + 1);
}

/* `digits` with `places` (at most SHORT_PLACES) of them behind a point. */
static size_t format_scaled(uint64_t digits, unsigned places, bool negative, char *out)
{
    char tail[16];
    size_t at = 0, size;

    if (negative)
        out[at++] = '-';
    size = weir_digits_count(digits);
    if (size <= places) {
        memcpy(out + at, "0.", 2);
        weir_digits_put(digits, places, out + at + 2);
        return at + 2 + places;
    }
    weir_digits_put(digits, (unsigned)size, out + at);
    at += size - places;
    if (places == 0) {
        memcpy(out + at, ".0", 2);
        return at + 2;
    }
    memcpy(tail, out + at, sizeof tail); /* more than there is: of a size the compiler knows */
    out[at++] = '.';
    memcpy(out + at, tail, sizeof tail);
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

/* To the nearest integer, for sizes below 2^53; the C library's rint is a call. */
static inline double rounded(double size)
{
    return size < 0x1p52 ? (size + 0x1p52) - 0x1p52 : size;
}

/* Is the value digits / 10^places? Then the digits read back to it. */
static inline bool is_scaled(double size, unsigned places, double limit, uint64_t *ret_digits)
{
    double scaled = rounded(size * powers[places]), back = scaled / powers[places];

    if (scaled >= limit || back < size || back > size)
        return false;
    *ret_digits = (uint64_t)scaled;
    return true;
}

/* Short decimals; the fewest places are the shortest text. Of at most 15 digits there is one number
 * for each double: then the places of the value before are a good guess, but for zeros at the end.
 */
size_t weir_number_format_double_near(double value, unsigned *places, char *out)
{
    double size = fabs(value);
    uint64_t digits;
    unsigned k = *places;

    if (!isfinite(value))
        return format_special(value, out);
    if (size < 1e15 && (size >= 1e-5 || size <= 0)) {
        if (is_scaled(size, k, 1e15, &digits)) {
            for (; k > 0 && digits % 10 == 0; k--)
                digits /= 10;
            return format_scaled(digits, k, signbit(value) != 0, out);
        }
        for (k = 0; k <= SHORT_PLACES; k++) {
            if (!is_scaled(size, k, 9007199254740992.0, &digits))
                continue;
            *places = k;
            return format_scaled(digits, k, signbit(value) != 0, out);
        }
    }
    return format_slow(value, false, out);
}

size_t weir_number_format_double(double value, char *out)
{
    unsigned places = 2;

    return weir_number_format_double_near(value, &places, out);
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

static size_t format_small_decimal(uint64_t digits, uint32_t scale, bool negative, char *out)
{
    unsigned count = weir_digits_count(digits);
    char *point;

    count = count > scale ? count : scale + 1;
    if (negative)
        *out = '-';
    weir_digits_put(digits, count, out + negative);
    if (scale == 0)
        return count + negative;
    point = out + negative + count - scale;
    memmove(point + 1, point, scale);
    *point = '.';
    return count + 1 + negative;
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
    if (bits <= UINT64_MAX && scale < 38)
        return format_small_decimal((uint64_t)bits, scale, negative, out);
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
