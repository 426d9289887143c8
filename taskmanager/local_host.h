/* taskmanager/local_host.h -- the hands of an agent in local mode: the task runner is a thread of
 * this process, artifacts are files, there is no log of its own. Belongs to the agent's thread. */
#ifndef TASKMANAGER_LOCAL_HOST_H
#define TASKMANAGER_LOCAL_HOST_H

#include "actors/reactor.h"
#include "taskmanager/agent.h"

typedef struct weir_local_host weir_local_host;

int weir_local_host_new(weir_reactor *reactor, const char *artifact_directory,
                        weir_local_host **ret, weir_error *err) WEIR_MUST_CHECK;
void weir_local_host_destroy(weir_local_host **host); /* waits for its task runner */
weir_agent_host *weir_local_host_vtable(weir_local_host *host);
void weir_local_host_attach(weir_local_host *host, void *agent);

#endif
