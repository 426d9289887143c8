/* dispatcher/slot_requests.c -- who gets slots. Requests are served in order of arrival, without
 * overtaking, so that a large one cannot starve. A request is answered when every agent involved
 * has agreed; when one does not, all is undone and other agents are asked.
 *
 * Slots that are given back count as taken until their agent has confirmed it: so AllocateSlots and
 * FreeSlots of one job are never under way to the same agent at the same time. */
#include "dispatcher/parts.h"

#include "base/memory.h"
#include "base/units.h"

#include <stdio.h>

enum { AGAIN_MS = 50 };

static const char *name_of(const weir_dispatcher *self, const char *job)
{
    const weir_job *known = weir_job_book_get(self->book, job);
    return known == NULL ? job : weir_job_name(known);
}

/* ---- giving back ---- */

static void send_free(weir_dispatcher *self, weir_context *context, weir_slot_hold *hold);

static void on_freed(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                     const weir_error *error)
{
    weir_dispatcher *self = actor;
    weir_slot_hold *hold = data;
    (void)reply;
    hold->request = 0;
    if (error != NULL && (error->code == WEIR_ETIMEOUT || error->code == WEIR_EUNAVAILABLE)) {
        send_free(self, context, hold); /* until it confirms, or is gone */
        return;
    }
    if (error != NULL && error->code == WEIR_ENO_MEMORY) {
        weir_dispatcher_retry_later(self, context); /* nothing was sent, or nothing was done */
        return;
    }
    if (error != NULL)
        weir_context_log(context, WEIR_LOG_WARN, "%s: slots of job %s were not given back: %s",
                         hold->member->process, hold->job, error->text);
    weir_slot_member_drop(hold->member, hold);
    weir_slots_serve(self, context);
}

static void send_free(weir_dispatcher *self, weir_context *context, weir_slot_hold *hold)
{
    Weir__Proto__FreeSlots body = WEIR__PROTO__FREE_SLOTS__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    body.job = hold->job;
    ask.epoch = weir_job_book_epoch(self->book);
    ask.body_case = WEIR_BODY(FREE_SLOTS);
    ask.free_slots = &body;
    hold->request = weir_context_request(context, (weir_address){hold->member->process, "agent"},
                                         &ask, self->config.ask_timeout_ms, on_freed, hold);
}

void weir_slots_release_again(weir_dispatcher *self, weir_context *context)
{
    for (weir_slot_member *member = weir_slot_pool_members(self->pool); member != NULL;
         member = member->next) {
        for (weir_slot_hold *hold = member->holds; hold != NULL; hold = hold->next) {
            if (hold->state == WEIR_HOLD_RELEASING && hold->request == 0)
                send_free(self, context, hold);
        }
    }
}

/* AllocateSlots that is under way is answered first: FreeSlots must not overtake it. */
static void release(weir_dispatcher *self, weir_context *context, weir_slot_hold *hold)
{
    if (hold->state == WEIR_HOLD_RELEASING)
        return;
    hold->state = WEIR_HOLD_RELEASING;
    if (hold->request == 0)
        send_free(self, context, hold);
}

static void release_holds(weir_dispatcher *self, weir_context *context, const char *job)
{
    for (weir_slot_member *member = weir_slot_pool_members(self->pool); member != NULL;
         member = member->next) {
        weir_slot_hold *hold = weir_slot_member_find(member, job);
        if (hold != NULL)
            release(self, context, hold);
    }
}

/* ---- requests ---- */

static weir_slot_request *find_request(const weir_dispatcher *self, const char *job)
{
    weir_slot_request *request = self->slot_requests;
    while (request != NULL && strcmp(request->job, job) != 0)
        request = request->next;
    return request;
}

static void free_request(weir_slot_request *request)
{
    weir_map_destroy(&request->refused_by);
    weir_free(request);
}

static void remove_request(weir_dispatcher *self, weir_slot_request *request)
{
    weir_slot_request **at = &self->slot_requests;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    if (self->slot_requests_end == &request->next)
        self->slot_requests_end = at;
    free_request(request);
}

static void refuse(weir_dispatcher *self, weir_context *context, weir_slot_request *request,
                   const weir_error *why)
{
    weir_context_reply_error(context, &request->reply_to, why->code, "%s", why->text);
    remove_request(self, request);
}

static const char *plural(uint32_t count)
{
    return count == 1 ? "" : "s";
}

static void refuse_for_want(weir_dispatcher *self, weir_context *context,
                            weir_slot_request *request, bool timed_out)
{
    weir_slot_totals totals = weir_slot_pool_totals(self->pool);
    weir_error why = WEIR_ERROR_INIT;
    char waited[32], after[64] = "";
    if (timed_out)
        snprintf(after, sizeof after, " after waiting for %s",
                 weir_format_duration(self->config.slot_timeout_ms, waited, sizeof waited));
    weir_error_set(
        &why, WEIR_ERESOURCES,
        "job '%s' needs %u slot%s; the cluster has %u free of %u in %u task manager%s%s%s%s; "
        "add task managers (weir taskmanager ...), lower the parallelism (-p), or cancel a "
        "job",
        name_of(self, request->job), request->count, plural(request->count), totals.free,
        totals.slots, totals.members, plural(totals.members), after,
        request->refusal.code != 0 ? "; " : "", request->refusal.text);
    refuse(self, context, request, &why);
}

/* ---- granting ---- */

static void grant(weir_dispatcher *self, weir_context *context, weir_slot_request *request)
{
    size_t count = 0, capacity = weir_slot_pool_totals(self->pool).members;
    Weir__Proto__SlotGrant *grants = weir_calloc(capacity + 1, sizeof *grants);
    Weir__Proto__SlotGrant **pointers = weir_calloc(capacity + 1, sizeof *pointers);
    Weir__Proto__SlotsReply body = WEIR__PROTO__SLOTS_REPLY__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    weir_error why = WEIR_ERROR_INIT;
    if (grants == NULL || pointers == NULL) {
        release_holds(self, context, request->job);
        weir_error_set(&why, WEIR_ENO_MEMORY, "dispatcher: out of memory");
        refuse(self, context, request, &why);
        goto out;
    }
    for (weir_slot_member *member = weir_slot_pool_members(self->pool); member != NULL;
         member = member->next) {
        const weir_slot_hold *hold = weir_slot_member_find(member, request->job);
        if (hold == NULL || hold->state != WEIR_HOLD_HELD)
            continue;
        weir__proto__slot_grant__init(&grants[count]);
        grants[count].taskmanager = member->process;
        grants[count].host = member->host;
        grants[count].count = hold->count;
        pointers[count] = &grants[count];
        count++;
    }
    weir_job *job = weir_job_book_get(self->book, request->job);
    if (job != NULL)
        job->slots_granted = request->count;
    body.grants = pointers;
    body.n_grants = count;
    reply.epoch = weir_job_book_epoch(self->book);
    reply.body_case = WEIR_BODY(SLOTS_REPLY);
    reply.slots_reply = &body;
    weir_context_reply(context, &request->reply_to, &reply);
    remove_request(self, request);
out:
    weir_free(grants);
    weir_free(pointers);
}

static void undo(weir_dispatcher *self, weir_context *context, weir_slot_request *request)
{
    request->allocating = false;
    release_holds(self, context, request->job);
}

static void on_allocated(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                         const weir_error *error)
{
    weir_dispatcher *self = actor;
    weir_slot_hold *hold = data;
    weir_slot_request *request = find_request(self, hold->job);
    (void)reply;
    hold->request = 0;
    if (hold->state == WEIR_HOLD_RELEASING) {
        send_free(self, context, hold);
        return;
    }
    if (error == NULL) {
        hold->state = WEIR_HOLD_HELD;
        if (request != NULL &&
            weir_slot_pool_held(self->pool, hold->job, WEIR_HOLD_RESERVED) == 0) {
            if (weir_slot_pool_held(self->pool, hold->job, WEIR_HOLD_HELD) == request->count)
                grant(self, context, request);
            else
                undo(self, context, request); /* a member was lost meanwhile */
        }
        weir_slots_serve(self, context);
        return;
    }
    weir_context_log(context, WEIR_LOG_WARN, "%s did not give %u slots to job %s: %s",
                     hold->member->process, hold->count, hold->job, error->text);
    if (request != NULL) {
        weir_error_set(&request->refusal, error->code, "%s said: %s", hold->member->process,
                       error->text);
        /* Its former task runner may still be ending. Any other refusal is for good; without memory
         * to note it the agent would be asked for ever. */
        if (error->code == WEIR_ERESOURCES)
            request->again_ms = weir_context_now_ms(context) + AGAIN_MS;
        else if (weir_map_put(request->refused_by, hold->member->process, self) != 0)
            request->until_ms = 0;
        undo(self, context, request);
    } else {
        release(self, context, hold);
    }
    weir_slots_serve(self, context);
}

static uint64_t next_order(weir_dispatcher *self)
{
    return weir_job_book_epoch(self->book) << 32 | ++self->last_order;
}

static void ask_agents(weir_dispatcher *self, weir_context *context, weir_slot_request *request)
{
    char master[WEIR_ACTOR_NAME_MAX];
    const weir_job *job = weir_job_book_get(self->book, request->job);
    const weir_member *jobmanager = weir_members_get(self, job->jobmanager);
    snprintf(master, sizeof master, "job-%s", request->job);
    request->allocating = true;
    for (weir_slot_member *member = weir_slot_pool_members(self->pool); member != NULL;
         member = member->next) {
        weir_slot_hold *hold = weir_slot_member_find(member, request->job);
        if (hold == NULL || hold->state != WEIR_HOLD_RESERVED)
            continue;
        Weir__Proto__AllocateSlots body = WEIR__PROTO__ALLOCATE_SLOTS__INIT;
        weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
        body.job = request->job;
        body.count = hold->count;
        body.jobmanager = jobmanager->endpoint;
        body.master = master;
        body.order = hold->order = next_order(self);
        ask.epoch = weir_job_book_epoch(self->book);
        ask.body_case = WEIR_BODY(ALLOCATE_SLOTS);
        ask.allocate_slots = &body;
        hold->request = weir_context_request(context, (weir_address){member->process, "agent"},
                                             &ask, self->config.ask_timeout_ms, on_allocated, hold);
    }
}

/* ---- serving ---- */

static bool refused_by(void *data, const char *process)
{
    return weir_map_get(((weir_slot_request *)data)->refused_by, process) != NULL;
}

/* Slots of those that may still be asked, busy ones included: they may become free. */
static uint64_t slots_in_reach(const weir_dispatcher *self, weir_slot_request *request)
{
    uint64_t slots = 0;
    for (const weir_slot_member *member = weir_slot_pool_members(self->pool); member != NULL;
         member = member->next) {
        if (!refused_by(request, member->process))
            slots += member->slots;
    }
    return slots;
}

/* True when the request was dealt with, false when it has to wait (and all behind it). */
static bool serve(weir_dispatcher *self, weir_context *context, weir_slot_request *request)
{
    int64_t now = weir_context_now_ms(context);
    const weir_job *job = weir_job_book_get(self->book, request->job);
    bool grace = now - self->started_ms < self->config.grace_ms;
    uint32_t held = weir_slot_pool_held(self->pool, request->job, WEIR_HOLD_HELD);
    if (held == request->count) { /* of before a restart of the dispatcher, or asked again */
        grant(self, context, request);
        return true;
    }
    if (now >= request->until_ms) {
        refuse_for_want(self, context, request, true);
        return true;
    }
    if (slots_in_reach(self, request) < request->count) {
        if (grace)
            return false;
        refuse_for_want(self, context, request, false);
        return true;
    }
    if (held > 0) { /* a part of something that is over; or the rest registers soon */
        if (!grace)
            release_holds(self, context, request->job);
        return false;
    }
    if (now < request->again_ms || job == NULL || weir_members_get(self, job->jobmanager) == NULL)
        return false;
    if (weir_slot_pool_reserve(self->pool, request->job, request->count, refused_by, request) != 0)
        return false;
    ask_agents(self, context, request);
    return true;
}

/* The next moment at which a waiting request may have to be given up. */
static void set_timer(weir_dispatcher *self, weir_context *context)
{
    int64_t now = weir_context_now_ms(context);
    int64_t grace_end = self->started_ms + self->config.grace_ms;
    int64_t next = INT64_MAX;
    weir_context_cancel_timer(context, self->slots_timer);
    self->slots_timer = 0;
    for (const weir_slot_request *request = self->slot_requests; request != NULL;
         request = request->next) {
        if (request->allocating)
            continue;
        if (request->until_ms < next)
            next = request->until_ms;
        if (request->again_ms > now && request->again_ms < next)
            next = request->again_ms;
        if (grace_end > now && grace_end < next)
            next = grace_end;
    }
    if (next != INT64_MAX)
        self->slots_timer = weir_context_set_timer(context, next > now ? next - now : 0);
}

void weir_slots_serve(weir_dispatcher *self, weir_context *context)
{
    if (self->serving)
        return;
    self->serving = true;
    bool waiting = false;
    int64_t now = weir_context_now_ms(context);
    for (weir_slot_request *request = self->slot_requests, *next; request != NULL; request = next) {
        next = request->next;
        if (request->allocating)
            continue;
        /* Behind one that waits only those are looked at whose time is over, and those that hold
         * slots since before a restart: one in front may wait for just these. */
        if (!waiting || now >= request->until_ms ||
            weir_slot_pool_held(self->pool, request->job, WEIR_HOLD_HELD) > 0)
            waiting |= !serve(self, context, request);
    }
    self->serving = false;
    set_timer(self, context);
}

/* ---- messages of JobMasters ---- */

static int check_request(const weir_dispatcher *self, const weir_envelope *message, const char *id,
                         weir_job **ret, weir_error *err)
{
    weir_job *job = weir_job_book_get(self->book, id);
    if (job == NULL)
        return weir_error_set(err, WEIR_ENOT_FOUND, "job '%.64s' is not known", id);
    if (strcmp(job->jobmanager, message->from_process) != 0)
        return weir_error_set(err, WEIR_ESTALE, "job '%s' is not run by JobManager %s",
                              weir_job_name(job), message->from_process);
    *ret = job;
    return 0;
}

static int add_request(weir_dispatcher *self, weir_context *context, const weir_envelope *message,
                       weir_error *err)
{
    weir_slot_request *request = weir_calloc(1, sizeof *request);
    if (request != NULL)
        request->refused_by = weir_map_new(NULL);
    if (request == NULL || request->refused_by == NULL) {
        weir_free(request);
        return weir_error_set(err, WEIR_ENO_MEMORY, "dispatcher: out of memory");
    }
    snprintf(request->job, sizeof request->job, "%s", message->request_slots->job);
    request->count = message->request_slots->count;
    request->reply_to = weir_reply_to_of(message);
    request->until_ms = weir_context_now_ms(context) + self->config.slot_timeout_ms;
    *self->slot_requests_end = request;
    self->slot_requests_end = &request->next;
    return 0;
}

void weir_slots_on_request(weir_dispatcher *self, weir_context *context,
                           const weir_envelope *message)
{
    const Weir__Proto__RequestSlots *of = message->request_slots;
    weir_error err = WEIR_ERROR_INIT;
    weir_job *job = NULL;
    int rc = check_request(self, message, of->job, &job, &err);
    if (rc == 0 && job->stage != WEIR_STAGE_STARTED)
        rc = weir_error_set(&err, WEIR_ESTATE, "job '%s' is %s already", weir_job_name(job),
                            weir_job_state(job));
    if (rc == 0 && (of->count == 0 || of->count > 65536))
        rc = weir_error_set(&err, WEIR_EINVALID,
                            "job '%s' asks for %u slots; 1 to 65536 are allowed",
                            weir_job_name(job), of->count);
    weir_slot_request *earlier = rc == 0 ? find_request(self, of->job) : NULL;
    if (earlier != NULL &&
        earlier->count == of->count) { /* the last one waits in the first one's place */
        weir_context_reply_error(context, &earlier->reply_to, WEIR_ECANCELLED,
                                 "job '%s' has asked again", weir_job_name(job));
        earlier->reply_to = weir_reply_to_of(message);
        return;
    }
    if (earlier != NULL) {
        weir_error_set(&err, WEIR_ECANCELLED, "job '%s' asks for another number of slots now",
                       weir_job_name(job));
        undo(self, context, earlier);
        refuse(self, context, earlier, &err);
    }
    if (rc == 0)
        rc = add_request(self, context, message, &err);
    if (rc != 0)
        weir_answer_error(context, message, &err);
    else
        weir_slots_serve(self, context);
}

void weir_slots_release(weir_dispatcher *self, weir_context *context, const char *job,
                        const weir_error *why)
{
    weir_slot_request *request = find_request(self, job);
    weir_job *known = weir_job_book_get(self->book, job);
    if (request != NULL)
        refuse(self, context, request, why);
    if (known != NULL)
        known->slots_granted = 0;
    release_holds(self, context, job);
    weir_slots_serve(self, context);
}

void weir_slots_on_free(weir_dispatcher *self, weir_context *context, const weir_envelope *message)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_job *job = NULL;
    if (check_request(self, message, message->free_slots->job, &job, &err) != 0) {
        weir_answer_error(context, message, &err);
        return;
    }
    weir_error_set(&err, WEIR_ECANCELLED, "job '%s' gave its slots back", weir_job_name(job));
    weir_slots_release(self, context, job->id, &err);
    weir_answer_ack(context, message);
}

/* ---- agents come and go ---- */

/* What an agent holds for a job that we do not know it to hold for. */
static int take_over(weir_dispatcher *self, weir_context *context, weir_slot_member *member,
                     const char *id, uint32_t count, weir_error *err)
{
    const weir_job *job = weir_job_book_get(self->book, id);
    weir_slot_hold *hold = weir_slot_member_hold(member, id, count, WEIR_HOLD_HELD);
    if (hold == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "dispatcher: out of memory");
    if (job == NULL) { /* perhaps a JobManager that runs it comes yet */
        weir_context_log(context, WEIR_LOG_WARN, "%s holds %u slots for job %s, which is not known",
                         member->process, count, id);
        return 0;
    }
    const weir_slot_request *request = find_request(self, id);
    uint32_t held = weir_slot_pool_held(self->pool, id, WEIR_HOLD_HELD);
    if (job->stage != WEIR_STAGE_STARTED || (request != NULL && request->allocating) ||
        (job->slots_granted != 0 && held > job->slots_granted))
        release(self, context, hold);
    return 0;
}

static bool lists(const Weir__Proto__Register *registration, const char *job, uint32_t *ret_count)
{
    for (size_t i = 0; i < registration->n_jobs; i++) {
        if (strcmp(registration->jobs[i], job) == 0) {
            *ret_count = registration->job_slots[i];
            return true;
        }
    }
    return false;
}

/* The agent's word counts for what is settled; what is under way is settled by its answer. A word
 * that was said before an order came, and is heard after it was carried out, says nothing of it. */
int weir_slots_register(weir_dispatcher *self, weir_context *context,
                        const Weir__Proto__Register *registration, weir_error *err)
{
    int rc = 0;
    weir_slot_member *member = weir_slot_pool_add(self->pool, registration->process,
                                                  registration->host, registration->slots);
    if (member == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "dispatcher: out of memory");
    for (weir_slot_hold *hold = member->holds, *next; hold != NULL; hold = next) {
        next = hold->next;
        if (hold->state == WEIR_HOLD_HELD && hold->order <= registration->order &&
            !lists(registration, hold->job, &hold->count))
            weir_slot_member_drop(member, hold);
    }
    for (size_t i = 0; rc == 0 && i < registration->n_jobs; i++) {
        if (weir_slot_member_find(member, registration->jobs[i]) == NULL)
            rc = take_over(self, context, member, registration->jobs[i], registration->job_slots[i],
                           err);
    }
    if (rc != 0)
        weir_slots_lose(self, context, registration->process);
    else
        weir_slots_release_unknown(self, context);
    return rc;
}

void weir_slots_release_unknown(weir_dispatcher *self, weir_context *context)
{
    if (weir_context_now_ms(context) - self->started_ms < self->config.grace_ms)
        return;
    for (weir_slot_member *member = weir_slot_pool_members(self->pool); member != NULL;
         member = member->next) {
        for (weir_slot_hold *hold = member->holds; hold != NULL; hold = hold->next) {
            if (hold->state != WEIR_HOLD_HELD || weir_job_book_get(self->book, hold->job) != NULL ||
                weir_jobs_is_claimed(self, hold->job))
                continue;
            weir_context_log(context, WEIR_LOG_WARN,
                             "%s is told to free %u slots of job %s, which is not known",
                             member->process, hold->count, hold->job);
            release(self, context, hold);
        }
    }
}

void weir_slots_lose(weir_dispatcher *self, weir_context *context, const char *process)
{
    weir_slot_member *member = weir_slot_pool_find(self->pool, process);
    if (member == NULL)
        return;
    for (weir_slot_hold *hold = member->holds; hold != NULL; hold = hold->next) {
        if (hold->request != 0)
            weir_context_forget(context, hold->request);
        hold->request = 0;
        weir_slot_request *request = find_request(self, hold->job);
        if (request == NULL || !request->allocating || hold->state == WEIR_HOLD_RELEASING)
            continue;
        hold->state = WEIR_HOLD_RELEASING; /* goes with its member, below */
        undo(self, context, request);
    }
    weir_slot_pool_remove(self->pool, member);
    weir_slots_serve(self, context);
}

void weir_slots_clear(weir_dispatcher *self)
{
    while (self->slot_requests != NULL) {
        weir_slot_request *request = self->slot_requests;
        self->slot_requests = request->next;
        free_request(request);
    }
    self->slot_requests_end = &self->slot_requests;
}
