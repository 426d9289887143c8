/* dispatcher/front_door.c -- what clients ask about jobs and the cluster, and the relays of what
 * only a JobMaster can answer. */
#include "dispatcher/parts.h"

#include "base/memory.h"

#include <stdio.h>

enum { WAIT_MAX_MS = 60000 };

/* ---- relays ---- */

weir_relay *weir_relay_new(weir_dispatcher *self, const weir_reply_to *reply_to, const char *job)
{
    weir_relay *relay = weir_calloc(1, sizeof *relay);
    if (relay == NULL)
        return NULL;
    relay->reply_to = *reply_to;
    snprintf(relay->job, sizeof relay->job, "%s", job);
    relay->next = self->relays;
    self->relays = relay;
    return relay;
}

void weir_relay_end(weir_dispatcher *self, weir_relay *relay)
{
    weir_relay **at = &self->relays;
    while (*at != relay)
        at = &(*at)->next;
    *at = relay->next;
    weir_free(relay);
}

void weir_relay_pass(weir_dispatcher *self, weir_context *context, weir_relay *relay,
                     const weir_envelope *reply, const weir_error *error)
{
    if (error != NULL) {
        weir_context_reply_error(context, &relay->reply_to, error->code, "%s", error->text);
    } else {
        weir_envelope copy = *reply; /* its addressing is written anew */
        weir_context_reply(context, &relay->reply_to, &copy);
    }
    weir_relay_end(self, relay);
}

/* ---- lists and details ---- */

void weir_door_on_list(weir_dispatcher *self, weir_context *context, const weir_envelope *message)
{
    Weir__Proto__JobList body = WEIR__PROTO__JOB_LIST__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    weir_error err = WEIR_ERROR_INIT;
    const weir_job *job;
    body.jobs = weir_calloc(weir_job_book_count(self->book) + 1, sizeof *body.jobs);
    if (body.jobs == NULL) {
        weir_error_set(&err, WEIR_ENO_MEMORY, "dispatcher: out of memory");
        weir_answer_error(context, message, &err);
        return;
    }
    for (size_t i = 0; (job = weir_job_book_next(self->book, &i)) != NULL;) {
        if (job->stage != WEIR_STAGE_ENDED || message->list_jobs->ended)
            body.jobs[body.n_jobs++] = job->detail->summary;
    }
    reply.body_case = WEIR_BODY(JOB_LIST);
    reply.job_list = &body;
    weir_answer(context, message, &reply);
    weir_free(body.jobs);
}

void weir_door_reply_detail(weir_context *context, const weir_job *job,
                            const weir_reply_to *reply_to)
{
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    reply.body_case = WEIR_BODY(JOB_DETAIL);
    reply.job_detail = job->detail;
    weir_context_reply(context, reply_to, &reply);
}

static int64_t bounded_wait(uint32_t wait_ms)
{
    return wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS;
}

void weir_door_on_describe(weir_dispatcher *self, weir_context *context,
                           const weir_envelope *message)
{
    const Weir__Proto__DescribeJob *of = message->describe_job;
    weir_error err = WEIR_ERROR_INIT;
    weir_job *job = NULL;
    if (weir_job_book_find(self->book, of->job, &job, &err) != 0) {
        weir_answer_error(context, message, &err);
        return;
    }
    weir_waiter waiter = {.kind = WEIR_WAIT_DESCRIBE,
                          .reply_to = weir_reply_to_of(message),
                          .seen_version = of->seen_version};
    memcpy(waiter.job, job->id, sizeof waiter.job);
    if (of->wait_ms == 0 || job->detail->summary->version != of->seen_version)
        weir_door_reply_detail(context, job, &waiter.reply_to);
    else
        weir_waiters_add(self, context, &waiter, bounded_wait(of->wait_ms));
}

/* ---- rows ---- */

void weir_door_reply_no_rows(weir_context *context, const weir_reply_to *reply_to,
                             uint64_t position)
{
    Weir__Proto__Rows body = WEIR__PROTO__ROWS__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    body.position = position;
    reply.body_case = WEIR_BODY(ROWS);
    reply.rows = &body;
    weir_context_reply(context, reply_to, &reply);
}

static void on_rows(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                    const weir_error *error)
{
    weir_dispatcher *self = actor;
    weir_relay *relay = data;
    const weir_job *job = weir_job_book_get(self->book, relay->job);
    weir_error gone = WEIR_ERROR_INIT;
    if (error != NULL && error->code == WEIR_ENOT_FOUND && job != NULL) {
        weir_error_set(
            &gone, WEIR_ENOT_FOUND,
            "job '%s' is %s; its JobMaster has gone, and what it had not handed out with it",
            weir_job_name(job), weir_job_state(job));
        error = &gone;
    }
    weir_relay_pass(self, context, relay, reply, error);
}

void weir_door_forward_rows(weir_dispatcher *self, weir_context *context, const weir_job *job,
                            const weir_reply_to *reply_to, uint64_t position, int64_t wait_ms)
{
    Weir__Proto__FetchRows body = WEIR__PROTO__FETCH_ROWS__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    char master[WEIR_ACTOR_NAME_MAX];
    if (weir_members_get(self, job->jobmanager) == NULL) {
        bool ended = job->stage == WEIR_STAGE_ENDED;
        weir_context_reply_error(context, reply_to, ended ? WEIR_ENOT_FOUND : WEIR_EUNAVAILABLE,
                                 "job '%s' is %s; its JobManager is not connected%s",
                                 weir_job_name(job), weir_job_state(job),
                                 ended ? ", so its rows are gone" : "; try again");
        return;
    }
    weir_relay *relay = weir_relay_new(self, reply_to, job->id);
    if (relay == NULL) {
        weir_context_reply_error(context, reply_to, WEIR_ENO_MEMORY, "dispatcher: out of memory");
        return;
    }
    snprintf(master, sizeof master, "job-%s", job->id);
    body.job = relay->job;
    body.position = position;
    body.wait_ms = (uint32_t)wait_ms;
    ask.epoch = weir_job_book_epoch(self->book);
    ask.body_case = WEIR_BODY(FETCH_ROWS);
    ask.fetch_rows = &body;
    weir_context_request(context, (weir_address){job->jobmanager, master}, &ask,
                         wait_ms + self->config.ask_timeout_ms, on_rows, relay);
}

void weir_door_on_rows(weir_dispatcher *self, weir_context *context, const weir_envelope *message)
{
    const Weir__Proto__FetchRows *of = message->fetch_rows;
    weir_error err = WEIR_ERROR_INIT;
    weir_job *job = NULL;
    if (weir_job_book_find(self->book, of->job, &job, &err) != 0) {
        weir_answer_error(context, message, &err);
        return;
    }
    weir_waiter waiter = {
        .kind = WEIR_WAIT_ROWS, .reply_to = weir_reply_to_of(message), .position = of->position};
    memcpy(waiter.job, job->id, sizeof waiter.job);
    bool runs = job->stage != WEIR_STAGE_ACCEPTED && job->start_request == 0 &&
                !weir_members_is_awaited(self, context, job->jobmanager);
    if (runs)
        weir_door_forward_rows(self, context, job, &waiter.reply_to, of->position,
                               bounded_wait(of->wait_ms));
    else if (of->wait_ms == 0)
        weir_door_reply_no_rows(context, &waiter.reply_to, of->position);
    else
        weir_waiters_add(self, context, &waiter, bounded_wait(of->wait_ms));
}

/* ---- the cluster ---- */

static void describe_self(const weir_dispatcher *self, weir_context *context,
                          Weir__Proto__ProcessSummary *out)
{
    weir__proto__process_summary__init(out);
    out->process = (char *)weir_context_process(context);
    out->role = (char *)"dispatcher";
    out->host = (char *)self->config.host;
    out->pid = self->config.pid;
    out->endpoint = (char *)self->config.endpoint;
    out->since_ms = self->started_wall_ms;
}

static void describe_member(const weir_dispatcher *self, const weir_member *member,
                            Weir__Proto__ProcessSummary *out)
{
    const weir_slot_member *slots = weir_slot_pool_find(self->pool, member->process);
    weir__proto__process_summary__init(out);
    out->process = (char *)member->process;
    out->role = (char *)(member->role == WEIR_ROLE_TASKMANAGER ? "taskmanager" : "jobmanager");
    out->host = member->host;
    out->pid = member->pid;
    out->endpoint = member->endpoint;
    out->slots = member->slots;
    out->slots_free = slots == NULL ? 0 : weir_slot_member_free(slots);
    out->since_ms = member->since_ms;
}

void weir_door_on_status(weir_dispatcher *self, weir_context *context, const weir_envelope *message)
{
    const size_t capacity = weir_map_count(self->members) + 1;
    Weir__Proto__ClusterDetail body = WEIR__PROTO__CLUSTER_DETAIL__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    weir_error err = WEIR_ERROR_INIT;
    const char *process;
    void *member;
    Weir__Proto__ProcessSummary *rows = weir_calloc(capacity, sizeof *rows);
    body.processes = weir_calloc(capacity, sizeof *body.processes);
    if (rows == NULL || body.processes == NULL) {
        weir_error_set(&err, WEIR_ENO_MEMORY, "dispatcher: out of memory");
        weir_answer_error(context, message, &err);
        goto out;
    }
    describe_self(self, context, &rows[0]);
    body.n_processes = 1;
    for (size_t i = 0; weir_map_next(self->members, &i, &process, &member);)
        describe_member(self, member, &rows[body.n_processes++]);
    for (size_t i = 0; i < body.n_processes; i++)
        body.processes[i] = &rows[i];
    body.cluster = (char *)self->config.cluster;
    body.version = (char *)self->config.version;
    body.jobs_running = (uint32_t)weir_job_book_active(self->book);
    body.jobs_ended =
        (uint32_t)(weir_job_book_count(self->book) - weir_job_book_active(self->book));
    reply.body_case = WEIR_BODY(CLUSTER_DETAIL);
    reply.cluster_detail = &body;
    weir_answer(context, message, &reply);
out:
    weir_free(rows);
    weir_free(body.processes);
}
