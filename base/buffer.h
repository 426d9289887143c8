/* base/buffer.h -- a growing byte buffer, always NUL-terminated behind its end so that text can be
 * read as a C string. Owned by one thread. Growth fails only when memory ends (WEIR_ENO_MEMORY):
 * the first failure is kept in `failed`, later appends do nothing, so a caller checks once at the
 * end. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct weir_buffer {
    uint8_t *data;   /* NULL while empty and never grown */
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated, without the NUL */
    bool failed;     /* an append ran out of memory */
} weir_buffer;

#define WEIR_BUFFER_INIT                                                                           \
    {                                                                                              \
        NULL, 0, 0, false                                                                          \
    }

void weir_buffer_deinit(weir_buffer *buffer); /* frees; leaves it empty */
int weir_buffer_reserve(weir_buffer *buffer, size_t more) WEIR_MUST_CHECK;
void weir_buffer_append(weir_buffer *buffer, const void *bytes, size_t size);
void weir_buffer_puts(weir_buffer *buffer, const char *text);
void weir_buffer_putc(weir_buffer *buffer, char c);
void weir_buffer_printf(weir_buffer *buffer, const char *format, ...) WEIR_PRINTF(2, 3);
void weir_buffer_clear(weir_buffer *buffer);             /* size 0 and not failed, memory kept */
const char *weir_buffer_text(const weir_buffer *buffer); /* never NULL */
int weir_buffer_check(const weir_buffer *buffer) WEIR_MUST_CHECK; /* 0 or WEIR_ENO_MEMORY */

#endif
