#include "batch/record_reader.h"

#include "base/memory.h"
#include "batch/bytes.h"
#include "batch/schema_build.h"

/* Scratch is aligned for any C value. */
#define SCRATCH_ALIGNMENT 8u

/* Records that are read at once: they stay in the first-level cache with what is read from them. */
#define BLOCK_ROWS 64u
#define BLOCK_SIZE 8192u

/* How a column gets into the record; compiled once. */
typedef enum read_op {
    READ_1,
    READ_2,
    READ_4,
    READ_8,
    READ_16,
    READ_BOOLEAN,
    READ_BYTES,
    READ_ARRAY,
    READ_MAP,
    READ_ROW
} read_op;

typedef struct step {
    uint8_t op; /* read_op */
    bool nullable;
    bool in_place; /* items of an array: the C layout is the batch's layout */
    uint32_t width;
    uint32_t offset; /* in the struct around it */
    uint32_t c_size; /* is_null follows it */
    uint32_t stride; /* in a C array */
    uint32_t nsteps;
    struct step *steps; /* of the children */
} step;

struct weir_record_reader {
    const weir_column *columns;
    step *steps;
    uint32_t nsteps;
    bool has_lists; /* needs scratch */
    uint8_t *records;
    uint32_t record_size, records_max;
    weir_schema *schema;
    uint8_t *scratch;
    size_t scratch_size, scratch_used;
};

static uint8_t op_of(const weir_schema_field *field)
{
    if (weir_kind_is_variable(field->kind))
        return READ_BYTES;
    switch (field->kind) {
    case WEIR_KIND_boolean:
        return READ_BOOLEAN;
    case WEIR_KIND_array:
        return READ_ARRAY;
    case WEIR_KIND_map:
        return READ_MAP;
    case WEIR_KIND_row:
        return READ_ROW;
    default:
        break;
    }
    switch (weir_kind_width(field->kind)) {
    case 1:
        return READ_1;
    case 2:
        return READ_2;
    case 4:
        return READ_4;
    case 8:
        return READ_8;
    default:
        return READ_16;
    }
}

static void steps_destroy(step *steps, uint32_t count)
{
    for (uint32_t i = 0; steps != NULL && i < count; i++)
        steps_destroy(steps[i].steps, steps[i].nsteps);
    weir_free(steps);
}

static int compile(weir_record_reader *self, const weir_schema_field *fields, uint32_t count,
                   step **ret)
{
    *ret = NULL;
    if (count == 0)
        return 0;
    step *steps = weir_calloc(count, sizeof *steps);
    if (steps == NULL)
        return WEIR_ENO_MEMORY;
    *ret = steps;
    for (uint32_t i = 0; i < count; i++) {
        const weir_schema_field *field = &fields[i];
        steps[i] = (step){.op = op_of(field),
                          .nullable = field->nullable,
                          .width = weir_kind_width(field->kind),
                          .offset = field->offset,
                          .stride = weir__field_stride(field),
                          .nsteps = field->nchildren};
        steps[i].c_size =
            field->kind == WEIR_KIND_row ? field->record_size : weir__kind_c_size(field->kind);
        steps[i].in_place = steps[i].op <= READ_16 && !field->nullable;
        self->has_lists |= steps[i].op == READ_ARRAY || steps[i].op == READ_MAP;
        int result = compile(self, field->children, field->nchildren, &steps[i].steps);
        if (result != 0)
            return result;
    }
    return 0;
}

int weir_record_reader_new(weir_schema *schema, weir_record_reader **ret)
{
    uint32_t size = weir_schema_record_size(schema);
    if (size == 0)
        return WEIR_EINVALID;
    weir_record_reader *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        return WEIR_ENO_MEMORY;
    self->schema = weir_schema_ref(schema);
    self->nsteps = weir_schema_count(schema);
    self->record_size = size;
    int result = compile(self, weir_schema_fields(schema), self->nsteps, &self->steps);
    /* What a list points to lies in the scratch, which holds one row's. */
    self->records_max = self->has_lists || size > BLOCK_SIZE ? 1 : BLOCK_SIZE / size;
    self->records_max = self->records_max < BLOCK_ROWS ? self->records_max : BLOCK_ROWS;
    self->records = weir_calloc(self->records_max, size);
    if (result == 0 && self->records == NULL)
        result = WEIR_ENO_MEMORY;
    if (result != 0) {
        weir_record_reader_destroy(&self);
        return result;
    }
    *ret = self;
    return 0;
}

void weir_record_reader_destroy(weir_record_reader **reader)
{
    if (reader == NULL || *reader == NULL)
        return;
    weir_record_reader *self = *reader;
    *reader = NULL;
    steps_destroy(self->steps, self->nsteps);
    weir_free(self->records);
    weir_free(self->scratch);
    weir_schema_unref(&self->schema);
    weir_free(self);
}

void weir_record_reader_set(weir_record_reader *reader, const weir_columns *columns)
{
    reader->columns = columns->columns;
}

uint32_t weir_record_reader_size(const weir_record_reader *reader)
{
    return reader->record_size;
}

/* ---- scratch ---- */

/* Items that the record can point to where they lie. */
static bool items_in_place(const step *item, const weir_column *column)
{
    return item->in_place && (uintptr_t)column->values % SCRATCH_ALIGNMENT == 0;
}

static size_t list_size(const step *self, const weir_column *column, uint32_t row);

/* What rows [first, last) of an item column take in scratch, themselves and what they point to. */
static size_t items_size(const step *item, const weir_column *column, uint32_t first, uint32_t last)
{
    if (items_in_place(item, column))
        return 0;
    size_t size = (size_t)weir__align((uint64_t)(last - first) * item->stride, SCRATCH_ALIGNMENT);
    for (uint32_t i = first; item->op >= READ_ARRAY && i < last; i++)
        size += list_size(item, column, i);
    return size;
}

static size_t list_size(const step *self, const weir_column *column, uint32_t row)
{
    size_t size = 0;
    if (self->op == READ_ROW) {
        for (uint32_t i = 0; i < self->nsteps; i++)
            size += list_size(&self->steps[i], &column->children[i], row);
    } else if (self->op >= READ_ARRAY) {
        uint32_t first = weir__load_u32(column->offsets, row);
        uint32_t last = weir__load_u32(column->offsets, (size_t)row + 1);
        for (uint32_t i = 0; i < self->nsteps; i++)
            size += items_size(&self->steps[i], &column->children[i], first, last);
    }
    return size;
}

/* All that the row will point to is measured first: the scratch must not move while it fills. */
static int reserve_scratch(weir_record_reader *self, uint32_t row)
{
    size_t size = 0;
    for (uint32_t i = 0; i < self->nsteps; i++)
        size += list_size(&self->steps[i], &self->columns[i], row);
    self->scratch_used = 0;
    if (size <= self->scratch_size)
        return 0;
    size = size < self->scratch_size * 2 ? self->scratch_size * 2 : size;
    uint8_t *grown = weir_alloc(size);
    if (grown == NULL)
        return WEIR_ENO_MEMORY;
    weir_free(self->scratch);
    self->scratch = grown;
    self->scratch_size = size;
    return 0;
}

/* ---- values ---- */

static void read_field(weir_record_reader *self, const step *field, const weir_column *column,
                       uint32_t row, uint8_t *to);

static const void *read_items(weir_record_reader *self, const step *item, const weir_column *column,
                              uint32_t first, uint32_t count)
{
    if (items_in_place(item, column))
        return (const uint8_t *)column->values + (size_t)first * item->width;
    uint8_t *items = self->scratch != NULL ? self->scratch + self->scratch_used : NULL;
    size_t size = (size_t)weir__align((uint64_t)count * item->stride, SCRATCH_ALIGNMENT);
    self->scratch_used += size;
    if (size > 0)
        memset(items, 0, size);
    for (uint32_t i = 0; i < count; i++)
        read_field(self, item, column, first + i, items + (size_t)i * item->stride);
    return items;
}

static inline void read_bytes(const weir_column *column, uint32_t row, uint8_t *to)
{
    uint32_t start = weir__load_u32(column->offsets, row);
    weir_string text = {.p = (const char *)column->values + start,
                        .n = weir__load_u32(column->offsets, (size_t)row + 1) - start};
    memcpy(to, &text, sizeof text);
}

static void read_list(weir_record_reader *self, const step *field, const weir_column *column,
                      uint32_t row, uint8_t *to)
{
    uint32_t first = weir__load_u32(column->offsets, row);
    uint32_t count = weir__load_u32(column->offsets, (size_t)row + 1) - first;
    const void *items = read_items(self, &field->steps[0], &column->children[0], first, count);
    if (field->op == READ_ARRAY) {
        weir_array array = {.items = items, .n = count};
        memcpy(to, &array, sizeof array);
        return;
    }
    weir_map_view map = {.keys = items, .n = count};
    map.values = read_items(self, &field->steps[1], &column->children[1], first, count);
    memcpy(to, &map, sizeof map);
}

static inline void read_value(weir_record_reader *self, const step *field,
                              const weir_column *column, uint32_t row, uint8_t *to)
{
    const uint8_t *values = column->values;
    switch ((read_op)field->op) {
    case READ_1:
        *to = values[row];
        break;
    case READ_2:
        memcpy(to, values + (size_t)row * 2, 2);
        break;
    case READ_4:
        memcpy(to, values + (size_t)row * 4, 4);
        break;
    case READ_8:
        memcpy(to, values + (size_t)row * 8, 8);
        break;
    case READ_16:
        memcpy(to, values + (size_t)row * 16, 16);
        break;
    case READ_BOOLEAN:
        *to = weir__bit(values, row);
        break;
    case READ_BYTES:
        read_bytes(column, row, to);
        break;
    case READ_ARRAY:
    case READ_MAP:
        read_list(self, field, column, row, to);
        break;
    case READ_ROW:
        for (uint32_t i = 0; i < field->nsteps; i++)
            read_field(self, &field->steps[i], &column->children[i], row,
                       to + field->steps[i].offset);
        break;
    }
}

static void read_field(weir_record_reader *self, const step *field, const weir_column *column,
                       uint32_t row, uint8_t *to)
{
    if (field->nullable) {
        bool is_null = weir_column_is_null(column, row);
        to[field->c_size] = is_null;
        if (is_null) {
            memset(to, 0, field->c_size);
            return;
        }
    }
    read_value(self, field, column, row, to);
}

/* ---- rows ---- */

#define READ_LOOP(width)                                                                           \
    for (uint32_t i = 0; i < count; i++)                                                           \
    memcpy(to + (size_t)i * stride, values + ((size_t)first + i) * (width), (width))

static void read_texts(const weir_column *column, uint32_t first, uint32_t count, uint8_t *to,
                       size_t stride)
{
    const char *values = column->values;
    uint32_t start = weir__load_u32(column->offsets, first);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t end = weir__load_u32(column->offsets, (size_t)first + i + 1), size = end - start;
        const char *text = values + start;
        memcpy(to + i * stride + offsetof(weir_string, p), &text, sizeof text);
        memcpy(to + i * stride + offsetof(weir_string, n), &size, sizeof size);
        start = end;
    }
}

/* A column of records that lie `stride` apart; `to` is the first one's member. */
static void read_column(weir_record_reader *self, const step *field, const weir_column *column,
                        uint32_t first, uint32_t count, uint8_t *to)
{
    const uint8_t *values = column->values;
    size_t stride = self->record_size;
    switch (field->nullable ? READ_ROW : (read_op)field->op) {
    case READ_1:
        READ_LOOP(1);
        break;
    case READ_2:
        READ_LOOP(2);
        break;
    case READ_4:
        READ_LOOP(4);
        break;
    case READ_8:
        READ_LOOP(8);
        break;
    case READ_16:
        READ_LOOP(16);
        break;
    case READ_BYTES:
        read_texts(column, first, count, to, stride);
        break;
    default:
        for (uint32_t i = 0; i < count; i++)
            read_field(self, field, column, first + i, to + i * stride);
        break;
    }
}

const void *weir_record_reader_rows(weir_record_reader *reader, uint32_t first, uint32_t count,
                                    uint32_t *ret_count)
{
    weir_record_reader *self = reader;
    *ret_count = count = count < self->records_max ? count : self->records_max;
    if (self->has_lists && reserve_scratch(self, first) != 0)
        return NULL;
    for (uint32_t i = 0; i < self->nsteps; i++)
        read_column(self, &self->steps[i], &self->columns[i], first, count,
                    self->records + self->steps[i].offset);
    return self->records;
}

const void *weir_record_reader_get(weir_record_reader *reader, uint32_t row)
{
    uint32_t count;
    return weir_record_reader_rows(reader, row, 1, &count);
}
