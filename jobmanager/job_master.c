#include "jobmanager/job_master_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/units.h"

#include <stdio.h>
#include <string.h>

/* ---- construction ---- */

static int copy_job(job_master *self, const Weir__Proto__StartJob *job, const weir_config *config,
                    weir_error *err)
{
    snprintf(self->job, sizeof self->job, "%s", job->job);
    self->name = weir_strdup(job->name);
    self->artifact = weir_strdup(job->artifact);
    self->config = weir_config_clone(config);
    self->packed_graph = weir_alloc(job->graph.len + 1);
    if (!self->name || !self->artifact || !self->config || !self->packed_graph)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for job '%s'", job->name);
    if (job->graph.len > 0)
        memcpy(self->packed_graph, job->graph.data, job->graph.len);
    self->packed_graph_size = job->graph.len;
    self->attached = job->attached;
    self->start_ms = job->submitted_ms;
    for (size_t i = 0; i < job->n_configuration; i++) {
        int rc = weir_config_set(self->config, job->configuration[i]->key,
                                 job->configuration[i]->value, "job", &self->setup_error);
        if (rc < 0)
            break; /* told by failing the job, not by refusing to know it */
    }
    return 0;
}

int weir_job_master_new(const Weir__Proto__StartJob *job, const weir_config *config,
                        const char *dispatcher, uint64_t epoch,
                        void (*ended)(void *, weir_context *, const char *), void *ended_data,
                        void **ret, weir_error *err)
{
    job_master *self = weir_calloc(1, sizeof *self);

    if (!self)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for job '%s'", job->name);
    self->epoch = epoch;
    self->ended = ended;
    self->ended_data = ended_data;
    self->dispatcher = weir_strdup(dispatcher);
    int rc = self->dispatcher ? copy_job(self, job, config, err) : WEIR_ENO_MEMORY;
    if (rc < 0) {
        weir_job_master_class.destroy(self);
        return rc;
    }
    weir_row_buffer_init(&self->rows, (size_t)weir_config_size(self->config, "print.buffer-size"));
    *ret = self;
    return 0;
}

static void forget_relay(job_master *self, split_relay *relay)
{
    split_relay **at = &self->relays;

    while (*at != relay)
        at = &(*at)->next;
    *at = relay->next;
    weir_free(relay);
}

static void destroy(void *actor)
{
    job_master *self = actor;

    while (self->relays)
        forget_relay(self, self->relays);
    weir__job_free_rows(self);
    weir_execution_destroy(&self->execution);
    weir_config_destroy(&self->config);
    weir_free(self->name);
    weir_free(self->artifact);
    weir_free(self->dispatcher);
    weir_free(self->packed_graph);
    weir_free(self->runners);
    weir_free(self->slots);
    weir_key_pair_wipe(&self->key);
    weir_free(self);
}

/* ---- the job's life ---- */

bool weir__job_is_ended(const job_master *self)
{
    return !self->execution || weir_execution_is_ended(self->execution);
}

static void start(void *actor, weir_context *context)
{
    job_master *self = actor;
    bool chaining = weir_config_bool(self->config, "pipeline.operator-chaining.enabled");

    self->fetched_ms = weir_context_now_ms(context);
    self->data_key = weir_context_random(context);
    int rc = self->setup_error.code;
    if (rc == 0 && weir_context_has_keys(context)) {
        rc = weir_context_issue_key(context, WEIR_ROLE_RUNNER, &self->key, &self->setup_error);
        self->has_key = rc == 0;
    }
    if (rc == 0)
        rc =
            weir_execution_new(self->packed_graph, self->packed_graph_size, chaining,
                               weir_context_wall_ms(context), &self->execution, &self->setup_error);
    if (rc < 0) {
        self->end_ms = weir_context_wall_ms(context);
        self->slots_freed = true; /* it has none */
        weir__job_report(self, context);
        return;
    }
    weir_execution_move_job(self->execution, WEIR_JOB_CREATED, weir_context_wall_ms(context));
    weir_context_log(context, WEIR_LOG_INFO, "job %s '%s': created, needs %u slots", self->job,
                     self->name, self->execution->plan->slots);
    weir__job_request_slots(self, context);
    weir__job_report(self, context);
}

static void finish(job_master *self, weir_context *context, uint32_t status)
{
    weir_execution *execution = self->execution;

    if (!weir_execution_move_job(execution, status, weir_context_wall_ms(context)))
        return;
    self->end_ms = weir_context_wall_ms(context);
    weir_context_cancel_timer(context, self->deploy_timer);
    weir_context_cancel_timer(context, self->cancel_timer);
    weir_context_log(context, status == WEIR_JOB_FAILED ? WEIR_LOG_ERROR : WEIR_LOG_INFO,
                     "job %s '%s': %s%s%s", self->job, self->name,
                     weir_state_name(&weir_job_status_table, status),
                     execution->error.code ? ": " : "", execution->error.text);
    weir__job_end_runners(self, context);
    weir__job_report(self, context);
    weir__job_rows_check_end(self, context);
}

/* Moves the job on when its subtasks have. */
void weir__job_check_end(job_master *self, weir_context *context)
{
    weir_execution *execution = self->execution;
    uint32_t n = execution->nsubtasks;

    if (execution->status == WEIR_JOB_CREATED &&
        weir_execution_count(execution, WEIR_TASK_RUNNING) +
                weir_execution_count(execution, WEIR_TASK_FINISHED) ==
            n) {
        weir_execution_move_job(execution, WEIR_JOB_RUNNING, weir_context_wall_ms(context));
        weir_context_cancel_timer(context, self->deploy_timer);
    }
    if (weir_execution_all_ended(execution)) {
        if (execution->status == WEIR_JOB_RUNNING &&
            weir_execution_count(execution, WEIR_TASK_FINISHED) == n)
            finish(self, context, WEIR_JOB_FINISHED);
        else if (execution->status == WEIR_JOB_FAILING)
            finish(self, context, WEIR_JOB_FAILED);
        else if (execution->status == WEIR_JOB_CANCELLING)
            finish(self, context, WEIR_JOB_CANCELED);
    }
    weir__job_report(self, context);
}

/* Subtasks that no living runner holds have nobody to cancel them. */
static void cancel_orphans(job_master *self)
{
    weir_execution *execution = self->execution;

    for (uint32_t i = 0; i < execution->nsubtasks; i++) {
        weir_execution_subtask *subtask = &execution->subtasks[i];
        uint32_t slot = subtask->slot, r = 0;
        while (r < self->nrunners && slot >= self->runners[r].count)
            slot -= self->runners[r++].count;
        bool held = r < self->nrunners && self->runners[r].has_tasks &&
                    self->runners[r].state != RUNNER_GONE;
        if (!held)
            weir_execution_move_task(execution, subtask->task, subtask->subtask,
                                     WEIR_TASK_CANCELED);
    }
}

static void stop_tasks(job_master *self, weir_context *context)
{
    weir__job_cancel_tasks(self, context);
    cancel_orphans(self);
    int64_t limit = weir_config_duration_ms(self->config, "task.cancellation.timeout");
    if (self->cancel_timer == 0 && limit > 0) /* 0: they may take for ever */
        self->cancel_timer = weir_context_set_timer(context, limit);
    weir__job_check_end(self, context);
}

void weir__job_fail(job_master *self, weir_context *context, const weir_error *error,
                    enum weir_cause cause)
{
    if (weir__job_is_ended(self))
        return;
    weir_execution *execution = self->execution;
    if (execution->status == WEIR_JOB_CANCELLING) { /* it was to end anyway */
        stop_tasks(self, context);
        return;
    }
    weir_execution_set_error(execution, error, cause);
    weir_execution_move_job(execution, WEIR_JOB_FAILING, weir_context_wall_ms(context));
    stop_tasks(self, context);
}

static void on_cancel(job_master *self, weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);

    if (weir__job_is_ended(self)) {
        weir_context_reply_error(
            context, &reply_to, WEIR_ESTATE, "job '%s' has ended already: %s", self->name,
            self->execution ? weir_state_name(&weir_job_status_table, self->execution->status)
                            : "FAILED");
        return;
    }
    weir_context_reply_ack(context, &reply_to);
    if (weir_execution_move_job(self->execution, WEIR_JOB_CANCELLING,
                                weir_context_wall_ms(context)))
        stop_tasks(self, context);
}

/* ---- reports of runners ---- */

static void on_task_report(job_master *self, weir_context *context, const weir_envelope *message)
{
    const Weir__Proto__TaskReport *report = message->task_report;
    weir_reply_to reply_to = weir_reply_to_of(message);
    int status = weir_status_parse(&weir_task_status_table, report->state);

    weir_context_reply_ack(context, &reply_to);
    if (status < 0 || weir__job_is_ended(self))
        return;
    weir_execution_subtask *subtask =
        weir_execution_subtask_at(self->execution, report->task, report->subtask);
    if (!subtask)
        return;
    bool moved =
        weir_execution_move_task(self->execution, report->task, report->subtask, (uint32_t)status);
    if (weir_state_is_terminal(&weir_task_status_table, (uint32_t)status)) {
        subtask->records_in = report->records_in;
        subtask->records_out = report->records_out;
        subtask->bytes_queued = 0;
    }
    if (status == WEIR_TASK_FAILED && (moved || report->code != 0)) {
        weir_error error = WEIR_ERROR_INIT;
        weir_error_set(&error, report->code < 0 ? report->code : WEIR_EUSER, "%s", report->error);
        weir__job_fail(self, context, &error,
                       error.code == WEIR_EUNAVAILABLE ? WEIR_CAUSE_ECHO : WEIR_CAUSE_PLAIN);
        return;
    }
    if (moved)
        weir__job_check_end(self, context);
}

/* A slot that turns, or has nothing to do, is well; one that does neither runs code that does not
 * return. */
static void watch_slot(job_master *self, weir_context *context, const runner *of,
                       const Weir__Proto__SlotProgress *progress)
{
    int64_t limit = weir_config_duration_ms(self->config, "taskmanager.slot.progress-timeout");
    int64_t now = weir_context_now_ms(context);
    weir_error error = WEIR_ERROR_INIT;

    if (!self->slots || progress->slot >= self->execution->plan->slots)
        return;
    slot_state *slot = &self->slots[progress->slot];
    if (progress->idle || progress->counter != slot->counter || slot->counter_ms == 0) {
        slot->counter = progress->counter;
        slot->counter_ms = now;
    } else if (limit > 0 && now - slot->counter_ms > limit) {
        weir_error_set(&error, WEIR_ETIMEOUT,
                       "slot %u of the job, on TaskManager %s, made no progress for %lld ms; the "
                       "job's code does not return; see taskmanager.slot.progress-timeout",
                       progress->slot, of->taskmanager, (long long)(now - slot->counter_ms));
        weir__job_fail(self, context, &error, WEIR_CAUSE_PLAIN);
    }
}

static void on_progress(job_master *self, weir_context *context, const weir_envelope *message)
{
    const Weir__Proto__Progress *progress = message->progress;

    if (weir__job_is_ended(self) || progress->runner >= self->nrunners)
        return;
    bool changed = false;
    for (size_t i = 0; i < progress->n_tasks; i++) {
        const Weir__Proto__TaskProgress *of = progress->tasks[i];
        weir_execution_subtask *subtask =
            weir_execution_subtask_at(self->execution, of->task, of->subtask);
        if (!subtask || weir_state_is_terminal(&weir_task_status_table, subtask->status))
            continue;
        changed |= subtask->records_in != of->records_in || subtask->records_out != of->records_out;
        subtask->records_in = of->records_in;
        subtask->records_out = of->records_out;
        subtask->bytes_queued = of->bytes_queued;
        subtask->backpressured = of->backpressured_permille > 500;
    }
    self->execution->version += changed;
    weir__job_report(self, context);

    for (size_t i = 0; i < progress->n_slots; i++)
        watch_slot(self, context, &self->runners[progress->runner], progress->slots[i]);
}

/* ---- splits: a relay between the reader's and the enumerator's runner ---- */

static void on_split_reply(void *actor, weir_context *context, void *data,
                           const weir_envelope *reply, const weir_error *error)
{
    split_relay *relay = data;

    if (error) {
        weir_context_reply_error(context, &relay->reply_to, error->code, "%s", error->text);
    } else if (reply->body_case != WEIR__PROTO__ENVELOPE__BODY_SPLIT_REPLY) {
        weir_context_reply_error(context, &relay->reply_to, WEIR_ECORRUPT, "that is no split");
    } else {
        weir_envelope back = WEIR__PROTO__ENVELOPE__INIT;
        back.body_case = WEIR__PROTO__ENVELOPE__BODY_SPLIT_REPLY;
        back.split_reply = reply->split_reply;
        weir_context_reply(context, &relay->reply_to, &back);
    }
    forget_relay(actor, relay);
}

static void on_request_split(job_master *self, weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);

    if (self->nrunners == 0 || self->runners[0].state != RUNNER_DEPLOYED) {
        weir_context_reply_error(context, &reply_to, WEIR_EUNAVAILABLE,
                                 "the task runner that hands out splits is gone");
        return;
    }
    split_relay *relay = weir_alloc(sizeof *relay);
    if (!relay)
        return; /* it will be asked again */
    *relay = (split_relay){self->relays, reply_to};
    self->relays = relay;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    ask.epoch = self->epoch;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_REQUEST_SPLIT;
    ask.request_split = message->request_split;
    weir_context_request(context, (weir_address){self->runners[0].process, "runner"}, &ask,
                         weir_config_duration_ms(self->config, "rpc.ask.timeout"), on_split_reply,
                         relay);
}

/* ---- the actor ---- */

static void receive(void *actor, weir_context *context, const weir_envelope *message)
{
    job_master *self = actor;
    weir_reply_to reply_to = weir_reply_to_of(message);

    if (!self->execution && message->body_case != WEIR__PROTO__ENVELOPE__BODY_FETCH_ROWS) {
        weir_context_reply_error(context, &reply_to, WEIR_ESTATE, "job '%s' has failed: %s",
                                 self->name, self->setup_error.text);
        return;
    }
    switch (message->body_case) {
    case WEIR__PROTO__ENVELOPE__BODY_OFFER_SLOTS:
        weir__job_on_offer(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_RUNNER_READY:
        weir__job_on_runner_ready(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_RUNNER_EXITED:
        weir__job_on_runner_exited(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_TASK_REPORT:
        on_task_report(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_PROGRESS:
        on_progress(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_REQUEST_SPLIT:
        on_request_split(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_PRINT_ROWS:
        weir__job_on_print(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_FETCH_ROWS:
        weir__job_on_fetch(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_CANCEL_JOB:
        on_cancel(self, context, message);
        break;
    default:
        weir_context_reply_error(context, &reply_to, WEIR_EINVALID,
                                 "a JobMaster does not answer this message");
        break;
    }
}

static void on_timer(void *actor, weir_context *context, uint64_t timer)
{
    job_master *self = actor;
    weir_error error = WEIR_ERROR_INIT;
    char limit[48], awaited[600];

    if (timer == self->deploy_timer) {
        self->deploy_timer = 0;
        weir_error_set(
            &error, WEIR_ETIMEOUT,
            "job '%s' could not be deployed within %s; %u of %u tasks are running; waited for %s; "
            "see its log, or raise slot.request.timeout",
            self->name,
            weir_format_duration(weir_config_duration_ms(self->config, "slot.request.timeout"),
                                 limit, sizeof limit),
            weir_execution_count(self->execution, WEIR_TASK_RUNNING), self->execution->nsubtasks,
            weir__job_awaited(self, awaited, sizeof awaited));
        weir__job_fail(self, context, &error, WEIR_CAUSE_PLAIN);
    } else if (timer == self->cancel_timer) {
        self->cancel_timer = 0;
        weir_context_log(context, WEIR_LOG_WARN,
                         "job %s '%s': tasks did not stop in time; their processes are killed",
                         self->job, self->name);
        for (uint32_t r = 0; r < self->nrunners; r++)
            self->runners[r].state = RUNNER_GONE;
        if (!weir__job_is_ended(self)) {
            cancel_orphans(self);
            weir__job_check_end(self, context);
        }
    } else {
        weir__job_rows_timer(self, context);
    }
}

static void on_peer(void *actor, weir_context *context, enum weir_peer_event event,
                    const weir_peer_info *peer)
{
    job_master *self = actor;

    if (event == WEIR_PEER_DOWN && self->execution)
        weir__job_on_process_lost(self, context, peer->process,
                                  peer->text ? peer->text : "no answer");
    else if (event == WEIR_PEER_UP && strcmp(peer->process, self->dispatcher) == 0)
        weir__job_report(self, context);
}

const weir_actor_class weir_job_master_class = {"JobMaster", start,   receive,
                                                on_timer,    on_peer, destroy};
