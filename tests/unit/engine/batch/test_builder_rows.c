/* test_builder_rows.c -- columns that are put many rows at once make the batch that rows make. */
#include "batch/bytes.h" /* first: a record of the fixture has the name of a local there */

#include "batch_fixture.h"

WEIR_RECORD(flat, (boolean, a_boolean), (tinyint, a_tinyint), (smallint, a_smallint),
            (integer, a_integer), (bigint, a_bigint), (double, a_double),
            (decimal, a_decimal, WEIR_PRECISION(20, 2)), (char, a_char, WEIR_LENGTH(4)),
            (varchar, a_varchar, WEIR_LENGTH(6)), (string, a_string), (bytes, a_bytes),
            (timestamp, a_timestamp), (nullable_boolean, n_boolean), (nullable_integer, n_integer),
            (nullable_decimal, n_decimal), (nullable_varchar, n_varchar, WEIR_LENGTH(3)),
            (nullable_string, n_string), (nullable_bytes, n_bytes));

#define ROWS_MAX 200u

/* The rows of one put, as the caller has them: by column. */
typedef struct rows {
    uint8_t valid[ROWS_MAX], bools[ROWS_MAX], fixed[ROWS_MAX * 16];
    weir_string texts[ROWS_MAX];
} rows;

static void spread(const weir_schema_field *field, void *const *records, uint32_t count, rows *to)
{
    uint32_t width = weir_kind_width(field->kind);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *from = (const uint8_t *)records[i] + field->offset;
        to->valid[i] = !field->nullable || from[c_size_of(field)] == 0;
        if (field->kind == WEIR_KIND_boolean)
            to->bools[i] = *from != 0 ? (uint8_t)(1 + i % 255) : 0; /* any byte but 0 is true */
        else if (width > 0)
            memcpy(to->fixed + (size_t)i * width, from, width);
        else
            memcpy(&to->texts[i], from, sizeof to->texts[i]);
        if (to->valid[i] == 0)
            to->texts[i] = (weir_string){NULL, 7}; /* means nothing, and must not be read */
        else
            to->valid[i] = (uint8_t)(1 + i % 200);
    }
}

static int put_column(weir_builder *builder, const weir_schema *schema, uint32_t column,
                      const rows *from, uint32_t count)
{
    const weir_schema_field *field = weir_schema_at(schema, column);
    const uint8_t *valid = field->nullable ? from->valid : NULL;
    if (field->kind == WEIR_KIND_boolean)
        return weir_builder_put_bool_rows(builder, column, from->bools, valid, count);
    if (weir_kind_width(field->kind) > 0)
        return weir_builder_put_fixed_rows(builder, column, from->fixed, valid, count);
    return weir_builder_put_bytes_rows(builder, column, from->texts, valid, count);
}

static void put_records(weir_builder *builder, const weir_schema *schema, void *const *records,
                        uint32_t count)
{
    rows from;
    for (uint32_t i = 0; i < weir_schema_count(schema); i++) {
        spread(weir_schema_at(schema, i), records, count, &from);
        assert_int_equal(put_column(builder, schema, i, &from, count), 0);
    }
    assert_int_equal(weir_builder_end_rows(builder, count), 0);
}

static weir_batch *finish(weir_builder *builder)
{
    weir_batch *batch = NULL;
    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    (void)walk_batch(batch);
    return batch;
}

static void assert_batches_equal(weir_schema *schema, const weir_batch *a, const weir_batch *b)
{
    weir_record_reader *x = NULL, *y = NULL;
    assert_int_equal(weir_batch_rows(a), weir_batch_rows(b));
    assert_int_equal(weir_record_reader_new(schema, &x), 0);
    assert_int_equal(weir_record_reader_new(schema, &y), 0);
    weir_record_reader_set(x, weir_batch_columns(a));
    weir_record_reader_set(y, weir_batch_columns(b));
    for (uint32_t i = 0; i < weir_batch_rows(a); i++)
        assert_record_equal(schema, weir_record_reader_get(x, i), weir_record_reader_get(y, i));
    weir_record_reader_destroy(&x);
    weir_record_reader_destroy(&y);
}

/* Runs of any length, some of them row by row, at every alignment of the bitmaps. */
static void test_columns_are_rows(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_of(WEIR_TYPE(flat));
    weir_builder *columns = NULL, *single = NULL;
    assert_int_equal(weir_builder_new(schema, 64, 1u << 20, &columns), 0);
    assert_int_equal(weir_builder_new(schema, 64, 1u << 20, &single), 0);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        uint64_t state = seed;
        weir_arena *arena = weir_arena_new(1u << 16);
        for (uint32_t round = 0; round < 6; round++) {
            void *records[ROWS_MAX];
            uint32_t count = 1 + below(&state, round % 2 ? ROWS_MAX : 12);
            int64_t timestamp = seed % 3 == 0 && round == 2 ? 42 : INT64_MIN;
            uint8_t kind = seed % 4 == 0 && round == 3 ? WEIR_DELETE : WEIR_INSERT;
            for (uint32_t i = 0; i < count; i++) {
                records[i] = random_record(&state, arena, schema);
                assert_int_equal(weir_builder_append_record(single, records[i], timestamp, kind),
                                 0);
            }
            if (timestamp == INT64_MIN && kind == WEIR_INSERT) {
                put_records(columns, schema, records, count);
                continue;
            }
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(weir_builder_append_record(columns, records[i], timestamp, kind),
                                 0);
        }
        assert_int_equal(weir_builder_rows(columns), weir_builder_rows(single));
        assert_int_equal(weir_builder_bytes(columns), weir_builder_bytes(single));
        assert_int_equal(weir_builder_is_full(columns), weir_builder_is_full(single));
        weir_batch *a = finish(columns), *b = finish(single);
        assert_batches_equal(schema, a, b);
        const weir_columns *x = weir_batch_columns(a), *y = weir_batch_columns(b);
        assert_int_equal(x->timestamps != NULL, y->timestamps != NULL);
        assert_int_equal(x->row_kinds != NULL, y->row_kinds != NULL);
        if (x->timestamps != NULL)
            assert_memory_equal(x->timestamps, y->timestamps, x->rows * 8ul);
        if (x->row_kinds != NULL)
            assert_memory_equal(x->row_kinds, y->row_kinds, x->rows);
        weir_batch_unref(&a);
        weir_batch_unref(&b);
        weir_arena_destroy(&arena);
    }
    weir_builder_destroy(&columns);
    weir_builder_destroy(&single);
    weir_schema_unref(&schema);
}

static void test_rows_left(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_parsed("a int not null");
    weir_builder *builder = NULL;
    int32_t values[9] = {0};
    assert_int_equal(weir_builder_new(schema, 10, 1u << 20, &builder), 0);
    assert_int_equal(weir_builder_rows_left(builder), 10);
    assert_int_equal(weir_builder_put_fixed_rows(builder, 0, values, NULL, 9), 0);
    assert_int_equal(weir_builder_end_rows(builder, 9), 0);
    assert_int_equal(weir_builder_rows_left(builder), 1);
    assert_int_equal(weir_builder_put_fixed_rows(builder, 0, values, NULL, 9), 0);
    assert_int_equal(weir_builder_end_rows(builder, 9), 0);
    assert_int_equal(weir_builder_rows_left(builder), 0);
    assert_true(weir_builder_is_full(builder));
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
}

/* After any error the rows are forgotten, and what comes next is as if they had not been. */
static void test_errors_drop_the_rows(void **unused)
{
    (void)unused;
    weir_schema *schema =
        schema_parsed("a int not null, s varchar(3) not null, n bigint, b boolean,"
                      "d decimal(3, 1)");
    weir_builder *builder = NULL;
    static const int32_t ints[2] = {1, 2};
    static const int64_t longs[2] = {3, 4};
    static const uint8_t bools[2] = {0, 1}, valid[2] = {1, 0};
    static const weir_string good[2] = {{"abc", 3}, {"", 0}}, bad[2] = {{"abc", 3}, {"abcd", 4}},
                             none[2] = {{"abc", 3}, {NULL, 1}};
    static const weir_decimal fits[2] = {{999, 0}, {(uint64_t)-999, -1}},
                              wide[2] = {{1, 0}, {1000, 0}};
    assert_int_equal(weir_builder_new(schema, 10, 1u << 20, &builder), 0);
    for (int i = 0; i < 13; i++) {
        int result = weir_builder_put_fixed_rows(builder, 0, ints, NULL, 2);
        assert_int_equal(result, 0);
        result = i == 0    ? weir_builder_put_fixed_rows(builder, 0, ints, NULL, 2) /* twice */
                 : i == 1  ? weir_builder_put_fixed_rows(builder, 5, ints, NULL, 2)
                 : i == 2  ? weir_builder_put_bytes_rows(builder, 1, bad, NULL, 2)
                 : i == 3  ? weir_builder_put_bytes_rows(builder, 1, none, NULL, 2)
                 : i == 4  ? weir_builder_put_bytes_rows(builder, 1, good, valid, 2) /* NULL */
                 : i == 5  ? weir_builder_put_bytes_rows(builder, 1, good, NULL, 1)  /* fewer */
                 : i == 6  ? weir_builder_put_fixed_rows(builder, 1, ints, NULL, 2)
                 : i == 7  ? weir_builder_put_bool_rows(builder, 2, bools, NULL, 2)
                 : i == 8  ? weir_builder_put_bytes_rows(builder, 2, good, NULL, 2)
                 : i == 9  ? weir_builder_put_fixed_rows(builder, 4, wide, NULL, 2)
                 : i == 10 ? weir_builder_put_fixed_rows(builder, 2, longs, NULL, 0)
                 : i == 11 ? weir_builder_end_rows(builder, 3)
                           : weir_builder_end_rows(builder, 2); /* s is not there */
        assert_int_equal(result, WEIR_EINVALID);
        assert_int_equal(weir_builder_rows(builder), 0);
        assert_int_equal(weir_builder_end_rows(builder, 2), WEIR_EINVALID);
    }
    assert_int_equal(weir_builder_put_fixed_rows(builder, 4, wide, valid, 2), 0); /* NULL is wide */
    assert_int_equal(weir_builder_put_fixed_rows(builder, 0, ints, NULL, 2), 0);
    assert_int_equal(weir_builder_put_bytes_rows(builder, 1, good, NULL, 2), 0);
    assert_int_equal(weir_builder_put_bool_rows(builder, 3, bools, valid, 2), 0);
    assert_int_equal(weir_builder_end_rows(builder, 2), 0); /* n becomes NULL */
    assert_int_equal(weir_builder_put_fixed_rows(builder, 4, fits, NULL, 1), 0);
    weir_builder_clear(builder);
    assert_int_equal(weir_builder_put_fixed_rows(builder, 0, ints, NULL, 2), 0);
    assert_int_equal(weir_builder_put_bytes_rows(builder, 1, good, NULL, 2), 0);
    assert_int_equal(weir_builder_end_rows(builder, 2), 0);
    weir_batch *batch = finish(builder);
    assert_int_equal(weir_batch_rows(batch), 2);
    for (uint32_t i = 2; i < 5; i++)
        assert_int_equal(weir_batch_columns(batch)->columns[i].nulls, 2);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
}

static void test_memory_and_size_end(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_parsed("a string not null");
    weir_builder *builder = NULL;
    size_t size = WEIR_BATCH_SIZE_MAX / 2;
    char *text = weir_calloc(1, size);
    const weir_string big[2] = {{text, (uint32_t)size}, {text, (uint32_t)size}};
    weir_string many[ROWS_MAX * 2];
    assert_non_null(text);
    for (uint32_t i = 0; i < ROWS_MAX * 2; i++)
        many[i] = (weir_string){text, 100};
    assert_int_equal(weir_builder_new(schema, 10, 1u << 20, &builder), 0);
    assert_int_equal(weir_builder_put_bytes_rows(builder, 0, big, NULL, 1), 0);
    assert_int_equal(weir_builder_end_rows(builder, 1), 0);
    assert_int_equal(weir_builder_put_bytes_rows(builder, 0, big, NULL, 2), WEIR_ETOO_LARGE);
    assert_int_equal(weir_builder_put_bytes_rows(builder, 0, big, NULL, 1), 0);
    assert_int_equal(weir_builder_end_rows(builder, 1), WEIR_ETOO_LARGE);
    assert_int_equal(weir_builder_rows(builder), 1);
    weir_builder_destroy(&builder);
    assert_int_equal(weir_builder_new(schema, 10, 1u << 20, &builder), 0);
    int result = WEIR_ENO_MEMORY;
    for (uint64_t nth = 1; result != 0; nth++) {
        weir_memory_fail_at(nth);
        result = weir_builder_put_bytes_rows(builder, 0, many, NULL, ROWS_MAX * 2);
        weir_memory_fail_at(0);
        assert_true(result == 0 || result == WEIR_ENO_MEMORY);
    }
    assert_int_equal(weir_builder_end_rows(builder, ROWS_MAX * 2), 0);
    assert_int_equal(weir_builder_rows(builder), ROWS_MAX * 2);
    weir_builder_destroy(&builder);
    weir_free(text);
    weir_schema_unref(&schema);
}

/* Packed bits are those that are written one by one. */
static void test_bits(void **unused)
{
    (void)unused;
    uint64_t state = 8;
    for (uint32_t i = 0; i < 3000; i++) {
        uint8_t bytes[70], some[16], all[16];
        uint32_t start = below(&state, 17), count = below(&state, 70);
        for (uint32_t k = 0; k < count; k++)
            bytes[k] = (uint8_t)(below(&state, 3) == 0 ? 0u : 1u << below(&state, 8));
        memset(some, 0x5a, sizeof some);
        memcpy(all, some, sizeof all);
        uint8_t *exact = weir_alloc(count + 1u); /* so that a read too far is seen */
        assert_non_null(exact);
        memcpy(exact, bytes, count);
        weir__bits_append(some, start, exact, count);
        weir__bits_append(all, start, NULL, count);
        weir_free(exact);
        for (uint32_t k = 0; k < start; k++)
            assert_int_equal(weir__bit(some, k), (0x5a >> k % 8) & 1);
        for (uint32_t k = 0; k < count; k++) {
            assert_int_equal(weir__bit(some, start + k), bytes[k] != 0);
            assert_int_equal(weir__bit(all, start + k), 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_are_rows),
        cmocka_unit_test(test_rows_left),
        cmocka_unit_test(test_errors_drop_the_rows),
        cmocka_unit_test(test_memory_and_size_end),
        cmocka_unit_test(test_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
