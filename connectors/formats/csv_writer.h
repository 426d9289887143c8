/* formats/csv_writer.h -- csv lines; see formats/encoder.h for the format.
 *
 * The schema is compiled once into steps; rows are written in blocks, for which room is made at
 * once. Owned by one thread. */
#ifndef CONNECTORS_FORMATS_CSV_WRITER_H
#define CONNECTORS_FORMATS_CSV_WRITER_H

#include "connectors/formats/format.h"

typedef struct weir_csv_writer weir_csv_writer;

int weir_csv_writer_new(weir_schema *schema, const weir_format *format,
                        weir_csv_writer **ret) WEIR_MUST_CHECK;
void weir_csv_writer_destroy(weir_csv_writer **writer);

/* The names of the fields, `op` in front if `changelog`. */
void weir_csv_writer_header(const weir_csv_writer *writer, bool changelog, weir_buffer *out);
/* All rows; with `changelog` each row's kind in front. Returns NULL, or the field of a value that
 * cannot be written because quotes are switched off; some rows may be in `out` then. */
const weir_schema_field *weir_csv_writer_rows(weir_csv_writer *writer, const weir_columns *columns,
                                              bool changelog, weir_buffer *out) WEIR_MUST_CHECK;

#endif
