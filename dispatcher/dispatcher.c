/* dispatcher/dispatcher.c -- the actor: who may ask what, and which file answers. */
#include "dispatcher/dispatcher.h"

#include "actors/rights.h"
#include "base/memory.h"
#include "dispatcher/parts.h"

#include <stdio.h>

enum { RETRY_MS = 1000, SWEEP_MS = 60000 };

void weir_dispatcher_config_init(weir_dispatcher_config *config)
{
    *config = (weir_dispatcher_config){.cluster = "",
                                       .version = "",
                                       .host = "",
                                       .endpoint = "",
                                       .log_path = "",
                                       .grace_ms = 1000,
                                       .restart_grace_ms = 3000,
                                       .slot_timeout_ms = 10000,
                                       .heartbeat_timeout_ms = 5000,
                                       .ask_timeout_ms = 10000,
                                       .stop_timeout_ms = 5000,
                                       .history_ms = 3600 * 1000,
                                       .history_max = 1000,
                                       .jobs_max = 10000,
                                       .waiters_max = 1024,
                                       .chunk_max = 1 << 20};
}

/* ---- answers ---- */

/* A message that wants no reply gets none. */
void weir_answer(weir_context *context, const weir_envelope *message, weir_envelope *reply)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    if (reply_to.correlation != 0)
        weir_context_reply(context, &reply_to, reply);
}

void weir_answer_ack(weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    if (reply_to.correlation != 0)
        weir_context_reply_ack(context, &reply_to);
}

/* A disk or memory that fails is our own trouble: who looks after this process is told, too. */
void weir_answer_error(weir_context *context, const weir_envelope *message, const weir_error *err)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    if (err->code == WEIR_EIO || err->code == WEIR_ENO_SPACE || err->code == WEIR_ENO_MEMORY)
        weir_context_log(context, WEIR_LOG_ERROR, "a request of %s failed: %s",
                         message->from_process, err->text);
    if (reply_to.correlation != 0)
        weir_context_reply_error(context, &reply_to, err->code, "%s", err->text);
}

/* ---- the records ---- */

void weir_dispatcher_give_up(weir_dispatcher *self, weir_context *context, const weir_error *err)
{
    if (self->broken)
        return;
    self->broken = true;
    weir_context_log(context, WEIR_LOG_ERROR, "%s; the dispatcher stops", err->text);
    if (self->config.failure != NULL)
        weir_error_set(self->config.failure, err->code, "dispatcher: %s", err->text);
    weir_context_stop_node(context);
}

bool weir_dispatcher_check_records(weir_dispatcher *self, weir_context *context,
                                   const weir_error *err)
{
    weir_error why;
    if (err->code == WEIR_ENO_SPACE || err->code == WEIR_ETOO_LARGE || err->code == WEIR_ENO_MEMORY)
        return true;
    weir_error_set(&why, err->code,
                   "the record store failed: %s; start the dispatcher again when the disk is well: "
                   "it finds out then what was kept",
                   err->text);
    weir_dispatcher_give_up(self, context, &why);
    return false;
}

void weir_dispatcher_complain(weir_dispatcher *self, weir_context *context, const char *format, ...)
{
    char text[900];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const weir_digest said = weir_digest_of(text, strlen(text));
    for (size_t i = 0; i < WEIR_COMPLAINTS; i++) {
        if (weir_digest_equal(&self->complaints[i], &said))
            return;
    }
    self->complaints[self->next_complaint++ % WEIR_COMPLAINTS] = said;
    weir_context_log(context, WEIR_LOG_ERROR, "%s", text);
}

void weir_dispatcher_is_well(weir_dispatcher *self)
{
    memset(self->complaints, 0, sizeof self->complaints);
}

void weir_dispatcher_retry_later(weir_dispatcher *self, weir_context *context)
{
    if (self->retry_timer == 0 && !self->broken)
        self->retry_timer = weir_context_set_timer(context, RETRY_MS);
}

/* ---- messages ---- */

/* Who may ask is the node's to say (actors/rights.h). */
static const struct handler {
    Weir__Proto__Envelope__BodyCase body;
    void (*handle)(weir_dispatcher *self, weir_context *context, const weir_envelope *message);
} handlers[] = {
    {WEIR_BODY(SUBMIT_JOB), weir_jobs_on_submit},
    {WEIR_BODY(UPLOAD_CHUNK), weir_artifacts_on_upload},
    {WEIR_BODY(LIST_JOBS), weir_door_on_list},
    {WEIR_BODY(DESCRIBE_JOB), weir_door_on_describe},
    {WEIR_BODY(CANCEL_JOB), weir_jobs_on_cancel},
    {WEIR_BODY(CLUSTER_STATUS), weir_door_on_status},
    {WEIR_BODY(FETCH_ROWS), weir_door_on_rows},
    {WEIR_BODY(FETCH_LOG), weir_logs_on_fetch},
    {WEIR_BODY(STOP_CLUSTER), weir_members_on_stop},
    {WEIR_BODY(REGISTER), weir_members_on_register},
    {WEIR_BODY(JOB_REPORT), weir_jobs_on_report},
    {WEIR_BODY(REQUEST_SLOTS), weir_slots_on_request},
    {WEIR_BODY(FREE_SLOTS), weir_slots_on_free},
    {WEIR_BODY(FETCH_ARTIFACT), weir_artifacts_on_fetch},
};

static void refuse(weir_context *context, const weir_envelope *message)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_error_set(&err, WEIR_EREFUSED, "a dispatcher does not answer %s",
                   weir_envelope_kind(message->body_case));
    weir_answer_error(context, message, &err);
}

/* The history is trimmed between callbacks, when nothing points into it. */
static void trim(weir_dispatcher *self, weir_context *context)
{
    size_t ended = weir_job_book_count(self->book) - weir_job_book_active(self->book);
    if (ended > self->config.history_max && !self->broken)
        weir_jobs_sweep(self, context);
}

static void receive(void *actor, weir_context *context, const weir_envelope *message)
{
    weir_dispatcher *self = actor;
    for (size_t i = 0; i < WEIR_COUNT(handlers); i++) {
        if (handlers[i].body != message->body_case)
            continue;
        handlers[i].handle(self, context, message);
        trim(self, context);
        return;
    }
    refuse(context, message);
}

static void peer(void *actor, weir_context *context, enum weir_peer_event event,
                 const weir_peer_info *info)
{
    weir_dispatcher *self = actor;
    weir_members_on_peer(self, context, event, info);
    trim(self, context);
}

/* ---- time ---- */

static void start(void *actor, weir_context *context)
{
    weir_dispatcher *self = actor;
    self->started_ms = weir_context_now_ms(context);
    self->started_wall_ms = weir_context_wall_ms(context);
    self->sweep_timer = weir_context_set_timer(context, SWEEP_MS);
    self->orphans_timer = weir_context_set_timer(context, self->config.heartbeat_timeout_ms);
    self->unknown_timer = weir_context_set_timer(context, self->config.grace_ms);
    weir_context_log(context, WEIR_LOG_INFO,
                     "dispatcher of cluster '%s', incarnation %llu: %zu jobs, "
                     "%zu of them not ended",
                     self->config.cluster, (unsigned long long)weir_job_book_epoch(self->book),
                     weir_job_book_count(self->book), weir_job_book_active(self->book));
    weir_jobs_sweep(self, context);
}

/* A JobManager that has not come back a heartbeat timeout after our start is gone. */
static void orphan_the_missing(weir_dispatcher *self, weir_context *context)
{
    weir_job *job;
    for (size_t i = 0; (job = weir_job_book_next(self->book, &i)) != NULL;) {
        char gone[WEIR_PROCESS_NAME_MAX];
        if (job->stage != WEIR_STAGE_STARTED || job->orphaned ||
            weir_members_role(self, job->jobmanager) != 0)
            continue;
        memcpy(gone, job->jobmanager, sizeof gone);
        weir_jobs_orphan(self, gone, "it did not come back after the dispatcher's restart");
    }
    weir_jobs_fail_orphans(self, context);
}

/* Orders that memory or the disk had no room for. */
static void restart_unsent(weir_dispatcher *self, weir_context *context)
{
    weir_jobs_fail_orphans(self, context);
    weir_jobs_hand_out(self, context);
    weir_slots_release_again(self, context);
}

static void timer(void *actor, weir_context *context, uint64_t number)
{
    weir_dispatcher *self = actor;
    if (number == self->slots_timer) {
        self->slots_timer = 0;
        weir_slots_serve(self, context);
    } else if (number == self->retry_timer) {
        self->retry_timer = 0;
        restart_unsent(self, context);
    } else if (number == self->orphans_timer) {
        self->orphans_timer = 0;
        orphan_the_missing(self, context);
    } else if (number == self->unknown_timer) {
        self->unknown_timer = 0;
        weir_slots_release_unknown(self, context);
    } else if (number == self->sweep_timer) {
        self->sweep_timer = weir_context_set_timer(context, SWEEP_MS);
        weir_jobs_sweep(self, context);
        weir_artifacts_sweep(self, context);
    } else if (number == self->stop_timer) {
        weir_members_check_stop(self, context, true);
    } else {
        weir_waiters_on_timer(self, context, number);
    }
    trim(self, context);
}

/* ---- making and ending ---- */

/* Members of an earlier incarnation need a backoff and a handshake to be here again. */
static void choose_grace(weir_dispatcher *self)
{
    weir_dispatcher_config *config = &self->config;
    if (weir_job_book_epoch(self->book) <= 1 || config->restart_grace_ms <= config->grace_ms)
        return;
    config->grace_ms = config->restart_grace_ms < config->heartbeat_timeout_ms
                           ? config->restart_grace_ms
                           : config->heartbeat_timeout_ms;
}

static void destroy(void *actor)
{
    weir_dispatcher *self = actor;
    if (self == NULL)
        return;
    weir_waiters_clear(self);
    weir_slots_clear(self);
    weir_logs_clear(self);
    weir_jobs_clear(self);
    while (self->relays != NULL)
        weir_relay_end(self, self->relays);
    weir_map_destroy(&self->peers);
    weir_map_destroy(&self->members);
    weir_map_destroy(&self->unused_artifacts);
    weir_slot_pool_destroy(&self->pool);
    weir_job_book_close(&self->book);
    weir_free((char *)self->config.cluster);
    weir_free((char *)self->config.version);
    weir_free((char *)self->config.host);
    weir_free((char *)self->config.endpoint);
    weir_free((char *)self->config.log_path);
    weir_free(self);
}

static bool copy_config(weir_dispatcher *self, const weir_dispatcher_config *config)
{
    self->config = *config;
    self->config.cluster = weir_strdup(config->cluster);
    self->config.version = weir_strdup(config->version);
    self->config.host = weir_strdup(config->host);
    self->config.endpoint = weir_strdup(config->endpoint);
    self->config.log_path = weir_strdup(config->log_path);
    return self->config.cluster != NULL && self->config.version != NULL &&
           self->config.host != NULL && self->config.endpoint != NULL &&
           self->config.log_path != NULL;
}

int weir_dispatcher_new(const weir_dispatcher_config *config, weir_records *records,
                        weir_artifact_store *artifacts, void **ret_self, weir_error *err)
{
    weir_dispatcher *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "dispatcher: out of memory");
    self->records = records;
    self->artifacts = artifacts;
    self->slot_requests_end = &self->slot_requests;
    self->peers = weir_map_new(weir_free);
    self->members = weir_map_new(weir_member_free);
    self->unused_artifacts = weir_map_new(weir_free);
    self->pool = weir_slot_pool_new();
    int rc = 0;
    if (!copy_config(self, config) || self->peers == NULL || self->members == NULL ||
        self->unused_artifacts == NULL || self->pool == NULL)
        rc = weir_error_set(err, WEIR_ENO_MEMORY, "dispatcher: out of memory");
    else
        rc = weir_job_book_open(records, &self->book, err);
    if (rc != 0) {
        destroy(self);
        return rc;
    }
    choose_grace(self);
    *ret_self = self;
    return 0;
}

const weir_actor_class weir_dispatcher_class = {"Dispatcher", start, receive, timer, peer, destroy};
