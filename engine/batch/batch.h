/* batch/batch.h -- a columnar batch: one contiguous, 64-byte-aligned block that is the same in
 * memory and on the wire.
 *
 *   header (64 bytes, little endian): magic "WBAT", format version u16, flags u16, schema
 * fingerprint u64, rows u32, columns u32, total size u64, min and max event time i64 (flags: has
 * timestamps, has row kinds), rest zero directory: per column, in pre-order for nested ones:
 * validity offset u32, values offset u32, offsets offset u32, rows u32, nulls u32, values size u32
 * (offset 0: absent) event times (i64 per row) and row kinds (u8 per row), if flagged the columns'
 * buffers in Apache Arrow's layout, each 8-byte aligned (64 for the first)
 *
 * Immutable once made; reference-counted atomically; may cross threads. Bytes from the wire are
 * bounds-checked once (offsets monotonic, inside the block, counts consistent), then read in place.
 * A block that is not aligned is copied if it is under 8 KiB, and else read by unaligned loads: use
 * the views of weir_batch_columns with memcpy-style loads or weir_column accessors only. */
#ifndef BATCH_BATCH_H
#define BATCH_BATCH_H

#include "batch/schema.h"

#include <stddef.h>
#include <stdint.h>

#define WEIR_BATCH_FORMAT   1
#define WEIR_BATCH_SIZE_MAX (64u << 20) /* of one batch, in bytes */

typedef struct weir_batch weir_batch;

/* Takes bytes that came from a peer or a file. `release(bytes, hint)` is called when the last
 * reference goes (on any thread); on failure it is NOT called: the caller still owns the bytes.
 * WEIR_ECORRUPT, WEIR_EVERSION, or WEIR_EINVALID for another schema. */
typedef void (*weir_batch_release)(void *bytes, void *hint);
int weir_batch_open(weir_schema *schema, void *bytes, size_t size, weir_batch_release release,
                    void *hint, weir_batch **ret, weir_error *err) WEIR_MUST_CHECK;

weir_batch *weir_batch_ref(weir_batch *batch);
void weir_batch_unref(weir_batch **batch);

const void *weir_batch_bytes(const weir_batch *batch); /* the block, for sending */
size_t weir_batch_size(const weir_batch *batch);
uint32_t weir_batch_rows(const weir_batch *batch);
weir_schema *weir_batch_schema(const weir_batch *batch); /* borrowed */
/* The columns as views; lives as long as the batch. */
const weir_columns *weir_batch_columns(const weir_batch *batch);

#endif
