/* tests/fuzz/fuzz_json.c -- what JSON is (RFC 8259), said once more, by hand: what writes it is not
 * checked by what it is made of. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define DEPTH_MAX 1000

typedef struct reader {
    const char *at, *end;
} reader;

static bool take(reader *in, const char *text)
{
    size_t length = strlen(text);
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, text, length) != 0)
        return false;
    in->at += length;
    return true;
}

/* How many of these characters come next; they are behind us then. */
static size_t skip(reader *in, const char *set)
{
    const char *from = in->at;
    while (in->at < in->end && *in->at != '\0' && strchr(set, *in->at) != NULL)
        in->at++;
    return (size_t)(in->at - from);
}

static void skip_space(reader *in)
{
    skip(in, " \t\r\n");
}

static bool string(reader *in)
{
    const char *hex = "0123456789abcdefABCDEF";

    while (in->at < in->end && *in->at != '"') {
        if ((unsigned char)*in->at < 0x20)
            return false;
        if (!take(in, "\\")) {
            in->at++;
        } else if (take(in, "u")) {
            reader four = {in->at, in->at + 4};
            if (in->end - in->at < 4 || skip(&four, hex) != 4)
                return false;
            in->at = four.at;
        } else if (in->at == in->end || memchr("\"\\/bfnrt", *in->at++, 8) == NULL) {
            return false;
        }
    }
    return take(in, "\"");
}

static bool number(reader *in)
{
    const char *digits = "0123456789";

    take(in, "-");
    if (!take(in, "0") && skip(in, digits) == 0)
        return false;
    if (take(in, ".") && skip(in, digits) == 0)
        return false;
    if (take(in, "e") || take(in, "E")) {
        if (!take(in, "+"))
            take(in, "-");
        return skip(in, digits) > 0;
    }
    return true;
}

static bool value(reader *in, uint32_t depth);

/* What is between the brackets of an array or an object. */
static bool members(reader *in, const char *close, bool named, uint32_t depth)
{
    skip_space(in);
    if (take(in, close))
        return true;
    do {
        skip_space(in);
        if (named && !(take(in, "\"") && string(in)))
            return false;
        skip_space(in);
        if ((named && !take(in, ":")) || !value(in, depth + 1))
            return false;
    } while (take(in, ","));
    return take(in, close);
}

static bool value(reader *in, uint32_t depth)
{
    bool ok;

    if (depth > DEPTH_MAX)
        return false;
    skip_space(in);
    if (take(in, "{"))
        ok = members(in, "}", true, depth);
    else if (take(in, "["))
        ok = members(in, "]", false, depth);
    else if (take(in, "\""))
        ok = string(in);
    else
        ok = take(in, "true") || take(in, "false") || take(in, "null") || number(in);
    skip_space(in);
    return ok;
}

bool fuzz_is_json(const void *bytes, size_t size)
{
    reader in = {bytes, (const char *)bytes + size};
    return fuzz_is_utf8(bytes, size) && value(&in, 0) && in.at == in.end;
}
