/* The block of a batch as it comes from a peer. One that is accepted is read completely, by every
 * way that reads batches, and copied by a builder to an equal one.
 *
 *   u8 schema, u8 place in memory, u8 what of the block to make right, the block */
#include "fuzz_columns.h"

#include "base/memory.h"
#include "batch/arrow.h"
#include "batch/builder.h"
#include "batch/partition.h"

#include <string.h>

enum {
    RIGHT_HEADER = 1, /* magic, version, fingerprint, size, columns */
    RIGHT_TIMES = 2,
    RIGHT_NULLS = 4,
    LARGE = 8, /* more than what is copied when it lies at an odd address */
    HEADER_SIZE = 64,
    ENTRY_SIZE = 24,
    LARGE_SIZE = 9000
};

/* ---- making it likely to be accepted ---- */

static void store32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static void store64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

static uint32_t load32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void right_header(uint8_t *block, size_t size, const weir_schema *schema)
{
    memcpy(block, "WBAT\1\0", 6);
    block[6] &= 3;
    block[7] = 0;
    store64(block + 8, weir_schema_fingerprint(schema));
    store32(block + 20, weir_schema_count(schema));
    store64(block + 24, size);
    memset(block + 48, 0, 16);
}

static uint32_t count_fields(const weir_schema_field *fields, uint32_t count)
{
    uint32_t all = count;
    for (uint32_t i = 0; i < count; i++)
        all += count_fields(fields[i].children, fields[i].nchildren);
    return all;
}

static void right_times(uint8_t *block, size_t size, uint32_t nodes)
{
    uint32_t rows = load32(block + 16);
    size_t at = HEADER_SIZE + (size_t)nodes * ENTRY_SIZE;
    int64_t min = INT64_MAX, max = INT64_MIN;

    if ((block[6] & 1) == 0) {
        memset(block + 32, 0, 16);
        return;
    }
    for (uint32_t i = 0; i < rows && at + 8 * (i + 1ul) <= size; i++) {
        int64_t time;
        memcpy(&time, block + at + 8 * (size_t)i, sizeof time);
        min = time != INT64_MIN && time < min ? time : min;
        max = time > max ? time : max;
    }
    memcpy(block + 32, &min, sizeof min);
    memcpy(block + 40, &max, sizeof max);
}

static void right_nulls(uint8_t *block, size_t size, uint32_t nodes)
{
    for (uint32_t i = 0; i < nodes && HEADER_SIZE + (i + 1ul) * ENTRY_SIZE <= size; i++) {
        uint8_t *entry = block + HEADER_SIZE + (size_t)i * ENTRY_SIZE;
        uint32_t validity = load32(entry), rows = load32(entry + 12), nulls = 0;

        if (validity == 0 || validity >= size || rows / 8 >= size - validity)
            continue;
        for (uint32_t row = 0; row < rows; row++)
            nulls += !((block[validity + row / 8] >> (row % 8)) & 1);
        store32(entry + 16, nulls);
    }
}

/* ---- what is done with an accepted one ---- */

static void read_arrow(const struct ArrowSchema *schema, const struct ArrowArray *array)
{
    FUZZ_CHECK(schema->format != NULL && schema->name != NULL && schema->release != NULL);
    FUZZ_CHECK(array->release != NULL && array->offset == 0);
    FUZZ_CHECK(schema->n_children == array->n_children);
    FUZZ_CHECK(array->null_count <= array->length);
    for (int64_t i = 0; i < array->n_children; i++)
        read_arrow(schema->children[i], array->children[i]);
}

static void export(const weir_schema *schema, weir_batch *batch)
{
    struct ArrowSchema arrow_schema;
    struct ArrowArray array, moved = {0};

    FUZZ_OK(weir_arrow_export_schema(schema, &arrow_schema));
    FUZZ_OK(weir_arrow_export_batch(batch, &array));
    read_arrow(&arrow_schema, &array);
    if (array.n_children > 0) { /* a consumer may keep a child and give the rest back */
        moved = *array.children[0];
        array.children[0]->release = NULL;
    }
    array.release(&array);
    arrow_schema.release(&arrow_schema);
    if (moved.release != NULL)
        moved.release(&moved);
}

static uint32_t keys_of(const weir_schema *schema, uint32_t *ret, uint32_t max)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < weir_schema_count(schema) && count < max; i++) {
        if (weir_schema_at(schema, i)->kind < WEIR_KIND_array)
            ret[count++] = i;
    }
    return count;
}

static void check_keys(weir_schema *schema, const weir_columns *columns)
{
    uint32_t fields[4], count = keys_of(schema, fields, WEIR_COUNT(fields));
    weir_key_codec *codec = NULL;
    weir_partitioner *partitioner = NULL;
    weir_keys keys;

    if (count == 0)
        return;
    uint64_t *hashes = weir_calloc(columns->rows + 1ul, sizeof *hashes);
    uint16_t *targets = weir_calloc(columns->rows + 1ul, sizeof *targets);
    FUZZ_CHECK(hashes != NULL && targets != NULL);
    FUZZ_OK(weir_key_codec_new(schema, fields, count, &codec, NULL));
    FUZZ_OK(weir_key_codec_hash(codec, columns, hashes));
    FUZZ_OK(weir_key_codec_encode(codec, columns, &keys));
    FUZZ_CHECK(keys.rows == columns->rows);
    for (uint32_t i = 0; i < keys.rows; i++)
        FUZZ_CHECK(keys.hashes[i] == hashes[i] &&
                   hashes[i] == weir_key_hash(keys.bytes + keys.offsets[i],
                                              keys.offsets[i + 1] - keys.offsets[i]));
    weir_key_codec_destroy(&codec);
    FUZZ_OK(weir_partitioner_new(schema, fields, count, 3, 128, &partitioner, NULL));
    FUZZ_OK(weir_partitioner_targets(partitioner, columns, targets));
    for (uint32_t i = 0; i < columns->rows; i++)
        FUZZ_CHECK(targets[i] == weir_key_group_subtask(weir_key_group(hashes[i], 128), 3, 128));
    weir_partitioner_destroy(&partitioner);
    weir_free(hashes);
    weir_free(targets);
}

/* A batch of the listed rows (NULL: all), through a builder. */
static weir_batch *copy_of(weir_schema *schema, const weir_columns *columns,
                           const uint32_t *selection, uint32_t count)
{
    weir_builder *builder = NULL;
    weir_batch *copy = NULL;

    FUZZ_OK(weir_builder_new(schema, 100, 1u << 16, &builder));
    FUZZ_OK(weir_builder_append_columns(builder, columns, selection, count, NULL));
    fuzz_read_columns(schema, weir_builder_view(builder));
    FUZZ_OK(weir_builder_finish(builder, &copy));
    weir_builder_destroy(&builder);
    return copy;
}

static void check_copy(weir_schema *schema, const weir_columns *columns, const weir_buffer *json)
{
    weir_batch *copy = copy_of(schema, columns, NULL, columns->rows), *opened = NULL;
    weir_error err = WEIR_ERROR_INIT;
    weir_buffer again = WEIR_BUFFER_INIT;
    void *bytes = fuzz_copy(weir_batch_bytes(copy), weir_batch_size(copy));

    FUZZ_OK(weir_batch_open(schema, bytes, weir_batch_size(copy), NULL, NULL, &opened, &err));
    fuzz_read_columns(schema, weir_batch_columns(opened));
    fuzz_write_columns(schema, weir_batch_columns(opened), &again);
    FUZZ_CHECK(fuzz_same(json, &again));
    weir_batch *second = copy_of(schema, weir_batch_columns(opened), NULL, columns->rows);
    FUZZ_CHECK(weir_batch_size(second) == weir_batch_size(copy));
    FUZZ_CHECK(memcmp(weir_batch_bytes(second), bytes, weir_batch_size(copy)) == 0);
    weir_batch_unref(&second);
    weir_batch_unref(&opened);
    weir_batch_unref(&copy);
    weir_free(bytes);
    weir_buffer_deinit(&again);
}

static void check_selection(weir_schema *schema, const weir_columns *columns)
{
    uint32_t *backwards = weir_calloc(columns->rows + 1ul, sizeof *backwards);
    FUZZ_CHECK(backwards != NULL);
    for (uint32_t i = 0; i < columns->rows; i++)
        backwards[i] = columns->rows - 1 - i;
    weir_batch *turned = copy_of(schema, columns, backwards, columns->rows);
    weir_batch *back = copy_of(schema, weir_batch_columns(turned), backwards, columns->rows);
    weir_batch *plain = copy_of(schema, columns, NULL, columns->rows);
    FUZZ_CHECK(weir_batch_size(back) == weir_batch_size(plain));
    FUZZ_CHECK(memcmp(weir_batch_bytes(back), weir_batch_bytes(plain), weir_batch_size(back)) == 0);
    weir_batch_unref(&turned);
    weir_batch_unref(&back);
    weir_batch_unref(&plain);
    weir_free(backwards);
}

static void check_accepted(weir_schema *schema, weir_batch *batch, size_t size)
{
    const weir_columns *columns = weir_batch_columns(batch);
    weir_buffer json = WEIR_BUFFER_INIT;

    FUZZ_CHECK(weir_batch_size(batch) == size && weir_batch_rows(batch) == columns->rows);
    fuzz_read_columns(schema, columns);
    if (columns->rows <= 1000) { /* a column of empty rows costs no bytes */
        fuzz_write_columns(schema, columns, &json);
        export(schema, batch);
        check_keys(schema, columns);
        if (weir_schema_record_size(schema) > 0)
            fuzz_read_records(schema, columns);
        check_copy(schema, columns, &json);
        check_selection(schema, columns);
    }
    weir_buffer_deinit(&json);
}

static void count_release(void *bytes, void *hint)
{
    (void)bytes;
    ++*(int *)hint;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    weir_schema *schema = fuzz_schema(fuzz_below(&input, FUZZ_SCHEMAS));
    uint32_t place = fuzz_below(&input, 8), right = fuzz_u8(&input), nodes;
    size_t given, length;
    const uint8_t *from = fuzz_rest(&input, &given);
    weir_batch *batch = NULL;
    weir_error err = WEIR_ERROR_INIT;
    int released = 0;

    length = (right & LARGE) != 0 ? LARGE_SIZE : given;
    given = given < length ? given : length;
    uint8_t *memory = weir_calloc(1, length + place); /* its end is the block's */
    FUZZ_CHECK(memory != NULL);
    uint8_t *block = memory + place;
    memcpy(block, from, given);
    nodes = count_fields(weir_schema_fields(schema), weir_schema_count(schema));
    if ((right & RIGHT_HEADER) != 0 && length >= HEADER_SIZE) {
        right_header(block, length, schema);
        if ((right & RIGHT_TIMES) != 0)
            right_times(block, length, nodes);
        if ((right & RIGHT_NULLS) != 0)
            right_nulls(block, length, nodes);
    }
    int rc = weir_batch_open(schema, block, length, count_release, &released, &batch, &err);
    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        FUZZ_CHECK(rc == WEIR_ECORRUPT || rc == WEIR_EVERSION || rc == WEIR_EINVALID);
        FUZZ_CHECK(released == 0);
    } else {
        check_accepted(schema, batch, length);
        weir_batch_unref(&batch);
        FUZZ_CHECK(released == 1);
    }
    weir_free(memory);
    return 0;
}
