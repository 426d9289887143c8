/* How a job gets from slots to running tasks: grants, offers, runners, deployment. */
#include "jobmanager/job_master_internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static int64_t ask_timeout(const job_master *self)
{
    return weir_config_duration_ms(self->config, "rpc.ask.timeout");
}

static runner *runner_of_taskmanager(job_master *self, const char *taskmanager)
{
    for (uint32_t i = 0; i < self->nrunners; i++) {
        if (strcmp(self->runners[i].taskmanager, taskmanager) == 0)
            return &self->runners[i];
    }
    return NULL;
}

static uint32_t index_of(const job_master *self, const runner *of)
{
    return (uint32_t)(of - self->runners);
}

/* A process that does not answer has most often a reason that is told a little later. */
static enum weir_cause cause_of(const weir_error *error)
{
    return error->code == WEIR_ETIMEOUT || error->code == WEIR_EUNAVAILABLE ? WEIR_CAUSE_LOSS
                                                                            : WEIR_CAUSE_PLAIN;
}

/* ---- slots ---- */

static void on_slots(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                     const weir_error *error)
{
    job_master *self = actor;
    weir_error none = WEIR_ERROR_INIT;
    uint64_t granted = 0;
    (void)data;

    if (weir__job_is_ended(self) || self->execution->status != WEIR_JOB_CREATED || self->runners)
        return;
    if (!error && reply->body_case != WEIR__PROTO__ENVELOPE__BODY_SLOTS_REPLY) {
        weir_error_set(&none, WEIR_EINTERNAL, "the dispatcher gave no slots");
        error = &none;
    }
    if (error) {
        weir__job_fail(self, context, error, WEIR_CAUSE_PLAIN);
        return;
    }
    const Weir__Proto__SlotsReply *slots = reply->slots_reply;
    self->runners = weir_calloc(slots->n_grants + 1, sizeof *self->runners);
    for (size_t i = 0; self->runners && i < slots->n_grants; i++) {
        runner *of = &self->runners[self->nrunners++];
        snprintf(of->taskmanager, sizeof of->taskmanager, "%s", slots->grants[i]->taskmanager);
        snprintf(of->host, sizeof of->host, "%s", slots->grants[i]->host);
        of->count = slots->grants[i]->count;
        of->state = RUNNER_GRANTED;
        granted += of->count;
    }
    self->slots = weir_calloc(self->execution->plan->slots, sizeof *self->slots);
    if (!self->runners || !self->slots) {
        weir_error_set(&none, WEIR_ENO_MEMORY, "no memory for the slots of job '%s'", self->name);
        weir__job_fail(self, context, &none, WEIR_CAUSE_PLAIN);
        return;
    }
    if (granted != self->execution->plan->slots) {
        weir_error_set(&none, WEIR_EINTERNAL, "%llu slots were granted; job '%s' asked for %u",
                       (unsigned long long)granted, self->name, self->execution->plan->slots);
        weir__job_fail(self, context, &none, WEIR_CAUSE_PLAIN);
        return;
    }
    for (uint32_t i = 0; i < self->execution->nsubtasks; i++)
        weir_execution_move_task(self->execution, self->execution->subtasks[i].task,
                                 self->execution->subtasks[i].subtask, WEIR_TASK_SCHEDULED);
    self->deploy_timer = weir_context_set_timer(
        context, weir_config_duration_ms(self->config, "slot.request.timeout"));
}

void weir__job_request_slots(job_master *self, weir_context *context)
{
    Weir__Proto__RequestSlots slots = WEIR__PROTO__REQUEST_SLOTS__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;

    slots.job = self->job;
    slots.count = self->execution->plan->slots;
    ask.epoch = self->epoch;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_REQUEST_SLOTS;
    ask.request_slots = &slots;
    /* The dispatcher decides how long to wait for slots; this is longer. */
    weir_context_request(context, (weir_address){self->dispatcher, "dispatcher"}, &ask,
                         weir_config_duration_ms(self->config, "slot.request.timeout") +
                             2 * ask_timeout(self),
                         on_slots, NULL);
}

static void reply_to_offer(job_master *self, weir_context *context, const weir_reply_to *reply_to,
                           runner *of)
{
    Weir__Proto__OfferReply offer = WEIR__PROTO__OFFER_REPLY__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    Weir__Proto__KeyValue values[256], *pointers[256];
    size_t cursor = 0;
    const char *key, *value;

    offer.accepted = of != NULL;
    if (of) {
        offer.runner = index_of(self, of);
        offer.artifact = self->artifact;
        offer.count = of->count;
        offer.epoch = self->epoch;
        if (self->has_key) {
            offer.job_key_public.data = self->key.shown.bytes;
            offer.job_key_secret.data = self->key.secret;
            offer.job_key_public.len = offer.job_key_secret.len = WEIR_KEY_SIZE;
        }
        offer.configuration = pointers;
        while (offer.n_configuration < WEIR_COUNT(values) &&
               weir_config_next(self->config, &cursor, &key, &value)) {
            Weir__Proto__KeyValue *pair = &values[offer.n_configuration];
            weir__proto__key_value__init(pair);
            pair->key = (char *)key;
            pair->value = (char *)value;
            pointers[offer.n_configuration++] = pair;
        }
    }
    reply.epoch = self->epoch;
    reply.body_case = WEIR__PROTO__ENVELOPE__BODY_OFFER_REPLY;
    reply.offer_reply = &offer;
    weir_context_reply(context, reply_to, &reply);
}

/* An agent may offer before the dispatcher's answer has arrived: it asks again. */
void weir__job_on_offer(job_master *self, weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);

    if (!weir__job_is_ended(self) && !self->runners) {
        weir_context_reply_error(context, &reply_to, WEIR_EUNAVAILABLE,
                                 "job '%s' has no slots yet; offer again", self->name);
        return;
    }
    /* Whose slots they are is the connection's to say, not the message's. */
    runner *of = weir__job_is_ended(self) || self->execution->status != WEIR_JOB_CREATED
                     ? NULL
                     : runner_of_taskmanager(self, message->from_process);
    if (of && of->state == RUNNER_GRANTED)
        of->state = RUNNER_STARTING;
    else if (of && of->state == RUNNER_GONE)
        of = NULL;
    reply_to_offer(self, context, &reply_to, of);
}

/* ---- deployment ---- */

static void on_started(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                       const weir_error *error)
{
    job_master *self = actor;
    (void)data;
    (void)reply;
    if (error && !weir__job_is_ended(self))
        weir__job_fail(self, context, error, cause_of(error));
}

static void start_tasks(job_master *self, weir_context *context)
{
    self->started = true;
    for (uint32_t i = 0; i < self->nrunners; i++) {
        Weir__Proto__StartTasks body = WEIR__PROTO__START_TASKS__INIT;
        weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
        body.job = self->job;
        ask.epoch = self->epoch;
        ask.body_case = WEIR__PROTO__ENVELOPE__BODY_START_TASKS;
        ask.start_tasks = &body;
        weir_context_request(context, (weir_address){self->runners[i].process, "runner"}, &ask,
                             ask_timeout(self), on_started, NULL);
    }
}

const char *weir__job_awaited(const job_master *self, char *out, size_t size)
{
    static const char *const what[] = {
        [RUNNER_GRANTED] = "it has not come to this JobManager; see jobmanager.rpc.address, and "
                           "whether its port is open",
        [RUNNER_STARTING] = "its task runner is not ready, or still fetches the job's code",
        [RUNNER_READY] = "its tasks are not open yet",
        [RUNNER_DEPLOYED] = NULL,
        [RUNNER_GONE] = NULL,
    };

    const runner *last = NULL; /* who holds up the others */

    for (uint32_t i = 0; i < self->nrunners; i++) {
        const runner *of = &self->runners[i];
        if (what[of->state] && (!last || of->state < last->state))
            last = of;
    }
    if (last)
        snprintf(out, size, "TaskManager %s at %s: %s", last->taskmanager, last->host,
                 what[last->state]);
    else
        snprintf(out, size, "the word of its tasks that they run");
    return out;
}

static bool all_runners(const job_master *self, enum runner_state state)
{
    for (uint32_t i = 0; i < self->nrunners; i++) {
        if (self->runners[i].state != state)
            return false;
    }
    return self->nrunners > 0;
}

static void on_deployed(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                        const weir_error *error)
{
    job_master *self = actor;
    runner *of = &self->runners[(uintptr_t)data];
    (void)reply;

    if (weir__job_is_ended(self))
        return;
    if (error) {
        of->has_tasks = false;
        weir__job_fail(self, context, error, cause_of(error));
        return;
    }
    if (of->state == RUNNER_READY)
        of->state = RUNNER_DEPLOYED;
    if (!self->started && self->execution->status == WEIR_JOB_CREATED &&
        all_runners(self, RUNNER_DEPLOYED))
        start_tasks(self, context);
}

static void deploy_to(job_master *self, weir_context *context, uint32_t r,
                      Weir__Proto__Deploy *deploy)
{
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;

    ask.epoch = self->epoch;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_DEPLOY;
    ask.deploy = deploy;
    self->runners[r].has_tasks = true;
    weir_context_request(context, (weir_address){self->runners[r].process, "runner"}, &ask,
                         weir_config_duration_ms(self->config, "slot.request.timeout"), on_deployed,
                         (void *)(uintptr_t)r);
}

static void deploy(job_master *self, weir_context *context)
{
    uint32_t nslots = self->execution->plan->slots, slot = 0;
    Weir__Proto__Deploy body = WEIR__PROTO__DEPLOY__INIT;
    Weir__Proto__RunnerAddress *addresses = weir_calloc(self->nrunners, sizeof *addresses);
    Weir__Proto__RunnerAddress **runners = weir_calloc(self->nrunners, sizeof(void *));
    Weir__Proto__SlotPlace *places = weir_calloc(nslots, sizeof *places);
    Weir__Proto__SlotPlace **slots = weir_calloc(nslots, sizeof(void *));

    if (addresses && runners && places && slots) {
        for (uint32_t r = 0; r < self->nrunners; r++) {
            weir__proto__runner_address__init(&addresses[r]);
            addresses[r].runner = r;
            addresses[r].data_endpoint = self->runners[r].endpoint;
            runners[r] = &addresses[r];
            for (uint32_t i = 0; i < self->runners[r].count && slot < nslots; i++, slot++) {
                weir__proto__slot_place__init(&places[slot]);
                places[slot].slot = slot;
                places[slot].runner = r;
                slots[slot] = &places[slot];
            }
        }
        body.job = self->job;
        body.graph.data = self->packed_graph;
        body.graph.len = self->packed_graph_size;
        body.runners = runners;
        body.n_runners = self->nrunners;
        body.slots = slots;
        body.n_slots = nslots;
        body.data_key = self->data_key;
        body.attached = self->attached;
        for (uint32_t i = 0; i < self->execution->nsubtasks; i++)
            weir_execution_move_task(self->execution, self->execution->subtasks[i].task,
                                     self->execution->subtasks[i].subtask, WEIR_TASK_DEPLOYING);
        for (uint32_t r = 0; r < self->nrunners; r++)
            deploy_to(self, context, r, &body);
    }
    weir_free(addresses);
    weir_free(runners);
    weir_free(places);
    weir_free(slots);
}

void weir__job_on_runner_ready(job_master *self, weir_context *context,
                               const weir_envelope *message)
{
    const Weir__Proto__RunnerReady *ready = message->runner_ready;
    weir_reply_to reply_to = weir_reply_to_of(message);
    runner *of = ready->runner < self->nrunners ? &self->runners[ready->runner] : NULL;

    if (!of || weir__job_is_ended(self) || of->state != RUNNER_STARTING ||
        self->execution->status != WEIR_JOB_CREATED) {
        bool again = of && of->state != RUNNER_GONE && !weir__job_is_ended(self) &&
                     strcmp(of->process, message->from_process) == 0;
        if (again)
            weir_context_reply_ack(context, &reply_to);
        else
            weir_context_reply_error(context, &reply_to, WEIR_ESTALE,
                                     "job '%s' does not wait for this task runner", self->name);
        return;
    }
    of->state = RUNNER_READY;
    of->pid = ready->pid;
    snprintf(of->process, sizeof of->process, "%s", message->from_process);
    snprintf(of->endpoint, sizeof of->endpoint, "%s", ready->data_endpoint);
    weir_context_reply_ack(context, &reply_to);
    if (all_runners(self, RUNNER_READY))
        deploy(self, context);
}

/* ---- ends of runners ---- */

static void lose_runner(job_master *self, weir_context *context, runner *of,
                        const weir_error *error, enum weir_cause cause)
{
    bool held_tasks = of->state != RUNNER_GONE;
    uint32_t first = 0;

    of->state = RUNNER_GONE;
    if (weir__job_is_ended(self))
        return;
    for (uint32_t r = 0; r < index_of(self, of); r++)
        first += self->runners[r].count;
    bool failed = false;
    for (uint32_t i = 0; i < self->execution->nsubtasks; i++) {
        weir_execution_subtask *subtask = &self->execution->subtasks[i];
        if (subtask->slot >= first && subtask->slot - first < of->count)
            failed |= weir_execution_move_task(self->execution, subtask->task, subtask->subtask,
                                               WEIR_TASK_FAILED);
    }
    if (failed || held_tasks)
        weir__job_fail(self, context, error, cause);
    else
        weir_execution_set_error(self->execution, error, cause); /* the cause, told late */
}

void weir__job_on_runner_exited(job_master *self, weir_context *context,
                                const weir_envelope *message)
{
    const Weir__Proto__RunnerExited *exited = message->runner_exited;
    weir_reply_to reply_to = weir_reply_to_of(message);
    weir_error error = WEIR_ERROR_INIT;

    weir_context_reply_ack(context, &reply_to);
    if (exited->runner >= self->nrunners)
        return;
    runner *of = &self->runners[exited->runner];
    if (strcmp(of->taskmanager, message->from_process) != 0)
        return; /* another TaskManager's */
    weir_error_set(&error, WEIR_EUSER, "the task runner of the job on TaskManager %s at %s %s%s%s",
                   of->taskmanager, of->host, exited->reason,
                   *exited->log ? "; its last lines:\n" : "", exited->log);
    lose_runner(self, context, of, &error, WEIR_CAUSE_PLAIN);
}

void weir__job_on_process_lost(job_master *self, weir_context *context, const char *process,
                               const char *why)
{
    weir_error error = WEIR_ERROR_INIT;

    for (uint32_t i = 0; i < self->nrunners; i++) {
        runner *of = &self->runners[i];
        if (of->state == RUNNER_GONE)
            continue;
        if (strcmp(of->process, process) == 0)
            weir_error_set(&error, WEIR_EUNAVAILABLE,
                           "lost the task runner of the job on TaskManager %s at %s: %s",
                           of->taskmanager, of->host, why);
        else if (strcmp(of->taskmanager, process) == 0)
            weir_error_set(&error, WEIR_EUNAVAILABLE, "lost TaskManager %s at %s: %s",
                           of->taskmanager, of->host, why);
        else
            continue;
        lose_runner(self, context, of, &error, WEIR_CAUSE_LOSS);
    }
}

/* ---- cancelling and ending ---- */

/* Whether they obeyed shows in the task reports, or in the cancellation timeout. */
static void on_cancel_heard(void *actor, weir_context *context, void *data,
                            const weir_envelope *reply, const weir_error *error)
{
    (void)actor;
    (void)context;
    (void)data;
    (void)reply;
    (void)error;
}

void weir__job_cancel_tasks(job_master *self, weir_context *context)
{
    if (self->cancel_told)
        return;
    self->cancel_told = true;
    for (uint32_t i = 0; i < self->nrunners; i++) {
        if (self->runners[i].state != RUNNER_READY && self->runners[i].state != RUNNER_DEPLOYED)
            continue;
        Weir__Proto__CancelTasks body = WEIR__PROTO__CANCEL_TASKS__INIT;
        weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
        body.job = self->job;
        ask.epoch = self->epoch;
        ask.body_case = WEIR__PROTO__ENVELOPE__BODY_CANCEL_TASKS;
        ask.cancel_tasks = &body;
        weir_context_request(context, (weir_address){self->runners[i].process, "runner"}, &ask,
                             6 * ask_timeout(self), on_cancel_heard, NULL);
    }
}

static void on_freed(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                     const weir_error *error)
{
    job_master *self = actor;
    (void)data;
    (void)reply;
    self->free_in_flight = false;
    self->slots_freed = !error; /* else asked again, once a second */
    if (error)
        weir_context_log(context, WEIR_LOG_WARN, "job %s: slots could not be given back: %s",
                         self->job, error->text);
    weir__job_rows_check_end(self, context);
}

void weir__job_free_slots(job_master *self, weir_context *context)
{
    Weir__Proto__FreeSlots body = WEIR__PROTO__FREE_SLOTS__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;

    if (self->free_in_flight || self->slots_freed)
        return;
    self->free_in_flight = true;
    body.job = self->job;
    ask.epoch = self->epoch;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_FREE_SLOTS;
    ask.free_slots = &body;
    weir_context_request(context, (weir_address){self->dispatcher, "dispatcher"}, &ask,
                         6 * ask_timeout(self), on_freed, NULL);
}

static void send_end(job_master *self, weir_context *context, const runner *of)
{
    Weir__Proto__EndRunner body = WEIR__PROTO__END_RUNNER__INIT;
    weir_envelope message = WEIR__PROTO__ENVELOPE__INIT;

    if (!*of->process)
        return;
    body.job = self->job;
    message.epoch = self->epoch;
    message.body_case = WEIR__PROTO__ENVELOPE__BODY_END_RUNNER;
    message.end_runner = &body;
    weir_context_send(context, (weir_address){of->process, "runner"}, &message);
}

/* Runners are told to exit; the slots go back through the dispatcher, whose word to the agents ends
 * what did not listen. */
void weir__job_end_runners(job_master *self, weir_context *context)
{
    for (uint32_t i = 0; i < self->nrunners; i++) {
        send_end(self, context, &self->runners[i]); /* to those that were given up, too */
        self->runners[i].state = RUNNER_GONE;
    }
    weir__job_free_slots(self, context);
}
