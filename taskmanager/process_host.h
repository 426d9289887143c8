/* taskmanager/process_host.h -- the hands of a real agent: task runners as child processes,
 * artifacts and logs as files. Belongs to the agent's thread.
 *
 * A runner's log, runner-<job>-<pid of the agent>.log, is locked as long as the runner lives. After
 * that it is kept as long as the dispatcher keeps the job: jobstore.max-capacity and
 * jobstore.expiration-time. */
#ifndef TASKMANAGER_PROCESS_HOST_H
#define TASKMANAGER_PROCESS_HOST_H

#include "actors/reactor.h"
#include "taskmanager/agent.h"

typedef struct weir_process_host weir_process_host;

typedef struct weir_process_host_config {
    const weir_config *config; /* borrowed */
    const char *log_path;      /* the agent's own; "": none */
    const char *log_directory, *artifact_directory;
} weir_process_host_config;

/* WEIR_EEXISTS: another TaskManager has the artifact directory. */
int weir_process_host_new(weir_reactor *reactor, const weir_process_host_config *config,
                          weir_process_host **ret, weir_error *err) WEIR_MUST_CHECK;
void weir_process_host_destroy(weir_process_host **host); /* kills what still runs */
weir_agent_host *weir_process_host_vtable(weir_process_host *host);
void weir_process_host_attach(weir_process_host *host, void *agent); /* told of exits */

#endif
