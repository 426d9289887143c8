/* batch/row_split_state.h -- internal to the room: what a split is, for row_split.c, which sorts
 * rows and decides on batches, and split_bin.c, which makes one. */
#ifndef BATCH_ROW_SPLIT_STATE_H
#define BATCH_ROW_SPLIT_STATE_H

#include "batch/batch_layout.h"
#include "batch/builder.h"
#include "batch/bytes.h"
#include "batch/row_split.h"

/* Of the size of a block, so that the next one in a slab lies at its end. */
#define WEIR__BLOCK_ALIGNMENT 64u

enum weir__split_op {
    WEIR__SPLIT_BITS,
    WEIR__SPLIT_FIXED,
    WEIR__SPLIT_TEXT, /* all of variable width */
    WEIR__SPLIT_ROW   /* a struct: its fields follow it */
};

typedef struct weir__split_node {
    uint8_t op;
    bool nullable;
    uint32_t width;
} weir__split_node;

/* A batch in the making: of each piece, a run of the sorted rows. */
typedef struct weir__split_bin {
    uint32_t target, rows;
    weir__rows from[WEIR_SPLIT_PIECES_MAX];
    weir__batch_header header;
    uint8_t *block;          /* of its own, or in a slab */
    struct weir__slab *slab; /* NULL: of its own */
    weir_batch *batch;
} weir__split_bin;

/* A column of a bin. */
typedef struct weir__split_cell {
    uint64_t size; /* bytes of values */
    uint32_t nulls;
    uint32_t validity, offsets, values; /* in the block; 0: absent */
} weir__split_cell;

typedef struct weir__split_source {
    const weir_columns *all;
    const weir_column **columns; /* by node */
    uint32_t *selection;         /* row numbers, sorted by target */
    size_t selection_capacity;
    uint32_t *starts; /* by target, and one more: of its run in the selection */
} weir__split_source;

struct weir_row_split {
    weir_schema *schema;
    weir__split_node *nodes;
    uint32_t nnodes, ntargets;
    uint32_t rows_max, bytes_max;
    uint32_t row_bits; /* of a row, without texts, times and kinds */
    uint32_t overhead; /* of a batch: header, directory, padding at most */
    bool has_texts;
    weir_builder *builder; /* of rows with lists, which go through it; else NULL */
    /* Of the call. */
    weir__split_source sources[WEIR_SPLIT_PIECES_MAX];
    uint32_t nsources;
    bool has_times, has_kinds;
    size_t row_bytes; /* on average */
    uint32_t *next;   /* by target: scratch of the sort */
    uint32_t nbins;
    weir__split_bin *bins;
    weir__split_cell *cells; /* by bin, then by node */
    weir_split_batch *made;
    size_t bins_capacity, cells_capacity, made_capacity;
};

/* Bytes of a batch of so many rows at most, with `texts` bytes of texts. */
static inline uint64_t weir__split_size_bound(const weir_row_split *split, uint64_t rows,
                                              uint64_t texts)
{
    uint64_t bits = split->row_bits + (split->has_times ? 64u : 0u) + (split->has_kinds ? 8u : 0u);
    return split->overhead + texts + (rows * bits + 7) / 8;
}

/* The first `count` of the bin's rows, and how large their columns are. `ret_texts`: bytes of all
 * texts. WEIR_EINVALID: a NULL where none may be. */
int weir__split_measure(const weir_row_split *split, const weir__split_bin *bin,
                        weir__split_cell *cells, uint64_t *ret_texts) WEIR_MUST_CHECK;
/* Works out where a measured bin's columns lie, and its size. WEIR_ETOO_LARGE. */
int weir__split_lay_out(const weir_row_split *split, weir__split_bin *bin,
                        weir__split_cell *cells) WEIR_MUST_CHECK;
/* Gives bins their blocks: small ones side by side in slabs, so that batches for one receiver can
 * travel together. */
int weir__split_allocate(const weir_row_split *split, weir__split_bin *bins,
                         uint32_t count) WEIR_MUST_CHECK;
void weir__split_free(weir__split_bin *bin); /* a block that became no batch */
/* Fills a column of a bin; columns in order, for a text may write a little beyond its end. */
void weir__split_fill(const weir_row_split *split, const weir__split_bin *bin,
                      const weir__split_cell *cell, uint32_t node);
/* Makes the batch: event times and kinds, the gaps between columns, the object. */
void weir__split_finish(const weir_row_split *split, weir__split_bin *bin,
                        const weir__split_cell *cells);

#endif
