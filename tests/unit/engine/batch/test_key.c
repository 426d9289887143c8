#include "batch/key.h"
#include "batch/key_hash.h"
#include "batch_fixture.h"

#include <math.h>

/* ---- short hashes ---- */

static void test_short_hash_is_xxh3(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t round = 0; round < 20000; round++) {
        uint8_t bytes[16] = {0};
        uint32_t size = 4 + below(&random, 13);
        for (uint32_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)next_random(&random);
        uint64_t low, high;
        memcpy(&low, bytes, 8);
        memcpy(&high, bytes + 8, 8);
        assert_true(weir__hash_short(low, high, size) == weir_key_hash(bytes, size));
    }
}

/* ---- golden values: they decide where state lies, and never change ---- */

WEIR_RECORD(golden, (boolean, b), (tinyint, t), (smallint, s), (integer, i), (bigint, l),
            (float, f), (double, d), (decimal, m, WEIR_PRECISION(38, 0)), (char, c, WEIR_LENGTH(5)),
            (string, text), (bytes, raw), (date, day), (timestamp, at), (nullable_bigint, none));

static const golden golden_record = {.b = true,
                                     .t = -2,
                                     .s = 258,
                                     .i = -1,
                                     .l = 42,
                                     .f = -1.5f,
                                     .d = -0.0,
                                     .m = {.low = 7, .high = 0},
                                     .c = {"ab", 2},
                                     .text = {"weir", 4},
                                     .raw = {"a\0b", 3},
                                     .day = 19000,
                                     .at = 1700000000000,
                                     .none = {0, true}};

typedef struct golden_key {
    uint32_t field;
    uint32_t size;
    uint8_t bytes[24];
} golden_key;

static const golden_key golden_keys[] = {
    {0, 2, {1, 1}},
    {1, 2, {1, 0x7e}},
    {2, 3, {1, 0x81, 0x02}},
    {3, 5, {1, 0x7f, 0xff, 0xff, 0xff}},
    {4, 9, {1, 0x80, 0, 0, 0, 0, 0, 0, 42}},
    {5, 5, {1, 0x40, 0x3f, 0xff, 0xff}},
    {6, 9, {1, 0x80, 0, 0, 0, 0, 0, 0, 0}},
    {7, 17, {1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}},
    {8, 5, {1, 'a', 'b', 0, 0}},
    {9, 7, {1, 'w', 'e', 'i', 'r', 0, 0}},
    {10, 7, {1, 'a', 0, 0xff, 'b', 0, 0}},
    {11, 5, {1, 0x80, 0, 0x4a, 0x38}},
    {12, 9, {1, 0x80, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0}},
    {13, 1, {0}},
};

static weir_batch *batch_of(weir_schema *schema, const void *records, size_t stride, uint32_t count)
{
    weir_builder *builder = NULL;
    weir_batch *batch = NULL;
    assert_int_equal(weir_builder_new(schema, 64, 1u << 20, &builder), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(
            weir_builder_append_record(builder, (const char *)records + i * stride, INT64_MIN, 0),
            0);
    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    weir_builder_destroy(&builder);
    return batch;
}

static weir_key_codec *codec_of(weir_schema *schema, const uint32_t *fields, uint32_t count)
{
    weir_key_codec *codec = NULL;
    weir_error err = WEIR_ERROR_INIT;
    if (weir_key_codec_new(schema, fields, count, &codec, &err) != 0)
        fail_msg("%s", err.text);
    return codec;
}

static void test_golden_encoding(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(golden));
    weir_batch *batch = batch_of(schema, &golden_record, sizeof golden_record, 1);
    for (uint32_t i = 0; i < WEIR_COUNT(golden_keys); i++) {
        weir_key_codec *codec = codec_of(schema, &golden_keys[i].field, 1);
        weir_keys keys;
        assert_int_equal(weir_key_codec_encode(codec, weir_batch_columns(batch), &keys), 0);
        assert_int_equal(keys.rows, 1);
        assert_int_equal(keys.offsets[0], 0);
        assert_int_equal(keys.offsets[1], golden_keys[i].size);
        assert_memory_equal(keys.bytes, golden_keys[i].bytes, golden_keys[i].size);
        assert_int_equal(keys.has_null, i == 13);
        assert_true(keys.hashes[0] == weir_key_hash(keys.bytes, keys.offsets[1]));
        weir_key_codec_destroy(&codec);
    }
    weir_batch_unref(&batch);
    weir_schema_unref(&schema);
}

static void test_golden_groups(void **state)
{
    (void)state;
    assert_true(weir_key_hash(NULL, 0) == UINT64_C(0x2d06800538d394c2)); /* XXH3's own */
    assert_true(weir_key_hash(golden_keys[9].bytes, 7) == UINT64_C(0x61a2bf4aade57b51));
    assert_true(weir_key_hash(golden_keys[4].bytes, 9) == UINT64_C(0x5bf76a388e4adf0a));
    assert_int_equal(weir_key_group(UINT64_C(0x61a2bf4aade57b51), 128), 81);
    assert_int_equal(weir_key_group(UINT64_C(0x5bf76a388e4adf0a), 128), 10);
    assert_int_equal(weir_key_group(UINT64_MAX, 1000), UINT64_MAX % 1000);
    assert_int_equal(weir_key_group_subtask(0, 3, 128), 0);
    assert_int_equal(weir_key_group_subtask(42, 3, 128), 0);
    assert_int_equal(weir_key_group_subtask(43, 3, 128), 1);
    assert_int_equal(weir_key_group_subtask(127, 3, 128), 2);
    assert_int_equal(weir_key_group_subtask(32767, 32768, 32768), 32767);
    static const uint32_t defaults[][2] = {{1, 128},       {85, 128},      {86, 256},
                                           {100, 256},     {171, 256},     {172, 512},
                                           {20000, 32768}, {40000, 32768}, {UINT32_MAX, 32768}};
    for (uint32_t i = 0; i < WEIR_COUNT(defaults); i++)
        assert_int_equal(weir_max_parallelism_default(defaults[i][0]), defaults[i][1]);
}

/* ---- order ---- */

static int compare_keys(const weir_keys *keys, uint32_t a, uint32_t b)
{
    uint32_t na = keys->offsets[a + 1] - keys->offsets[a],
             nb = keys->offsets[b + 1] - keys->offsets[b];
    int order =
        memcmp(keys->bytes + keys->offsets[a], keys->bytes + keys->offsets[b], na < nb ? na : nb);
    return order != 0 ? (order > 0) - (order < 0) : (na > nb) - (na < nb);
}

#define ORDER(x, y) (((x) > (y)) - ((x) < (y)))

static int compare_texts(weir_string a, weir_string b)
{
    int order = a.n > 0 && b.n > 0 ? memcmp(a.p, b.p, a.n < b.n ? a.n : b.n) : 0;
    return order != 0 ? ORDER(order, 0) : ORDER(a.n, b.n);
}

static int compare_doubles(double a, double b)
{
    if (isnan(a) || isnan(b))
        return ORDER(isnan(a) != 0, isnan(b) != 0);
    return ORDER(a, b);
}

WEIR_RECORD(ordered, (nullable_bigint, l), (string, s), (double, d), (float, f), (tinyint, t),
            (smallint, h), (integer, i), (boolean, b), (decimal, m, WEIR_PRECISION(38, 0)),
            (char, c, WEIR_LENGTH(3)));

static int compare_decimals(weir_decimal a, weir_decimal b)
{
    return a.high != b.high ? ORDER(a.high, b.high) : ORDER(a.low, b.low);
}

static int compare_field(uint32_t field, const ordered *a, const ordered *b)
{
    switch (field) {
    case 0:
        if (a->l.is_null || b->l.is_null)
            return ORDER(!a->l.is_null, !b->l.is_null);
        return ORDER(a->l.value, b->l.value);
    case 1:
        return compare_texts(a->s, b->s);
    case 2:
        return compare_doubles(a->d, b->d);
    case 3:
        return compare_doubles(a->f, b->f);
    case 4:
        return ORDER(a->t, b->t);
    case 5:
        return ORDER(a->h, b->h);
    case 6:
        return ORDER(a->i, b->i);
    case 7:
        return ORDER(a->b, b->b);
    case 8:
        return compare_decimals(a->m, b->m);
    default:
        return compare_texts(a->c, b->c);
    }
}

static ordered random_ordered(uint64_t *random)
{
    static const double doubles[] = {0.0,  -0.0,   1.0,     -1.0,     1e300,     -1e300, NAN,
                                     -NAN, 5e-324, -5e-324, INFINITY, -INFINITY, 1.5,    -1.5};
    static const char *const texts[] = {"",
                                        "\0",
                                        "\0\0",
                                        "a",
                                        "a\0",
                                        "a\0b",
                                        "ab",
                                        "b",
                                        "\xff",
                                        "\xff\xff",
                                        "a\xff",
                                        "\0\xff",
                                        "abcdefghijklmnopqrst"};
    static const uint8_t sizes[] = {0, 1, 2, 1, 2, 3, 2, 1, 1, 2, 2, 2, 20};
    static const char *const chars[] = {"", "a", "ab", "b", "abc", "aa"};
    static const int64_t longs[] = {0, 1, -1, INT64_MAX, INT64_MIN, 255, 256, -256};
    uint32_t text = below(random, WEIR_COUNT(texts)), c = below(random, WEIR_COUNT(chars));
    int64_t l = below(random, 2) ? longs[below(random, 8)] : (int64_t)next_random(random);
    int64_t small = (int64_t)below(random, 5) - 2;
    return (ordered){.l = {l, below(random, 4) == 0},
                     .s = {texts[text], sizes[text]},
                     .d = doubles[below(random, WEIR_COUNT(doubles))],
                     .f = (float)doubles[below(random, WEIR_COUNT(doubles))],
                     .t = (int8_t)l,
                     .h = (int16_t)l,
                     .i = (int32_t)l,
                     .b = l & 1,
                     .m = {.low = (uint64_t)small * (1u + below(random, 3)),
                           .high = small < 0 ? -1 : (int64_t)below(random, 3)},
                     .c = {chars[c], (uint32_t)strlen(chars[c])}};
}

/* The order of encoded keys is the order of the values, field by field. */
static void test_order(void **state)
{
    (void)state;
    enum { ROWS = 90 };
    static const uint32_t sets[][3] = {{0, 1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {4, 5, 6},
                                       {5, 6, 7}, {6, 7, 8}, {7, 8, 9}, {8, 9, 0}, {9, 0, 1}};
    weir_schema *schema = schema_of(WEIR_TYPE(ordered));
    uint64_t random = 17;
    for (uint32_t round = 0; round < 12; round++) {
        ordered records[ROWS];
        for (uint32_t i = 0; i < ROWS; i++)
            records[i] = random_ordered(&random);
        weir_batch *batch = batch_of(schema, records, sizeof *records, ROWS);
        for (uint32_t set = 0; set < WEIR_COUNT(sets); set++) {
            uint32_t count = 1 + round % 3;
            weir_key_codec *codec = codec_of(schema, sets[set], count);
            weir_keys keys;
            assert_int_equal(weir_key_codec_encode(codec, weir_batch_columns(batch), &keys), 0);
            for (uint32_t a = 0; a < ROWS; a++) {
                for (uint32_t b = 0; b < ROWS; b++) {
                    int order = 0;
                    for (uint32_t k = 0; order == 0 && k < count; k++)
                        order = compare_field(sets[set][k], &records[a], &records[b]);
                    if (compare_keys(&keys, a, b) != order)
                        fail_msg("set %u: rows %u and %u: %d, not %d", set, a, b,
                                 compare_keys(&keys, a, b), order);
                    if (order == 0)
                        assert_true(keys.hashes[a] == keys.hashes[b]);
                }
            }
            weir_key_codec_destroy(&codec);
        }
        weir_batch_unref(&batch);
    }
    weir_schema_unref(&schema);
}

/* ---- hash alone ---- */

static void assert_hashes_match(weir_schema *schema, const weir_batch *batch,
                                const uint32_t *fields, uint32_t count)
{
    weir_key_codec *codec = codec_of(schema, fields, count);
    uint32_t rows = weir_batch_rows(batch);
    uint64_t *hashes = weir_calloc(rows + 1, sizeof *hashes);
    assert_int_equal(weir_key_codec_hash(codec, weir_batch_columns(batch), hashes), 0);
    weir_keys keys;
    assert_int_equal(weir_key_codec_encode(codec, weir_batch_columns(batch), &keys), 0);
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t hash =
            weir_key_hash(keys.bytes + keys.offsets[i], keys.offsets[i + 1] - keys.offsets[i]);
        assert_true(keys.hashes[i] == hash);
        assert_true(hashes[i] == hash);
    }
    weir_free(hashes);
    weir_key_codec_destroy(&codec);
}

static void test_hash_is_hash_of_encoding(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(ordered));
    static ordered records[1500];
    static char letters[300];
    memset(letters, 'x', sizeof letters);
    uint64_t random = 23;
    static const uint32_t rows[] = {0, 1, 511, 512, 513, 1500};
    for (uint32_t round = 0; round < 2 * WEIR_COUNT(rows); round++) {
        for (uint32_t i = 0; i < 1500; i++) {
            records[i] = random_ordered(&random);
            if (round >= WEIR_COUNT(rows)) { /* no zero bytes, no NULLs: the short ways */
                records[i].s = (weir_string){letters, below(&random, i % 9 == 0 ? 300 : 20)};
                records[i].l.is_null = false;
            }
        }
        weir_batch *batch =
            batch_of(schema, records, sizeof *records, rows[round % WEIR_COUNT(rows)]);
        for (uint32_t field = 0; field < 10; field++) {
            uint32_t two[] = {field, (field + 1) % 10};
            assert_hashes_match(schema, batch, two, 1);
            assert_hashes_match(schema, batch, two, 2);
        }
        weir_batch_unref(&batch);
    }
    weir_schema_unref(&schema);
}

/* ---- decoding ---- */

static void test_decode_puts_back(void **state)
{
    (void)state;
    enum { ROWS = 200 };
    weir_schema *schema = schema_of(WEIR_TYPE(ordered));
    static const uint32_t fields[] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    weir_key_codec *codec = codec_of(schema, fields, 10);
    ordered records[ROWS];
    uint64_t random = 5;
    static char zeros[1000];
    for (uint32_t i = 0; i < ROWS; i++)
        records[i] = random_ordered(&random);
    records[7].s = (weir_string){zeros, sizeof zeros};
    weir_batch *batch = batch_of(schema, records, sizeof *records, ROWS);
    weir_builder *builder = NULL;
    assert_int_equal(weir_builder_new(schema, 64, 1u << 20, &builder), 0);
    weir_keys keys;
    assert_int_equal(weir_key_codec_encode(codec, weir_batch_columns(batch), &keys), 0);
    weir_error err = WEIR_ERROR_INIT;
    for (uint32_t i = 0; i < ROWS; i++) {
        const uint8_t *key = keys.bytes + keys.offsets[i];
        uint32_t size = keys.offsets[i + 1] - keys.offsets[i];
        /* No part of a key is a key, nor is a key with more behind it. */
        for (uint32_t cut = 0; cut < size && i < 20; cut++) {
            uint8_t *exact = weir_alloc(cut + 1u);
            memcpy(exact, key, cut);
            assert_int_equal(weir_key_codec_decode(codec, exact, cut, builder, fields, &err),
                             WEIR_ECORRUPT);
            weir_free(exact);
        }
        assert_int_equal(weir_key_codec_decode(codec, key, size, builder, fields, &err), 0);
        assert_int_equal(weir_builder_end_row(builder, INT64_MIN, 0), 0);
    }
    weir_batch *again = NULL;
    assert_int_equal(weir_builder_finish(builder, &again), 0);
    weir_record_reader *reader = NULL;
    assert_int_equal(weir_record_reader_new(schema, &reader), 0);
    weir_record_reader_set(reader, weir_batch_columns(again));
    for (uint32_t i = 0; i < ROWS; i++) {
        const ordered *record = weir_record_reader_get(reader, i);
        for (uint32_t field = 0; field < 9; field++)
            assert_int_equal(compare_field(field, &records[i], record), 0);
        assert_int_equal(record->c.n, 3);
    }
    weir_record_reader_destroy(&reader);
    weir_batch_unref(&again);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_key_codec_destroy(&codec);
    weir_schema_unref(&schema);
}

static void test_decode_refuses(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(ordered));
    static const uint32_t text[] = {1}, number[] = {6}, flag[] = {7}, into_text[] = {1},
                          into_number[] = {6};
    weir_key_codec *texts = codec_of(schema, text, 1), *numbers = codec_of(schema, number, 1),
                   *flags = codec_of(schema, flag, 1);
    weir_builder *builder = NULL;
    assert_int_equal(weir_builder_new(schema, 64, 1u << 20, &builder), 0);
    weir_error err = WEIR_ERROR_INIT;
    static const uint8_t ok[] = {1, 0x80, 0, 0, 5}, marker[] = {2, 0x80, 0, 0, 5},
                         more[] = {1, 0x80, 0, 0, 5, 0}, null[] = {0}, escape[] = {1, 'a', 0, 1},
                         flag_2[] = {1, 2};
    assert_int_equal(weir_key_codec_decode(numbers, ok, 5, builder, into_number, &err), 0);
    assert_int_equal(weir_key_codec_decode(numbers, marker, 5, builder, into_number, &err),
                     WEIR_ECORRUPT);
    assert_int_equal(weir_key_codec_decode(numbers, more, 6, builder, into_number, &err),
                     WEIR_ECORRUPT);
    assert_int_equal(weir_key_codec_decode(numbers, null, 1, builder, into_number, &err),
                     WEIR_EINVALID); /* not nullable */
    assert_int_equal(weir_key_codec_decode(numbers, ok, 5, builder, into_text, &err),
                     WEIR_EINVALID);
    assert_int_equal(weir_key_codec_decode(texts, escape, 4, builder, into_text, NULL),
                     WEIR_ECORRUPT);
    assert_int_equal(weir_key_codec_decode(flags, flag_2, 2, builder, flag, &err), WEIR_ECORRUPT);
    uint64_t random = 3;
    for (uint32_t round = 0; round < 5000; round++) {
        uint32_t size = below(&random, 12);
        uint8_t *key = weir_alloc(size + (size == 0));
        for (uint32_t i = 0; i < size; i++)
            key[i] = (uint8_t)below(&random, below(&random, 2) ? 2 : 256);
        (void)!weir_key_codec_decode(texts, key, size, builder, into_text, &err);
        (void)!weir_key_codec_decode(numbers, key, size, builder, into_number, &err);
        weir_free(key);
    }
    weir_builder_destroy(&builder);
    weir_key_codec_destroy(&texts);
    weir_key_codec_destroy(&numbers);
    weir_key_codec_destroy(&flags);
    weir_schema_unref(&schema);
}

static void test_new_and_misuse(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(every)), *other = schema_of(WEIR_TYPE(word));
    weir_key_codec *codec = NULL;
    weir_error err = WEIR_ERROR_INIT;
    static const uint32_t array[] = {26}, map[] = {31}, row[] = {33}, far[] = {34}, one[] = {4};
    const uint32_t *bad[] = {array, map, row, far};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(weir_key_codec_new(schema, bad[i], 1, &codec, &err), WEIR_EINVALID);
        assert_true(strncmp(err.text, "key: ", 5) == 0);
    }
    assert_int_equal(weir_key_codec_new(schema, one, 0, &codec, &err), WEIR_EINVALID);
    assert_null(codec);
    codec = codec_of(schema, one, 1);
    weir_batch *batch = batch_of(other, &(word){{"x", 1}}, sizeof(word), 1);
    weir_keys keys;
    uint64_t hash;
    assert_int_equal(weir_key_codec_encode(codec, weir_batch_columns(batch), &keys), WEIR_EINVALID);
    assert_int_equal(weir_key_codec_hash(codec, weir_batch_columns(batch), &hash), WEIR_EINVALID);
    weir_key_codec_destroy(&codec);
    weir_key_codec_destroy(&codec);
    weir_key_codec_destroy(NULL);
    int result = WEIR_ENO_MEMORY;
    static const uint32_t first[] = {0};
    for (uint64_t nth = 1; result != 0; nth++) {
        weir_memory_fail_at(nth);
        result = weir_key_codec_new(other, first, 1, &codec, &err);
        if (result == 0)
            result = weir_key_codec_encode(codec, weir_batch_columns(batch), &keys);
        weir_memory_fail_at(0);
        assert_true(result == 0 || result == WEIR_ENO_MEMORY);
        weir_key_codec_destroy(&codec);
    }
    weir_batch_unref(&batch);
    weir_schema_unref(&schema);
    weir_schema_unref(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_hash_is_xxh3),
        cmocka_unit_test(test_golden_encoding),
        cmocka_unit_test(test_golden_groups),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_hash_is_hash_of_encoding),
        cmocka_unit_test(test_decode_puts_back),
        cmocka_unit_test(test_decode_refuses),
        cmocka_unit_test(test_new_and_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
