/* dispatcher/artifact_store.c -- what every artifact store checks first. */
#include "dispatcher/artifact_store.h"

#include "base/units.h"

#include <inttypes.h>
#include <string.h>

int weir_artifact_check_digest(const char *digest, weir_error *err)
{
    char quoted[WEIR_QUOTED_MAX];
    if (strlen(digest) == WEIR_DIGEST_HEX - 1 &&
        strspn(digest, "0123456789abcdef") == WEIR_DIGEST_HEX - 1)
        return 0;
    return weir_error_set(err, WEIR_EINVALID,
                          "artifact %s: is no digest; it has 64 lower-case hex digits",
                          weir_format_quoted(digest, quoted, sizeof quoted));
}

int weir_artifact_check_chunk(const char *digest, uint64_t offset, uint64_t total, size_t size,
                              uint64_t limit, weir_error *err)
{
    char have[32], most[32];
    int rc = weir_artifact_check_digest(digest, err);
    if (rc != 0)
        return rc;
    if (total == 0)
        return weir_error_set(err, WEIR_EINVALID, "artifact %.12s: it is empty", digest);
    if (total > limit)
        return weir_error_set(err, WEIR_ETOO_LARGE,
                              "artifact %.12s: it is too large; found %s; the limit is %s "
                              "(blob.max-size)",
                              digest, weir_format_size(total, have, sizeof have),
                              weir_format_size(limit, most, sizeof most));
    if (offset > total || size > total - offset)
        return weir_error_set(err, WEIR_ETOO_LARGE,
                              "artifact %.12s: a chunk of %zu bytes at %" PRIu64
                              " ends behind its %" PRIu64 " bytes",
                              digest, size, offset, total);
    return 0;
}

int weir_artifact_mismatch(const char *digest, weir_error *err)
{
    return weir_error_set(
        err, WEIR_ECORRUPT,
        "artifact %.12s: the content that came does not match its digest; upload it "
        "again from the start",
        digest);
}
