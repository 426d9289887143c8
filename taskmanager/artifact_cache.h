/* taskmanager/artifact_cache.h -- artifacts of jobs on a TaskManager's disk, by digest. A file is
 * there under its name only when it is whole and its digest was checked. One thread. */
#ifndef TASKMANAGER_ARTIFACT_CACHE_H
#define TASKMANAGER_ARTIFACT_CACHE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* WEIR_ENOT_FOUND when it is not there whole. */
int weir_artifact_cache_find(const char *directory, const char *digest, char *path,
                             size_t size) WEIR_MUST_CHECK;
/* One chunk, in order; the last one checks the digest and gives the file its name. */
int weir_artifact_cache_store(const char *directory, const char *digest, uint64_t offset,
                              const void *bytes, size_t size, uint64_t total,
                              weir_error *err) WEIR_MUST_CHECK;

#endif
