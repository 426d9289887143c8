#include "batch/batch.h"

#include "base/memory.h"
#include "batch/batch_layout.h"
#include "batch/bytes.h"
#include "batch/schema_build.h"

/* A block under this size is copied rather than read by unaligned loads. */
#define COPY_BELOW 8192u

/* ---- views over a sound block ---- */

typedef struct viewer {
    const uint8_t *block;
    uint32_t entry;     /* next of the directory */
    weir_column *spare; /* next of the views that are not handed out */
} viewer;

static void load_entry(const uint8_t *block, uint32_t index, weir__batch_entry *ret)
{
    memcpy(ret, block + WEIR__BATCH_HEADER_SIZE + (size_t)index * sizeof *ret, sizeof *ret);
}

static void view_columns(viewer *self, const weir_schema_field *fields, weir_column *columns,
                         uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        weir__batch_entry entry;
        load_entry(self->block, self->entry++, &entry);
        weir_column *column = &columns[i];
        column->kind = fields[i].kind;
        column->rows = entry.rows;
        column->nulls = entry.nulls;
        column->validity = entry.validity != 0 ? self->block + entry.validity : NULL;
        /* An absent buffer is empty; a pointer that can be added to spares readers a special case.
         */
        column->values = self->block + entry.values;
        column->offsets = entry.offsets != 0
                              ? (const uint32_t *)(const void *)(self->block + entry.offsets)
                              : NULL;
        column->nchildren = fields[i].nchildren;
        weir_column *children = self->spare;
        self->spare += fields[i].nchildren;
        column->children = fields[i].nchildren > 0 ? children : NULL;
        view_columns(self, fields[i].children, children, fields[i].nchildren);
    }
}

void weir__batch_init(weir_batch *batch, weir_schema *schema, const uint8_t *block, size_t size,
                      void *memory)
{
    weir__batch_header header;
    memcpy(&header, block, sizeof header);
    uint32_t nodes = weir__schema_nodes(schema), count = weir_schema_count(schema);
    *batch = (weir_batch){.block = block, .size = size, .memory = memory};
    atomic_init(&batch->refs, 1);
    batch->schema = weir_schema_ref(schema);
    viewer self = {.block = block, .spare = batch->columns + count};
    view_columns(&self, weir_schema_fields(schema), batch->columns, count);
    batch->view = (weir_columns){.size = sizeof(weir_columns),
                                 .rows = header.rows,
                                 .ncolumns = count,
                                 .columns = batch->columns};
    if (header.flags & WEIR__BATCH_HAS_TIMES)
        batch->view.timestamps =
            (const int64_t *)(const void *)(block + weir__batch_times_at(nodes));
    if (header.flags & WEIR__BATCH_HAS_KINDS)
        batch->view.row_kinds = block + weir__batch_kinds_at(nodes, header.rows, header.flags);
}

void weir__batch_time_range(const void *times, uint32_t rows, int64_t *ret_min, int64_t *ret_max)
{
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (uint32_t i = 0; i < rows; i++) {
        int64_t time = weir__load_i64(times, i);
        int64_t low = time == INT64_MIN ? INT64_MAX : time;
        min = low < min ? low : min;
        max = time > max ? time : max;
    }
    *ret_min = min;
    *ret_max = max;
}

/* ---- checking a block from outside ---- */

typedef struct checker {
    const uint8_t *block;
    uint64_t size;
    uint64_t body;  /* where buffers may begin */
    uint32_t entry; /* next of the directory */
    const char *what;
} checker;

static bool fail(checker *self, const char *what)
{
    self->what = what;
    return false;
}

static bool check_buffer(checker *self, uint32_t offset, uint64_t size)
{
    if (offset < self->body || offset % WEIR__BATCH_ALIGNMENT != 0)
        return fail(self, "a buffer begins at a wrong place");
    if (offset > self->size || size > self->size - offset)
        return fail(self, "a buffer reaches behind the end");
    return true;
}

static bool check_validity(checker *self, const weir_schema_field *field,
                           const weir__batch_entry *entry)
{
    if (entry->nulls == 0 && entry->validity == 0)
        return true;
    if (!field->nullable)
        return fail(self, "a column that is not null has NULLs");
    if (entry->validity == 0)
        return fail(self, "a column with NULLs has no validity");
    if (!check_buffer(self, entry->validity, weir__bits_bytes(entry->rows)))
        return false;
    uint32_t set = weir__bits_count(self->block + entry->validity, entry->rows);
    if (entry->rows - set != entry->nulls)
        return fail(self, "a column's count of NULLs is wrong");
    return true;
}

/* Offsets start at 0 and never fall; the last one is the size of what they divide. */
static bool check_offsets(checker *self, const weir__batch_entry *entry, uint32_t *ret_last)
{
    if (!check_buffer(self, entry->offsets, ((uint64_t)entry->rows + 1) * 4))
        return false;
    const uint8_t *offsets = self->block + entry->offsets;
    uint32_t previous = weir__load_u32(offsets, 0), falls = previous != 0;
    for (uint32_t i = 1; i <= entry->rows; i++) {
        uint32_t next = weir__load_u32(offsets, i);
        falls |= next < previous;
        previous = next;
    }
    if (falls)
        return fail(self, "a column's offsets are not in order");
    *ret_last = previous;
    return true;
}

static bool check_values(checker *self, const weir__batch_entry *entry, uint64_t size)
{
    if (entry->values_size != size)
        return fail(self, "the size of a column's values is wrong");
    if (entry->values == 0)
        return size == 0 || fail(self, "a column has no values");
    return check_buffer(self, entry->values, size);
}

static bool check_columns(checker *self, const weir_schema_field *fields, uint32_t count,
                          uint32_t rows)
{
    for (uint32_t i = 0; i < count; i++) {
        const weir_schema_field *field = &fields[i];
        weir__batch_entry entry;
        load_entry(self->block, self->entry++, &entry);
        uint32_t width = weir_kind_width(field->kind), last = rows;
        bool variable = weir_kind_is_variable(field->kind);
        bool list = field->kind == WEIR_KIND_array || field->kind == WEIR_KIND_map;
        if (entry.rows != rows)
            return fail(self, "a column's count of rows is wrong");
        if (!check_validity(self, field, &entry))
            return false;
        if (variable || list ? !check_offsets(self, &entry, &last)
                             : entry.offsets != 0 && !fail(self, "a column has no use for offsets"))
            return false;
        uint64_t size = (uint64_t)rows * width;
        if (variable)
            size = last;
        else if (field->kind == WEIR_KIND_boolean)
            size = weir__bits_bytes(rows);
        if (!check_values(self, &entry, size))
            return false;
        if (!check_columns(self, field->children, field->nchildren, last))
            return false;
    }
    return true;
}

static bool check_times_and_kinds(checker *self, const weir__batch_header *header, uint32_t nodes)
{
    int64_t min = 0, max = 0;
    if (header->flags & WEIR__BATCH_HAS_TIMES)
        weir__batch_time_range(self->block + weir__batch_times_at(nodes), header->rows, &min, &max);
    if (header->time_min != min || header->time_max != max)
        return fail(self, "the range of event times is wrong");
    if (header->flags & WEIR__BATCH_HAS_KINDS) {
        const uint8_t *kinds =
            self->block + weir__batch_kinds_at(nodes, header->rows, header->flags);
        uint8_t all = 0;
        for (uint32_t i = 0; i < header->rows; i++)
            all |= kinds[i];
        if (all > WEIR_DELETE)
            return fail(self, "a row's kind is unknown");
    }
    return true;
}

static bool check_block(checker *self, const weir__batch_header *header, const weir_schema *schema)
{
    uint32_t nodes = weir__schema_nodes(schema);
    if (header->size != self->size)
        return fail(self, "its size is wrong");
    if (header->flags & ~(WEIR__BATCH_HAS_TIMES | WEIR__BATCH_HAS_KINDS) || header->rest[0] != 0 ||
        header->rest[1] != 0)
        return fail(self, "its header has unknown flags");
    if (header->columns != weir_schema_count(schema))
        return fail(self, "its count of columns is wrong");
    self->body = weir__batch_buffers_at(nodes, header->rows, header->flags);
    if (self->body > self->size)
        return fail(self, "it is cut off");
    return check_times_and_kinds(self, header, nodes) &&
           check_columns(self, weir_schema_fields(schema), weir_schema_count(schema), header->rows);
}

static int check(const weir_schema *schema, const void *bytes, size_t size, weir_error *err)
{
    weir__batch_header header;
    if (size < sizeof header || size > WEIR_BATCH_SIZE_MAX)
        return weir_error_set(err, WEIR_ECORRUPT,
                              "batch: not a batch; found %zu bytes; restart from a checkpoint",
                              size);
    memcpy(&header, bytes, sizeof header);
    if (header.magic != WEIR__BATCH_MAGIC)
        return weir_error_set(err, WEIR_ECORRUPT,
                              "batch: not a batch; found magic 0x%08x; restart from a checkpoint",
                              header.magic);
    if (header.version != WEIR_BATCH_FORMAT)
        return weir_error_set(err, WEIR_EVERSION,
                              "batch: cannot read format version %u; this Weir reads version %d; "
                              "run the same version everywhere",
                              header.version, WEIR_BATCH_FORMAT);
    if (header.fingerprint != weir_schema_fingerprint(schema))
        return weir_error_set(err, WEIR_EINVALID,
                              "batch: made for another record; found schema %016llx instead of "
                              "%016llx; run the same job everywhere",
                              (unsigned long long)header.fingerprint,
                              (unsigned long long)weir_schema_fingerprint(schema));
    checker self = {.block = bytes, .size = size};
    if (!check_block(&self, &header, schema))
        return weir_error_set(err, WEIR_ECORRUPT, "batch: damaged; %s; restart from a checkpoint",
                              self.what);
    return 0;
}

int weir_batch_open(weir_schema *schema, void *bytes, size_t size, weir_batch_release release,
                    void *hint, weir_batch **ret, weir_error *err)
{
    int result = check(schema, bytes, size, err);
    if (result != 0)
        return result;
    bool aligned = (uintptr_t)bytes % WEIR__BATCH_ALIGNMENT == 0;
    size_t copied = !aligned && size < COPY_BELOW ? (size_t)weir__align(size, 64) : 0;
    uint8_t *memory =
        weir_alloc_aligned(copied + weir__batch_object_size(weir__schema_nodes(schema)));
    if (memory == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "batch: out of memory");
    const uint8_t *block = bytes;
    if (copied > 0) {
        memcpy(memory, bytes, size);
        block = memory;
    }
    weir_batch *batch = (weir_batch *)(void *)(memory + copied);
    weir__batch_init(batch, schema, block, size, memory);
    batch->release = release;
    batch->release_bytes = bytes;
    batch->hint = hint;
    *ret = batch;
    return 0;
}

/* ---- life ---- */

weir_batch *weir_batch_ref(weir_batch *batch)
{
    if (batch != NULL)
        atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
    return batch;
}

void weir_batch_unref(weir_batch **batch)
{
    if (batch == NULL || *batch == NULL)
        return;
    weir_batch *self = *batch;
    *batch = NULL;
    if (atomic_fetch_sub_explicit(&self->refs, 1, memory_order_acq_rel) != 1)
        return;
    weir_schema_unref(&self->schema);
    weir_batch_release release = self->release;
    void *bytes = self->release_bytes, *hint = self->hint;
    weir_free(self->memory);
    if (release != NULL) /* last of all: this may lie in what it frees */
        release(bytes, hint);
}

const void *weir_batch_bytes(const weir_batch *batch)
{
    return batch->block;
}

size_t weir_batch_size(const weir_batch *batch)
{
    return batch->size;
}

uint32_t weir_batch_rows(const weir_batch *batch)
{
    return batch->view.rows;
}

weir_schema *weir_batch_schema(const weir_batch *batch)
{
    return batch->schema;
}

const weir_columns *weir_batch_columns(const weir_batch *batch)
{
    return &batch->view;
}
