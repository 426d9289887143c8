#include "graph/status.h"

#include <string.h>

#define TO(status) (1u << (status))

/* What every job that has not ended may become. */
#define JOB_ANY (TO(WEIR_JOB_SUSPENDED))

static const weir_state_row job_rows[] = {
    [WEIR_JOB_INITIALIZING] = {"INITIALIZING",
                               TO(WEIR_JOB_CREATED) | TO(WEIR_JOB_FAILED) | TO(WEIR_JOB_CANCELED) |
                                   JOB_ANY,
                               false},
    [WEIR_JOB_CREATED] = {"CREATED",
                          TO(WEIR_JOB_RUNNING) | TO(WEIR_JOB_FAILING) | TO(WEIR_JOB_FAILED) |
                              TO(WEIR_JOB_CANCELLING) | TO(WEIR_JOB_RECONCILING) | JOB_ANY,
                          false},
    [WEIR_JOB_RUNNING] = {"RUNNING",
                          TO(WEIR_JOB_FINISHED) | TO(WEIR_JOB_FAILING) | TO(WEIR_JOB_CANCELLING) |
                              TO(WEIR_JOB_RESTARTING) | JOB_ANY,
                          false},
    [WEIR_JOB_FAILING] = {"FAILING", TO(WEIR_JOB_FAILED) | TO(WEIR_JOB_CANCELLING) | JOB_ANY,
                          false},
    [WEIR_JOB_FAILED] = {"FAILED", 0, true},
    [WEIR_JOB_CANCELLING] = {"CANCELLING", TO(WEIR_JOB_CANCELED) | TO(WEIR_JOB_FAILED) | JOB_ANY,
                             false},
    [WEIR_JOB_CANCELED] = {"CANCELED", 0, true},
    [WEIR_JOB_FINISHED] = {"FINISHED", 0, true},
    [WEIR_JOB_RESTARTING] = {"RESTARTING",
                             TO(WEIR_JOB_RUNNING) | TO(WEIR_JOB_FAILING) | TO(WEIR_JOB_CANCELLING) |
                                 JOB_ANY,
                             false},
    [WEIR_JOB_SUSPENDED] = {"SUSPENDED", 0, true},
    [WEIR_JOB_RECONCILING] = {"RECONCILING",
                              TO(WEIR_JOB_RUNNING) | TO(WEIR_JOB_FAILING) |
                                  TO(WEIR_JOB_CANCELLING) | JOB_ANY,
                              false},
};

const weir_state_table weir_job_status_table = {"job", job_rows,
                                                sizeof job_rows / sizeof job_rows[0]};

/* What every task that has not ended may become. */
#define TASK_ANY (TO(WEIR_TASK_CANCELING) | TO(WEIR_TASK_FAILED))

static const weir_state_row task_rows[] = {
    [WEIR_TASK_CREATED] = {"CREATED",
                           TO(WEIR_TASK_SCHEDULED) | TO(WEIR_TASK_RECONCILING) |
                               TO(WEIR_TASK_CANCELED) | TASK_ANY,
                           false},
    [WEIR_TASK_SCHEDULED] = {"SCHEDULED",
                             TO(WEIR_TASK_DEPLOYING) | TO(WEIR_TASK_CANCELED) | TASK_ANY, false},
    [WEIR_TASK_DEPLOYING] = {"DEPLOYING",
                             TO(WEIR_TASK_INITIALIZING) | TO(WEIR_TASK_CANCELED) | TASK_ANY, false},
    [WEIR_TASK_INITIALIZING] = {"INITIALIZING",
                                TO(WEIR_TASK_RUNNING) | TO(WEIR_TASK_CANCELED) | TASK_ANY, false},
    [WEIR_TASK_RUNNING] = {"RUNNING", TO(WEIR_TASK_FINISHED) | TO(WEIR_TASK_CANCELED) | TASK_ANY,
                           false},
    [WEIR_TASK_FINISHED] = {"FINISHED", 0, true},
    [WEIR_TASK_CANCELING] = {"CANCELING",
                             TO(WEIR_TASK_CANCELED) | TO(WEIR_TASK_FAILED) | TO(WEIR_TASK_FINISHED),
                             false},
    [WEIR_TASK_CANCELED] = {"CANCELED", 0, true},
    [WEIR_TASK_FAILED] = {"FAILED", 0, true},
    [WEIR_TASK_RECONCILING] = {"RECONCILING", TO(WEIR_TASK_RUNNING) | TASK_ANY, false},
};

const weir_state_table weir_task_status_table = {"task", task_rows,
                                                 sizeof task_rows / sizeof task_rows[0]};

int weir_status_parse(const weir_state_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (strcmp(table->rows[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}
