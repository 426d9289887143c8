#include "cli/message.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int weir_exit_of(int code)
{
    switch (code) {
    case 0:
        return WEIR_EXIT_DONE;
    case WEIR_EINVALID:
    case WEIR_EVERSION:
    case WEIR_EEXISTS:
    case WEIR_ETOO_LARGE:
    case WEIR_EREFUSED:
        return WEIR_EXIT_BAD_INPUT;
    case WEIR_ENOT_FOUND:
    case WEIR_EUNAVAILABLE:
        return WEIR_EXIT_NOT_FOUND;
    case WEIR_ETIMEOUT:
        return WEIR_EXIT_TIMED_OUT;
    default:
        return WEIR_EXIT_FAILED;
    }
}

int weir_message_error(const weir_error *err)
{
    const char *first_end = strchr(err->text, '\n');
    size_t first = first_end == NULL ? strlen(err->text) : (size_t)(first_end - err->text);
    const char *mark = strstr(err->text, ": error: ");
    bool is_whole = mark != NULL && (size_t)(mark - err->text) < first;

    fflush(stdout); /* rows first, where both go to one terminal */
    if (err->text[0] == '\0')
        fprintf(stderr, "weir: error: %s\n", weir_code_text(err->code));
    else
        fprintf(stderr, "%s%s\n", is_whole ? "" : "weir: error: ", err->text);
    return weir_exit_of(err->code);
}

int weir_message_fail(int code, const char *format, ...)
{
    weir_error error;
    va_list args;

    va_start(args, format);
    weir_error_vset(&error, code, format, args);
    va_end(args);
    return weir_message_error(&error);
}

void weir_message(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}
