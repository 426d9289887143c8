/* base/text.c -- see text.h. */
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Unicode's table 3-7. */
size_t weir_text_character(const void *text, size_t size)
{
    const uint8_t *p = text;
    uint8_t low = 0x80, high = 0xBF;
    size_t length;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        length = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        length = 3;
        low = p[0] == 0xE0 ? 0xA0 : low;
        high = p[0] == 0xED ? 0x9F : high;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        length = 4;
        low = p[0] == 0xF0 ? 0x90 : low;
        high = p[0] == 0xF4 ? 0x8F : high;
    } else {
        return 0;
    }
    if (size < length || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    return length;
}

bool weir_text_is_control(const void *character, size_t length)
{
    const uint8_t *p = character;
    if (length == 1)
        return p[0] < 0x20 || p[0] == 0x7F;
    return length == 2 && p[0] == 0xC2 && p[1] < 0xA0;
}

static bool is_unwanted(const char *p, size_t length)
{
    return length == 0 || (weir_text_is_control(p, length) && p[0] != '\n' && p[0] != '\t');
}

void weir_text_clean(char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size;) {
        size_t length = weir_text_character(text + i, size - i);
        if (is_unwanted(text + i, length)) {
            length = length == 0 ? 1 : length;
            memset(text + i, '?', length);
        }
        i += length;
    }
}

size_t weir_text_cut(const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    if (length < size)
        return length;
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    return length;
}

void weir_text_clean_bytes(char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\0')
            bytes[i] = '?';
    }
    weir_text_clean(bytes);
}
