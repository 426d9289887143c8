#include "batch/column_builder.h"

#include "base/memory.h"
#include "batch/schema_build.h"

#include <assert.h>

#define BYTES_FIRST 256u /* capacity of a variable-width column at first */
#define ITEMS_FIRST 64u

/* ---- life ---- */

static uint8_t op_of(const weir_schema_field *field)
{
    switch (field->kind) {
    case WEIR_KIND_boolean:
        return WEIR__OP_BOOLEAN;
    case WEIR_KIND_decimal:
        return WEIR__OP_DECIMAL;
    case WEIR_KIND_string:
    case WEIR_KIND_bytes:
        return WEIR__OP_BYTES;
    case WEIR_KIND_char:
    case WEIR_KIND_varchar:
    case WEIR_KIND_binary:
        return WEIR__OP_BOUNDED;
    case WEIR_KIND_array:
    case WEIR_KIND_map:
        return WEIR__OP_LIST;
    case WEIR_KIND_row:
        return WEIR__OP_ROW;
    default:
        break;
    }
    switch (weir_kind_width(field->kind)) {
    case 1:
        return WEIR__OP_FIXED_1;
    case 2:
        return WEIR__OP_FIXED_2;
    case 4:
        return WEIR__OP_FIXED_4;
    default:
        return WEIR__OP_FIXED_8;
    }
}

static weir_decimal power_of_ten(uint32_t exponent)
{
    unsigned __int128 power = 1;
    for (uint32_t i = 0; i < exponent; i++)
        power *= 10;
    return (weir_decimal){.low = (uint64_t)power, .high = (int64_t)(uint64_t)(power >> 64)};
}

static uint32_t own_bits(const weir__column_builder *column)
{
    uint32_t bits = column->nullable ? 1 : 0;
    if (column->op == WEIR__OP_BOOLEAN)
        return bits + 1;
    if (column->op == WEIR__OP_BYTES || column->op == WEIR__OP_BOUNDED ||
        column->op == WEIR__OP_LIST)
        return bits + 32;
    return bits + column->width * 8u;
}

int weir__column_builder_init(weir__column_builder *column, const weir_schema_field *field)
{
    *column = (weir__column_builder){.op = op_of(field),
                                     .nullable = field->nullable,
                                     .width = (uint8_t)weir_kind_width(field->kind),
                                     .kind = (uint8_t)field->kind,
                                     .offset = field->offset,
                                     .precision = field->precision};
    column->c_size =
        field->kind == WEIR_KIND_row ? field->record_size : weir__kind_c_size(field->kind);
    column->stride = weir__field_stride(field);
    column->row_bits = own_bits(column);
    if (column->op == WEIR__OP_DECIMAL)
        column->limit = power_of_ten(field->precision);
    if (field->nchildren == 0)
        return 0;
    column->children = weir_calloc(field->nchildren, sizeof *column->children);
    if (column->children == NULL)
        return WEIR_ENO_MEMORY;
    for (uint32_t i = 0; i < field->nchildren; i++) {
        column->nchildren = i + 1;
        int result = weir__column_builder_init(&column->children[i], &field->children[i]);
        if (result != 0)
            return result;
        if (column->op == WEIR__OP_ROW)
            column->row_bits += column->children[i].row_bits;
        else /* nothing else asks for them while all lists are empty */
            result = weir__column_builder_reserve(&column->children[i], 1);
        if (result != 0)
            return result;
    }
    return 0;
}

void weir__column_builder_deinit(weir__column_builder *column)
{
    for (uint32_t i = 0; i < column->nchildren; i++)
        weir__column_builder_deinit(&column->children[i]);
    weir_free(column->children);
    weir_free(column->values);
    weir_free(column->offsets);
    weir_free(column->validity);
    *column = (weir__column_builder){0};
}

/* ---- room ---- */

static int grow(void *block, size_t size)
{
    void **place = block;
    void *grown = weir_realloc(*place, size);
    if (grown == NULL)
        return WEIR_ENO_MEMORY;
    *place = grown;
    return 0;
}

/* The buffers that have a fixed size per row. */
static int grow_rows(weir__column_builder *column, uint32_t rows)
{
    int result = 0;
    if (column->nullable)
        result = grow(&column->validity, weir__bits_bytes(rows) + 8u);
    if (result == 0 && column->op == WEIR__OP_BOOLEAN)
        result = grow(&column->values, weir__bits_bytes(rows) + 8u);
    else if (result == 0 && column->width > 0)
        result = grow(&column->values, (size_t)rows * column->width);
    else if (result == 0 && column->op != WEIR__OP_ROW) {
        result = grow(&column->offsets, ((size_t)rows + 1) * sizeof *column->offsets);
        if (result == 0)
            column->offsets[0] = 0;
    }
    return result;
}

int weir__column_builder_reserve(weir__column_builder *column, uint64_t rows)
{
    if (rows <= column->rows_capacity)
        return 0;
    if (rows > WEIR_BATCH_SIZE_MAX)
        return WEIR_ETOO_LARGE;
    uint64_t capacity = (uint64_t)column->rows_capacity * 2;
    if (capacity > WEIR_BATCH_SIZE_MAX)
        capacity = WEIR_BATCH_SIZE_MAX;
    if (capacity < ITEMS_FIRST)
        capacity = ITEMS_FIRST;
    if (capacity < rows)
        capacity = rows;
    int result = grow_rows(column, (uint32_t)capacity);
    if (result == 0 && column->values == NULL && weir_kind_is_variable(column->kind))
        result = weir__column_builder_reserve_bytes(column, 0, BYTES_FIRST);
    for (uint32_t i = 0; result == 0 && column->op == WEIR__OP_ROW && i < column->nchildren; i++)
        result = weir__column_builder_reserve(&column->children[i], capacity);
    if (result == 0)
        column->rows_capacity = (uint32_t)capacity;
    return result;
}

__attribute__((cold)) int weir__column_builder_reserve_bytes(weir__column_builder *column,
                                                             uint32_t used, uint64_t more)
{
    uint64_t need = used + more;
    if (need <= column->bytes_capacity)
        return 0;
    if (more > WEIR_BATCH_SIZE_MAX || need > WEIR_BATCH_SIZE_MAX)
        return WEIR_ETOO_LARGE;
    uint64_t capacity = (uint64_t)column->bytes_capacity * 2;
    if (capacity > WEIR_BATCH_SIZE_MAX)
        capacity = WEIR_BATCH_SIZE_MAX;
    if (capacity < need)
        capacity = need;
    int result = grow(&column->values, capacity + WEIR_LINE_SLACK);
    if (result == 0)
        column->bytes_capacity = (uint32_t)capacity;
    return result;
}

/* ---- values ---- */

bool weir__decimal_fits(const weir__column_builder *column, const void *value)
{
    weir_decimal decimal;
    memcpy(&decimal, value, sizeof decimal);
    unsigned __int128 bits = (unsigned __int128)(uint64_t)decimal.high << 64 | decimal.low;
    unsigned __int128 size = decimal.high < 0 ? 0 - bits : bits;
    return size < ((unsigned __int128)(uint64_t)column->limit.high << 64 | column->limit.low);
}

static uint64_t count_characters(const uint8_t *text, size_t size)
{
    uint64_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += (text[i] & 0xc0) != 0x80;
    return count;
}

static int append_padded(weir__column_builder *column, uint32_t row, const void *text,
                         uint32_t size, uint32_t pad, uint64_t *bytes)
{
    uint32_t start = column->offsets[row];
    int result = weir__column_builder_reserve_bytes(column, start, (uint64_t)size + pad);
    if (result != 0)
        return result;
    if (size > 0)
        memcpy(column->values + start, text, size);
    memset(column->values + start + size, ' ', pad);
    column->offsets[row + 1] = start + size + pad;
    *bytes += (uint64_t)size + pad;
    return 0;
}

int weir__column_builder_append_bytes(weir__column_builder *column, uint32_t row, const void *text,
                                      uint32_t size, uint64_t *bytes)
{
    if (text == NULL && size > 0)
        return WEIR_EINVALID;
    int result = weir__column_builder_reserve_bytes(column, column->offsets[row], size);
    if (result != 0)
        return result;
    (void)weir__column_builder_append_quickly(column, row, text, size);
    *bytes += size;
    return 0;
}

int weir__column_builder_append_bounded(weir__column_builder *column, uint32_t row,
                                        const void *text, size_t size, uint64_t *bytes)
{
    if (text == NULL && size > 0)
        return WEIR_EINVALID;
    /* Counting costs: a text of few enough bytes has few enough characters. */
    uint64_t length = size;
    if (column->kind == WEIR_KIND_char ||
        (column->kind == WEIR_KIND_varchar && size > column->precision))
        length = count_characters(text, size);
    if (length > column->precision)
        return WEIR_EINVALID;
    if (size > WEIR_BATCH_SIZE_MAX)
        return WEIR_ETOO_LARGE;
    if (column->kind == WEIR_KIND_char && length < column->precision)
        return append_padded(column, row, text, (uint32_t)size,
                             (uint32_t)(column->precision - length), bytes);
    return weir__column_builder_append_bytes(column, row, text, (uint32_t)size, bytes);
}

int weir__column_builder_append_empty(weir__column_builder *column, uint32_t row)
{
    int result = weir__column_builder_reserve(column, (uint64_t)row + 1);
    if (result != 0)
        return result;
    weir__column_builder_set_valid(column, row, false);
    if (column->op == WEIR__OP_BOOLEAN)
        weir__bit_append(column->values, row, false);
    else if (column->width > 0)
        memset(column->values + (size_t)row * column->width, 0, column->width);
    else if (column->offsets != NULL)
        column->offsets[row + 1] = column->offsets[row];
    for (uint32_t i = 0; column->op == WEIR__OP_ROW && i < column->nchildren; i++) {
        result = weir__column_builder_append_empty(&column->children[i], row);
        if (result != 0)
            return result;
    }
    return 0;
}

/* Items in C layout become the column's rows from `first` on. */
static int append_items(weir__column_builder *column, uint32_t first, const uint8_t *items,
                        uint32_t count, uint64_t *bytes)
{
    *bytes += ((uint64_t)count * column->row_bits + 7) / 8;
    if (*bytes > WEIR_BATCH_SIZE_MAX)
        return WEIR_ETOO_LARGE;
    int result = weir__column_builder_reserve(column, (uint64_t)first + count);
    if (result != 0 || count == 0)
        return result;
    if (items == NULL)
        return WEIR_EINVALID;
    if (column->op <= WEIR__OP_FIXED_8 && !column->nullable) {
        memcpy(column->values + (size_t)first * column->width, items,
               (size_t)count * column->width);
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        result = weir__column_builder_append(column, first + i, items + (size_t)i * column->stride,
                                             bytes);
        if (result != 0)
            return result;
        if (*bytes > WEIR_BATCH_SIZE_MAX)
            return WEIR_ETOO_LARGE;
    }
    return 0;
}

static int append_list(weir__column_builder *column, uint32_t row, const uint8_t *value,
                       uint64_t *bytes)
{
    uint32_t first = column->offsets[row], count;
    int result;
    if (column->kind == WEIR_KIND_array) {
        weir_array array;
        memcpy(&array, value, sizeof array);
        count = array.n;
        result = append_items(&column->children[0], first, array.items, count, bytes);
    } else {
        weir_map_view map;
        memcpy(&map, value, sizeof map);
        count = map.n;
        result = append_items(&column->children[0], first, map.keys, count, bytes);
        if (result == 0)
            result = append_items(&column->children[1], first, map.values, count, bytes);
    }
    if (result == 0)
        column->offsets[row + 1] = first + count;
    return result;
}

static int append_row(weir__column_builder *column, uint32_t row, const uint8_t *record,
                      uint64_t *bytes)
{
    for (uint32_t i = 0; i < column->nchildren; i++) {
        weir__column_builder *child = &column->children[i];
        int result = weir__column_builder_append(child, row, record + child->offset, bytes);
        if (result != 0)
            return result;
    }
    return 0;
}

int weir__column_builder_append(weir__column_builder *column, uint32_t row, const uint8_t *field,
                                uint64_t *bytes)
{
    assert(row < column->rows_capacity);
    if (column->nullable) {
        if (field[column->c_size] != 0)
            return weir__column_builder_append_empty(column, row);
        weir__bit_append(column->validity, row, true);
    }
    weir_string text;
    switch (column->op) {
    case WEIR__OP_LIST:
        return append_list(column, row, field, bytes);
    case WEIR__OP_ROW:
        return append_row(column, row, field, bytes);
    case WEIR__OP_BOUNDED:
        memcpy(&text, field, sizeof text);
        return weir__column_builder_append_bounded(column, row, text.p, text.n, bytes);
    default:
        return weir__column_builder_append_value(column, row, field, bytes, bytes);
    }
}

/* ---- into a block ---- */

static uint32_t place(uint64_t *cursor, uint64_t size)
{
    uint64_t at = weir__align(*cursor, WEIR__BATCH_ALIGNMENT);
    *cursor = at + size;
    return (uint32_t)at;
}

static uint64_t values_size(const weir__column_builder *column, uint32_t rows)
{
    if (column->op == WEIR__OP_BOOLEAN)
        return weir__bits_bytes(rows);
    if (column->width > 0)
        return (uint64_t)rows * column->width;
    return weir_kind_is_variable(column->kind) ? column->offsets[rows] : 0;
}

void weir__column_builder_plan(const weir__column_builder *column, uint32_t rows, uint64_t *cursor,
                               weir__batch_entry **entry)
{
    weir__batch_entry *self = (*entry)++;
    *self = (weir__batch_entry){.rows = rows};
    if (column->nullable)
        self->nulls = rows - weir__bits_count(column->validity, rows);
    if (self->nulls > 0)
        self->validity = place(cursor, weir__bits_bytes(rows));
    if (column->offsets != NULL)
        self->offsets = place(cursor, ((uint64_t)rows + 1) * 4);
    uint64_t size = values_size(column, rows);
    if (size > 0)
        self->values = place(cursor, size);
    self->values_size = (uint32_t)size;
    uint32_t items = column->op == WEIR__OP_LIST ? column->offsets[rows] : rows;
    for (uint32_t i = 0; i < column->nchildren; i++)
        weir__column_builder_plan(&column->children[i], items, cursor, entry);
}

static void copy_to(uint8_t *block, uint64_t *end, uint32_t at, const void *bytes, uint64_t size)
{
    if (at == 0)
        return;
    memset(block + *end, 0, at - *end);
    memcpy(block + at, bytes, size);
    *end = at + size;
}

/* Bits behind the last row are whatever was there: they leave as 0. */
static void clear_tail(uint8_t *block, uint32_t at, uint32_t rows)
{
    if (at != 0 && rows % 8 != 0)
        block[at + rows / 8] &= (uint8_t)((1u << (rows % 8)) - 1);
}

void weir__column_builder_write(const weir__column_builder *column, uint8_t *block, uint64_t *end,
                                const weir__batch_entry **entry)
{
    const weir__batch_entry *self = (*entry)++;
    uint32_t rows = self->rows;
    copy_to(block, end, self->validity, column->validity, weir__bits_bytes(rows));
    clear_tail(block, self->validity, rows);
    copy_to(block, end, self->offsets, column->offsets, ((uint64_t)rows + 1) * 4);
    copy_to(block, end, self->values, column->values, self->values_size);
    if (column->op == WEIR__OP_BOOLEAN)
        clear_tail(block, self->values, rows);
    for (uint32_t i = 0; i < column->nchildren; i++)
        weir__column_builder_write(&column->children[i], block, end, entry);
}

void weir__column_builder_view(const weir__column_builder *column, uint32_t rows, weir_column *into,
                               weir_column **spare)
{
    weir_column *children = *spare;

    *spare += column->nchildren;
    *into = (weir_column){.kind = column->kind,
                          .values = column->values,
                          .offsets = column->offsets,
                          .children = column->nchildren > 0 ? children : NULL,
                          .nchildren = column->nchildren,
                          .rows = rows};
    if (column->nullable)
        into->nulls = rows - weir__bits_count(column->validity, rows);
    if (into->nulls > 0)
        into->validity = column->validity;
    uint32_t items = column->op == WEIR__OP_LIST ? column->offsets[rows] : rows;
    for (uint32_t i = 0; i < column->nchildren; i++)
        weir__column_builder_view(&column->children[i], items, &children[i], spare);
}
