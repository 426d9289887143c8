/* batch/key_hash.h -- internal to the room: XXH3-64 (seed 0) of a short key that is in registers.
 *
 * A short key is built from pieces; writing the pieces and reading them back as words stalls on
 * every row. XXH3 for 4 to 16 bytes needs two words only, so it is done here on the words. The
 * results are those of XXH3_64bits, which the tests hold it to; the algorithm is frozen. */
#ifndef BATCH_KEY_HASH_H
#define BATCH_KEY_HASH_H

#include <stdint.h>

/* What XXH3's default secret comes to for these lengths. */
#define WEIR__XXH3_FLIP_4TO8   UINT64_C(0xc73ab174c5ecd5a2)
#define WEIR__XXH3_FLIP_9TO16A UINT64_C(0x6782737bea4239b9)
#define WEIR__XXH3_FLIP_9TO16B UINT64_C(0xaf56bc3b0996523a)

/* `first` and `last` are the first and last 4 bytes, little endian. */
static inline uint64_t weir__hash_4to8(uint32_t first, uint32_t last, uint32_t size)
{
    uint64_t h = ((uint64_t)first << 32 | last) ^ WEIR__XXH3_FLIP_4TO8;
    h ^= (h << 49 | h >> 15) ^ (h << 24 | h >> 40);
    h *= UINT64_C(0x9FB21C651E98DF25);
    h ^= (h >> 35) + size;
    h *= UINT64_C(0x9FB21C651E98DF25);
    return h ^ (h >> 28);
}

/* `first` and `last` are the first and last 8 bytes, little endian. */
static inline uint64_t weir__hash_9to16(uint64_t first, uint64_t last, uint32_t size)
{
    uint64_t low = first ^ WEIR__XXH3_FLIP_9TO16A, high = last ^ WEIR__XXH3_FLIP_9TO16B;
    unsigned __int128 product = (unsigned __int128)low * high;
    uint64_t h =
        size + __builtin_bswap64(low) + high + ((uint64_t)product ^ (uint64_t)(product >> 64));
    h ^= h >> 37;
    h *= UINT64_C(0x165667919E3779F9);
    return h ^ (h >> 32);
}

/* Bytes 0..7 and 8..15 of a key of 4 to 16 bytes; bytes behind its end are 0. */
static inline uint64_t weir__hash_short(uint64_t low, uint64_t high, uint32_t size)
{
    if (size <= 8)
        return weir__hash_4to8((uint32_t)low, (uint32_t)(low >> (8 * (size - 4))), size);
    uint32_t shift = 8 * (size - 8); /* 8 to 64 */
    uint64_t last = (high << 1) << (63 - shift % 64);
    last = shift == 64 ? high : (low >> shift | last);
    return weir__hash_9to16(low, last, size);
}

#endif
