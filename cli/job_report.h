/* cli/job_report.h -- jobs as documents: what -o json prints. */
#ifndef CLI_JOB_REPORT_H
#define CLI_JOB_REPORT_H

#include "proto/control.pb-c.h"

#include <jansson.h>

/* A new reference, or NULL when memory ends. */
json_t *weir_job_summary_json(const Weir__Proto__JobSummary *summary);
json_t *weir_job_detail_json(const Weir__Proto__JobDetail *detail);

#endif
