/* cli/submission.h -- hands a built job to a cluster: uploads its shared object (going on where an
 * earlier try ended), then submits it under an id made here, so that a repeat changes nothing. */
#ifndef CLI_SUBMISSION_H
#define CLI_SUBMISSION_H

#include "base/id.h"
#include "cli/artifact.h"
#include "cli/client.h"
#include "cli/job_build.h"

typedef struct weir_submission {
    const weir_built_job *job;
    const weir_artifact *artifact;
    const char *artifact_name; /* a label */
    const weir_config *config; /* what of it is about jobs goes with the job */
    bool attached;             /* somebody will fetch the rows of print: */
} weir_submission;

/* `ret_id` is set before the first request: after WEIR_ETIMEOUT the job may be there. */
int weir_submit(weir_client *client, const weir_submission *submission, char ret_id[WEIR_ID_HEX],
                weir_error *err) WEIR_MUST_CHECK;

#endif
