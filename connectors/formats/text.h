/* formats/text.h -- one value as text: the spelling that csv, json and print share.
 *
 * boolean true|false; numbers as in formats/number.h; date, time and timestamps as in
 * formats/calendar.h; intervals as their number of months or milliseconds; strings as they are;
 * binary and bytes in hex. Nested kinds have no text: they are json's. */
#ifndef CONNECTORS_FORMATS_TEXT_H
#define CONNECTORS_FORMATS_TEXT_H

#include "base/buffer.h"
#include "batch/schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WEIR_TEXT_SCALAR_MAX 64

/* The value of a fixed-width kind or boolean, not NULL, into out (WEIR_TEXT_SCALAR_MAX bytes, no
 * NUL); returns the size; 0 for other kinds. */
size_t weir_text_scalar(const weir_schema_field *field, const weir_column *column, uint32_t row,
                        char *out);
/* The bytes of a variable-width value. */
weir_string weir_text_bytes(const weir_column *column, uint32_t row);
/* Appends any value that is not nested and not NULL; bytes in hex. */
void weir_text_append(weir_buffer *buffer, const weir_schema_field *field,
                      const weir_column *column, uint32_t row);
void weir_text_append_hex(weir_buffer *buffer, const void *bytes, size_t n);
size_t weir_text_hex(const void *bytes, size_t n, char *out); /* 2 * n bytes, which it returns */
/* "+I", "-U", "+U", "-D" of row `row`. */
const char *weir_text_row_kind(const weir_columns *columns, uint32_t row);
/* Copies n bytes to a place with WEIR_TEXT_COPY_SLACK bytes of room behind them; returns where they
 * end. `room`, at least n: what may be read from p. A branch on each length would cost more than
 * copying too much of most lines. */
#define WEIR_TEXT_COPY_SLACK 96u
static inline char *weir_text_copy(char *to, const char *p, size_t n, size_t room)
{
    if (n <= WEIR_TEXT_COPY_SLACK && room >= WEIR_TEXT_COPY_SLACK)
        memcpy(to, p, WEIR_TEXT_COPY_SLACK);
    else if (n > 0)
        memcpy(to, p, n);
    return to + n;
}

static inline bool weir_text_is_binary(uint32_t kind)
{
    return kind == WEIR_KIND_binary || kind == WEIR_KIND_bytes;
}

/* Untrusted bytes for a message, into out: printable ASCII stays, the rest becomes \n, \r, \t,
 * \xNN; what is longer than 80 bytes ends in "...". */
#define WEIR_TEXT_ESCAPED_MAX 360
const char *weir_text_escape(const void *bytes, size_t n, char out[WEIR_TEXT_ESCAPED_MAX]);

#endif
