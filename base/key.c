/* base/key.c -- key pairs and their files, on libsodium's Curve25519. */
#include "base/key.h"

#include "base/file.h"
#include "base/memory.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 4096, PRIVATE_MODE = 0600, OTHERS_MASK = 077 };

_Static_assert(WEIR_KEY_SIZE == crypto_box_PUBLICKEYBYTES, "a public key of CURVE");
_Static_assert(WEIR_KEY_SIZE == crypto_box_SECRETKEYBYTES, "a secret key of CURVE");

static void prepare(void)
{
    if (sodium_init() < 0)
        abort(); /* no source of randomness: nothing made here would be secret */
}

/* The pairs printed in ZeroMQ's manual (zmq_curve): everybody has their secret halves. */
static bool is_published(const weir_public_key *key)
{
    static const char *const published[] = {
        "54fcba24e93249969316fb617c872bb0c1d1ff14800427c594cbfacf1bc2d652", /* server */
        "bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc518", /* client */
    };
    char hex[WEIR_KEY_HEX];

    weir_public_key_format(key, hex);
    for (size_t i = 0; i < WEIR_COUNT(published); i++)
        if (strcmp(hex, published[i]) == 0)
            return true;
    return false;
}

int weir_key_pair_new(weir_key_pair *ret, weir_error *err)
{
    prepare();
    if (crypto_box_keypair(ret->shown.bytes, ret->secret) != 0)
        return weir_error_set(err, WEIR_EINTERNAL, "libsodium made no key pair");
    return 0;
}

void weir_key_pair_wipe(weir_key_pair *pair)
{
    sodium_memzero(pair, sizeof *pair);
}

int weir_key_pair_check(const weir_key_pair *pair, weir_error *err)
{
    weir_public_key belongs;

    prepare();
    if (crypto_scalarmult_base(belongs.bytes, pair->secret) != 0 ||
        !weir_public_key_equal(&belongs, &pair->shown))
        return weir_error_set(err, WEIR_EINVALID,
                              "the public and the secret key do not belong together; make a new "
                              "pair: weir keys new FILE");
    if (is_published(&pair->shown))
        return weir_error_set(err, WEIR_EINVALID,
                              "this key is printed in ZeroMQ's manual, so everybody has it; make "
                              "your own: weir keys new FILE");
    return 0;
}

/* --- public keys as text --- */

int weir_public_key_parse(const char *hex, weir_public_key *ret, weir_error *err)
{
    size_t length = strlen(hex), size = 0;
    const char *end = NULL;

    if (length == WEIR_KEY_HEX - 1 &&
        sodium_hex2bin(ret->bytes, sizeof ret->bytes, hex, length, NULL, &size, &end) == 0 &&
        size == sizeof ret->bytes && end == hex + length)
        return 0;
    return weir_error_set(err, WEIR_EINVALID, "expected a key of 64 hex digits; found '%.80s'",
                          hex);
}

const char *weir_public_key_format(const weir_public_key *key, char out[WEIR_KEY_HEX])
{
    return sodium_bin2hex(out, WEIR_KEY_HEX, key->bytes, sizeof key->bytes);
}

bool weir_public_key_equal(const weir_public_key *a, const weir_public_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* --- files --- */

int weir_key_pair_store(const weir_key_pair *pair, const char *path, weir_error *err)
{
    char shown[WEIR_KEY_HEX], secret[WEIR_KEY_HEX], text[FILE_MAX];

    weir_public_key_format(&pair->shown, shown);
    sodium_bin2hex(secret, sizeof secret, pair->secret, sizeof pair->secret);
    int size = snprintf(text, sizeof text,
                        "weir-key 1\n"
                        "# Whoever reads this file can be who it names. Keep it to its owner.\n"
                        "public %s\nsecret %s\n",
                        shown, secret);
    int rc = weir_file_create(path, text, (size_t)size, PRIVATE_MODE, err);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(text, sizeof text);
    return rc;
}

/* `name HEX` at the start of a line. */
static int take_key(const char *line, const char *name, uint8_t key[WEIR_KEY_SIZE])
{
    size_t length = strlen(name), size = 0;
    const char *end = NULL;

    if (strncmp(line, name, length) != 0 || line[length] != ' ')
        return WEIR_ENOT_FOUND;
    const char *hex = line + length + 1;
    size_t digits = strspn(hex, "0123456789abcdefABCDEF");
    if (digits != WEIR_KEY_HEX - 1 || (hex[digits] != '\0' && hex[digits] != '\n') ||
        sodium_hex2bin(key, WEIR_KEY_SIZE, hex, digits, NULL, &size, &end) != 0)
        return WEIR_EINVALID;
    return 0;
}

static int parse_file(const char *text, weir_key_pair *pair)
{
    bool has_shown = false, has_secret = false;

    if (strncmp(text, "weir-key 1\n", 11) != 0)
        return WEIR_EINVALID;
    for (const char *line = strchr(text, '\n'); line != NULL; line = strchr(line, '\n')) {
        line++;
        if (*line == '\0' || *line == '\n' || *line == '#')
            continue;
        if (!has_shown && take_key(line, "public", pair->shown.bytes) == 0)
            has_shown = true;
        else if (!has_secret && take_key(line, "secret", pair->secret) == 0)
            has_secret = true;
        else
            return WEIR_EINVALID;
    }
    return has_shown && has_secret ? 0 : WEIR_EINVALID;
}

int weir_key_pair_load(const char *path, weir_key_pair *ret, weir_error *err)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    int rc = weir_buffer_reserve(&text, FILE_MAX + 1); /* so that no copy of it is left behind */

    if (rc != 0)
        return weir_error_set(err, rc, "%s: no memory to read it", path);
    rc = weir_file_read_guarded(path, FILE_MAX, OTHERS_MASK, &text, err);
    if (rc == 0 && (strlen(weir_buffer_text(&text)) != text.size ||
                    parse_file(weir_buffer_text(&text), ret) != 0))
        rc = weir_error_set(err, WEIR_EINVALID,
                            "%s: is no key file; expected the lines 'weir-key 1', 'public HEX', "
                            "'secret HEX'; make one with: weir keys new FILE",
                            path);
    if (rc == 0 && (rc = weir_key_pair_check(ret, err)) != 0)
        weir_error_wrap(err, rc, "%s", path);
    if (text.data != NULL)
        sodium_memzero(text.data, text.capacity);
    weir_buffer_deinit(&text);
    if (rc != 0)
        weir_key_pair_wipe(ret);
    return rc;
}
