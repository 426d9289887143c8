/* taskmanager/runner_threads.h -- the real host of a task runner: a thread per slot, a data bus to
 * the other runners of the job, and a mailbox back to the control thread, in which the runner actor
 * lives. */
#ifndef TASKMANAGER_RUNNER_THREADS_H
#define TASKMANAGER_RUNNER_THREADS_H

#include "actors/reactor.h"
#include "taskmanager/pulse.h"
#include "taskmanager/runner.h"

typedef struct weir_runner_threads weir_runner_threads;

typedef struct weir_runner_threads_config {
    const weir_config *config; /* the job's */
    const Weir__Proto__RunnerSpec *spec;
    weir_reactor *reactor;    /* of the control thread */
    const weir_key_pair *key; /* of the job; NULL: there are no keys */
    bool print_to_stdout;     /* local mode: rows go straight to descriptor 1 */
    weir_pulse *pulse;        /* borrowed; NULL: nobody feels it */
} weir_runner_threads_config;

/* Binds the data bus. */
int weir_runner_threads_new(const weir_runner_threads_config *config, weir_runner_threads **ret,
                            weir_error *err) WEIR_MUST_CHECK;
void weir_runner_threads_destroy(weir_runner_threads **threads); /* joins everything */
weir_runner_host *weir_runner_threads_host(weir_runner_threads *threads);
const char *weir_runner_threads_endpoint(const weir_runner_threads *threads);
/* The actor that events go to; before the loop runs. */
void weir_runner_threads_attach(weir_runner_threads *threads, void *runner);

#endif
