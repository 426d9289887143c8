/* Record descriptors as a job hands them over, with any numbers. One that is accepted describes
 * records that can be read without leaving them: a record of its size goes through a builder and
 * back.
 *
 *   a type: u8 oddity, u16 record size, u8 fields; each field: u8 kind, u8 flags, u16 offset, u8
 *   precision, u8 scale, u8 element, u8 key, if flagged a type; then bytes for the values */
#include "fuzz_columns.h"

#include "base/arena.h"
#include "base/memory.h"
#include "batch/builder.h"
#include "batch/record_reader.h"

#include <string.h>

enum { DEPTH_MAX = 10, FIELDS_MAX = 20, ITEMS_MAX = 3, NULLABLE = 1, HAS_ROW = 2, ALIGNED = 4 };

typedef struct making {
    fuzz_input input;
    weir_arena *arena;
} making;

static void *room(making *m, size_t size)
{
    void *block = weir_arena_alloc(m->arena, size + 1);
    FUZZ_CHECK(block != NULL);
    return block;
}

/* ---- the descriptor ---- */

static uint32_t flagged(uint8_t kind, bool nullable)
{
    return kind % 26 | (nullable ? (uint32_t)WEIR_NULLABLE : 0u);
}

static const weir_type *make_type(making *m, unsigned depth)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "", NULL};
    weir_type *type = room(m, sizeof *type);
    uint8_t odd = fuzz_u8(&m->input);
    uint32_t size = fuzz_u16(&m->input), count = fuzz_below(&m->input, FIELDS_MAX);
    size_t stride = sizeof(weir_field) + (odd == 1 ? 16 : 0);
    uint8_t *fields = room(m, stride * count);

    for (uint32_t i = 0; i < count; i++) {
        weir_field *field = (weir_field *)(void *)(fields + i * stride);
        uint8_t kind = fuzz_u8(&m->input), flags = fuzz_u8(&m->input);
        char *name = room(m, 8);

        memcpy(name, "field_", 6);
        name[6] = (char)('a' + i);
        field->name = (flags & 0xF0) != 0xF0 ? name : names[i % WEIR_COUNT(names)];
        field->kind = flagged(kind, (flags & NULLABLE) != 0);
        field->offset = fuzz_u16(&m->input);
        if ((flags & ALIGNED) != 0)
            field->offset = field->offset / 16 * 16;
        field->precision = fuzz_u8(&m->input);
        field->scale = fuzz_u8(&m->input);
        field->element = flagged(fuzz_u8(&m->input), (flags & 8) != 0);
        field->key = flagged(fuzz_u8(&m->input), false);
        if ((flags & HAS_ROW) != 0 && depth < DEPTH_MAX)
            field->row = make_type(m, depth + 1);
    }
    *type = (weir_type){.size = odd == 2 ? fuzz_u8(&m->input) : sizeof *type,
                        /* one that lies about a greater size cannot be found out */
                        .field_size =
                            odd == 3 ? (uint32_t)(fuzz_u8(&m->input) % stride) : (uint32_t)stride,
                        .name = odd == 4 ? NULL : "record",
                        .record_size = odd == 5 ? fuzz_u32(&m->input) : size,
                        .nfields = count,
                        .fields = odd == 6 ? NULL : (const weir_field *)(void *)fields};
    return type;
}

/* ---- a record of it ---- */

static uint32_t c_size(const weir_schema_field *field)
{
    uint32_t width = weir_kind_width(field->kind);
    if (field->kind == WEIR_KIND_boolean)
        return 1;
    if (field->kind == WEIR_KIND_row)
        return field->record_size;
    if (field->kind == WEIR_KIND_array)
        return sizeof(weir_array);
    if (field->kind == WEIR_KIND_map)
        return sizeof(weir_map_view);
    return width > 0 ? width : (uint32_t)sizeof(weir_string);
}

/* Fields that lie over each other, or where C would not put them, are a job's own affair. */
static bool is_sane(const weir_schema_field *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const weir_schema_field *a = &fields[i];
        for (uint32_t k = 0; k < i; k++) {
            const weir_schema_field *b = &fields[k];
            if (a->offset < b->offset + c_size(b) + b->nullable &&
                b->offset < a->offset + c_size(a) + a->nullable)
                return false;
        }
        bool is_list = a->kind == WEIR_KIND_array || a->kind == WEIR_KIND_map;
        for (uint32_t k = 0; is_list && k < a->nchildren; k++) {
            const weir_schema_field *item = &a->children[k];
            if (item->kind == WEIR_KIND_row && !is_sane(item->children, item->nchildren))
                return false;
        }
        if (a->kind == WEIR_KIND_row && !is_sane(a->children, a->nchildren))
            return false;
    }
    return true;
}

static void fill_field(making *m, const weir_schema_field *field, uint8_t *to);

static const void *fill_items(making *m, const weir_schema_field *item, uint32_t count)
{
    uint8_t *items = room(m, (size_t)count * item->record_size);
    for (uint32_t i = 0; i < count; i++)
        fill_field(m, item, items + (size_t)i * item->record_size);
    return items;
}

static void fill_value(making *m, const weir_schema_field *field, uint8_t *to)
{
    uint64_t words[2] = {0, 0};
    size_t size = 0;

    if (weir_kind_is_variable(field->kind)) {
        const uint8_t *bytes = fuzz_bytes(&m->input, &size);
        char *copy = room(m, size);
        memcpy(copy, bytes, size);
        weir_string text = {.p = copy, .n = (uint32_t)size};
        memcpy(to, &text, sizeof text);
    } else if (field->kind == WEIR_KIND_array) {
        weir_array array = {.n = fuzz_below(&m->input, ITEMS_MAX + 1)};
        array.items = fill_items(m, &field->children[0], array.n);
        memcpy(to, &array, sizeof array);
    } else if (field->kind == WEIR_KIND_map) {
        weir_map_view map = {.n = fuzz_below(&m->input, ITEMS_MAX + 1)};
        map.keys = fill_items(m, &field->children[0], map.n);
        map.values = fill_items(m, &field->children[1], map.n);
        memcpy(to, &map, sizeof map);
    } else if (field->kind == WEIR_KIND_row) {
        for (uint32_t i = 0; i < field->nchildren; i++)
            fill_field(m, &field->children[i], to + field->children[i].offset);
    } else if (field->kind == WEIR_KIND_boolean) {
        *to = fuzz_u8(&m->input) & 1;
    } else {
        words[0] = fuzz_u64(&m->input);
        words[1] = field->kind == WEIR_KIND_decimal && (words[0] & 1) != 0 ? UINT64_MAX : 0;
        memcpy(to, words, c_size(field));
    }
}

static void fill_field(making *m, const weir_schema_field *field, uint8_t *to)
{
    if (field->nullable) {
        to[c_size(field)] = fuzz_u8(&m->input) % 4 == 0;
        if (to[c_size(field)])
            return;
    }
    fill_value(m, field, to);
}

/* ---- through a batch and back ---- */

static int append(weir_schema *schema, const void *record, weir_batch **ret)
{
    weir_builder *builder = NULL;
    FUZZ_OK(weir_builder_new(schema, 10, 1u << 20, &builder));
    int rc = weir_builder_append_record(builder, record, 17, WEIR_UPDATE_AFTER);
    if (rc == 0)
        FUZZ_OK(weir_builder_finish(builder, ret));
    weir_builder_destroy(&builder);
    return rc;
}

static void check_accepted(making *m, weir_schema *schema)
{
    uint32_t size = weir_schema_record_size(schema);
    weir_batch *first = NULL, *second = NULL;
    weir_record_reader *reader = NULL;
    const weir_schema_field *fields = weir_schema_fields(schema);

    FUZZ_CHECK(size > 0);
    if (!is_sane(fields, weir_schema_count(schema)))
        return;
    uint8_t *record = weir_calloc(1, size); /* of its own, so that its end is seen */
    FUZZ_CHECK(record != NULL);
    for (uint32_t i = 0; i < weir_schema_count(schema); i++)
        fill_field(m, &fields[i], record + fields[i].offset);
    int rc = append(schema, record, &first);
    if (rc == 0) {
        fuzz_read_columns(schema, weir_batch_columns(first));
        fuzz_read_records(schema, weir_batch_columns(first));
        FUZZ_OK(weir_record_reader_new(schema, &reader));
        weir_record_reader_set(reader, weir_batch_columns(first));
        FUZZ_OK(append(schema, weir_record_reader_get(reader, 0), &second));
        FUZZ_CHECK(weir_batch_size(first) == weir_batch_size(second));
        FUZZ_CHECK(
            memcmp(weir_batch_bytes(first), weir_batch_bytes(second), weir_batch_size(first)) == 0);
        weir_record_reader_destroy(&reader);
        weir_batch_unref(&first);
        weir_batch_unref(&second);
    } else {
        FUZZ_CHECK(rc == WEIR_EINVALID); /* a text over its length, or no decimal of its type */
    }
    weir_free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    making m = {.input = {data, size}, .arena = weir_arena_new(0)};
    weir_schema *schema = NULL;
    weir_error err = WEIR_ERROR_INIT;

    FUZZ_CHECK(m.arena != NULL);
    int rc = weir_schema_from_type(make_type(&m, 1), &schema, &err);
    if (rc != 0)
        fuzz_check_failure(rc, &err);
    else
        check_accepted(&m, schema);
    weir_schema_unref(&schema);
    weir_arena_destroy(&m.arena);
    return 0;
}
