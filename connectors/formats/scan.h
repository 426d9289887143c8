/* formats/scan.h -- finding bytes, 16 to 64 at a time. weir_scan_all and weir_scan_first may read
 * (never write) up to WEIR_SCAN_SLACK bytes behind the end: the caller's block must be that much
 * larger. */
#ifndef CONNECTORS_FORMATS_SCAN_H
#define CONNECTORS_FORMATS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define WEIR_SCAN_SLACK 64

#if defined(__SSE2__)
static inline uint32_t weir_scan_mask(const char *p, __m128i wanted)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);

    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, wanted));
}
#endif

/* Positions of `wanted` in p[0..n), ascending, at least `max` of them if there are as many;
 * `positions` has room for max + 64. Returns how many were found. */
static inline uint32_t weir_scan_all(const char *p, uint32_t n, char wanted, uint32_t *positions,
                                     uint32_t max)
{
    uint32_t count = 0;

#if defined(__SSE2__)
    const __m128i w = _mm_set1_epi8(wanted);

    for (uint32_t at = 0; at < n && count < max; at += 64) {
        uint64_t mask = weir_scan_mask(p + at, w) | (uint64_t)weir_scan_mask(p + at + 16, w) << 16 |
                        (uint64_t)weir_scan_mask(p + at + 32, w) << 32 |
                        (uint64_t)weir_scan_mask(p + at + 48, w) << 48;

        if (n - at < 64)
            mask &= (UINT64_C(1) << (n - at)) - 1;
        /* Most of 64 bytes hold two lines' ends at most: those without a branch on how many. */
        positions[count] = at + (uint32_t)__builtin_ctzll(mask | UINT64_C(1) << 63);
        count += mask != 0;
        mask &= mask - 1;
        positions[count] = at + (uint32_t)__builtin_ctzll(mask | UINT64_C(1) << 63);
        count += mask != 0;
        for (mask &= mask - 1; mask != 0; mask &= mask - 1)
            positions[count++] = at + (uint32_t)__builtin_ctzll(mask);
    }
#else
    for (uint32_t at = 0; at < n && count < max;) {
        const char *found = memchr(p + at, wanted, n - at);

        if (found == NULL)
            break;
        positions[count++] = (uint32_t)(found - p);
        at = (uint32_t)(found - p) + 1;
    }
#endif
    return count;
}

/* Bit i: byte i of the 64 at p is `wanted`; *ret_others the same for `other`. */
static inline uint64_t weir_scan_64(const char *p, char wanted, char other, uint64_t *ret_others)
{
    uint64_t mask = 0, others = 0;

#if defined(__SSE2__)
    const __m128i w = _mm_set1_epi8(wanted), o = _mm_set1_epi8(other);

    for (unsigned i = 0; i < 4; i++) {
        mask |= (uint64_t)weir_scan_mask(p + 16 * i, w) << (16 * i);
        others |= (uint64_t)weir_scan_mask(p + 16 * i, o) << (16 * i);
    }
#else
    for (unsigned i = 0; i < 64; i++) {
        mask |= (uint64_t)(p[i] == wanted) << i;
        others |= (uint64_t)(p[i] == other) << i;
    }
#endif
    *ret_others = others;
    return mask;
}

/* The first `wanted` in p[0..end - p), or `end`. For short distances. */
static inline const char *weir_scan_first(const char *p, const char *end, char wanted)
{
#if defined(__SSE2__)
    const __m128i w = _mm_set1_epi8(wanted);

    for (; p < end; p += 16) {
        uint32_t mask = weir_scan_mask(p, w);

        if (mask != 0) {
            p += __builtin_ctz(mask);
            return p < end ? p : end;
        }
    }
    return end;
#else
    const char *found = p < end ? memchr(p, wanted, (size_t)(end - p)) : NULL;

    return found != NULL ? found : end;
#endif
}

/* Copies p[0..n) to a place with room for 16 bytes more; false, and any bytes there, when one of
 * the four bytes is among them. `room`, at least n: what may be read from p. */
static inline bool weir_scan_copy(char *to, const char *p, size_t n, size_t room, char a, char b,
                                  char c, char d)
{
    size_t at = 0;

#if defined(__SSE2__)
    const __m128i va = _mm_set1_epi8(a), vb = _mm_set1_epi8(b), vc = _mm_set1_epi8(c),
                  vd = _mm_set1_epi8(d);

    for (; at < n && room - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + at));
        __m128i found =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, va), _mm_cmpeq_epi8(bytes, vb)),
                         _mm_or_si128(_mm_cmpeq_epi8(bytes, vc), _mm_cmpeq_epi8(bytes, vd)));
        uint32_t mask = (uint32_t)_mm_movemask_epi8(found);

        _mm_storeu_si128((__m128i *)(void *)(to + at), bytes);
        if (n - at < 16)
            mask &= (1u << (n - at)) - 1;
        if (mask != 0)
            return false;
    }
#else
    (void)room;
#endif
    for (; at < n; at++) {
        if (p[at] == a || p[at] == b || p[at] == c || p[at] == d)
            return false;
        to[at] = p[at];
    }
    return true;
}

#endif
