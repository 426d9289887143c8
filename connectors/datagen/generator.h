/* datagen/generator.h -- made-up rows: columns of values that depend on seed, row number and field
 * alone, so that any parallelism and any batching gives the same rows. Owned by one thread. */
#ifndef CONNECTORS_DATAGEN_GENERATOR_H
#define CONNECTORS_DATAGEN_GENERATOR_H

#include "batch/schema.h"

typedef struct weir_generator_config {
    uint64_t seed;
    int64_t min, max; /* of numbers without keys; cut to the type's range */
    uint64_t keys;    /* > 0: integers are 0..keys-1, strings "key-<n>" */
    uint32_t length;  /* of strings and bytes; cut to the type's length */
    int sequence;     /* column that holds the row number, or -1 */
    int64_t start_ms; /* timestamps: start + row * step */
    int64_t step_ms;
} weir_generator_config;

typedef struct weir_generator weir_generator;

int weir_generator_new(weir_schema *schema, const weir_generator_config *config,
                       weir_generator **ret) WEIR_MUST_CHECK;
void weir_generator_destroy(weir_generator **generator);
/* Rows first, first + stride, ... (count of them); valid until the next call. WEIR_ENO_MEMORY. */
int weir_generator_make(weir_generator *generator, uint64_t first, uint64_t stride, uint32_t count,
                        const weir_columns **ret) WEIR_MUST_CHECK;

#endif
