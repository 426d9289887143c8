/* taskmanager/daemon.h -- the process `weir taskmanager` (or its thread in local mode), and the
 * process `weir runner` that it starts. */
#ifndef TASKMANAGER_DAEMON_H
#define TASKMANAGER_DAEMON_H

#include "actors/daemon.h"

typedef struct weir_taskmanager_daemon_config {
    const weir_config *config;
    const char *dispatcher; /* endpoint */
    bool local;             /* task runners are threads of this process; print: goes to stdout */
    bool signals;
    const char *log_path;      /* own log; "" when there is none */
    const char *log_directory; /* runners' logs: runner-<job>-<taskmanager>.log */
    const char *artifact_directory;
    /* Once it is registered with the dispatcher; in its thread. */
    void (*ready)(void *data, const char *process, weir_reactor *reactor);
    void *ready_data;
} weir_taskmanager_daemon_config;

/* Returns when it was stopped: 0, or an error. */
int weir_taskmanager_run(const weir_taskmanager_daemon_config *config,
                         weir_error *err) WEIR_MUST_CHECK;

/* The whole life of a task runner process: reads its RunnerSpec from descriptor 0, runs, returns
 * the exit code. Exits at once when descriptor 0 reaches its end: the agent is gone. */
int weir_runner_process_run(void);

#endif
