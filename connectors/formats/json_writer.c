#include "connectors/formats/json_writer.h"

#include "connectors/formats/text.h"

#include <math.h>
#include <string.h>

static void put_escaped(unsigned char c, weir_buffer *out)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* 8 to 13 */
    char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

    if (c == '"' || c == '\\' || (c >= 8 && c <= 13 && c != 11)) {
        text[1] = c == '"' || c == '\\' ? (char)c : letters[c - 8];
        weir_buffer_append(out, text, 2);
        return;
    }
    weir_buffer_append(out, text, sizeof text);
}

/* The length of the well-formed UTF-8 sequence at p, at least two bytes long; 0: there is none. */
static size_t utf8_size(const unsigned char *p, size_t n)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t size;

    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        size = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        size = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        size = 4;
    else
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (n < size || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    }
    return size;
}

static void put_string(const char *text, size_t n, weir_buffer *out)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t from = 0, at = 0;

    weir_buffer_putc(out, '"');
    while (at < n) {
        size_t size;

        if (p[at] >= 0x20 && p[at] < 0x80 && p[at] != '"' && p[at] != '\\') {
            at++;
            continue;
        }
        size = p[at] >= 0x80 ? utf8_size(p + at, n - at) : 0;
        if (size > 0) {
            at += size;
            continue;
        }
        weir_buffer_append(out, p + from, at - from);
        if (p[at] >= 0x80)
            weir_buffer_append(out, "\xef\xbf\xbd", 3);
        else
            put_escaped(p[at], out);
        from = ++at;
    }
    weir_buffer_append(out, p + from, n - from);
    weir_buffer_putc(out, '"');
}

static bool is_finite(const weir_schema_field *field, const weir_column *column, uint32_t row)
{
    double wide;
    float narrow;

    if (field->kind == WEIR_KIND_float) {
        memcpy(&narrow, (const char *)column->values + (size_t)row * sizeof narrow, sizeof narrow);
        return isfinite(narrow);
    }
    if (field->kind == WEIR_KIND_double) {
        memcpy(&wide, (const char *)column->values + (size_t)row * sizeof wide, sizeof wide);
        return isfinite(wide);
    }
    return true;
}

static void put_plain(const weir_schema_field *field, const weir_column *column, uint32_t row,
                      weir_buffer *out)
{
    bool quoted = weir_text_is_binary(field->kind) ||
                  (field->kind >= WEIR_KIND_date && field->kind <= WEIR_KIND_timestamp_ltz) ||
                  !is_finite(field, column, row);
    weir_string text;

    if (weir_kind_is_variable(field->kind) && !quoted) {
        text = weir_text_bytes(column, row);
        put_string(text.p, text.n, out);
        return;
    }
    if (quoted)
        weir_buffer_putc(out, '"');
    weir_text_append(out, field, column, row);
    if (quoted)
        weir_buffer_putc(out, '"');
}

static void put_bounds(const weir_column *column, uint32_t row, uint32_t *ret_from,
                       uint32_t *ret_to)
{
    uint32_t bounds[2];

    memcpy(bounds, (const char *)column->offsets + (size_t)row * sizeof(uint32_t), sizeof bounds);
    *ret_from = bounds[0];
    *ret_to = bounds[1];
}

/* Strings as they are; any other key as the string of its JSON text, so that the object is valid.
 */
static void put_key(const weir_schema_field *field, const weir_column *column, uint32_t row,
                    weir_buffer *out)
{
    weir_buffer text = WEIR_BUFFER_INIT;

    weir_json_write_value(field, column, row, &text);
    if (text.size > 0 && text.data[0] == '"')
        weir_buffer_append(out, text.data, text.size);
    else
        put_string(weir_buffer_text(&text), text.size, out);
    out->failed = out->failed || text.failed;
    weir_buffer_deinit(&text);
}

static void put_nested(const weir_schema_field *field, const weir_column *column, uint32_t row,
                       weir_buffer *out)
{
    uint32_t from = 0, to = 0;

    weir_buffer_putc(out, field->kind == WEIR_KIND_array ? '[' : '{');
    if (field->kind == WEIR_KIND_row) {
        for (uint32_t i = 0; i < field->nchildren; i++) {
            if (i > 0)
                weir_buffer_putc(out, ',');
            put_string(field->children[i].name, strlen(field->children[i].name), out);
            weir_buffer_putc(out, ':');
            weir_json_write_value(&field->children[i], &column->children[i], row, out);
        }
    } else {
        put_bounds(column, row, &from, &to);
    }
    for (uint32_t i = from; i < to; i++) {
        if (i > from)
            weir_buffer_putc(out, ',');
        if (field->kind == WEIR_KIND_map) {
            put_key(&field->children[0], &column->children[0], i, out);
            weir_buffer_putc(out, ':');
            weir_json_write_value(&field->children[1], &column->children[1], i, out);
        } else {
            weir_json_write_value(&field->children[0], &column->children[0], i, out);
        }
    }
    weir_buffer_putc(out, field->kind == WEIR_KIND_array ? ']' : '}');
}

/* Recursion is bounded by WEIR_SCHEMA_DEPTH_MAX. */
void weir_json_write_value(const weir_schema_field *field, const weir_column *column, uint32_t row,
                           weir_buffer *out)
{
    if (weir_column_is_null(column, row))
        weir_buffer_append(out, "null", 4);
    else if (field->kind >= WEIR_KIND_array)
        put_nested(field, column, row, out);
    else
        put_plain(field, column, row, out);
}

void weir_json_write_row(const weir_schema *schema, const weir_columns *columns, uint32_t row,
                         const char *kind, weir_buffer *out)
{
    const weir_schema_field *fields = weir_schema_fields(schema);

    weir_buffer_putc(out, '{');
    if (kind != NULL) {
        weir_buffer_append(out, "\"op\":\"", 6);
        weir_buffer_append(out, kind, 2);
        weir_buffer_putc(out, '"');
    }
    for (uint32_t i = 0; i < columns->ncolumns; i++) {
        if (i > 0 || kind != NULL)
            weir_buffer_putc(out, ',');
        put_string(fields[i].name, strlen(fields[i].name), out);
        weir_buffer_putc(out, ':');
        weir_json_write_value(&fields[i], &columns->columns[i], row, out);
    }
    weir_buffer_append(out, "}\n", 2);
}
