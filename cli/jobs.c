/* cli/jobs.c -- `weir list`, `weir describe`, `weir cancel`. */
#include "cli/verbs.h"

#include "actors/reactor.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/units.h"
#include "cli/connect.h"
#include "cli/follow.h"
#include "cli/job_report.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- asking ---- */

/* -o text|json, and a session. */
static int begin(const weir_arguments *arguments, weir_session *session, int *format,
                 weir_error *err)
{
    int rc = weir_arguments_format(arguments, "text|json", format, err);

    memset(session, 0, sizeof *session);
    return rc == 0 ? weir_session_open(arguments, session, err) : rc;
}

static int finish(weir_session *session, weir_envelope *reply, int code)
{
    if (reply != NULL)
        weir_proto_free(&reply->base);
    weir_session_close(session);
    weir_reactor_end_process();
    return code;
}

static int ask_list(weir_client *client, bool ended, weir_envelope **ret, weir_error *err)
{
    Weir__Proto__ListJobs body = WEIR__PROTO__LIST_JOBS__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;

    body.ended = ended;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_LIST_JOBS;
    request.list_jobs = &body;
    return weir_client_call(client, &request, 0, WEIR__PROTO__ENVELOPE__BODY_JOB_LIST, ret, err);
}

static int ask_detail(weir_client *client, const char *job, weir_envelope **ret, weir_error *err)
{
    Weir__Proto__DescribeJob body = WEIR__PROTO__DESCRIBE_JOB__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;

    body.job = (char *)(uintptr_t)job;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_DESCRIBE_JOB;
    request.describe_job = &body;
    int rc =
        weir_client_call(client, &request, 0, WEIR__PROTO__ENVELOPE__BODY_JOB_DETAIL, ret, err);
    if (rc == 0 && (*ret)->job_detail->summary == NULL) {
        weir_proto_free(&(*ret)->base);
        *ret = NULL;
        rc = weir_error_set(err, WEIR_ECORRUPT, "the dispatcher's answer has no job in it");
    }
    return rc;
}

/* ---- list ---- */

static const char *age_of(const Weir__Proto__JobSummary *job, char *out, size_t size)
{
    int64_t end = job->end_ms > 0 ? job->end_ms : weir_clock_wall_ms();

    return weir_progress_duration(end - job->start_ms, out, size);
}

static int tell_list(const Weir__Proto__JobList *list)
{
    static const char *const headings[] = {"JOB",   "NAME",  "STATE", ">TASKS",
                                           "START", ">TIME", ">IN",   ">OUT"};
    weir_table *table = weir_table_new(headings, WEIR_COUNT(headings));
    char shown[40];

    for (size_t i = 0; table != NULL && i < list->n_jobs; i++) {
        const Weir__Proto__JobSummary *job = list->jobs[i];

        weir_table_cell(table, "%s", job->job);
        weir_table_cell(table, "%s", job->name);
        weir_table_cell(table, "%s", job->state);
        weir_table_cell(table, "%u/%u", job->tasks_running + job->tasks_finished, job->tasks);
        weir_table_cell(table, "%s", weir_format_local_time(job->start_ms, shown, sizeof shown));
        weir_table_cell(table, "%s", age_of(job, shown, sizeof shown));
        weir_table_cell(table, "%s", weir_format_count(job->records_in, shown, sizeof shown));
        weir_table_cell(table, "%s", weir_format_count(job->records_out, shown, sizeof shown));
    }
    return weir_output_table(&table);
}

int weir_verb_list(const weir_arguments *arguments)
{
    weir_error error = WEIR_ERROR_INIT;
    weir_session session;
    weir_envelope *reply = NULL;
    int format = 0, code;
    int rc = begin(arguments, &session, &format, &error);

    if (rc == 0)
        rc = ask_list(session.client, weir_arguments_has(arguments, "all"), &reply, &error);
    if (rc != 0) {
        code = weir_message_error(&error);
    } else if (format == 1) {
        json_t *jobs = json_array();
        for (size_t i = 0; i < reply->job_list->n_jobs; i++)
            json_array_append_new(jobs, weir_job_summary_json(reply->job_list->jobs[i]));
        code = weir_output_json(jobs);
    } else if (reply->job_list->n_jobs == 0) {
        weir_message(weir_arguments_has(arguments, "all")
                         ? "no jobs"
                         : "no job is running; -a shows ended ones");
        code = WEIR_EXIT_DONE;
    } else {
        code = tell_list(reply->job_list);
    }
    return finish(&session, reply, code);
}

/* ---- describe ---- */

static void put_line(weir_buffer *out, const char *name, const char *value)
{
    weir_buffer_printf(out, "%-12s ", name);
    for (; *value != '\0'; value++) /* not ours: one line, no control characters */
        weir_buffer_putc(out, (unsigned char)*value < 0x20 || *value == 0x7F ? ' ' : *value);
    weir_buffer_putc(out, '\n');
}

static void put_summary(weir_buffer *out, const Weir__Proto__JobDetail *detail)
{
    const Weir__Proto__JobSummary *job = detail->summary;
    char text[128], shown[40], more[40];

    put_line(out, "job", job->job);
    put_line(out, "name", job->name);
    put_line(out, "state", job->state);
    put_line(out, "start", weir_format_local_time(job->start_ms, shown, sizeof shown));
    if (job->end_ms > 0)
        put_line(out, "end", weir_format_local_time(job->end_ms, shown, sizeof shown));
    put_line(out, "time", age_of(job, shown, sizeof shown));
    snprintf(text, sizeof text, "%u running, %u finished, of %u", job->tasks_running,
             job->tasks_finished, job->tasks);
    put_line(out, "tasks", text);
    snprintf(text, sizeof text, "%s in, %s out",
             weir_format_count(job->records_in, shown, sizeof shown),
             weir_format_count(job->records_out, more, sizeof more));
    put_line(out, "records", text);
    if (job->error[0] != '\0')
        put_line(out, "error", job->error);
    for (size_t i = 0; i < detail->n_history; i++) {
        snprintf(text, sizeof text, "%s  %.40s",
                 weir_format_local_time(detail->history[i]->at_ms, shown, sizeof shown),
                 detail->history[i]->state);
        put_line(out, i == 0 ? "history" : "", text);
    }
}

static void put_subtask(weir_table *table, const Weir__Proto__TaskSummary *task,
                        const Weir__Proto__SubtaskSummary *subtask)
{
    char shown[40];

    weir_table_cell(table, "%s", task->name);
    weir_table_cell(table, "%u/%u", subtask->subtask + 1, task->parallelism);
    weir_table_cell(table, "%s", subtask->state);
    weir_table_cell(table, "%s", weir_format_count(subtask->records_in, shown, sizeof shown));
    weir_table_cell(table, "%s", weir_format_count(subtask->records_out, shown, sizeof shown));
    weir_table_cell(table, "%s", weir_format_size(subtask->bytes_queued, shown, sizeof shown));
    weir_table_cell(table, "%u%%", subtask->backpressured_permille / 10);
    weir_table_cell(table, "%s", subtask->taskmanager[0] == '\0' ? "-" : subtask->taskmanager);
    weir_table_cell(table, subtask->runner_pid == 0 ? "-" : "%u", subtask->runner_pid);
}

static int tell_detail(const Weir__Proto__JobDetail *detail)
{
    static const char *const headings[] = {"TASK",          ">SUBTASK",    "STATE",
                                           ">IN",           ">OUT",        ">QUEUED",
                                           ">BACKPRESSURE", "TASKMANAGER", ">RUNNER"};
    weir_buffer text = WEIR_BUFFER_INIT;
    weir_table *table = weir_table_new(headings, WEIR_COUNT(headings));

    put_summary(&text, detail);
    for (size_t t = 0; table != NULL && t < detail->n_tasks; t++)
        for (size_t s = 0; s < detail->tasks[t]->n_subtasks; s++)
            put_subtask(table, detail->tasks[t], detail->tasks[t]->subtasks[s]);
    if (table == NULL) {
        text.failed = true;
    } else if (weir_table_rows(table) > 0) {
        weir_buffer_putc(&text, '\n');
        if (weir_table_print(table, &text) != 0)
            text.failed = true;
    }
    weir_table_destroy(&table);
    return weir_output_text(&text);
}

int weir_verb_describe(const weir_arguments *arguments)
{
    weir_error error = WEIR_ERROR_INIT;
    weir_session session;
    weir_envelope *reply = NULL;
    int format = 0;
    int rc = begin(arguments, &session, &format, &error);

    if (rc == 0)
        rc = ask_detail(session.client, arguments->words[0], &reply, &error);
    int code = rc != 0       ? weir_message_error(&error)
               : format == 1 ? weir_output_json(weir_job_detail_json(reply->job_detail))
                             : tell_detail(reply->job_detail);
    return finish(&session, reply, code);
}

/* ---- cancel ---- */

static int cancel(weir_client *client, const char *job, weir_error *err)
{
    Weir__Proto__CancelJob body = WEIR__PROTO__CANCEL_JOB__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;

    body.job = (char *)(uintptr_t)job;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_CANCEL_JOB;
    request.cancel_job = &body;
    return weir_client_call(client, &request, 0, WEIR__PROTO__ENVELOPE__BODY_ACK, NULL, err);
}

/* The cancel is accepted: now until the job has ended. */
static int wait_cancelled(weir_client *client, const Weir__Proto__JobSummary *job, int format)
{
    weir_follow_config config = {
        .client = client, .job = job->job, .name = job->name, .signal_fd = -1};
    weir_error error = WEIR_ERROR_INIT;
    weir_followed followed;
    int rc = weir_follow(&config, &followed, &error), code;
    char text[512];

    if (rc != 0) {
        code = weir_message_error(&error);
    } else {
        const Weir__Proto__JobSummary *end = followed.detail->job_detail->summary;
        weir_message("%s", weir_progress_final(end, text, sizeof text));
        code = format == 1 ? weir_output_json(weir_job_summary_json(end)) : WEIR_EXIT_DONE;
    }
    weir_followed_deinit(&followed);
    return code;
}

int weir_verb_cancel(const weir_arguments *arguments)
{
    weir_error error = WEIR_ERROR_INIT;
    weir_session session;
    weir_envelope *reply = NULL;
    int format = 0;
    int rc = begin(arguments, &session, &format, &error);

    if (rc ==
        0) /* a name or the beginning of an id becomes the id: it must not change on the way */
        rc = ask_detail(session.client, arguments->words[0], &reply, &error);
    if (rc == 0 && weir_progress_is_ended(reply->job_detail->summary->state))
        rc = weir_error_set(&error, WEIR_EINVALID, "job '%s' has ended already: it is %s",
                            reply->job_detail->summary->name, reply->job_detail->summary->state);
    if (rc == 0)
        rc = cancel(session.client, reply->job_detail->summary->job, &error);
    int code = rc != 0 ? weir_message_error(&error)
                       : wait_cancelled(session.client, reply->job_detail->summary, format);
    return finish(&session, reply, code);
}
