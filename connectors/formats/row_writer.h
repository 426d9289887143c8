/* formats/row_writer.h -- rows for people: name=value  name=value; see formats/encoder.h. */
#ifndef CONNECTORS_FORMATS_ROW_WRITER_H
#define CONNECTORS_FORMATS_ROW_WRITER_H

#include "base/buffer.h"
#include "batch/schema.h"

/* `kind` NULL or what stands in front of the row, two spaces apart. */
void weir_row_write_row(const weir_schema *schema, const weir_columns *columns, uint32_t row,
                        const char *kind, weir_buffer *out);

#endif
