/* formats/csv_parser.h -- one csv record to one row of a builder.
 *
 * A field is NULL when it is unquoted, equals the format's null text and may be NULL. Spaces around
 * values other than strings are ignored. A field is quoted if its first byte is the quote; inside,
 * two quotes stand for one. binary and bytes are hex. Empty records are no rows, unless the schema
 * has one field only. Owned by one thread; no allocation per row once the scratch has grown. */
#ifndef CONNECTORS_FORMATS_CSV_PARSER_H
#define CONNECTORS_FORMATS_CSV_PARSER_H

#include "batch/builder.h"
#include "connectors/formats/format.h"

typedef struct weir_csv_parser weir_csv_parser;

/* Why a record is no row; texts point into the record or are static. */
typedef struct weir_csv_problem {
    const weir_schema_field *field; /* NULL: the record as a whole */
    const char *what;               /* "is not a number", "has fewer fields than the record type" */
    const char *text;               /* the field's bytes */
    size_t size;
} weir_csv_problem;

int weir_csv_parser_new(weir_schema *schema, const weir_format *format,
                        weir_csv_parser **ret) WEIR_MUST_CHECK;
void weir_csv_parser_destroy(weir_csv_parser **parser);
/* A record without its newline; WEIR_SCAN_SLACK readable bytes must follow it. 0; or WEIR_EINVALID
 * with *ret_problem and nothing appended; or another error of the builder. */
int weir_csv_parser_row(weir_csv_parser *parser, const char *record, size_t size,
                        weir_builder *into, weir_csv_problem *ret_problem) WEIR_MUST_CHECK;

/* Finds the ends of records whose quoted fields may hold newlines. State {0} at a record's start.
 */
typedef struct weir_csv_scan {
    bool inside, after_start; /* in quotes; behind the first byte of a field */
} weir_csv_scan;
uint32_t weir_csv_scan_ends(weir_csv_scan *scan, const weir_format *format, const char *p,
                            uint32_t n, uint32_t *positions, uint32_t max);

#endif
