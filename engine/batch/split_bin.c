/* One batch of a split: measured, laid out, filled. What was measured is written, so that nothing
 * can fail once it has its block. */
#include "base/memory.h"
#include "batch/gather.h"
#include "batch/row_split_state.h"

#include <assert.h>

/* A batch keeps its slab in memory, so a slab is not large; small batches, which a slow receiver
 * may keep many of, get memory of their own. */
#define SLAB_MAX       (256u << 10)
#define SLAB_BLOCK_MIN (4u << 10)

/* ---- measuring ---- */

static uint64_t text_bytes(const weir_column *column, const weir__rows *rows)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        size_t at = rows->selection[i];
        bytes += weir__load_u32(column->offsets, at + 1) - weir__load_u32(column->offsets, at);
    }
    return bytes;
}

static uint64_t fixed_bytes(const weir__split_node *node, uint32_t rows)
{
    switch (node->op) {
    case WEIR__SPLIT_BITS:
        return weir__bits_bytes(rows);
    case WEIR__SPLIT_FIXED:
        return (uint64_t)rows * node->width;
    default:
        return 0;
    }
}

int weir__split_measure(const weir_row_split *split, const weir__split_bin *bin,
                        weir__split_cell *cells, uint64_t *ret_texts)
{
    *ret_texts = 0;
    for (uint32_t n = 0; n < split->nnodes; n++) {
        const weir__split_node *node = &split->nodes[n];
        weir__split_cell *cell = &cells[n];
        *cell = (weir__split_cell){.size = fixed_bytes(node, bin->rows)};
        for (uint32_t s = 0; s < split->nsources; s++) {
            const weir_column *column = split->sources[s].columns[n];
            if (column->nulls > 0)
                cell->nulls += weir__gather_count_unset(column->validity, &bin->from[s]);
            if (node->op == WEIR__SPLIT_TEXT)
                cell->size += text_bytes(column, &bin->from[s]);
        }
        if (cell->nulls > 0 && !node->nullable)
            return WEIR_EINVALID;
        if (node->op == WEIR__SPLIT_TEXT)
            *ret_texts += cell->size;
    }
    return 0;
}

/* ---- laying out, as a builder does it ---- */

static uint32_t place(uint64_t *cursor, uint64_t size)
{
    uint64_t at = weir__align(*cursor, WEIR__BATCH_ALIGNMENT);
    *cursor = at + size;
    return (uint32_t)at;
}

static void find_times(const weir_row_split *split, weir__split_bin *bin)
{
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (uint32_t s = 0; s < split->nsources; s++) {
        const int64_t *times = split->sources[s].all->timestamps;
        const weir__rows *rows = &bin->from[s];
        for (uint32_t i = 0; times != NULL && i < rows->count; i++) {
            int64_t time = weir__load_i64(times, rows->selection[i]);
            int64_t low = time == INT64_MIN ? INT64_MAX : time;
            min = low < min ? low : min;
            max = time > max ? time : max;
        }
    }
    if (max != INT64_MIN) {
        bin->header.flags |= WEIR__BATCH_HAS_TIMES;
        bin->header.time_min = min;
        bin->header.time_max = max;
    }
}

int weir__split_lay_out(const weir_row_split *split, weir__split_bin *bin, weir__split_cell *cells)
{
    bin->header = (weir__batch_header){.magic = WEIR__BATCH_MAGIC,
                                       .version = WEIR_BATCH_FORMAT,
                                       .fingerprint = weir_schema_fingerprint(split->schema),
                                       .rows = bin->rows,
                                       .columns = weir_schema_count(split->schema)};
    weir__batch_header *header = &bin->header;
    if (split->has_times)
        find_times(split, bin);
    if (split->has_kinds)
        header->flags |= WEIR__BATCH_HAS_KINDS;
    uint64_t cursor = weir__align(weir__batch_buffers_at(split->nnodes, bin->rows, header->flags),
                                  WEIR__BATCH_FIRST);
    for (uint32_t n = 0; n < split->nnodes; n++) {
        weir__split_cell *cell = &cells[n];
        if (cell->nulls > 0)
            cell->validity = place(&cursor, weir__bits_bytes(bin->rows));
        if (split->nodes[n].op == WEIR__SPLIT_TEXT)
            cell->offsets = place(&cursor, ((uint64_t)bin->rows + 1) * 4);
        if (cell->size > 0)
            cell->values = place(&cursor, cell->size);
    }
    header->size = weir__align(cursor, WEIR__BLOCK_ALIGNMENT);
    return header->size > WEIR_BATCH_SIZE_MAX ? WEIR_ETOO_LARGE : 0;
}

/* ---- memory ---- */

/* Blocks one behind the other, then their batches' objects: what lies between two blocks would
 * travel with them. Freed with the last batch. */
struct weir__slab {
    atomic_uint batches;
    uint8_t *blocks;
};

static void release_slab(void *block, void *hint)
{
    (void)block;
    struct weir__slab *slab = hint;
    if (atomic_fetch_sub_explicit(&slab->batches, 1, memory_order_acq_rel) == 1)
        weir_free(slab->blocks);
}

/* How many of the bins go into one slab, and the bytes of their blocks. */
static uint32_t bins_of_slab(const weir__split_bin *bins, uint32_t count, uint64_t *ret_size)
{
    uint32_t used = 0;
    for (*ret_size = 0; used < count; used++) {
        uint64_t size = bins[used].header.size;
        if (size < SLAB_BLOCK_MIN || *ret_size + size > SLAB_MAX)
            break;
        *ret_size += size;
    }
    return used;
}

static size_t object_size(const weir_row_split *split)
{
    return (size_t)weir__align(weir__batch_object_size(split->nnodes), WEIR__BLOCK_ALIGNMENT);
}

static int allocate_slab(const weir_row_split *split, weir__split_bin *bins, uint32_t count,
                         uint64_t size)
{
    size_t objects = count * object_size(split);
    uint8_t *blocks = weir_alloc_aligned(size + objects + sizeof(struct weir__slab));
    if (blocks == NULL)
        return WEIR_ENO_MEMORY;
    struct weir__slab *slab = (struct weir__slab *)(void *)(blocks + size + objects);
    atomic_init(&slab->batches, count);
    slab->blocks = blocks;
    uint8_t *object = blocks + size;
    for (uint32_t i = 0; i < count; i++) {
        bins[i].slab = slab;
        bins[i].block = blocks;
        bins[i].batch = (weir_batch *)(void *)object;
        blocks += bins[i].header.size;
        object += object_size(split);
    }
    return 0;
}

static int allocate_alone(const weir_row_split *split, weir__split_bin *bin)
{
    size_t size = (size_t)bin->header.size;
    bin->block = weir_alloc_aligned(size + object_size(split));
    if (bin->block == NULL)
        return WEIR_ENO_MEMORY;
    bin->batch = (weir_batch *)(void *)(bin->block + size);
    return 0;
}

int weir__split_allocate(const weir_row_split *split, weir__split_bin *bins, uint32_t count)
{
    int rc = 0;
    for (uint32_t done = 0; rc == 0 && done < count;) {
        uint64_t size;
        uint32_t some = bins_of_slab(bins + done, count - done, &size);
        rc = some > 1 ? allocate_slab(split, bins + done, some, size)
                      : allocate_alone(split, &bins[done]);
        done += some > 1 ? some : 1;
    }
    return rc;
}

void weir__split_free(weir__split_bin *bin)
{
    if (bin->slab != NULL)
        release_slab(NULL, bin->slab);
    else
        weir_free(bin->block);
    bin->slab = NULL;
    bin->block = NULL;
}

/* ---- filling ---- */

static void fill_validity(const weir_row_split *split, const weir__split_bin *bin, uint32_t node,
                          uint8_t *to)
{
    uint32_t row = 0;
    for (uint32_t s = 0; s < split->nsources; s++) {
        const weir_column *column = split->sources[s].columns[node];
        if (column->nulls > 0)
            weir__gather_bits(to, row, column->validity, &bin->from[s]);
        else
            weir__bits_append(to, row, NULL, bin->from[s].count);
        row += bin->from[s].count;
    }
}

/* Texts, and the offsets of their ends; returns the last one. */
static uint32_t fill_text(const weir_column *column, const weir__rows *rows, uint8_t *values,
                          uint8_t *ends, uint32_t end)
{
    const uint8_t *from = column->values;
    size_t readable = weir__load_u32(column->offsets, column->rows);
    for (uint32_t i = 0; i < rows->count; i++) {
        size_t row = rows->selection[i];
        uint32_t start = weir__load_u32(column->offsets, row);
        uint32_t size = weir__load_u32(column->offsets, row + 1) - start;
        weir__copy_bounded(values + end, from + start, size, readable - start);
        end += size;
        memcpy(ends + (size_t)i * 4, &end, 4);
    }
    return end;
}

static void fill_texts(const weir_row_split *split, const weir__split_bin *bin,
                       const weir__split_cell *cell, uint32_t node)
{
    uint8_t *offsets = bin->block + cell->offsets;
    uint32_t end = 0;
    memset(offsets, 0, ((size_t)bin->rows + 1) * 4 * (cell->size == 0) + 4);
    for (uint32_t s = 0; cell->size > 0 && s < split->nsources; s++) {
        end = fill_text(split->sources[s].columns[node], &bin->from[s], bin->block + cell->values,
                        offsets + 4, end);
        offsets += (size_t)bin->from[s].count * 4;
    }
}

void weir__split_fill(const weir_row_split *split, const weir__split_bin *bin,
                      const weir__split_cell *cell, uint32_t node)
{
    if (cell->validity != 0)
        fill_validity(split, bin, node, bin->block + cell->validity);
    uint32_t op = split->nodes[node].op, width = split->nodes[node].width, row = 0;
    if (op == WEIR__SPLIT_TEXT)
        fill_texts(split, bin, cell, node);
    if (op > WEIR__SPLIT_FIXED)
        return;
    uint8_t *to = bin->block + cell->values;
    for (uint32_t s = 0; s < split->nsources; s++) {
        const weir__rows *rows = &bin->from[s];
        const uint8_t *from = split->sources[s].columns[node]->values;
        if (op == WEIR__SPLIT_BITS)
            weir__gather_bits(to, row, from, rows);
        else
            weir__gather_fixed(to + (size_t)row * width, width, from, rows);
        row += rows->count;
    }
}

static void fill_times(const weir_row_split *split, const weir__split_bin *bin)
{
    uint8_t *to = bin->block + weir__batch_times_at(split->nnodes);
    for (uint32_t s = 0; s < split->nsources; s++) {
        const weir__rows *rows = &bin->from[s];
        const void *times = split->sources[s].all->timestamps;
        const int64_t none = INT64_MIN;
        if (times != NULL)
            weir__gather_fixed(to, 8, times, rows);
        for (uint32_t i = 0; times == NULL && i < rows->count; i++)
            memcpy(to + (size_t)i * 8, &none, 8);
        to += (size_t)rows->count * 8;
    }
}

static void fill_kinds(const weir_row_split *split, const weir__split_bin *bin)
{
    uint8_t *to = bin->block + weir__batch_kinds_at(split->nnodes, bin->rows, bin->header.flags);
    for (uint32_t s = 0; s < split->nsources; s++) {
        const weir__rows *rows = &bin->from[s];
        const uint8_t *kinds = split->sources[s].all->row_kinds;
        if (kinds != NULL)
            weir__gather_fixed(to, 1, kinds, rows);
        else
            memset(to, WEIR_INSERT, rows->count);
        to += rows->count;
    }
}

/* ---- finishing ---- */

/* The directory; and bytes between buffers become 0: nothing of this process's memory travels
 * along. */
static void write_directory(const weir_row_split *split, const weir__split_bin *bin,
                            const weir__split_cell *cells)
{
    uint64_t end = weir__batch_buffers_at(split->nnodes, bin->rows, bin->header.flags);
    for (uint32_t n = 0; n < split->nnodes; n++) {
        const weir__split_cell *cell = &cells[n];
        const uint64_t at[] = {cell->validity, cell->offsets, cell->values};
        const uint64_t sizes[] = {weir__bits_bytes(bin->rows), ((uint64_t)bin->rows + 1) * 4,
                                  cell->size};
        for (uint32_t k = 0; k < 3; k++) {
            if (at[k] != 0) {
                memset(bin->block + end, 0, at[k] - end);
                end = at[k] + sizes[k];
            }
        }
        weir__batch_entry entry = {.validity = cell->validity,
                                   .values = cell->values,
                                   .offsets = cell->offsets,
                                   .rows = bin->rows,
                                   .nulls = cell->nulls,
                                   .values_size = (uint32_t)cell->size};
        memcpy(bin->block + WEIR__BATCH_HEADER_SIZE + (size_t)n * sizeof entry, &entry,
               sizeof entry);
    }
    assert(end <= bin->header.size);
    memset(bin->block + end, 0, bin->header.size - end);
}

void weir__split_finish(const weir_row_split *split, weir__split_bin *bin,
                        const weir__split_cell *cells)
{
    memcpy(bin->block, &bin->header, sizeof bin->header);
    write_directory(split, bin, cells);
    if (bin->header.flags & WEIR__BATCH_HAS_TIMES)
        fill_times(split, bin);
    if (bin->header.flags & WEIR__BATCH_HAS_KINDS)
        fill_kinds(split, bin);
    weir__batch_init(bin->batch, split->schema, bin->block, (size_t)bin->header.size,
                     bin->slab == NULL ? bin->block : NULL);
    if (bin->slab != NULL) {
        bin->batch->release = release_slab;
        bin->batch->hint = bin->slab;
    }
}
