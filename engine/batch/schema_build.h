/* batch/schema_build.h -- internal to the room: how the ways to make a schema share its checks. */
#ifndef BATCH_SCHEMA_BUILD_H
#define BATCH_SCHEMA_BUILD_H

#include "base/arena.h"
#include "batch/schema.h"

/* Greatest C record; a descriptor that says more is wrong. */
#define WEIR__RECORD_SIZE_MAX (1u << 20)
#define WEIR__NAME_SIZE_MAX   255u

/* What a maker collects: problems, and the number of fields on all levels. */
typedef struct weir__schema_build {
    weir_arena *arena;    /* holds the fields; the schema takes it over */
    weir_buffer problems; /* `; `-separated */
    uint32_t nfields;     /* nested ones included */
    bool too_many;        /* reported already */
    bool failed;          /* memory ended */
} weir__schema_build;

int weir__schema_build_init(weir__schema_build *build) WEIR_MUST_CHECK;
void weir__schema_build_deinit(weir__schema_build *build);
void weir__schema_problem(weir__schema_build *build, const char *format, ...) WEIR_PRINTF(2, 3);
/* `count` zeroed fields on level `depth` (1 is the top); NULL after noting why not. */
weir_schema_field *weir__schema_build_fields(weir__schema_build *build, uint32_t count,
                                             uint32_t depth, const char *where);
/* Checks names, kinds, precisions and shape of the fields, and makes the schema of them. Takes the
 * arena on success. */
int weir__schema_build_finish(weir__schema_build *build, const char *name,
                              weir_schema_field *fields, uint32_t count, uint32_t record_size,
                              weir_schema **ret, weir_error *err) WEIR_MUST_CHECK;

/* The defaults of a precision that was not given. */
void weir__schema_defaults(weir_schema_field *field);
bool weir__kind_has_precision(uint32_t kind); /* takes (p), (n) or (p, s) */
uint32_t weir__kind_c_size(uint32_t kind);    /* of WEIR_C_<kind>; 0 for a row */
uint32_t weir__kind_c_align(uint32_t kind);   /* 1 for a row */
/* The distance of two items of a C array: the value, or {value; is_null}. */
uint32_t weir__field_stride(const weir_schema_field *field);
uint32_t weir__schema_nodes(const weir_schema *schema); /* fields on all levels */

#endif
