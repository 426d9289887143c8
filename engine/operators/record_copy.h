/* operators/record_copy.h -- a C record and all that it points to, in one block.
 *
 * The block begins with the record; its pointers point into the block. The block may not move. */
#ifndef OPERATORS_RECORD_COPY_H
#define OPERATORS_RECORD_COPY_H

#include "batch/schema.h"

#include <stddef.h>

/* No pointers in the record: a plain copy of the record's bytes is a whole copy. */
bool weir_record_is_flat(const weir_schema *schema);
/* Bytes of the block for this record. WEIR_ETOO_LARGE over 1 GiB. */
int weir_record_measure(const weir_schema *schema, const void *record, size_t *ret) WEIR_MUST_CHECK;
/* `block` has the measured size and is 16-aligned. */
void weir_record_copy(const weir_schema *schema, const void *record, void *block);
/* Everything that the record at the start of the block points to lies in the block. */
bool weir_record_is_within(const weir_schema *schema, const void *block, size_t size);

#endif
