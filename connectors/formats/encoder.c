#include "connectors/formats/encoder.h"

#include "base/memory.h"
#include "connectors/formats/csv_writer.h"
#include "connectors/formats/json_writer.h"
#include "connectors/formats/row_writer.h"
#include "connectors/formats/text.h"

struct weir_encoder {
    weir_schema *schema;
    weir_format format;
    char *place;
    bool retracts;
    bool begun;     /* the header, if any, is written; `changelog` is decided */
    bool changelog; /* csv, json: every row has an op */
    weir_csv_writer *csv;
};

int weir_encoder_new(weir_schema *schema, const weir_format *format, bool retracts,
                     const char *place, weir_encoder **ret)
{
    weir_encoder *encoder = weir_calloc(1, sizeof *encoder);

    if (encoder == NULL)
        return WEIR_ENO_MEMORY;
    encoder->schema = weir_schema_ref(schema);
    encoder->format = *format;
    encoder->retracts = retracts;
    encoder->place = weir_strdup(place);
    if (encoder->place == NULL || (format->kind == WEIR_FORMAT_CSV &&
                                   weir_csv_writer_new(schema, format, &encoder->csv) != 0)) {
        weir_encoder_destroy(&encoder);
        return WEIR_ENO_MEMORY;
    }
    *ret = encoder;
    return 0;
}

void weir_encoder_destroy(weir_encoder **encoder)
{
    if (*encoder == NULL)
        return;
    weir_csv_writer_destroy(&(*encoder)->csv);
    weir_schema_unref(&(*encoder)->schema);
    weir_free((*encoder)->place);
    weir_free(*encoder);
    *encoder = NULL;
}

const char *weir_format_extension(enum weir_format_kind kind)
{
    return kind == WEIR_FORMAT_CSV ? "csv" : kind == WEIR_FORMAT_JSON ? "json" : "txt";
}

static bool has_changes(const weir_columns *columns)
{
    for (uint32_t i = 0; columns->row_kinds != NULL && i < columns->rows; i++) {
        if (columns->row_kinds[i] != WEIR_INSERT)
            return true;
    }
    return false;
}

static void begin(weir_encoder *encoder, bool kinds, weir_buffer *out)
{
    encoder->begun = true;
    encoder->changelog =
        (encoder->format.kind == WEIR_FORMAT_CSV || encoder->format.kind == WEIR_FORMAT_JSON) &&
        (encoder->format.changelog == WEIR_CHANGELOG_ALWAYS ||
         (encoder->format.changelog == WEIR_CHANGELOG_AUTO && (encoder->retracts || kinds)));
    if (encoder->format.kind == WEIR_FORMAT_CSV && encoder->format.header)
        weir_csv_writer_header(encoder->csv, encoder->changelog, out);
}

/* A file that began without the leading column cannot get it later, and must not lose changes. */
static int check_changes(const weir_encoder *encoder, const weir_columns *columns, weir_error *err)
{
    if (encoder->changelog || columns->row_kinds == NULL ||
        encoder->format.kind == WEIR_FORMAT_ROW ||
        encoder->format.changelog == WEIR_CHANGELOG_NEVER || !has_changes(columns))
        return 0;
    if (encoder->format.kind == WEIR_FORMAT_LINE)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: format=line cannot show that rows are updated or deleted; the "
                              "stream has such rows; use format=csv or json, or changelog=false",
                              encoder->place);
    return weir_error_set(err, WEIR_EINVALID,
                          "%s: the stream has updates or deletes, but began without; the rows "
                          "before have no op; set changelog=true (or false)",
                          encoder->place);
}

static int put_csv(weir_encoder *encoder, const weir_columns *columns, weir_buffer *out,
                   weir_error *err)
{
    const weir_schema_field *bad =
        weir_csv_writer_rows(encoder->csv, columns, encoder->changelog, out);

    if (bad == NULL)
        return 0;
    return weir_error_set(err, WEIR_EINVALID,
                          "%s: field '%s' holds a delimiter, a newline or the null text; "
                          "csv without quotes cannot hold it; set quote=\"",
                          encoder->place, bad->name);
}

static void put_json(const weir_encoder *encoder, const weir_columns *columns, weir_buffer *out)
{
    for (uint32_t row = 0; row < columns->rows && !out->failed; row++)
        weir_json_write_row(encoder->schema, columns, row,
                            encoder->changelog ? weir_text_row_kind(columns, row) : NULL, out);
}

static void put_rows(const weir_encoder *encoder, const weir_columns *columns, weir_buffer *out)
{
    bool kinds = (encoder->retracts || columns->row_kinds != NULL) &&
                 encoder->format.changelog != WEIR_CHANGELOG_NEVER;

    for (uint32_t row = 0; row < columns->rows && !out->failed; row++)
        weir_row_write_row(encoder->schema, columns, row,
                           kinds ? weir_text_row_kind(columns, row) : NULL, out);
}

/* Room for all lines is made at once; NULL is an empty line. */
static void put_lines(const weir_columns *columns, weir_buffer *out)
{
    const weir_column *column = &columns->columns[0];
    const char *values = column->values;
    uint32_t rows = columns->rows, bounds[2];
    size_t room;
    char *to;

    if (rows == 0)
        return;
    memcpy(&bounds[0], column->offsets, sizeof bounds[0]); /* they may lie unaligned */
    memcpy(&bounds[1], column->offsets + rows, sizeof bounds[1]);
    room = bounds[1];
    if (weir_buffer_reserve(out,
                            (size_t)(bounds[1] - bounds[0]) + rows + WEIR_TEXT_COPY_SLACK + 1) != 0)
        return;
    to = (char *)out->data + out->size;
    for (uint32_t row = 0; row < rows; row++) {
        memcpy(bounds, column->offsets + row, sizeof bounds);
        if (!weir_column_is_null(column, row))
            to = weir_text_copy(to, values + bounds[0], bounds[1] - bounds[0], room - bounds[0]);
        *to++ = '\n';
    }
    out->size = (size_t)(to - (char *)out->data);
    *to = '\0';
}

static int put(weir_encoder *encoder, const weir_columns *columns, weir_buffer *out,
               weir_error *err)
{
    switch (encoder->format.kind) {
    case WEIR_FORMAT_CSV:
        return put_csv(encoder, columns, out, err);
    case WEIR_FORMAT_JSON:
        put_json(encoder, columns, out);
        return 0;
    case WEIR_FORMAT_ROW:
        put_rows(encoder, columns, out);
        return 0;
    case WEIR_FORMAT_LINE:
    default:
        put_lines(columns, out);
        return 0;
    }
}

int weir_encoder_append(weir_encoder *encoder, const weir_columns *columns, weir_buffer *out,
                        weir_error *err)
{
    size_t before = out->size;
    bool begun = encoder->begun;
    int rc;

    if (columns->ncolumns != weir_schema_count(encoder->schema))
        return weir_error_set(err, WEIR_EINTERNAL, "%s: a batch has %u columns; the sink has %u",
                              encoder->place, columns->ncolumns,
                              weir_schema_count(encoder->schema));
    if (!begun)
        begin(encoder, columns->row_kinds != NULL, out);
    rc = check_changes(encoder, columns, err);
    if (rc == 0)
        rc = put(encoder, columns, out, err);
    if (rc == 0 && out->failed)
        rc = weir_error_set(err, WEIR_ENO_MEMORY,
                            "%s: no memory for the text of %u row(s); lower the batch size",
                            encoder->place, columns->rows);
    if (rc != 0) {
        out->size = before;
        out->failed = false;
        encoder->begun = begun;
    }
    return rc;
}

int weir_encoder_finish(weir_encoder *encoder, weir_buffer *out)
{
    if (!encoder->begun)
        begin(encoder, false, out);
    return weir_buffer_check(out);
}
