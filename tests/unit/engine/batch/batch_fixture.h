/* What the tests of the batch room share: a record of every kind, random records, deep comparison
 * by schema, and a walk over every value of a batch. */
#ifndef TESTS_BATCH_FIXTURE_H
#define TESTS_BATCH_FIXTURE_H

#include "base/arena.h"
#include "base/memory.h"
#include "batch/builder.h"
#include "batch/record_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

WEIR_RECORD(inner, (bigint, id), (nullable_string, label), (boolean, flag));
WEIR_RECORD(every, (boolean, a_boolean), (tinyint, a_tinyint), (smallint, a_smallint),
            (integer, a_integer), (bigint, a_bigint), (float, a_float), (double, a_double),
            (decimal, a_decimal, WEIR_PRECISION(20, 2)), (char, a_char, WEIR_LENGTH(4)),
            (varchar, a_varchar, WEIR_LENGTH(6)), (string, a_string),
            (binary, a_binary, WEIR_LENGTH(5)), (bytes, a_bytes), (date, a_date), (time, a_time),
            (timestamp, a_timestamp), (timestamp_ltz, a_ltz, WEIR_PRECISION(9, 0)),
            (interval_months, a_months), (interval_ms, a_ms), (nullable_boolean, n_boolean),
            (nullable_tinyint, n_tinyint), (nullable_bigint, n_bigint),
            (nullable_decimal, n_decimal), (nullable_varchar, n_varchar, WEIR_LENGTH(3)),
            (nullable_string, n_string), (nullable_bytes, n_bytes),
            (array, numbers, WEIR_OF(integer)), (array, flags, WEIR_OF(boolean)),
            (array, words, WEIR_OF(string)), (array, maybe_words, WEIR_OF(nullable_string)),
            (nullable_array, rows, WEIR_OF_ROWS(inner)),
            (map, counts, WEIR_FROM_TO(string, bigint)),
            (nullable_map, shares, WEIR_FROM_TO(integer, nullable_double)),
            (row_of(inner), in, WEIR_ROW(inner)));
WEIR_RECORD(word, (string, text));

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint32_t below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(next_random(state) % limit);
}

/* A schema-driven random value in C layout; strings and items come from the arena. */
static inline void random_field(uint64_t *state, weir_arena *arena, const weir_schema_field *field,
                                uint8_t *to, uint32_t c_size);

static inline uint32_t c_size_of(const weir_schema_field *field)
{
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
        return weir_kind_is_variable(field->kind) ? (uint32_t)sizeof(weir_string)
                                                  : weir_kind_width(field->kind);
    }
}

static inline const void *random_items(uint64_t *state, weir_arena *arena,
                                       const weir_schema_field *item, uint32_t count)
{
    uint8_t *items = weir_arena_alloc(arena, (size_t)count * item->record_size + 1);
    assert_non_null(items);
    for (uint32_t i = 0; i < count; i++)
        random_field(state, arena, item, items + (size_t)i * item->record_size, c_size_of(item));
    return items;
}

static inline void random_text(uint64_t *state, weir_arena *arena, const weir_schema_field *field,
                               uint8_t *to)
{
    uint32_t most = field->precision > 0            ? field->precision
                    : below(state, 20) == 0         ? 300
                    : field->kind == WEIR_KIND_char ? 0
                                                    : 24;
    uint32_t n = below(state, most + 1);
    char *text = weir_arena_alloc(arena, n + 1u);
    assert_non_null(text);
    bool binary = field->kind == WEIR_KIND_binary || field->kind == WEIR_KIND_bytes;
    for (uint32_t i = 0; i < n; i++)
        text[i] = (char)(binary ? below(state, 256) : 'a' + below(state, 26));
    weir_string value = {.p = text, .n = n};
    memcpy(to, &value, sizeof value);
}

static inline void random_value(uint64_t *state, weir_arena *arena, const weir_schema_field *field,
                                uint8_t *to)
{
    uint32_t width = weir_kind_width(field->kind);
    uint64_t bits = next_random(state);
    if (field->kind == WEIR_KIND_boolean) {
        *to = bits & 1;
    } else if (field->kind == WEIR_KIND_decimal) {
        int64_t small = (int64_t)(bits % 1000000000u) - 500000000;
        weir_decimal decimal = {.low = (uint64_t)small, .high = small < 0 ? -1 : 0};
        memcpy(to, &decimal, sizeof decimal);
    } else if (width > 0) {
        memcpy(to, &bits, width);
    } else if (weir_kind_is_variable(field->kind)) {
        random_text(state, arena, field, to);
    } else if (field->kind == WEIR_KIND_array) {
        weir_array array = {.n = below(state, 6)};
        array.items = random_items(state, arena, &field->children[0], array.n);
        memcpy(to, &array, sizeof array);
    } else if (field->kind == WEIR_KIND_map) {
        weir_map_view map = {.n = below(state, 4)};
        map.keys = random_items(state, arena, &field->children[0], map.n);
        map.values = random_items(state, arena, &field->children[1], map.n);
        memcpy(to, &map, sizeof map);
    } else {
        for (uint32_t i = 0; i < field->nchildren; i++)
            random_field(state, arena, &field->children[i], to + field->children[i].offset,
                         c_size_of(&field->children[i]));
    }
}

static inline void random_field(uint64_t *state, weir_arena *arena, const weir_schema_field *field,
                                uint8_t *to, uint32_t c_size)
{
    if (field->nullable) {
        to[c_size] = below(state, 3) == 0;
        if (to[c_size])
            return;
    }
    random_value(state, arena, field, to);
}

static inline void *random_record(uint64_t *state, weir_arena *arena, const weir_schema *schema)
{
    uint8_t *record = weir_arena_alloc(arena, weir_schema_record_size(schema));
    assert_non_null(record);
    for (uint32_t i = 0; i < weir_schema_count(schema); i++) {
        const weir_schema_field *field = weir_schema_at(schema, i);
        random_field(state, arena, field, record + field->offset, c_size_of(field));
    }
    return record;
}

/* ---- comparison ---- */

static inline void assert_field_equal(const weir_schema_field *field, const uint8_t *a,
                                      const uint8_t *b);

static inline void assert_items_equal(const weir_schema_field *item, const void *a, const void *b,
                                      uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        assert_field_equal(item, (const uint8_t *)a + (size_t)i * item->record_size,
                           (const uint8_t *)b + (size_t)i * item->record_size);
}

static inline void assert_text_equal(const weir_schema_field *field, const uint8_t *a,
                                     const uint8_t *b)
{
    weir_string x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    while (field->kind == WEIR_KIND_char && x.n > 0 && x.p[x.n - 1] == ' ')
        x.n--;
    while (field->kind == WEIR_KIND_char && y.n > 0 && y.p[y.n - 1] == ' ')
        y.n--;
    assert_int_equal(x.n, y.n);
    if (x.n > 0)
        assert_memory_equal(x.p, y.p, x.n);
}

static inline void assert_field_equal(const weir_schema_field *field, const uint8_t *a,
                                      const uint8_t *b)
{
    uint32_t width = weir_kind_width(field->kind);
    if (field->nullable) {
        uint32_t c_size = c_size_of(field);
        assert_int_equal(a[c_size], b[c_size]);
        if (a[c_size])
            return;
    }
    if (field->kind == WEIR_KIND_boolean) {
        assert_int_equal(*a, *b);
    } else if (width > 0) {
        assert_memory_equal(a, b, width);
    } else if (weir_kind_is_variable(field->kind)) {
        assert_text_equal(field, a, b);
    } else if (field->kind == WEIR_KIND_array) {
        weir_array x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        assert_int_equal(x.n, y.n);
        assert_items_equal(&field->children[0], x.items, y.items, x.n);
    } else if (field->kind == WEIR_KIND_map) {
        weir_map_view x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        assert_int_equal(x.n, y.n);
        assert_items_equal(&field->children[0], x.keys, y.keys, x.n);
        assert_items_equal(&field->children[1], x.values, y.values, x.n);
    } else {
        for (uint32_t i = 0; i < field->nchildren; i++)
            assert_field_equal(&field->children[i], a + field->children[i].offset,
                               b + field->children[i].offset);
    }
}

static inline void assert_record_equal(const weir_schema *schema, const void *a, const void *b)
{
    for (uint32_t i = 0; i < weir_schema_count(schema); i++) {
        const weir_schema_field *field = weir_schema_at(schema, i);
        assert_field_equal(field, (const uint8_t *)a + field->offset,
                           (const uint8_t *)b + field->offset);
    }
}

/* ---- a walk that reads every byte a reader may read ---- */

static inline uint32_t load_offset(const weir_column *column, uint32_t index)
{
    uint32_t value;
    memcpy(&value, (const uint8_t *)column->offsets + (size_t)index * 4, 4);
    return value;
}

static inline uint64_t sum_bytes(const void *bytes, size_t size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += ((const uint8_t *)bytes)[i];
    return sum;
}

static inline uint64_t walk_column(const weir_column *column, const weir_schema_field *field,
                                   uint32_t rows)
{
    uint64_t sum = 0;
    uint32_t nulls = 0, width = weir_kind_width(column->kind), child_rows = rows;
    assert_int_equal(column->kind, field->kind);
    assert_int_equal(column->rows, rows);
    for (uint32_t i = 0; i < rows; i++)
        nulls += weir_column_is_null(column, i);
    assert_int_equal(column->nulls, nulls);
    if (!field->nullable)
        assert_int_equal(nulls, 0);
    if (column->offsets != NULL) {
        assert_int_equal(load_offset(column, 0), 0);
        for (uint32_t i = 0; i < rows; i++)
            assert_true(load_offset(column, i) <= load_offset(column, i + 1));
        child_rows = load_offset(column, rows);
    }
    if (column->kind == WEIR_KIND_boolean)
        sum += sum_bytes(column->values, (rows + 7u) / 8);
    else if (width > 0)
        sum += sum_bytes(column->values, (size_t)rows * width);
    else if (weir_kind_is_variable(column->kind))
        sum += sum_bytes(column->values, child_rows);
    assert_int_equal(column->nchildren, field->nchildren);
    for (uint32_t i = 0; i < column->nchildren; i++)
        sum += walk_column(&column->children[i], &field->children[i], child_rows);
    return sum;
}

static inline uint64_t walk_batch(const weir_batch *batch)
{
    const weir_columns *columns = weir_batch_columns(batch);
    const weir_schema *schema = weir_batch_schema(batch);
    uint64_t sum = 0;
    assert_int_equal(columns->ncolumns, weir_schema_count(schema));
    for (uint32_t i = 0; i < columns->ncolumns; i++)
        sum += walk_column(&columns->columns[i], weir_schema_at(schema, i), columns->rows);
    if (columns->timestamps != NULL)
        sum += sum_bytes(columns->timestamps, (size_t)columns->rows * 8);
    for (uint32_t i = 0; columns->row_kinds != NULL && i < columns->rows; i++)
        assert_true(columns->row_kinds[i] <= WEIR_DELETE);
    return sum;
}

static inline weir_schema *schema_of(const weir_type *type)
{
    weir_schema *schema = NULL;
    weir_error err = WEIR_ERROR_INIT;
    if (weir_schema_from_type(type, &schema, &err) != 0)
        fail_msg("%s", err.text);
    return schema;
}

static inline weir_schema *schema_parsed(const char *text)
{
    weir_schema *schema = NULL;
    weir_error err = WEIR_ERROR_INIT;
    if (weir_schema_parse(text, &schema, &err) != 0)
        fail_msg("%s", err.text);
    return schema;
}

#endif
