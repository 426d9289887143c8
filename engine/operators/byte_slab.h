/* operators/byte_slab.h -- many small blocks of bytes that come and go: size classes over chunks.
 *
 * A block never moves. Up to 64 KiB it comes from a chunk and goes back to its class's free list;
 * above, it is an allocation of its own. Reset gives everything back at once. One thread. */
#ifndef OPERATORS_BYTE_SLAB_H
#define OPERATORS_BYTE_SLAB_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define WEIR_SLAB_CLASSES 88

struct weir_slab_chunk;
struct weir_slab_block;

typedef struct weir_byte_slab {
    struct weir_slab_chunk *chunks; /* the newest first: blocks are cut from it */
    struct weir_slab_chunk *large;  /* allocations of their own */
    struct weir_slab_block *free_blocks[WEIR_SLAB_CLASSES];
    size_t memory; /* bytes held from the allocator */
} weir_byte_slab;

/* A zeroed slab is an empty one. */
void weir_byte_slab_deinit(weir_byte_slab *slab);
/* 16-aligned, not zeroed; NULL when memory ends. */
void *weir_byte_slab_alloc(weir_byte_slab *slab, size_t size) WEIR_MUST_CHECK;
/* `size` as it was asked for. NULL is fine. */
void weir_byte_slab_free(weir_byte_slab *slab, void *block, size_t size);
void weir_byte_slab_reset(weir_byte_slab *slab); /* keeps one chunk */

#endif
