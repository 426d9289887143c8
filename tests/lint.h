/* For tests/lint only: what the analyzer cannot see across files, that these calls return a
 * failure. */
#ifndef TESTS_LINT_H
#define TESTS_LINT_H

#include "base/error.h"

#define weir_error_set(err, code, ...)     ((weir_error_set)(err, code, __VA_ARGS__), (code))
#define weir_error_errno(err, number, ...) ((weir_error_errno)(err, number, __VA_ARGS__), WEIR_EIO)
#define weir_error_wrap(err, code, ...)    ((weir_error_wrap)(err, code, __VA_ARGS__), (code))

#endif
