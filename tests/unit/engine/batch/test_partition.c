#include "batch/partition.h"
#include "batch_fixture.h"

WEIR_RECORD(keyed, (string, s), (bigint, n));

static weir_batch *batch_of(weir_schema *schema, uint32_t rows, uint64_t seed)
{
    weir_builder *builder = NULL;
    weir_batch *batch = NULL;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    assert_int_equal(weir_builder_new(schema, 64, 1u << 20, &builder), 0);
    for (uint32_t i = 0; i < rows; i++) {
        keyed record = {.s = {letters + below(&seed, 20), below(&seed, 6)}, .n = below(&seed, 50)};
        assert_int_equal(weir_builder_append_record(builder, &record, INT64_MIN, 0), 0);
    }
    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    weir_builder_destroy(&builder);
    return batch;
}

/* Every row goes to the subtask of its key group. */
static void check_targets(weir_schema *schema, uint32_t targets, uint32_t max_parallelism)
{
    static const uint32_t fields[] = {1, 0};
    static const uint32_t rows[] = {1000, 0, 1, 3000};
    weir_partitioner *partitioner = NULL;
    weir_key_codec *codec = NULL;
    assert_int_equal(
        weir_partitioner_new(schema, fields, 2, targets, max_parallelism, &partitioner, NULL), 0);
    assert_int_equal(weir_key_codec_new(schema, fields, 2, &codec, NULL), 0);
    for (uint32_t round = 0; round < WEIR_COUNT(rows); round++) {
        weir_batch *batch = batch_of(schema, rows[round], round + targets);
        uint16_t found[3000];
        weir_keys keys;
        assert_int_equal(weir_partitioner_targets(partitioner, weir_batch_columns(batch), found),
                         0);
        assert_int_equal(weir_key_codec_encode(codec, weir_batch_columns(batch), &keys), 0);
        for (uint32_t row = 0; row < rows[round]; row++) {
            uint32_t group = weir_key_group(keys.hashes[row], max_parallelism);
            assert_int_equal(weir_key_group_subtask(group, targets, max_parallelism), found[row]);
        }
        weir_batch_unref(&batch);
    }
    weir_key_codec_destroy(&codec);
    weir_partitioner_destroy(&partitioner);
}

static void test_targets(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(keyed));
    static const uint32_t cases[][2] = {{1, 1},     {1, 128},     {4, 128},       {3, 100},  {7, 7},
                                        {128, 128}, {1000, 4999}, {32768, 32768}, {5, 32767}};
    for (uint32_t i = 0; i < WEIR_COUNT(cases); i++)
        check_targets(schema, cases[i][0], cases[i][1]);
    weir_schema_unref(&schema);
}

static void test_new_refuses(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(keyed));
    static const uint32_t fields[] = {0, 9};
    static const uint32_t bad[][3] = {{1, 0, 128}, {1, 129, 128}, {1, 1, 32769},
                                      {1, 1, 0},   {0, 1, 128},   {2, 1, 128}};
    for (uint32_t i = 0; i < WEIR_COUNT(bad); i++) {
        weir_partitioner *partitioner = NULL;
        weir_error err = WEIR_ERROR_INIT;
        assert_int_equal(weir_partitioner_new(schema, fields, bad[i][0], bad[i][1], bad[i][2],
                                              &partitioner, &err),
                         WEIR_EINVALID);
        assert_null(partitioner);
        assert_int_equal(err.code, WEIR_EINVALID);
    }
    weir_batch *batch = batch_of(schema, 10, 1);
    int result = WEIR_ENO_MEMORY;
    for (uint64_t nth = 1; result != 0; nth++) {
        weir_partitioner *partitioner = NULL;
        uint16_t found[10];
        weir_memory_fail_at(nth);
        result = weir_partitioner_new(schema, fields, 1, 4, 128, &partitioner, NULL);
        if (result == 0)
            result = weir_partitioner_targets(partitioner, weir_batch_columns(batch), found);
        weir_memory_fail_at(0);
        assert_true(result == 0 || result == WEIR_ENO_MEMORY);
        if (partitioner != NULL) /* goes on afterwards */
            assert_int_equal(
                weir_partitioner_targets(partitioner, weir_batch_columns(batch), found), 0);
        weir_partitioner_destroy(&partitioner);
        weir_partitioner_destroy(&partitioner);
    }
    weir_partitioner_destroy(NULL);
    weir_batch_unref(&batch);
    weir_schema_unref(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_new_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
