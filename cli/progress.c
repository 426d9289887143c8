#include "cli/progress.h"

#include "base/units.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

enum { WINDOW_MS = 500, NAME_MAX_BYTES = 80 };

double weir_rate_update(weir_rate *rate, uint64_t count, int64_t now_ms)
{
    if (rate->since_ms == 0 || count < rate->count) {
        *rate = (weir_rate){now_ms, count, 0};
    } else if (now_ms - rate->since_ms >= WINDOW_MS) {
        double seconds = (double)(now_ms - rate->since_ms) / 1000;

        *rate = (weir_rate){now_ms, count, (double)(count - rate->count) / seconds};
    }
    return rate->per_second;
}

bool weir_progress_is_ended(const char *state)
{
    return strcmp(state, "FINISHED") == 0 || strcmp(state, "FAILED") == 0 ||
           strcmp(state, "CANCELED") == 0;
}

const char *weir_progress_duration(int64_t ms, char *out, size_t size)
{
    if (ms < 0)
        ms = 0;
    if (ms < 1000)
        snprintf(out, size, "%lld ms", (long long)ms);
    else if (ms < 60000)
        snprintf(out, size, "%.2f s", (double)ms / 1000);
    else if (ms < 3600000)
        snprintf(out, size, "%lld min %lld s", (long long)(ms / 60000),
                 (long long)(ms / 1000 % 60));
    else
        snprintf(out, size, "%lld h %lld min", (long long)(ms / 3600000),
                 (long long)(ms / 60000 % 60));
    return out;
}

/* A job's name on one line, without control characters. */
static const char *safe_name(const char *name, char *out, size_t size)
{
    size_t end = 0;

    for (; *name != '\0' && end + 1 < size; name++)
        out[end++] = (unsigned char)*name < 0x20 || *name == 0x7F ? '?' : *name;
    out[end] = '\0';
    return out;
}

const char *weir_progress_line(const Weir__Proto__JobSummary *summary, double per_second,
                               int64_t elapsed_ms, size_t width, char *out, size_t size)
{
    char name[NAME_MAX_BYTES], in[40], sent[40], rate[40], time[40];

    snprintf(out, size, "%s %s  tasks %u/%u  in %s  out %s  %s  %s",
             safe_name(summary->name, name, sizeof name), summary->state, summary->tasks_running,
             summary->tasks, weir_format_count(summary->records_in, in, sizeof in),
             weir_format_count(summary->records_out, sent, sizeof sent),
             weir_format_rate(per_second, rate, sizeof rate),
             weir_progress_duration(elapsed_ms, time, sizeof time));
    /* Only the name may hold more than ASCII: cutting by bytes never makes it too wide. */
    if (width > 0 && width < size && strlen(out) > width)
        out[width] = '\0';
    return out;
}

const char *weir_progress_final(const Weir__Proto__JobSummary *summary, char *out, size_t size)
{
    char name[NAME_MAX_BYTES], in[40], sent[40], rate[40], time[40];
    int64_t ms = summary->end_ms - summary->start_ms;

    if (ms < 0)
        ms = 0;
    double per_second = (double)summary->records_in * 1000 / (double)(ms > 0 ? ms : 1);
    snprintf(out, size, "job %s %s in %s, %s records in, %s out (%s)",
             safe_name(summary->name, name, sizeof name), summary->state,
             weir_progress_duration(ms, time, sizeof time),
             weir_format_count(summary->records_in, in, sizeof in),
             weir_format_count(summary->records_out, sent, sizeof sent),
             weir_format_rate(per_second, rate, sizeof rate));
    return out;
}
