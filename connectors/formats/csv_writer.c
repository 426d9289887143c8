#include "connectors/formats/csv_writer.h"

#include "base/memory.h"
#include "connectors/formats/calendar.h"
#include "connectors/formats/number.h"
#include "connectors/formats/scan.h"
#include "connectors/formats/text.h"

#include <string.h>

#define BLOCK_ROWS 64u          /* rows for which room is made at once */
#define BLOCK_SIZE (256u << 10) /* about: fewer rows when they are long */
#define SLACK      64u          /* bytes that a write may touch behind its end */

typedef enum write_op {
    WRITE_INT8,
    WRITE_INT16,
    WRITE_INT32,
    WRITE_INT64,
    WRITE_DOUBLE,
    WRITE_TIMESTAMP,
    WRITE_TEXT,
    WRITE_HEX,
    WRITE_SCALAR, /* what has no digits that could be the quote, or the delimiter */
    WRITE_QUOTED  /* a scalar whose text may have to be quoted */
} write_op;

/* How a column is written. */
typedef struct step {
    uint8_t op; /* write_op */
    bool nullable;
    bool zone;
    uint32_t precision;
    const weir_schema_field *field;
    /* What the values before were like. */
    unsigned places;
    weir_calendar_day day;
    /* The batch in hand. */
    const weir_column *column;
    size_t bytes_end; /* of variable-width values: what may be read */
} step;

struct weir_csv_writer {
    weir_schema *schema;
    weir_format format;
    step *steps;
    uint32_t count;
    size_t row_size; /* the most that a row takes besides its variable-width values */
};

/* ---- life ---- */

/* Dates and times hold spaces and colons, which may be the delimiter, and digits, any of which may
 * be the quote. */
static bool times_are_plain(const weir_format *format)
{
    static const char bytes[] = "0123456789-+:. TZ";

    return strchr(bytes, format->delimiter) == NULL &&
           (!format->quoting || strchr(bytes, format->quote) == NULL);
}

static write_op op_of(const weir_schema_field *field, const weir_format *format)
{
    switch (field->kind) {
    case WEIR_KIND_tinyint:
        return WRITE_INT8;
    case WEIR_KIND_smallint:
        return WRITE_INT16;
    case WEIR_KIND_integer:
    case WEIR_KIND_interval_months:
        return WRITE_INT32;
    case WEIR_KIND_bigint:
    case WEIR_KIND_interval_ms:
        return WRITE_INT64;
    case WEIR_KIND_double:
        return WRITE_DOUBLE;
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
        return times_are_plain(format) ? WRITE_TIMESTAMP : WRITE_QUOTED;
    case WEIR_KIND_date:
    case WEIR_KIND_time:
        return times_are_plain(format) ? WRITE_SCALAR : WRITE_QUOTED;
    default:
        break;
    }
    if (!weir_kind_is_variable(field->kind))
        return WRITE_SCALAR;
    return weir_text_is_binary(field->kind) ? WRITE_HEX : WRITE_TEXT;
}

int weir_csv_writer_new(weir_schema *schema, const weir_format *format, weir_csv_writer **ret)
{
    weir_csv_writer *writer = weir_calloc(1, sizeof *writer);

    if (writer == NULL)
        return WEIR_ENO_MEMORY;
    writer->schema = weir_schema_ref(schema);
    writer->format = *format;
    writer->count = weir_schema_count(schema);
    writer->steps = weir_calloc(writer->count, sizeof *writer->steps);
    if (writer->steps == NULL) {
        weir_csv_writer_destroy(&writer);
        return WEIR_ENO_MEMORY;
    }
    writer->row_size = sizeof "+I,\n";
    for (uint32_t i = 0; i < writer->count; i++) {
        const weir_schema_field *field = weir_schema_at(schema, i);

        writer->steps[i] = (step){.op = (uint8_t)op_of(field, format),
                                  .nullable = field->nullable,
                                  .zone = field->kind == WEIR_KIND_timestamp_ltz,
                                  .precision = field->precision,
                                  .field = field,
                                  .places = 2};
        /* A delimiter, NULL or a scalar, all of whose bytes may be doubled, two quotes. */
        writer->row_size += format->null_size * 2 + (size_t)WEIR_TEXT_SCALAR_MAX * 2 + 3;
    }
    *ret = writer;
    return 0;
}

void weir_csv_writer_destroy(weir_csv_writer **writer)
{
    if (*writer == NULL)
        return;
    weir_schema_unref(&(*writer)->schema);
    weir_free((*writer)->steps);
    weir_free(*writer);
    *writer = NULL;
}

/* ---- texts: each returns where it ended ---- */

static char *put_quoted(const weir_format *format, const char *p, size_t n, char *to)
{
    *to++ = format->quote;
    while (n > 0) {
        const char *quote = memchr(p, format->quote, n);
        size_t size = quote != NULL ? (size_t)(quote - p) + 1 : n;

        memcpy(to, p, size);
        to += size;
        if (quote != NULL)
            *to++ = format->quote;
        p += size;
        n -= size;
    }
    *to++ = format->quote;
    return to;
}

/* `room`: bytes that may be read from p. NULL: the text needs quotes, and there are none. */
static inline char *put_text(const weir_format *format, bool nullable, const char *p, size_t n,
                             size_t room, char *to)
{
    char quote = format->quoting ? format->quote : '\n';
    bool like_null =
        nullable && n == format->null_size && (n == 0 || memcmp(p, format->null_text, n) == 0);

    if (!like_null && weir_scan_copy(to, p, n, room, format->delimiter, quote, '\n', '\r'))
        return to + n;
    return format->quoting ? put_quoted(format, p, n, to) : NULL;
}

static char *put_hex(const step *s, const char *p, size_t n, const weir_format *format, char *to)
{
    if (n == 0)
        return put_text(format, s->nullable, p, 0, 0, to);
    return to + weir_text_hex(p, n, to);
}

static __attribute__((noinline)) char *put_scalar(const step *s, uint32_t row,
                                                  const weir_format *format, char *to)
{
    char scalar[WEIR_TEXT_SCALAR_MAX];
    size_t size;

    if (s->op == WRITE_SCALAR)
        return to + weir_text_scalar(s->field, s->column, row, to);
    size = weir_text_scalar(s->field, s->column, row, scalar);
    return put_text(format, false, scalar, size, sizeof scalar, to);
}

/* Columns of a received batch may be unaligned, so every load goes through memcpy. */
#define LOAD(type, name)                                                                           \
    type name;                                                                                     \
    memcpy(&name, (const char *)s->column->values + (size_t)row * sizeof name, sizeof name)

static inline char *put_int(const step *s, uint32_t row, char *to)
{
    if (s->op == WRITE_INT64) {
        LOAD(int64_t, value);
        return to + weir_number_format_int(value, to);
    }
    if (s->op == WRITE_INT32) {
        LOAD(int32_t, value);
        return to + weir_number_format_int(value, to);
    }
    if (s->op == WRITE_INT16) {
        LOAD(int16_t, value);
        return to + weir_number_format_int(value, to);
    }
    LOAD(int8_t, value);
    return to + weir_number_format_int(value, to);
}

static inline char *put_double(step *s, uint32_t row, char *to)
{
    LOAD(double, value);
    return to + weir_number_format_double_near(value, &s->places, to);
}

static inline char *put_timestamp(step *s, uint32_t row, char *to)
{
    LOAD(int64_t, value);
    return to + weir_calendar_format_timestamp_near(value, s->precision, s->zone, &s->day, to);
}

static inline char *put_value(const weir_format *format, step *s, uint32_t row, char *to)
{
    weir_string text;

    if (weir_column_is_null(s->column, row)) {
        memcpy(to, format->null_text, format->null_size);
        return to + format->null_size;
    }
    switch ((write_op)s->op) {
    case WRITE_INT8:
    case WRITE_INT16:
    case WRITE_INT32:
    case WRITE_INT64:
        return put_int(s, row, to);
    case WRITE_DOUBLE:
        return put_double(s, row, to);
    case WRITE_TIMESTAMP:
        return put_timestamp(s, row, to);
    case WRITE_SCALAR:
    case WRITE_QUOTED:
        return put_scalar(s, row, format, to);
    case WRITE_TEXT:
    case WRITE_HEX:
        break;
    }
    text = weir_text_bytes(s->column, row);
    if (s->op == WRITE_HEX)
        return put_hex(s, text.p, text.n, format, to);
    return put_text(format, s->nullable, text.p, text.n,
                    s->bytes_end - (size_t)(text.p - (const char *)s->column->values), to);
}

/* ---- rows ---- */

void weir_csv_writer_header(const weir_csv_writer *writer, bool changelog, weir_buffer *out)
{
    const weir_format *format = &writer->format;

    if (changelog)
        weir_buffer_puts(out, "op");
    for (uint32_t i = 0; i < writer->count; i++) {
        const char *name = writer->steps[i].field->name;
        size_t size = strlen(name);
        char *to, *end;

        if (i > 0 || changelog)
            weir_buffer_putc(out, format->delimiter);
        if (weir_buffer_reserve(out, 2 * size + 2 + SLACK) != 0)
            return;
        to = (char *)out->data + out->size;
        end = put_text(format, false, name, size, size, to);
        if (end == NULL)
            memcpy(to, name, size);
        out->size += end != NULL ? (size_t)(end - to) : size;
    }
    weir_buffer_putc(out, '\n');
}

static void set_columns(weir_csv_writer *writer, const weir_columns *columns)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        step *s = &writer->steps[i];
        uint32_t end = 0; /* a batch from the wire need not be aligned */

        s->column = &columns->columns[i];
        if (s->op == WRITE_TEXT || s->op == WRITE_HEX)
            memcpy(&end, s->column->offsets + columns->rows, sizeof end);
        s->bytes_end = end;
    }
}

static size_t variable_bytes(const weir_csv_writer *writer, uint32_t first, uint32_t count)
{
    size_t size = 0;

    for (uint32_t i = 0; i < writer->count; i++) {
        const step *s = &writer->steps[i];
        uint32_t from, to;

        if (s->op != WRITE_TEXT && s->op != WRITE_HEX)
            continue;
        memcpy(&from, s->column->offsets + first, sizeof from);
        memcpy(&to, s->column->offsets + first + count, sizeof to);
        size += to - from;
    }
    return size;
}

/* Rows [first, first + *count) and never more than what there is room for: *count shrinks when they
 * are long. NULL: no memory. */
static char *make_room(const weir_csv_writer *writer, uint32_t first, uint32_t *count,
                       weir_buffer *out)
{
    size_t size = variable_bytes(writer, first, *count);

    while (size > BLOCK_SIZE && *count > 1) {
        *count /= 2;
        size = variable_bytes(writer, first, *count);
    }
    if (weir_buffer_reserve(out, 2 * size + *count * writer->row_size + SLACK) != 0)
        return NULL;
    return (char *)out->data + out->size;
}

const weir_schema_field *weir_csv_writer_rows(weir_csv_writer *writer, const weir_columns *columns,
                                              bool changelog, weir_buffer *out)
{
    const weir_format format = writer->format;
    uint32_t count = writer->count, n;

    set_columns(writer, columns);
    for (uint32_t first = 0; first < columns->rows; first += n) {
        char *to;

        n = columns->rows - first < BLOCK_ROWS ? columns->rows - first : BLOCK_ROWS;
        to = make_room(writer, first, &n, out);
        if (to == NULL)
            return NULL; /* out->failed says so */
        for (uint32_t row = first; row < first + n; row++) {
            if (changelog) {
                memcpy(to, weir_text_row_kind(columns, row), 2);
                to[2] = format.delimiter;
                to += 3;
            }
            for (uint32_t i = 0; i < count; i++) {
                to = put_value(&format, &writer->steps[i], row, to);
                if (to == NULL)
                    return writer->steps[i].field;
                *to++ = format.delimiter;
            }
            to[-1] = '\n';
        }
        out->size = (size_t)(to - (char *)out->data);
        out->data[out->size] = '\0';
    }
    return NULL;
}
