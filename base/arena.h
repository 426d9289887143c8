/* base/arena.h -- a bump allocator: many small things with one lifetime, freed at once. Not
 * thread-safe. Blocks come from weir_alloc; a request larger than the block size gets its own. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/error.h"

#include <stddef.h>

typedef struct weir_arena weir_arena;

weir_arena *weir_arena_new(size_t block_size) WEIR_MUST_CHECK; /* 0: 4 KiB; NULL when memory ends */
void weir_arena_destroy(weir_arena **arena);
void *weir_arena_alloc(weir_arena *arena, size_t size) WEIR_MUST_CHECK; /* 16-aligned, zeroed */
char *weir_arena_strdup(weir_arena *arena, const char *text) WEIR_MUST_CHECK;
char *weir_arena_strndup(weir_arena *arena, const char *text, size_t size) WEIR_MUST_CHECK;
char *weir_arena_printf(weir_arena *arena, const char *format, ...)
    WEIR_PRINTF(2, 3) WEIR_MUST_CHECK;
void weir_arena_reset(weir_arena *arena);        /* empties it, keeps one block */
size_t weir_arena_used(const weir_arena *arena); /* bytes handed out */

#endif
