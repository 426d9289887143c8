/* cli/job_build.h -- from a job's shared object to its graph. The object's code runs in a child
 * process, so that whatever it does (crash, exit, hang) becomes an error here. */
#ifndef CLI_JOB_BUILD_H
#define CLI_JOB_BUILD_H

#include "base/buffer.h"
#include "base/options.h"
#include "graph/graph.h"
#include "graph/task_plan.h"

#define WEIR_JOB_BUILD_MS 60000 /* a build function that takes longer is given up */

typedef struct weir_job_build_config {
    const char *path;  /* of the shared object */
    const char *shown; /* its name in messages: "wordcount.so" */
    const weir_config *config;
    const weir_graph_option *params; /* --set */
    uint32_t nparams;
    bool local; /* stdin: and print: of this terminal are there */
} weir_job_build_config;

typedef struct weir_built_job {
    weir_buffer packed;   /* the graph as the job describes it: what is submitted */
    weir_graph *graph;    /* the same, optimized as the cluster will do it */
    weir_task_plan *plan; /* of the optimized graph */
} weir_built_job;

/* Before any thread is started. Fork happens here. */
int weir_job_build(const weir_job_build_config *config, weir_built_job *ret,
                   weir_error *err) WEIR_MUST_CHECK;
void weir_built_job_deinit(weir_built_job *job);

#endif
