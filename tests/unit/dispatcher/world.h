/* A small simulated cluster around a real dispatcher: puppets stand for clients, JobManagers and
 * TaskManagers. The dispatcher's disk (records, artifacts) outlives its incarnations. */
#ifndef TESTS_DISPATCHER_WORLD_H
#define TESTS_DISPATCHER_WORLD_H

#include "actors/simulator.h"
#include "base/map.h"
#include "base/memory.h"
#include "dispatcher/artifact_memory.h"
#include "dispatcher/dispatcher.h"
#include "proto/codec.h"
#include "store/memory_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define MAYBE_UNUSED __attribute__((unused))
#define BODY(name)   WEIR__PROTO__ENVELOPE__BODY_##name
#define ENDPOINT     "sim://dispatcher"
#define SECOND_US    INT64_C(1000000)
#define PUPPETS_MAX  32
#define JOBS_MAX     512

struct world;

typedef struct puppet {
    struct world *world;
    weir_simulated_node *node;
    char process[32], role[16];
    uint32_t slots; /* TaskManager */
    char jobs[JOBS_MAX]
             [33]; /* JobManager: those that it runs; TaskManager: those it has slots for */
    uint32_t job_slots[JOBS_MAX];
    size_t njobs;
    int starts;           /* StartJob of jobs that it did not run yet */
    int refuse_code;      /* AllocateSlots, StartJob are answered with this error; 0: acked */
    int ignore;           /* so many AllocateSlots are not answered */
    bool silent_register; /* does not register by itself */
    bool registered, peer_up;
    uint64_t epoch, order; /* order: of the last AllocateSlots */
    uint64_t cancels, frees, allocates, shutdowns;
    char last_cancelled[33];
} puppet;

typedef struct answer {
    bool done;
    int code;
    char text[WEIR_ERROR_TEXT_MAX];
    weir_envelope *reply;
} answer;

typedef struct world {
    weir_simulator *simulator;
    weir_records *records;
    weir_artifact_store *artifacts;
    weir_dispatcher_config config;
    weir_simulated_node *dispatcher;
    int incarnation;
    puppet *puppets[PUPPETS_MAX];
    size_t npuppets;
    char artifact[WEIR_DIGEST_HEX];
    weir_error failure;
} world;

/* ---- running ---- */

static MAYBE_UNUSED void run_for(world *w, int64_t us)
{
    (void)!weir_simulator_run(w->simulator, NULL, NULL, weir_simulator_now_us(w->simulator) + us);
}

static bool is_done(void *data)
{
    return ((answer *)data)->done;
}

/* ---- puppets ---- */

typedef struct member_actor { /* "client", "jobmanager", "agent", "job-<id>" */
    puppet *of;
} member_actor;

static weir_context *context_of(puppet *of)
{
    const char *name = strcmp(of->role, "taskmanager") == 0 ? "agent" : of->role;
    return weir_node_context(weir_simulated_node_get(of->node), name);
}

static bool puppet_has(const puppet *of, const char *job)
{
    for (size_t i = 0; i < of->njobs; i++) {
        if (strcmp(of->jobs[i], job) == 0)
            return true;
    }
    return false;
}

static MAYBE_UNUSED void puppet_add(puppet *of, const char *job, uint32_t slots)
{
    assert_true(of->njobs < JOBS_MAX);
    snprintf(of->jobs[of->njobs], sizeof of->jobs[0], "%.32s", job);
    of->job_slots[of->njobs++] = slots;
}

static MAYBE_UNUSED void puppet_remove(puppet *of, const char *job)
{
    for (size_t i = 0; i < of->njobs; i++) {
        if (strcmp(of->jobs[i], job) != 0)
            continue;
        of->njobs--;
        memmove(of->jobs[i], of->jobs[of->njobs], sizeof of->jobs[0]);
        of->job_slots[i] = of->job_slots[of->njobs];
        return;
    }
}

static uint32_t puppet_used(const puppet *of)
{
    uint32_t used = 0;
    for (size_t i = 0; i < of->njobs; i++)
        used += of->job_slots[i];
    return used;
}

static const weir_actor_class puppet_class;

static void on_start_job(puppet *of, weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    const Weir__Proto__StartJob *job = message->start_job;
    char name[WEIR_ACTOR_NAME_MAX];
    weir_error err = WEIR_ERROR_INIT;
    if (of->refuse_code != 0) {
        weir_context_reply_error(context, &reply_to, of->refuse_code, "not this one");
        return;
    }
    if (!puppet_has(of, job->job)) {
        member_actor *master = weir_alloc(sizeof *master);
        master->of = of;
        puppet_add(of, job->job, 0);
        of->starts++;
        snprintf(name, sizeof name, "job-%s", job->job);
        assert_int_equal(weir_context_spawn(context, name, &puppet_class, master, &err), 0);
    }
    weir_context_reply_ack(context, &reply_to);
}

static void on_allocate(puppet *of, weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    const Weir__Proto__AllocateSlots *allocate = message->allocate_slots;
    of->allocates++;
    if (of->ignore > 0) {
        of->ignore--;
        return;
    }
    if (of->refuse_code != 0) {
        weir_context_reply_error(context, &reply_to, of->refuse_code, "no");
        return;
    }
    assert_false(puppet_has(of, allocate->job));
    assert_in_range(allocate->count, 1, of->slots - puppet_used(of));
    puppet_add(of, allocate->job, allocate->count);
    of->order = allocate->order;
    weir_context_reply_ack(context, &reply_to);
}

static void reply_log(weir_context *context, const weir_envelope *message, const char *process)
{
    Weir__Proto__LogText body = WEIR__PROTO__LOG_TEXT__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    weir_reply_to reply_to = weir_reply_to_of(message);
    char text[128];
    snprintf(text, sizeof text, "%s '%s'", process, message->fetch_log->what);
    body.text = text;
    body.source = (char *)process;
    reply.body_case = BODY(LOG_TEXT);
    reply.log_text = &body;
    weir_context_reply(context, &reply_to, &reply);
}

static void reply_rows(weir_context *context, const weir_envelope *message)
{
    Weir__Proto__Rows body = WEIR__PROTO__ROWS__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    weir_reply_to reply_to = weir_reply_to_of(message);
    body.position = message->fetch_rows->position + 3;
    body.text.data = (uint8_t *)"+I\n";
    body.text.len = 3;
    reply.body_case = BODY(ROWS);
    reply.rows = &body;
    weir_context_reply(context, &reply_to, &reply);
}

static void puppet_receive(void *actor, weir_context *context, const weir_envelope *message)
{
    puppet *of = ((member_actor *)actor)->of;
    weir_reply_to reply_to = weir_reply_to_of(message);
    switch (message->body_case) {
    case BODY(START_JOB):
        on_start_job(of, context, message);
        break;
    case BODY(ALLOCATE_SLOTS):
        on_allocate(of, context, message);
        break;
    case BODY(FREE_SLOTS):
        of->frees++;
        puppet_remove(of, message->free_slots->job);
        weir_context_reply_ack(context, &reply_to);
        break;
    case BODY(CANCEL_JOB):
        of->cancels++;
        snprintf(of->last_cancelled, sizeof of->last_cancelled, "%s", message->cancel_job->job);
        weir_context_reply_ack(context, &reply_to);
        break;
    case BODY(FETCH_LOG):
        reply_log(context, message, of->process);
        break;
    case BODY(FETCH_ROWS):
        reply_rows(context, message);
        break;
    case BODY(SHUTDOWN):
        of->shutdowns++;
        weir_context_reply_ack(context, &reply_to);
        weir_context_stop_node(context);
        break;
    default:
        fail_msg("%s got body %d", of->process, message->body_case);
    }
}

static void on_registered(void *actor, weir_context *context, void *data,
                          const weir_envelope *reply, const weir_error *error)
{
    puppet *of = ((member_actor *)actor)->of;
    (void)context;
    (void)data;
    of->registered = error == NULL;
    if (error == NULL) {
        assert_int_equal(reply->body_case, BODY(REGISTER_REPLY));
        assert_string_equal(reply->register_reply->cluster, "test");
        of->epoch = reply->register_reply->epoch;
    }
}

static void fill_registration(puppet *of, Weir__Proto__Register *body, char **jobs)
{
    body->process = of->process;
    body->role = of->role;
    body->host = (char *)"host";
    body->pid = 4711;
    body->endpoint = (char *)"sim://of-puppet";
    body->order = of->order;
    body->jobs = jobs;
    for (size_t i = 0; i < of->njobs; i++)
        jobs[i] = of->jobs[i];
    body->n_jobs = of->njobs;
    if (strcmp(of->role, "taskmanager") == 0) {
        body->slots = of->slots;
        body->job_slots = of->job_slots;
        body->n_job_slots = of->njobs;
    }
}

static void do_register(puppet *of, weir_context *context)
{
    char *jobs[JOBS_MAX];
    Weir__Proto__Register body = WEIR__PROTO__REGISTER__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    fill_registration(of, &body, jobs);
    ask.body_case = BODY(REGISTER);
    ask.register_ = &body;
    weir_context_request(context, (weir_address){"dispatcher", "dispatcher"}, &ask, 5000,
                         on_registered, NULL);
}

static void puppet_peer(void *actor, weir_context *context, enum weir_peer_event event,
                        const weir_peer_info *info)
{
    puppet *of = ((member_actor *)actor)->of;
    if (strcmp(info->process, "dispatcher") != 0)
        return;
    of->peer_up = event == WEIR_PEER_UP;
    if (strncmp(weir_context_actor(context), "job-", 4) == 0)
        return;
    if (event == WEIR_PEER_UP && strcmp(of->role, "client") != 0 && !of->silent_register)
        do_register(of, context);
}

static void puppet_start(void *actor, weir_context *context)
{
    (void)actor;
    weir_error err = WEIR_ERROR_INIT;
    if (strncmp(weir_context_actor(context), "job-", 4) != 0)
        assert_int_equal(weir_context_connect(context, "dispatcher", ENDPOINT, 0, &err), 0);
}

static void puppet_destroy(void *actor)
{
    weir_free(actor);
}

static const weir_actor_class puppet_class = {"Puppet", puppet_start, puppet_receive,
                                              NULL,     puppet_peer,  puppet_destroy};

static weir_node_config node_config(const char *role, const char *process)
{
    return (weir_node_config){.cluster = "test",
                              .role = role,
                              .process = process,
                              .version = "1",
                              .heartbeat_interval_ms = 500,
                              .heartbeat_timeout_ms = 5000,
                              .retry_interval_ms = 200,
                              .peers_max = 64,
                              .message_max = 1 << 24};
}

/* A process; `role` may be any. Its events come as the simulator runs. */
static MAYBE_UNUSED puppet *add_puppet(world *w, const char *role, uint32_t slots)
{
    weir_error err = WEIR_ERROR_INIT;
    puppet *of = calloc(1, sizeof *of);
    member_actor *actor = weir_alloc(sizeof *actor);
    assert_true(w->npuppets < PUPPETS_MAX);
    of->world = w;
    of->slots = slots;
    snprintf(of->role, sizeof of->role, "%s", role);
    snprintf(of->process, sizeof of->process, "%s-%zu", role, w->npuppets);
    actor->of = of;
    w->puppets[w->npuppets++] = of;
    weir_node_config config = node_config(of->role, of->process);
    assert_int_equal(weir_simulator_add(w->simulator, &config, NULL, NULL, NULL, &of->node, &err),
                     0);
    assert_int_equal(weir_node_spawn(weir_simulated_node_get(of->node),
                                     strcmp(role, "taskmanager") == 0 ? "agent" : role,
                                     &puppet_class, actor, &err),
                     0);
    return of;
}

static MAYBE_UNUSED puppet *add_member(world *w, const char *role, uint32_t slots)
{
    puppet *of = add_puppet(w, role, slots);
    for (int i = 0; i < 100 && !of->registered && (strcmp(role, "client") != 0 || !of->peer_up);
         i++)
        run_for(w, SECOND_US / 100);
    assert_true(of->registered || of->peer_up);
    return of;
}

/* ---- asking ---- */

typedef struct question {
    puppet *of;
    const weir_envelope *envelope;
    answer *to;
    const char *actor;
} question;

static void on_answer(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                      const weir_error *error)
{
    answer *to = data;
    (void)actor;
    (void)context;
    to->done = true;
    if (error != NULL) {
        to->code = error->code;
        snprintf(to->text, sizeof to->text, "%s", error->text);
        return;
    }
    weir_buffer packed = WEIR_BUFFER_INIT;
    ProtobufCMessage *copy = NULL;
    assert_int_equal(weir_proto_pack(&reply->base, &packed), 0);
    assert_int_equal(weir_proto_unpack(&weir__proto__envelope__descriptor, packed.data, packed.size,
                                       1 << 26, &copy, NULL),
                     0);
    to->reply = (weir_envelope *)copy;
    weir_buffer_deinit(&packed);
}

static void put_question(void *data)
{
    question *of = data;
    weir_envelope copy = *of->envelope;
    weir_context_request(context_of(of->of), (weir_address){"dispatcher", "dispatcher"}, &copy,
                         120000, on_answer, of->to);
}

/* Asks without waiting for the answer; `to` must live until it is done or the puppet is dead. */
static MAYBE_UNUSED void ask_later(puppet *of, const weir_envelope *envelope, answer *to)
{
    question put = {of, envelope, to, NULL};
    *to = (answer){0};
    assert_int_equal(weir_simulator_schedule(of->world->simulator, of->node, 0, put_question, &put),
                     0);
    run_for(of->world, 1);
}

static MAYBE_UNUSED void wait_for(world *w, answer *to)
{
    (void)!weir_simulator_run(w->simulator, is_done, to,
                              weir_simulator_now_us(w->simulator) + 150 * SECOND_US);
    assert_true(to->done);
}

static MAYBE_UNUSED answer ask(puppet *of, const weir_envelope *envelope)
{
    answer to;
    ask_later(of, envelope, &to);
    wait_for(of->world, &to);
    return to;
}

static MAYBE_UNUSED void forget(answer *of)
{
    weir_proto_free(of->reply == NULL ? NULL : &of->reply->base);
    of->reply = NULL;
}

#define QUESTION(name, BODY_NAME, field, Type, INIT_NAME)                                          \
    Type name##_body = INIT_NAME;                                                                  \
    weir_envelope name = WEIR__PROTO__ENVELOPE__INIT;                                              \
    name.body_case = BODY(BODY_NAME);                                                              \
    name.field = &name##_body

static MAYBE_UNUSED const char *job_id(unsigned number)
{
    static char ids[16][33];
    static unsigned next;
    char *out = ids[next++ % 16];
    snprintf(out, 33, "%08x%024x", number * 2654435761u, number);
    return out;
}

static MAYBE_UNUSED void submit_later(puppet *client, const char *id, const char *name, answer *to)
{
    QUESTION(submit, SUBMIT_JOB, submit_job, Weir__Proto__SubmitJob, WEIR__PROTO__SUBMIT_JOB__INIT);
    submit_body.job = (char *)id;
    submit_body.name = (char *)name;
    submit_body.graph.data = (uint8_t *)"graph";
    submit_body.graph.len = 5;
    submit_body.artifact = client->world->artifact;
    submit_body.artifact_name = (char *)"job.so";
    ask_later(client, &submit, to);
}

static MAYBE_UNUSED answer submit(puppet *client, const char *id, const char *name)
{
    answer to;
    submit_later(client, id, name, &to);
    wait_for(client->world, &to);
    if (to.code == 0) {
        assert_int_equal(to.reply->body_case, BODY(SUBMIT_REPLY));
        assert_string_equal(to.reply->submit_reply->job, id);
    }
    forget(&to);
    return to;
}

static MAYBE_UNUSED answer describe(puppet *client, const char *what, uint64_t seen,
                                    uint32_t wait_ms)
{
    QUESTION(q, DESCRIBE_JOB, describe_job, Weir__Proto__DescribeJob,
             WEIR__PROTO__DESCRIBE_JOB__INIT);
    q_body.job = (char *)what;
    q_body.seen_version = seen;
    q_body.wait_ms = wait_ms;
    return ask(client, &q);
}

static MAYBE_UNUSED void assert_state(puppet *client, const char *job, const char *state)
{
    answer to = describe(client, job, 0, 0);
    if (to.code != 0)
        fail_msg("%s", to.text);
    assert_string_equal(to.reply->job_detail->summary->state, state);
    forget(&to);
}

static MAYBE_UNUSED answer report(puppet *jobmanager, const char *job, const char *state,
                                  uint64_t version, uint64_t records)
{
    Weir__Proto__JobSummary summary = WEIR__PROTO__JOB_SUMMARY__INIT;
    Weir__Proto__JobDetail detail = WEIR__PROTO__JOB_DETAIL__INIT;
    QUESTION(q, JOB_REPORT, job_report, Weir__Proto__JobReport, WEIR__PROTO__JOB_REPORT__INIT);
    summary.job = (char *)job;
    summary.name = (char *)"as the JobManager calls it";
    summary.state = (char *)state;
    summary.version = version;
    summary.records_in = records;
    detail.summary = &summary;
    q_body.detail = &detail;
    answer to = ask(jobmanager, &q);
    forget(&to);
    return to;
}

static MAYBE_UNUSED answer cancel(puppet *client, const char *job)
{
    QUESTION(q, CANCEL_JOB, cancel_job, Weir__Proto__CancelJob, WEIR__PROTO__CANCEL_JOB__INIT);
    q_body.job = (char *)job;
    answer to = ask(client, &q);
    forget(&to);
    return to;
}

/* ---- the dispatcher ---- */

static MAYBE_UNUSED void start_dispatcher(world *w)
{
    weir_error err = WEIR_ERROR_INIT;
    char process[32];
    void *self = NULL;
    snprintf(process, sizeof process, "dispatcher-%d", ++w->incarnation);
    weir_node_config config = node_config("dispatcher", process);
    assert_int_equal(
        weir_simulator_add(w->simulator, &config, ENDPOINT, NULL, NULL, &w->dispatcher, &err), 0);
    if (weir_dispatcher_new(&w->config, w->records, w->artifacts, &self, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(weir_node_spawn(weir_simulated_node_get(w->dispatcher), WEIR_DISPATCHER_ACTOR,
                                     &weir_dispatcher_class, self, &err),
                     0);
}

static MAYBE_UNUSED void kill_dispatcher(world *w)
{
    if (weir_simulated_node_is_alive(w->dispatcher))
        weir_simulator_kill(w->simulator, w->dispatcher);
    weir_memory_records_crash(w->records);
    weir_artifact_memory_crash(w->artifacts);
}

static MAYBE_UNUSED void restart_dispatcher(world *w)
{
    kill_dispatcher(w);
    start_dispatcher(w);
}

static MAYBE_UNUSED void put_artifact(world *w, const char *content)
{
    weir_digest digest = weir_digest_of(content, strlen(content));
    uint64_t received;
    bool complete = false;
    weir_digest_format(&digest, w->artifact);
    assert_int_equal(weir_artifact_append(w->artifacts, w->artifact, 0, strlen(content), content,
                                          strlen(content), &received, &complete, NULL),
                     0);
    assert_true(complete);
}

static MAYBE_UNUSED world *new_world(uint64_t seed)
{
    world *w = calloc(1, sizeof *w);
    assert_int_equal(weir_simulator_new(seed, &w->simulator), 0);
    assert_int_equal(weir_memory_records_new(&w->records), 0);
    assert_int_equal(weir_artifact_memory_new(1 << 20, &w->artifacts), 0);
    weir_dispatcher_config_init(&w->config);
    w->config.cluster = "test";
    w->config.version = "1";
    w->config.host = "here";
    w->config.endpoint = ENDPOINT;
    w->config.failure = &w->failure;
    put_artifact(w, "a shared object");
    return w;
}

static MAYBE_UNUSED void end_world(world *w)
{
    weir_simulator_destroy(&w->simulator);
    weir_records_close(&w->records);
    weir_artifact_store_close(&w->artifacts);
    for (size_t i = 0; i < w->npuppets; i++)
        free(w->puppets[i]);
    free(w);
}

#endif
