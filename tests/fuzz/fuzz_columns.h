/* tests/fuzz/fuzz_columns.h -- schemas of every kind, and reading columns completely. */
#ifndef TESTS_FUZZ_FUZZ_COLUMNS_H
#define TESTS_FUZZ_FUZZ_COLUMNS_H

#include "fuzz.h"

#include "batch/batch.h"

enum { FUZZ_SCHEMAS = 6 };

/* Made once and kept; the last one is of a record in C, of every kind. */
weir_schema *fuzz_schema(uint32_t index);
/* Reads every byte that a reader may read, and checks what readers rely on. */
void fuzz_read_columns(const weir_schema *schema, const weir_columns *columns);
/* Every row as JSON and as text for people, which must be well-formed. Returns the JSON in `out`.
 */
void fuzz_write_columns(const weir_schema *schema, const weir_columns *columns, weir_buffer *out);
/* Every row through a reader of records, read completely; the schema has a record. */
void fuzz_read_records(weir_schema *schema, const weir_columns *columns);

#endif
