#include "batch/arrow.h"
#include "batch_fixture.h"

static void assert_field(const struct ArrowSchema *schema, const char *name, const char *format,
                         bool nullable, int64_t nchildren)
{
    assert_string_equal(schema->name, name);
    assert_string_equal(schema->format, format);
    assert_int_equal(schema->flags, nullable ? ARROW_FLAG_NULLABLE : 0);
    assert_int_equal(schema->n_children, nchildren);
    assert_null(schema->dictionary);
    assert_null(schema->metadata);
    assert_non_null(schema->release);
}

static void test_formats(void **state)
{
    (void)state;
    static const char *const formats[] = {
        "b", "c",   "s",   "i",    "l",    "f",    "g",    "d:10,2",  "u",       "u",   "u",  "z",
        "z", "tdD", "ttm", "tss:", "tsm:", "tsu:", "tsn:", "tsm:UTC", "tsn:UTC", "tiM", "tDm"};
    weir_schema *schema = schema_parsed(
        "c0 boolean, c1 tinyint, c2 smallint, c3 int, c4 bigint, c5 float, c6 double, "
        "c7 decimal(10, 2), c8 char(2), c9 varchar(3), c10 string not null, c11 binary(4), c12 "
        "bytes, "
        "c13 date, c14 time, c15 timestamp(0), c16 timestamp(3), c17 timestamp(6), c18 "
        "timestamp(9), "
        "c19 timestamp_ltz(3), c20 timestamp_ltz(9), c21 interval month, c22 interval second, "
        "c23 array<int not null>, c24 map<string, row<x bigint>> not null");
    struct ArrowSchema arrow;
    assert_int_equal(weir_arrow_export_schema(schema, &arrow), 0);
    assert_field(&arrow, "", "+s", false, 25);
    for (uint32_t i = 0; i < WEIR_COUNT(formats); i++)
        assert_field(arrow.children[i], weir_schema_at(schema, i)->name, formats[i], i != 10, 0);
    assert_field(arrow.children[23], "c23", "+l", true, 1);
    assert_field(arrow.children[23]->children[0], "item", "i", false, 0);
    const struct ArrowSchema *map = arrow.children[24];
    assert_field(map, "c24", "+m", false, 1);
    assert_field(map->children[0], "entries", "+s", false, 2);
    assert_field(map->children[0]->children[0], "key", "u", false, 0);
    assert_field(map->children[0]->children[1], "value", "+s", true, 1);
    assert_field(map->children[0]->children[1]->children[0], "x", "l", true, 0);
    weir_schema_unref(&schema); /* the export stands alone */
    assert_string_equal(arrow.children[3]->name, "c3");
    arrow.release(&arrow);
    assert_null(arrow.release);
}

static weir_batch *make_batch(weir_schema *schema, uint32_t rows)
{
    weir_builder *builder = NULL;
    weir_batch *batch = NULL;
    weir_arena *arena = weir_arena_new(0);
    uint64_t random = 11;
    assert_int_equal(weir_builder_new(schema, 64, 1u << 20, &builder), 0);
    for (uint32_t i = 0; i < rows; i++)
        assert_int_equal(
            weir_builder_append_record(builder, random_record(&random, arena, schema), 5, 0), 0);
    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    weir_builder_destroy(&builder);
    weir_arena_destroy(&arena);
    return batch;
}

static void assert_array(const struct ArrowArray *array, const weir_column *column)
{
    bool map = column->kind == WEIR_KIND_map, row = column->kind == WEIR_KIND_row;
    bool variable = weir_kind_is_variable(column->kind);
    assert_int_equal(array->length, column->rows);
    assert_int_equal(array->offset, 0);
    assert_int_equal(array->null_count, column->nulls);
    assert_int_equal(array->n_buffers, row ? 1 : variable ? 3 : 2);
    assert_ptr_equal(array->buffers[0], column->nulls > 0 ? column->validity : NULL);
    if (!row)
        assert_ptr_equal(array->buffers[1],
                         column->offsets != NULL ? (const void *)column->offsets : column->values);
    if (variable)
        assert_ptr_equal(array->buffers[2], column->values);
    assert_int_equal(array->n_children, map ? 1 : column->nchildren);
    if (map) {
        array = array->children[0];
        assert_int_equal(array->length, column->children[0].rows);
        assert_int_equal(array->null_count, 0);
        assert_int_equal(array->n_buffers, 1);
        assert_null(array->buffers[0]);
        assert_int_equal(array->n_children, 2);
    }
    for (uint32_t i = 0; i < column->nchildren; i++)
        assert_array(array->children[i], &column->children[i]);
}

static void test_array(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(every));
    static const uint32_t rows[] = {50, 0};
    for (uint32_t k = 0; k < 2; k++) {
        weir_batch *batch = make_batch(schema, rows[k]);
        struct ArrowArray array;
        assert_int_equal(weir_arrow_export_batch(batch, &array), 0);
        const weir_columns *columns = weir_batch_columns(batch);
        assert_int_equal(array.length, rows[k]);
        assert_int_equal(array.n_buffers, 1);
        assert_null(array.buffers[0]);
        assert_int_equal(array.n_children, columns->ncolumns);
        for (uint32_t i = 0; i < columns->ncolumns; i++)
            assert_array(array.children[i], &columns->columns[i]);
        array.release(&array);
        assert_null(array.release);
        weir_batch_unref(&batch);
    }
    weir_schema_unref(&schema);
}

/* The array outlives the batch it came from; a child that was moved out outlives the array. */
static void test_release(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(word));
    weir_builder *builder = NULL;
    weir_batch *batch = NULL;
    assert_int_equal(weir_builder_new(schema, 64, 1u << 20, &builder), 0);
    assert_int_equal(weir_builder_append_record(builder, &(word){{"stays", 5}}, 5, 0), 0);
    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    weir_builder_destroy(&builder);
    struct ArrowArray array, child;
    struct ArrowSchema arrow, field;
    assert_int_equal(weir_arrow_export_batch(batch, &array), 0);
    assert_int_equal(weir_arrow_export_schema(schema, &arrow), 0);
    weir_batch_unref(&batch);
    weir_schema_unref(&schema);
    child = *array.children[0];
    array.children[0]->release = NULL;
    array.release(&array);
    assert_int_equal(child.length, 1);
    assert_memory_equal(child.buffers[2], "stays", 5);
    child.release(&child);
    assert_null(child.release);
    field = *arrow.children[0];
    arrow.children[0]->release = NULL;
    arrow.release(&arrow);
    assert_string_equal(field.name, "text");
    field.release(&field);
}

static void test_memory_ends(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(every));
    weir_batch *batch = make_batch(schema, 10);
    int result = WEIR_ENO_MEMORY;
    for (uint64_t nth = 1; result != 0; nth++) {
        struct ArrowSchema arrow;
        weir_memory_fail_at(nth);
        result = weir_arrow_export_schema(schema, &arrow);
        weir_memory_fail_at(0);
        assert_true(result == 0 || result == WEIR_ENO_MEMORY);
        if (result == 0)
            arrow.release(&arrow);
    }
    result = WEIR_ENO_MEMORY;
    for (uint64_t nth = 1; result != 0; nth++) {
        struct ArrowArray array;
        weir_memory_fail_at(nth);
        result = weir_arrow_export_batch(batch, &array);
        weir_memory_fail_at(0);
        assert_true(result == 0 || result == WEIR_ENO_MEMORY);
        if (result == 0)
            array.release(&array);
    }
    weir_batch_unref(&batch);
    weir_schema_unref(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_array),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
