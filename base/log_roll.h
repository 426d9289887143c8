/* base/log_roll.h -- keeps a daemon's log from growing for ever: a file that is full is renamed to
 * <path>.1, what was <path>.1 to <path>.2, and so on; the oldest goes. */
#ifndef BASE_LOG_ROLL_H
#define BASE_LOG_ROLL_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Opens the file for stdout and stderr; from now on what weir_log writes counts, with what the file
 * has already. `size_max` bytes fill it; `kept` old ones stay (0: it is begun anew). Called once,
 * before threads start. */
int weir_log_roll_start(const char *path, uint64_t size_max, uint32_t kept,
                        weir_error *err) WEIR_MUST_CHECK;

/* For weir_log, after each line. Thread-safe; on failure the full file goes on growing, and it is
 * tried again when it has grown by as much. */
void weir_log_roll_count(size_t written);

#endif
