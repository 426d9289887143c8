/* taskmanager/process_host.h -- the hands of a real agent: task runners as child processes,
 * artifacts and logs as files. Belongs to the agent's thread. */
#ifndef TASKMANAGER_PROCESS_HOST_H
#define TASKMANAGER_PROCESS_HOST_H

#include "actors/reactor.h"
#include "taskmanager/agent.h"

typedef struct weir_process_host weir_process_host;

int weir_process_host_new(weir_reactor *reactor, const char *log_path, const char *log_directory,
                          const char *artifact_directory, weir_process_host **ret,
                          weir_error *err) WEIR_MUST_CHECK;
void weir_process_host_destroy(weir_process_host **host); /* kills what still runs */
weir_agent_host *weir_process_host_vtable(weir_process_host *host);
void weir_process_host_attach(weir_process_host *host, void *agent); /* told of exits */

#endif
