/* base/units.h -- durations, sizes and numbers as users write them, and as we show them.
 *
 * Duration: an integer and a unit: ns us ms s min h d, and Flink's longer spellings (sec,
 * second(s), m, minute(s), hour(s), day(s), milli(s), millisecond(s), micro(s), ...); spaces
 * allowed; no unit means ms. Size: integer and b, k|kb|kib, m|mb|mib, g|gb|gib, t|tb|tib,
 * case-insensitive, powers of 1,024; no unit means bytes. Negative values and overflow are errors.
 * Units are read in any case; a fraction of a millisecond rounds up. The texts of errors start with
 * what was expected: the caller puts the place in front (weir_error_wrap). ret_ values are
 * untouched on failure. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int weir_parse_duration_ms(const char *text, int64_t *ret_ms, weir_error *err) WEIR_MUST_CHECK;
int weir_parse_size(const char *text, uint64_t *ret_bytes, weir_error *err) WEIR_MUST_CHECK;
int weir_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret,
                   weir_error *err) WEIR_MUST_CHECK;
int weir_parse_double(const char *text, double *ret, weir_error *err) WEIR_MUST_CHECK;
int weir_parse_bool(const char *text, bool *ret, weir_error *err) WEIR_MUST_CHECK; /* true|false */

/* Each writes a NUL-terminated text into out and returns out. */
const char *weir_format_duration(int64_t ms, char *out, size_t size); /* "850 ms", "12.3 s" */
const char *weir_format_size(uint64_t bytes, char *out, size_t size); /* "4.1 MiB" */
const char *weir_format_count(uint64_t n, char *out, size_t size);    /* "158,000,000" */

#define WEIR_QUOTED_MAX 96
/* 'text' in quotes, for messages: control bytes as \x1b, cut with "..." to fit out. */
const char *weir_format_quoted(const char *text, char *out, size_t size);

/* The known word nearest to `word` (edit distance at most a third of its length), or NULL. */
const char *weir_suggest(const char *word, const char *const *known, size_t count);

#endif
