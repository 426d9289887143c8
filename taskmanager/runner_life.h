/* taskmanager/runner_life.h -- a task runner from start to end, in the calling thread: of a process
 * of its own, or of the one process of local mode. */
#ifndef TASKMANAGER_RUNNER_LIFE_H
#define TASKMANAGER_RUNNER_LIFE_H

#include "actors/reactor.h"
#include "base/options.h"
#include "taskmanager/pulse.h"

typedef struct weir_runner_life {
    const Weir__Proto__RunnerSpec *spec; /* borrowed */
    const weir_config *config;           /* borrowed */
    const weir_key_pair *key;            /* of the job; borrowed; NULL: there are no keys */
    bool signals;
    bool local;   /* print: to this process's stdout */
    int watch_fd; /* -1: none */
    void (*on_watch)(void *data);
    void *data;
    weir_pulse *pulse; /* borrowed; NULL: no agent feels it */
} weir_runner_life;

/* The defaults with the values of the specification. */
int weir_runner_config_of(const Weir__Proto__RunnerSpec *spec, weir_config **ret,
                          weir_error *err) WEIR_MUST_CHECK;
/* Returns when the JobMaster has ended it. */
int weir_runner_live(const weir_runner_life *life, weir_error *err) WEIR_MUST_CHECK;

#endif
