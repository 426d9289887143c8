#include "batch_fixture.h"

WEIR_RECORD(lists, (array, numbers, WEIR_OF(bigint)), (array, flags, WEIR_OF(boolean)),
            (nullable_array, words, WEIR_OF(string)), (map, m, WEIR_FROM_TO(string, smallint)),
            (array, rows, WEIR_OF_ROWS(inner)), (nullable_integer, last));

WEIR_RECORD(plain, (tinyint, a), (decimal, b, WEIR_PRECISION(20, 2)), (smallint, c), (string, d),
            (integer, e), (nullable_double, f), (boolean, g), (bigint, h));

static weir_batch *finish(weir_builder **builder)
{
    weir_batch *batch = NULL;
    assert_int_equal(weir_builder_finish(*builder, &batch), 0);
    weir_builder_destroy(builder);
    return batch;
}

static weir_record_reader *reader_of(weir_schema *schema, const weir_batch *batch)
{
    weir_record_reader *reader = NULL;
    assert_int_equal(weir_record_reader_new(schema, &reader), 0);
    weir_record_reader_set(reader, weir_batch_columns(batch));
    return reader;
}

static void test_one_string_points_into_the_batch(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(word));
    weir_builder *builder = NULL;
    assert_int_equal(weir_builder_new(schema, 8, 1024, &builder), 0);
    static const word words[] = {{{"alpha", 5}}, {{"", 0}}, {{"beta", 4}}};
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(weir_builder_append_record(builder, &words[i], INT64_MIN, 0), 0);
    weir_batch *batch = finish(&builder);
    weir_record_reader *reader = reader_of(schema, batch);
    const char *values = weir_batch_columns(batch)->columns[0].values;
    const word *record = weir_record_reader_get(reader, 2);
    assert_ptr_equal(record->text.p, values + 5);
    assert_int_equal(record->text.n, 4);
    assert_ptr_equal(weir_record_reader_get(reader, 1), record); /* one record buffer */
    assert_int_equal(record->text.n, 0);
    weir_record_reader_destroy(&reader);
    weir_record_reader_destroy(&reader);
    weir_record_reader_destroy(NULL);
    weir_batch_unref(&batch);
    weir_schema_unref(&schema);
}

static void test_lists(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(lists));
    weir_builder *builder = NULL;
    assert_int_equal(weir_builder_new(schema, 8, 1024, &builder), 0);
    static const int64_t numbers[] = {1, -2, 3};
    static const bool flags[] = {true, false, true, true};
    static const weir_string words[] = {{"a", 1}, {"bc", 2}};
    static const int16_t values[] = {-1, 300};
    static const inner rows[] = {{7, {{"x", 1}, false}, true}, {8, {{NULL, 0}, true}, false}};
    const lists record = {.numbers = {numbers, 3},
                          .flags = {flags, 4},
                          .words = {{words, 2}, false},
                          .m = {words, values, 2},
                          .rows = {rows, 2},
                          .last = {5, false}};
    const lists empty = {.words = {{words, 2}, true}, .last = {5, true}};
    assert_int_equal(weir_builder_append_record(builder, &empty, INT64_MIN, 0), 0);
    assert_int_equal(weir_builder_append_record(builder, &record, INT64_MIN, 0), 0);
    weir_batch *batch = finish(&builder);
    weir_record_reader *reader = reader_of(schema, batch);
    for (int round = 0; round < 3; round++) {
        const lists *got = weir_record_reader_get(reader, 1);
        assert_record_equal(schema, &record, got);
        assert_ptr_equal(got->numbers.items,
                         weir_batch_columns(batch)->columns[0].children->values);
        const inner *got_rows = got->rows.items;
        assert_true(got_rows[1].label.is_null);
        assert_null(got_rows[1].label.value.p);
        got = weir_record_reader_get(reader, 0);
        assert_record_equal(schema, &empty, got);
        assert_true(got->words.is_null && got->words.value.n == 0 && got->last.value == 0);
        assert_int_equal(got->rows.n, 0);
    }
    weir_record_reader_destroy(&reader);
    weir_batch_unref(&batch);
    weir_schema_unref(&schema);
}

/* Once the scratch has grown, reading a row allocates nothing. */
static void test_no_allocation_per_row(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(every));
    weir_builder *builder = NULL;
    weir_arena *arena = weir_arena_new(1u << 16);
    uint64_t random = 6;
    assert_int_equal(weir_builder_new(schema, 100, 1u << 20, &builder), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(weir_builder_append_record(builder, random_record(&random, arena, schema),
                                                    INT64_MIN, 0),
                         0);
    weir_batch *batch = finish(&builder);
    weir_record_reader *reader = reader_of(schema, batch);
    weir_memory_fail_at(1);
    bool failed = false;
    for (uint32_t i = 0; i < 100 && !failed; i++)
        failed = weir_record_reader_get(reader, i) == NULL;
    assert_true(failed); /* NULL when memory ends, and it goes on afterwards */
    weir_memory_fail_at(0);
    for (uint32_t i = 0; i < 100; i++)
        assert_non_null(weir_record_reader_get(reader, i));
    weir_memory_fail_at(1);
    for (uint32_t i = 0; i < 100; i++)
        assert_non_null(weir_record_reader_get(reader, i));
    weir_memory_fail_at(0);
    weir_record_reader_destroy(&reader);
    weir_batch_unref(&batch);
    weir_arena_destroy(&arena);
    weir_schema_unref(&schema);
}

static void test_new_fails(void **state)
{
    (void)state;
    weir_schema *schema = schema_parsed("a string");
    weir_record_reader *reader = NULL;
    assert_int_equal(weir_record_reader_new(schema, &reader), WEIR_EINVALID);
    weir_schema_unref(&schema);
    schema = schema_of(WEIR_TYPE(every));
    int result = WEIR_ENO_MEMORY;
    for (uint64_t nth = 1; result != 0; nth++) {
        weir_memory_fail_at(nth);
        result = weir_record_reader_new(schema, &reader);
        weir_memory_fail_at(0);
        assert_true(result == 0 || (result == WEIR_ENO_MEMORY && reader == NULL));
    }
    weir_record_reader_destroy(&reader);
    weir_schema_unref(&schema);
}

/* Blocks of rows are the rows, whatever their kinds. */
static void test_blocks_are_rows(void **state)
{
    (void)state;
    static const weir_type *const types[] = {WEIR_TYPE(every), WEIR_TYPE(inner), WEIR_TYPE(word),
                                             WEIR_TYPE(plain)};
    for (uint32_t t = 0; t < 4; t++) {
        weir_schema *schema = schema_of(types[t]);
        weir_builder *builder = NULL;
        weir_arena *arena = weir_arena_new(1u << 16);
        void *records[300];
        uint64_t random = 16 + t;
        assert_int_equal(weir_builder_new(schema, 300, 1u << 20, &builder), 0);
        for (int i = 0; i < 300; i++) {
            records[i] = random_record(&random, arena, schema);
            assert_int_equal(weir_builder_append_record(builder, records[i], INT64_MIN, 0), 0);
        }
        weir_batch *batch = finish(&builder);
        weir_record_reader *reader = reader_of(schema, batch);
        uint32_t size = weir_record_reader_size(reader), most = 0;
        assert_int_equal(size, weir_schema_record_size(schema));
        for (uint32_t round = 0; round < 20; round++) {
            uint32_t first = below(&random, 300), count = 0;
            const uint8_t *got = weir_record_reader_rows(reader, first, 300 - first, &count);
            assert_non_null(got);
            assert_true(count >= 1 && count <= 300 - first);
            most = count > most ? count : most;
            for (uint32_t i = 0; i < count; i++)
                assert_record_equal(schema, records[first + i], got + (size_t)i * size);
        }
        assert_true(t == 0 ? most == 1 : most > 20); /* lists have scratch for one row */
        weir_record_run run = {0};
        for (uint32_t i = 0; i < 300; i++)
            assert_record_equal(schema, records[i], weir_record_run_next(&run, reader, i, 300));
        weir_record_reader_destroy(&reader);
        weir_batch_unref(&batch);
        weir_arena_destroy(&arena);
        weir_schema_unref(&schema);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_string_points_into_the_batch),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_no_allocation_per_row),
        cmocka_unit_test(test_new_fails),
        cmocka_unit_test(test_blocks_are_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
