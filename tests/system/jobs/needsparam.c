/* needsparam.c -- a job with a parameter that has no default. */
#include <weir/weir.h>

WEIR_JOB("needsparam")
{
    weir_sink(weir_source(env, "${input}", weir_line), "print:");
}
