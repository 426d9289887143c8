#include "cli/job_report.h"

json_t *weir_job_summary_json(const Weir__Proto__JobSummary *summary)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "job", summary->job, "name",
        summary->name, "state", summary->state, "start_ms", (json_int_t)summary->start_ms, "end_ms",
        (json_int_t)summary->end_ms, "tasks", (json_int_t)summary->tasks, "tasks_running",
        (json_int_t)summary->tasks_running, "tasks_finished", (json_int_t)summary->tasks_finished,
        "parallelism", (json_int_t)summary->parallelism, "records_in",
        (json_int_t)summary->records_in, "records_out", (json_int_t)summary->records_out);

    if (object != NULL && summary->error[0] != '\0')
        json_object_set_new(object, "error", json_string(summary->error));
    return object;
}

static json_t *subtask_json(const Weir__Proto__SubtaskSummary *subtask)
{
    return json_pack(
        "{s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:I}", "subtask", (json_int_t)subtask->subtask,
        "state", subtask->state, "records_in", (json_int_t)subtask->records_in, "records_out",
        (json_int_t)subtask->records_out, "bytes_queued", (json_int_t)subtask->bytes_queued,
        "busy_permille", (json_int_t)subtask->busy_permille, "backpressured_permille",
        (json_int_t)subtask->backpressured_permille, "taskmanager", subtask->taskmanager,
        "runner_pid", (json_int_t)subtask->runner_pid);
}

static json_t *task_json(const Weir__Proto__TaskSummary *task)
{
    json_t *subtasks = json_array();

    for (size_t i = 0; i < task->n_subtasks; i++)
        json_array_append_new(subtasks, subtask_json(task->subtasks[i]));
    return json_pack("{s:I, s:s, s:I, s:o}", "task", (json_int_t)task->task, "name", task->name,
                     "parallelism", (json_int_t)task->parallelism, "subtasks", subtasks);
}

json_t *weir_job_detail_json(const Weir__Proto__JobDetail *detail)
{
    json_t *object = weir_job_summary_json(detail->summary);
    json_t *tasks = json_array(), *history = json_array();

    for (size_t i = 0; i < detail->n_tasks; i++)
        json_array_append_new(tasks, task_json(detail->tasks[i]));
    for (size_t i = 0; i < detail->n_history; i++)
        json_array_append_new(history, json_pack("{s:s, s:I}", "state", detail->history[i]->state,
                                                 "at_ms", (json_int_t)detail->history[i]->at_ms));
    json_object_set_new(object, "vertices", tasks);
    json_object_set_new(object, "history", history);
    return object;
}
