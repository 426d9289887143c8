#include "operators/byte_slab.h"

#include "base/memory.h"

#include <string.h>

#define STEP        16u /* classes up to FINE_MAX are multiples of it */
#define FINE_MAX    1024u
#define FINE_COUNT  (FINE_MAX / STEP)
#define LARGE       (64u << 10) /* greatest class */
#define CHUNK_FIRST (4u << 10)
#define CHUNK_MAX   (256u << 10)

typedef struct weir_slab_chunk {
    struct weir_slab_chunk *next, *previous; /* previous: of large ones only */
    size_t size, used;                       /* bytes of `bytes` */
    _Alignas(16) uint8_t bytes[];
} slab_chunk;

typedef struct weir_slab_block {
    struct weir_slab_block *next;
} slab_block;

/* Above FINE_MAX each power of two is cut into four classes. */
static uint32_t class_of(size_t size, size_t *ret_rounded)
{
    size_t rounded = (size + STEP - 1) & ~(size_t)(STEP - 1);
    uint32_t shift, quarter;

    if (rounded == 0)
        rounded = STEP;
    if (rounded <= FINE_MAX) {
        *ret_rounded = rounded;
        return (uint32_t)(rounded / STEP - 1);
    }
    shift = 63 - (uint32_t)__builtin_clzll(rounded - 1); /* 2^shift < rounded <= 2^(shift+1) */
    quarter = (uint32_t)((rounded - 1) >> (shift - 2)) & 3;
    *ret_rounded = ((size_t)1 << shift) + ((size_t)(quarter + 1) << (shift - 2));
    return FINE_COUNT + (shift - 10) * 4 + quarter;
}

static void free_list(slab_chunk *chunk)
{
    while (chunk) {
        slab_chunk *next = chunk->next;

        weir_free(chunk);
        chunk = next;
    }
}

void weir_byte_slab_deinit(weir_byte_slab *slab)
{
    free_list(slab->chunks);
    free_list(slab->large);
    memset(slab, 0, sizeof *slab);
}

static slab_chunk *new_chunk(weir_byte_slab *slab, size_t size)
{
    slab_chunk *chunk;

    if (size > SIZE_MAX - sizeof *chunk)
        return NULL;
    chunk = weir_alloc(sizeof *chunk + size);
    if (!chunk)
        return NULL;
    chunk->next = chunk->previous = NULL;
    chunk->size = size;
    chunk->used = 0;
    slab->memory += sizeof *chunk + size;
    return chunk;
}

static void *alloc_large(weir_byte_slab *slab, size_t size)
{
    slab_chunk *chunk = new_chunk(slab, size);

    if (!chunk)
        return NULL;
    chunk->next = slab->large;
    if (slab->large)
        slab->large->previous = chunk;
    slab->large = chunk;
    return chunk->bytes;
}

void *weir_byte_slab_alloc(weir_byte_slab *slab, size_t size)
{
    slab_chunk *chunk = slab->chunks;
    size_t rounded;
    uint32_t class;
    void *block;

    if (size > LARGE)
        return alloc_large(slab, size);
    class = class_of(size, &rounded);
    if (slab->free_blocks[class]) {
        block = slab->free_blocks[class];
        slab->free_blocks[class] = slab->free_blocks[class]->next;
        return block;
    }
    if (!chunk || chunk->size - chunk->used < rounded) {
        size_t wanted = chunk ? chunk->size * 2 : CHUNK_FIRST;

        if (wanted > CHUNK_MAX)
            wanted = CHUNK_MAX;
        chunk = new_chunk(slab, wanted < rounded ? rounded : wanted);
        if (!chunk)
            return NULL;
        chunk->next = slab->chunks;
        slab->chunks = chunk;
    }
    block = chunk->bytes + chunk->used;
    chunk->used += rounded;
    return block;
}

static void free_large(weir_byte_slab *slab, void *block)
{
    slab_chunk *chunk = (slab_chunk *)((uint8_t *)block - offsetof(slab_chunk, bytes));

    if (chunk->previous)
        chunk->previous->next = chunk->next;
    else
        slab->large = chunk->next;
    if (chunk->next)
        chunk->next->previous = chunk->previous;
    slab->memory -= sizeof *chunk + chunk->size;
    weir_free(chunk);
}

void weir_byte_slab_free(weir_byte_slab *slab, void *block, size_t size)
{
    slab_block *freed = block;
    size_t rounded;
    uint32_t class;

    if (!block)
        return;
    if (size > LARGE) {
        free_large(slab, block);
        return;
    }
    class = class_of(size, &rounded);
    freed->next = slab->free_blocks[class];
    slab->free_blocks[class] = freed;
}

void weir_byte_slab_reset(weir_byte_slab *slab)
{
    slab_chunk *kept = slab->chunks;

    free_list(slab->large);
    if (kept) {
        free_list(kept->next);
        kept->next = NULL;
        kept->used = 0;
    }
    memset(slab, 0, sizeof *slab);
    slab->chunks = kept;
    slab->memory = kept ? sizeof *kept + kept->size : 0;
}
