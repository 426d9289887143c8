/* cli/table.h -- a table for people: columns as wide as their widest cell, numbers to the right.
 * Cells come from anywhere: control characters in them are shown as '?'. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "base/buffer.h"

#define WEIR_TABLE_COLUMNS_MAX 16

typedef struct weir_table weir_table;

/* `headings`: a '>' in front puts the column to the right. NULL when memory ends. */
weir_table *weir_table_new(const char *const *headings, size_t count) WEIR_MUST_CHECK;
void weir_table_destroy(weir_table **table);
/* Row by row, from the left. */
void weir_table_cell(weir_table *table, const char *format, ...) WEIR_PRINTF(2, 3);
size_t weir_table_rows(const weir_table *table);
/* Appends the headings and all rows; WEIR_ENO_MEMORY when a cell was lost. */
int weir_table_print(const weir_table *table, weir_buffer *out) WEIR_MUST_CHECK;

#endif
