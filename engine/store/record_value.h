/* store/record_value.h -- a value as it lies in the store. LMDB has no checksums, so each value
 * carries its own, over its key, too: a value under another's key does not pass.
 *
 *   bytes  0..1   version of the payload, of the table's owner   (all integers little-endian)
 *          2..3   format of this header: 1
 *          4..7   length of the payload
 *          8..23  the first 16 bytes of BLAKE2b-256 of: key, one NUL, bytes 0..7, payload
 *         24..    payload */
#ifndef STORE_RECORD_VALUE_H
#define STORE_RECORD_VALUE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define WEIR_RECORD_HEADER 24

/* Writes the header and the payload to `out`, which has WEIR_RECORD_HEADER + size bytes. */
int weir_record_seal(const char *key, size_t key_size, uint16_t version, const void *payload,
                     size_t size, uint8_t *out, weir_error *err) WEIR_MUST_CHECK;
/* WEIR_ECORRUPT when anything does not fit; WEIR_EVERSION for another format. The payload is
 * borrowed from `value`. The text of a failure is a phrase: the caller puts the place in front. */
int weir_record_unseal(const char *key, size_t key_size, const void *value, size_t size,
                       uint16_t *ret_version, const uint8_t **ret_payload, size_t *ret_size,
                       weir_error *err) WEIR_MUST_CHECK;

#endif
