/* batch/bytes.h -- internal to the room: unaligned loads, bitmaps, short copies.
 *
 * The block of a batch is little endian and may lie at any address, so views are read through these
 * loads only. Bit i of a bitmap is bit i % 8 of byte i / 8. */
#ifndef BATCH_BYTES_H
#define BATCH_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "batches are read in place");

#define WEIR_LIKELY(x)   __builtin_expect(!!(x), 1)
#define WEIR_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Bytes behind the end of every values buffer of a builder that a short copy may overwrite. */
#define WEIR_COPY_SLACK 32u
#define WEIR_LINE_SLACK 96u /* the same for weir__copy_line; every values buffer has it */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEIR_MAY_OVERREAD 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define WEIR_MAY_OVERREAD 0
#else
#define WEIR_MAY_OVERREAD 1
#endif
#else
#define WEIR_MAY_OVERREAD 1
#endif

static inline uint32_t weir__load_u32(const void *base, size_t index)
{
    uint32_t value;
    memcpy(&value, (const uint8_t *)base + index * sizeof value, sizeof value);
    return value;
}

static inline uint64_t weir__load_u64(const void *base, size_t index)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)base + index * sizeof value, sizeof value);
    return value;
}

static inline int64_t weir__load_i64(const void *base, size_t index)
{
    int64_t value;
    memcpy(&value, (const uint8_t *)base + index * sizeof value, sizeof value);
    return value;
}

static inline uint64_t weir__align(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline bool weir__bit(const uint8_t *bits, uint32_t index)
{
    return (bits[index >> 3] >> (index & 7)) & 1;
}

/* Writes the bit behind the last one: later bits of its byte become 0. */
static inline void weir__bit_append(uint8_t *bits, uint32_t index, bool value)
{
    uint32_t low = (1u << (index & 7)) - 1;
    uint32_t bit = (uint32_t)value << (index & 7);
    bits[index >> 3] = (uint8_t)((bits[index >> 3] & low) | bit);
}

/* Writes `count` bits from bit `index` on: bit i is whether bytes[i] is not 0; `bytes` NULL: all
 * are set. Bits before stay, later ones of the last byte become 0. */
static inline void weir__bits_append(uint8_t *bits, uint32_t index, const uint8_t *bytes,
                                     uint32_t count)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint32_t i = 0;
    for (; i < count && (index + i) % 8 != 0; i++)
        weir__bit_append(bits, index + i, bytes == NULL || bytes[i] != 0);
    for (; i + 8 <= count; i += 8) {
        uint64_t word = bytes != NULL ? weir__load_u64(bytes + i, 0) : ones;
        word = (((word & ~tops) + ~tops) | word) >> 7 & ones; /* 1 where a byte is not 0 */
        bits[(index + i) / 8] = (uint8_t)((word * UINT64_C(0x0102040810204080)) >> 56);
    }
    for (; i < count; i++)
        weir__bit_append(bits, index + i, bytes == NULL || bytes[i] != 0);
}

/* Up to WEIR_COPY_SLACK bytes, in steps whose length the compiler knows: no call, no loop. */
static inline void weir__copy_steps(uint8_t *to, const uint8_t *from, uint32_t n)
{
    memcpy(to, from, 16);
    if (n > 16)
        memcpy(to + 16, from + 16, 16);
}

/* Whether weir__copy_steps may read n bytes and more from here: a load that stays in the page of
 * the first byte cannot fault. Words are short, and this saves a branch on each length. */
static inline bool weir__is_short(const void *from, uint32_t n)
{
    return WEIR_MAY_OVERREAD && n - 1u < WEIR_COPY_SLACK &&
           ((uintptr_t)from & 4095u) <= 4096u - WEIR_COPY_SLACK;
}

/* Copies n bytes to a place with WEIR_COPY_SLACK bytes behind it. */
static inline void weir__copy_short(uint8_t *to, const void *from, uint32_t n)
{
    if (WEIR_LIKELY(weir__is_short(from, n)))
        weir__copy_steps(to, from, n);
    else if (n > 0)
        memcpy(to, from, n);
}

/* The same, for a source of which `room` bytes are readable. Longer ones up to 128 bytes go in
 * pairs of steps that overlap: no call for them, either. */
static inline void weir__copy_bounded(uint8_t *to, const uint8_t *from, uint32_t n, size_t room)
{
    if (WEIR_LIKELY(n <= WEIR_COPY_SLACK && room >= WEIR_COPY_SLACK)) {
        weir__copy_steps(to, from, n);
    } else if (n - 33u < 96) {
        memcpy(to, from, 32);
        if (n > 64) {
            memcpy(to + 32, from + 32, 32);
            memcpy(to + n - 64, from + n - 64, 32);
        }
        memcpy(to + n - 32, from + n - 32, 32);
    } else if (n > 0) {
        memcpy(to, from, n);
    }
}

/* The same for lines of text, to a place with WEIR_LINE_SLACK bytes behind it: most are shorter
 * than that, of any length, and one copy of it all spares a branch that is often mispredicted. */
static inline void weir__copy_line(uint8_t *to, const uint8_t *from, uint32_t n, size_t room)
{
    if (WEIR_LIKELY(n <= WEIR_LINE_SLACK && room >= WEIR_LINE_SLACK))
        memcpy(to, from, WEIR_LINE_SLACK);
    else if (n > 0)
        memcpy(to, from, n);
}

/* How many of the first `count` bits are set; bits behind them are not looked at. */
static inline uint32_t weir__bits_count(const uint8_t *bits, uint32_t count)
{
    uint32_t set = 0, words = count / 64;
    for (uint32_t i = 0; i < words; i++)
        set += (uint32_t)__builtin_popcountll(weir__load_u64(bits, i));
    uint32_t rest = count % 64;
    if (rest > 0) {
        uint64_t word = 0;
        memcpy(&word, bits + (size_t)words * 8, (rest + 7) / 8);
        set += (uint32_t)__builtin_popcountll(word & ((UINT64_C(1) << rest) - 1));
    }
    return set;
}

static inline uint32_t weir__bits_bytes(uint32_t count)
{
    return count / 8 + (count % 8 != 0);
}

/* Rows of a source: those of `selection`, or `count` rows from `start` when it is NULL. */
typedef struct weir__rows {
    const uint32_t *selection;
    uint32_t start;
    uint32_t count;
} weir__rows;

static inline uint32_t weir__rows_at(const weir__rows *rows, uint32_t i)
{
    return rows->selection != NULL ? rows->selection[i] : rows->start + i;
}

#endif
