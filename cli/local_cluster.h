/* cli/local_cluster.h -- a whole cluster in this process: dispatcher, JobManager and TaskManager, a
 * thread each, over inproc:// endpoints. `weir run` without a cluster. Nothing outlives it. */
#ifndef CLI_LOCAL_CLUSTER_H
#define CLI_LOCAL_CLUSTER_H

#include "base/options.h"
#include "cli/client.h"

typedef struct weir_local_cluster weir_local_cluster;

/* With that many slots. Returns when the TaskManager is registered. SIGTERM and SIGINT must be
 * blocked already. `artifacts`: the folder where the job's shared object lies under its digest.
 * When it fails with *ret set, threads are left behind: the process has to end. */
int weir_local_cluster_start(const weir_config *config, uint32_t slots, const char *artifacts,
                             weir_local_cluster **ret, weir_error *err) WEIR_MUST_CHECK;
const char *weir_local_cluster_endpoint(const weir_local_cluster *cluster);
/* Stops it and closes the client. False: a thread does not end (user code that does not return);
 * then nothing was freed, and the process has to leave by _exit. */
bool weir_local_cluster_stop(weir_local_cluster **cluster, weir_client **client) WEIR_MUST_CHECK;

#endif
