/* batch/record_reader.h -- rows of a batch as C records, for callbacks that like structs.
 *
 * The reader owns one record buffer; weir_record_reader_get fills it with row `row` and returns it.
 * Strings point into the batch; arrays of strings and nested values into the reader's scratch
 * memory. Valid until the next get. No allocation per row once the scratch has grown. One thread.
 */
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

#endif
