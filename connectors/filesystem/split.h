/* filesystem/split.h -- a range of one file, as the enumerator hands it to a reader: opaque bytes
 * that travel and are checkpointed. Format 1: u8 version, u64 start, u64 end, u64 file size, the
 * path. */
#ifndef CONNECTORS_FILESYSTEM_SPLIT_H
#define CONNECTORS_FILESYSTEM_SPLIT_H

#include "base/buffer.h"

typedef struct weir_file_split {
    uint64_t start, end; /* bytes; lines that start in [start, end) */
    uint64_t file_size;  /* when it was listed */
    char *path;          /* owned by the split */
} weir_file_split;

int weir_file_split_write(const weir_file_split *split, weir_buffer *out) WEIR_MUST_CHECK;
/* Checks every byte: WEIR_ECORRUPT, WEIR_EVERSION. */
int weir_file_split_read(const void *bytes, size_t size, weir_file_split *ret) WEIR_MUST_CHECK;
void weir_file_split_deinit(weir_file_split *split);

#endif
