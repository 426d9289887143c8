/* jobmanager/daemon.h -- the process `weir jobmanager`, or its thread in local mode. */
#ifndef JOBMANAGER_DAEMON_H
#define JOBMANAGER_DAEMON_H

#include "actors/daemon.h"

typedef struct weir_jobmanager_daemon_config {
    const weir_config *config;
    const char *dispatcher; /* endpoint */
    const char *bind;       /* NULL: tcp, from the configuration */
    bool signals;
    const char *log_path;
    /* Once it listens; in its thread. */
    void (*ready)(void *data, const char *endpoint, weir_reactor *reactor);
    void *ready_data;
} weir_jobmanager_daemon_config;

/* Returns when it was stopped: 0, or an error. */
int weir_jobmanager_run(const weir_jobmanager_daemon_config *config,
                        weir_error *err) WEIR_MUST_CHECK;

#endif
