/* dispatcher/daemon.h -- the process `weir dispatcher`, or its thread in local mode. */
#ifndef DISPATCHER_DAEMON_H
#define DISPATCHER_DAEMON_H

#include "actors/daemon.h"

typedef struct weir_dispatcher_daemon_config {
    const weir_config *config;
    const char *bind;      /* "inproc://name"; NULL: tcp, dispatcher.bind-host and .rpc.port */
    const char *directory; /* of the cluster; NULL: cluster.directory. Not used `in_memory` */
    bool in_memory;        /* local mode: nothing outlives the process */
    bool signals;          /* SIGTERM and SIGINT stop it; the caller has blocked them everywhere */
    const char *log_path;  /* own log; NULL when there is none */
    /* Once it listens; in its thread. weir_reactor_interrupt(reactor), from any thread, stops it.
     */
    void (*ready)(void *data, const char *endpoint, weir_reactor *reactor);
    void *ready_data;
} weir_dispatcher_daemon_config;

/* Opens <directory>/dispatcher (the record store; artifacts in a folder of it), listens, returns
 * when it was stopped: 0, or an error. */
int weir_dispatcher_run(const weir_dispatcher_daemon_config *config,
                        weir_error *err) WEIR_MUST_CHECK;

#endif
