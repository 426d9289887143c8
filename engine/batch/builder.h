/* batch/builder.h -- fills one batch after another, from C records, from columns, or value by
 * value.
 *
 * Owned by one thread. Memory for the columns is kept between batches: a steady stream allocates
 * one block per batch and nothing per row. Appending to a full builder is allowed up to
 * WEIR_BATCH_SIZE_MAX; the caller watches weir_builder_is_full and takes the batch. */
#ifndef BATCH_BUILDER_H
#define BATCH_BUILDER_H

#include "batch/batch.h"

typedef struct weir_builder weir_builder;

/* Full at `rows_max` rows or about `bytes_max` bytes, whichever comes first. The schema is ref'd.
 */
int weir_builder_new(weir_schema *schema, uint32_t rows_max, uint32_t bytes_max,
                     weir_builder **ret) WEIR_MUST_CHECK;
void weir_builder_destroy(weir_builder **builder);

/* A C record as described by the schema's weir_type (offsets). Copies strings. The common shapes (a
 * few fixed-width and string fields, not null) have a fast path. WEIR_ETOO_LARGE, WEIR_ENO_MEMORY,
 * WEIR_EINVALID (a length over char/varchar/binary's, invalid decimal). The record is appended
 * whole or not at all. `timestamp` INT64_MIN: none. A char that is short is padded with spaces. */
int weir_builder_append_record(weir_builder *builder, const void *record, int64_t timestamp,
                               uint8_t row_kind) WEIR_MUST_CHECK;
/* Rows of another batch of the same shape: all (`selection` NULL), or those listed, in order.
 * `map` (or NULL) gives for each of our columns the index of the source column. */
int weir_builder_append_columns(weir_builder *builder, const weir_columns *from,
                                const uint32_t *selection, uint32_t count,
                                const uint32_t *map) WEIR_MUST_CHECK;
/* Rows [first, first + count) of a batch of the same shape. */
int weir_builder_append_range(weir_builder *builder, const weir_columns *from, uint32_t first,
                              uint32_t count) WEIR_MUST_CHECK;

/* Value by value, top-level columns only: for each column once per row, then end_row. A column that
 * got nothing in a row becomes NULL (WEIR_EINVALID from end_row when it is not nullable; the row is
 * dropped). Fixed-width values are given by pointer in the layout of weir_kind_width. */
int weir_builder_put_fixed(weir_builder *builder, uint32_t column,
                           const void *value) WEIR_MUST_CHECK;
int weir_builder_put_bool(weir_builder *builder, uint32_t column, bool value) WEIR_MUST_CHECK;
int weir_builder_put_bytes(weir_builder *builder, uint32_t column, const void *bytes,
                           size_t size) WEIR_MUST_CHECK;
int weir_builder_put_null(weir_builder *builder, uint32_t column) WEIR_MUST_CHECK;
int weir_builder_end_row(weir_builder *builder, int64_t timestamp,
                         uint8_t row_kind) WEIR_MUST_CHECK;

/* Column by column, `rows` rows at once: for each top-level column one of these, all with the same
 * `rows`, then end_rows, which appends them without event times, as inserts. `valid`: a byte per
 * row, 0 for NULL, whose value is there but means nothing; `valid` NULL: all have a value. A column
 * that got nothing becomes NULL, as in end_row. WEIR_EINVALID: the wrong kind, NULL in a column
 * that is not nullable, a value that does not fit its type; after an error all columns of these
 * rows are forgotten. */
int weir_builder_put_fixed_rows(weir_builder *builder, uint32_t column, const void *values,
                                const uint8_t *valid, uint32_t rows) WEIR_MUST_CHECK;
/* A byte per value, 0 for false. */
int weir_builder_put_bool_rows(weir_builder *builder, uint32_t column, const uint8_t *values,
                               const uint8_t *valid, uint32_t rows) WEIR_MUST_CHECK;
int weir_builder_put_bytes_rows(weir_builder *builder, uint32_t column, const weir_string *values,
                                const uint8_t *valid, uint32_t rows) WEIR_MUST_CHECK;
int weir_builder_end_rows(weir_builder *builder, uint32_t rows) WEIR_MUST_CHECK;

/* The C type of a `put` of column values in bulk: `rows` strings given by offsets into bytes (the
 * batch must have one non-null variable-width column only). For line sources: no per-row call. */
int weir_builder_append_strings(weir_builder *builder, const char *bytes, const uint32_t *starts,
                                const uint32_t *lengths, uint32_t rows) WEIR_MUST_CHECK;

uint32_t weir_builder_rows(const weir_builder *builder);
uint32_t weir_builder_rows_left(const weir_builder *builder); /* until it is full of rows */
size_t weir_builder_bytes(const weir_builder *builder);
bool weir_builder_is_full(const weir_builder *builder);
/* What was appended, as views into the builder's own memory: no copy; valid until the next append,
 * finish or clear. For handing rows to the next operator of a chain. */
const weir_columns *weir_builder_view(weir_builder *builder);
/* Makes the batch of what was appended (0 rows are allowed) and empties the builder. */
int weir_builder_finish(weir_builder *builder, weir_batch **ret) WEIR_MUST_CHECK;
void weir_builder_clear(weir_builder *builder);

#endif
