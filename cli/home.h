/* cli/home.h -- where things lie: the user's directory ($WEIR_HOME, else ~/.weir), the cache, this
 * executable. Paths go into buffers of PATH_MAX bytes. */
#ifndef CLI_HOME_H
#define CLI_HOME_H

#include "base/error.h"

#include <stddef.h>

/* $WEIR_HOME or ~/.weir; is not made. */
int weir_home_directory(char *out, size_t size, weir_error *err) WEIR_MUST_CHECK;
/* A path in it. */
int weir_home_path(const char *name, char *out, size_t size, weir_error *err) WEIR_MUST_CHECK;
/* $XDG_CACHE_HOME/weir or ~/.cache/weir. */
int weir_home_cache(char *out, size_t size, weir_error *err) WEIR_MUST_CHECK;
/* The absolute path of the running executable. */
int weir_home_executable(char *out, size_t size, weir_error *err) WEIR_MUST_CHECK;
/* The directory that holds weir/weir.h: of an installation or a source tree around the executable,
 * else `fallback`. */
int weir_home_include(const char *fallback, char *out, size_t size,
                      weir_error *err) WEIR_MUST_CHECK;
/* Absolute, without following links; the path need not exist. */
int weir_home_absolute(const char *path, char *out, size_t size, weir_error *err) WEIR_MUST_CHECK;
/* A whole small file, replaced at once but not synced: nothing is lost with it that could not be
 * made again. Its directory is made. */
int weir_home_write(const char *path, const void *bytes, size_t size,
                    weir_error *err) WEIR_MUST_CHECK;

#endif
