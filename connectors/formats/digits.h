/* formats/digits.h -- decimal digits eight at a time, for the parsers and formatters of numbers and
 * times. Little endian, as batches are. */
#ifndef CONNECTORS_FORMATS_DIGITS_H
#define CONNECTORS_FORMATS_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digits are taken as words");

#define WEIR_DIGITS_ZEROS UINT64_C(0x3030303030303030) /* "00000000" */

extern const char weir_digit_pairs[201]; /* "00" to "99" */

static inline uint64_t weir_digits_load(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

/* Whether all eight bytes are 0..9 (digits without their '0'). */
static inline bool weir_digits_are_all(uint64_t values)
{
    return ((values | (values + UINT64_C(0x0606060606060606))) & UINT64_C(0xf0f0f0f0f0f0f0f0)) == 0;
}

/* The number of eight values 0..9, the first one in the lowest byte. */
static inline uint32_t weir_digits_value(uint64_t values)
{
    const uint64_t mask = UINT64_C(0x000000ff000000ff);

    values = values * 10 + (values >> 8);
    return (uint32_t)(((values & mask) * UINT64_C(0x000f424000000064) +
                       ((values >> 16) & mask) * UINT64_C(0x0000271000000001)) >>
                      32);
}

/* The number of the first n (1 to 8) digits of a word of text; false when one is none. */
static inline bool weir_digits_read(uint64_t word, size_t n, uint32_t *ret)
{
    uint64_t values = (word ^ WEIR_DIGITS_ZEROS) << (64 - 8 * n);

    *ret = weir_digits_value(values);
    return weir_digits_are_all(values);
}

/* Nonzero when one of the first n (1 to 8) bytes is `wanted`; then its lowest bit is in that byte.
 */
static inline uint64_t weir_digits_find(uint64_t word, char wanted, size_t n)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;

    word ^= ones * (unsigned char)wanted;
    return (word - ones) & ~word & tops & UINT64_MAX >> (64 - 8 * n);
}

/* How many digits the number has; 1 for 0. */
static inline unsigned weir_digits_count(uint64_t value)
{
    static const uint64_t powers[] = {0,
                                      UINT64_C(10),
                                      UINT64_C(100),
                                      UINT64_C(1000),
                                      UINT64_C(10000),
                                      UINT64_C(100000),
                                      UINT64_C(1000000),
                                      UINT64_C(10000000),
                                      UINT64_C(100000000),
                                      UINT64_C(1000000000),
                                      UINT64_C(10000000000),
                                      UINT64_C(100000000000),
                                      UINT64_C(1000000000000),
                                      UINT64_C(10000000000000),
                                      UINT64_C(100000000000000),
                                      UINT64_C(1000000000000000),
                                      UINT64_C(10000000000000000),
                                      UINT64_C(100000000000000000),
                                      UINT64_C(1000000000000000000),
                                      UINT64_C(10000000000000000000)};
    unsigned about = (64u - (unsigned)__builtin_clzll(value | 1)) * 1233u >> 12;

    return about + (value >= powers[about]);
}

/* Writes the last `count` digits of the number, with zeros in front. */
static inline void weir_digits_put(uint64_t value, unsigned count, char *out)
{
    for (; count >= 2; count -= 2) {
        uint64_t rest = value / 100;

        memcpy(out + count - 2, weir_digit_pairs + 2 * (value - rest * 100), 2);
        value = rest;
    }
    if (count > 0)
        *out = (char)('0' + value % 10);
}

static inline void weir_digits_put_two(unsigned value, char *out)
{
    memcpy(out, weir_digit_pairs + (size_t)2 * value, 2);
}

/* Writes the number; returns its size. */
static inline size_t weir_digits_put_all(uint64_t value, char *out)
{
    unsigned count = weir_digits_count(value);

    weir_digits_put(value, count, out);
    return count;
}

#endif
