/* base/clock.h -- the real clocks and the real random source. Only drivers (the node's thread, the
 * slot's thread, the command line) call these; actors and operators get time from their context. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t weir_clock_monotonic_ns(void);
int64_t weir_clock_monotonic_ms(void);
int64_t weir_clock_wall_ms(void); /* since 1970, UTC */
uint64_t weir_random_u64(void);   /* from the system, through libsodium */

/* A small deterministic generator (splitmix64) for everything that must replay from a seed. */
typedef struct weir_prng {
    uint64_t state;
} weir_prng;
uint64_t weir_prng_next(weir_prng *prng);
uint64_t weir_prng_below(weir_prng *prng, uint64_t bound); /* 0 <= x < bound; bound > 0 */

/* "2026-08-21T10:00:00.123Z"; out has at least 25 bytes. */
const char *weir_format_time(int64_t wall_ms, char *out, size_t size);

#endif
