/* base/error.h -- error codes and error text.
 *
 * A fallible function returns 0, or a negative code from the table below, and says more in an
 * optional last parameter `weir_error *err` (NULL: the caller wants only the code). `err` is
 * written only on failure. Text is a whole sentence in the form `where: what; what was found; what
 * to do`, without the leading "error:". Libraries return errors; daemons log them once, at the
 * boundary.
 *
 * Text is always well-formed UTF-8 without control characters but newlines and tabs, whatever went
 * into it (base/text.h says why): it can be put into any message. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#define WEIR_MUST_CHECK       __attribute__((warn_unused_result))
#define WEIR_PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))

/* X(name, number, name shown): numbers travel on the wire and are never reused. */
#define WEIR_CODES(X)                                                                              \
    X(INVALID, 1, "invalid")                 /* bad input: an argument, a file, an option */       \
    X(NOT_FOUND, 2, "not found")             /* a file, a job, a field that is not there */        \
    X(EXISTS, 3, "exists")                   /* it is there already, and may not be */             \
    X(IO, 4, "input/output")                 /* the operating system failed a call */              \
    X(NO_MEMORY, 5, "out of memory")         /* an allocation or a memory budget */                \
    X(NO_SPACE, 6, "disk full")              /* ENOSPC, EDQUOT, a full map */                      \
    X(CORRUPT, 7, "corrupt")                 /* wire or disk bytes that cannot be right */         \
    X(TOO_LARGE, 8, "too large")             /* over a configured limit */                         \
    X(TIMEOUT, 9, "timed out")               /* a deadline passed */                               \
    X(UNAVAILABLE, 10, "unavailable")        /* a peer is not there or not ready */                \
    X(STALE, 11, "stale epoch")              /* fenced: an older epoch, attempt or incarnation */  \
    X(STATE, 12, "wrong state")              /* not possible in the present state */               \
    X(VERSION, 13, "version")                /* protocol, ABI or format versions do not meet */    \
    X(CANCELLED, 14, "cancelled")            /* somebody asked for it */                           \
    X(RESOURCES, 15, "not enough resources") /* slots, ports, connections */                       \
    X(USER, 16, "job failed")                /* the user's code reported or caused it */           \
    X(INTERNAL, 17, "internal")              /* a broken invariant of Weir's own */                \
    X(REFUSED, 18, "refused")                /* policy: a role, a key, an address */

enum weir_code {
    WEIR_OK = 0,
#define WEIR_CODE_ENUM(name, number, text) WEIR_E##name = -(number),
    WEIR_CODES(WEIR_CODE_ENUM)
#undef WEIR_CODE_ENUM
};

#define WEIR_ERROR_TEXT_MAX 2048

typedef struct weir_error {
    int code;                       /* 0 or one of enum weir_code */
    char text[WEIR_ERROR_TEXT_MAX]; /* NUL-terminated; cut with "..." when longer */
} weir_error;

#define WEIR_ERROR_INIT                                                                            \
    {                                                                                              \
        0,                                                                                         \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* Sets code and text (err may be NULL) and returns `code`, so that `return weir_error_set(...)`. */
int weir_error_set(weir_error *err, int code, const char *format, ...) WEIR_PRINTF(3, 4);
int weir_error_vset(weir_error *err, int code, const char *format, va_list args) WEIR_PRINTF(3, 0);
/* Puts "<prefix>: " in front of the present text; returns err's code (or `code` when err is NULL).
 */
int weir_error_wrap(weir_error *err, int code, const char *format, ...) WEIR_PRINTF(3, 4);
/* From errno: ENOSPC/EDQUOT -> NO_SPACE, ENOENT -> NOT_FOUND, ENOMEM -> NO_MEMORY, else IO; appends
 * ": <strerror>". */
int weir_error_errno(weir_error *err, int errno_value, const char *format, ...) WEIR_PRINTF(3, 4);
/* "not found", "disk full", ...; "unknown error" for a number that is not in the table. */
const char *weir_code_text(int code);

#endif
