/* batch/arrow.h -- the Apache Arrow C data interface: export of a batch without a copy. The
 * structures are the interface's own ABI. The exported array holds a reference to the batch until
 * its release callback is called. Event times and row kinds are not exported. */
#ifndef BATCH_ARROW_H
#define BATCH_ARROW_H

#include "batch/batch.h"

#include <stdint.h>

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE           2
#define ARROW_FLAG_MAP_KEYS_SORTED    4
struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif

int weir_arrow_export_schema(const weir_schema *schema, struct ArrowSchema *ret) WEIR_MUST_CHECK;
int weir_arrow_export_batch(weir_batch *batch, struct ArrowArray *ret) WEIR_MUST_CHECK;

#endif
