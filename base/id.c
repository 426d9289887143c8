/* base/id.c -- ids and digests, on libsodium's BLAKE2b. */
#include "base/id.h"

#include "base/memory.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct weir_digester {
    crypto_generichash_state state; /* wants 64-byte alignment */
};

/* Picks the fastest code for this processor; cheap after the first time, safe from any thread. */
static void prepare(void)
{
    if (sodium_init() < 0)
        abort();
}

weir_id weir_id_random(void)
{
    prepare();
    weir_id id;
    randombytes_buf(id.bytes, sizeof id.bytes);
    return id;
}

weir_id weir_id_derive(const char *text)
{
    weir_digest digest = weir_digest_of(text, strlen(text));
    weir_id id;
    memcpy(id.bytes, digest.bytes, sizeof id.bytes);
    return id;
}

bool weir_id_equal(const weir_id *a, const weir_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static void format_hex(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * size] = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Checks everything before it writes; stops at the NUL of a text that is too short. */
static int parse_hex(const char *hex, size_t size, uint8_t *ret)
{
    for (size_t i = 0; i < 2 * size; i++)
        if (digit_value(hex[i]) < 0)
            return WEIR_EINVALID;
    if (hex[2 * size] != '\0')
        return WEIR_EINVALID;
    for (size_t i = 0; i < size; i++)
        ret[i] = (uint8_t)(digit_value(hex[2 * i]) * 16 + digit_value(hex[2 * i + 1]));
    return 0;
}

const char *weir_id_format(const weir_id *id, char out[WEIR_ID_HEX])
{
    format_hex(id->bytes, sizeof id->bytes, out);
    return out;
}

int weir_id_parse(const char *hex, weir_id *ret)
{
    return parse_hex(hex, sizeof ret->bytes, ret->bytes);
}

weir_digester *weir_digester_new(void)
{
    prepare();
    weir_digester *digester = weir_alloc_aligned(sizeof *digester);
    if (digester == NULL)
        return NULL;
    crypto_generichash_init(&digester->state, NULL, 0, sizeof(weir_digest));
    return digester;
}

void weir_digester_update(weir_digester *digester, const void *bytes, size_t size)
{
    crypto_generichash_update(&digester->state, bytes, size);
}

weir_digest weir_digester_finish(weir_digester **digester)
{
    assert(digester != NULL && *digester != NULL);
    weir_digest digest;
    crypto_generichash_final(&(*digester)->state, digest.bytes, sizeof digest.bytes);
    weir_free(*digester);
    *digester = NULL;
    return digest;
}

weir_digest weir_digest_of(const void *bytes, size_t size)
{
    prepare();
    weir_digest digest;
    crypto_generichash(digest.bytes, sizeof digest.bytes, bytes, size, NULL, 0);
    return digest;
}

bool weir_digest_equal(const weir_digest *a, const weir_digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

const char *weir_digest_format(const weir_digest *digest, char out[WEIR_DIGEST_HEX])
{
    format_hex(digest->bytes, sizeof digest->bytes, out);
    return out;
}

int weir_digest_parse(const char *hex, weir_digest *ret)
{
    return parse_hex(hex, sizeof ret->bytes, ret->bytes);
}
