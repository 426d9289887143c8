/* What a JobMaster tells: its state to the dispatcher, rows of print: to the attached client. */
#include "jobmanager/job_master_internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <string.h>

#define ROWS_TURN_MS     1000   /* how often waiting rows and clients are looked after */
#define CLIENT_SILENT_MS 30000  /* an attached client that does not fetch for so long is gone */
#define LINGER_MS        30000  /* an ended job keeps rows that nobody fetched for so long */
#define LINGER_GAP_MS    600000 /* rows that were lost to it are told to a client that comes back */
#define ROWS_CHUNK_MAX   (256u << 10)

/* ---- the report ---- */

typedef struct report_parts {
    weir_arena *arena;
    Weir__Proto__JobDetail detail;
    Weir__Proto__JobSummary summary;
} report_parts;

static void add_subtask(job_master *self, report_parts *parts, Weir__Proto__TaskSummary *task,
                        const weir_execution_subtask *from)
{
    Weir__Proto__SubtaskSummary *to = weir_arena_alloc(parts->arena, sizeof *to);

    if (!to)
        return;
    weir__proto__subtask_summary__init(to);
    to->subtask = from->subtask;
    to->state = (char *)weir_state_name(&weir_task_status_table, from->status);
    to->records_in = from->records_in;
    to->records_out = from->records_out;
    to->bytes_queued = from->bytes_queued;
    to->backpressured_permille = from->backpressured ? 1000 : 0;
    uint32_t slot = from->slot, r = 0;
    while (r < self->nrunners && slot >= self->runners[r].count)
        slot -= self->runners[r++].count;
    if (r < self->nrunners) {
        to->taskmanager = self->runners[r].taskmanager;
        to->runner_pid = self->runners[r].pid;
    }
    task->subtasks[task->n_subtasks++] = to;
}

static void add_task(job_master *self, report_parts *parts, uint32_t t)
{
    const weir_task *from = &self->execution->plan->tasks[t];
    const weir_graph *graph = self->execution->graph;
    Weir__Proto__TaskSummary *to = weir_arena_alloc(parts->arena, sizeof *to);

    if (!to)
        return;
    weir__proto__task_summary__init(to);
    to->task = t;
    to->name = (char *)from->name;
    to->parallelism = from->parallelism;
    to->subtasks = weir_arena_alloc(parts->arena, from->parallelism * sizeof(void *));
    for (uint32_t s = 0; to->subtasks && s < from->parallelism; s++) {
        const weir_execution_subtask *subtask = weir_execution_subtask_at(self->execution, t, s);
        add_subtask(self, parts, to, subtask);
        if (graph->operators[from->operators[0]].kind == WEIR_OPERATOR_SOURCE)
            parts->summary.records_in += subtask->records_in;
        for (uint32_t o = 0; o < from->noperators; o++) {
            if (graph->operators[from->operators[o]].kind == WEIR_OPERATOR_SINK) {
                parts->summary.records_out += subtask->records_out;
                break;
            }
        }
    }
    parts->detail.tasks[parts->detail.n_tasks++] = to;
}

static void add_history(job_master *self, report_parts *parts)
{
    const weir_execution *execution = self->execution;

    parts->detail.history = weir_arena_alloc(parts->arena, execution->nhistory * sizeof(void *));
    for (uint32_t i = 0; parts->detail.history && i < execution->nhistory; i++) {
        Weir__Proto__StateChange *change = weir_arena_alloc(parts->arena, sizeof *change);
        if (!change)
            return;
        weir__proto__state_change__init(change);
        change->state =
            (char *)weir_state_name(&weir_job_status_table, execution->history[i].status);
        change->at_ms = execution->history[i].at_ms;
        parts->detail.history[parts->detail.n_history++] = change;
    }
}

static void fill_report(job_master *self, report_parts *parts)
{
    const weir_execution *execution = self->execution;

    weir__proto__job_detail__init(&parts->detail);
    weir__proto__job_summary__init(&parts->summary);
    parts->detail.summary = &parts->summary;
    parts->summary.job = self->job;
    parts->summary.name = self->name;
    parts->summary.start_ms = self->start_ms;
    parts->summary.end_ms = self->end_ms;
    if (!execution) {
        parts->summary.state = (char *)"FAILED";
        parts->summary.error = self->setup_error.text;
        parts->summary.version = 1;
        return;
    }
    parts->summary.state = (char *)weir_state_name(&weir_job_status_table, execution->status);
    parts->summary.version = execution->version;
    parts->summary.parallelism = execution->plan->slots;
    parts->summary.tasks = execution->nsubtasks;
    parts->summary.tasks_running = weir_execution_count(execution, WEIR_TASK_RUNNING);
    parts->summary.tasks_finished = weir_execution_count(execution, WEIR_TASK_FINISHED);
    if (execution->error.code)
        parts->summary.error = (char *)execution->error.text;
    parts->detail.rows_ended = !self->attached;
    parts->detail.tasks = weir_arena_alloc(parts->arena, execution->plan->ntasks * sizeof(void *));
    for (uint32_t t = 0; parts->detail.tasks && t < execution->plan->ntasks; t++)
        add_task(self, parts, t);
    add_history(self, parts);
}

static uint64_t version_of(const job_master *self)
{
    return self->execution ? self->execution->version : 1;
}

static void on_reported(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                        const weir_error *error)
{
    job_master *self = actor;
    (void)data;
    (void)reply;

    self->report_in_flight = false;
    if (error) {
        self->reported_version = 0; /* told again; a dispatcher that is away comes back */
        self->end_reported = error->code == WEIR_ENOT_FOUND || error->code == WEIR_ESTALE;
        if (error->code == WEIR_ETIMEOUT || error->code == WEIR_EUNAVAILABLE)
            weir__job_report(self, context);
        else
            weir_context_log(context, WEIR_LOG_WARN, "job %s: its report was refused: %s",
                             self->job, error->text);
        return;
    }
    if (self->reported_version == version_of(self) && weir__job_is_ended(self))
        self->end_reported = true;
    weir__job_report(self, context);
    weir__job_rows_check_end(self, context);
}

/* One report is under way at a time; what changes meanwhile goes with the next. */
void weir__job_report(job_master *self, weir_context *context)
{
    if (self->report_in_flight || self->reported_version == version_of(self))
        return;
    report_parts parts = {.arena = weir_arena_new(16384)};
    if (!parts.arena)
        return;
    fill_report(self, &parts);
    Weir__Proto__JobReport body = WEIR__PROTO__JOB_REPORT__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    body.detail = &parts.detail;
    ask.epoch = self->epoch;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_JOB_REPORT;
    ask.job_report = &body;
    self->report_in_flight = true;
    self->reported_version = version_of(self);
    weir_context_request(context, (weir_address){self->dispatcher, "dispatcher"}, &ask,
                         weir_config_duration_ms(self->config, "rpc.ask.timeout"), on_reported,
                         NULL);
    weir_arena_destroy(&parts.arena);
}

/* ---- rows ---- */

static void answer_print(job_master *self, weir_context *context, const weir_reply_to *reply_to,
                         bool to_log)
{
    Weir__Proto__PrintReply body = WEIR__PROTO__PRINT_REPLY__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;

    body.to_log = to_log;
    reply.epoch = self->epoch;
    reply.body_case = WEIR__PROTO__ENVELOPE__BODY_PRINT_REPLY;
    reply.print_reply = &body;
    weir_context_reply(context, reply_to, &reply);
}

static void answer_fetcher(job_master *self, weir_context *context)
{
    if (self->fetcher.correlation == 0)
        return;
    Weir__Proto__Rows body = WEIR__PROTO__ROWS__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    body.position = self->rows.position;
    body.text.data = self->rows.text.data;
    body.text.len = self->rows.text.size < ROWS_CHUNK_MAX ? self->rows.text.size : ROWS_CHUNK_MAX;
    body.end = weir__job_is_ended(self) && body.text.len == self->rows.text.size &&
               !self->waiting_first && self->rows.lost == 0;
    reply.epoch = self->epoch;
    reply.body_case = WEIR__PROTO__ENVELOPE__BODY_ROWS;
    reply.rows = &body;
    weir_context_reply(context, &self->fetcher, &reply);
    self->fetcher.correlation = 0;
    self->gap_untold &= self->rows.lost > 0;
}

static void take_waiting(job_master *self, weir_context *context)
{
    while (self->waiting_first &&
           weir_row_buffer_has_room(&self->rows, self->waiting_first->size)) {
        waiting_rows *next = self->waiting_first;
        if (weir_row_buffer_add(&self->rows, next->bytes, next->size) < 0)
            return;
        self->waiting_first = next->next;
        if (!self->waiting_first)
            self->waiting_last = NULL;
        answer_print(self, context, &next->reply_to, false);
        weir_free(next);
    }
}

static void lose_rows(job_master *self, size_t size)
{
    weir_row_buffer_lose(&self->rows, size);
    self->gap_untold = true;
}

static void start_rows_timer(job_master *self, weir_context *context)
{
    if (self->rows_timer == 0)
        self->rows_timer = weir_context_set_timer(context, ROWS_TURN_MS);
}

void weir__job_on_print(job_master *self, weir_context *context, const weir_envelope *message)
{
    const Weir__Proto__PrintRows *print = message->print_rows;
    weir_reply_to reply_to = weir_reply_to_of(message);

    if (print->subtask >= (self->execution ? self->execution->plan->slots : 0) || !self->slots) {
        weir_context_reply_error(context, &reply_to, WEIR_EINVALID, "there is no slot %u",
                                 print->subtask);
        return;
    }
    if (print->number <= self->slots[print->subtask].printed) { /* asked again: it is here */
        answer_print(self, context, &reply_to, false);
        return;
    }
    self->slots[print->subtask].printed = print->number;
    if (!self->attached || self->client_lost) {
        if (self->attached)
            lose_rows(self, print->text.len);
        answer_print(self, context, &reply_to, true);
        return;
    }
    start_rows_timer(self, context);
    if (!self->waiting_first && weir_row_buffer_has_room(&self->rows, print->text.len)) {
        if (weir_row_buffer_add(&self->rows, print->text.data, print->text.len) < 0)
            weir_context_reply_error(context, &reply_to, WEIR_ENO_MEMORY, "no memory for rows");
        else
            answer_print(self, context, &reply_to, false);
        answer_fetcher(self, context);
        return;
    }
    waiting_rows *wait = weir_alloc(sizeof *wait + print->text.len);
    if (!wait) {
        weir_context_reply_error(context, &reply_to, WEIR_ENO_MEMORY, "no memory for rows");
        return;
    }
    wait->next = NULL;
    wait->reply_to = reply_to;
    wait->size = print->text.len;
    memcpy(wait->bytes, print->text.data, print->text.len);
    if (self->waiting_last)
        self->waiting_last->next = wait;
    else
        self->waiting_first = wait;
    self->waiting_last = wait;
}

void weir__job_on_fetch(job_master *self, weir_context *context, const weir_envelope *message)
{
    self->fetched_ms = weir_context_now_ms(context);
    self->client_lost = false;
    if (self->fetcher.correlation != 0) /* its client asked anew */
        answer_fetcher(self, context);
    weir_row_buffer_acknowledge(&self->rows, message->fetch_rows->position);
    take_waiting(self, context);
    self->fetcher = weir_reply_to_of(message);
    bool wait = weir_row_buffer_is_empty(&self->rows) && !weir__job_is_ended(self);
    if (!wait || message->fetch_rows->wait_ms == 0)
        answer_fetcher(self, context);
    else
        start_rows_timer(self, context);
    weir__job_rows_check_end(self, context);
}

static void give_up_client(job_master *self, weir_context *context)
{
    self->client_lost = true;
    if (self->waiting_first)
        weir_context_log(context, WEIR_LOG_WARN,
                         "job %s: its client is gone; rows of print: go to the logs of the task "
                         "runners from now on",
                         self->job);
    while (self->waiting_first) {
        waiting_rows *next = self->waiting_first;
        self->waiting_first = next->next;
        lose_rows(self, next->size);
        answer_print(self, context, &next->reply_to, true);
        weir_free(next);
    }
    self->waiting_last = NULL;
}

/* Once a second while there is something to look after. */
void weir__job_rows_timer(job_master *self, weir_context *context)
{
    if (weir__job_is_ended(self)) { /* what was refused is told again */
        if (!self->end_reported)
            weir__job_report(self, context);
        if (self->execution)
            weir__job_free_slots(self, context);
    }

    int64_t now = weir_context_now_ms(context);

    self->rows_timer = 0;
    answer_fetcher(self, context);
    if (self->attached && !self->client_lost && now - self->fetched_ms > CLIENT_SILENT_MS)
        give_up_client(self, context);
    if (!weir__job_is_ended(self) && self->attached && !self->client_lost)
        start_rows_timer(self, context);
    weir__job_rows_check_end(self, context);
}

/* The actor ends when the dispatcher knows the end and the rows are fetched, or nobody will. */
void weir__job_rows_check_end(job_master *self, weir_context *context)
{
    if (!weir__job_is_ended(self))
        return;
    answer_fetcher(self, context);
    bool rows_left = self->attached && (!weir_row_buffer_is_empty(&self->rows) ||
                                        self->waiting_first || self->gap_untold);
    int64_t silent = weir_context_now_ms(context) - self->fetched_ms;
    int64_t limit = self->gap_untold ? LINGER_GAP_MS : LINGER_MS;
    if (!self->end_reported || !self->slots_freed || (rows_left && silent < limit)) {
        start_rows_timer(self, context);
        return;
    }
    self->ended(self->ended_data, context, self->job);
}

void weir__job_free_rows(job_master *self)
{
    while (self->waiting_first) {
        waiting_rows *next = self->waiting_first;
        self->waiting_first = next->next;
        weir_free(next);
    }
    weir_row_buffer_deinit(&self->rows);
}
