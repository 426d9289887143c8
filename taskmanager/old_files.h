/* taskmanager/old_files.h -- removes what nobody needs any more from a directory of the agent: logs
 * of task runners that have ended, artifacts that no job uses. A file's age is the time since it
 * was last written or touched. Looks at the directory each time, so it also finds what an agent
 * that is gone has left. Blocking, but only on directory entries. */
#ifndef TASKMANAGER_OLD_FILES_H
#define TASKMANAGER_OLD_FILES_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct weir_old_files {
    const char *directory, *prefix, *suffix; /* which ones; prefix and suffix may be "" */
    /* Who uses a file holds a lock on it (flock): it stays, whatever its age. */
    bool are_locked;
    /* The same by name, without the suffix; NULL: none is in use. */
    bool (*is_used)(void *data, const char *name);
    void *data;
    int64_t age_max_ms;
    size_t count_max; /* of those that nobody uses; the youngest stay */
} weir_old_files;

/* A directory that is not there holds nothing. A file that goes meanwhile is fine. Returns the
 * first error, after all others were tried. */
int weir_old_files_remove(const weir_old_files *which, int64_t wall_ms, size_t *ret_removed,
                          weir_error *err) WEIR_MUST_CHECK;

#endif
