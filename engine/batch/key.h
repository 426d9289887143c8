/* batch/key.h -- keys: an encoding whose byte order is key order, and key groups.
 *
 * Encoding, per key field in order: a marker byte (0 NULL, 1 value), then
 *   boolean: 1 byte; integers, date, time, timestamps, intervals: big endian, sign bit flipped;
 *   float, double: IEEE bits big endian, negative: all bits flipped, else sign bit flipped; -0.0 is
 *   0.0, every NaN is the quiet NaN 0x7ff8... and sorts last; decimal: 16 bytes big endian, sign
 *   flipped (one scale per column); char (without trailing spaces), varchar, string, binary, bytes:
 *   0x00 becomes 0x00 0xff, then the end 0x00 0x00. Arrays, maps and rows are refused as keys.
 * Key group = XXH3-64 (seed 0) of the encoded key mod max parallelism. Subtask of a key group:
 * key_group * parallelism / max_parallelism. Frozen; golden values stand in the tests. */
#ifndef BATCH_KEY_H
#define BATCH_KEY_H

#include "batch/batch.h"
#include "batch/builder.h"

#define WEIR_MAX_PARALLELISM_LIMIT 32768u

typedef struct weir_key_codec weir_key_codec;

/* `fields` are column indices of the schema. WEIR_EINVALID for a kind that cannot be a key. */
int weir_key_codec_new(weir_schema *schema, const uint32_t *fields, uint32_t count,
                       weir_key_codec **ret, weir_error *err) WEIR_MUST_CHECK;
void weir_key_codec_destroy(weir_key_codec **codec);

/* Encodes the keys of all rows into the codec's scratch: key i is bytes[offsets[i]..offsets[i+1]).
 * Valid until the next call. `has_null` tells whether any key field of any row was NULL. */
typedef struct weir_keys {
    const uint8_t *bytes;
    const uint32_t *offsets; /* rows + 1 */
    const uint64_t *hashes;  /* XXH3-64 of each encoded key */
    uint32_t rows;
    bool has_null;
} weir_keys;
int weir_key_codec_encode(weir_key_codec *codec, const weir_columns *columns,
                          weir_keys *ret) WEIR_MUST_CHECK;
/* Only the hashes (no offsets and bytes kept): one pass, for partitioning. */
int weir_key_codec_hash(weir_key_codec *codec, const weir_columns *columns,
                        uint64_t *ret_hashes) WEIR_MUST_CHECK;
/* Puts the key's fields back, into columns `into[0..count)` of the builder's current row. */
int weir_key_codec_decode(const weir_key_codec *codec, const uint8_t *key, size_t size,
                          weir_builder *builder, const uint32_t *into,
                          weir_error *err) WEIR_MUST_CHECK;

uint64_t weir_key_hash(const void *key, size_t size); /* XXH3-64, seed 0 */
static inline uint32_t weir_key_group(uint64_t hash, uint32_t max_parallelism)
{
    return (uint32_t)(hash % max_parallelism);
}
static inline uint32_t weir_key_group_subtask(uint32_t group, uint32_t parallelism,
                                              uint32_t max_parallelism)
{
    return (uint32_t)((uint64_t)group * parallelism / max_parallelism);
}
/* min(max(round up to a power of 2 of p + p/2, 128), 32768), as Flink derives it. */
uint32_t weir_max_parallelism_default(uint32_t parallelism);

#endif
