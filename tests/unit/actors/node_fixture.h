/* tests/unit/actors/node_fixture.h -- a node over a transport that the test plays: what goes out is
 * recorded, what comes in is written by hand. For the tests of the node. */
#ifndef TESTS_UNIT_ACTORS_NODE_FIXTURE_H
#define TESTS_UNIT_ACTORS_NODE_FIXTURE_H

#include "actors/node.h"
#include "base/log.h"
#include "base/memory.h"
#include "proto/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SENT_MAX = 8192, LOG_MAX = 512, INTERVAL = 1000, TIMEOUT = 5000, RETRY = 200 };

typedef struct wire {
    weir_transport transport;
    int64_t now_ms;
    uint64_t last_link, last_random;
    uint64_t disconnected[256];
    size_t disconnected_count;
    struct {
        uint64_t link;
        weir_envelope *envelope;
    } sent[SENT_MAX];
    size_t sent_count;
    char logs[LOG_MAX][256];
    size_t log_count;
    bool is_dead;
} wire;

static inline int wire_connect(weir_transport *self, const char *endpoint, weir_roles expected,
                               uint64_t *ret, weir_error *err)
{
    (void)expected;
    wire *w = (wire *)self;
    if (strcmp(endpoint, "bad") == 0)
        return weir_error_set(err, WEIR_EINVALID, "bad endpoint");
    *ret = ++w->last_link;
    return 0;
}

static inline void wire_disconnect(weir_transport *self, uint64_t link)
{
    wire *w = (wire *)self;
    if (w->disconnected_count < WEIR_COUNT(w->disconnected))
        w->disconnected[w->disconnected_count++] = link;
}

static inline int wire_send(weir_transport *self, uint64_t link, const void *bytes, size_t size)
{
    wire *w = (wire *)self;
    if (w->is_dead)
        return WEIR_EUNAVAILABLE;
    ProtobufCMessage *message = NULL;
    int rc = weir_proto_unpack(&weir__proto__envelope__descriptor, bytes, size, 64 << 20, &message,
                               NULL);
    if (rc == WEIR_ENO_MEMORY)
        return WEIR_EUNAVAILABLE;
    assert_int_equal(rc, 0);
    assert_true(w->sent_count < SENT_MAX);
    w->sent[w->sent_count].link = link;
    w->sent[w->sent_count++].envelope = (weir_envelope *)message;
    return 0;
}

static int64_t wire_now(weir_transport *self)
{
    return ((wire *)self)->now_ms;
}

static uint64_t wire_random(weir_transport *self)
{
    return ++((wire *)self)->last_random;
}

static inline void wire_log(weir_transport *self, int level, const char *line)
{
    (void)level;
    wire *w = (wire *)self;
    if (w->log_count < LOG_MAX)
        snprintf(w->logs[w->log_count++], sizeof w->logs[0], "%s", line);
}

/* An actor that writes down what happens to it. */
typedef struct witness {
    weir_context *context;
    char events[4096];
    weir_reply_to last;
    uint64_t received;
    bool answers, ends_itself, *destroyed;
} witness;

static inline void note(witness *self, const char *format, ...) WEIR_PRINTF(2, 3);

static inline void note(witness *self, const char *format, ...)
{
    size_t used = strlen(self->events);
    va_list args;
    va_start(args, format);
    vsnprintf(self->events + used, sizeof self->events - used, format, args);
    va_end(args);
}

static inline void witness_start(void *self, weir_context *context)
{
    ((witness *)self)->context = context;
    note(self, "start;");
}

static inline void witness_receive(void *data, weir_context *context, const weir_envelope *message)
{
    witness *self = data;
    self->received++;
    note(self, "got %d from %s/%s epoch %d;", (int)message->body_case, message->from_process,
         message->from, (int)message->epoch);
    self->last = weir_reply_to_of(message);
    if (self->ends_itself)
        weir_context_end(context, weir_context_actor(context));
    if (self->answers) {
        Weir__Proto__SubmitReply body = WEIR__PROTO__SUBMIT_REPLY__INIT;
        char job[32];
        snprintf(job, sizeof job, "answer-%d", (int)self->received);
        body.job = job;
        weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
        reply.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_REPLY;
        reply.submit_reply = &body;
        weir_context_reply(context, &self->last, &reply);
    }
}

static inline void witness_timer(void *self, weir_context *context, uint64_t timer)
{
    (void)context;
    note(self, "timer %d;", (int)timer);
}

static inline void witness_peer(void *self, weir_context *context, enum weir_peer_event event,
                                const weir_peer_info *peer)
{
    (void)context;
    static const char *const names[] = {"up", "down", "refused"};
    note(self, "%s %s %s %s %s;", names[event], peer->process, peer->id, peer->role, peer->text);
}

static inline void witness_destroy(void *data)
{
    witness *self = data;
    if (self->destroyed != NULL)
        *self->destroyed = true;
    weir_free(self);
}

static const weir_actor_class witness_class = {
    "witness", witness_start, witness_receive, witness_timer, witness_peer, witness_destroy,
};

static inline void on_reply(void *data, weir_context *context, void *tag,
                            const weir_envelope *reply, const weir_error *error)
{
    (void)context;
    witness *self = data;
    if (error != NULL)
        note(self, "%s failed %d %s;", (const char *)tag, error->code, error->text);
    else if (reply->body_case == WEIR__PROTO__ENVELOPE__BODY_SUBMIT_REPLY)
        note(self, "%s %s from %s/%s;", (const char *)tag, reply->submit_reply->job,
             reply->from_process, reply->from);
    else
        note(self, "%s reply %d;", (const char *)tag, (int)reply->body_case);
}

typedef struct fixture {
    wire wire;
    weir_node *node;
    witness *actor;
} fixture;

static inline weir_node_config config_of(const char *process)
{
    return (weir_node_config){
        .cluster = "c1",
        .role = "dispatcher",
        .process = process,
        .version = "0.1.0",
        .heartbeat_interval_ms = INTERVAL,
        .heartbeat_timeout_ms = TIMEOUT,
        .retry_interval_ms = RETRY,
        .peers_max = 4,
        .message_max = 64 << 10,
        .replies_kept = 8,
    };
}

static inline witness *spawn(weir_node *node, const char *name)
{
    witness *actor = weir_calloc(1, sizeof *actor);
    assert_int_equal(weir_node_spawn(node, name, &witness_class, actor, NULL), 0);
    weir_node_run(node);
    return actor;
}

static inline int setup(void **state)
{
    fixture *f = weir_calloc(1, sizeof *f);
    f->wire.transport = (weir_transport){
        .connect = wire_connect,
        .disconnect = wire_disconnect,
        .send = wire_send,
        .now_ms = wire_now,
        .wall_ms = wire_now,
        .random = wire_random,
        .log = wire_log,
    };
    f->wire.now_ms = 1000000;
    f->wire.last_link = 100;
    weir_node_config config = config_of("here");
    assert_int_equal(weir_node_new(&config, &f->wire.transport, &f->node, NULL), 0);
    f->actor = spawn(f->node, "door");
    f->actor->events[0] = '\0';
    *state = f;
    return 0;
}

static inline void forget_sent(fixture *f)
{
    for (size_t i = 0; i < f->wire.sent_count; i++)
        weir_proto_free(&f->wire.sent[i].envelope->base);
    f->wire.sent_count = 0;
}

static inline int teardown(void **state)
{
    fixture *f = *state;
    forget_sent(f);
    weir_node_destroy(&f->node);
    weir_free(f);
    return 0;
}

/* What was sent since the last call. */
static inline const weir_envelope *only_sent(fixture *f, uint64_t link)
{
    assert_int_equal(f->wire.sent_count, 1);
    assert_int_equal(f->wire.sent[0].link, link);
    return f->wire.sent[0].envelope;
}

static inline void give(fixture *f, uint64_t link, weir_envelope *envelope)
{
    weir_buffer bytes = WEIR_BUFFER_INIT;
    assert_int_equal(weir_proto_pack(&envelope->base, &bytes), 0);
    weir_node_on_message(f->node, link, bytes.data, bytes.size);
    weir_buffer_deinit(&bytes);
    weir_node_run(f->node);
}

static inline weir_envelope envelope_from(const char *process)
{
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.from_process = (char *)(uintptr_t)process;
    envelope.from = (char *)(uintptr_t) "client";
    envelope.to = (char *)(uintptr_t) "door";
    return envelope;
}

static inline void give_hello(fixture *f, uint64_t link, const char *process, uint64_t number,
                              const char *cluster, uint32_t oldest, uint32_t newest)
{
    Weir__Proto__PeerHello hello = WEIR__PROTO__PEER_HELLO__INIT;
    hello.protocol_min = oldest;
    hello.protocol_max = newest;
    hello.cluster = (char *)(uintptr_t)cluster;
    hello.process = (char *)(uintptr_t)process;
    hello.role = (char *)(uintptr_t) "client";
    hello.version = (char *)(uintptr_t) "0.1.0";
    weir_envelope envelope = envelope_from(process);
    envelope.correlation = number;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    give(f, link, &envelope);
}

static inline void admit(fixture *f, uint64_t link, const char *process, uint64_t number)
{
    give_hello(f, link, process, number, "c1", 1, 1);
    const weir_envelope *answer = only_sent(f, link);
    assert_int_equal(answer->body_case, WEIR__PROTO__ENVELOPE__BODY_WELCOME);
    assert_int_equal(answer->correlation, number);
    assert_string_equal(answer->welcome->process, "here");
    forget_sent(f);
    f->actor->events[0] = '\0';
}

static inline void give_request(fixture *f, uint64_t link, const char *process,
                                uint64_t correlation)
{
    Weir__Proto__SubmitJob job = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope envelope = envelope_from(process);
    envelope.correlation = correlation;
    envelope.epoch = 7;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &job;
    give(f, link, &envelope);
}

static inline void give_welcome(fixture *f, uint64_t link, const char *process, uint64_t number,
                                uint32_t protocol)
{
    Weir__Proto__Welcome welcome = WEIR__PROTO__WELCOME__INIT;
    welcome.protocol = protocol;
    welcome.process = (char *)(uintptr_t)process;
    welcome.role = (char *)(uintptr_t) "jobmanager";
    weir_envelope envelope = envelope_from(process);
    envelope.correlation = number;
    envelope.reply = true;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_WELCOME;
    envelope.welcome = &welcome;
    give(f, link, &envelope);
}

static inline void give_refuse(fixture *f, uint64_t link, uint64_t number, const char *text,
                               bool unknown)
{
    Weir__Proto__Refuse refuse = WEIR__PROTO__REFUSE__INIT;
    refuse.code = WEIR_EREFUSED;
    refuse.text = (char *)(uintptr_t)text;
    refuse.unknown_peer = unknown;
    weir_envelope envelope = envelope_from("there");
    envelope.correlation = number;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_REFUSE;
    envelope.refuse = &refuse;
    give(f, link, &envelope);
}

static inline void give_heartbeat(fixture *f, uint64_t link, const char *process)
{
    Weir__Proto__Heartbeat beat = WEIR__PROTO__HEARTBEAT__INIT;
    beat.number = 5;
    weir_envelope envelope = envelope_from(process);
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_HEARTBEAT;
    envelope.heartbeat = &beat;
    give(f, link, &envelope);
}

static inline void give_goodbye(fixture *f, uint64_t link, const char *process)
{
    Weir__Proto__Goodbye goodbye = WEIR__PROTO__GOODBYE__INIT;
    goodbye.reason = (char *)(uintptr_t) "done";
    weir_envelope envelope = envelope_from(process);
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_GOODBYE;
    envelope.goodbye = &goodbye;
    give(f, link, &envelope);
}

/* Lets time pass as a driver does. */
static inline void wait_ms(fixture *f, int64_t ms)
{
    int64_t end = f->wire.now_ms + ms;
    int64_t next = weir_node_run(f->node);
    while (next <= end) {
        f->wire.now_ms = next > f->wire.now_ms ? next : f->wire.now_ms;
        next = weir_node_run(f->node);
    }
    f->wire.now_ms = end;
    weir_node_run(f->node);
}

/* Connects "jm" and lets it answer as `process`. Returns the link. */
static inline uint64_t connect_up(fixture *f, const char *process)
{
    assert_int_equal(weir_context_connect(f->actor->context, "jm", "tcp://jm", 0, NULL), 0);
    uint64_t link = f->wire.last_link;
    const weir_envelope *hello = only_sent(f, link);
    assert_int_equal(hello->body_case, WEIR__PROTO__ENVELOPE__BODY_HELLO);
    uint64_t number = hello->correlation;
    forget_sent(f);
    give_welcome(f, link, process, number, 1);
    char expected[128];
    snprintf(expected, sizeof expected, "up jm %s jobmanager ;", process);
    assert_string_equal(f->actor->events, expected);
    f->actor->events[0] = '\0';
    assert_int_equal(f->wire.sent_count, 0);
    return link;
}

static inline uint64_t ask(fixture *f, const char *process, int64_t deadline_ms)
{
    Weir__Proto__SubmitJob job = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &job;
    return weir_context_request(f->actor->context, (weir_address){process, "master"}, &envelope,
                                deadline_ms, on_reply, (void *)(uintptr_t) "job");
}

static inline void give_reply(fixture *f, uint64_t link, const char *process, uint64_t correlation)
{
    Weir__Proto__SubmitReply body = WEIR__PROTO__SUBMIT_REPLY__INIT;
    body.job = (char *)(uintptr_t) "J";
    weir_envelope envelope = envelope_from(process);
    envelope.from = (char *)(uintptr_t) "master";
    envelope.correlation = correlation;
    envelope.reply = true;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_REPLY;
    envelope.submit_reply = &body;
    give(f, link, &envelope);
}

#endif
