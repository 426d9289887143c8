/* base/error.c -- error codes and error text. */
#include "base/error.h"

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Keeps what fits; the cut never splits a UTF-8 character. `length` is what the whole text needed.
 * Cleaned first: what the formatting cut in two is behind the cut then, and only a well-formed text
 * can be cut. */
static void store(weir_error *err, int code, char *text, int length)
{
    size_t size = length < 0 ? 0 : (size_t)length;
    bool cut = size >= WEIR_ERROR_TEXT_MAX;
    text[cut ? WEIR_ERROR_TEXT_MAX - 1 : size] = '\0';
    weir_text_clean(text);
    size = cut ? weir_text_cut(text, WEIR_ERROR_TEXT_MAX - sizeof "...") : strlen(text);
    memcpy(err->text, text, size);
    err->text[size] = '\0';
    if (cut)
        memcpy(err->text + size, "...", sizeof "...");
    err->code = code;
}

/* Formats aside first: an argument may be err->text itself. errno survives, callers use it later.
 */
int weir_error_vset(weir_error *err, int code, const char *format, va_list args)
{
    assert(code < 0);
    if (err == NULL)
        return code;
    int saved = errno;
    char text[WEIR_ERROR_TEXT_MAX];
    int length = vsnprintf(text, sizeof text, format, args);
    store(err, code, text, length);
    errno = saved;
    return code;
}

int weir_error_set(weir_error *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    weir_error_vset(err, code, format, args);
    va_end(args);
    return code;
}

int weir_error_wrap(weir_error *err, int code, const char *format, ...)
{
    if (err == NULL)
        return code;
    int kept = err->code != 0 ? err->code : code;
    weir_error prefix;
    va_list args;
    va_start(args, format);
    weir_error_vset(&prefix, kept, format, args);
    va_end(args);
    if (err->text[0] == '\0')
        return weir_error_set(err, kept, "%s", prefix.text);
    return weir_error_set(err, kept, "%s: %s", prefix.text, err->text);
}

static int code_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
        return WEIR_ENO_SPACE;
    case ENOENT:
        return WEIR_ENOT_FOUND;
    case ENOMEM:
        return WEIR_ENO_MEMORY;
    default:
        return WEIR_EIO;
    }
}

int weir_error_errno(weir_error *err, int errno_value, const char *format, ...)
{
    int code = code_of_errno(errno_value);
    if (err == NULL)
        return code;
    weir_error prefix;
    va_list args;
    va_start(args, format);
    weir_error_vset(&prefix, code, format, args);
    va_end(args);
    int saved = errno;
    char reason[128];
    const char *shown = strerror_r(errno_value, reason, sizeof reason);
    weir_error_set(err, code, "%s: %s", prefix.text, shown);
    errno = saved;
    return code;
}

const char *weir_code_text(int code)
{
    switch (code) {
    case WEIR_OK:
        return "ok";
#define WEIR_CODE_TEXT(name, number, text)                                                         \
    case WEIR_E##name:                                                                             \
        return text;
        WEIR_CODES(WEIR_CODE_TEXT)
#undef WEIR_CODE_TEXT
    default:
        return "unknown error";
    }
}
