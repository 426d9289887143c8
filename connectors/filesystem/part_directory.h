/* filesystem/part_directory.h -- the directory of part files that the subtasks of a sink share: who
 * may write which part, and what is replaced when.
 *
 *   part-<subtask>-0.<extension>                a finished part
 *   .part-<subtask>-0.<attempt>.inprogress      what is being written
 *   .part-<subtask>-0.owner                     the id of the job that writes part <subtask>
 *
 * Subtasks do not talk to each other: each looks after its own part, subtask 0 also after the parts
 * of subtasks that this job does not have. */
#ifndef CONNECTORS_FILESYSTEM_PART_DIRECTORY_H
#define CONNECTORS_FILESYSTEM_PART_DIRECTORY_H

#include "base/error.h"
#include "graph/connector.h"

#include <stdbool.h>

typedef struct weir_part_directory {
    const char *place, *path; /* borrowed */
    int fd;                   /* of the directory; -1: not open */
    uint32_t subtask, parallelism;
    const char *job_id; /* borrowed */
    bool overwrite;
} weir_part_directory;

/* Makes the directory, refuses the parts of another run (WEIR_EEXISTS) unless `overwrite`, and
 * takes ownership of this subtask's part. Removes what earlier attempts of this subtask left
 * unfinished. */
int weir_part_directory_open(weir_part_directory *directory, weir_error *err) WEIR_MUST_CHECK;
void weir_part_directory_close(weir_part_directory *directory);
/* After the part `name` is in place: removes older parts that it replaces, and syncs the directory.
 */
int weir_part_directory_settle(weir_part_directory *directory, const char *name,
                               weir_error *err) WEIR_MUST_CHECK;

#endif
