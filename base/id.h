/* base/id.h -- 128-bit ids (jobs, artifacts use 256 bits), shown as 32 lower-case hex digits. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define WEIR_ID_HEX     33 /* with the NUL */
#define WEIR_DIGEST_HEX 65

typedef struct weir_id {
    uint8_t bytes[16];
} weir_id;

typedef struct weir_digest { /* BLAKE2b-256 of a content */
    uint8_t bytes[32];
} weir_digest;

weir_id weir_id_random(void);
weir_id weir_id_derive(const char *text); /* the first 128 bits of its weir_digest_of: stable */
bool weir_id_equal(const weir_id *a, const weir_id *b);
const char *weir_id_format(const weir_id *id, char out[WEIR_ID_HEX]);
int weir_id_parse(const char *hex, weir_id *ret) WEIR_MUST_CHECK; /* exactly 32 digits */

typedef struct weir_digester weir_digester;
weir_digester *weir_digester_new(void) WEIR_MUST_CHECK;
void weir_digester_update(weir_digester *digester, const void *bytes, size_t size);
weir_digest weir_digester_finish(weir_digester **digester); /* destroys it */
weir_digest weir_digest_of(const void *bytes, size_t size);
bool weir_digest_equal(const weir_digest *a, const weir_digest *b);
const char *weir_digest_format(const weir_digest *digest, char out[WEIR_DIGEST_HEX]);
int weir_digest_parse(const char *hex, weir_digest *ret) WEIR_MUST_CHECK;

#endif
