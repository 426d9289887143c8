/* base/log.h -- the daemons' log: lines `time level role[pid] message` to stderr (which the starter
 * redirects to the process's log file). One write(2) a line, thread-safe. Libraries do not log:
 * they return errors; daemons and actors log at their boundary, once. Secrets never reach it. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/error.h"

enum weir_log_level { WEIR_LOG_ERROR, WEIR_LOG_WARN, WEIR_LOG_INFO, WEIR_LOG_DEBUG, WEIR_LOG_OFF };

/* `role` is copied (at most 63 bytes). Called once, before threads start. */
void weir_log_setup(const char *role, enum weir_log_level level);
int weir_log_parse_level(const char *text, enum weir_log_level *ret,
                         weir_error *err) WEIR_MUST_CHECK; /* ERROR WARN INFO DEBUG OFF, any case */
void weir_log(enum weir_log_level level, const char *format, ...) WEIR_PRINTF(2, 3);

#define weir_log_error(...) weir_log(WEIR_LOG_ERROR, __VA_ARGS__)
#define weir_log_warn(...)  weir_log(WEIR_LOG_WARN, __VA_ARGS__)
#define weir_log_info(...)  weir_log(WEIR_LOG_INFO, __VA_ARGS__)
#define weir_log_debug(...) weir_log(WEIR_LOG_DEBUG, __VA_ARGS__)

#endif
