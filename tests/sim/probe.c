/* tests/sim/probe.c -- requests whose effect can be counted: a probe beside each client asks a
 * ledger beside the dispatcher. Whatever the network does, a request is carried out at most once in
 * an incarnation of the dispatcher, and the reply is of the incarnation that is there. */
#include "cluster.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISPATCHER "dispatcher" /* the client's alias of it */
#define LEDGER     "ledger"

enum { REQUESTS = 16, EVERY_MS = 80, LATE_MS = 1500, DEADLINE_MS = 15000 };

/* ---- the ledger ---- */

typedef struct ledger {
    const sim_cluster *cluster;
    uint8_t effects[SIM_JOBS_MAX][REQUESTS];
    struct {
        uint64_t timer;
        weir_reply_to to;
    } late[SIM_JOBS_MAX * REQUESTS];
    size_t nlate;
} ledger;

static void reply(weir_context *context, const weir_reply_to *to)
{
    Weir__Proto__SubmitReply body = WEIR__PROTO__SUBMIT_REPLY__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    body.job = (char *)(uintptr_t)weir_context_process(context);
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_REPLY;
    envelope.submit_reply = &body;
    weir_context_reply(context, to, &envelope);
}

static void ledger_receive(void *actor, weir_context *context, const weir_envelope *message)
{
    ledger *self = actor;
    unsigned who, what;

    if (message->body_case != WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB ||
        sscanf(message->submit_job->name, "%u/%u", &who, &what) != 2 || who >= SIM_JOBS_MAX ||
        what >= REQUESTS)
        sim_wrong(self->cluster, "a message came that nobody sent");
    if (++self->effects[who][what] > 1)
        sim_wrong(self->cluster, "request %u of client %u was carried out twice by one dispatcher",
                  what, who);
    weir_reply_to to = weir_reply_to_of(message);
    if (weir_context_random(context) % 2 == 0) {
        reply(context, &to);
        return;
    }
    self->late[self->nlate].to = to;
    self->late[self->nlate++].timer =
        weir_context_set_timer(context, (int64_t)(weir_context_random(context) % LATE_MS));
}

static void ledger_timer(void *actor, weir_context *context, uint64_t timer)
{
    ledger *self = actor;
    for (size_t i = 0; i < self->nlate; i++) {
        if (self->late[i].timer == timer)
            reply(context, &self->late[i].to);
    }
}

static const weir_actor_class ledger_class = {"Ledger",     NULL, ledger_receive,
                                              ledger_timer, NULL, weir_free};

void sim_start_ledger(sim_cluster *cluster, weir_simulated_node *node)
{
    ledger *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        abort();
    self->cluster = cluster;
    sim_spawn(node, LEDGER, &ledger_class, self);
}

/* ---- the probe ---- */

typedef struct probe {
    const sim_job *job;
    uint32_t asked, answered;
    char dispatcher[WEIR_PROCESS_NAME_MAX]; /* the present incarnation */
} probe;

static void on_answer(void *actor, weir_context *context, void *data, const weir_envelope *answer,
                      const weir_error *error)
{
    probe *self = actor;
    (void)context;
    (void)data;
    if (++self->answered > self->asked)
        sim_wrong(self->job->cluster, "a request had two outcomes");
    if (error == NULL && strcmp(answer->submit_reply->job, self->dispatcher) != 0)
        sim_wrong(self->job->cluster, "a reply of dispatcher %s was taken from dispatcher %s",
                  answer->submit_reply->job, self->dispatcher);
}

static void probe_timer(void *actor, weir_context *context, uint64_t timer)
{
    probe *self = actor;
    char name[32];
    (void)timer;
    Weir__Proto__SubmitJob body = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;

    snprintf(name, sizeof name, "%u/%u", self->job->index, self->asked++);
    body.name = name;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &body;
    weir_context_request(context, (weir_address){DISPATCHER, LEDGER}, &envelope, DEADLINE_MS,
                         on_answer, NULL);
    if (self->asked < REQUESTS)
        weir_context_set_timer(context, (int64_t)(weir_context_random(context) % EVERY_MS));
}

static void probe_start(void *actor, weir_context *context)
{
    (void)actor;
    weir_context_set_timer(context, (int64_t)(weir_context_random(context) % EVERY_MS));
}

static void probe_peer(void *actor, weir_context *context, enum weir_peer_event event,
                       const weir_peer_info *peer)
{
    probe *self = actor;
    (void)context;
    if (event == WEIR_PEER_UP)
        snprintf(self->dispatcher, sizeof self->dispatcher, "%s", peer->id);
}

static const weir_actor_class probe_class = {"Probe",     probe_start, NULL,
                                             probe_timer, probe_peer,  weir_free};

void sim_start_probe(const sim_job *job)
{
    probe *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        abort();
    self->job = job;
    sim_spawn(job->client, "probe", &probe_class, self);
}
