/* base/memory.h -- allocation. Every allocation of Weir's own goes through these, so that a test
 * can fail the n-th one. OOM is an error that is returned, never an abort. Thread-safe. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

void *weir_alloc(size_t size) WEIR_MUST_CHECK;                /* NULL when memory ends */
void *weir_calloc(size_t count, size_t size) WEIR_MUST_CHECK; /* zeroed; overflow-checked */
void *weir_realloc(void *block, size_t size) WEIR_MUST_CHECK;
char *weir_strdup(const char *text) WEIR_MUST_CHECK; /* NULL text gives NULL */
char *weir_strndup(const char *text, size_t size) WEIR_MUST_CHECK;
char *weir_asprintf(const char *format, ...) WEIR_PRINTF(1, 2) WEIR_MUST_CHECK;
void weir_free(void *block); /* NULL is fine */

/* Aligned to 64 bytes, for batches and tables; released with weir_free. */
void *weir_alloc_aligned(size_t size) WEIR_MUST_CHECK;

/* Test hook: the n-th allocation from now on fails (1 = the next); 0 switches it off. */
void weir_memory_fail_at(uint64_t nth);
void weir_memory_fail_from(uint64_t nth); /* the n-th and all that follow */
/* As fail_at or fail_from would be told now to go on; 0: off, or the one failure has been. */
uint64_t weir_memory_fail_left(void);

#define WEIR_CLEANUP(function) __attribute__((cleanup(function)))
#define WEIR_COUNT(array)      (sizeof(array) / sizeof((array)[0]))

#endif
