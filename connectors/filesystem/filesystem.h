/* filesystem/filesystem.h -- files as a source (one, a directory's, a glob's) and as a sink (one
 * part file per subtask). See the option table in filesystem.c. */
#ifndef CONNECTORS_FILESYSTEM_FILESYSTEM_H
#define CONNECTORS_FILESYSTEM_FILESYSTEM_H

#include "graph/connector.h"

extern const weir_connector weir_filesystem_connector;

/* Splits are ranges of bytes, in the order of paths and offsets. The files are listed at the first
 * call of next, which reports what is wrong with the path. */
int weir_filesystem_open_enumerator(const weir_connector_context *context, weir_enumerator **ret,
                                    weir_error *err) WEIR_MUST_CHECK;
/* Gives the lines that start in its split. A file whose size is not what the enumerator saw fails.
 */
int weir_filesystem_open_reader(const weir_connector_context *context, weir_reader **ret,
                                weir_error *err) WEIR_MUST_CHECK;
/* Writes .part-<subtask>-0.<attempt>.inprogress; finish makes it part-<subtask>-0.<extension>,
 * synced, by a rename. Files of this job's earlier attempts are replaced; those of other runs only
 * with overwrite=true, and not before finish. Which job a part belongs to stands in
 * .part-<subtask>-0.owner. */
int weir_filesystem_open_writer(const weir_connector_context *context, weir_writer **ret,
                                weir_error *err) WEIR_MUST_CHECK;

#endif
