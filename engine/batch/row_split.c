#include "batch/row_split.h"

#include "base/memory.h"
#include "batch/row_split_state.h"
#include "batch/schema_build.h"

#include <assert.h>

/* ---- life ---- */

static bool has_lists(const weir_schema_field *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].kind == WEIR_KIND_array || fields[i].kind == WEIR_KIND_map ||
            has_lists(fields[i].children, fields[i].nchildren))
            return true;
    }
    return false;
}

static uint8_t op_of(const weir_schema_field *field)
{
    if (field->kind == WEIR_KIND_boolean)
        return WEIR__SPLIT_BITS;
    if (weir_kind_width(field->kind) > 0)
        return WEIR__SPLIT_FIXED;
    return field->kind == WEIR_KIND_row ? WEIR__SPLIT_ROW : WEIR__SPLIT_TEXT;
}

/* The columns on all levels, a struct before its fields; returns the node behind them. */
static weir__split_node *add_nodes(weir_row_split *self, const weir_schema_field *fields,
                                   uint32_t count, weir__split_node *node)
{
    for (uint32_t i = 0; i < count; i++) {
        *node = (weir__split_node){.op = op_of(&fields[i]),
                                   .nullable = fields[i].nullable,
                                   .width = weir_kind_width(fields[i].kind)};
        self->row_bits += node->nullable ? 1 : 0;
        self->row_bits += node->op == WEIR__SPLIT_BITS ? 1 : node->width * 8;
        self->row_bits += node->op == WEIR__SPLIT_TEXT ? 32 : 0;
        self->has_texts |= node->op == WEIR__SPLIT_TEXT;
        node = add_nodes(self, fields[i].children, fields[i].nchildren, node + 1);
    }
    return node;
}

static int init(weir_row_split *self)
{
    if (has_lists(weir_schema_fields(self->schema), weir_schema_count(self->schema)))
        return weir_builder_new(self->schema, self->rows_max, self->bytes_max, &self->builder);
    self->nodes = weir_calloc(self->nnodes, sizeof *self->nodes);
    for (uint32_t s = 0; s < WEIR_SPLIT_PIECES_MAX; s++) {
        self->sources[s].columns = weir_calloc(self->nnodes, sizeof(weir_column *));
        if (self->sources[s].columns == NULL)
            return WEIR_ENO_MEMORY;
    }
    if (self->nodes == NULL)
        return WEIR_ENO_MEMORY;
    (void)add_nodes(self, weir_schema_fields(self->schema), weir_schema_count(self->schema),
                    self->nodes);
    self->overhead = (uint32_t)weir__batch_times_at(self->nnodes) + WEIR__BATCH_FIRST +
                     self->nnodes * (3 * WEIR__BATCH_ALIGNMENT + 4) + WEIR__BLOCK_ALIGNMENT;
    return 0;
}

int weir_row_split_new(weir_schema *schema, uint32_t targets, uint32_t rows_max, uint32_t bytes_max,
                       weir_row_split **ret)
{
    if (targets == 0 || rows_max == 0)
        return WEIR_EINVALID;
    weir_row_split *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        return WEIR_ENO_MEMORY;
    self->schema = weir_schema_ref(schema);
    self->nnodes = weir__schema_nodes(schema);
    self->ntargets = targets;
    self->rows_max = rows_max;
    self->bytes_max = bytes_max < WEIR_BATCH_SIZE_MAX ? bytes_max : WEIR_BATCH_SIZE_MAX;
    self->next = weir_alloc(2 * (size_t)targets * sizeof *self->next);
    int rc = self->next != NULL ? init(self) : WEIR_ENO_MEMORY;
    for (uint32_t s = 0; rc == 0 && s < WEIR_SPLIT_PIECES_MAX; s++) {
        self->sources[s].starts = weir_calloc(targets + 1u, sizeof *self->sources[s].starts);
        rc = self->sources[s].starts != NULL ? 0 : WEIR_ENO_MEMORY;
    }
    if (rc != 0)
        weir_row_split_destroy(&self);
    else
        *ret = self;
    return rc;
}

void weir_row_split_destroy(weir_row_split **split)
{
    if (split == NULL || *split == NULL)
        return;
    weir_row_split *self = *split;
    *split = NULL;
    for (uint32_t s = 0; s < WEIR_SPLIT_PIECES_MAX; s++) {
        weir_free(self->sources[s].columns);
        weir_free(self->sources[s].selection);
        weir_free(self->sources[s].starts);
    }
    weir_builder_destroy(&self->builder);
    weir_free(self->nodes);
    weir_free(self->next);
    weir_free(self->bins);
    weir_free(self->cells);
    weir_free(self->made);
    weir_schema_unref(&self->schema);
    weir_free(self);
}

/* Room for `need` elements; with `keep` what was there stays. */
static int reserve(void *block, size_t *capacity, size_t need, size_t size, bool keep)
{
    void *made, **place = block;
    if (need <= *capacity)
        return 0;
    size_t more = need < *capacity * 2 ? *capacity * 2 : need;
    made = keep ? weir_realloc(*place, more * size) : weir_alloc(more * size);
    if (made == NULL)
        return WEIR_ENO_MEMORY;
    if (!keep)
        weir_free(*place);
    *place = made;
    *capacity = more;
    return 0;
}

/* ---- the average row ---- */

static size_t column_bytes(const weir_column *column)
{
    size_t rows = column->rows, bytes = rows / 8 + rows * weir_kind_width(column->kind);
    bool is_list = column->kind == WEIR_KIND_array || column->kind == WEIR_KIND_map;
    if (is_list || weir_kind_is_variable(column->kind))
        bytes += rows * sizeof(uint32_t);
    if (weir_kind_is_variable(column->kind))
        bytes += weir__load_u32(column->offsets, rows) - weir__load_u32(column->offsets, 0);
    for (uint32_t i = 0; i < column->nchildren; i++)
        bytes += column_bytes(&column->children[i]);
    return bytes;
}

size_t weir_columns_row_bytes(const weir_columns *columns)
{
    size_t bytes = columns->timestamps != NULL ? columns->rows * sizeof(int64_t) : 0;
    for (uint32_t i = 0; i < columns->ncolumns; i++)
        bytes += column_bytes(&columns->columns[i]);
    return columns->rows > 0 ? bytes / columns->rows + 1 : 1;
}

/* ---- taking a piece ---- */

static bool fits(const weir_schema_field *fields, const weir_column *columns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (columns[i].kind != fields[i].kind || columns[i].nchildren != fields[i].nchildren ||
            !fits(fields[i].children, columns[i].children, fields[i].nchildren))
            return false;
    }
    return true;
}

static const weir_column **point_to(const weir_column *columns, uint32_t count,
                                    const weir_column **to)
{
    for (uint32_t i = 0; i < count; i++) {
        *to++ = &columns[i];
        to = point_to(columns[i].children, columns[i].nchildren, to);
    }
    return to;
}

/* A counting sort of row numbers. Counts go to two tables in turn, and two halves are placed side
 * by side: a counter that was just written is slow to read. */
static void sort(weir_row_split *self, weir__split_source *source, const weir_split_piece *piece)
{
    uint32_t *low = self->next, *high = low + self->ntargets, half = piece->count / 2;
    const uint16_t *targets = piece->targets;
    memset(low, 0, 2 * (size_t)self->ntargets * sizeof *low);
    for (uint32_t i = 0; i < half; i++) {
        assert(targets[i] < self->ntargets && targets[half + i] < self->ntargets);
        low[targets[i]]++;
        high[targets[half + i]]++;
    }
    if (piece->count % 2 != 0)
        high[targets[piece->count - 1]]++;
    uint32_t start = 0;
    for (uint32_t t = 0; t < self->ntargets; t++) {
        uint32_t first = low[t], second = high[t];
        source->starts[t] = low[t] = start;
        high[t] = start + first;
        start += first + second;
    }
    source->starts[self->ntargets] = start;
    for (uint32_t i = 0, row = piece->first; i < half; i++, row++) {
        source->selection[low[targets[i]]++] = row;
        source->selection[high[targets[half + i]]++] = row + half;
    }
    if (piece->count % 2 != 0)
        source->selection[high[targets[piece->count - 1]]] = piece->first + piece->count - 1;
}

static int take_piece(weir_row_split *self, uint32_t index, const weir_split_piece *piece)
{
    weir__split_source *source = &self->sources[index];
    const weir_columns *columns = piece->columns;
    if (piece->first > columns->rows || piece->count > columns->rows - piece->first ||
        columns->ncolumns != weir_schema_count(self->schema) ||
        !fits(weir_schema_fields(self->schema), columns->columns, columns->ncolumns))
        return WEIR_EINVALID;
    uint8_t all = 0;
    for (uint32_t i = 0; columns->row_kinds != NULL && i < piece->count; i++)
        all |= columns->row_kinds[piece->first + i];
    if (all > WEIR_DELETE)
        return WEIR_EINVALID;
    source->all = columns;
    self->has_times |= columns->timestamps != NULL;
    self->has_kinds |= columns->row_kinds != NULL;
    size_t row_bytes = weir_columns_row_bytes(columns);
    self->row_bytes = row_bytes > self->row_bytes ? row_bytes : self->row_bytes;
    if (self->nodes != NULL)
        (void)point_to(columns->columns, columns->ncolumns, source->columns);
    int rc = reserve(&source->selection, &source->selection_capacity, (size_t)piece->count + 1,
                     sizeof *source->selection, false);
    if (rc == 0)
        sort(self, source, piece);
    return rc;
}

/* ---- which rows go together ---- */

static void set_rows(weir_row_split *self, weir__split_bin *bin, const weir__rows *left,
                     uint32_t count)
{
    bin->rows = count;
    for (uint32_t s = 0; s < self->nsources; s++) {
        bin->from[s] = left[s];
        bin->from[s].count = count < left[s].count ? count : left[s].count;
        count -= bin->from[s].count;
    }
}

/* How many of the rows that are left are looked at, for a batch to be cut from them. */
static uint32_t candidates(const weir_row_split *self, uint32_t left)
{
    uint64_t empty = weir__split_size_bound(self, 0, 0);
    uint64_t room = self->bytes_max > empty ? self->bytes_max - empty : 0;
    uint64_t fit = room / self->row_bytes;
    if (self->nodes != NULL && !self->has_texts)
        fit = room * 8 / (weir__split_size_bound(self, 8, 0) - empty); /* bytes of 8 rows */
    else if (self->nodes != NULL)
        fit += fit / 2;
    fit = fit < self->rows_max ? fit : self->rows_max;
    fit = fit < left ? fit : left;
    return fit > 0 ? (uint32_t)fit : 1;
}

/* How many rows fit a batch's bytes; at least one. */
static uint32_t rows_that_fit(const weir_row_split *self, const weir__split_bin *bin)
{
    uint64_t texts = 0;
    uint32_t count = 0;
    for (uint32_t s = 0; s < self->nsources; s++) {
        for (uint32_t i = 0; i < bin->from[s].count; i++, count++) {
            size_t row = bin->from[s].selection[i];
            for (uint32_t n = 0; n < self->nnodes; n++) {
                const void *offsets = self->sources[s].columns[n]->offsets;
                if (self->nodes[n].op == WEIR__SPLIT_TEXT)
                    texts += weir__load_u32(offsets, row + 1) - weir__load_u32(offsets, row);
            }
            if (count > 0 && weir__split_size_bound(self, count + 1u, texts) > self->bytes_max)
                return count;
        }
    }
    return count;
}

/* A bin of the first of the rows that are left, as many as fit. */
static int cut_bin(weir_row_split *self, weir__split_bin *bin, weir__rows *left, uint32_t count)
{
    weir__split_cell *cells = self->cells + (size_t)(bin - self->bins) * self->nnodes;
    uint64_t texts;
    set_rows(self, bin, left, candidates(self, count));
    int rc = weir__split_measure(self, bin, cells, &texts);
    if (rc == 0 && bin->rows > 1 &&
        weir__split_size_bound(self, bin->rows, texts) > self->bytes_max) {
        set_rows(self, bin, left, rows_that_fit(self, bin));
        rc = weir__split_measure(self, bin, cells, &texts);
    }
    return rc == 0 ? weir__split_lay_out(self, bin, cells) : rc;
}

/* The same for rows with lists, by way of a builder. */
static int build_bin(weir_row_split *self, weir__split_bin *bin, weir__rows *left, uint32_t count)
{
    count = candidates(self, count);
    for (;;) {
        set_rows(self, bin, left, count);
        weir_builder_clear(self->builder);
        int rc = 0;
        for (uint32_t s = 0; rc == 0 && s < self->nsources; s++)
            rc = weir_builder_append_columns(self->builder, self->sources[s].all,
                                             bin->from[s].selection, bin->from[s].count, NULL);
        if (rc == 0)
            return weir_builder_finish(self->builder, &bin->batch);
        if (rc != WEIR_ETOO_LARGE || count == 1)
            return rc;
        count /= 2;
    }
}

static int add_bin(weir_row_split *self, uint32_t target, weir__split_bin **ret)
{
    int rc = reserve(&self->bins, &self->bins_capacity, (size_t)self->nbins + 1, sizeof *self->bins,
                     true);
    if (rc == 0 && self->nodes != NULL)
        rc = reserve(&self->cells, &self->cells_capacity, ((size_t)self->nbins + 1) * self->nnodes,
                     sizeof *self->cells, true);
    if (rc != 0)
        return rc;
    *ret = &self->bins[self->nbins++];
    **ret = (weir__split_bin){.target = target};
    return 0;
}

static int cut_target(weir_row_split *self, uint32_t target)
{
    weir__rows left[WEIR_SPLIT_PIECES_MAX] = {{0}};
    uint32_t count = 0;
    for (uint32_t s = 0; s < self->nsources; s++) {
        const weir__split_source *source = &self->sources[s];
        left[s].selection = source->selection + source->starts[target];
        left[s].count = source->starts[target + 1] - source->starts[target];
        count += left[s].count;
    }
    int rc = 0;
    while (rc == 0 && count > 0) {
        weir__split_bin *bin = NULL;
        rc = add_bin(self, target, &bin);
        if (rc == 0)
            rc = self->nodes != NULL ? cut_bin(self, bin, left, count)
                                     : build_bin(self, bin, left, count);
        for (uint32_t s = 0; rc == 0 && s < self->nsources; s++) {
            left[s].selection += bin->from[s].count;
            left[s].count -= bin->from[s].count;
            count -= bin->from[s].count;
        }
    }
    return rc;
}

/* ---- all of it ---- */

static int plan(weir_row_split *self, const weir_split_piece *pieces, uint32_t count)
{
    int rc = 0;
    self->nsources = count;
    self->has_times = self->has_kinds = false;
    self->row_bytes = 1;
    self->nbins = 0;
    for (uint32_t s = 0; rc == 0 && s < count; s++)
        rc = take_piece(self, s, &pieces[s]);
    for (uint32_t t = 0; rc == 0 && t < self->ntargets; t++)
        rc = cut_target(self, t);
    if (rc == 0 && self->nodes != NULL)
        rc = weir__split_allocate(self, self->bins, self->nbins);
    return rc == 0
               ? reserve(&self->made, &self->made_capacity, self->nbins, sizeof *self->made, false)
               : rc;
}

static void drop_bins(weir_row_split *self)
{
    for (uint32_t b = 0; b < self->nbins; b++) {
        if (self->nodes != NULL)
            weir__split_free(&self->bins[b]);
        else
            weir_batch_unref(&self->bins[b].batch);
    }
    self->nbins = 0;
}

int weir_row_split_make(weir_row_split *split, const weir_split_piece *pieces, uint32_t count,
                        weir_split_batch **ret, uint32_t *ret_count)
{
    weir_row_split *self = split;
    assert(count <= WEIR_SPLIT_PIECES_MAX);
    int rc = plan(self, pieces, count);
    if (rc != 0) {
        drop_bins(self);
        return rc;
    }
    for (uint32_t n = 0; self->nodes != NULL && n < self->nnodes; n++) {
        for (uint32_t b = 0; b < self->nbins; b++)
            weir__split_fill(self, &self->bins[b], &self->cells[(size_t)b * self->nnodes + n], n);
    }
    for (uint32_t b = 0; b < self->nbins; b++) {
        if (self->nodes != NULL)
            weir__split_finish(self, &self->bins[b], &self->cells[(size_t)b * self->nnodes]);
        self->made[b] =
            (weir_split_batch){.batch = self->bins[b].batch, .target = self->bins[b].target};
    }
    *ret = self->made;
    *ret_count = self->nbins;
    return 0;
}
