#include "jobmanager/execution.h"

#include "base/memory.h"
#include "graph/graph_codec.h"
#include "graph/optimizer.h"

static int make_subtasks(weir_execution *execution)
{
    const weir_task_plan *plan = execution->plan;
    uint32_t count = 0;

    execution->first = weir_calloc(plan->ntasks + 1, sizeof *execution->first);
    if (!execution->first)
        return WEIR_ENO_MEMORY;
    for (uint32_t t = 0; t < plan->ntasks; t++) {
        execution->first[t] = count;
        count += plan->tasks[t].parallelism;
    }
    execution->subtasks = weir_calloc(count + 1, sizeof *execution->subtasks);
    if (!execution->subtasks)
        return WEIR_ENO_MEMORY;
    execution->nsubtasks = count;
    for (uint32_t t = 0; t < plan->ntasks; t++) {
        for (uint32_t s = 0; s < plan->tasks[t].parallelism; s++)
            execution->subtasks[execution->first[t] + s] =
                (weir_execution_subtask){.task = t, .subtask = s, .slot = s};
    }
    return 0;
}

static void record_status(weir_execution *execution, int64_t now_ms)
{
    if (execution->nhistory < WEIR_HISTORY_MAX) {
        execution->history[execution->nhistory].status = execution->status;
        execution->history[execution->nhistory].at_ms = now_ms;
        execution->nhistory++;
    }
    execution->version++;
}

int weir_execution_new(const void *graph, size_t size, bool chaining, int64_t now_ms,
                       weir_execution **ret, weir_error *err)
{
    weir_execution *execution = weir_calloc(1, sizeof *execution);

    if (!execution)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the execution of the job");
    int rc = weir_graph_unpack(graph, size, &execution->graph, err);
    if (rc == 0)
        rc = weir_graph_optimize(execution->graph, err);
    if (rc == 0)
        rc = weir_task_plan_new(execution->graph, chaining, &execution->plan, err);
    if (rc == 0 && (rc = make_subtasks(execution)) < 0)
        weir_error_set(err, rc, "no memory for the tasks of the job");
    if (rc < 0) {
        weir_execution_destroy(&execution);
        return rc;
    }
    execution->status = WEIR_JOB_INITIALIZING;
    record_status(execution, now_ms);
    *ret = execution;
    return 0;
}

void weir_execution_destroy(weir_execution **execution)
{
    weir_execution *self = *execution;

    if (!self)
        return;
    weir_task_plan_destroy(&self->plan);
    weir_graph_destroy(&self->graph);
    weir_free(self->subtasks);
    weir_free(self->first);
    weir_free(self);
    *execution = NULL;
}

bool weir_execution_move_job(weir_execution *execution, uint32_t status, int64_t now_ms)
{
    if (!weir_state_allows(&weir_job_status_table, execution->status, status))
        return false;
    execution->status = status;
    record_status(execution, now_ms);
    return true;
}

weir_execution_subtask *weir_execution_subtask_at(weir_execution *execution, uint32_t task,
                                                  uint32_t subtask)
{
    if (task >= execution->plan->ntasks || subtask >= execution->plan->tasks[task].parallelism)
        return NULL;
    return &execution->subtasks[execution->first[task] + subtask];
}

bool weir_execution_move_task(weir_execution *execution, uint32_t task, uint32_t subtask,
                              uint32_t status)
{
    weir_execution_subtask *of = weir_execution_subtask_at(execution, task, subtask);

    if (!of || weir_state_is_terminal(&weir_task_status_table, of->status) || of->status == status)
        return false;
    /* Reports may overtake each other: walk the states that lie between. */
    while (of->status < WEIR_TASK_RUNNING &&
           !weir_state_allows(&weir_task_status_table, of->status, status))
        of->status++;
    if (!weir_state_allows(&weir_task_status_table, of->status, status))
        return false;
    of->status = status;
    execution->version++;
    return true;
}

void weir_execution_set_error(weir_execution *execution, const weir_error *error,
                              enum weir_cause cause)
{
    if (cause <= execution->cause)
        return;
    execution->error = *error;
    execution->cause = cause;
    execution->version++;
}

uint32_t weir_execution_count(const weir_execution *execution, uint32_t status)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < execution->nsubtasks; i++)
        count += execution->subtasks[i].status == status;
    return count;
}

bool weir_execution_all_ended(const weir_execution *execution)
{
    for (uint32_t i = 0; i < execution->nsubtasks; i++) {
        if (!weir_state_is_terminal(&weir_task_status_table, execution->subtasks[i].status))
            return false;
    }
    return true;
}

bool weir_execution_is_ended(const weir_execution *execution)
{
    return weir_state_is_terminal(&weir_job_status_table, execution->status);
}
