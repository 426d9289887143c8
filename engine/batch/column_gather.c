/* Rows of one batch into the columns of another: a gather per column. The source is a view that may
 * lie at any address, and may be a job's own. */
#include "batch/column_builder.h"

#include "base/memory.h"
#include "batch/gather.h"

bool weir__column_builder_fits(const weir__column_builder *column, const weir_column *from)
{
    if (column->kind != from->kind || column->nchildren != from->nchildren)
        return false;
    for (uint32_t i = 0; i < column->nchildren; i++) {
        if (!weir__column_builder_fits(&column->children[i], &from->children[i]))
            return false;
    }
    return true;
}

/* ---- validity ---- */

static int gather_validity(weir__column_builder *column, uint32_t row, const weir_column *from,
                           const weir__rows *rows)
{
    if (from->nulls == 0) {
        if (column->nullable)
            weir__bits_append(column->validity, row, NULL, rows->count);
    } else if (column->nullable) {
        weir__gather_bits(column->validity, row, from->validity, rows);
    } else if (weir__gather_count_unset(from->validity, rows) > 0) {
        return WEIR_EINVALID;
    }
    return 0;
}

/* ---- variable width and lists ---- */

/* New offsets from the lengths of the chosen rows; the end may be over what 32 bits hold, and then
 * is refused before anything looks at the offsets. */
static uint64_t gather_offsets(weir__column_builder *column, uint32_t row, const weir_column *from,
                               const weir__rows *rows)
{
    uint32_t *to = column->offsets + row;
    uint64_t end = to[0];
    if (rows->selection == NULL) {
        uint64_t first = weir__load_u32(from->offsets, rows->start);
        for (uint32_t i = 1; i <= rows->count; i++)
            to[i] =
                (uint32_t)(end + weir__load_u32(from->offsets, (size_t)rows->start + i) - first);
        return end + weir__load_u32(from->offsets, (size_t)rows->start + rows->count) - first;
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        size_t at = rows->selection[i];
        end += weir__load_u32(from->offsets, at + 1) - weir__load_u32(from->offsets, at);
        to[i + 1] = (uint32_t)end;
    }
    return end;
}

static int gather_bytes(weir__column_builder *column, uint32_t row, const weir_column *from,
                        const weir__rows *rows, uint64_t *bytes)
{
    uint64_t start = column->offsets[row];
    uint64_t end = gather_offsets(column, row, from, rows);
    if (end > WEIR_BATCH_SIZE_MAX)
        return WEIR_ETOO_LARGE;
    int result = weir__column_builder_reserve_bytes(column, (uint32_t)start, end - start);
    if (result != 0)
        return result;
    *bytes += end - start;
    if (end == start)
        return 0;
    const uint8_t *values = from->values;
    if (rows->selection == NULL) {
        memcpy(column->values + start, values + weir__load_u32(from->offsets, rows->start),
               end - start);
        return 0;
    }
    size_t readable = weir__load_u32(from->offsets, from->rows);
    const uint32_t *to = column->offsets + row;
    for (uint32_t i = 0; i < rows->count; i++) {
        size_t at = weir__load_u32(from->offsets, rows->selection[i]);
        weir__copy_bounded(column->values + to[i], values + at, to[i + 1] - to[i], readable - at);
    }
    return 0;
}

/* The items of the chosen lists, as a selection of the children's rows. */
static int gather_list(weir__column_builder *column, uint32_t row, const weir_column *from,
                       const weir__rows *rows, uint64_t *bytes)
{
    uint64_t start = column->offsets[row];
    uint64_t end = gather_offsets(column, row, from, rows);
    if (end > WEIR_BATCH_SIZE_MAX)
        return WEIR_ETOO_LARGE;
    weir__rows items = {.count = (uint32_t)(end - start)};
    uint32_t *selection = NULL;
    if (rows->selection == NULL) {
        items.start = weir__load_u32(from->offsets, rows->start);
    } else if (items.count > 0) {
        selection = weir_alloc(items.count * sizeof *selection);
        if (selection == NULL)
            return WEIR_ENO_MEMORY;
        uint32_t next = 0;
        for (uint32_t i = 0; i < rows->count; i++) {
            uint32_t at = weir__load_u32(from->offsets, rows->selection[i]);
            uint32_t stop = weir__load_u32(from->offsets, (size_t)rows->selection[i] + 1);
            while (at < stop)
                selection[next++] = at++;
        }
        items.selection = selection;
    }
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < column->nchildren; i++) {
        weir__column_builder *child = &column->children[i];
        *bytes += ((uint64_t)items.count * child->row_bits + 7) / 8;
        if (*bytes > WEIR_BATCH_SIZE_MAX)
            result = WEIR_ETOO_LARGE;
        if (result == 0)
            result = weir__column_builder_reserve(child, end);
        if (result == 0)
            result = weir__column_builder_gather(child, (uint32_t)start, &from->children[i], &items,
                                                 bytes);
    }
    weir_free(selection);
    return result;
}

int weir__column_builder_gather(weir__column_builder *column, uint32_t row, const weir_column *from,
                                const weir__rows *rows, uint64_t *bytes)
{
    if (rows->count == 0)
        return 0;
    int result = gather_validity(column, row, from, rows);
    if (result != 0)
        return result;
    switch (column->op) {
    case WEIR__OP_BOOLEAN:
        weir__gather_bits(column->values, row, from->values, rows);
        return 0;
    case WEIR__OP_BYTES:
    case WEIR__OP_BOUNDED:
        return gather_bytes(column, row, from, rows, bytes);
    case WEIR__OP_LIST:
        return gather_list(column, row, from, rows, bytes);
    case WEIR__OP_ROW:
        for (uint32_t i = 0; result == 0 && i < column->nchildren; i++)
            result = weir__column_builder_gather(&column->children[i], row, &from->children[i],
                                                 rows, bytes);
        return result;
    default:
        weir__gather_fixed(column->values + (size_t)row * column->width, column->width,
                           from->values, rows);
        return 0;
    }
}
