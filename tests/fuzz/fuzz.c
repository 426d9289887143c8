/* tests/fuzz/fuzz.c -- see fuzz.h. */
#include "fuzz.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- input ---- */

static uint64_t take(fuzz_input *input, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size && input->left > 0; i++) {
        value |= (uint64_t)*input->at++ << (8 * i);
        input->left--;
    }
    return value;
}

uint8_t fuzz_u8(fuzz_input *input)
{
    return (uint8_t)take(input, 1);
}

uint16_t fuzz_u16(fuzz_input *input)
{
    return (uint16_t)take(input, 2);
}

uint32_t fuzz_u32(fuzz_input *input)
{
    return (uint32_t)take(input, 4);
}

uint64_t fuzz_u64(fuzz_input *input)
{
    return take(input, 8);
}

uint32_t fuzz_below(fuzz_input *input, uint32_t limit)
{
    return fuzz_u8(input) % limit;
}

const uint8_t *fuzz_bytes(fuzz_input *input, size_t *ret_size)
{
    size_t size = fuzz_u8(input);
    const uint8_t *bytes = input->left > 0 ? input->at : (const uint8_t *)"";
    if (size > input->left)
        size = input->left;
    input->at += size;
    input->left -= size;
    *ret_size = size;
    return bytes;
}

const uint8_t *fuzz_rest(fuzz_input *input, size_t *ret_size)
{
    const uint8_t *bytes = input->left > 0 ? input->at : (const uint8_t *)"";
    *ret_size = input->left;
    input->at += input->left;
    input->left = 0;
    return bytes;
}

void *fuzz_copy(const void *bytes, size_t size)
{
    void *copy = weir_alloc(size);
    FUZZ_CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

char *fuzz_text(const void *bytes, size_t size)
{
    char *copy = weir_strndup(size > 0 ? bytes : "", size);
    FUZZ_CHECK(copy != NULL);
    return copy;
}

void fuzz_put_bytes(weir_buffer *out, const void *bytes, size_t size)
{
    FUZZ_CHECK(size <= 255);
    weir_buffer_putc(out, (char)size);
    weir_buffer_append(out, bytes, size);
}

static void put(weir_buffer *out, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        weir_buffer_putc(out, (char)(value >> (8 * i)));
}

void fuzz_put_u32(weir_buffer *out, uint32_t value)
{
    put(out, value, 4);
}

void fuzz_put_u64(weir_buffer *out, uint64_t value)
{
    put(out, value, 8);
}

/* ---- checks ---- */

void fuzz_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
    abort();
}

/* Decodes on its own: what is checked is also how Weir reads UTF-8. 0: no character. */
static size_t decode(const uint8_t *p, size_t size, uint32_t *ret)
{
    size_t length = p[0] < 0x80 ? 1 : p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : p[0] >= 0xC0 ? 2 : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t value = length == 1 ? p[0] : p[0] & (0x7Fu >> length);
    if (length == 0 || length > size || p[0] >= 0xF8)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (p[i] & 0x3F);
    }
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *ret = value;
    return length;
}

bool fuzz_is_utf8(const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    uint32_t character;
    for (size_t i = 0, length; i < size; i += length) {
        length = decode(p + i, size - i, &character);
        if (length == 0)
            return false;
    }
    return true;
}

bool fuzz_is_clean(const char *text)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t size = strlen(text);
    uint32_t c;
    for (size_t i = 0, length; i < size; i += length) {
        length = decode(p + i, size - i, &c);
        if (length == 0 || (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0))
            return false;
    }
    return true;
}

void fuzz_check_failure(int code, const weir_error *err)
{
    FUZZ_CHECK(code < 0 && strcmp(weir_code_text(code), "unknown error") != 0);
    if (err->code != code)
        fuzz_fail(__FILE__, __LINE__, "failed with %d, the error says %d: %s", code, err->code,
                  err->text);
    if (err->text[0] == '\0' || !fuzz_is_clean(err->text))
        fuzz_fail(__FILE__, __LINE__, "a failure (%s) with a bad text: '%s'", weir_code_text(code),
                  err->text);
}

bool fuzz_same(const weir_buffer *a, const weir_buffer *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}
