#include "taskmanager/agent.h"

#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/piece.h"
#include "base/text.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>

#define DISPATCHER        "dispatcher"
#define OFFER_AGAIN_MS    5
#define LOOK_AGAIN_MS     20
#define REGISTER_AGAIN_MS 1000
#define UNMET_FIRST_MS    3000 /* a dispatcher that is not there is told of then, and ever again */
#define UNMET_AGAIN_MS    60000
#define FREED_GRACE_MS    2000 /* a runner that was told to end may take so long */
#define SWEEP_MS          60000

enum job_state {
    JOB_OFFERING, /* its JobMaster was asked to take the slots */
    JOB_WAITING,  /* another job fetches the same artifact */
    JOB_FETCHING, /* the artifact is on its way */
    JOB_RUNNING,  /* its task runner lives */
    JOB_ENDED     /* it has ended; the slots are still the job's */
};

typedef struct agent_job {
    char id[33];
    uintptr_t number; /* what requests about it carry: it may be gone by then */
    enum job_state state;
    uint32_t count;                    /* slots */
    char jobmanager[256];              /* endpoint */
    char alias[WEIR_PROCESS_NAME_MAX]; /* of the one connection to that endpoint */
    char master[WEIR_ACTOR_NAME_MAX];
    Weir__Proto__OfferReply *offer; /* what the JobMaster said, with the runner's configuration */
    weir_envelope *offer_envelope;  /* owns it */
    uint64_t epoch;
    uint32_t piece; /* of its artifact, in a message */
    int64_t asked_ms;
    bool is_fenced;       /* its JobMaster was lost */
    char *fenced;         /* how that ended its runner; NULL */
    uint64_t kill_timer;  /* slots were freed: the runner has until then */
    uint64_t again_timer; /* offers again, or looks for the artifact again */
} agent_job;

typedef struct agent {
    const weir_config *config;
    char *dispatcher, *host_name;
    uint32_t pid, slots;
    weir_agent_host *host;
    weir_map *jobs;
    void (*registered)(void *data);
    void *registered_data;
    uint64_t register_request, register_timer, sweep_timer, look_timer, unmet_timer;
    uintptr_t last_number;
    uint64_t last_order; /* of an AllocateSlots */
    uint64_t registrations;
    bool shutting_down;
} agent;

static int64_t ask_timeout(const agent *self)
{
    return weir_config_duration_ms(self->config, "rpc.ask.timeout");
}

static agent_job *job_of_number(const agent *self, const void *number)
{
    size_t cursor = 0;
    const char *id;
    void *value;

    while (weir_map_next(self->jobs, &cursor, &id, &value)) {
        if (((agent_job *)value)->number == (uintptr_t)number)
            return value;
    }
    return NULL;
}

/* It is the runner's; nobody else needs it. */
static void forget_key(agent_job *job)
{
    if (job->offer && job->offer->job_key_secret.data)
        explicit_bzero(job->offer->job_key_secret.data, job->offer->job_key_secret.len);
}

static void free_job(void *value)
{
    agent_job *job = value;

    forget_key(job);
    if (job->offer_envelope)
        weir_proto_free(&job->offer_envelope->base);
    weir_free(job->fenced);
    weir_free(job);
}

int weir_agent_new(const weir_agent_config *config, void **ret, weir_error *err)
{
    agent *self = weir_calloc(1, sizeof *self);

    if (!self)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the agent");
    self->config = config->config;
    self->dispatcher = weir_strdup(config->dispatcher);
    self->host_name = weir_strdup(config->host_name);
    self->pid = config->pid;
    self->slots = config->slots;
    self->host = config->host;
    self->jobs = weir_map_new(free_job);
    self->registered = config->registered;
    self->registered_data = config->registered_data;
    if (!self->dispatcher || !self->host_name || !self->jobs) {
        weir_agent_class.destroy(self);
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the agent");
    }
    *ret = self;
    return 0;
}

static void destroy(void *actor)
{
    agent *self = actor;

    weir_map_destroy(&self->jobs);
    weir_free(self->dispatcher);
    weir_free(self->host_name);
    weir_free(self);
}

/* ---- what is not needed any more ---- */

static bool has_connection(const agent *self, const char *alias)
{
    size_t cursor = 0;
    const char *id;
    void *value;

    while (weir_map_next(self->jobs, &cursor, &id, &value)) {
        if (strcmp(((agent_job *)value)->alias, alias) == 0)
            return true;
    }
    return false;
}

/* A JobManager that is up may have the next job; one that is not may be gone for good. */
static void drop_connection(agent *self, weir_context *context, const char *alias)
{
    if (!has_connection(self, alias) && !weir_context_is_up(context, alias))
        weir_context_disconnect(context, alias);
}

static void register_change(agent *self, weir_context *context);

static void forget_job(agent *self, weir_context *context, agent_job *job)
{
    char alias[WEIR_PROCESS_NAME_MAX], id[sizeof job->id];

    memcpy(alias, job->alias, sizeof alias);
    memcpy(id, job->id, sizeof id); /* the job is freed while its key is looked at */
    weir_map_remove(self->jobs, id);
    drop_connection(self, context, alias);
    register_change(self, context);
}

static bool uses_artifact(void *data, const char *digest)
{
    const agent *self = data;
    size_t cursor = 0;
    const char *id;
    void *value;

    while (weir_map_next(self->jobs, &cursor, &id, &value)) {
        const agent_job *job = value;
        if (job->offer && strcmp(job->offer->artifact, digest) == 0)
            return true;
    }
    return false;
}

static void sweep(agent *self, weir_context *context)
{
    if (!self->host->sweep)
        return;
    self->host->sweep(self->host, uses_artifact, self);
    self->sweep_timer = weir_context_set_timer(context, SWEEP_MS);
}

/* As long as there are runners. */
static void look_after_runners(agent *self, weir_context *context)
{
    self->look_timer = 0;
    if (self->host->look_after && weir_map_count(self->jobs) > 0)
        self->look_timer = weir_context_set_timer(context, self->host->look_after(self->host));
}

static void start(void *actor, weir_context *context)
{
    agent *self = actor;
    weir_error error = WEIR_ERROR_INIT;

    if (weir_context_connect(context, DISPATCHER, self->dispatcher, WEIR_ROLE_DISPATCHER, &error) <
        0) {
        weir_context_fail_node(context, error.code, "cannot connect to the dispatcher: %s",
                               error.text);
    }
    sweep(self, context);
    self->unmet_timer = weir_context_set_timer(context, UNMET_FIRST_MS);
}

/* ---- registration ---- */

static void on_unmet_timer(agent *self, weir_context *context)
{
    if (weir_context_is_up(context, DISPATCHER))
        return;
    weir_context_log(context, WEIR_LOG_WARN,
                     "no answer from the dispatcher at %.*s; trying on; see "
                     "dispatcher.rpc.address, dispatcher.rpc.port, and whether that port is open",
                     (int)strcspn(self->dispatcher, "#"), self->dispatcher);
    self->unmet_timer = weir_context_set_timer(context, UNMET_AGAIN_MS);
}

static void register_slots(agent *self, weir_context *context);

static void on_registered(void *actor, weir_context *context, void *data,
                          const weir_envelope *reply, const weir_error *error)
{
    agent *self = actor;
    (void)data;
    (void)reply;

    self->register_request = 0;
    if (error) {
        weir_context_log(context, WEIR_LOG_WARN,
                         "the dispatcher did not register this TaskManager: %s", error->text);
        self->register_timer = weir_context_set_timer(context, REGISTER_AGAIN_MS);
        return;
    }
    weir_context_log(context, WEIR_LOG_INFO, "registered %u slots with the dispatcher at %s",
                     self->slots, self->dispatcher);
    if (self->registered)
        self->registered(self->registered_data);
    self->registered = NULL;
}

static void register_slots(agent *self, weir_context *context)
{
    Weir__Proto__Register body = WEIR__PROTO__REGISTER__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    size_t n = weir_map_count(self->jobs) + 1, cursor = 0;
    char **jobs = weir_calloc(n, sizeof(char *));
    uint32_t *counts = weir_calloc(n, sizeof *counts);
    const char *id;
    void *value;

    if (jobs && counts) {
        body.process = (char *)weir_context_process(context);
        body.role = (char *)"taskmanager";
        body.host = self->host_name;
        body.pid = self->pid;
        body.slots = self->slots;
        body.jobs = jobs;
        body.job_slots = counts;
        body.order = self->last_order;
        body.number = ++self->registrations;
        while (weir_map_next(self->jobs, &cursor, &id, &value)) {
            jobs[body.n_jobs++] = (char *)id;
            counts[body.n_job_slots++] = ((agent_job *)value)->count;
        }
        ask.body_case = WEIR__PROTO__ENVELOPE__BODY_REGISTER;
        ask.register_ = &body;
        if (self->register_request)
            weir_context_forget(context, self->register_request);
        self->register_request =
            weir_context_request(context, (weir_address){DISPATCHER, DISPATCHER}, &ask,
                                 ask_timeout(self), on_registered, NULL);
    }
    weir_free(jobs);
    weir_free(counts);
}

static agent_job *next_to_fence(const agent *self, const char *alias)
{
    size_t cursor = 0;
    const char *id;
    void *value;

    while (weir_map_next(self->jobs, &cursor, &id, &value)) {
        agent_job *job = value;
        if (strcmp(job->alias, alias) == 0 && job->state != JOB_ENDED && !job->is_fenced)
            return job;
    }
    return NULL;
}

/* A registration that was not heard yet is repeated as it was, perhaps to a dispatcher that knows
 * nothing else, and would then deny slots that were given since, or claim those that were given
 * back: it is withdrawn, and the present state told. */
static void register_change(agent *self, weir_context *context)
{
    if (self->register_request)
        register_slots(self, context);
}

/* A JobMaster gives up a TaskManager that it does not hear, and what it gave up may be run
 * elsewhere. So what runs here for a JobMaster that is not heard ends, at the same time and without
 * being told: no job has two owners. */
static void fence_jobs(agent *self, const char *alias, const char *why)
{
    agent_job *job;

    while ((job = next_to_fence(self, alias))) {
        job->is_fenced = true;
        if (job->state != JOB_RUNNING) {
            job->state = JOB_ENDED;
            continue;
        }
        job->fenced =
            weir_asprintf("was ended by its TaskManager, which lost the JobManager at %.*s: %s",
                          (int)strcspn(job->jobmanager, "#"), job->jobmanager, why);
        self->host->kill(self->host, job->id); /* which may end the job here */
    }
}

static void on_peer(void *actor, weir_context *context, enum weir_peer_event event,
                    const weir_peer_info *peer)
{
    agent *self = actor;

    if (strcmp(peer->process, DISPATCHER) != 0) {
        if (event == WEIR_PEER_REFUSED) { /* the next offer tries anew */
            weir_context_log(context, WEIR_LOG_WARN, "a JobManager refused this TaskManager: %s",
                             peer->text);
            weir_context_disconnect(context, peer->process);
        } else if (event == WEIR_PEER_DOWN) {
            fence_jobs(self, peer->process, peer->text ? peer->text : "no answer");
            drop_connection(self, context, peer->process);
        }
        return;
    }
    if (event == WEIR_PEER_UP) {
        register_slots(self, context);
    } else if (event == WEIR_PEER_REFUSED) {
        weir_context_fail_node(context, WEIR_EREFUSED,
                               "the dispatcher at %s refused this TaskManager: %s",
                               self->dispatcher, peer->text);
    } else if (!self->shutting_down) {
        weir_context_log(context, WEIR_LOG_WARN, "lost the dispatcher at %s: %s; tasks run on",
                         self->dispatcher, peer->text ? peer->text : "no answer");
        weir_context_cancel_timer(context, self->unmet_timer);
        self->unmet_timer = weir_context_set_timer(context, UNMET_AGAIN_MS);
    }
}

/* ---- starting a runner ---- */

static void report_exit(agent *self, weir_context *context, agent_job *job,
                        const weir_runner_exit *exit);

static void fail_job(agent *self, weir_context *context, agent_job *job, const char *reason)
{
    weir_runner_exit exit = {job->id, 0, 0, reason, ""};

    job->state = JOB_ENDED;
    report_exit(self, context, job, &exit);
}

/* What belongs to the host is the TaskManager's to say, whatever the job's configuration holds. */
static const char *const host_keys[] = {"taskmanager.host", "taskmanager.bind-host",
                                        "taskmanager.data.port",
                                        "taskmanager.network.max-connections", "security.insecure"};

static bool is_of_host(const char *key)
{
    return strncmp(key, "security.", 9) == 0;
}

/* The job's configuration with the host's keys over it. The pairs live as long as the arrays. */
static size_t runner_configuration(const agent *self, const agent_job *job,
                                   Weir__Proto__KeyValue *own, Weir__Proto__KeyValue **all)
{
    size_t count = 0;

    for (size_t i = 0; i < job->offer->n_configuration; i++) {
        if (!is_of_host(job->offer->configuration[i]->key))
            all[count++] = job->offer->configuration[i];
    }
    for (size_t i = 0; i < WEIR_COUNT(host_keys); i++) {
        size_t cursor = 0;
        const char *key, *value;
        while (weir_config_next(self->config, &cursor, &key, &value)) {
            if (strcmp(key, host_keys[i]) != 0)
                continue;
            weir__proto__key_value__init(&own[i]);
            own[i].key = (char *)key;
            own[i].value = (char *)value;
            all[count++] = &own[i];
        }
    }
    return count;
}

static void spawn_runner(agent *self, weir_context *context, agent_job *job, char *artifact)
{
    Weir__Proto__KeyValue own[WEIR_COUNT(host_keys)];
    Weir__Proto__KeyValue **all = weir_calloc(job->offer->n_configuration + WEIR_COUNT(host_keys),
                                              sizeof(Weir__Proto__KeyValue *));
    Weir__Proto__RunnerSpec spec = WEIR__PROTO__RUNNER_SPEC__INIT;
    weir_error error = WEIR_ERROR_INIT;
    char reason[WEIR_ERROR_TEXT_MAX + 64];

    spec.cluster = (char *)weir_config_string(self->config, "cluster.id");
    spec.job = job->id;
    spec.runner = job->offer->runner;
    spec.jobmanager = job->jobmanager;
    spec.master = job->master;
    spec.taskmanager = (char *)weir_context_process(context);
    spec.host = self->host_name;
    spec.artifact = artifact;
    spec.configuration = all;
    spec.n_configuration = all ? runner_configuration(self, job, own, all) : 0;
    spec.epoch = job->epoch;
    spec.slots = job->count;
    spec.job_key_public = job->offer->job_key_public;
    spec.job_key_secret = job->offer->job_key_secret;
    job->state = JOB_RUNNING;
    int rc = all ? self->host->spawn(self->host, &spec, &error)
                 : weir_error_set(&error, WEIR_ENO_MEMORY, "no memory");
    weir_free(all);
    forget_key(job);
    if (rc < 0) {
        snprintf(reason, sizeof reason, "could not be started: %s", error.text);
        fail_job(self, context, job, reason);
    } else if (self->look_timer == 0) {
        look_after_runners(self, context);
    }
}

static void fetch_artifact(agent *self, weir_context *context, agent_job *job, uint64_t offset);

static void on_chunk(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                     const weir_error *error)
{
    agent *self = actor;
    agent_job *job = job_of_number(self, data);
    weir_error failure = WEIR_ERROR_INIT;
    char path[4096], reason[WEIR_ERROR_TEXT_MAX + 64];

    if (!job || job->state != JOB_FETCHING)
        return;
    int rc = 0;
    if (!error && reply->body_case != WEIR__PROTO__ENVELOPE__BODY_ARTIFACT_CHUNK) {
        weir_error_set(&failure, WEIR_ECORRUPT, "the dispatcher answered with something else");
        error = &failure;
    }
    if (!error) {
        const Weir__Proto__ArtifactChunk *chunk = reply->artifact_chunk;
        rc = self->host->store_artifact(self->host, job->offer->artifact, chunk->offset,
                                        chunk->content.data, chunk->content.len, chunk->total,
                                        &failure);
        uint64_t next = chunk->offset + chunk->content.len;
        job->piece = weir_piece_next(job->piece, weir_context_now_ms(context) - job->asked_ms);
        if (rc == 0 && next < chunk->total && chunk->content.len > 0) {
            fetch_artifact(self, context, job, next);
            return;
        }
        if (rc == 0)
            rc = self->host->find_artifact(self->host, job->offer->artifact, path, sizeof path);
        if (rc == 0) {
            spawn_runner(self, context, job, path);
            return;
        }
        error = &failure;
    }
    snprintf(reason, sizeof reason, "could not be started: its artifact did not arrive: %s",
             error->text);
    fail_job(self, context, job, reason);
}

static void fetch_artifact(agent *self, weir_context *context, agent_job *job, uint64_t offset)
{
    Weir__Proto__FetchArtifact body = WEIR__PROTO__FETCH_ARTIFACT__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;

    job->state = JOB_FETCHING;
    job->asked_ms = weir_context_now_ms(context);
    body.artifact = job->offer->artifact;
    body.offset = offset;
    body.max_bytes = job->piece;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_FETCH_ARTIFACT;
    ask.fetch_artifact = &body;
    weir_context_request(context, (weir_address){DISPATCHER, DISPATCHER}, &ask, ask_timeout(self),
                         on_chunk, (void *)job->number);
}

static bool is_being_fetched(const agent *self, const char *artifact)
{
    size_t cursor = 0;
    const char *id;
    void *value;

    while (weir_map_next(self->jobs, &cursor, &id, &value)) {
        const agent_job *job = value;
        if (job->state == JOB_FETCHING && strcmp(job->offer->artifact, artifact) == 0)
            return true;
    }
    return false;
}

/* One job at a time fetches an artifact; others that need it look again. */
static void get_artifact(agent *self, weir_context *context, agent_job *job)
{
    char path[4096];

    if (self->host->find_artifact(self->host, job->offer->artifact, path, sizeof path) == 0) {
        spawn_runner(self, context, job, path);
    } else if (is_being_fetched(self, job->offer->artifact)) {
        job->state = JOB_WAITING;
        job->again_timer = weir_context_set_timer(context, LOOK_AGAIN_MS);
    } else {
        fetch_artifact(self, context, job, 0);
    }
}

static void offer_slots(agent *self, weir_context *context, agent_job *job);

/* The reply outlives its callback: a copy through the wire form. */
static int keep_offer(agent_job *job, const weir_envelope *reply)
{
    ProtobufCMessage *copy = NULL;
    int rc = weir_proto_copy(&reply->base, &copy);

    if (rc < 0)
        return rc;
    job->offer_envelope = (weir_envelope *)copy;
    job->offer = job->offer_envelope->offer_reply;
    job->epoch = job->offer->epoch;
    return 0;
}

static void on_offer_reply(void *actor, weir_context *context, void *data,
                           const weir_envelope *reply, const weir_error *error)
{
    agent *self = actor;
    agent_job *job = job_of_number(self, data);

    if (!job || job->state != JOB_OFFERING)
        return;
    if (error && error->code == WEIR_EUNAVAILABLE) {
        job->again_timer = weir_context_set_timer(context, OFFER_AGAIN_MS);
        return;
    }
    if (error || reply->body_case != WEIR__PROTO__ENVELOPE__BODY_OFFER_REPLY ||
        !reply->offer_reply->accepted || keep_offer(job, reply) < 0) {
        if (error)
            weir_context_log(context, WEIR_LOG_WARN,
                             "job %s: its JobManager at %.*s did not take the slots: %s", job->id,
                             (int)strcspn(job->jobmanager, "#"), job->jobmanager, error->text);
        else
            weir_context_log(context, WEIR_LOG_INFO,
                             "job %s did not take the slots: not needed any more", job->id);
        job->state = JOB_ENDED;
        return;
    }
    get_artifact(self, context, job);
}

static void offer_slots(agent *self, weir_context *context, agent_job *job)
{
    Weir__Proto__OfferSlots body = WEIR__PROTO__OFFER_SLOTS__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;

    body.job = job->id;
    body.count = job->count;
    body.taskmanager = (char *)weir_context_process(context);
    body.host = self->host_name;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_OFFER_SLOTS;
    ask.offer_slots = &body;
    weir_context_request(context, (weir_address){job->alias, job->master}, &ask, ask_timeout(self),
                         on_offer_reply, (void *)job->number);
}

static uint32_t slots_in_use(const agent *self)
{
    uint32_t used = 0;
    size_t cursor = 0;
    const char *id;
    void *value;

    while (weir_map_next(self->jobs, &cursor, &id, &value))
        used += ((agent_job *)value)->count;
    return used;
}

/* One connection per JobManager, whatever the number of its jobs: named after the endpoint. */
static void name_connection(agent_job *job)
{
    char hex[WEIR_ID_HEX];
    weir_id id = weir_id_derive(job->jobmanager);

    snprintf(job->alias, sizeof job->alias, "jobmanager-%.12s", weir_id_format(&id, hex));
}

static int add_job(agent *self, const Weir__Proto__AllocateSlots *allocate, agent_job **ret,
                   weir_error *err)
{
    uint32_t used = slots_in_use(self);
    weir_id checked;

    if (weir_id_parse(allocate->job, &checked) < 0 ||
        strlen(allocate->jobmanager) >= sizeof((agent_job *)0)->jobmanager ||
        strlen(allocate->master) >= sizeof((agent_job *)0)->master)
        return weir_error_set(err, WEIR_EINVALID,
                              "'%.40s' is no job, or its JobMaster has no place", allocate->job);
    if (allocate->count == 0 || allocate->count > self->slots - used)
        return weir_error_set(err, WEIR_ERESOURCES, "%u slots are wanted; %u of %u are free",
                              allocate->count, self->slots - used, self->slots);
    agent_job *job = weir_calloc(1, sizeof *job);
    if (!job)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for job %s", allocate->job);
    snprintf(job->id, sizeof job->id, "%s", allocate->job);
    snprintf(job->jobmanager, sizeof job->jobmanager, "%s", allocate->jobmanager);
    snprintf(job->master, sizeof job->master, "%s", allocate->master);
    job->count = allocate->count;
    job->number = ++self->last_number;
    job->piece = WEIR_PIECE_FIRST;
    name_connection(job);
    int rc = weir_map_put(self->jobs, job->id, job);
    if (rc < 0) {
        free_job(job);
        return weir_error_set(err, rc, "no memory for job %s", allocate->job);
    }
    *ret = job;
    return 0;
}

static int connect_to_master(weir_context *context, agent_job *job, weir_error *err)
{
    int rc = weir_context_connect(context, job->alias, job->jobmanager, WEIR_ROLE_JOBMANAGER, err);

    return rc == WEIR_EEXISTS ? 0 : rc; /* another job of the same JobManager */
}

static void on_allocate(agent *self, weir_context *context, const weir_envelope *message)
{
    const Weir__Proto__AllocateSlots *allocate = message->allocate_slots;
    weir_reply_to reply_to = weir_reply_to_of(message);
    agent_job *job = weir_map_get(self->jobs, allocate->job);
    weir_error error = WEIR_ERROR_INIT;

    if (allocate->order > self->last_order)
        self->last_order = allocate->order;
    int rc = job ? 0 : add_job(self, allocate, &job, &error);
    if (rc == 0 && job->state == JOB_OFFERING) {
        rc = connect_to_master(context, job, &error);
        if (rc == 0)
            offer_slots(self, context, job);
        else
            forget_job(self, context, job);
    }
    if (rc < 0) {
        weir_context_reply_error(context, &reply_to, rc, "%s", error.text);
        return;
    }
    weir_context_reply_ack(context, &reply_to);
    register_change(self, context);
}

/* ---- ends ---- */

static void on_exit_told(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                         const weir_error *error)
{
    (void)actor;
    (void)data;
    (void)reply;
    if (error && error->code != WEIR_ENOT_FOUND)
        weir_context_log(context, WEIR_LOG_WARN, "the end of a task runner could not be told: %s",
                         error->text);
}

static void report_exit(agent *self, weir_context *context, agent_job *job,
                        const weir_runner_exit *exit)
{
    Weir__Proto__RunnerExited body = WEIR__PROTO__RUNNER_EXITED__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;

    body.job = job->id;
    body.runner = job->offer ? job->offer->runner : 0;
    body.exit_code = exit->exit_code;
    body.signal = exit->signal;
    body.reason = (char *)exit->reason;
    body.log = (char *)exit->log;
    ask.epoch = job->epoch;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_RUNNER_EXITED;
    ask.runner_exited = &body;
    weir_context_request(context, (weir_address){job->alias, job->master}, &ask, ask_timeout(self),
                         on_exit_told, NULL);
}

void weir_agent_on_exit(void *actor, weir_context *context, const weir_runner_exit *exit)
{
    agent *self = actor;
    agent_job *job = weir_map_get(self->jobs, exit->job);

    if (!job || job->state != JOB_RUNNING)
        return;
    weir_runner_exit told = *exit;
    job->state = JOB_ENDED;
    if (job->fenced) {
        told.reason = job->fenced;
        told.log = "";
    }
    if (*told.reason) {
        weir_context_log(context, WEIR_LOG_WARN, "the task runner of job %s %s", job->id,
                         told.reason);
        report_exit(self, context, job, &told);
    }
    if (job->kill_timer) {
        weir_context_cancel_timer(context, job->kill_timer);
        forget_job(self, context, job);
    }
}

static void on_free(agent *self, weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    agent_job *job = weir_map_get(self->jobs, message->free_slots->job);

    weir_context_reply_ack(context, &reply_to);
    if (!job || job->kill_timer)
        return;
    if (job->state == JOB_RUNNING)
        job->kill_timer = weir_context_set_timer(context, FREED_GRACE_MS);
    else
        forget_job(self, context, job);
}

static void on_timer(void *actor, weir_context *context, uint64_t timer)
{
    agent *self = actor;
    size_t cursor = 0;
    const char *id;
    void *value;

    if (timer == self->unmet_timer)
        on_unmet_timer(self, context);
    if (timer == self->register_timer && weir_context_is_up(context, DISPATCHER))
        register_slots(self, context);
    if (timer == self->sweep_timer) {
        sweep(self, context);
        return;
    }
    if (timer == self->look_timer) {
        look_after_runners(self, context);
        return;
    }
    while (weir_map_next(self->jobs, &cursor, &id, &value)) {
        agent_job *job = value;
        if (job->again_timer == timer && job->state == JOB_OFFERING &&
            connect_to_master(context, job, NULL) == 0)
            offer_slots(self, context, job);
        else if (job->again_timer == timer && job->state == JOB_WAITING)
            get_artifact(self, context, job);
        if (job->kill_timer != timer)
            continue;
        self->host->kill(self->host, job->id);
        forget_job(self, context, job);
        return;
    }
}

static void shut_down(agent *self, weir_context *context, const char *reason)
{
    size_t cursor = 0;
    const char *id;
    void *value;

    weir_context_log(context, WEIR_LOG_INFO, "shutting down: %s", reason);
    self->shutting_down = true;
    while (weir_map_next(self->jobs, &cursor, &id, &value))
        self->host->kill(self->host, id);
    weir_context_stop_node(context);
}

/* ---- the actor ---- */

static void on_fetch_log(agent *self, weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    weir_buffer text = WEIR_BUFFER_INIT;
    weir_error error = WEIR_ERROR_INIT;

    if (self->host->read_log(self->host, message->fetch_log->what, message->fetch_log->max_bytes,
                             &text, &error) < 0) {
        weir_context_reply_error(context, &reply_to, error.code, "%s", error.text);
    } else {
        Weir__Proto__LogText body = WEIR__PROTO__LOG_TEXT__INIT;
        weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
        if (text.data)
            weir_text_clean_bytes((char *)text.data, text.size);
        body.text = (char *)weir_buffer_text(&text);
        body.source = (char *)weir_context_process(context);
        reply.body_case = WEIR__PROTO__ENVELOPE__BODY_LOG_TEXT;
        reply.log_text = &body;
        weir_context_reply(context, &reply_to, &reply);
    }
    weir_buffer_deinit(&text);
}

static void receive(void *actor, weir_context *context, const weir_envelope *message)
{
    agent *self = actor;
    weir_reply_to reply_to = weir_reply_to_of(message);

    switch (message->body_case) {
    case WEIR__PROTO__ENVELOPE__BODY_ALLOCATE_SLOTS:
        on_allocate(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_FREE_SLOTS:
        on_free(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_FETCH_LOG:
        on_fetch_log(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_SHUTDOWN:
        weir_context_reply_ack(context, &reply_to);
        shut_down(self, context, message->shutdown->reason);
        break;
    default:
        weir_context_reply_error(context, &reply_to, WEIR_EINVALID,
                                 "an agent does not answer this message");
        break;
    }
}

const weir_actor_class weir_agent_class = {"Agent", start, receive, on_timer, on_peer, destroy};
