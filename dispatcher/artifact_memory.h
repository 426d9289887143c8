/* dispatcher/artifact_memory.h -- artifacts in memory: for the simulator, whose disk they are, and
 * for local mode. */
#ifndef DISPATCHER_ARTIFACT_MEMORY_H
#define DISPATCHER_ARTIFACT_MEMORY_H

#include "dispatcher/artifact_store.h"

int weir_artifact_memory_new(uint64_t max_size, weir_artifact_store **ret) WEIR_MUST_CHECK;
/* The process died: what is not complete may be gone, and is. */
void weir_artifact_memory_crash(weir_artifact_store *store);

#endif
