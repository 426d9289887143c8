/* tests/sim/client.c -- a client of the simulated cluster, one per job: uploads, submits, asks
 * again with the same id when no answer comes, follows, fetches rows, cancels. What it was told
 * must stay true. */
#include "cluster.h"

#include "base/memory.h"
#include "connectors/catalog.h"
#include "graph/environment.h"
#include "graph/graph_codec.h"
#include "graph/module.h"
#include "operators/operators.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISPATCHER "dispatcher"

enum { CHUNK = 500, AGAIN_MS = 200, FOLLOW_WAIT_MS = 2000, ROWS_WAIT_MS = 1000, ROWS_MS = 6000 };

typedef struct client {
    sim_job *job;
    uint64_t uploaded;
    bool started, has_terminal_state, rows_ended;
    uint32_t submissions;
    uint64_t position; /* of rows */
    uint64_t submit_timer, cancel_timer, upload_timer, again_timer, rows_timer;
} client;

static bool may_pass(const weir_error *error)
{
    return error->code == WEIR_ETIMEOUT || error->code == WEIR_EUNAVAILABLE;
}

/* The dispatcher's disk, which may be well again later. */
static bool is_of_disk(const weir_error *error)
{
    return error->code == WEIR_ENO_SPACE || error->code == WEIR_EIO;
}

static void ask(client *self, weir_context *context, weir_envelope *envelope, int64_t deadline_ms,
                weir_reply_callback callback)
{
    (void)self;
    weir_context_request(context, (weir_address){DISPATCHER, DISPATCHER}, envelope, deadline_ms,
                         callback, NULL);
}

static void check_end(client *self)
{
    self->job->ended |= self->has_terminal_state && self->rows_ended;
}

/* ---- rows ---- */

static void fetch(client *self, weir_context *context);

static void take_rows(client *self, const Weir__Proto__Rows *rows)
{
    sim_job *job = self->job;
    uint64_t end = rows->position + rows->text.len;

    if (rows->position > self->position) {
        job->rows_lost = true;
        self->position = rows->position;
    }
    if (end > self->position) {
        uint64_t skip = self->position - rows->position;
        weir_buffer_append(&job->rows, rows->text.data + skip, rows->text.len - (size_t)skip);
        self->position = end;
    }
    self->rows_ended = rows->end;
}

static void on_rows(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                    const weir_error *error)
{
    client *self = actor;
    (void)data;

    if (error == NULL) {
        take_rows(self, reply->rows);
    } else if (error->code == WEIR_ENOT_FOUND) {
        self->rows_ended = true;
        self->job->rows_lost = true;
    } else if (!may_pass(error)) {
        sim_wrong(self->job->cluster, "job %u: its rows were refused: %s", self->job->index,
                  error->text);
    }
    check_end(self);
    if (error != NULL && !self->rows_ended)
        self->rows_timer = weir_context_set_timer(context, AGAIN_MS);
    else if (!self->rows_ended)
        fetch(self, context);
}

static void fetch(client *self, weir_context *context)
{
    Weir__Proto__FetchRows body = WEIR__PROTO__FETCH_ROWS__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;

    body.job = self->job->id;
    body.position = self->position;
    body.wait_ms = ROWS_WAIT_MS;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_FETCH_ROWS;
    envelope.fetch_rows = &body;
    ask(self, context, &envelope, ROWS_MS, on_rows);
}

/* ---- following ---- */

static void follow(client *self, weir_context *context, uint64_t seen);

static void on_detail(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                      const weir_error *error)
{
    client *self = actor;
    sim_job *job = self->job;
    (void)data;

    if (error) {
        if (!may_pass(error))
            sim_wrong(job->cluster, "job %u was accepted and is not known: %s", job->index,
                      error->text);
        follow(self, context, 0);
        return;
    }
    const Weir__Proto__JobSummary *summary = reply->job_detail->summary;
    if (summary->version < job->version)
        sim_wrong(job->cluster, "job %u: its version went back from %llu to %llu", job->index,
                  (unsigned long long)job->version, (unsigned long long)summary->version);
    job->version = summary->version;
    snprintf(job->state, sizeof job->state, "%s", summary->state);
    snprintf(job->error, sizeof job->error, "%s", summary->error);
    self->has_terminal_state = sim_is_terminal(job->state);
    check_end(self);
    if (!self->has_terminal_state)
        follow(self, context, summary->version);
}

static void follow(client *self, weir_context *context, uint64_t seen)
{
    Weir__Proto__DescribeJob body = WEIR__PROTO__DESCRIBE_JOB__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;

    body.job = self->job->id;
    body.seen_version = seen;
    body.wait_ms = FOLLOW_WAIT_MS;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_DESCRIBE_JOB;
    envelope.describe_job = &body;
    ask(self, context, &envelope, FOLLOW_WAIT_MS + self->job->plan->patience_ms, on_detail);
}

/* ---- submitting ---- */

static void submit(client *self, weir_context *context);

static void on_submitted(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                         const weir_error *error)
{
    client *self = actor;
    sim_job *job = self->job;
    (void)data;

    if (error != NULL && may_pass(error)) {
        submit(self, context);
        return;
    }
    if (error != NULL && is_of_disk(error)) {
        self->again_timer = weir_context_set_timer(context, AGAIN_MS);
        return;
    }
    if (error != NULL)
        sim_wrong(job->cluster, "job %u: its submission was refused: %s", job->index, error->text);
    if (strcmp(reply->submit_reply->job, job->id) != 0)
        sim_wrong(job->cluster, "job %u was submitted as %s and accepted as %s", job->index,
                  job->id, reply->submit_reply->job);
    if (job->accepted)
        return;
    job->accepted = true;
    follow(self, context, 0);
    if (job->plan->printed)
        fetch(self, context);
    if (job->plan->submits_again)
        submit(self, context);
}

static void submit(client *self, weir_context *context)
{
    sim_job *job = self->job;
    Weir__Proto__SubmitJob body = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;

    if (self->submissions++ > 0) {
        sim_made(job->cluster, SIM_SUBMITTED_AGAIN);
        if (sim_disk_has(job->cluster->disk, job))
            sim_mattered(job->cluster, SIM_SUBMITTED_AGAIN);
    }
    body.job = job->id;
    body.name = (char *)"a simulated job";
    body.graph.data = job->graph.data;
    body.graph.len = job->graph.size;
    body.artifact = job->artifact;
    body.artifact_name = (char *)"job.so";
    body.attached = job->plan->printed;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &body;
    ask(self, context, &envelope, job->plan->patience_ms, on_submitted);
}

/* ---- uploading ---- */

static void upload(client *self, weir_context *context);

static void on_uploaded(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                        const weir_error *error)
{
    client *self = actor;
    (void)data;

    if (error != NULL && is_of_disk(error)) {
        self->upload_timer = weir_context_set_timer(context, AGAIN_MS);
        return;
    }
    if (error != NULL && !may_pass(error))
        sim_wrong(self->job->cluster, "job %u: its upload was refused: %s", self->job->index,
                  error->text);
    if (error == NULL)
        self->uploaded = reply->upload_reply->received;
    if (error == NULL && reply->upload_reply->complete)
        submit(self, context);
    else
        upload(self, context);
}

static void upload(client *self, weir_context *context)
{
    const sim_artifact *artifact = &self->job->cluster->artifacts[self->job->plan->shapes];
    Weir__Proto__UploadChunk body = WEIR__PROTO__UPLOAD_CHUNK__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    size_t left = sizeof artifact->content - (size_t)self->uploaded;

    body.artifact = self->job->artifact;
    body.offset = self->uploaded;
    body.total = sizeof artifact->content;
    body.content.data = (uint8_t *)(uintptr_t)artifact->content + self->uploaded;
    body.content.len = left < CHUNK ? left : CHUNK;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_UPLOAD_CHUNK;
    envelope.upload_chunk = &body;
    ask(self, context, &envelope, self->job->plan->patience_ms, on_uploaded);
}

/* ---- cancelling ---- */

static void on_cancelled(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                         const weir_error *error)
{
    client *self = actor;
    sim_job *job = self->job;
    (void)data;
    (void)reply;

    if (error == NULL) {
        job->cancel_told = true;
        if (!self->has_terminal_state)
            sim_mattered(job->cluster, SIM_CANCELLED);
    } else if (error->code != WEIR_ESTATE && !self->has_terminal_state) {
        self->cancel_timer = weir_context_set_timer(context, AGAIN_MS);
    }
}

static void cancel(client *self, weir_context *context)
{
    Weir__Proto__CancelJob body = WEIR__PROTO__CANCEL_JOB__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;

    sim_made(self->job->cluster, SIM_CANCELLED);
    body.job = self->job->id;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_CANCEL_JOB;
    envelope.cancel_job = &body;
    ask(self, context, &envelope, self->job->plan->patience_ms, on_cancelled);
}

/* ---- the actor ---- */

static void on_timer(void *actor, weir_context *context, uint64_t timer)
{
    client *self = actor;

    if (timer == self->submit_timer || timer == self->upload_timer)
        upload(self, context);
    else if (timer == self->again_timer)
        submit(self, context);
    else if (timer == self->rows_timer)
        fetch(self, context);
    else if (timer == self->cancel_timer)
        cancel(self, context);
}

static void start(void *actor, weir_context *context)
{
    client *self = actor;
    const sim_job_plan *plan = self->job->plan;
    weir_error error = WEIR_ERROR_INIT;

    if (weir_context_connect(context, DISPATCHER, "sim://dispatcher", 0, &error) < 0)
        sim_wrong(self->job->cluster, "%s", error.text);
    self->submit_timer = weir_context_set_timer(context, plan->submit_us / 1000);
    if (plan->cancel_us != SIM_NEVER)
        self->cancel_timer =
            weir_context_set_timer(context, (plan->submit_us + plan->cancel_us) / 1000);
}

static void receive(void *actor, weir_context *context, const weir_envelope *message)
{
    (void)actor;
    (void)context;
    (void)message;
}

static const weir_actor_class client_class = {"Client", start, receive, on_timer, NULL, weir_free};

/* ---- the job's graph ---- */

static void build_graph(sim_job *job)
{
    char urls[4][SIM_URL_MAX];
    weir_graph_option params[] = {
        {"input", urls[0]}, {"output", urls[1]}, {"more", urls[2]}, {"joined", urls[3]}};
    weir_loaded_module module;
    weir_environment *environment = NULL;
    weir_api api = {.size = sizeof api, .abi = WEIR_ABI};
    weir_error error = WEIR_ERROR_INIT;
    weir_environment_config config = {.catalog = weir_connectors(),
                                      .params = params,
                                      .nparams = job->plan->shapes ? 4 : 2,
                                      .job_name = "",
                                      .parallelism = job->plan->parallelism,
                                      .max_parallelism = -1,
                                      .runtime_mode = job->plan->stream ? 1 : 0};

    sim_job_urls(job, urls);
    weir_environment_api(&api);
    weir_user_context_api(&api);
    if (weir_module_load(job->cluster->artifacts[job->plan->shapes].path, &module, &error) < 0 ||
        weir_environment_build(module.module, &config, &api, &environment, &error) < 0 ||
        weir_graph_pack(weir_environment_graph(environment), &job->graph) < 0)
        sim_wrong(job->cluster, "job %u cannot be built: %s", job->index, error.text);
    weir_environment_destroy(&environment);
    weir_module_unload(&module);
}

void sim_start_client(sim_job *job)
{
    client *self = weir_calloc(1, sizeof *self);

    if (self == NULL)
        abort();
    self->job = job;
    self->rows_ended = !job->plan->printed;
    sim_write_inputs(job);
    build_graph(job);
    job->client = sim_add_node(job->cluster, "client", NULL, NULL, NULL);
    sim_spawn(job->client, "client", &client_class, self);
    sim_start_probe(job);
}

void sim_free_job(sim_job *job)
{
    weir_buffer_deinit(&job->graph);
    weir_buffer_deinit(&job->rows);
    weir_free(job->channels);
}
