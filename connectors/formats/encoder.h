/* formats/encoder.h -- rows to bytes, in any of the formats, one line per row.
 *
 *   line  the bytes of the one column; NULL is an empty line
 *   csv   fields quoted where a delimiter, quote, newline or the null text makes it necessary; NULL
 * is the null text; bytes are hex json  an object per row; bytes are hex strings, dates and times
 * strings, NaN and infinities strings; arrays and rows nest, maps are objects row   name=value
 * name=value; control characters escaped; nested values as json
 *
 * Row kinds (+I, -U, +U, -D) are shown: csv, json: a leading column `op`, per the format's
 * changelog; row: in front of the row, where the stream may have changes. Owned by one thread. */
#ifndef CONNECTORS_FORMATS_ENCODER_H
#define CONNECTORS_FORMATS_ENCODER_H

#include "connectors/formats/format.h"

typedef struct weir_encoder weir_encoder;

/* `retracts`: the stream is known to have changes. `place` begins every message; copied. */
int weir_encoder_new(weir_schema *schema, const weir_format *format, bool retracts,
                     const char *place, weir_encoder **ret) WEIR_MUST_CHECK;
void weir_encoder_destroy(weir_encoder **encoder);
/* Appends all rows to `out`; the first call puts the csv header in front, if the format has one. On
 * failure `out` is as before. WEIR_ENO_MEMORY; WEIR_EINVALID for a value that csv without quotes
 * cannot hold, or changes in a stream that began without. */
int weir_encoder_append(weir_encoder *encoder, const weir_columns *columns, weir_buffer *out,
                        weir_error *err) WEIR_MUST_CHECK;
/* The header of a stream without rows; nothing if it was written before. */
int weir_encoder_finish(weir_encoder *encoder, weir_buffer *out) WEIR_MUST_CHECK;
const char *weir_format_extension(enum weir_format_kind kind); /* "csv", "txt", "json" */

#endif
