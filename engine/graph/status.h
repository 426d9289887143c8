/* graph/status.h -- the lives of a job and of a task, with Flink's names and transitions.
 *
 *   job:  INITIALIZING -> CREATED -> RUNNING -> FINISHED
 *         RUNNING -> FAILING -> FAILED;  CREATED, RUNNING, RESTARTING, FAILING -> CANCELLING ->
 * CANCELED RUNNING <-> RESTARTING;  anything not ended -> SUSPENDED;  CREATED -> RECONCILING ->
 * RUNNING task: CREATED -> SCHEDULED -> DEPLOYING -> INITIALIZING -> RUNNING -> FINISHED CANCELING
 * -> CANCELED from any but the ended ones; FAILED from any but the ended ones */
#ifndef GRAPH_STATUS_H
#define GRAPH_STATUS_H

#include "base/state_machine.h"

enum weir_job_status { /* numbers are stored: never reused */
                       WEIR_JOB_INITIALIZING = 0,
                       WEIR_JOB_CREATED = 1,
                       WEIR_JOB_RUNNING = 2,
                       WEIR_JOB_FAILING = 3,
                       WEIR_JOB_FAILED = 4,
                       WEIR_JOB_CANCELLING = 5,
                       WEIR_JOB_CANCELED = 6,
                       WEIR_JOB_FINISHED = 7,
                       WEIR_JOB_RESTARTING = 8,
                       WEIR_JOB_SUSPENDED = 9,
                       WEIR_JOB_RECONCILING = 10
};

enum weir_task_status {
    WEIR_TASK_CREATED = 0,
    WEIR_TASK_SCHEDULED = 1,
    WEIR_TASK_DEPLOYING = 2,
    WEIR_TASK_INITIALIZING = 3,
    WEIR_TASK_RUNNING = 4,
    WEIR_TASK_FINISHED = 5,
    WEIR_TASK_CANCELING = 6,
    WEIR_TASK_CANCELED = 7,
    WEIR_TASK_FAILED = 8,
    WEIR_TASK_RECONCILING = 9
};

extern const weir_state_table weir_job_status_table;
extern const weir_state_table weir_task_status_table;

/* The number of a status name, or -1 when it is not one of the table's. */
int weir_status_parse(const weir_state_table *table, const char *name);

#endif
