/* nosink.c -- wrong on purpose: rows come, and go nowhere. */
#include <weir/weir.h>

WEIR_JOB("nosink")
{
    weir_source(env, "datagen:?rows=10", weir_line);
}
