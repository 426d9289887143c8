/* dispatcher/members.c -- who is there: peers (a handshake) and members (a registration); and the
 * end of the whole cluster. */
#include "dispatcher/parts.h"

#include "base/memory.h"

#include <stdio.h>

enum { SLOTS_MAX = 65536 };

weir_roles weir_members_role(const weir_dispatcher *self, const char *process)
{
    const weir_peer *peer = weir_map_get(self->peers, process);
    return peer == NULL ? 0 : peer->role;
}

weir_member *weir_members_get(const weir_dispatcher *self, const char *process)
{
    return weir_map_get(self->members, process);
}

bool weir_members_is_awaited(const weir_dispatcher *self, weir_context *context,
                             const char *process)
{
    return weir_members_get(self, process) == NULL &&
           weir_context_now_ms(context) - self->started_ms < self->config.heartbeat_timeout_ms;
}

weir_member *weir_members_next(const weir_dispatcher *self, weir_roles role, size_t *cursor)
{
    const char *process;
    void *member;
    while (weir_map_next(self->members, cursor, &process, &member)) {
        if (((weir_member *)member)->role == role)
            return member;
    }
    return NULL;
}

weir_member *weir_members_first(const weir_dispatcher *self, weir_roles role)
{
    size_t cursor = 0;
    return weir_members_next(self, role, &cursor);
}

void weir_member_free(void *value)
{
    weir_member *member = value;
    weir_free(member->host);
    weir_free(member->endpoint);
    weir_free(member);
}

/* ---- peers ---- */

static void lose(weir_dispatcher *self, weir_context *context, const char *process, weir_roles role,
                 const char *why)
{
    char name[WEIR_ROLES_TEXT_MAX];
    const weir_member *member = weir_members_get(self, process);
    if (member != NULL) {
        weir_context_log(context, self->stopping ? WEIR_LOG_INFO : WEIR_LOG_WARN,
                         "lost the %s %s at %s: %s", weir_roles_format(role, name), process,
                         member->host, why);
        weir_map_remove(self->members, process);
    }
    if (role == WEIR_ROLE_TASKMANAGER) {
        weir_slots_lose(self, context, process);
    } else if (role == WEIR_ROLE_JOBMANAGER) { /* it may not even have registered with us */
        weir_jobs_orphan(self, process,
                         self->stopping ? "the cluster was stopped while it ran" : why);
        weir_jobs_fail_orphans(self, context);
    }
}

void weir_members_on_peer(weir_dispatcher *self, weir_context *context, enum weir_peer_event event,
                          const weir_peer_info *info)
{
    if (event == WEIR_PEER_UP) {
        weir_peer *peer = weir_calloc(1, sizeof *peer);
        if (peer == NULL || weir_map_put(self->peers, info->process, peer) != 0) {
            weir_error err = WEIR_ERROR_INIT;
            weir_free(peer);
            /* It says only once that it is here: it could never register. */
            weir_error_set(&err, WEIR_ENO_MEMORY, "out of memory for the connection of %s",
                           info->process);
            weir_dispatcher_give_up(self, context, &err);
            return;
        }
        peer->role = weir_role_parse(info->role);
        return;
    }
    const char *why = info->text != NULL && info->text[0] != '\0' ? info->text : "no heartbeat";
    weir_roles role = weir_members_role(self, info->process);
    weir_map_remove(self->peers, info->process);
    lose(self, context, info->process, role, why);
    weir_members_check_stop(self, context, false);
}

/* ---- registration ---- */

static int check_registration(const weir_dispatcher *self, const weir_envelope *message,
                              weir_error *err)
{
    const Weir__Proto__Register *of = message->register_;
    weir_id id;
    if (strcmp(of->process, message->from_process) != 0 ||
        weir_role_parse(of->role) != weir_members_role(self, of->process))
        return weir_error_set(
            err, WEIR_EREFUSED,
            "registration: '%.64s' as '%.16s' does not fit the connection, which is "
            "'%s'",
            of->process, of->role, message->from_process);
    if (strlen(of->process) >= WEIR_PROCESS_NAME_MAX || strlen(of->host) > 255 ||
        strlen(of->endpoint) > 255 || of->slots > SLOTS_MAX)
        return weir_error_set(err, WEIR_ETOO_LARGE, "registration of '%.64s': over the limits",
                              of->process);
    bool agent = weir_role_parse(of->role) == WEIR_ROLE_TASKMANAGER;
    if (of->n_job_slots != (agent ? of->n_jobs : 0) || (agent && of->slots == 0))
        return weir_error_set(err, WEIR_EINVALID,
                              "registration of '%s': its slots do not fit its jobs", of->process);
    for (size_t i = 0; i < of->n_jobs; i++) {
        if (weir_id_parse(of->jobs[i], &id) != 0 || (agent && of->job_slots[i] > SLOTS_MAX))
            return weir_error_set(err, WEIR_EINVALID, "registration of '%s': '%.64s' is no job",
                                  of->process, of->jobs[i]);
    }
    return 0;
}

static int put_member(weir_dispatcher *self, weir_context *context, const Weir__Proto__Register *of,
                      weir_error *err)
{
    weir_member *known = weir_members_get(self, of->process);
    if (known != NULL) {
        known->slots = of->slots;
        known->registration = of->number;
        return 0;
    }
    weir_member *member = weir_calloc(1, sizeof *member);
    if (member == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "registration of '%s': out of memory",
                              of->process);
    member->role = weir_role_parse(of->role);
    snprintf(member->process, sizeof member->process, "%s", of->process);
    member->host = weir_strdup(of->host);
    member->endpoint = weir_strdup(of->endpoint);
    member->pid = of->pid;
    member->slots = of->slots;
    member->registration = of->number;
    member->since_ms = weir_context_wall_ms(context);
    if (member->host == NULL || member->endpoint == NULL ||
        weir_map_put(self->members, member->process, member) != 0) {
        weir_member_free(member);
        return weir_error_set(err, WEIR_ENO_MEMORY, "registration of '%s': out of memory",
                              of->process);
    }
    if (member->role == WEIR_ROLE_TASKMANAGER)
        weir_context_log(context, WEIR_LOG_INFO, "TaskManager %s at %s registered with %u slots",
                         member->process, member->host, member->slots);
    else
        weir_context_log(context, WEIR_LOG_INFO, "JobManager %s at %s registered with %zu jobs",
                         member->process, member->host, of->n_jobs);
    return 0;
}

static void reply_registered(const weir_dispatcher *self, weir_context *context,
                             const weir_envelope *message)
{
    Weir__Proto__RegisterReply body = WEIR__PROTO__REGISTER_REPLY__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    body.cluster = (char *)self->config.cluster;
    body.epoch = weir_job_book_epoch(self->book);
    reply.body_case = WEIR_BODY(REGISTER_REPLY);
    reply.register_reply = &body;
    weir_answer(context, message, &reply);
}

/* It was overtaken by one that its sender made later: what it tells of jobs is not true any more.
 */
static bool is_overtaken(const weir_dispatcher *self, const Weir__Proto__Register *of)
{
    const weir_member *known = weir_members_get(self, of->process);
    return known != NULL && of->number < known->registration;
}

void weir_members_on_register(weir_dispatcher *self, weir_context *context,
                              const weir_envelope *message)
{
    const Weir__Proto__Register *of = message->register_;
    weir_error err = WEIR_ERROR_INIT;
    int rc = check_registration(self, message, &err);
    if (rc == 0 && self->stopping)
        rc = weir_error_set(&err, WEIR_ESTATE, "registration of '%s': the cluster is stopping",
                            of->process);
    if (rc == 0 && is_overtaken(self, of)) {
        reply_registered(self, context, message);
        return;
    }
    if (rc == 0)
        rc = put_member(self, context, of, &err);
    if (rc == 0 && weir_role_parse(of->role) == WEIR_ROLE_TASKMANAGER) {
        rc = weir_slots_register(self, context, of, &err);
        if (rc != 0)
            weir_map_remove(self->members, of->process);
    }
    if (rc != 0) {
        weir_answer_error(context, message, &err);
        return;
    }
    reply_registered(self, context, message);
    if (weir_role_parse(of->role) == WEIR_ROLE_TASKMANAGER) {
        weir_slots_serve(self, context);
    } else {
        weir_jobs_reconcile(self, context, of);
        weir_jobs_hand_out(self, context);
    }
}

/* ---- the end of the cluster ---- */

static void on_shut_down(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                         const weir_error *error)
{
    /* Its goodbye is what counts. */
    (void)actor, (void)context, (void)data, (void)reply, (void)error;
}

void weir_members_on_stop(weir_dispatcher *self, weir_context *context,
                          const weir_envelope *message)
{
    const char *process;
    void *value;
    self->stop_reply = weir_reply_to_of(message); /* a second one takes the first one's place */
    if (self->stopping)
        return;
    self->stopping = true;
    weir_context_log(context, WEIR_LOG_INFO, "a client stops the cluster");
    for (size_t i = 0; weir_map_next(self->members, &i, &process, &value);) {
        const weir_member *member = value;
        Weir__Proto__Shutdown body = WEIR__PROTO__SHUTDOWN__INIT;
        weir_envelope order = WEIR__PROTO__ENVELOPE__INIT;
        body.reason = (char *)"the cluster was stopped by a client";
        order.epoch = weir_job_book_epoch(self->book);
        order.body_case = WEIR_BODY(SHUTDOWN);
        order.shutdown = &body;
        weir_context_request(
            context,
            (weir_address){process, member->role == WEIR_ROLE_TASKMANAGER ? "agent" : "jobmanager"},
            &order, self->config.stop_timeout_ms, on_shut_down, NULL);
    }
    self->stop_timer = weir_context_set_timer(context, self->config.stop_timeout_ms);
    weir_members_check_stop(self, context, false);
}

void weir_members_check_stop(weir_dispatcher *self, weir_context *context, bool timed_out)
{
    if (!self->stopping || (!timed_out && weir_map_count(self->members) > 0))
        return;
    if (timed_out)
        weir_context_log(context, WEIR_LOG_WARN, "%zu processes did not end in time",
                         weir_map_count(self->members));
    weir_context_cancel_timer(context, self->stop_timer);
    if (self->stop_reply.correlation != 0)
        weir_context_reply_ack(context, &self->stop_reply);
    self->stop_reply.correlation = 0;
    weir_context_stop_node(context);
}
