/* formats/number.h -- numbers as text, both ways, exact and independent of the locale.
 *
 * A parser takes exactly n bytes (no surrounding spaces) and returns NULL, or the problem as the
 * end of a sentence about the field ("is not a number"); *ret is untouched then. A formatter writes
 * without a NUL into out and returns the size, at most WEIR_NUMBER_MAX. */
#ifndef CONNECTORS_FORMATS_NUMBER_H
#define CONNECTORS_FORMATS_NUMBER_H

#include <weir/types.h>

#include <stddef.h>
#include <stdint.h>

#define WEIR_NUMBER_MAX 48

const char *weir_number_parse_int(const char *text, size_t n, int64_t min, int64_t max,
                                  int64_t *ret);
/* Decimal and scientific notation, NaN, [+-]inf[inity]; correctly rounded. */
const char *weir_number_parse_double(const char *text, size_t n, double *ret);
const char *weir_number_parse_float(const char *text, size_t n, float *ret);
/* Exact: digits behind the scale must be zeros, the rest must fit the precision. */
const char *weir_number_parse_decimal(const char *text, size_t n, uint32_t precision,
                                      uint32_t scale, weir_decimal *ret);

size_t weir_number_format_int(int64_t value, char *out);
/* The shortest text that reads back to the same value; always with a point or an exponent. */
size_t weir_number_format_double(double value, char *out);
/* The same, faster for a column of similar values: `*places`, at most 9, is how many digits behind
 * the point to try first, and becomes those of this value. */
size_t weir_number_format_double_near(double value, unsigned *places, char *out);
size_t weir_number_format_float(float value, char *out);
size_t weir_number_format_decimal(const weir_decimal *value, uint32_t scale, char *out);

#endif
