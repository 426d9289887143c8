#include "operators/row_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bounded text: what does not fit is dropped and remembered. */
typedef struct text {
    char *out;
    size_t size, used; /* size: without the NUL and the room for "...}" */
    bool cut;
} text;

static void put(text *t, const char *bytes, size_t n)
{
    if (t->cut)
        return;
    if (n > t->size - t->used) {
        n = t->size - t->used;
        t->cut = true;
    }
    memcpy(t->out + t->used, bytes, n);
    t->used += n;
}

static void put_text(text *t, const char *s)
{
    put(t, s, strlen(s));
}

WEIR_PRINTF(2, 3) static void put_format(text *t, const char *format, ...)
{
    char line[96];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    put_text(t, line);
}

static void put_string(text *t, const char *p, uint32_t n)
{
    for (uint32_t i = 0; i < n && !t->cut; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c == '\n')
            put_text(t, "\\n");
        else if (c == '\t')
            put_text(t, "\\t");
        else if (c < 0x20 || c == 0x7f)
            put_format(t, "\\x%02x", c);
        else
            put(t, p + i, 1);
    }
}

static void put_bytes(text *t, const char *p, uint32_t n)
{
    put_text(t, "x'");
    for (uint32_t i = 0; i < n && !t->cut; i++)
        put_format(t, "%02x", (unsigned char)p[i]);
    put_text(t, "'");
}

static void put_decimal(text *t, const void *value, uint32_t scale)
{
    weir_decimal decimal;
    unsigned __int128 magnitude;
    char digits[48];
    uint32_t at = sizeof digits, written = 0;

    memcpy(&decimal, value, sizeof decimal);
    magnitude = (unsigned __int128)(uint64_t)decimal.high << 64 | decimal.low;
    if (decimal.high < 0) {
        magnitude = -magnitude;
        put_text(t, "-");
    }
    scale = scale < 38 ? scale : 38;
    do {
        if (written == scale && scale > 0)
            digits[--at] = '.';
        digits[--at] = (char)('0' + (int)(magnitude % 10));
        magnitude /= 10;
        written++;
    } while (magnitude != 0 || written <= scale);
    put(t, digits + at, sizeof digits - at);
}

/* The proleptic Gregorian calendar, by eras of 400 years that begin in March. */
static void put_date(text *t, int64_t days)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * month + 2) / 5 + 1;
    int64_t year = year_of_era + era * 400 + (month >= 10 ? 1 : 0);

    put_format(t, "%04" PRId64 "-%02d-%02d", year, (int)(month < 10 ? month + 3 : month - 9),
               (int)day);
}

static void put_time(text *t, int64_t seconds)
{
    put_format(t, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
               (int)(seconds % 60));
}

static void put_timestamp(text *t, int64_t value, uint32_t precision, bool zone)
{
    int64_t unit = 1, seconds, rest;

    for (uint32_t i = 0; i < precision && i < 9; i++)
        unit *= 10;
    seconds = value / unit;
    rest = value % unit;
    if (rest < 0) {
        rest += unit;
        seconds--;
    }
    put_date(t, seconds >= 0 ? seconds / 86400 : -((-(seconds + 1)) / 86400) - 1);
    put_text(t, "T");
    put_time(t, (seconds % 86400 + 86400) % 86400);
    if (precision > 0)
        put_format(t, ".%0*" PRId64, (int)precision, rest);
    if (zone)
        put_text(t, "Z");
}

static int64_t load_integer(const void *values, uint32_t row, uint32_t width)
{
    const uint8_t *at = (const uint8_t *)values + (size_t)row * width;
    int8_t tiny;
    int16_t small;
    int32_t integer;
    int64_t big;

    switch (width) {
    case 1:
        memcpy(&tiny, at, 1);
        return tiny;
    case 2:
        memcpy(&small, at, 2);
        return small;
    case 4:
        memcpy(&integer, at, 4);
        return integer;
    default:
        memcpy(&big, at, 8);
        return big;
    }
}

static void put_float(text *t, const void *values, uint32_t row, bool wide)
{
    float narrow;
    double value;

    if (wide) {
        memcpy(&value, (const uint8_t *)values + (size_t)row * 8, 8);
    } else {
        memcpy(&narrow, (const uint8_t *)values + (size_t)row * 4, 4);
        value = (double)narrow;
    }
    put_format(t, wide ? "%.17g" : "%.9g", value);
}

static void put_value(text *t, const weir_schema_field *field, const weir_column *column,
                      uint32_t row);

static void put_fields(text *t, const weir_schema_field *fields, const weir_column *columns,
                       uint32_t count, uint32_t row)
{
    put_text(t, "{");
    for (uint32_t i = 0; i < count && !t->cut; i++) {
        if (i > 0)
            put_text(t, ", ");
        put_text(t, fields[i].name);
        put_text(t, "=");
        put_value(t, &fields[i], &columns[i], row);
    }
    put_text(t, "}");
}

/* Arrays and maps: the items lie in the children, between two offsets. */
static void put_items(text *t, const weir_schema_field *field, const weir_column *column,
                      uint32_t row)
{
    bool map = field->kind == WEIR_KIND_map;
    uint32_t range[2];

    memcpy(range, column->offsets + row, sizeof range);
    put_text(t, map ? "{" : "[");
    for (uint32_t i = range[0]; i < range[1] && !t->cut; i++) {
        if (i > range[0])
            put_text(t, ", ");
        put_value(t, &field->children[0], &column->children[0], i);
        if (map) {
            put_text(t, ": ");
            put_value(t, &field->children[1], &column->children[1], i);
        }
    }
    put_text(t, map ? "}" : "]");
}

static void put_fixed(text *t, const weir_schema_field *field, const weir_column *column,
                      uint32_t row)
{
    uint32_t width = weir_kind_width(field->kind);
    int64_t value;

    if (width == 0 || width > 8)
        return;
    value = load_integer(column->values, row, width);
    switch (field->kind) {
    case WEIR_KIND_date:
        put_date(t, value);
        break;
    case WEIR_KIND_time:
        put_time(t, value / 1000);
        put_format(t, ".%03d", (int)(value % 1000));
        break;
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
        put_timestamp(t, value, field->precision, field->kind == WEIR_KIND_timestamp_ltz);
        break;
    default:
        put_format(t, "%" PRId64, value);
    }
}

static void put_value(text *t, const weir_schema_field *field, const weir_column *column,
                      uint32_t row)
{
    weir_string string;

    if (weir_column_is_null(column, row)) {
        put_text(t, "NULL");
        return;
    }
    switch (field->kind) {
    case WEIR_KIND_boolean:
        put_text(t,
                 ((const uint8_t *)column->values)[row >> 3] >> (row & 7) & 1 ? "true" : "false");
        break;
    case WEIR_KIND_float:
    case WEIR_KIND_double:
        put_float(t, column->values, row, field->kind == WEIR_KIND_double);
        break;
    case WEIR_KIND_decimal:
        put_decimal(t, (const uint8_t *)column->values + (size_t)row * 16, field->scale);
        break;
    case WEIR_KIND_char:
    case WEIR_KIND_varchar:
    case WEIR_KIND_string:
        string = weir_column_string(column, row);
        put_string(t, string.p, string.n);
        break;
    case WEIR_KIND_binary:
    case WEIR_KIND_bytes:
        string = weir_column_string(column, row);
        put_bytes(t, string.p, string.n);
        break;
    case WEIR_KIND_array:
    case WEIR_KIND_map:
        put_items(t, field, column, row);
        break;
    case WEIR_KIND_row:
        put_fields(t, field->children, column->children, field->nchildren, row);
        break;
    default:
        put_fixed(t, field, column, row);
    }
}

void weir_row_text(const weir_schema *schema, const weir_columns *columns, uint32_t row, char *out,
                   size_t size)
{
    text t = {.out = out, .size = size - 5};
    uint32_t count = weir_schema_count(schema);

    put_fields(&t, weir_schema_fields(schema), columns->columns,
               count < columns->ncolumns ? count : columns->ncolumns, row);
    if (t.cut) {
        while (t.used > 1 && ((unsigned char)out[t.used - 1] & 0xc0) == 0x80)
            t.used--;
        if (t.used > 1 && (unsigned char)out[t.used - 1] >= 0xc0)
            t.used--;
        memcpy(out + t.used, "...}", 4);
        t.used += 4;
    }
    out[t.used] = 0;
}
