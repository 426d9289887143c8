/* formats/json_writer.h -- values as JSON (RFC 8259); see formats/encoder.h for the mapping. The
 * output is always valid UTF-8: bytes of strings that are not become U+FFFD. */
#ifndef CONNECTORS_FORMATS_JSON_WRITER_H
#define CONNECTORS_FORMATS_JSON_WRITER_H

#include "base/buffer.h"
#include "batch/schema.h"

/* {"name":value,...} and a newline; `kind` NULL or the value of a leading "op". */
void weir_json_write_row(const weir_schema *schema, const weir_columns *columns, uint32_t row,
                         const char *kind, weir_buffer *out);
/* Any value, NULL too. */
void weir_json_write_value(const weir_schema_field *field, const weir_column *column, uint32_t row,
                           weir_buffer *out);

#endif
