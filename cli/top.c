/* cli/top.c -- `weir top`: what runs and how fast, again every second on a terminal. */
#include "cli/verbs.h"

#include "actors/reactor.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/units.h"
#include "cli/connect.h"
#include "cli/job_report.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/process.h"
#include "cli/progress.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REFRESH_MS = 1000, JOBS_MAX = 100 };

typedef struct top {
    weir_session session;
    weir_map *rates; /* job id -> weir_rate */
    bool is_local;   /* the processes are of this host, as far as the endpoint tells */
    bool is_once;
    weir_envelope *status;            /* ClusterDetail */
    weir_envelope *details[JOBS_MAX]; /* JobDetail of what has not ended */
    size_t count;
} top;

static void drop(top *self)
{
    if (self->status != NULL)
        weir_proto_free(&self->status->base);
    self->status = NULL;
    for (size_t i = 0; i < self->count; i++)
        weir_proto_free(&self->details[i]->base);
    self->count = 0;
}

/* ---- asking ---- */

static int ask_status(top *self, weir_error *err)
{
    Weir__Proto__ClusterStatus body = WEIR__PROTO__CLUSTER_STATUS__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;

    request.body_case = WEIR__PROTO__ENVELOPE__BODY_CLUSTER_STATUS;
    request.cluster_status = &body;
    return weir_client_call(self->session.client, &request, 0,
                            WEIR__PROTO__ENVELOPE__BODY_CLUSTER_DETAIL, &self->status, err);
}

/* A job that has gone since it was listed is left out. */
static int ask_job(top *self, const char *job, weir_error *err)
{
    Weir__Proto__DescribeJob body = WEIR__PROTO__DESCRIBE_JOB__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT, *reply;

    body.job = (char *)(uintptr_t)job;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_DESCRIBE_JOB;
    request.describe_job = &body;
    int rc = weir_client_call(self->session.client, &request, 0,
                              WEIR__PROTO__ENVELOPE__BODY_JOB_DETAIL, &reply, err);
    if (rc == WEIR_ENOT_FOUND)
        return 0;
    if (rc != 0)
        return rc;
    if (reply->job_detail->summary == NULL)
        weir_proto_free(&reply->base);
    else
        self->details[self->count++] = reply;
    return 0;
}

static int ask_all(top *self, weir_error *err)
{
    Weir__Proto__ListJobs body = WEIR__PROTO__LIST_JOBS__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT, *list;

    drop(self);
    int rc = ask_status(self, err);
    if (rc != 0)
        return rc;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_LIST_JOBS;
    request.list_jobs = &body;
    rc = weir_client_call(self->session.client, &request, 0, WEIR__PROTO__ENVELOPE__BODY_JOB_LIST,
                          &list, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < list->job_list->n_jobs && self->count < JOBS_MAX; i++)
        rc = ask_job(self, list->job_list->jobs[i]->job, err);
    weir_proto_free(&list->base);
    return rc;
}

/* ---- showing ---- */

/* Since the last look; at the first one since the job's start. */
static double rate_of(top *self, const Weir__Proto__JobSummary *job)
{
    weir_rate *rate = weir_map_get(self->rates, job->job);
    int64_t ms = weir_clock_wall_ms() - job->start_ms;

    if (rate == NULL) {
        rate = weir_calloc(1, sizeof *rate);
        if (rate != NULL && weir_map_put(self->rates, job->job, rate) != 0) {
            weir_free(rate);
            rate = NULL;
        }
        if (rate != NULL)
            weir_rate_update(rate, job->records_in, weir_clock_monotonic_ms());
        return ms > 0 ? (double)job->records_in * 1000 / (double)ms : 0;
    }
    return weir_rate_update(rate, job->records_in, weir_clock_monotonic_ms());
}

static int put_table(weir_table **table, weir_buffer *out)
{
    int rc = *table == NULL ? WEIR_ENO_MEMORY : weir_table_print(*table, out);

    weir_table_destroy(table);
    return rc;
}

static int put_jobs(top *self, weir_buffer *out)
{
    static const char *const headings[] = {"JOB",   "NAME", "STATE", ">TASKS",
                                           ">RATE", ">IN",  ">OUT",  ">TIME"};
    weir_table *table = weir_table_new(headings, WEIR_COUNT(headings));
    char shown[40];

    for (size_t i = 0; table != NULL && i < self->count; i++) {
        const Weir__Proto__JobSummary *job = self->details[i]->job_detail->summary;

        weir_table_cell(table, "%.8s", job->job);
        weir_table_cell(table, "%s", job->name);
        weir_table_cell(table, "%s", job->state);
        weir_table_cell(table, "%u/%u", job->tasks_running + job->tasks_finished, job->tasks);
        weir_table_cell(table, "%s", weir_format_rate(rate_of(self, job), shown, sizeof shown));
        weir_table_cell(table, "%s", weir_format_count(job->records_in, shown, sizeof shown));
        weir_table_cell(table, "%s", weir_format_count(job->records_out, shown, sizeof shown));
        weir_table_cell(
            table, "%s",
            weir_progress_duration(weir_clock_wall_ms() - job->start_ms, shown, sizeof shown));
    }
    return put_table(&table, out);
}

static void put_task(weir_table *table, const char *job, const Weir__Proto__TaskSummary *task)
{
    uint64_t in = 0, sent = 0, queued = 0;
    uint32_t running = 0, backpressure = 0;
    char shown[40];

    for (size_t i = 0; i < task->n_subtasks; i++) {
        const Weir__Proto__SubtaskSummary *subtask = task->subtasks[i];

        in += subtask->records_in;
        sent += subtask->records_out;
        queued += subtask->bytes_queued;
        running += strcmp(subtask->state, "RUNNING") == 0;
        if (subtask->backpressured_permille > backpressure)
            backpressure = subtask->backpressured_permille;
    }
    weir_table_cell(table, "%.8s", job);
    weir_table_cell(table, "%s", task->name);
    weir_table_cell(table, "%u/%u", running, task->parallelism);
    weir_table_cell(table, "%s", weir_format_count(in, shown, sizeof shown));
    weir_table_cell(table, "%s", weir_format_count(sent, shown, sizeof shown));
    weir_table_cell(table, "%s", weir_format_size(queued, shown, sizeof shown));
    weir_table_cell(table, "%u%%", backpressure / 10);
}

static int put_tasks(const top *self, weir_buffer *out)
{
    static const char *const headings[] = {"JOB",  "TASK",    ">RUNNING",     ">IN",
                                           ">OUT", ">QUEUED", ">BACKPRESSURE"};
    weir_table *table = weir_table_new(headings, WEIR_COUNT(headings));

    for (size_t i = 0; table != NULL && i < self->count; i++) {
        const Weir__Proto__JobDetail *detail = self->details[i]->job_detail;
        for (size_t t = 0; t < detail->n_tasks; t++)
            put_task(table, detail->summary->job, detail->tasks[t]);
    }
    return put_table(&table, out);
}

static void put_process(const top *self, weir_table *table, const char *role, uint32_t pid,
                        const char *slots)
{
    uint64_t resident = self->is_local ? weir_process_resident((pid_t)pid) : 0;
    char shown[40];

    weir_table_cell(table, "%s", role);
    weir_table_cell(table, "%u", pid);
    weir_table_cell(table, "%s",
                    resident == 0 ? "-" : weir_format_size(resident, shown, sizeof shown));
    weir_table_cell(table, "%s", slots);
}

/* Each task runner once; their number is small. */
static void put_runners(const top *self, weir_table *table)
{
    uint32_t seen[256];
    size_t count = 0;

    for (size_t i = 0; i < self->count; i++) {
        const Weir__Proto__JobDetail *detail = self->details[i]->job_detail;

        for (size_t t = 0; t < detail->n_tasks; t++) {
            for (size_t s = 0; s < detail->tasks[t]->n_subtasks; s++) {
                uint32_t pid = detail->tasks[t]->subtasks[s]->runner_pid;
                size_t known = 0;

                while (known < count && seen[known] != pid)
                    known++;
                if (pid == 0 || known < count || count == WEIR_COUNT(seen))
                    continue;
                seen[count++] = pid;
                put_process(self, table, "runner", pid, "-");
            }
        }
    }
}

static int put_processes(const top *self, weir_buffer *out)
{
    static const char *const headings[] = {"PROCESS", ">PID", ">MEMORY", ">SLOTS FREE"};
    weir_table *table = weir_table_new(headings, WEIR_COUNT(headings));
    const Weir__Proto__ClusterDetail *cluster = self->status->cluster_detail;
    char slots[32];

    for (size_t i = 0; table != NULL && i < cluster->n_processes; i++) {
        const Weir__Proto__ProcessSummary *process = cluster->processes[i];

        snprintf(slots, sizeof slots, "%u/%u", process->slots_free, process->slots);
        put_process(self, table, process->role, process->pid,
                    strcmp(process->role, "taskmanager") == 0 ? slots : "-");
    }
    if (table != NULL)
        put_runners(self, table);
    return put_table(&table, out);
}

static int tell_text(top *self)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    const Weir__Proto__ClusterDetail *cluster = self->status->cluster_detail;

    if (!self->is_once)
        weir_buffer_puts(&text, "\033[H\033[2J");
    weir_buffer_printf(&text, "cluster %s at %s: %u job%s running, %u ended\n\n", cluster->cluster,
                       self->session.endpoint, cluster->jobs_running,
                       cluster->jobs_running == 1 ? "" : "s", cluster->jobs_ended);
    int rc = put_processes(self, &text);
    weir_buffer_putc(&text, '\n');
    if (rc == 0)
        rc = put_jobs(self, &text);
    weir_buffer_putc(&text, '\n');
    if (rc == 0 && self->count > 0)
        rc = put_tasks(self, &text);
    if (rc != 0)
        text.failed = true;
    return weir_output_text(&text);
}

static int tell_json(const top *self)
{
    const Weir__Proto__ClusterDetail *cluster = self->status->cluster_detail;
    json_t *jobs = json_array(), *processes = json_array();

    for (size_t i = 0; i < self->count; i++)
        json_array_append_new(jobs, weir_job_detail_json(self->details[i]->job_detail));
    for (size_t i = 0; i < cluster->n_processes; i++) {
        const Weir__Proto__ProcessSummary *process = cluster->processes[i];
        uint64_t resident = self->is_local ? weir_process_resident((pid_t)process->pid) : 0;

        json_array_append_new(processes, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "process",
                                                   process->process, "role", process->role, "pid",
                                                   (json_int_t)process->pid, "slots",
                                                   (json_int_t)process->slots, "slots_free",
                                                   (json_int_t)process->slots_free,
                                                   "resident_bytes", (json_int_t)resident));
    }
    return weir_output_json(json_pack("{s:s, s:o, s:o}", "cluster", cluster->cluster, "processes",
                                      processes, "jobs", jobs));
}

/* ---- all of it ---- */

static int look(top *self, int format)
{
    weir_error error = WEIR_ERROR_INIT;

    for (;;) {
        if (ask_all(self, &error) != 0)
            return weir_message_error(&error);
        int code = format == 1 ? tell_json(self) : tell_text(self);
        if (self->is_once || code != WEIR_EXIT_DONE)
            return code;
        /* The connection lives on meanwhile. */
        if (weir_client_run(self->session.client, REFRESH_MS) != WEIR_ETIMEOUT)
            return weir_message_fail(WEIR_EINTERNAL, "the client's loop ended");
    }
}

int weir_verb_top(const weir_arguments *arguments)
{
    top *self = weir_calloc(1, sizeof *self);
    weir_error error = WEIR_ERROR_INIT;
    int format = 0;

    if (self == NULL)
        return weir_message_fail(WEIR_ENO_MEMORY, "no memory for weir top");
    int rc = weir_arguments_format(arguments, "text|json", &format, &error);
    if (rc == 0)
        rc = weir_session_open(arguments, &self->session, &error);
    if (rc == 0) {
        self->rates = weir_map_new(weir_free);
        if (self->rates == NULL)
            rc = weir_error_set(&error, WEIR_ENO_MEMORY, "no memory for weir top");
    }
    self->is_local = strncmp(self->session.endpoint, "tcp://127.", 10) == 0 ||
                     strncmp(self->session.endpoint, "tcp://localhost:", 16) == 0;
    self->is_once = format == 1 || weir_arguments_has(arguments, "once") || !isatty(STDOUT_FILENO);
    int code = rc == 0 ? look(self, format) : weir_message_error(&error);
    drop(self);
    weir_map_destroy(&self->rates);
    weir_session_close(&self->session);
    weir_free(self);
    weir_reactor_end_process();
    return code;
}
