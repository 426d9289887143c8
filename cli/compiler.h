/* cli/compiler.h -- a job's source as a shared object, made once: what did not change, with all
 * that it includes, is taken from the cache (~/.cache/weir, at most WEIR_CACHE_ENTRIES_MAX
 * objects). */
#ifndef CLI_COMPILER_H
#define CLI_COMPILER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define WEIR_CACHE_ENTRIES_MAX 256

typedef struct weir_compiled {
    char path[4096]; /* of the object */
    bool was_cached;
} weir_compiled;

/* Compiles with $CC, else the first of cc, gcc, clang on PATH; the compiler's messages go to stderr
 * as they are. `include_dir` holds weir/weir.h. WEIR_EINVALID: it does not compile. */
int weir_compile(const char *source, const char *include_dir, weir_compiled *ret,
                 weir_error *err) WEIR_MUST_CHECK;

/* Removes the oldest half of a folder's files when there are more than 2 * WEIR_CACHE_ENTRIES_MAX.
 */
void weir_cache_prune(const char *directory);

#endif
