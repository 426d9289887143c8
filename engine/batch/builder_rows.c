/* Many rows at once: of another batch, lines, and columns that a decoder has filled. */
#include "batch/builder_state.h"

/* ---- columns ---- */

static int check_source(const weir_builder *self, const weir_columns *from, uint32_t count,
                        const uint32_t *selection, const uint32_t *map)
{
    if ((map == NULL && from->ncolumns != self->ncolumns) ||
        (selection == NULL && count > from->rows))
        return WEIR_EINVALID;
    for (uint32_t i = 0; i < self->ncolumns; i++) {
        uint32_t source = map != NULL ? map[i] : i;
        if (source >= from->ncolumns ||
            !weir__column_builder_fits(&self->columns[i], &from->columns[source]))
            return WEIR_EINVALID;
    }
    return 0;
}

static int gather_marks(weir_builder *self, const weir_columns *from, const weir__rows *rows)
{
    uint32_t first = self->rows;
    for (uint32_t i = 0; self->times != NULL && i < rows->count; i++)
        self->times[first + i] = from->timestamps != NULL
                                     ? weir__load_i64(from->timestamps, weir__rows_at(rows, i))
                                     : INT64_MIN;
    uint8_t all = 0;
    for (uint32_t i = 0; self->kinds != NULL && i < rows->count; i++) {
        uint8_t kind =
            from->row_kinds != NULL ? from->row_kinds[weir__rows_at(rows, i)] : WEIR_INSERT;
        self->kinds[first + i] = kind;
        all |= kind;
    }
    return all <= WEIR_DELETE ? 0 : WEIR_EINVALID;
}

static int append(weir_builder *builder, const weir_columns *from, const weir__rows *rows,
                  const uint32_t *map)
{
    int result =
        weir__builder_start_marks(builder, from->timestamps != NULL, from->row_kinds != NULL);
    if (result == 0)
        result = weir__builder_reserve_rows(builder, (uint64_t)builder->rows + rows->count);
    uint64_t bytes = 0;
    for (uint32_t i = 0; result == 0 && i < builder->ncolumns; i++)
        result =
            weir__column_builder_gather(&builder->columns[i], builder->rows,
                                        &from->columns[map != NULL ? map[i] : i], rows, &bytes);
    if (result == 0)
        result = gather_marks(builder, from, rows);
    uint64_t variable_bytes = builder->variable_bytes + bytes;
    if (result == 0 && weir__builder_size_bound(builder, (uint64_t)builder->rows + rows->count,
                                                variable_bytes) > WEIR_BATCH_SIZE_MAX)
        result = WEIR_ETOO_LARGE;
    if (result != 0)
        return result;
    builder->rows += rows->count;
    builder->variable_bytes = variable_bytes;
    return 0;
}

int weir_builder_append_columns(weir_builder *builder, const weir_columns *from,
                                const uint32_t *selection, uint32_t count, const uint32_t *map)
{
    int result = check_source(builder, from, count, selection, map);
    const weir__rows rows = {.selection = selection, .count = count};
    return result != 0 || count == 0 ? result : append(builder, from, &rows, map);
}

int weir_builder_append_range(weir_builder *builder, const weir_columns *from, uint32_t first,
                              uint32_t count)
{
    if (first > from->rows || count > from->rows - first)
        return WEIR_EINVALID;
    int result = check_source(builder, from, count, NULL, NULL);
    const weir__rows rows = {.start = first, .count = count};
    return result != 0 || count == 0 ? result : append(builder, from, &rows, NULL);
}

/* Rows whose values are written become part of the batch: inserts without an event time. */
static void append_rows(weir_builder *self, uint32_t rows)
{
    for (uint32_t i = 0; self->times != NULL && i < rows; i++)
        self->times[self->rows + i] = INT64_MIN;
    if (self->kinds != NULL)
        memset(self->kinds + self->rows, WEIR_INSERT, rows);
    self->rows += rows;
}

/* ---- strings in bulk ---- */

static int append_checked_strings(weir_builder *self, const char *bytes, const uint32_t *starts,
                                  const uint32_t *lengths, uint32_t rows, uint64_t *ret_bytes)
{
    for (uint32_t i = 0; i < rows; i++) {
        int result = weir__column_builder_append_bounded(&self->columns[0], self->rows + i,
                                                         bytes + starts[i], lengths[i], ret_bytes);
        if (result != 0)
            return result;
    }
    return 0;
}

/* Copies over the end of a string are put right by the next one, and the last one has slack. */
static int append_plain_strings(weir_builder *self, const char *bytes, const uint32_t *starts,
                                const uint32_t *lengths, uint32_t rows, uint64_t *ret_bytes)
{
    weir__column_builder *column = &self->columns[0];
    uint32_t *to = column->offsets + self->rows;
    uint64_t start = to[0], end = start;
    uint64_t readable = 0; /* of the source: where its last string ends */
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t stop = (uint64_t)starts[i] + lengths[i];
        readable = stop > readable ? stop : readable;
        end += lengths[i];
        to[i + 1] = (uint32_t)end;
    }
    if (end > WEIR_BATCH_SIZE_MAX)
        return WEIR_ETOO_LARGE;
    int result = weir__column_builder_reserve_bytes(column, (uint32_t)start, end - start);
    for (uint32_t i = 0; result == 0 && i < rows; i++)
        weir__copy_line(column->values + to[i], (const uint8_t *)bytes + starts[i], lengths[i],
                        readable - starts[i]);
    *ret_bytes += end - start;
    return result;
}

int weir_builder_append_strings(weir_builder *builder, const char *bytes, const uint32_t *starts,
                                const uint32_t *lengths, uint32_t rows)
{
    const weir__column_builder *column = &builder->columns[0];
    if (builder->ncolumns != 1 || column->nullable || !weir_kind_is_variable(column->kind))
        return WEIR_EINVALID;
    if (rows == 0)
        return 0;
    int result = weir__builder_reserve_rows(builder, (uint64_t)builder->rows + rows);
    if (result != 0)
        return result;
    uint64_t added = 0;
    result = column->op == WEIR__OP_BYTES
                 ? append_plain_strings(builder, bytes, starts, lengths, rows, &added)
                 : append_checked_strings(builder, bytes, starts, lengths, rows, &added);
    uint64_t variable_bytes = builder->variable_bytes + added;
    if (result == 0 && weir__builder_size_bound(builder, (uint64_t)builder->rows + rows,
                                                variable_bytes) > WEIR_BATCH_SIZE_MAX)
        result = WEIR_ETOO_LARGE;
    if (result != 0)
        return result;
    append_rows(builder, rows);
    builder->variable_bytes = variable_bytes;
    return 0;
}

/* ---- column by column ---- */

/* Forgets the rows that put_*_rows have begun. */
static int drop_rows(weir_builder *self, int result)
{
    self->put_bytes = 0;
    self->put_rows = 0;
    self->serial++;
    return result;
}

static int begin_rows(weir_builder *self, uint32_t index, uint32_t rows, weir__column_builder **ret)
{
    if (index >= self->ncolumns || rows == 0 || (self->put_rows != 0 && self->put_rows != rows) ||
        self->columns[index].put == self->serial)
        return drop_rows(self, WEIR_EINVALID);
    if (self->put_rows == 0)
        self->put_bytes = 0;
    self->put_rows = rows;
    *ret = &self->columns[index];
    int result = weir__builder_reserve_rows(self, (uint64_t)self->rows + rows);
    return result == 0 ? 0 : drop_rows(self, result);
}

/* Marks the column as filled, and its rows as NULL or not. */
static int end_column(weir_builder *self, weir__column_builder *column, const uint8_t *valid,
                      uint32_t rows, int result)
{
    if (result == 0 && valid != NULL && !column->nullable && memchr(valid, 0, rows) != NULL)
        result = WEIR_EINVALID;
    if (result != 0)
        return drop_rows(self, result);
    if (column->nullable)
        weir__bits_append(column->validity, self->rows, valid, rows);
    column->put = self->serial;
    return 0;
}

static bool decimals_fit(const weir__column_builder *column, const void *values,
                         const uint8_t *valid, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) {
        if ((valid == NULL || valid[i] != 0) &&
            !weir__decimal_fits(column, (const uint8_t *)values + (size_t)i * 16))
            return false;
    }
    return true;
}

int weir_builder_put_fixed_rows(weir_builder *builder, uint32_t column, const void *values,
                                const uint8_t *valid, uint32_t rows)
{
    weir__column_builder *self;
    int result = begin_rows(builder, column, rows, &self);
    if (result != 0)
        return result;
    if (self->width == 0 ||
        (self->op == WEIR__OP_DECIMAL && !decimals_fit(self, values, valid, rows)))
        result = WEIR_EINVALID;
    else
        memcpy(self->values + (size_t)builder->rows * self->width, values,
               (size_t)rows * self->width);
    return end_column(builder, self, valid, rows, result);
}

int weir_builder_put_bool_rows(weir_builder *builder, uint32_t column, const uint8_t *values,
                               const uint8_t *valid, uint32_t rows)
{
    weir__column_builder *self;
    int result = begin_rows(builder, column, rows, &self);
    if (result != 0)
        return result;
    if (self->op == WEIR__OP_BOOLEAN)
        weir__bits_append(self->values, builder->rows, values, rows);
    else
        result = WEIR_EINVALID;
    return end_column(builder, self, valid, rows, result);
}

/* Copies over the end of a text are put right by the next one, and the last one has slack. */
static int append_texts(weir__column_builder *column, uint32_t row, const weir_string *values,
                        const uint8_t *valid, uint32_t rows, uint64_t *bytes)
{
    uint32_t *to = column->offsets + row;
    uint64_t start = to[0], end = start;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t size = valid == NULL || valid[i] != 0 ? values[i].n : 0;
        if (WEIR_UNLIKELY(values[i].p == NULL && size > 0))
            return WEIR_EINVALID;
        end += size;
        to[i + 1] = (uint32_t)end;
    }
    if (end > WEIR_BATCH_SIZE_MAX)
        return WEIR_ETOO_LARGE;
    int result = weir__column_builder_reserve_bytes(column, (uint32_t)start, end - start);
    for (uint32_t i = 0; result == 0 && i < rows; i++)
        weir__copy_short(column->values + to[i], values[i].p, to[i + 1] - to[i]);
    *bytes += end - start;
    return result;
}

static int append_bounded_texts(weir__column_builder *column, uint32_t row,
                                const weir_string *values, const uint8_t *valid, uint32_t rows,
                                uint64_t *bytes)
{
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < rows; i++) {
        if (valid != NULL && valid[i] == 0)
            column->offsets[row + i + 1] = column->offsets[row + i];
        else
            result = weir__column_builder_append_bounded(column, row + i, values[i].p, values[i].n,
                                                         bytes);
    }
    return result;
}

int weir_builder_put_bytes_rows(weir_builder *builder, uint32_t column, const weir_string *values,
                                const uint8_t *valid, uint32_t rows)
{
    weir__column_builder *self;
    int result = begin_rows(builder, column, rows, &self);
    if (result != 0)
        return result;
    if (self->op == WEIR__OP_BOUNDED)
        result =
            append_bounded_texts(self, builder->rows, values, valid, rows, &builder->put_bytes);
    else if (self->op == WEIR__OP_BYTES)
        result = append_texts(self, builder->rows, values, valid, rows, &builder->put_bytes);
    else
        result = WEIR_EINVALID;
    return end_column(builder, self, valid, rows, result);
}

static int finish_rows(weir_builder *self, uint32_t rows)
{
    uint64_t variable_bytes = self->variable_bytes + self->put_bytes;
    for (uint32_t i = 0; i < self->ncolumns; i++) {
        weir__column_builder *column = &self->columns[i];
        if (column->put == self->serial)
            continue;
        if (!column->nullable)
            return WEIR_EINVALID;
        for (uint32_t row = 0; row < rows; row++) {
            int result = weir__column_builder_append_empty(column, self->rows + row);
            if (result != 0)
                return result;
        }
    }
    if (weir__builder_size_bound(self, (uint64_t)self->rows + rows, variable_bytes) >
        WEIR_BATCH_SIZE_MAX)
        return WEIR_ETOO_LARGE;
    append_rows(self, rows);
    self->variable_bytes = variable_bytes;
    return 0;
}

int weir_builder_end_rows(weir_builder *builder, uint32_t rows)
{
    int result = rows > 0 && rows == builder->put_rows ? finish_rows(builder, rows) : WEIR_EINVALID;
    return drop_rows(builder, result);
}
