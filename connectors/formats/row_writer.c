#include "connectors/formats/row_writer.h"

#include "connectors/formats/json_writer.h"
#include "connectors/formats/text.h"

#include <string.h>

/* Rows land on terminals: control characters must not reach them. */
static void put_text(const char *p, size_t n, weir_buffer *out)
{
    char escaped[WEIR_TEXT_ESCAPED_MAX];
    size_t from = 0;

    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)p[i] >= 0x20 && p[i] != 0x7f)
            continue;
        weir_buffer_append(out, p + from, i - from);
        weir_buffer_puts(out, weir_text_escape(p + i, 1, escaped));
        from = i + 1;
    }
    weir_buffer_append(out, p + from, n - from);
}

static void put_value(const weir_schema_field *field, const weir_column *column, uint32_t row,
                      weir_buffer *out)
{
    weir_string text;

    if (weir_column_is_null(column, row)) {
        weir_buffer_append(out, "NULL", 4);
    } else if (field->kind >= WEIR_KIND_array) {
        weir_json_write_value(field, column, row, out);
    } else if (weir_kind_is_variable(field->kind) && !weir_text_is_binary(field->kind)) {
        text = weir_text_bytes(column, row);
        put_text(text.p, text.n, out);
    } else {
        weir_text_append(out, field, column, row);
    }
}

void weir_row_write_row(const weir_schema *schema, const weir_columns *columns, uint32_t row,
                        const char *kind, weir_buffer *out)
{
    const weir_schema_field *fields = weir_schema_fields(schema);

    if (kind != NULL) {
        weir_buffer_append(out, kind, 2);
        weir_buffer_append(out, "  ", 2);
    }
    for (uint32_t i = 0; i < columns->ncolumns; i++) {
        if (i > 0)
            weir_buffer_append(out, "  ", 2);
        weir_buffer_puts(out, fields[i].name);
        weir_buffer_putc(out, '=');
        put_value(&fields[i], &columns->columns[i], row, out);
    }
    weir_buffer_putc(out, '\n');
}
