/* base/key.h -- the keys by which processes know each other: Curve25519, as ZeroMQ's CURVE uses
 * them. A key is written as 64 hex digits.
 *
 * A key file is text: a line `weir-key 1`, then `public HEX` and `secret HEX`; `#` begins a
 * comment. It belongs to the user who runs the process (or to root) and nobody else may read it:
 * mode 0600. That is checked at every load. Blocking; any thread. */
#ifndef BASE_KEY_H
#define BASE_KEY_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define WEIR_KEY_SIZE 32
#define WEIR_KEY_HEX  65 /* with the NUL */

typedef struct weir_public_key {
    uint8_t bytes[WEIR_KEY_SIZE];
} weir_public_key;

typedef struct weir_key_pair {
    weir_public_key shown;
    uint8_t secret[WEIR_KEY_SIZE];
} weir_key_pair;

int weir_key_pair_new(weir_key_pair *ret, weir_error *err) WEIR_MUST_CHECK; /* random */
void weir_key_pair_wipe(weir_key_pair *pair);
/* The public key that belongs to a secret one. WEIR_EINVALID where the two do not belong together,
 * or where they are the ones printed in ZeroMQ's manual. */
int weir_key_pair_check(const weir_key_pair *pair, weir_error *err) WEIR_MUST_CHECK;

/* Makes the file, with mode 0600; WEIR_EEXISTS when there is one: a key is never overwritten. */
int weir_key_pair_store(const weir_key_pair *pair, const char *path,
                        weir_error *err) WEIR_MUST_CHECK;
/* WEIR_EREFUSED when others may read it or it belongs to another user. */
int weir_key_pair_load(const char *path, weir_key_pair *ret, weir_error *err) WEIR_MUST_CHECK;

/* Exactly 64 hex digits, of either case. */
int weir_public_key_parse(const char *hex, weir_public_key *ret, weir_error *err) WEIR_MUST_CHECK;
const char *weir_public_key_format(const weir_public_key *key, char out[WEIR_KEY_HEX]);
bool weir_public_key_equal(const weir_public_key *a, const weir_public_key *b);

#endif
