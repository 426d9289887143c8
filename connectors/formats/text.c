#include "connectors/formats/text.h"

#include "connectors/formats/calendar.h"
#include "connectors/formats/number.h"

#include <string.h>

#define ESCAPED_BYTES 80

_Static_assert(WEIR_CALENDAR_MAX <= WEIR_TEXT_SCALAR_MAX, "a timestamp fits a scalar");
_Static_assert(WEIR_NUMBER_MAX <= WEIR_TEXT_SCALAR_MAX, "a number fits a scalar");

/* Columns of a received batch may be unaligned, so every load goes through memcpy. */
#define LOAD(type, name)                                                                           \
    type name;                                                                                     \
    memcpy(&name, (const char *)column->values + (size_t)row * sizeof name, sizeof name)

static size_t scalar_integer(uint32_t kind, const weir_column *column, uint32_t row, char *out)
{
    if (kind == WEIR_KIND_tinyint) {
        LOAD(int8_t, value);
        return weir_number_format_int(value, out);
    }
    if (kind == WEIR_KIND_smallint) {
        LOAD(int16_t, value);
        return weir_number_format_int(value, out);
    }
    if (kind == WEIR_KIND_integer || kind == WEIR_KIND_interval_months) {
        LOAD(int32_t, value);
        return weir_number_format_int(value, out);
    }
    LOAD(int64_t, value);
    return weir_number_format_int(value, out);
}

static size_t scalar_boolean(const weir_column *column, uint32_t row, char *out)
{
    bool value = (((const uint8_t *)column->values)[row >> 3] >> (row & 7)) & 1;

    memcpy(out, value ? "true" : "false", value ? 4 : 5);
    return value ? 4 : 5;
}

static size_t scalar_other(const weir_schema_field *field, const weir_column *column, uint32_t row,
                           char *out)
{
    if (field->kind == WEIR_KIND_float) {
        LOAD(float, value);
        return weir_number_format_float(value, out);
    }
    if (field->kind == WEIR_KIND_double) {
        LOAD(double, value);
        return weir_number_format_double(value, out);
    }
    if (field->kind == WEIR_KIND_decimal) {
        LOAD(weir_decimal, value);
        return weir_number_format_decimal(&value, field->scale, out);
    }
    if (field->kind == WEIR_KIND_date) {
        LOAD(int32_t, value);
        return weir_calendar_format_date(value, out);
    }
    if (field->kind == WEIR_KIND_time) {
        LOAD(int32_t, value);
        return weir_calendar_format_time(value, out);
    }
    LOAD(int64_t, value);
    return weir_calendar_format_timestamp(value, field->precision,
                                          field->kind == WEIR_KIND_timestamp_ltz, out);
}

size_t weir_text_scalar(const weir_schema_field *field, const weir_column *column, uint32_t row,
                        char *out)
{
    switch (field->kind) {
    case WEIR_KIND_boolean:
        return scalar_boolean(column, row, out);
    case WEIR_KIND_tinyint:
    case WEIR_KIND_smallint:
    case WEIR_KIND_integer:
    case WEIR_KIND_bigint:
    case WEIR_KIND_interval_months:
    case WEIR_KIND_interval_ms:
        return scalar_integer(field->kind, column, row, out);
    case WEIR_KIND_float:
    case WEIR_KIND_double:
    case WEIR_KIND_decimal:
    case WEIR_KIND_date:
    case WEIR_KIND_time:
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
        return scalar_other(field, column, row, out);
    default:
        return 0;
    }
}

weir_string weir_text_bytes(const weir_column *column, uint32_t row)
{
    uint32_t bounds[2];
    weir_string s;

    memcpy(bounds, (const char *)column->offsets + (size_t)row * sizeof(uint32_t), sizeof bounds);
    s.p = (const char *)column->values + bounds[0];
    s.n = bounds[1] - bounds[0];
    return s;
}

size_t weir_text_hex(const void *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bytes;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    return 2 * n;
}

void weir_text_append_hex(weir_buffer *buffer, const void *bytes, size_t n)
{
    if (weir_buffer_reserve(buffer, 2 * n) != 0) {
        buffer->failed = true;
        return;
    }
    if (buffer->data != NULL) {
        buffer->size += weir_text_hex(bytes, n, (char *)buffer->data + buffer->size);
        buffer->data[buffer->size] = '\0';
    }
}

void weir_text_append(weir_buffer *buffer, const weir_schema_field *field,
                      const weir_column *column, uint32_t row)
{
    weir_string s;

    if (!weir_kind_is_variable(field->kind)) {
        if (weir_buffer_reserve(buffer, WEIR_TEXT_SCALAR_MAX) != 0) {
            buffer->failed = true;
            return;
        }
        buffer->size += weir_text_scalar(field, column, row, (char *)buffer->data + buffer->size);
        buffer->data[buffer->size] = '\0';
        return;
    }
    s = weir_text_bytes(column, row);
    if (weir_text_is_binary(field->kind))
        weir_text_append_hex(buffer, s.p, s.n);
    else
        weir_buffer_append(buffer, s.p, s.n);
}

const char *weir_text_row_kind(const weir_columns *columns, uint32_t row)
{
    static const char names[4][3] = {"+I", "-U", "+U", "-D"};

    return names[columns->row_kinds != NULL ? columns->row_kinds[row] & 3 : 0];
}

const char *weir_text_escape(const void *bytes, size_t n, char out[WEIR_TEXT_ESCAPED_MAX])
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bytes;
    size_t at = 0;

    for (size_t i = 0; i < n && i < ESCAPED_BYTES; i++) {
        if (p[i] >= 0x20 && p[i] < 0x7f) {
            out[at++] = (char)p[i];
            continue;
        }
        out[at++] = '\\';
        if (p[i] == '\n' || p[i] == '\r' || p[i] == '\t') {
            out[at++] = p[i] == '\n' ? 'n' : p[i] == '\r' ? 'r' : 't';
            continue;
        }
        out[at++] = 'x';
        out[at++] = digits[p[i] >> 4];
        out[at++] = digits[p[i] & 15];
    }
    memcpy(out + at, n > ESCAPED_BYTES ? "..." : "", n > ESCAPED_BYTES ? 4 : 1);
    return out;
}
