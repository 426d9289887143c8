/* formats/csv_writer.h -- csv lines; see formats/encoder.h for the format. */
#ifndef CONNECTORS_FORMATS_CSV_WRITER_H
#define CONNECTORS_FORMATS_CSV_WRITER_H

#include "connectors/formats/format.h"

/* The names of the fields, `op` in front if `changelog`. */
void weir_csv_write_header(const weir_format *format, const weir_schema *schema, bool changelog,
                           weir_buffer *out);
/* Row `row`; `kind` NULL: no leading column. Returns NULL, or the field that cannot be written
 * because quotes are switched off. */
const weir_schema_field *weir_csv_write_row(const weir_format *format, const weir_schema *schema,
                                            const weir_columns *columns, uint32_t row,
                                            const char *kind, weir_buffer *out) WEIR_MUST_CHECK;

#endif
