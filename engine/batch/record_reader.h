/* batch/record_reader.h -- rows of a batch as C records, for callbacks that like structs.
 *
 * The reader owns the records' memory: weir_record_reader_rows fills it with as many rows as fit,
 * in one loop per column. Strings point into the batch; arrays of strings and nested values into
 * the reader's scratch memory. Valid until the next get or rows. No allocation per row once the
 * scratch has grown. One thread. */
#ifndef BATCH_RECORD_READER_H
#define BATCH_RECORD_READER_H

#include "batch/batch.h"

typedef struct weir_record_reader weir_record_reader;

/* The schema must come from a weir_type (record_size > 0). */
int weir_record_reader_new(weir_schema *schema, weir_record_reader **ret) WEIR_MUST_CHECK;
void weir_record_reader_destroy(weir_record_reader **reader);
/* Sets the batch to read; columns must have the schema's shape. */
void weir_record_reader_set(weir_record_reader *reader, const weir_columns *columns);
/* NULL when memory ends. */
const void *weir_record_reader_get(weir_record_reader *reader, uint32_t row) WEIR_MUST_CHECK;
uint32_t weir_record_reader_size(const weir_record_reader *reader); /* bytes of a record */
/* Rows from `first` on, at most `count` (at least 1) of them, as an array of records, each
 * weir_schema_record_size bytes; *ret_count (at least 1) says how many. NULL when memory ends. */
const void *weir_record_reader_rows(weir_record_reader *reader, uint32_t first, uint32_t count,
                                    uint32_t *ret_count) WEIR_MUST_CHECK;

/* The records of a batch one after the other: {0} after weir_record_reader_set. */
typedef struct weir_record_run {
    const uint8_t *next;
    uint32_t left, size;
} weir_record_run;

/* Record `row`, which is the one behind the last call's (or 0), of `rows`; NULL when memory ends.
 * Valid until the next call. */
WEIR_MUST_CHECK static inline const void *
weir_record_run_next(weir_record_run *run, weir_record_reader *reader, uint32_t row, uint32_t rows)
{
    const uint8_t *record = run->next;

    if (run->left == 0) {
        record = weir_record_reader_rows(reader, row, rows - row, &run->left);
        if (record == NULL)
            return NULL;
        run->size = weir_record_reader_size(reader);
    }
    run->left--;
    run->next = record + run->size;
    return record;
}

#endif
