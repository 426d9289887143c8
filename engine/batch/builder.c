#include "batch/builder.h"

#include "base/memory.h"
#include "batch/builder_state.h"
#include "batch/schema_build.h"

#include <assert.h>

#define ROWS_FIRST 256u /* room at first: an idle stream's builder stays small */

/* ---- room ---- */

static void update_limits(weir_builder *self)
{
    uint64_t fits = (WEIR_BATCH_SIZE_MAX - self->overhead) * 8 / weir__builder_row_bits(self);
    self->rows_capacity = fits < self->memory_rows ? (uint32_t)fits : self->memory_rows;
    self->variable_limit = (int64_t)WEIR_BATCH_SIZE_MAX -
                           (int64_t)weir__builder_size_bound(self, self->rows_capacity, 0);
}

static void set_program_values(weir_builder *self)
{
    weir__fixed_step *step = self->fixed;
    for (uint32_t width = 8; width >= 4; width /= 2) {
        for (uint32_t i = 0; i < self->ncolumns; i++) {
            const weir__column_builder *column = &self->columns[i];
            if (!column->nullable && column->width == width && column->op <= WEIR__OP_FIXED_8)
                *step++ = (weir__fixed_step){.values = column->values, .offset = column->offset};
        }
    }
}

int weir__builder_reserve_rows(weir_builder *self, uint64_t rows)
{
    if (rows <= self->rows_capacity)
        return 0;
    if (weir__builder_size_bound(self, rows, self->variable_bytes) > WEIR_BATCH_SIZE_MAX)
        return WEIR_ETOO_LARGE;
    uint64_t capacity = (uint64_t)self->memory_rows * 2;
    if (capacity > self->rows_max && self->memory_rows < self->rows_max)
        capacity = self->rows_max;
    if (capacity > WEIR_BATCH_SIZE_MAX)
        capacity = WEIR_BATCH_SIZE_MAX;
    if (capacity < rows)
        capacity = rows;
    for (uint32_t i = 0; i < self->ncolumns; i++) {
        int result = weir__column_builder_reserve(&self->columns[i], capacity);
        set_program_values(self);
        if (result != 0)
            return result;
    }
    if (self->times_memory != NULL) {
        int64_t *grown = weir_realloc(self->times_memory, capacity * sizeof *grown);
        if (grown == NULL)
            return WEIR_ENO_MEMORY;
        self->times_memory = grown;
        self->times = self->times != NULL ? grown : NULL;
    }
    if (self->kinds_memory != NULL) {
        uint8_t *grown = weir_realloc(self->kinds_memory, capacity);
        if (grown == NULL)
            return WEIR_ENO_MEMORY;
        self->kinds_memory = grown;
        self->kinds = self->kinds != NULL ? grown : NULL;
    }
    self->memory_rows = (uint32_t)capacity;
    update_limits(self);
    return 0;
}

/* From now on rows of this batch have an event time; those before have none. */
static int start_times(weir_builder *self)
{
    if (self->times_memory == NULL)
        self->times_memory = weir_alloc(self->memory_rows * sizeof *self->times_memory);
    if (self->times_memory == NULL)
        return WEIR_ENO_MEMORY;
    self->times = self->times_memory;
    for (uint32_t i = 0; i < self->rows; i++)
        self->times[i] = INT64_MIN;
    update_limits(self);
    return 0;
}

static int start_kinds(weir_builder *self)
{
    if (self->kinds_memory == NULL)
        self->kinds_memory = weir_alloc(self->memory_rows);
    if (self->kinds_memory == NULL)
        return WEIR_ENO_MEMORY;
    self->kinds = self->kinds_memory;
    memset(self->kinds, WEIR_INSERT, self->rows);
    update_limits(self);
    return 0;
}

int weir__builder_start_marks(weir_builder *self, bool times, bool kinds)
{
    bool had_times = self->times != NULL, had_kinds = self->kinds != NULL;
    int result = times && !had_times ? start_times(self) : 0;
    if (result == 0 && kinds && !had_kinds)
        result = start_kinds(self);
    if (result == 0 &&
        weir__builder_size_bound(self, self->rows, self->variable_bytes) > WEIR_BATCH_SIZE_MAX)
        result = WEIR_ETOO_LARGE;
    if (result != 0) {
        self->times = had_times ? self->times : NULL;
        self->kinds = had_kinds ? self->kinds : NULL;
        update_limits(self);
    }
    return result;
}

/* ---- life ---- */

static int compile(weir_builder *self)
{
    self->fixed = weir_calloc(self->ncolumns, sizeof *self->fixed);
    self->others = weir_calloc(self->ncolumns, sizeof(weir__column_builder *));
    if (self->fixed == NULL || self->others == NULL)
        return WEIR_ENO_MEMORY;
    for (uint32_t i = 0; i < self->ncolumns; i++) {
        weir__column_builder *column = &self->columns[i];
        bool plain = !column->nullable && column->op <= WEIR__OP_FIXED_8;
        if (plain && column->width == 8)
            self->nfixed8++;
        else if (plain && column->width == 4)
            self->nfixed4++;
        else if (!column->nullable && column->op == WEIR__OP_BYTES)
            self->others[self->nstrings++] = column;
    }
    for (uint32_t i = 0; i < self->ncolumns; i++) {
        weir__column_builder *column = &self->columns[i];
        bool fixed = column->op == WEIR__OP_FIXED_8 || column->op == WEIR__OP_FIXED_4;
        if (column->nullable || (!fixed && column->op != WEIR__OP_BYTES))
            self->others[self->nstrings + self->nothers++] = column;
    }
    const weir__column_builder *first = &self->columns[0];
    self->is_one_string = self->ncolumns == 1 && first->op == WEIR__OP_BYTES && !first->nullable;
    return 0;
}

static int init(weir_builder *self, weir_schema *schema)
{
    self->ncolumns = weir_schema_count(schema);
    self->nodes = weir__schema_nodes(schema);
    self->columns = weir_calloc(self->ncolumns, sizeof *self->columns);
    self->directory = weir_calloc(self->nodes, sizeof *self->directory);
    self->views = weir_calloc(self->nodes, sizeof *self->views);
    if (self->columns == NULL || self->directory == NULL || self->views == NULL)
        return WEIR_ENO_MEMORY;
    for (uint32_t i = 0; i < self->ncolumns; i++) {
        int result = weir__column_builder_init(&self->columns[i], weir_schema_at(schema, i));
        if (result != 0)
            return result;
        self->row_bits += self->columns[i].row_bits;
    }
    /* Three buffers at most per column, each padded, and one offset more than rows. */
    self->overhead = weir__batch_times_at(self->nodes) + WEIR__BATCH_FIRST +
                     (uint64_t)self->nodes * (3 * WEIR__BATCH_ALIGNMENT + 4);
    int result = compile(self);
    return result != 0 ? result
                       : weir__builder_reserve_rows(
                             self, self->rows_max < ROWS_FIRST ? self->rows_max : ROWS_FIRST);
}

int weir_builder_new(weir_schema *schema, uint32_t rows_max, uint32_t bytes_max, weir_builder **ret)
{
    weir_builder *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        return WEIR_ENO_MEMORY;
    self->schema = weir_schema_ref(schema);
    self->rows_max = rows_max > 0 ? rows_max : 1;
    self->bytes_max = bytes_max;
    self->serial = 1;
    int result = init(self, schema);
    if (result != 0)
        weir_builder_destroy(&self);
    else
        *ret = self;
    return result;
}

void weir_builder_destroy(weir_builder **builder)
{
    if (builder == NULL || *builder == NULL)
        return;
    weir_builder *self = *builder;
    *builder = NULL;
    for (uint32_t i = 0; self->columns != NULL && i < self->ncolumns; i++)
        weir__column_builder_deinit(&self->columns[i]);
    weir_free(self->columns);
    weir_free(self->fixed);
    weir_free(self->others);
    weir_free(self->directory);
    weir_free(self->views);
    weir_free(self->times_memory);
    weir_free(self->kinds_memory);
    weir_schema_unref(&self->schema);
    weir_free(self);
}

void weir_builder_clear(weir_builder *builder)
{
    builder->rows = 0;
    builder->variable_bytes = 0;
    builder->times = NULL;
    builder->kinds = NULL;
    builder->put_bytes = 0;
    builder->put_rows = 0;
    builder->serial++;
    update_limits(builder);
}

uint32_t weir_builder_rows(const weir_builder *builder)
{
    return builder->rows;
}

uint32_t weir_builder_rows_left(const weir_builder *builder)
{
    return builder->rows < builder->rows_max ? builder->rows_max - builder->rows : 0;
}

size_t weir_builder_bytes(const weir_builder *builder)
{
    return weir__builder_size_bound(builder, builder->rows, builder->variable_bytes);
}

bool weir_builder_is_full(const weir_builder *builder)
{
    return builder->rows >= builder->rows_max ||
           (builder->rows > 0 && weir_builder_bytes(builder) >= builder->bytes_max);
}

/* ---- rows ---- */

/* Whatever must be done before a row can be written without a question. */
static __attribute__((noinline, cold)) int prepare_row(weir_builder *self, int64_t timestamp,
                                                       uint8_t row_kind)
{
    if (row_kind > WEIR_DELETE)
        return WEIR_EINVALID;
    int result = weir__builder_start_marks(self, timestamp != INT64_MIN, row_kind != WEIR_INSERT);
    return result == 0 ? weir__builder_reserve_rows(self, (uint64_t)self->rows + 1) : result;
}

static inline bool needs_preparation(const weir_builder *self, int64_t timestamp, uint8_t row_kind)
{
    return self->rows >= self->rows_capacity || (timestamp != INT64_MIN && self->times == NULL) ||
           (row_kind != WEIR_INSERT && (self->kinds == NULL || row_kind > WEIR_DELETE));
}

/* The row is written: it counts, if it fits. */
static inline int commit_row(weir_builder *self, uint64_t bytes, int64_t timestamp,
                             uint8_t row_kind)
{
    uint32_t row = self->rows;
    uint64_t variable_bytes = self->variable_bytes + bytes;
    if (WEIR_UNLIKELY((int64_t)variable_bytes > self->variable_limit) &&
        weir__builder_size_bound(self, (uint64_t)row + 1, variable_bytes) > WEIR_BATCH_SIZE_MAX)
        return WEIR_ETOO_LARGE;
    if (self->times != NULL)
        self->times[row] = timestamp;
    if (self->kinds != NULL)
        self->kinds[row] = row_kind;
    self->variable_bytes = variable_bytes;
    self->rows = row + 1;
    return 0;
}

static int append_others(weir_builder *self, const uint8_t *record, uint64_t *bytes)
{
    uint32_t row = self->rows;
    uint64_t quick_bytes = 0;
    weir__column_builder **others = self->others + self->nstrings;
    for (uint32_t i = 0; i < self->nothers; i++) {
        weir__column_builder *column = others[i];
        const uint8_t *field = record + column->offset;
        int result;
        if (column->nullable && (column->op > WEIR__OP_BYTES || field[column->c_size] != 0)) {
            result = weir__column_builder_append(column, row, field, bytes);
        } else {
            weir__column_builder_set_valid(column, row, true);
            result = weir__column_builder_append_value(column, row, field, &quick_bytes, bytes);
        }
        if (WEIR_UNLIKELY(result != 0))
            return result;
    }
    *bytes += quick_bytes;
    return 0;
}

/* Locals stay in registers here: what must have an address adds up in put_bytes. */
static __attribute__((noinline)) int append_fields(weir_builder *self, const uint8_t *record,
                                                   int64_t timestamp, uint8_t row_kind)
{
    if (WEIR_UNLIKELY(needs_preparation(self, timestamp, row_kind))) {
        int result = prepare_row(self, timestamp, row_kind);
        if (result != 0)
            return result;
    }
    size_t row = self->rows;
    uint64_t bytes = 0;
    int result = 0;
    self->put_bytes = 0;
    const weir__fixed_step *fixed = self->fixed, *end = fixed + self->nfixed8;
    for (; fixed < end; fixed++)
        memcpy(fixed->values + row * 8, record + fixed->offset, 8);
    for (end += self->nfixed4; fixed < end; fixed++)
        memcpy(fixed->values + row * 4, record + fixed->offset, 4);
    for (uint32_t i = 0; result == 0 && i < self->nstrings; i++)
        result = weir__column_builder_append_value(self->others[i], (uint32_t)row,
                                                   record + self->others[i]->offset, &bytes,
                                                   &self->put_bytes);
    if (WEIR_LIKELY(result == 0) && self->nothers > 0)
        result = append_others(self, record, &self->put_bytes);
    bytes += self->put_bytes;
    self->put_bytes = 0;
    return WEIR_LIKELY(result == 0) ? commit_row(self, bytes, timestamp, row_kind) : result;
}

/* One short string and nothing that needs a question: no call, and no register to save. */
static inline bool append_one_string(weir_builder *self, const void *record, int64_t timestamp,
                                     uint8_t row_kind)
{
    const weir__column_builder *column = self->columns;
    const uint8_t *field = (const uint8_t *)record + column->offset;
    const char *text;
    uint32_t size, row = self->rows, start = column->offsets[row];
    memcpy(&text, field + offsetof(weir_string, p), sizeof text);
    memcpy(&size, field + offsetof(weir_string, n), sizeof size);
    uint64_t variable_bytes = self->variable_bytes + size;
    if (WEIR_UNLIKELY(!weir__is_short(text, size) || size > column->bytes_capacity - start ||
                      text == NULL || (int64_t)variable_bytes > self->variable_limit))
        return false;
    weir__copy_steps(column->values + start, (const uint8_t *)text, size);
    column->offsets[row + 1] = start + size;
    if (self->times != NULL)
        self->times[row] = timestamp;
    if (self->kinds != NULL)
        self->kinds[row] = row_kind;
    self->variable_bytes = variable_bytes;
    self->rows = row + 1;
    return true;
}

int weir_builder_append_record(weir_builder *builder, const void *record, int64_t timestamp,
                               uint8_t row_kind)
{
    if (WEIR_LIKELY(builder->is_one_string && !needs_preparation(builder, timestamp, row_kind) &&
                    append_one_string(builder, record, timestamp, row_kind)))
        return 0;
    return append_fields(builder, record, timestamp, row_kind);
}
/* ---- value by value ---- */

static int begin_put(weir_builder *self, uint32_t index, weir__column_builder **ret)
{
    if (index >= self->ncolumns)
        return WEIR_EINVALID;
    *ret = &self->columns[index];
    return WEIR_LIKELY(self->rows < self->rows_capacity)
               ? 0
               : weir__builder_reserve_rows(self, (uint64_t)self->rows + 1);
}

static int end_put(weir_builder *self, weir__column_builder *column, int result)
{
    if (result != 0)
        return result;
    weir__column_builder_set_valid(column, self->rows, true);
    column->put = self->serial;
    return 0;
}

int weir_builder_put_fixed(weir_builder *builder, uint32_t column, const void *value)
{
    weir__column_builder *self;
    int result = begin_put(builder, column, &self);
    if (result != 0)
        return result;
    if (self->width == 0)
        return WEIR_EINVALID;
    return end_put(builder, self,
                   weir__column_builder_append_value(self, builder->rows, value,
                                                     &builder->put_bytes, &builder->put_bytes));
}

int weir_builder_put_bool(weir_builder *builder, uint32_t column, bool value)
{
    weir__column_builder *self;
    int result = begin_put(builder, column, &self);
    if (result != 0)
        return result;
    if (self->op != WEIR__OP_BOOLEAN)
        return WEIR_EINVALID;
    weir__bit_append(self->values, builder->rows, value);
    return end_put(builder, self, 0);
}

int weir_builder_put_bytes(weir_builder *builder, uint32_t column, const void *bytes, size_t size)
{
    weir__column_builder *self;
    int result = begin_put(builder, column, &self);
    if (result != 0)
        return result;
    if (self->op == WEIR__OP_BOUNDED)
        result = weir__column_builder_append_bounded(self, builder->rows, bytes, size,
                                                     &builder->put_bytes);
    else if (self->op != WEIR__OP_BYTES)
        result = WEIR_EINVALID;
    else if (size > WEIR_BATCH_SIZE_MAX)
        result = WEIR_ETOO_LARGE;
    else
        result = weir__column_builder_append_bytes(self, builder->rows, bytes, (uint32_t)size,
                                                   &builder->put_bytes);
    return end_put(builder, self, result);
}

int weir_builder_put_null(weir_builder *builder, uint32_t column)
{
    weir__column_builder *self;
    int result = begin_put(builder, column, &self);
    if (result == 0 && !self->nullable)
        result = WEIR_EINVALID;
    if (result == 0)
        result = weir__column_builder_append_empty(self, builder->rows);
    if (result == 0)
        self->put = builder->serial;
    return result;
}

static int finish_row(weir_builder *self, uint64_t bytes, int64_t timestamp, uint8_t row_kind)
{
    for (uint32_t i = 0; i < self->ncolumns; i++) {
        weir__column_builder *column = &self->columns[i];
        if (column->put == self->serial)
            continue;
        if (!column->nullable)
            return WEIR_EINVALID;
        int result = weir__column_builder_append_empty(column, self->rows);
        if (result != 0)
            return result;
    }
    return commit_row(self, bytes, timestamp, row_kind);
}

int weir_builder_end_row(weir_builder *builder, int64_t timestamp, uint8_t row_kind)
{
    int result = 0;
    if (needs_preparation(builder, timestamp, row_kind))
        result = prepare_row(builder, timestamp, row_kind);
    if (result == 0)
        result = finish_row(builder, builder->put_bytes, timestamp, row_kind);
    builder->put_bytes = 0;
    builder->serial++;
    return result;
}

/* ---- the batch ---- */

static void write_block(const weir_builder *self, uint8_t *block, const weir__batch_header *header)
{
    memcpy(block, header, sizeof *header);
    memcpy(block + sizeof *header, self->directory, self->nodes * sizeof *self->directory);
    if (header->flags & WEIR__BATCH_HAS_TIMES)
        memcpy(block + weir__batch_times_at(self->nodes), self->times, 8ull * self->rows);
    if (header->flags & WEIR__BATCH_HAS_KINDS)
        memcpy(block + weir__batch_kinds_at(self->nodes, self->rows, header->flags), self->kinds,
               self->rows);
    uint64_t end = weir__batch_buffers_at(self->nodes, self->rows, header->flags);
    const weir__batch_entry *entry = self->directory;
    for (uint32_t i = 0; i < self->ncolumns; i++)
        weir__column_builder_write(&self->columns[i], block, &end, &entry);
    assert(end <= header->size);
    memset(block + end, 0, header->size - end);
}

const weir_columns *weir_builder_view(weir_builder *builder)
{
    weir_builder *self = builder;
    weir_column *spare = self->views + self->ncolumns;

    for (uint32_t i = 0; i < self->ncolumns; i++)
        weir__column_builder_view(&self->columns[i], self->rows, &self->views[i], &spare);
    self->view = (weir_columns){.size = sizeof self->view,
                                .rows = self->rows,
                                .ncolumns = self->ncolumns,
                                .columns = self->views,
                                .timestamps = self->times,
                                .row_kinds = self->kinds};
    return &self->view;
}

int weir_builder_finish(weir_builder *builder, weir_batch **ret)
{
    const weir_builder *self = builder;
    weir__batch_header header = {.magic = WEIR__BATCH_MAGIC,
                                 .version = WEIR_BATCH_FORMAT,
                                 .fingerprint = weir_schema_fingerprint(self->schema),
                                 .rows = self->rows,
                                 .columns = self->ncolumns};
    if (self->times != NULL) {
        weir__batch_time_range(self->times, self->rows, &header.time_min, &header.time_max);
        if (header.time_max != INT64_MIN)
            header.flags |= WEIR__BATCH_HAS_TIMES;
        else
            header.time_min = header.time_max = 0;
    }
    if (self->kinds != NULL && self->rows > 0)
        header.flags |= WEIR__BATCH_HAS_KINDS;
    uint64_t cursor = weir__align(weir__batch_buffers_at(self->nodes, self->rows, header.flags),
                                  WEIR__BATCH_FIRST);
    weir__batch_entry *entry = self->directory;
    for (uint32_t i = 0; i < self->ncolumns; i++)
        weir__column_builder_plan(&self->columns[i], self->rows, &cursor, &entry);
    header.size = weir__align(cursor, WEIR__BATCH_ALIGNMENT);
    assert(header.size <= WEIR_BATCH_SIZE_MAX);
    /* The batch object lies behind the block: one allocation for both. */
    size_t object = (size_t)weir__align(header.size, 64);
    uint8_t *memory = weir_alloc_aligned(object + weir__batch_object_size(self->nodes));
    if (memory == NULL)
        return WEIR_ENO_MEMORY;
    write_block(self, memory, &header);
    weir_batch *batch = (weir_batch *)(void *)(memory + object);
    weir__batch_init(batch, self->schema, memory, (size_t)header.size, memory);
    weir_builder_clear(builder);
    *ret = batch;
    return 0;
}
