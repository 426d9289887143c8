#include "jobmanager/manager.h"

#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/text.h"
#include "jobmanager/job_master.h"

#include <stdio.h>
#include <string.h>

#define REGISTER_AGAIN_MS 1000
#define UNMET_FIRST_MS    3000 /* a dispatcher that is not there is told of then, and ever again */
#define UNMET_AGAIN_MS    60000
#define DISPATCHER        "dispatcher" /* alias of its process, and the name of its actor */

typedef struct manager {
    const weir_config *config;
    char *dispatcher, *endpoint, *host, *log_path;
    uint32_t pid;
    uint64_t epoch;
    weir_map *jobs; /* id -> anything: those that run here */
    uint64_t register_request, register_timer, unmet_timer, registrations;
} manager;

int weir_manager_new(const weir_manager_config *config, void **ret, weir_error *err)
{
    manager *self = weir_calloc(1, sizeof *self);

    if (!self)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the JobManager");
    self->config = config->config;
    self->dispatcher = weir_strdup(config->dispatcher);
    self->endpoint = weir_strdup(config->endpoint);
    self->host = weir_strdup(config->host);
    self->log_path = weir_strdup(config->log_path);
    self->pid = config->pid;
    self->jobs = weir_map_new(NULL);
    if (!self->dispatcher || !self->endpoint || !self->host || !self->log_path || !self->jobs) {
        weir_manager_class.destroy(self);
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the JobManager");
    }
    *ret = self;
    return 0;
}

static void destroy(void *actor)
{
    manager *self = actor;

    weir_map_destroy(&self->jobs);
    weir_free(self->dispatcher);
    weir_free(self->endpoint);
    weir_free(self->host);
    weir_free(self->log_path);
    weir_free(self);
}

static void start(void *actor, weir_context *context)
{
    manager *self = actor;
    weir_error error = WEIR_ERROR_INIT;

    if (weir_context_connect(context, DISPATCHER, self->dispatcher, WEIR_ROLE_DISPATCHER, &error) <
        0) {
        weir_context_fail_node(context, error.code, "cannot connect to the dispatcher: %s",
                               error.text);
    }
    self->unmet_timer = weir_context_set_timer(context, UNMET_FIRST_MS);
}

/* ---- registration ---- */

static void on_unmet_timer(manager *self, weir_context *context)
{
    if (weir_context_is_up(context, DISPATCHER))
        return;
    weir_context_log(context, WEIR_LOG_WARN,
                     "no answer from the dispatcher at %.*s; trying on; see "
                     "dispatcher.rpc.address, dispatcher.rpc.port, and whether that port is open",
                     (int)strcspn(self->dispatcher, "#"), self->dispatcher);
    self->unmet_timer = weir_context_set_timer(context, UNMET_AGAIN_MS);
}

static void register_here(manager *self, weir_context *context);

static void on_registered(void *actor, weir_context *context, void *data,
                          const weir_envelope *reply, const weir_error *error)
{
    manager *self = actor;
    (void)data;

    weir_error other = WEIR_ERROR_INIT;

    self->register_request = 0;
    if (!error && reply->body_case != WEIR__PROTO__ENVELOPE__BODY_REGISTER_REPLY) {
        weir_error_set(&other, WEIR_ECORRUPT, "it answered with something else");
        error = &other;
    }
    if (error) {
        weir_context_log(context, WEIR_LOG_WARN,
                         "the dispatcher did not register this JobManager: %s", error->text);
        self->register_timer = weir_context_set_timer(context, REGISTER_AGAIN_MS);
        return;
    }
    self->epoch = reply->register_reply->epoch;
    weir_context_log(context, WEIR_LOG_INFO, "registered with the dispatcher at %s",
                     self->dispatcher);
}

static void register_here(manager *self, weir_context *context)
{
    Weir__Proto__Register body = WEIR__PROTO__REGISTER__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    size_t count = weir_map_count(self->jobs), cursor = 0;
    const char *job;
    void *value;
    char **jobs = weir_calloc(count + 1, sizeof(char *));

    if (!jobs)
        return;
    body.process = (char *)weir_context_process(context);
    body.role = (char *)"jobmanager";
    body.host = self->host;
    body.pid = self->pid;
    body.endpoint = self->endpoint;
    body.number = ++self->registrations;
    body.jobs = jobs;
    while (weir_map_next(self->jobs, &cursor, &job, &value))
        jobs[body.n_jobs++] = (char *)job;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_REGISTER;
    ask.register_ = &body;
    if (self->register_request)
        weir_context_forget(context, self->register_request);
    self->register_request = weir_context_request(
        context, (weir_address){DISPATCHER, DISPATCHER}, &ask,
        weir_config_duration_ms(self->config, "rpc.ask.timeout"), on_registered, NULL);
    weir_free(jobs);
}

static void on_peer(void *actor, weir_context *context, enum weir_peer_event event,
                    const weir_peer_info *peer)
{
    manager *self = actor;

    if (strcmp(peer->process, DISPATCHER) != 0)
        return;
    if (event == WEIR_PEER_UP) {
        register_here(self, context);
    } else if (event == WEIR_PEER_REFUSED) {
        weir_context_fail_node(context, WEIR_EREFUSED,
                               "the dispatcher at %s refused this JobManager: %s", self->dispatcher,
                               peer->text);
    } else {
        weir_context_log(context, WEIR_LOG_WARN, "lost the dispatcher at %s: %s; jobs run on",
                         self->dispatcher, peer->text ? peer->text : "no answer");
        weir_context_cancel_timer(context, self->unmet_timer);
        self->unmet_timer = weir_context_set_timer(context, UNMET_AGAIN_MS);
    }
}

static void on_timer(void *actor, weir_context *context, uint64_t timer)
{
    manager *self = actor;

    if (timer == self->unmet_timer)
        on_unmet_timer(self, context);
    if (timer == self->register_timer && weir_context_is_up(context, DISPATCHER))
        register_here(self, context);
}

/* ---- jobs ---- */

static void on_job_ended(void *data, weir_context *context, const char *job)
{
    manager *self = data;
    char name[WEIR_ACTOR_NAME_MAX];

    snprintf(name, sizeof name, WEIR_JOB_MASTER_PREFIX "%s", job);
    weir_map_remove(self->jobs, job);
    weir_context_end(context, name);
}

static void on_start_job(manager *self, weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    const Weir__Proto__StartJob *job = message->start_job;
    weir_error error = WEIR_ERROR_INIT;
    char name[WEIR_ACTOR_NAME_MAX];
    void *master = NULL;

    if (weir_map_get(self->jobs, job->job)) { /* told twice */
        weir_context_reply_ack(context, &reply_to);
        return;
    }
    snprintf(name, sizeof name, WEIR_JOB_MASTER_PREFIX "%s", job->job);
    int rc = weir_job_master_new(job, self->config, DISPATCHER, message->epoch, on_job_ended, self,
                                 &master, &error);
    if (rc == 0 && (rc = weir_map_put(self->jobs, job->job, self)) < 0)
        weir_job_master_class.destroy(master);
    if (rc == 0 &&
        (rc = weir_context_spawn(context, name, &weir_job_master_class, master, &error)) < 0)
        weir_map_remove(self->jobs, job->job);
    if (rc < 0)
        weir_context_reply_error(context, &reply_to, rc, "job '%s' cannot be started: %s",
                                 job->name, error.text);
    else
        weir_context_reply_ack(context, &reply_to);
}

static void on_fetch_log(manager *self, weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    weir_buffer text = WEIR_BUFFER_INIT;
    weir_error error = WEIR_ERROR_INIT;

    if (weir_file_tail(self->log_path, message->fetch_log->max_bytes, &text, &error) < 0) {
        weir_context_reply_error(context, &reply_to, error.code, "%s", error.text);
    } else {
        Weir__Proto__LogText body = WEIR__PROTO__LOG_TEXT__INIT;
        weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
        if (text.data)
            weir_text_clean_bytes((char *)text.data, text.size);
        body.text = (char *)weir_buffer_text(&text);
        body.source = self->log_path;
        reply.body_case = WEIR__PROTO__ENVELOPE__BODY_LOG_TEXT;
        reply.log_text = &body;
        weir_context_reply(context, &reply_to, &reply);
    }
    weir_buffer_deinit(&text);
}

static void receive(void *actor, weir_context *context, const weir_envelope *message)
{
    manager *self = actor;
    weir_reply_to reply_to = weir_reply_to_of(message);

    switch (message->body_case) {
    case WEIR__PROTO__ENVELOPE__BODY_START_JOB:
        on_start_job(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_FETCH_LOG:
        on_fetch_log(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_SHUTDOWN:
        weir_context_log(context, WEIR_LOG_INFO, "shutting down: %s", message->shutdown->reason);
        weir_context_reply_ack(context, &reply_to);
        weir_context_stop_node(context);
        break;
    default:
        weir_context_reply_error(context, &reply_to, WEIR_EINVALID,
                                 "a JobManager does not answer this message");
        break;
    }
}

const weir_actor_class weir_manager_class = {"JobManager", start,   receive,
                                             on_timer,     on_peer, destroy};
