/* batch/builder_state.h -- internal to the room: what a builder is, for the files that fill it row
 * by row (builder.c) and many rows at once (builder_rows.c). */
#ifndef BATCH_BUILDER_STATE_H
#define BATCH_BUILDER_STATE_H

#include "batch/builder.h"
#include "batch/column_builder.h"

/* A fixed-width column that is not null: all that copying its value takes. */
typedef struct weir__fixed_step {
    uint8_t *values;
    uint32_t offset; /* in the C record */
} weir__fixed_step;

struct weir_builder {
    /* What appending a record touches. */
    weir__column_builder *columns;
    uint32_t ncolumns;
    bool is_one_string; /* one string column that is not null */
    uint32_t rows;
    uint32_t rows_capacity;  /* no row beyond it fits the memory or WEIR_BATCH_SIZE_MAX */
    int64_t *times;          /* NULL while no row of this batch has an event time */
    uint8_t *kinds;          /* NULL while all are inserts */
    uint64_t variable_bytes; /* what rows took beyond row_bits */
    int64_t variable_limit;  /* up to here any row under rows_capacity is sure to fit */
    /* The schema as a program: columns by what they take to copy. */
    weir__fixed_step *fixed; /* nfixed8 of 8 bytes, then nfixed4 of 4 */
    uint32_t nfixed8, nfixed4;
    weir__column_builder **others; /* nstrings that are not null, then nothers of any kind */
    uint32_t nstrings, nothers;
    /* The rest. */
    uint32_t rows_max, bytes_max;
    uint32_t row_bits; /* per row, without event time and row kind */
    uint32_t nodes;
    uint32_t memory_rows; /* rows that the columns have memory for */
    uint64_t overhead;    /* header, directory and padding at most */
    uint64_t serial;      /* of the row that put_* fill */
    uint64_t put_bytes;
    uint32_t put_rows; /* that put_*_rows fill, as the first of them said */
    weir_schema *schema;
    int64_t *times_memory; /* memory_rows each, once they were needed */
    uint8_t *kinds_memory;
    weir__batch_entry *directory;
    weir_column *views; /* one per node: top level first */
    weir_columns view;
};

static inline uint32_t weir__builder_row_bits(const weir_builder *self)
{
    return self->row_bits + (self->times != NULL ? 64u : 0u) + (self->kinds != NULL ? 8u : 0u);
}

/* Never less than what finish makes of so many rows. */
static inline uint64_t weir__builder_size_bound(const weir_builder *self, uint64_t rows,
                                                uint64_t variable_bytes)
{
    return self->overhead + variable_bytes + (rows * weir__builder_row_bits(self) + 7) / 8;
}

/* Memory for `rows` rows in all. WEIR_ETOO_LARGE, WEIR_ENO_MEMORY. */
int weir__builder_reserve_rows(weir_builder *builder, uint64_t rows) WEIR_MUST_CHECK;
/* From now on rows have event times, row kinds: those before get none, inserts. Rows that were fine
 * without them may not fit with them: then they stay without. */
int weir__builder_start_marks(weir_builder *builder, bool times, bool kinds) WEIR_MUST_CHECK;

#endif
