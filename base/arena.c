/* base/arena.c -- a bump allocator over a list of blocks.
 *
 * Invariant: `blocks` heads the list; only the head is bumped. A block made for one large request
 * is put behind the head, so that the head's free rest stays in use. */
#include "base/arena.h"

#include "base/memory.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_BLOCK_SIZE = 4096, ALIGNMENT = 16 };

typedef struct block {
    struct block *next;
    size_t used, capacity; /* bytes of `bytes` */
    alignas(ALIGNMENT) uint8_t bytes[];
} block;

struct weir_arena {
    block *blocks;
    size_t block_size;
    size_t used;
};

weir_arena *weir_arena_new(size_t block_size)
{
    weir_arena *arena = weir_calloc(1, sizeof *arena);
    if (arena == NULL)
        return NULL;
    if (block_size == 0)
        block_size = DEFAULT_BLOCK_SIZE;
    arena->block_size = block_size < ALIGNMENT ? ALIGNMENT : block_size;
    return arena;
}

static void free_blocks(block *first)
{
    while (first != NULL) {
        block *next = first->next;
        weir_free(first);
        first = next;
    }
}

void weir_arena_destroy(weir_arena **arena)
{
    if (arena == NULL || *arena == NULL)
        return;
    free_blocks((*arena)->blocks);
    weir_free(*arena);
    *arena = NULL;
}

static block *block_new(size_t capacity)
{
    if (capacity > PTRDIFF_MAX - sizeof(block))
        return NULL;
    block *made = weir_alloc(sizeof(block) + capacity);
    if (made == NULL)
        return NULL;
    made->next = NULL;
    made->used = 0;
    made->capacity = capacity;
    return made;
}

/* A block with room for `size` (already rounded), linked in; NULL when memory ends. */
static block *block_with_room(weir_arena *arena, size_t size)
{
    block *head = arena->blocks;
    if (head != NULL && size <= head->capacity - head->used)
        return head;
    block *made = block_new(size > arena->block_size ? size : arena->block_size);
    if (made == NULL)
        return NULL;
    if (head != NULL && size > arena->block_size) {
        made->next = head->next;
        head->next = made;
    } else {
        made->next = head;
        arena->blocks = made;
    }
    return made;
}

void *weir_arena_alloc(weir_arena *arena, size_t size)
{
    if (size > PTRDIFF_MAX - ALIGNMENT)
        return NULL;
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded == 0)
        rounded = ALIGNMENT;
    block *from = block_with_room(arena, rounded);
    if (from == NULL)
        return NULL;
    void *memory = from->bytes + from->used;
    from->used += rounded;
    arena->used += size;
    return memset(memory, 0, size);
}

char *weir_arena_strndup(weir_arena *arena, const char *text, size_t size)
{
    if (text == NULL)
        return NULL;
    size_t length = strnlen(text, size);
    char *copy = weir_arena_alloc(arena, length + 1);
    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}

char *weir_arena_strdup(weir_arena *arena, const char *text)
{
    return text == NULL ? NULL : weir_arena_strndup(arena, text, strlen(text));
}

char *weir_arena_printf(weir_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return NULL;
    char *text = weir_arena_alloc(arena, (size_t)length + 1);
    if (text == NULL)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

void weir_arena_reset(weir_arena *arena)
{
    arena->used = 0;
    if (arena->blocks == NULL)
        return;
    free_blocks(arena->blocks->next);
    arena->blocks->next = NULL;
    arena->blocks->used = 0;
    /* A first request that was large made a large head: not kept, or one peak would stay for ever.
     */
    if (arena->blocks->capacity > arena->block_size) {
        weir_free(arena->blocks);
        arena->blocks = NULL;
    }
}

size_t weir_arena_used(const weir_arena *arena)
{
    return arena->used;
}
