/* formats/scan.h -- finding bytes, 16 to 64 at a time. Both functions may read (never write) up to
 * WEIR_SCAN_SLACK bytes behind the end: the caller's block must be that much larger. */
#ifndef CONNECTORS_FORMATS_SCAN_H
#define CONNECTORS_FORMATS_SCAN_H

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
        for (; mask != 0; mask &= mask - 1)
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

#endif
