/* base/log.c -- the daemons' log. A line is built on the stack and written with one write(2), so
 * lines of threads and of processes that share the file do not mix, and logging never allocates. */
#include "base/log.h"

#include "base/clock.h"
#include "base/log_roll.h"
#include "base/text.h"
#include "base/units.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { ROLE_MAX = 64, LINE_MAX_BYTES = 4096 };

static const char *const level_names[] = {"ERROR", "WARN", "INFO", "DEBUG", "OFF"};

/* Process-wide by contract: one process, one log. Written before threads start. */
static char log_role[ROLE_MAX] = "weir";
static enum weir_log_level log_level = WEIR_LOG_INFO;

void weir_log_setup(const char *role, enum weir_log_level level)
{
    size_t size = strnlen(role, ROLE_MAX - 1);
    memcpy(log_role, role, size);
    log_role[size] = '\0';
    log_level = level;
}

int weir_log_parse_level(const char *text, enum weir_log_level *ret, weir_error *err)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcasecmp(text, level_names[i]) == 0) {
            *ret = (enum weir_log_level)i;
            return 0;
        }
    }
    char quoted[WEIR_QUOTED_MAX];
    return weir_error_set(err, WEIR_EINVALID, "expected ERROR, WARN, INFO, DEBUG or OFF; found %s",
                          weir_format_quoted(text, quoted, sizeof quoted));
}

/* Copies the message as one line: control characters and what is no UTF-8 are escaped, so that no
 * text from outside can forge a line or drive a terminal. Returns the new end; leaves room for what
 * ends the line. */
static size_t put_message(char *line, size_t end, const char *message)
{
    static const char digits[] = "0123456789abcdef";
    const size_t limit = LINE_MAX_BYTES - sizeof "...\n";
    size_t length = strlen(message);
    while (length > 0 && message[length - 1] == '\n')
        length--;
    for (size_t i = 0, size; i < length; i += size) {
        unsigned char c = (unsigned char)message[i];
        size = weir_text_character(message + i, length - i);
        bool plain = size > 0 && !weir_text_is_control(message + i, size);
        size = plain ? size : 1;
        if (end + (plain ? size : 4) > limit) {
            memcpy(line + end, "...", 3);
            return end + 3;
        }
        if (plain) {
            memcpy(line + end, message + i, size);
            end += size;
        } else if (c == '\n' || c == '\t') {
            line[end++] = '\\';
            line[end++] = c == '\n' ? 'n' : 't';
        } else {
            line[end++] = '\\';
            line[end++] = 'x';
            line[end++] = digits[c >> 4];
            line[end++] = digits[c & 15];
        }
    }
    return end;
}

void weir_log(enum weir_log_level level, const char *format, ...)
{
    if (log_level == WEIR_LOG_OFF || level > log_level || level >= WEIR_LOG_OFF)
        return;
    int saved = errno;
    char message[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    if (vsnprintf(message, sizeof message, format, args) < 0)
        message[0] = '\0';
    va_end(args);
    char time_text[32];
    weir_format_time(weir_clock_wall_ms(), time_text, sizeof time_text);
    char line[LINE_MAX_BYTES];
    int prefix = snprintf(line, sizeof line, "%s %-5s %s[%ld] ", time_text, level_names[level],
                          log_role, (long)getpid());
    size_t end = put_message(line, prefix < 0 ? 0 : (size_t)prefix, message);
    line[end++] = '\n';
    for (size_t done = 0; done < end;) {
        ssize_t count = write(STDERR_FILENO, line + done, end - done);
        if (count > 0)
            done += (size_t)count;
        else if (count == 0 || errno != EINTR)
            break; /* a log that cannot be written has nowhere to complain */
    }
    weir_log_roll_count(end);
    errno = saved;
}
