/* operators/keyed_rows.h -- the rows of batches by key: finds each row's entry in a table.
 *
 * Used by count and reduce. It picks the cheapest form that keeps two keys equal exactly when their
 * encodings (batch/key.h) are: the bytes of one string, the bits of one integer, or the encoding. A
 * combiner (phase PARTIAL) has two tables: when the memory of one is used up it is drained, a few
 * batches for each batch that comes in, while the other one fills. One thread. */
#ifndef OPERATORS_KEYED_ROWS_H
#define OPERATORS_KEYED_ROWS_H

#include "batch/key.h"
#include "graph/operator.h"
#include "operators/key_table.h"

typedef struct weir_keyed_rows {
    const weir_operator *operator_;
    weir_schema *schema; /* of the input; borrowed */
    uint32_t fields[WEIR_GRAPH_KEYS_MAX], count;
    uint32_t into[WEIR_GRAPH_KEYS_MAX]; /* the fields' columns in the output */
    enum { WEIR_KEYS_STRING, WEIR_KEYS_WORD, WEIR_KEYS_ENCODED } form;
    uint32_t width;                              /* WORD: bytes of the value */
    weir_key_codec *codec;                       /* ENCODED */
    weir_key_table tables[2], *table, *draining; /* draining: the other one, or NULL */
    uint64_t cursor;                             /* in `draining` */
    uint64_t limit;                              /* bytes of one table; UINT64_MAX: none */
    /* The batch in hand. */
    const uint8_t *bytes;
    const uint32_t *offsets;
    size_t readable;
    const uint8_t *words;
} weir_keyed_rows;

/* Keys and input are those of the operator; its input schema stays alive. When `limited` the tables
 * keep within the context's combine_memory. */
int weir_keyed_rows_init(weir_keyed_rows *keyed, const weir_operator *operator_, bool limited,
                         weir_error *err) WEIR_MUST_CHECK;
void weir_keyed_rows_deinit(weir_keyed_rows *keyed);

/* Finds the columns of `output` that have the key fields' names, for weir_keyed_rows_put. */
int weir_keyed_rows_bind(weir_keyed_rows *keyed, const weir_schema *output,
                         weir_error *err) WEIR_MUST_CHECK;

/* Begins a batch: refuses NULL keys (the first record with one is named) and makes room for its
 * rows. WEIR_PENDING: the limited table is full; drain the other one to its end,
 * weir_keyed_rows_turn, and begin again. The columns must live until the last find. */
int weir_keyed_rows_begin(weir_keyed_rows *keyed, const weir_columns *columns,
                          weir_error *err) WEIR_MUST_CHECK;
/* Entries of rows [first, first + count), count at most WEIR_KEY_BLOCK; new ones have the value
 * zero. */
int weir_keyed_rows_find(weir_keyed_rows *keyed, uint32_t first, uint32_t count,
                         weir_key_entry **ret, weir_error *err) WEIR_MUST_CHECK;

/* Adds 1 to the counts of those entries instead. */
int weir_keyed_rows_count(weir_keyed_rows *keyed, uint32_t first, uint32_t count,
                          weir_error *err) WEIR_MUST_CHECK;

/* The full table (or, at the end, the only one with rows) is to be drained, the other one fills. */
void weir_keyed_rows_turn(weir_keyed_rows *keyed);
/* The next entry of the table that is drained; NULL at its end: it is empty then. Reads of the
 * entry and of its value hold until the next call. */
const weir_key_entry *weir_keyed_rows_drain(weir_keyed_rows *keyed);

/* Puts the key's fields into the builder's current row. */
int weir_keyed_rows_put(const weir_keyed_rows *keyed, const weir_key_entry *entry,
                        weir_builder *builder, weir_error *err) WEIR_MUST_CHECK;

#endif
