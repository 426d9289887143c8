/* base/memory.c -- allocation with one hook: the n-th allocation can be made to fail. */
#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

/* Process-wide by contract: it stands for the process's memory running out. */
static _Atomic uint64_t fail_countdown;
static atomic_bool fail_for_good; /* then the countdown stays at 1 */

static bool must_fail(void)
{
    uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    while (left != 0) {
        if (left == 1 && atomic_load(&fail_for_good))
            return true;
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
            return left == 1;
    }
    return false;
}

void weir_memory_fail_at(uint64_t nth)
{
    atomic_store(&fail_for_good, false);
    atomic_store(&fail_countdown, nth);
}

void weir_memory_fail_from(uint64_t nth)
{
    atomic_store(&fail_for_good, true);
    atomic_store(&fail_countdown, nth);
}

uint64_t weir_memory_fail_left(void)
{
    return atomic_load(&fail_countdown);
}

/* Sizes over PTRDIFF_MAX are a wrapped subtraction somewhere; no allocator may see them. Size 0
 * gives a block, so that NULL always means that memory ended. */
void *weir_alloc(size_t size)
{
    if (size > PTRDIFF_MAX || must_fail())
        return NULL;
    return malloc(size == 0 ? 1 : size);
}

void *weir_calloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total) || total > PTRDIFF_MAX || must_fail())
        return NULL;
    return calloc(1, total == 0 ? 1 : total);
}

void *weir_realloc(void *block, size_t size)
{
    if (size > PTRDIFF_MAX || must_fail())
        return NULL;
    return realloc(block, size == 0 ? 1 : size);
}

void *weir_alloc_aligned(size_t size)
{
    if (size > PTRDIFF_MAX - ALIGNMENT || must_fail())
        return NULL;
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return aligned_alloc(ALIGNMENT, rounded == 0 ? ALIGNMENT : rounded);
}

char *weir_strdup(const char *text)
{
    return text == NULL ? NULL : weir_strndup(text, strlen(text));
}

char *weir_strndup(const char *text, size_t size)
{
    if (text == NULL)
        return NULL;
    size_t length = strnlen(text, size);
    char *copy = weir_alloc(length + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *weir_asprintf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return NULL;
    char *text = weir_alloc((size_t)length + 1);
    if (text == NULL)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

void weir_free(void *block)
{
    free(block);
}
