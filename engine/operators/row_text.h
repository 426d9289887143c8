/* operators/row_text.h -- a row as a person reads it, for error texts: {text=to be, n=5, at=NULL}.
 */
#ifndef OPERATORS_ROW_TEXT_H
#define OPERATORS_ROW_TEXT_H

#include "batch/schema.h"

#include <stddef.h>

#define WEIR_ROW_TEXT_MAX 200 /* bytes of a record in an error text */

/* Writes row `row` into out, NUL-terminated, cut with "...}" when it is longer; control characters
 * are escaped; a cut never splits a UTF-8 character. Allocates nothing. `size` is at least 8. */
void weir_row_text(const weir_schema *schema, const weir_columns *columns, uint32_t row, char *out,
                   size_t size);

#endif
