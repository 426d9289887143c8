/* batch/schema.h -- the type of a stream: its fields, without the C struct they may come from.
 *
 * Immutable after weir_schema_new; reference-counted, atomically: may be shared between threads.
 * Kinds, precisions and the nested shape are those of include/weir/types.h. */
#ifndef BATCH_SCHEMA_H
#define BATCH_SCHEMA_H

#include "base/buffer.h"
#include "base/error.h"

#include <weir/types.h>

#include <stdbool.h>
#include <stdint.h>

#define WEIR_SCHEMA_FIELDS_MAX 1024
#define WEIR_SCHEMA_DEPTH_MAX  8

typedef struct weir_schema weir_schema;

typedef struct weir_schema_field {
    const char *name;
    uint32_t kind; /* enum weir_kind, without WEIR_NULLABLE */
    bool nullable;
    uint32_t precision, scale; /* defaults filled in (timestamp 3, decimal 10,0) */
    uint32_t nchildren;        /* row: its fields; array: 1 (the item); map: 2 (key, value) */
    const struct weir_schema_field *children;
    uint32_t offset;      /* of the member in the C record, when made from a weir_type */
    uint32_t record_size; /* row (and item of an array of rows): sizeof its struct */
} weir_schema_field;

/* From a job's record descriptor (untrusted: checked for known kinds, precision, duplicate or empty
 * names, depth). All problems in one error, `; `-separated. */
int weir_schema_from_type(const weir_type *type, weir_schema **ret,
                          weir_error *err) WEIR_MUST_CHECK;
/* From "name string, n bigint not null, price decimal(10, 2)": SQL spelling, for tests, Python,
 * SQL. Fields are nullable unless NOT NULL is given. */
int weir_schema_parse(const char *text, weir_schema **ret, weir_error *err) WEIR_MUST_CHECK;
/* The field list with a name for the record: copied deeply. A precision of 0 becomes the default,
 * but for timestamps, where 0 is seconds. Keys of a map must be not null. */
int weir_schema_new(const char *name, const weir_schema_field *fields, uint32_t count,
                    weir_schema **ret, weir_error *err) WEIR_MUST_CHECK;
weir_schema *weir_schema_ref(weir_schema *schema);
void weir_schema_unref(weir_schema **schema);

const char *weir_schema_name(const weir_schema *schema); /* of the record type; "" if none */
uint32_t weir_schema_count(const weir_schema *schema);
const weir_schema_field *weir_schema_at(const weir_schema *schema, uint32_t index);
const weir_schema_field *weir_schema_fields(const weir_schema *schema);
int weir_schema_find(const weir_schema *schema, const char *name); /* index, or -1 */
uint32_t weir_schema_record_size(const weir_schema *schema); /* 0 when not made from a weir_type */
/* Hash over names, kinds, nullability, precision, nesting: stands in every batch header. */
uint64_t weir_schema_fingerprint(const weir_schema *schema);
bool weir_schema_equal(const weir_schema *a, const weir_schema *b); /* names and types */
/* SQL spelling of the whole, "card string not null, cents bigint"; parse() reads it back. */
void weir_schema_format(const weir_schema *schema, weir_buffer *out);
const char *weir_kind_name(uint32_t kind); /* "bigint"; "?" when unknown */
/* Bytes per value of a fixed-width kind (boolean: 0, it is a bitmap); 0 for variable and nested. */
uint32_t weir_kind_width(uint32_t kind);
bool weir_kind_is_variable(uint32_t kind); /* char..bytes */

#endif
