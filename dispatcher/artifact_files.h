/* dispatcher/artifact_files.h -- artifacts as files: <directory>/<digest> when complete,
 * <directory>/incoming/<digest>.part before. Complete means: checked, synced, renamed, and the
 * directory synced; so a file under its digest is right after any crash. */
#ifndef DISPATCHER_ARTIFACT_FILES_H
#define DISPATCHER_ARTIFACT_FILES_H

#include "dispatcher/artifact_store.h"

/* Makes the directories, for the owner alone. Uploads of an earlier incarnation can go on. */
int weir_artifact_files_open(const char *directory, uint64_t max_size, weir_artifact_store **ret,
                             weir_error *err) WEIR_MUST_CHECK;

#endif
