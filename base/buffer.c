/* base/buffer.c -- a growing byte buffer. */
#include "base/buffer.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

void weir_buffer_deinit(weir_buffer *buffer)
{
    if (buffer == NULL)
        return;
    weir_free(buffer->data);
    *buffer = (weir_buffer)WEIR_BUFFER_INIT;
}

static int fail(weir_buffer *buffer)
{
    buffer->failed = true;
    return WEIR_ENO_MEMORY;
}

int weir_buffer_reserve(weir_buffer *buffer, size_t more)
{
    if (buffer->failed)
        return WEIR_ENO_MEMORY;
    if (buffer->data != NULL && more <= buffer->capacity - buffer->size)
        return 0;
    size_t need;
    if (__builtin_add_overflow(buffer->size, more, &need) || need >= PTRDIFF_MAX)
        return fail(buffer);
    size_t capacity = buffer->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : buffer->capacity;
    while (capacity < need)
        capacity = capacity > PTRDIFF_MAX / 2 ? need : capacity * 2;
    uint8_t *data = weir_realloc(buffer->data, capacity + 1);
    if (data == NULL)
        return fail(buffer);
    data[buffer->size] = '\0';
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

void weir_buffer_append(weir_buffer *buffer, const void *bytes, size_t size)
{
    if (size == 0 || weir_buffer_reserve(buffer, size) != 0)
        return;
    memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
}

void weir_buffer_puts(weir_buffer *buffer, const char *text)
{
    weir_buffer_append(buffer, text, strlen(text));
}

void weir_buffer_putc(weir_buffer *buffer, char c)
{
    weir_buffer_append(buffer, &c, 1);
}

void weir_buffer_printf(weir_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        buffer->failed = true;
        return;
    }
    if (length == 0 || weir_buffer_reserve(buffer, (size_t)length) != 0)
        return;
    va_start(args, format);
    vsnprintf((char *)buffer->data + buffer->size, (size_t)length + 1, format, args);
    va_end(args);
    buffer->size += (size_t)length;
}

void weir_buffer_clear(weir_buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
    if (buffer->data != NULL)
        buffer->data[0] = '\0';
}

const char *weir_buffer_text(const weir_buffer *buffer)
{
    return buffer->data == NULL ? "" : (const char *)buffer->data;
}

int weir_buffer_check(const weir_buffer *buffer)
{
    return buffer->failed ? WEIR_ENO_MEMORY : 0;
}
