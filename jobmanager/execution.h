/* jobmanager/execution.h -- the execution of a job: its graph and tasks, the status and counters of
 * every subtask, the job's own status and history. Pure: no messages, no clock of its own.
 *
 * Status moves forward only, through the tables of graph/status.h; a report that comes late or
 * twice changes nothing. `version` grows with every visible change. */
#ifndef JOBMANAGER_EXECUTION_H
#define JOBMANAGER_EXECUTION_H

#include "graph/graph.h"
#include "graph/status.h"
#include "graph/task_plan.h"

#define WEIR_HISTORY_MAX 32

typedef struct weir_execution_subtask {
    uint32_t task, subtask, slot;
    uint32_t status; /* enum weir_task_status */
    uint64_t records_in, records_out, bytes_queued;
    bool backpressured;
} weir_execution_subtask;

typedef struct weir_execution {
    weir_graph *graph; /* optimized */
    weir_task_plan *plan;
    weir_execution_subtask *subtasks; /* task by task */
    uint32_t nsubtasks;
    uint32_t *first; /* by task: index of its subtask 0 */
    uint32_t status; /* enum weir_job_status */
    uint64_t version;
    struct {
        uint32_t status;
        int64_t at_ms; /* wall clock */
    } history[WEIR_HISTORY_MAX];
    uint32_t nhistory;
    weir_error error; /* why it failed; code 0: it did not */
    uint32_t cause;   /* enum weir_cause of the error */
} weir_execution;

/* Unpacks, optimizes and plans. */
int weir_execution_new(const void *graph, size_t size, bool chaining, int64_t now_ms,
                       weir_execution **ret, weir_error *err) WEIR_MUST_CHECK;
void weir_execution_destroy(weir_execution **execution);

/* false: the table does not allow it now (nothing changed). */
bool weir_execution_move_job(weir_execution *execution, uint32_t status, int64_t now_ms);
/* Moves a subtask forward, through the states in between; false when it was there or beyond, or
 * there is no such subtask. */
bool weir_execution_move_task(weir_execution *execution, uint32_t task, uint32_t subtask,
                              uint32_t status);
weir_execution_subtask *weir_execution_subtask_at(weir_execution *execution, uint32_t task,
                                                  uint32_t subtask);
/* How much an error tells about why a job failed. */
enum weir_cause {
    WEIR_CAUSE_ECHO = 1, /* a subtask lost contact to another: the reason lies elsewhere */
    WEIR_CAUSE_LOSS = 2, /* a process is gone, nobody knows why */
    WEIR_CAUSE_PLAIN = 3
};
/* Keeps the first cause, except that a more telling one replaces it. */
void weir_execution_set_error(weir_execution *execution, const weir_error *error,
                              enum weir_cause cause);
uint32_t weir_execution_count(const weir_execution *execution, uint32_t status);
bool weir_execution_all_ended(const weir_execution *execution);
bool weir_execution_is_ended(const weir_execution *execution);

#endif
