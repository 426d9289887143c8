/* The client of the simulated cluster: uploads, submits, follows. */
#include "cluster.h"

#include "base/memory.h"
#include "connectors/catalog.h"
#include "graph/graph_codec.h"
#include "graph/module.h"
#include "operators/operators.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DISPATCHER "dispatcher"

typedef struct client {
    sim_cluster *cluster;
    weir_buffer graph;
    char job[WEIR_ID_HEX], artifact[WEIR_DIGEST_HEX];
    bool started;
    uint64_t cancel_timer;
} client;

static const char content[] = "what stands for the shared object on the simulated disks";

static void ask(client *self, weir_context *context, weir_envelope *envelope,
                weir_reply_callback callback)
{
    (void)self;
    weir_context_request(context, (weir_address){DISPATCHER, DISPATCHER}, envelope, 10000, callback,
                         NULL);
}

static void follow(client *self, weir_context *context, uint64_t seen);

static void on_detail(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                      const weir_error *error)
{
    client *self = actor;
    sim_result *result = self->cluster->result;
    (void)data;

    if (error) {
        if (error->code != WEIR_ETIMEOUT && error->code != WEIR_EUNAVAILABLE)
            fail_msg("seed %llu: the job is unknown: %s",
                     (unsigned long long)self->cluster->plan->seed, error->text);
        follow(self, context, 0);
        return;
    }
    const Weir__Proto__JobSummary *summary = reply->job_detail->summary;
    bool terminal = strcmp(summary->state, "FINISHED") == 0 ||
                    strcmp(summary->state, "FAILED") == 0 ||
                    strcmp(summary->state, "CANCELED") == 0;
    snprintf(result->state, sizeof result->state, "%s", summary->state);
    snprintf(result->error, sizeof result->error, "%s", summary->error);
    result->ended = terminal;
    if (!terminal)
        follow(self, context, summary->version);
}

static void follow(client *self, weir_context *context, uint64_t seen)
{
    Weir__Proto__DescribeJob body = WEIR__PROTO__DESCRIBE_JOB__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;

    body.job = self->job;
    body.seen_version = seen;
    body.wait_ms = 2000;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_DESCRIBE_JOB;
    envelope.describe_job = &body;
    ask(self, context, &envelope, on_detail);
}

static void submit(client *self, weir_context *context);

static void on_submitted(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                         const weir_error *error)
{
    client *self = actor;
    (void)data;
    (void)reply;

    if (error && (error->code == WEIR_ETIMEOUT || error->code == WEIR_EUNAVAILABLE))
        submit(self, context);
    else if (error)
        fail_msg("seed %llu: the submission was refused: %s",
                 (unsigned long long)self->cluster->plan->seed, error->text);
    else
        follow(self, context, 0);
}

static void submit(client *self, weir_context *context)
{
    Weir__Proto__SubmitJob body = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;

    body.job = self->job;
    body.name = (char *)"wordcount";
    body.graph.data = self->graph.data;
    body.graph.len = self->graph.size;
    body.artifact = self->artifact;
    body.artifact_name = (char *)"wordcount.so";
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &body;
    ask(self, context, &envelope, on_submitted);
}

static void upload(client *self, weir_context *context);

static void on_uploaded(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                        const weir_error *error)
{
    client *self = actor;
    (void)data;

    if (error && error->code != WEIR_ETIMEOUT && error->code != WEIR_EUNAVAILABLE)
        fail_msg("seed %llu: the upload was refused: %s",
                 (unsigned long long)self->cluster->plan->seed, error->text);
    if (error || !reply->upload_reply->complete)
        upload(self, context);
    else
        submit(self, context);
}

static void upload(client *self, weir_context *context)
{
    Weir__Proto__UploadChunk body = WEIR__PROTO__UPLOAD_CHUNK__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;

    body.artifact = self->artifact;
    body.total = sizeof content;
    body.content.data = (uint8_t *)(uintptr_t)content;
    body.content.len = sizeof content;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_UPLOAD_CHUNK;
    envelope.upload_chunk = &body;
    ask(self, context, &envelope, on_uploaded);
}

static void on_cancelled(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                         const weir_error *error)
{
    client *self = actor;
    (void)context;
    (void)data;
    (void)reply;
    self->cluster->cancelled = !error;
}

static void on_timer(void *actor, weir_context *context, uint64_t timer)
{
    client *self = actor;
    Weir__Proto__CancelJob body = WEIR__PROTO__CANCEL_JOB__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;

    if (timer != self->cancel_timer)
        return;
    body.job = self->job;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_CANCEL_JOB;
    envelope.cancel_job = &body;
    ask(self, context, &envelope, on_cancelled);
}

static void on_peer(void *actor, weir_context *context, enum weir_peer_event event,
                    const weir_peer_info *peer)
{
    client *self = actor;
    (void)peer;

    if (event == WEIR_PEER_UP && !self->started) {
        self->started = true;
        upload(self, context);
    }
}

static void start(void *actor, weir_context *context)
{
    client *self = actor;
    weir_error error = WEIR_ERROR_INIT;

    if (weir_context_connect(context, DISPATCHER, "sim://dispatcher", 0, &error) < 0)
        fail_msg("%s", error.text);
    if (self->cluster->plan->cancel_us != INT64_MAX)
        self->cancel_timer = weir_context_set_timer(context, self->cluster->plan->cancel_us / 1000);
}

static void receive(void *actor, weir_context *context, const weir_envelope *message)
{
    (void)actor;
    (void)context;
    (void)message;
}

static void destroy(void *actor)
{
    client *self = actor;

    weir_buffer_deinit(&self->graph);
    weir_free(self);
}

static const weir_actor_class client_class = {"Client", start, receive, on_timer, on_peer, destroy};

static void build_graph(client *self)
{
    const sim_plan *plan = self->cluster->plan;
    weir_loaded_module module;
    weir_environment *environment = NULL;
    weir_api api = {.size = sizeof api, .abi = WEIR_ABI};
    weir_error error = WEIR_ERROR_INIT;
    weir_environment_config config = {.catalog = weir_connectors(),
                                      .params = plan->params,
                                      .nparams = plan->nparams,
                                      .job_name = "",
                                      .parallelism = plan->parallelism,
                                      .max_parallelism = -1,
                                      .runtime_mode = plan->streaming ? 1 : 0};

    weir_environment_api(&api);
    weir_user_context_api(&api);
    if (weir_module_load(plan->module, &module, &error) < 0 ||
        weir_environment_build(module.module, &config, &api, &environment, &error) < 0 ||
        weir_graph_pack(weir_environment_graph(environment), &self->graph) < 0)
        fail_msg("%s", error.text);
    weir_environment_destroy(&environment);
    weir_module_unload(&module);
}

void sim_start_client(sim_cluster *cluster)
{
    client *self = weir_calloc(1, sizeof *self);
    weir_error error = WEIR_ERROR_INIT;
    char name[64];

    self->cluster = cluster;
    snprintf(name, sizeof name, "job %llu", (unsigned long long)cluster->plan->seed);
    weir_id id = weir_id_derive(name);
    weir_digest digest = weir_digest_of(content, sizeof content);
    weir_id_format(&id, self->job);
    weir_digest_format(&digest, self->artifact);
    build_graph(self);
    cluster->client = sim_add_node(cluster, "client", NULL, NULL, NULL);
    if (weir_node_spawn(weir_simulated_node_get(cluster->client), "client", &client_class, self,
                        &error) < 0)
        fail_msg("%s", error.text);
}
