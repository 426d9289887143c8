/* formats/decoder.h -- a stream of bytes to rows: finds the records (lines), checks and parses
 * them, and appends them to a builder.
 *
 * The owner reads bytes into weir_decoder_space and calls weir_decoder_decode in turns. A record
 * belongs to the range in which it starts: those that start at or behind the range's end are not
 * taken. A trailing \r is no part of a record; the last record needs no newline. Owned by one
 * thread. */
#ifndef CONNECTORS_FORMATS_DECODER_H
#define CONNECTORS_FORMATS_DECODER_H

#include "batch/builder.h"
#include "connectors/formats/format.h"

enum weir_decode_result {
    WEIR_DECODE_FULL = 0,   /* the builder is full */
    WEIR_DECODE_HUNGRY = 1, /* wants more bytes, or the end */
    WEIR_DECODE_END = 2     /* every record of the range was given */
};

typedef struct weir_decoder weir_decoder;

/* `place` begins every message ("source 'file:/x'") and is copied. `buffer_size`: bytes of one
 * read. */
int weir_decoder_new(weir_schema *schema, const weir_format *format, const char *place,
                     size_t buffer_size, weir_decoder **ret) WEIR_MUST_CHECK;
void weir_decoder_destroy(weir_decoder **decoder);

/* Begins a stream at byte `offset` of `file` ("": no file to name; copied); records that start at
 * or behind `limit` are not taken. `skip_first`: the rest of the line at `offset` is somebody
 * else's, or a header. WEIR_ENO_MEMORY. */
int weir_decoder_start(weir_decoder *decoder, const char *file, uint64_t offset, uint64_t limit,
                       bool skip_first) WEIR_MUST_CHECK;
/* Where the next bytes go; at least half of buffer_size. Valid until the next call. */
int weir_decoder_space(weir_decoder *decoder, uint8_t **ret, size_t *ret_size) WEIR_MUST_CHECK;
void weir_decoder_filled(weir_decoder *decoder, size_t bytes);
void weir_decoder_end(weir_decoder *decoder); /* no more bytes come */
/* enum weir_decode_result; or an error that names place, byte and bytes. */
int weir_decoder_decode(weir_decoder *decoder, weir_builder *into, weir_error *err) WEIR_MUST_CHECK;
uint64_t weir_decoder_skipped(const weir_decoder *decoder); /* records left out: on-error=skip */

#endif
