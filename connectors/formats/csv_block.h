/* formats/csv_block.h -- many plain csv records at once: split first, then read column by column.
 *
 * What it takes it reads exactly as weir_csv_parser_row does, one record after the other; what is
 * bad, empty or odd it leaves to that one, whose messages name the record. Owned by one thread; no
 * allocation per row once the scratch has grown. */
#ifndef CONNECTORS_FORMATS_CSV_BLOCK_H
#define CONNECTORS_FORMATS_CSV_BLOCK_H

#include "batch/builder.h"
#include "connectors/formats/format.h"

typedef struct weir_csv_block weir_csv_block;

int weir_csv_block_new(weir_schema *schema, const weir_format *format,
                       weir_csv_block **ret) WEIR_MUST_CHECK;
void weir_csv_block_destroy(weir_csv_block **block);
uint32_t weir_csv_block_rows_max(const weir_csv_block *block); /* of one append */
/* Records i: base[starts[i]..+lengths[i]), without newlines; WEIR_SCAN_SLACK readable bytes must
 * follow the last. True: all are rows of the builder now. False: none is, take them one by one. */
bool weir_csv_block_append(weir_csv_block *block, const char *base, const uint32_t *starts,
                           const uint32_t *lengths, uint32_t count,
                           weir_builder *into) WEIR_MUST_CHECK;

#endif
