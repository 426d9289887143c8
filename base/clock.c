/* base/clock.c -- the real clocks, the real random source, and a generator that replays. */
#include "base/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t read_ns(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        abort(); /* these clocks exist on every kernel we run on */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t weir_clock_monotonic_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

int64_t weir_clock_monotonic_ms(void)
{
    return weir_clock_monotonic_ns() / 1000000;
}

int64_t weir_clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}

uint64_t weir_random_u64(void)
{
    if (sodium_init() < 0)
        abort(); /* no random source: nothing built on it would be safe */
    uint64_t value;
    randombytes_buf(&value, sizeof value);
    return value;
}

uint64_t weir_prng_next(weir_prng *prng)
{
    prng->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = prng->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Draws again below 2^64 mod bound, so that every value is equally likely. */
uint64_t weir_prng_below(weir_prng *prng, uint64_t bound)
{
    assert(bound > 0);
    uint64_t uneven = (UINT64_MAX % bound + 1) % bound;
    uint64_t drawn;
    do {
        drawn = weir_prng_next(prng);
    } while (drawn < uneven);
    return drawn % bound;
}

const char *weir_format_time(int64_t wall_ms, char *out, size_t size)
{
    int64_t seconds = wall_ms / 1000;
    int millis = (int)(wall_ms % 1000);
    if (millis < 0) { /* before 1970 */
        millis += 1000;
        seconds--;
    }
    time_t when = (time_t)seconds;
    struct tm utc;
    if (gmtime_r(&when, &utc) == NULL) /* a year that is no int */
        snprintf(out, size, "%" PRId64 " ms", wall_ms);
    else
        snprintf(out, size, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d.%03dZ",
                 (int64_t)utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                 utc.tm_sec, millis);
    return out;
}
