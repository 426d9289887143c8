/* Encoded keys: bytes that decode are encoded again to a key that decodes to the same fields.
 *
 *   u8 which fields, the key */
#include "fuzz_columns.h"

#include "base/memory.h"
#include "batch/key.h"

#include <string.h>

enum { FIELDS_MAX = 4 };

/* The columns of the schemas of fuzz_columns.c; the second, of every kind. */
static const struct {
    uint32_t schema, count, fields[FIELDS_MAX];
} choices[] = {
    {0, 2, {0, 1}},         {1, 2, {1, 0}},           {2, 4, {0, 1, 2, 3}}, {2, 4, {4, 5, 6, 7}},
    {2, 4, {8, 9, 10, 11}}, {2, 4, {12, 13, 14, 15}}, {4, 1, {0}},
};

/* Decodes into the one row of a batch. NULL: it is no key. */
static weir_batch *decode(weir_schema *schema, const weir_key_codec *codec, const uint8_t *key,
                          size_t size, const uint32_t *into)
{
    weir_builder *builder = NULL;
    weir_batch *batch = NULL;
    weir_error err = WEIR_ERROR_INIT;

    FUZZ_OK(weir_builder_new(schema, 10, 1u << 16, &builder));
    int rc = weir_key_codec_decode(codec, key, size, builder, into, &err);
    if (rc == 0) {
        FUZZ_OK(weir_builder_end_row(builder, INT64_MIN, WEIR_INSERT));
        FUZZ_OK(weir_builder_finish(builder, &batch));
        fuzz_read_columns(schema, weir_batch_columns(batch));
    } else {
        fuzz_check_failure(rc, &err);
    }
    weir_builder_destroy(&builder);
    return batch;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    uint32_t which = fuzz_below(&input, WEIR_COUNT(choices)), count = choices[which].count;
    weir_schema *all = fuzz_schema(choices[which].schema), *schema = NULL;
    weir_schema_field fields[FIELDS_MAX];
    static const uint32_t into[FIELDS_MAX] = {0, 1, 2, 3};
    weir_key_codec *codec = NULL;
    weir_keys keys;
    size_t length;
    const uint8_t *rest = fuzz_rest(&input, &length);
    uint8_t *key = fuzz_copy(rest, length);

    for (uint32_t i = 0; i < count; i++) /* a schema of the keys alone */
        fields[i] = *weir_schema_at(all, choices[which].fields[i]);
    FUZZ_OK(weir_schema_new("key", fields, count, &schema, NULL));
    FUZZ_OK(weir_key_codec_new(schema, into, count, &codec, NULL));
    weir_batch *first = decode(schema, codec, key, length, into);
    if (first != NULL) {
        FUZZ_OK(weir_key_codec_encode(codec, weir_batch_columns(first), &keys));
        weir_batch *second = decode(schema, codec, keys.bytes, keys.offsets[1], into);
        FUZZ_CHECK(second != NULL);
        uint8_t *kept = fuzz_copy(keys.bytes, keys.offsets[1]);
        uint32_t kept_size = keys.offsets[1];
        FUZZ_OK(weir_key_codec_encode(codec, weir_batch_columns(second), &keys));
        FUZZ_CHECK(keys.offsets[1] == kept_size && memcmp(keys.bytes, kept, kept_size) == 0);
        weir_free(kept);
        weir_batch_unref(&second);
    }
    weir_batch_unref(&first);
    weir_key_codec_destroy(&codec);
    weir_schema_unref(&schema);
    weir_free(key);
    return 0;
}
