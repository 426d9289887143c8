#include "batch/key.h"
#include "batch_fixture.h"

WEIR_RECORD(pair, (nullable_bigint, n), (string, s));

typedef struct held {
    uint8_t *memory; /* exactly as long as it must be: a read too far is seen */
    uint8_t *bytes;
    size_t size;
    int released;
} held;

static void release_held(void *bytes, void *hint)
{
    held *self = hint;
    assert_ptr_equal(bytes, self->bytes);
    self->released++;
    weir_free(self->memory);
    self->memory = NULL;
}

static held hold(const void *bytes, size_t size, size_t shift)
{
    held self = {.memory = weir_alloc(size + shift + (size + shift == 0)), .size = size};
    assert_non_null(self.memory);
    self.bytes = self.memory + shift;
    if (size > 0)
        memcpy(self.bytes, bytes, size);
    return self;
}

static weir_builder *builder_of(weir_schema *schema)
{
    weir_builder *builder = NULL;
    assert_int_equal(weir_builder_new(schema, 64, 1u << 20, &builder), 0);
    return builder;
}

static weir_batch *random_batch(weir_schema *schema, uint64_t seed, uint32_t rows, bool marks)
{
    uint64_t state = seed;
    weir_builder *builder = builder_of(schema);
    weir_arena *arena = weir_arena_new(1u << 16);
    for (uint32_t i = 0; i < rows; i++)
        assert_int_equal(weir_builder_append_record(builder, random_record(&state, arena, schema),
                                                    marks ? (int64_t)i : INT64_MIN,
                                                    marks ? i % 4 : 0),
                         0);
    weir_batch *batch = NULL;
    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    weir_arena_destroy(&arena);
    weir_builder_destroy(&builder);
    return batch;
}

/* The format, byte by byte: it travels between versions and lies in files. */
static void test_golden_bytes(void **state)
{
    (void)state;
    static const uint8_t golden[] = {
        'W', 'B', 'A', 'T', 1,   0, 3, 0,    0,   0, 0, 0, 0, 0, 0, 0, /* fingerprint comes below */
        3,   0,   0,   0,   2,   0, 0, 0,    208, 0, 0, 0, 0, 0, 0, 0, /* rows, columns, size */
        5,   0,   0,   0,   0,   0, 0, 0,    7,   0, 0, 0, 0, 0, 0, 0, /* event times 5 to 7 */
        0,   0,   0,   0,   0,   0, 0, 0,    0,   0, 0, 0, 0, 0, 0, 0, /* rest */
        192, 0,   0,   0,   200, 0, 0, 0,    0,   0, 0, 0,             /* n: validity, values */
        3,   0,   0,   0,   1,   0, 0, 0,    24,  0, 0, 0, /* rows, nulls, values size */
        0,   0,   0,   0,   240, 0, 0, 0,    224, 0, 0, 0, /* s: offsets, values */
        3,   0,   0,   0,   0,   0, 0, 0,    5,   0, 0, 0, /* */
        7,   0,   0,   0,   0,   0, 0, 0,    5,   0, 0, 0, 0, 0, 0, 0, /* event times */
        0,   0,   0,   0,   0,   0, 0, 0x80,                           /* none */
        0,   3,   0,   0,   0,   0, 0, 0,                              /* row kinds */
    };
    static const uint8_t buffers[] = {
        5,    0,    0,    0,    0,    0,    0,    0,                            /* validity 101 */
        1,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 0, /* 1, NULL */
        0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,                         /* -2 */
        0,    0,    0,    0,    2,    0,    0,    0,    2, 0, 0, 0, 5, 0, 0, 0, /* offsets */
        'a',  'b',  'x',  'y',  'z',  0,    0,    0,                            /* bytes */
    };
    weir_schema *schema = schema_of(WEIR_TYPE(pair));
    weir_builder *builder = builder_of(schema);
    pair records[] = {{{1, false}, {"ab", 2}}, {{99, true}, {"", 0}}, {{-2, false}, {"xyz", 3}}};
    assert_int_equal(weir_builder_append_record(builder, &records[0], 7, WEIR_INSERT), 0);
    assert_int_equal(weir_builder_append_record(builder, &records[1], 5, WEIR_DELETE), 0);
    assert_int_equal(weir_builder_append_record(builder, &records[2], INT64_MIN, WEIR_INSERT), 0);
    weir_batch *batch = NULL;
    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    const uint8_t *bytes = weir_batch_bytes(batch);
    uint64_t fingerprint;
    memcpy(&fingerprint, bytes + 8, 8);
    assert_true(fingerprint == weir_schema_fingerprint(schema));
    assert_int_equal(weir_batch_size(batch), 192 + sizeof buffers);
    assert_memory_equal(bytes, golden, 8);
    assert_memory_equal(bytes + 16, golden + 16, 8);
    assert_int_equal(bytes[24], 192 + sizeof buffers);
    assert_memory_equal(bytes + 32, golden + 32, sizeof golden - 32);
    assert_memory_equal(bytes + 192, buffers, sizeof buffers);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
}

static void test_open_keeps_and_releases(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(pair));
    weir_batch *batch = random_batch(schema, 1, 40, true), *opened = NULL;
    held bytes = hold(weir_batch_bytes(batch), weir_batch_size(batch), 0);
    assert_int_equal(
        weir_batch_open(schema, bytes.bytes, bytes.size, release_held, &bytes, &opened, NULL), 0);
    assert_ptr_equal(weir_batch_bytes(opened), bytes.bytes);
    assert_int_equal(weir_batch_size(opened), bytes.size);
    assert_ptr_equal(weir_batch_schema(opened), schema);
    assert_int_equal(weir_batch_rows(opened), 40);
    assert_true(walk_batch(opened) == walk_batch(batch));
    weir_batch *second = weir_batch_ref(opened);
    weir_batch_unref(&opened);
    assert_null(opened);
    assert_int_equal(bytes.released, 0);
    assert_true(walk_batch(second) == walk_batch(batch));
    weir_batch_unref(&second);
    assert_int_equal(bytes.released, 1);
    weir_batch_unref(&second);
    weir_batch_unref(NULL);
    assert_null(weir_batch_ref(NULL));
    weir_batch_unref(&batch);
    weir_schema_unref(&schema);
}

/* Small blocks move to an aligned place, large ones are read where they lie; both read the same. */
static void test_open_unaligned(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(every));
    static const uint32_t rows[] = {5, 200};
    for (uint32_t k = 0; k < 2; k++) {
        weir_batch *batch = random_batch(schema, 5, rows[k], true), *opened = NULL;
        assert_true((weir_batch_size(batch) < 8192) == (k == 0));
        for (size_t shift = 1; shift < 9; shift++) {
            held bytes = hold(weir_batch_bytes(batch), weir_batch_size(batch), shift);
            assert_int_equal(weir_batch_open(schema, bytes.bytes, bytes.size, release_held, &bytes,
                                             &opened, NULL),
                             0);
            bool copied = weir_batch_bytes(opened) != bytes.bytes;
            assert_int_equal(copied, k == 0 && shift % 8 != 0);
            weir_record_reader *a = NULL, *b = NULL;
            assert_int_equal(weir_record_reader_new(schema, &a), 0);
            assert_int_equal(weir_record_reader_new(schema, &b), 0);
            weir_record_reader_set(a, weir_batch_columns(batch));
            weir_record_reader_set(b, weir_batch_columns(opened));
            for (uint32_t i = 0; i < rows[k]; i++) {
                const void *x = weir_record_reader_get(a, i), *y = weir_record_reader_get(b, i);
                assert_record_equal(schema, x, y);
            }
            weir_builder *builder = builder_of(schema);
            uint32_t selection[] = {4, 1, 1, 0};
            assert_int_equal(weir_builder_append_columns(builder, weir_batch_columns(opened), NULL,
                                                         rows[k], NULL),
                             0);
            assert_int_equal(weir_builder_append_columns(builder, weir_batch_columns(opened),
                                                         selection, 4, NULL),
                             0);
            weir_builder_destroy(&builder);
            weir_record_reader_destroy(&a);
            weir_record_reader_destroy(&b);
            weir_batch_unref(&opened);
            assert_int_equal(bytes.released, 1);
        }
        weir_batch_unref(&batch);
    }
    weir_schema_unref(&schema);
}

static int open_copy(weir_schema *schema, const uint8_t *bytes, size_t size, weir_error *err)
{
    held copy = hold(bytes, size, 0);
    weir_batch *opened = NULL;
    int result = weir_batch_open(schema, copy.bytes, size, release_held, &copy, &opened, err);
    if (result != 0) {
        assert_null(opened);
        assert_int_equal(copy.released, 0);
        weir_free(copy.memory);
    }
    weir_batch_unref(&opened);
    return result;
}

static int open_changed(weir_schema *schema, const weir_batch *batch, size_t at, uint32_t value)
{
    size_t size = weir_batch_size(batch);
    uint8_t *copy = weir_alloc(size);
    memcpy(copy, weir_batch_bytes(batch), size);
    memcpy(copy + at, &value, sizeof value);
    weir_error err = WEIR_ERROR_INIT;
    int result = open_copy(schema, copy, size, &err);
    if (result != 0)
        assert_true(err.code == result && strncmp(err.text, "batch: ", 7) == 0);
    weir_free(copy);
    return result;
}

static void test_open_refuses(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(pair)), *other = schema_of(WEIR_TYPE(word));
    weir_batch *batch = random_batch(schema, 1, 40, true);
    const uint8_t *bytes = weir_batch_bytes(batch);
    size_t size = weir_batch_size(batch);
    assert_int_equal(open_copy(schema, bytes, size, NULL), 0);
    assert_int_equal(open_copy(other, bytes, size, NULL), WEIR_EINVALID);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(open_copy(schema, bytes, cut, NULL), WEIR_ECORRUPT);
    uint32_t n_values, n_validity, s_offsets, nulls;
    memcpy(&n_validity, bytes + 64, 4);
    memcpy(&n_values, bytes + 68, 4);
    memcpy(&nulls, bytes + 80, 4);
    memcpy(&s_offsets, bytes + 64 + 24 + 8, 4);
    assert_true(nulls > 0);
    assert_int_equal(open_changed(schema, batch, 0, 0x12345678), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 4, 2 | 3 << 16), WEIR_EVERSION);
    assert_int_equal(open_changed(schema, batch, 4, 1 | 7 << 16), WEIR_ECORRUPT); /* flag */
    assert_int_equal(open_changed(schema, batch, 4, 1 | 2 << 16), WEIR_ECORRUPT); /* no times */
    assert_int_equal(open_changed(schema, batch, 8, 0), WEIR_EINVALID);
    assert_int_equal(open_changed(schema, batch, 16, 41), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 16, UINT32_MAX), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 20, 3), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 24, (uint32_t)size - 8), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 32, 1), WEIR_ECORRUPT); /* least time */
    assert_int_equal(open_changed(schema, batch, 40, 1), WEIR_ECORRUPT); /* greatest time */
    assert_int_equal(open_changed(schema, batch, 60, 1), WEIR_ECORRUPT); /* rest */
    assert_int_equal(open_changed(schema, batch, 64, 0), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 64, n_validity + 1), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 64, 64), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 68, 0), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 68, 64), WEIR_ECORRUPT); /* the directory */
    assert_int_equal(open_changed(schema, batch, 68, n_values + 4), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 68, (uint32_t)size - 8), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 68, 0xfffffff8), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 72, n_values), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 76, 39), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 80, nulls - 1), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 80, 0), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 84, 8), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 104, 1), WEIR_ECORRUPT); /* s is not null */
    assert_int_equal(open_changed(schema, batch, s_offsets, 1), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, s_offsets + 20, UINT32_MAX), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, s_offsets + 160, UINT32_MAX), WEIR_ECORRUPT);
    assert_int_equal(open_changed(schema, batch, 112 + 320, 4), WEIR_ECORRUPT); /* row kind */
    /* NULLs, well described, in a column that has none. */
    uint8_t *copy = weir_alloc(size);
    memcpy(copy, bytes, size);
    memcpy(copy + 88, &n_validity, 4);
    memcpy(copy + 104, &nulls, 4);
    assert_int_equal(open_copy(schema, copy, size, NULL), WEIR_ECORRUPT);
    weir_free(copy);
    weir_batch_unref(&batch);
    weir_schema_unref(&schema);
    weir_schema_unref(&other);
}

/* ---- garbled bytes ---- */

/* Everything that reads a batch, on one that was accepted. */
static void use_batch(weir_batch *batch, weir_builder *builder, weir_record_reader *reader,
                      weir_key_codec *codec)
{
    const weir_columns *columns = weir_batch_columns(batch);
    uint32_t rows = columns->rows;
    (void)walk_batch(batch);
    weir_record_reader_set(reader, columns);
    for (uint32_t i = 0; i < rows; i++) {
        const void *record = weir_record_reader_get(reader, i);
        assert_non_null(record);
        assert_record_equal(weir_batch_schema(batch), record, record);
    }
    uint32_t selection[64];
    for (uint32_t i = 0; rows > 0 && i < 64; i++)
        selection[i] = i * 7 % rows;
    assert_int_equal(weir_builder_append_columns(builder, columns, NULL, rows, NULL), 0);
    if (rows > 0)
        assert_int_equal(weir_builder_append_columns(builder, columns, selection, 64, NULL), 0);
    weir_batch *again = NULL;
    assert_int_equal(weir_builder_finish(builder, &again), 0);
    (void)walk_batch(again);
    weir_batch_unref(&again);
    weir_keys keys;
    assert_int_equal(weir_key_codec_encode(codec, columns, &keys), 0);
    (void)sum_bytes(keys.bytes, keys.offsets[rows]);
}

static void garble(uint64_t *state, uint8_t *bytes, size_t *size)
{
    static const uint32_t values[] = {0,  1,  2,  3,          4,          7,    8,   16,
                                      24, 40, 64, 0x7fffffff, 0x80000000, 1000, 255, UINT32_MAX};
    uint32_t edits = 1 + below(state, 3);
    for (uint32_t i = 0; i < edits; i++) {
        size_t limit = below(state, 2) ? *size : (*size < 1000 ? *size : 1000);
        size_t at = below(state, (uint32_t)limit);
        uint32_t value = values[below(state, WEIR_COUNT(values))], old;
        switch (below(state, 5)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << below(state, 8));
            break;
        case 1:
            at = at / 4 * 4;
            if (at + 4 <= *size)
                memcpy(bytes + at, &value, 4);
            break;
        case 2: /* a little more or less, or another place of the block */
            at = at / 4 * 4;
            if (at + 4 > *size)
                break;
            memcpy(&old, bytes + at, 4);
            value = below(state, 2) ? old + 8 * below(state, 9) - 32
                                    : below(state, (uint32_t)*size) / 8 * 8;
            memcpy(bytes + at, &value, 4);
            break;
        case 3:
            bytes[at] = (uint8_t)next_random(state);
            break;
        default: /* cut, with a header that agrees */
            if (below(state, 4) == 0 && *size > 100) {
                uint64_t cut = *size = 72 + below(state, (uint32_t)*size - 72);
                memcpy(bytes + 24, &cut, sizeof cut);
            }
        }
    }
}

static void hammer(const weir_type *type, uint32_t rounds, uint32_t rows, uint64_t seed)
{
    weir_schema *schema = schema_of(type);
    weir_builder *builder = builder_of(schema);
    weir_record_reader *reader = NULL;
    weir_key_codec *codec = NULL;
    static const uint32_t keys[] = {1, 0};
    assert_int_equal(weir_record_reader_new(schema, &reader), 0);
    assert_int_equal(weir_key_codec_new(schema, keys, 2, &codec, NULL), 0);
    uint64_t state = seed;
    uint32_t accepted = 0;
    weir_batch *batch = random_batch(schema, seed, rows, true);
    for (uint32_t round = 0; round < rounds; round++) {
        size_t size = weir_batch_size(batch);
        uint8_t *copy = weir_alloc(size);
        memcpy(copy, weir_batch_bytes(batch), size);
        garble(&state, copy, &size);
        held bytes = hold(copy, size, below(&state, 4) == 0 ? 4 : 0);
        weir_free(copy);
        weir_batch *opened = NULL;
        if (weir_batch_open(schema, bytes.bytes, size, release_held, &bytes, &opened, NULL) == 0) {
            accepted++;
            use_batch(opened, builder, reader, codec);
            weir_batch_unref(&opened);
            assert_int_equal(bytes.released, 1);
        } else {
            weir_free(bytes.memory);
        }
    }
    assert_true(accepted > 0 && accepted < rounds);
    weir_batch_unref(&batch);
    weir_key_codec_destroy(&codec);
    weir_record_reader_destroy(&reader);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
}

static void test_garbled(void **state)
{
    (void)state;
    hammer(WEIR_TYPE(pair), 20000, 20, 1);
    for (uint64_t seed = 2; seed < 8; seed++)
        hammer(WEIR_TYPE(every), 1500, (uint32_t)seed * 3, seed);
}

static void test_noise(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(every));
    uint64_t random = 4;
    for (uint32_t round = 0; round < 3000; round++) {
        uint8_t bytes[2000];
        size_t size = below(&random, sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)next_random(&random);
        uint64_t fingerprint = weir_schema_fingerprint(schema), whole = size;
        static const uint8_t start[] = {'W', 'B', 'A', 'T', 1, 0};
        memcpy(bytes, start, sizeof start);
        bytes[6] = (uint8_t)below(&random, 4);
        bytes[7] = 0;
        memcpy(bytes + 8, &fingerprint, 8);
        memcpy(bytes + 24, &whole, 8);
        assert_int_equal(open_copy(schema, bytes, size, NULL), WEIR_ECORRUPT);
    }
    weir_schema_unref(&schema);
}

static void test_open_memory_ends(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(pair));
    weir_batch *batch = random_batch(schema, 1, 4, true), *opened = NULL;
    held bytes = hold(weir_batch_bytes(batch), weir_batch_size(batch), 1);
    weir_memory_fail_at(1);
    assert_int_equal(
        weir_batch_open(schema, bytes.bytes, bytes.size, release_held, &bytes, &opened, NULL),
        WEIR_ENO_MEMORY);
    weir_memory_fail_at(0);
    assert_int_equal(bytes.released, 0);
    weir_free(bytes.memory);
    weir_batch_unref(&batch);
    weir_schema_unref(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_bytes),     cmocka_unit_test(test_open_keeps_and_releases),
        cmocka_unit_test(test_open_unaligned),   cmocka_unit_test(test_open_refuses),
        cmocka_unit_test(test_garbled),          cmocka_unit_test(test_noise),
        cmocka_unit_test(test_open_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
