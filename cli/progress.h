/* cli/progress.h -- a job's progress in words: the line that is rewritten on a terminal, and the
 * last line. Pure. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "proto/control.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A speed from counts and times, over at least half a second, so that it does not jitter. */
typedef struct weir_rate {
    int64_t since_ms; /* 0: nothing yet */
    uint64_t count;
    double per_second;
} weir_rate;

double weir_rate_update(weir_rate *rate, uint64_t count, int64_t now_ms);

bool weir_progress_is_ended(const char *state); /* FINISHED, FAILED, CANCELED */
/* "2.31 s", "4 min 10 s". */
const char *weir_progress_duration(int64_t ms, char *out, size_t size);
/* At most `width` columns; texts from outside are made harmless. */
const char *weir_progress_line(const Weir__Proto__JobSummary *summary, double per_second,
                               int64_t elapsed_ms, size_t width, char *out, size_t size);
/* "job wordcount FINISHED in 2.31 s, 158,000,000 records in, 31,234 out (68.4 M/s)" */
const char *weir_progress_final(const Weir__Proto__JobSummary *summary, char *out, size_t size);

#endif
