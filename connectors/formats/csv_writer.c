#include "connectors/formats/csv_writer.h"

#include "connectors/formats/text.h"

#include <string.h>

static bool needs_quotes(const weir_format *format, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == format->delimiter || p[i] == '\n' || p[i] == '\r' ||
            (p[i] == format->quote && format->quoting))
            return true;
    }
    return false;
}

static void put_quoted(const weir_format *format, const char *p, size_t n, weir_buffer *out)
{
    weir_buffer_putc(out, format->quote);
    while (n > 0) {
        const char *quote = memchr(p, format->quote, n);
        size_t size = quote != NULL ? (size_t)(quote - p) + 1 : n;

        weir_buffer_append(out, p, size);
        if (quote != NULL)
            weir_buffer_putc(out, format->quote);
        p += size;
        n -= size;
    }
    weir_buffer_putc(out, format->quote);
}

/* False: the text needs quotes, and there are none. */
static bool put_text(const weir_format *format, bool nullable, const char *p, size_t n,
                     weir_buffer *out)
{
    bool like_null =
        nullable && n == format->null_size && (n == 0 || memcmp(p, format->null_text, n) == 0);

    if (!like_null && !needs_quotes(format, p, n)) {
        weir_buffer_append(out, p, n);
        return true;
    }
    if (format->quoting)
        put_quoted(format, p, n, out);
    return format->quoting;
}

void weir_csv_write_header(const weir_format *format, const weir_schema *schema, bool changelog,
                           weir_buffer *out)
{
    if (changelog)
        weir_buffer_puts(out, "op");
    for (uint32_t i = 0; i < weir_schema_count(schema); i++) {
        const char *name = weir_schema_at(schema, i)->name;

        if (i > 0 || changelog)
            weir_buffer_putc(out, format->delimiter);
        if (!put_text(format, false, name, strlen(name), out))
            weir_buffer_puts(out, name);
    }
    weir_buffer_putc(out, '\n');
}

static bool put_value(const weir_format *format, const weir_schema_field *field,
                      const weir_column *column, uint32_t row, weir_buffer *out)
{
    char scalar[WEIR_TEXT_SCALAR_MAX];
    weir_string text;

    if (weir_column_is_null(column, row)) {
        weir_buffer_append(out, format->null_text, format->null_size);
        return true;
    }
    if (weir_kind_is_variable(field->kind) && !weir_text_is_binary(field->kind)) {
        text = weir_text_bytes(column, row);
        return put_text(format, field->nullable, text.p, text.n, out);
    }
    if (weir_kind_is_variable(field->kind)) {
        if (weir_text_bytes(column, row).n == 0)
            return put_text(format, field->nullable, "", 0, out);
        weir_text_append(out, field, column, row);
        return true;
    }
    /* Dates and times hold spaces and colons, which may be the delimiter. */
    if (field->kind >= WEIR_KIND_date && field->kind <= WEIR_KIND_timestamp_ltz)
        return put_text(format, false, scalar, weir_text_scalar(field, column, row, scalar), out);
    weir_text_append(out, field, column, row);
    return true;
}

const weir_schema_field *weir_csv_write_row(const weir_format *format, const weir_schema *schema,
                                            const weir_columns *columns, uint32_t row,
                                            const char *kind, weir_buffer *out)
{
    const weir_schema_field *fields = weir_schema_fields(schema);

    if (kind != NULL)
        weir_buffer_append(out, kind, 2);
    for (uint32_t i = 0; i < columns->ncolumns; i++) {
        if (i > 0 || kind != NULL)
            weir_buffer_putc(out, format->delimiter);
        if (!put_value(format, &fields[i], &columns->columns[i], row, out))
            return &fields[i];
    }
    weir_buffer_putc(out, '\n');
    return NULL;
}
