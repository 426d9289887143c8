/* cli/job_source.h -- the job that a command line names: FILE.c is compiled, FILE.so taken as it
 * is, then its graph is built with the options of the command (--set, -p, --name). */
#ifndef CLI_JOB_SOURCE_H
#define CLI_JOB_SOURCE_H

#include "cli/arguments.h"
#include "cli/job_build.h"

typedef struct weir_job_source {
    char path[4096];   /* of the shared object */
    const char *shown; /* the last part of what the user named */
    weir_built_job job;
} weir_job_source;

/* Before any thread is started. `local`: the job will run in this process. */
int weir_job_source_open(const weir_arguments *arguments, const weir_config *config, bool local,
                         weir_job_source *ret, weir_error *err) WEIR_MUST_CHECK;
void weir_job_source_close(weir_job_source *source);
/* Is there a source (sink: false) or sink that uses this connector? */
bool weir_job_source_uses(const weir_job_source *source, const char *connector, bool sink);

#endif
