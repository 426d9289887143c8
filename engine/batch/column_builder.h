/* batch/column_builder.h -- internal to the room: the growing buffers of one column and its
 * children.
 *
 * A column keeps no count of its own: rows are numbered by the builder (at the top and in rows) or
 * by the offsets of the list around it, and what lies behind the last committed row is free to be
 * written again. So a record that fails half-way leaves nothing to undo. NULLs are counted from the
 * bitmap when a batch is made.
 *
 * `bytes` parameters add up what a row takes beyond `row_bits`. */
#ifndef BATCH_COLUMN_BUILDER_H
#define BATCH_COLUMN_BUILDER_H

#include "base/error.h"
#include "batch/batch_layout.h"
#include "batch/bytes.h"
#include "batch/schema.h"

/* How one value gets from a C record into the buffers. */
enum weir__op {
    WEIR__OP_FIXED_1,
    WEIR__OP_FIXED_2,
    WEIR__OP_FIXED_4,
    WEIR__OP_FIXED_8,
    WEIR__OP_BOOLEAN,
    WEIR__OP_DECIMAL, /* checked against its precision */
    WEIR__OP_BYTES,   /* string, bytes */
    WEIR__OP_BOUNDED, /* char, varchar, binary: checked against their length */
    WEIR__OP_LIST,    /* array, map */
    WEIR__OP_ROW
};

typedef struct weir__column_builder {
    uint8_t *values;   /* with WEIR_LINE_SLACK bytes behind bytes_capacity */
    uint32_t *offsets; /* rows_capacity + 1; [0] is 0 */
    uint8_t *validity; /* nullable columns only */
    uint32_t rows_capacity;
    uint32_t bytes_capacity; /* variable width */
    uint8_t op;              /* enum weir__op */
    bool nullable;
    uint8_t width; /* of a fixed-width value, else 0 */
    uint8_t kind;
    uint32_t offset;   /* in the C record */
    uint32_t c_size;   /* of the C value; is_null follows it */
    uint32_t stride;   /* of items in a C array */
    uint32_t row_bits; /* what every row takes in a batch */
    uint32_t precision;
    uint32_t nchildren;
    struct weir__column_builder *children;
    weir_decimal limit; /* 10 to the precision: what a decimal stays under */
    uint64_t put;       /* serial of the row that has a value already */
} weir__column_builder;

int weir__column_builder_init(weir__column_builder *column,
                              const weir_schema_field *field) WEIR_MUST_CHECK;
void weir__column_builder_deinit(weir__column_builder *column);

/* Room for `rows` rows at least; children of a row grow with it, those of a list on their own. */
int weir__column_builder_reserve(weir__column_builder *column, uint64_t rows) WEIR_MUST_CHECK;
/* Room for `more` bytes of values behind the first `used`. */
int weir__column_builder_reserve_bytes(weir__column_builder *column, uint32_t used,
                                       uint64_t more) WEIR_MUST_CHECK;

/* Row `row` from a C field: the value, or {value; is_null} of a nullable one. The top level is
 * reserved already; what lies deeper is grown here. */
int weir__column_builder_append(weir__column_builder *column, uint32_t row, const uint8_t *field,
                                uint64_t *bytes) WEIR_MUST_CHECK;
/* NULL, or for a column that is not null: zero, empty. */
int weir__column_builder_append_empty(weir__column_builder *column, uint32_t row) WEIR_MUST_CHECK;
/* The length-checked kinds; char is padded. */
int weir__column_builder_append_bounded(weir__column_builder *column, uint32_t row,
                                        const void *text, size_t size,
                                        uint64_t *bytes) WEIR_MUST_CHECK;
bool weir__decimal_fits(const weir__column_builder *column, const void *value);

/* Rows of a column of another batch, from row `row` on. */
int weir__column_builder_gather(weir__column_builder *column, uint32_t row, const weir_column *from,
                                const weir__rows *rows, uint64_t *bytes) WEIR_MUST_CHECK;
/* The first `rows` rows as a view; children's views are taken from *spare. */
void weir__column_builder_view(const weir__column_builder *column, uint32_t rows, weir_column *into,
                               weir_column **spare);
/* Whether a view has the kinds and children of the column. */
bool weir__column_builder_fits(const weir__column_builder *column, const weir_column *from);

/* Lays out `rows` rows at the cursor (of a block) and fills the column's directory entries. */
void weir__column_builder_plan(const weir__column_builder *column, uint32_t rows, uint64_t *cursor,
                               weir__batch_entry **entry);
/* Copies what was planned; bytes between buffers become 0. `end` is where the last one ended. */
void weir__column_builder_write(const weir__column_builder *column, uint8_t *block, uint64_t *end,
                                const weir__batch_entry **entry);

/* ---- the common values, inline ---- */

static inline void weir__column_builder_set_valid(weir__column_builder *column, uint32_t row,
                                                  bool valid)
{
    if (column->validity != NULL)
        weir__bit_append(column->validity, row, valid);
}

/* Copies a text to row `row`; false when it does not fit without growing, or is not there. */
static inline bool weir__column_builder_append_quickly(weir__column_builder *column, uint32_t row,
                                                       const void *text, uint32_t size)
{
    uint32_t start = column->offsets[row];
    if (WEIR_UNLIKELY(size > column->bytes_capacity - start || (text == NULL && size > 0)))
        return false;
    weir__copy_short(column->values + start, text, size);
    column->offsets[row + 1] = start + size;
    return true;
}

int weir__column_builder_append_bytes(weir__column_builder *column, uint32_t row, const void *text,
                                      uint32_t size, uint64_t *bytes) WEIR_MUST_CHECK;

/* A value of a column that is not null, at a place that is reserved. `*quick_bytes` may live in a
 * register: it is never handed on. */
static inline __attribute__((always_inline)) int
weir__column_builder_append_value(weir__column_builder *column, uint32_t row, const uint8_t *value,
                                  uint64_t *quick_bytes, uint64_t *bytes)
{
    const char *text;
    uint32_t size;
    switch (column->op) {
    case WEIR__OP_FIXED_1:
        column->values[row] = *value;
        return 0;
    case WEIR__OP_FIXED_2:
        memcpy(column->values + (size_t)row * 2, value, 2);
        return 0;
    case WEIR__OP_FIXED_4:
        memcpy(column->values + (size_t)row * 4, value, 4);
        return 0;
    case WEIR__OP_FIXED_8:
        memcpy(column->values + (size_t)row * 8, value, 8);
        return 0;
    case WEIR__OP_BOOLEAN:
        weir__bit_append(column->values, row, *value != 0);
        return 0;
    case WEIR__OP_DECIMAL:
        memcpy(column->values + (size_t)row * 16, value, 16);
        return weir__decimal_fits(column, value) ? 0 : WEIR_EINVALID;
    case WEIR__OP_BYTES:
        memcpy(&text, value + offsetof(weir_string, p), sizeof text);
        memcpy(&size, value + offsetof(weir_string, n), sizeof size);
        if (WEIR_LIKELY(weir__column_builder_append_quickly(column, row, text, size))) {
            *quick_bytes += size;
            return 0;
        }
        return weir__column_builder_append_bytes(column, row, text, size, bytes);
    default:
        return weir__column_builder_append(column, row, value, bytes);
    }
}

#endif
