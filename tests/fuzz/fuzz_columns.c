/* tests/fuzz/fuzz_columns.c -- see fuzz_columns.h. */
#include "fuzz_columns.h"

#include "base/memory.h"
#include "batch/record_reader.h"
#include "connectors/formats/json_writer.h"
#include "connectors/formats/row_writer.h"

#include <string.h>

WEIR_RECORD(inner, (bigint, id), (nullable_string, label), (boolean, flag));
WEIR_RECORD(every, (boolean, a_boolean), (tinyint, a_tinyint), (smallint, a_smallint),
            (integer, a_integer), (bigint, a_bigint), (float, a_float), (double, a_double),
            (decimal, a_decimal, WEIR_PRECISION(20, 2)), (char, a_char, WEIR_LENGTH(4)),
            (varchar, a_varchar, WEIR_LENGTH(6)), (string, a_string),
            (binary, a_binary, WEIR_LENGTH(5)), (bytes, a_bytes), (date, a_date), (time, a_time),
            (timestamp, a_timestamp), (timestamp_ltz, a_ltz, WEIR_PRECISION(9, 0)),
            (interval_months, a_months), (interval_ms, a_ms), (nullable_tinyint, n_tinyint),
            (nullable_string, n_string), (array, numbers, WEIR_OF(integer)),
            (array, maybe_words, WEIR_OF(nullable_string)),
            (nullable_array, rows, WEIR_OF_ROWS(inner)),
            (map, counts, WEIR_FROM_TO(string, bigint)),
            (nullable_map, shares, WEIR_FROM_TO(integer, nullable_double)),
            (row_of(inner), in, WEIR_ROW(inner)));

weir_schema *fuzz_schema(uint32_t index)
{
    static weir_schema *schemas[FUZZ_SCHEMAS];
    static const char *const texts[FUZZ_SCHEMAS] = {
        "id bigint not null, name string",
        "a boolean not null, b boolean",
        "a tinyint, b smallint not null, c int, d float not null, e double, f decimal(38, 4), "
        "g char(3), h varchar(4) not null, i binary(2), j bytes not null, k date, l time not null, "
        "m timestamp(0), n timestamp(9) with local time zone, o interval month, p interval day",
        "a array<array<int not null>>, b map<string not null, row<x bytes, y array<boolean>>>, "
        "c row<p decimal(5, 2) not null, q row<z string>> not null",
        "only string not null",
        NULL,
    };

    if (schemas[index] == NULL)
        FUZZ_OK(texts[index] != NULL ? weir_schema_parse(texts[index], &schemas[index], NULL)
                                     : weir_schema_from_type(&every_type, &schemas[index], NULL));
    return schemas[index];
}

/* ---- columns ---- */

static uint32_t load_offset(const weir_column *column, uint32_t index)
{
    uint32_t value;
    memcpy(&value, (const uint8_t *)column->offsets + (size_t)index * sizeof value, sizeof value);
    return value;
}

static void touch(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        (void)*((volatile const uint8_t *)bytes + i);
}

static void read_column(const weir_schema_field *field, const weir_column *column, uint32_t rows)
{
    uint32_t nulls = 0, width = weir_kind_width(field->kind), below = rows;

    FUZZ_CHECK(column->kind == field->kind && column->rows == rows);
    FUZZ_CHECK(column->nchildren == field->nchildren);
    for (uint32_t i = 0; i < rows; i++)
        nulls += weir_column_is_null(column, i);
    FUZZ_CHECK(nulls == column->nulls && (field->nullable || nulls == 0));
    if (weir_kind_is_variable(field->kind) || field->kind == WEIR_KIND_array ||
        field->kind == WEIR_KIND_map) {
        FUZZ_CHECK(column->offsets != NULL && load_offset(column, 0) == 0);
        for (uint32_t i = 0; i < rows; i++)
            FUZZ_CHECK(load_offset(column, i) <= load_offset(column, i + 1));
        below = load_offset(column, rows);
    }
    if (field->kind == WEIR_KIND_boolean)
        touch(column->values, (rows + UINT64_C(7)) / 8);
    else if (width > 0)
        touch(column->values, (size_t)rows * width);
    else if (weir_kind_is_variable(field->kind))
        touch(column->values, below);
    for (uint32_t i = 0; i < field->nchildren; i++)
        read_column(&field->children[i], &column->children[i], below);
}

void fuzz_read_columns(const weir_schema *schema, const weir_columns *columns)
{
    FUZZ_CHECK(columns->ncolumns == weir_schema_count(schema));
    for (uint32_t i = 0; i < columns->ncolumns; i++)
        read_column(weir_schema_at(schema, i), &columns->columns[i], columns->rows);
    if (columns->timestamps != NULL)
        touch(columns->timestamps, (size_t)columns->rows * sizeof(int64_t));
    for (uint32_t i = 0; columns->row_kinds != NULL && i < columns->rows; i++)
        FUZZ_CHECK(columns->row_kinds[i] <= WEIR_DELETE);
}

void fuzz_write_columns(const weir_schema *schema, const weir_columns *columns, weir_buffer *out)
{
    weir_buffer shown = WEIR_BUFFER_INIT;

    for (uint32_t i = 0; i < columns->rows; i++) {
        size_t before = out->size;

        weir_json_write_row(schema, columns, i, NULL, out);
        FUZZ_OK(weir_buffer_check(out));
        if (!fuzz_is_json(out->data + before, out->size - before))
            fuzz_fail(__FILE__, __LINE__, "no JSON: %s", (const char *)out->data + before);
        weir_buffer_clear(&shown);
        weir_row_write_row(schema, columns, i, "+I", &shown);
        FUZZ_OK(weir_buffer_check(&shown));
        FUZZ_CHECK(shown.size > 0 && shown.data[shown.size - 1] == '\n');
    }
    weir_buffer_deinit(&shown);
}

/* ---- records ---- */

static void read_value(const weir_schema_field *field, const uint8_t *at);

static uint32_t c_size(const weir_schema_field *field)
{
    uint32_t width = weir_kind_width(field->kind);

    switch (field->kind) {
    case WEIR_KIND_boolean:
        return 1;
    case WEIR_KIND_array:
        return sizeof(weir_array);
    case WEIR_KIND_map:
        return sizeof(weir_map_view);
    case WEIR_KIND_row:
        return field->record_size;
    default:
        return width > 0 ? width : (uint32_t)sizeof(weir_string);
    }
}

static void read_field(const weir_schema_field *field, const uint8_t *at)
{
    uint32_t size = c_size(field);
    if (field->nullable) {
        FUZZ_CHECK(at[size] <= 1);
        if (at[size])
            return;
    }
    read_value(field, at);
}

static void read_items(const weir_schema_field *item, const void *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        read_field(item, (const uint8_t *)items + (size_t)i * item->record_size);
}

static void read_value(const weir_schema_field *field, const uint8_t *at)
{
    if (weir_kind_is_variable(field->kind)) {
        weir_string text;
        memcpy(&text, at, sizeof text);
        touch(text.p, text.n);
    } else if (field->kind == WEIR_KIND_array) {
        weir_array array;
        memcpy(&array, at, sizeof array);
        read_items(&field->children[0], array.items, array.n);
    } else if (field->kind == WEIR_KIND_map) {
        weir_map_view map;
        memcpy(&map, at, sizeof map);
        read_items(&field->children[0], map.keys, map.n);
        read_items(&field->children[1], map.values, map.n);
    } else if (field->kind == WEIR_KIND_row) {
        for (uint32_t i = 0; i < field->nchildren; i++)
            read_field(&field->children[i], at + field->children[i].offset);
    } else {
        touch(at, c_size(field));
    }
}

void fuzz_read_records(weir_schema *schema, const weir_columns *columns)
{
    weir_record_reader *reader = NULL;

    FUZZ_OK(weir_record_reader_new(schema, &reader));
    weir_record_reader_set(reader, columns);
    for (uint32_t row = 0; row < columns->rows; row++) {
        const uint8_t *record = weir_record_reader_get(reader, row);
        FUZZ_CHECK(record != NULL);
        for (uint32_t i = 0; i < weir_schema_count(schema); i++) {
            const weir_schema_field *field = weir_schema_at(schema, i);
            read_field(field, record + field->offset);
        }
    }
    weir_record_reader_destroy(&reader);
}
