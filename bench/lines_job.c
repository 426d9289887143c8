/* bench/lines_job.c -- lines from a socket to the terminal: as little as a job can do. */
#include <weir/weir.h>

WEIR_JOB("lines")
{
    weir_sink(weir_source(env, "${input}", weir_line), "${output:print:}");
}
