/* store/record_value.c -- a value as it lies in the store. */
#include "store/record_value.h"

#include "base/id.h"

#include <string.h>

enum { FORMAT = 1, CHECKED = 8, CHECKSUM = 16 };

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static int checksum(const char *key, size_t key_size, const uint8_t *header, const void *payload,
                    size_t size, uint8_t out[CHECKSUM], weir_error *err)
{
    weir_digester *digester = weir_digester_new();
    if (digester == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "out of memory");
    weir_digester_update(digester, key, key_size);
    weir_digester_update(digester, "", 1);
    weir_digester_update(digester, header, CHECKED);
    if (size > 0)
        weir_digester_update(digester, payload, size);
    weir_digest digest = weir_digester_finish(&digester);
    memcpy(out, digest.bytes, CHECKSUM);
    return 0;
}

int weir_record_seal(const char *key, size_t key_size, uint16_t version, const void *payload,
                     size_t size, uint8_t *out, weir_error *err)
{
    const uint32_t length = (uint32_t)size;
    const uint8_t header[CHECKED] = {(uint8_t)version,
                                     (uint8_t)(version >> 8),
                                     FORMAT,
                                     0,
                                     (uint8_t)length,
                                     (uint8_t)(length >> 8),
                                     (uint8_t)(length >> 16),
                                     (uint8_t)(length >> 24)};
    memcpy(out, header, CHECKED);
    if (size > 0)
        memcpy(out + WEIR_RECORD_HEADER, payload, size);
    return checksum(key, key_size, header, payload, size, out + CHECKED, err);
}

int weir_record_unseal(const char *key, size_t key_size, const void *value, size_t size,
                       uint16_t *ret_version, const uint8_t **ret_payload, size_t *ret_size,
                       weir_error *err)
{
    const uint8_t *bytes = value;
    uint8_t expected[CHECKSUM];
    if (size < WEIR_RECORD_HEADER)
        return weir_error_set(err, WEIR_ECORRUPT, "value of '%.*s' has only %zu bytes",
                              (int)key_size, key, size);
    const size_t length = load32(bytes + 4);
    if (length != size - WEIR_RECORD_HEADER)
        return weir_error_set(err, WEIR_ECORRUPT, "value of '%.*s' is cut: %zu bytes of %zu",
                              (int)key_size, key, size - WEIR_RECORD_HEADER, length);
    int rc = checksum(key, key_size, bytes, bytes + WEIR_RECORD_HEADER, length, expected, err);
    if (rc != 0)
        return rc;
    if (memcmp(expected, bytes + CHECKED, CHECKSUM) != 0)
        return weir_error_set(err, WEIR_ECORRUPT, "value of '%.*s' does not match its checksum",
                              (int)key_size, key);
    /* Behind the checksum: so this is what a newer version wrote, not damage. */
    if (bytes[2] != FORMAT || bytes[3] != 0)
        return weir_error_set(err, WEIR_EVERSION, "value of '%.*s' has format %u, known is %d",
                              (int)key_size, key, (unsigned)bytes[2] | (unsigned)bytes[3] << 8,
                              FORMAT);
    *ret_version = (uint16_t)(bytes[0] | bytes[1] << 8);
    *ret_payload = bytes + WEIR_RECORD_HEADER;
    *ret_size = length;
    return 0;
}
