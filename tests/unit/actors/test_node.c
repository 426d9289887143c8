/* tests/unit/actors/test_node.c -- the node over a transport that the test plays: what goes out is
 * recorded, what comes in is written by hand. */
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

static int wire_connect(weir_transport *self, const char *endpoint, uint64_t *ret, weir_error *err)
{
    wire *w = (wire *)self;
    if (strcmp(endpoint, "bad") == 0)
        return weir_error_set(err, WEIR_EINVALID, "bad endpoint");
    *ret = ++w->last_link;
    return 0;
}

static void wire_disconnect(weir_transport *self, uint64_t link)
{
    wire *w = (wire *)self;
    if (w->disconnected_count < WEIR_COUNT(w->disconnected))
        w->disconnected[w->disconnected_count++] = link;
}

static int wire_send(weir_transport *self, uint64_t link, const void *bytes, size_t size)
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

static void wire_log(weir_transport *self, int level, const char *line)
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

static void note(witness *self, const char *format, ...) WEIR_PRINTF(2, 3);

static void note(witness *self, const char *format, ...)
{
    size_t used = strlen(self->events);
    va_list args;
    va_start(args, format);
    vsnprintf(self->events + used, sizeof self->events - used, format, args);
    va_end(args);
}

static void witness_start(void *self, weir_context *context)
{
    ((witness *)self)->context = context;
    note(self, "start;");
}

static void witness_receive(void *data, weir_context *context, const weir_envelope *message)
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

static void witness_timer(void *self, weir_context *context, uint64_t timer)
{
    (void)context;
    note(self, "timer %d;", (int)timer);
}

static void witness_peer(void *self, weir_context *context, enum weir_peer_event event,
                         const weir_peer_info *peer)
{
    (void)context;
    static const char *const names[] = {"up", "down", "refused"};
    note(self, "%s %s %s %s %s;", names[event], peer->process, peer->id, peer->role, peer->text);
}

static void witness_destroy(void *data)
{
    witness *self = data;
    if (self->destroyed != NULL)
        *self->destroyed = true;
    weir_free(self);
}

static const weir_actor_class witness_class = {
    "witness", witness_start, witness_receive, witness_timer, witness_peer, witness_destroy,
};

static void on_reply(void *data, weir_context *context, void *tag, const weir_envelope *reply,
                     const weir_error *error)
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

static weir_node_config config_of(const char *process)
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

static witness *spawn(weir_node *node, const char *name)
{
    witness *actor = weir_calloc(1, sizeof *actor);
    assert_int_equal(weir_node_spawn(node, name, &witness_class, actor, NULL), 0);
    weir_node_run(node);
    return actor;
}

static int setup(void **state)
{
    fixture *f = weir_calloc(1, sizeof *f);
    f->wire.transport = (weir_transport){
        wire_connect, wire_disconnect, wire_send, wire_now, wire_now, wire_random, wire_log,
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

static void forget_sent(fixture *f)
{
    for (size_t i = 0; i < f->wire.sent_count; i++)
        weir_proto_free(&f->wire.sent[i].envelope->base);
    f->wire.sent_count = 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    forget_sent(f);
    weir_node_destroy(&f->node);
    weir_free(f);
    return 0;
}

/* What was sent since the last call. */
static const weir_envelope *only_sent(fixture *f, uint64_t link)
{
    assert_int_equal(f->wire.sent_count, 1);
    assert_int_equal(f->wire.sent[0].link, link);
    return f->wire.sent[0].envelope;
}

static void give(fixture *f, uint64_t link, weir_envelope *envelope)
{
    weir_buffer bytes = WEIR_BUFFER_INIT;
    assert_int_equal(weir_proto_pack(&envelope->base, &bytes), 0);
    weir_node_on_message(f->node, link, bytes.data, bytes.size);
    weir_buffer_deinit(&bytes);
    weir_node_run(f->node);
}

static weir_envelope envelope_from(const char *process)
{
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.from_process = (char *)(uintptr_t)process;
    envelope.from = (char *)(uintptr_t)"client";
    envelope.to = (char *)(uintptr_t)"door";
    return envelope;
}

static void give_hello(fixture *f, uint64_t link, const char *process, uint64_t number,
                       const char *cluster, uint32_t oldest, uint32_t newest)
{
    Weir__Proto__PeerHello hello = WEIR__PROTO__PEER_HELLO__INIT;
    hello.protocol_min = oldest;
    hello.protocol_max = newest;
    hello.cluster = (char *)(uintptr_t)cluster;
    hello.process = (char *)(uintptr_t)process;
    hello.role = (char *)(uintptr_t)"client";
    hello.version = (char *)(uintptr_t)"0.1.0";
    weir_envelope envelope = envelope_from(process);
    envelope.correlation = number;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    give(f, link, &envelope);
}

static void admit(fixture *f, uint64_t link, const char *process, uint64_t number)
{
    give_hello(f, link, process, number, "c1", 1, 1);
    const weir_envelope *answer = only_sent(f, link);
    assert_int_equal(answer->body_case, WEIR__PROTO__ENVELOPE__BODY_WELCOME);
    assert_int_equal(answer->correlation, number);
    assert_string_equal(answer->welcome->process, "here");
    forget_sent(f);
    f->actor->events[0] = '\0';
}

static void give_request(fixture *f, uint64_t link, const char *process, uint64_t correlation)
{
    Weir__Proto__SubmitJob job = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope envelope = envelope_from(process);
    envelope.correlation = correlation;
    envelope.epoch = 7;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &job;
    give(f, link, &envelope);
}

static void give_welcome(fixture *f, uint64_t link, const char *process, uint64_t number,
                         uint32_t protocol)
{
    Weir__Proto__Welcome welcome = WEIR__PROTO__WELCOME__INIT;
    welcome.protocol = protocol;
    welcome.process = (char *)(uintptr_t)process;
    welcome.role = (char *)(uintptr_t)"jobmanager";
    weir_envelope envelope = envelope_from(process);
    envelope.correlation = number;
    envelope.reply = true;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_WELCOME;
    envelope.welcome = &welcome;
    give(f, link, &envelope);
}

static void give_refuse(fixture *f, uint64_t link, uint64_t number, const char *text, bool unknown)
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

static void give_heartbeat(fixture *f, uint64_t link, const char *process)
{
    Weir__Proto__Heartbeat beat = WEIR__PROTO__HEARTBEAT__INIT;
    beat.number = 5;
    weir_envelope envelope = envelope_from(process);
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_HEARTBEAT;
    envelope.heartbeat = &beat;
    give(f, link, &envelope);
}

static void give_goodbye(fixture *f, uint64_t link, const char *process)
{
    Weir__Proto__Goodbye goodbye = WEIR__PROTO__GOODBYE__INIT;
    goodbye.reason = (char *)(uintptr_t)"done";
    weir_envelope envelope = envelope_from(process);
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_GOODBYE;
    envelope.goodbye = &goodbye;
    give(f, link, &envelope);
}

/* Lets time pass as a driver does. */
static void wait_ms(fixture *f, int64_t ms)
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
static uint64_t connect_up(fixture *f, const char *process)
{
    assert_int_equal(weir_context_connect(f->actor->context, "jm", "tcp://jm", NULL), 0);
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

static uint64_t ask(fixture *f, const char *process, int64_t deadline_ms)
{
    Weir__Proto__SubmitJob job = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &job;
    return weir_context_request(f->actor->context, (weir_address){process, "master"}, &envelope,
                                deadline_ms, on_reply, (void *)(uintptr_t)"job");
}

static void give_reply(fixture *f, uint64_t link, const char *process, uint64_t correlation)
{
    Weir__Proto__SubmitReply body = WEIR__PROTO__SUBMIT_REPLY__INIT;
    body.job = (char *)(uintptr_t)"J";
    weir_envelope envelope = envelope_from(process);
    envelope.from = (char *)(uintptr_t)"master";
    envelope.correlation = correlation;
    envelope.reply = true;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_REPLY;
    envelope.submit_reply = &body;
    give(f, link, &envelope);
}

/* --- the acceptor's side --- */

static void test_hello_is_welcomed_once(void **state)
{
    fixture *f = *state;
    give_hello(f, 1, "cli-1", 1, "c1", 1, 3);
    const weir_envelope *answer = only_sent(f, 1);
    assert_int_equal(answer->body_case, WEIR__PROTO__ENVELOPE__BODY_WELCOME);
    assert_int_equal(answer->welcome->protocol, 1);
    assert_string_equal(answer->from_process, "here");
    assert_string_equal(f->actor->events, "up cli-1 cli-1 client ;");
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
    forget_sent(f);
    f->actor->events[0] = '\0';
    /* A repeat is welcomed again and is no news; a new handshake of the same incarnation is. */
    admit(f, 1, "cli-1", 1);
    give_hello(f, 1, "cli-1", 1, "c1", 1, 3);
    assert_string_equal(f->actor->events, "");
    give_hello(f, 1, "cli-1", 2, "c1", 1, 3);
    assert_string_equal(f->actor->events, "up cli-1 cli-1 client ;");
    /* An overtaken one of before is ignored. */
    forget_sent(f);
    give_hello(f, 1, "cli-1", 1, "c1", 1, 3);
    assert_int_equal(f->wire.sent_count, 0);
}

static void expect_refusal(fixture *f, int code, const char *text)
{
    const weir_envelope *answer = only_sent(f, 1);
    assert_int_equal(answer->body_case, WEIR__PROTO__ENVELOPE__BODY_REFUSE);
    assert_int_equal(answer->refuse->code, code);
    assert_false(answer->refuse->unknown_peer);
    assert_non_null(strstr(answer->refuse->text, text));
    assert_string_equal(f->actor->events, "");
    forget_sent(f);
}

static void test_bad_hellos_are_refused(void **state)
{
    fixture *f = *state;
    give_hello(f, 1, "cli-1", 1, "c2", 1, 1);
    expect_refusal(f, WEIR_EREFUSED, "'c2'");
    give_hello(f, 1, "cli-1", 1, "c1", 2, 3);
    expect_refusal(f, WEIR_EVERSION, "2 to 3");
    give_hello(f, 1, "cli-1", 1, "c1", 0, 0);
    expect_refusal(f, WEIR_EVERSION, "0 to 0");
    give_hello(f, 1, "", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EINVALID, "bad process id");
    give_hello(f, 1, "a b", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EINVALID, "bad process id");
    char name[WEIR_PROCESS_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    name[WEIR_PROCESS_NAME_MAX] = '\0';
    give_hello(f, 1, name, 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EINVALID, "bad process id");
    give_hello(f, 1, "here", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EREFUSED, "taken");
    /* The same complaint of one link is logged once. */
    assert_int_equal(f->wire.log_count, 1);
    name[WEIR_PROCESS_NAME_MAX - 1] = '\0';
    admit(f, 1, name, 1);
}

static void test_a_link_speaks_for_one_process(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    give_hello(f, 1, "cli-2", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EREFUSED, "'cli-1'");
    give_request(f, 1, "cli-2", 5);
    assert_int_equal(f->actor->received, 0);
    expect_refusal(f, WEIR_EREFUSED, "process id");
}

static void test_an_alias_is_not_taken_over(void **state)
{
    fixture *f = *state;
    connect_up(f, "jm-1");
    give_hello(f, 1, "jm", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EREFUSED, "taken");
}

static void test_a_stranger_is_told_to_say_hello(void **state)
{
    fixture *f = *state;
    give_request(f, 1, "cli-1", 5);
    const weir_envelope *answer = only_sent(f, 1);
    assert_int_equal(answer->body_case, WEIR__PROTO__ENVELOPE__BODY_REFUSE);
    assert_true(answer->refuse->unknown_peer);
    forget_sent(f);
    give_heartbeat(f, 1, "cli-1");
    assert_int_equal(f->wire.sent_count, 1);
    forget_sent(f);
    assert_int_equal(f->actor->received, 0);
    give_goodbye(f, 1, "cli-1"); /* these need no answer, and would be answered for ever */
    give_refuse(f, 1, 0, "say hello", true);
    give_welcome(f, 1, "cli-1", 1, 1);
    assert_int_equal(f->wire.sent_count, 0);
}

static void test_too_many_peers(void **state)
{
    fixture *f = *state;
    char name[16];
    for (uint64_t i = 1; i <= 4; i++) {
        snprintf(name, sizeof name, "cli-%d", (int)i);
        admit(f, i + 10, name, i);
    }
    give_hello(f, 1, "cli-5", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_ERESOURCES, "4 connections");
    give_goodbye(f, 11, "cli-1");
    f->actor->events[0] = '\0';
    admit(f, 1, "cli-5", 1);
}

static void test_records_of_the_gone_are_bounded(void **state)
{
    fixture *f = *state;
    char name[16];
    for (uint64_t i = 1; i <= 1000; i++) {
        snprintf(name, sizeof name, "cli-%d", (int)i);
        admit(f, i + 1000, name, 1);
        f->actor->answers = true;
        give_request(f, i + 1000, name, 1);
        give_goodbye(f, i + 1000, name);
        forget_sent(f);
        f->actor->events[0] = '\0';
    }
    /* The latest is remembered: its late hello is one of a closed connection. */
    give_hello(f, 9000, "cli-1000", 1, "c1", 1, 1);
    assert_int_equal(f->wire.sent_count, 0);
    /* The first was forgotten long ago. */
    admit(f, 9001, "cli-1", 1);
}

static void test_junk_is_logged_once_and_bounded(void **state)
{
    fixture *f = *state;
    uint64_t random = 42;
    uint8_t junk[300];
    for (uint64_t link = 1; link <= 2000; link++) {
        for (size_t i = 0; i < sizeof junk; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            junk[i] = (uint8_t)(random >> 56);
        }
        weir_node_on_message(f->node, link, junk, 1 + (size_t)(random >> 33) % sizeof junk);
        weir_node_on_message(f->node, link, junk, sizeof junk);
        weir_node_on_message(f->node, link, "", 0);
        weir_node_run(f->node);
    }
    assert_int_equal(f->actor->received, 0);
    assert_true(f->wire.log_count > 0 && f->wire.log_count <= 20);
    /* All but the last few links were forgotten again. */
    assert_int_equal(f->wire.disconnected_count, WEIR_COUNT(f->wire.disconnected));
    admit(f, 2001, "cli-1", 1);
    size_t logged = f->wire.log_count;
    weir_node_on_message(f->node, 2001, junk, sizeof junk);
    weir_node_on_message(f->node, 2001, junk, sizeof junk);
    assert_int_equal(f->wire.log_count, logged + 1);
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
}

static void test_every_cut_of_a_message_is_survived(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    Weir__Proto__SubmitJob job = WEIR__PROTO__SUBMIT_JOB__INIT;
    job.name = (char *)(uintptr_t)"a name";
    weir_envelope envelope = envelope_from("cli-1");
    envelope.correlation = 9;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &job;
    weir_buffer bytes = WEIR_BUFFER_INIT;
    assert_int_equal(weir_proto_pack(&envelope.base, &bytes), 0);
    for (size_t size = 0; size < bytes.size; size++) {
        uint8_t *exact = weir_alloc(size); /* so that a read behind the end is seen */
        memcpy(exact, bytes.data, size);
        weir_node_on_message(f->node, 1, exact, size);
        weir_free(exact);
    }
    for (size_t i = 0; i < bytes.size * 8; i++) {
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
        weir_node_on_message(f->node, 1, bytes.data, bytes.size);
        weir_node_run(f->node);
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    weir_buffer_deinit(&bytes);
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
}

static void test_a_message_over_the_limit_is_dropped(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    uint8_t *large = weir_calloc(1, (64 << 10) + 1);
    weir_node_on_message(f->node, 1, large, (64 << 10) + 1);
    weir_free(large);
    assert_int_equal(f->wire.log_count, 1);
    assert_non_null(strstr(f->wire.logs[0], "65537 bytes"));
}

static void test_bad_addresses_are_dropped(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    char name[WEIR_ACTOR_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    name[WEIR_ACTOR_NAME_MAX] = '\0';
    Weir__Proto__Ack ack = WEIR__PROTO__ACK__INIT;
    weir_envelope envelope = envelope_from("cli-1");
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_ACK;
    envelope.ack = &ack;
    envelope.from = name;
    give(f, 1, &envelope);
    envelope.from = (char *)(uintptr_t)"no\nname";
    give(f, 1, &envelope);
    assert_int_equal(f->actor->received, 0);
    envelope.from = (char *)(uintptr_t)"name";
    give(f, 1, &envelope);
    assert_int_equal(f->actor->received, 1);
}

static void test_heartbeats_are_answered_and_silence_is_death(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    for (int i = 0; i < 4; i++) {
        wait_ms(f, TIMEOUT - 1);
        give_heartbeat(f, 1, "cli-1");
        const weir_envelope *answer = only_sent(f, 1);
        assert_int_equal(answer->body_case, WEIR__PROTO__ENVELOPE__BODY_HEARTBEAT);
        assert_int_equal(answer->heartbeat->number, 5);
        forget_sent(f);
    }
    wait_ms(f, TIMEOUT - 1);
    give_request(f, 1, "cli-1", 77); /* any message counts */
    wait_ms(f, TIMEOUT - 1);
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
    f->actor->events[0] = '\0';
    wait_ms(f, 1);
    assert_string_equal(f->actor->events, "down cli-1 cli-1 client no sign of life for 5 s;");
    assert_false(weir_context_is_up(f->actor->context, "cli-1"));
    /* It is a stranger now. */
    give_heartbeat(f, 1, "cli-1");
    assert_true(only_sent(f, 1)->refuse->unknown_peer);
}

static void test_a_stalled_process_gives_its_peers_another_interval(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    weir_node_run(f->node);
    f->wire.now_ms += 10 * TIMEOUT;
    weir_node_run(f->node);
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
    wait_ms(f, INTERVAL);
    assert_false(weir_context_is_up(f->actor->context, "cli-1"));
}

static void test_goodbye_is_down_at_once_and_final(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 3);
    give_goodbye(f, 1, "cli-1");
    assert_string_equal(f->actor->events, "down cli-1 cli-1 client it said goodbye: done;");
    f->actor->events[0] = '\0';
    give_hello(f, 2, "cli-1", 3, "c1", 1, 1); /* a late repeat */
    assert_int_equal(f->wire.sent_count, 0);
    assert_string_equal(f->actor->events, "");
    admit(f, 2, "cli-1", 4); /* connected again */
}

static void test_a_known_process_on_a_new_link_replaces_the_old(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    give_request(f, 1, "cli-1", 50);
    give_hello(f, 2, "cli-1", 2, "c1", 1, 1);
    assert_int_equal(f->wire.disconnected[0], 1);
    forget_sent(f);
    f->actor->events[0] = '\0';
    /* The old link is a stranger's; what it asked is answered on the new one. */
    give_heartbeat(f, 1, "cli-1");
    assert_true(only_sent(f, 1)->refuse->unknown_peer);
    forget_sent(f);
    weir_context_reply_ack(f->actor->context, &f->actor->last);
    assert_int_equal(only_sent(f, 2)->correlation, 50);
}

/* --- requests of others --- */

static void test_requests_run_once_and_repeats_are_answered(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    give_request(f, 1, "cli-1", 50);
    give_request(f, 1, "cli-1", 50);
    assert_string_equal(f->actor->events, "got 20 from cli-1/client epoch 7;");
    assert_int_equal(f->wire.sent_count, 0);
    weir_context_reply_error(f->actor->context, &f->actor->last, WEIR_ESTALE, "epoch %d", 3);
    weir_context_reply_ack(f->actor->context, &f->actor->last); /* a second answer is none */
    const weir_envelope *reply = only_sent(f, 1);
    assert_int_equal(reply->body_case, WEIR__PROTO__ENVELOPE__BODY_ERROR);
    assert_int_equal(reply->error->code, WEIR_ESTALE);
    assert_string_equal(reply->error->text, "epoch 3");
    assert_string_equal(reply->to, "client");
    assert_string_equal(reply->from, "door");
    assert_true(reply->reply);
    forget_sent(f);
    give_request(f, 1, "cli-1", 50);
    assert_int_equal(f->actor->received, 1);
    assert_string_equal(only_sent(f, 1)->error->text, "epoch 3");
    /* Another process may use the same number. */
    forget_sent(f);
    admit(f, 2, "cli-2", 1);
    give_request(f, 2, "cli-2", 50);
    assert_int_equal(f->actor->received, 2);
}

static void test_answers_survive_a_silence(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    f->actor->answers = true;
    give_request(f, 1, "cli-1", 50);
    give_request(f, 1, "cli-1", 51);
    f->actor->answers = false;
    give_request(f, 1, "cli-1", 52);
    weir_reply_to late = f->actor->last;
    wait_ms(f, 2 * TIMEOUT);
    assert_false(weir_context_is_up(f->actor->context, "cli-1"));
    forget_sent(f);
    weir_context_reply_ack(f->actor->context, &late); /* kept for the repeat */
    assert_int_equal(f->wire.sent_count, 0);
    admit(f, 9, "cli-1", 2);
    give_request(f, 9, "cli-1", 50);
    assert_string_equal(only_sent(f, 9)->submit_reply->job, "answer-1");
    forget_sent(f);
    give_request(f, 9, "cli-1", 52);
    assert_int_equal(only_sent(f, 9)->body_case, WEIR__PROTO__ENVELOPE__BODY_ACK);
    assert_int_equal(f->actor->received, 3);
}

static void test_memory_of_answers_is_bounded(void **state)
{
    fixture *f = *state;
    f->actor->answers = true;
    admit(f, 1, "cli-1", 1);
    for (uint64_t i = 1; i <= 20; i++)
        give_request(f, 1, "cli-1", i);
    assert_int_equal(f->actor->received, 20);
    for (uint64_t i = 13; i <= 20; i++) /* replies_kept: 8 */
        give_request(f, 1, "cli-1", i);
    assert_int_equal(f->actor->received, 20);
    give_request(f, 1, "cli-1", 12);
    assert_int_equal(f->actor->received, 21);
    /* Requests in progress are bounded, too, by refusing more of them. */
    f->actor->answers = false;
    forget_sent(f);
    for (uint64_t i = 100; i < 108; i++)
        give_request(f, 1, "cli-1", i);
    assert_int_equal(f->wire.sent_count, 0);
    give_request(f, 1, "cli-1", 108);
    assert_int_equal(only_sent(f, 1)->error->code, WEIR_ERESOURCES);
    assert_int_equal(f->actor->received, 29);
}

static void test_nobody_of_that_name(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    Weir__Proto__Ack ack = WEIR__PROTO__ACK__INIT;
    weir_envelope envelope = envelope_from("cli-1");
    envelope.to = (char *)(uintptr_t)"nobody";
    envelope.correlation = 3;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_ACK;
    envelope.ack = &ack;
    give(f, 1, &envelope);
    const weir_envelope *reply = only_sent(f, 1);
    assert_int_equal(reply->error->code, WEIR_ENOT_FOUND);
    assert_non_null(strstr(reply->error->text, "'nobody'"));
    forget_sent(f);
    envelope.correlation = 0;
    give(f, 1, &envelope);
    assert_int_equal(f->wire.sent_count, 0);
}

static void test_an_actor_that_ends_leaves_no_request_unanswered(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    bool destroyed = false;
    f->actor->destroyed = &destroyed;
    f->actor->ends_itself = true;
    give_request(f, 1, "cli-1", 50);
    assert_true(destroyed);
    assert_null(weir_node_context(f->node, "door"));
    assert_int_equal(only_sent(f, 1)->error->code, WEIR_EUNAVAILABLE);
    forget_sent(f);
    f->actor = spawn(f->node, "door");
    give_request(f, 1, "cli-1", 50); /* answered from memory, not run by the successor */
    assert_int_equal(f->actor->received, 0);
    assert_int_equal(f->wire.sent_count, 1);
}

/* --- the connector's side --- */

static void test_hello_is_repeated_until_welcomed(void **state)
{
    fixture *f = *state;
    assert_int_equal(weir_context_connect(f->actor->context, "jm", "tcp://jm", NULL), 0);
    assert_false(weir_context_is_up(f->actor->context, "jm"));
    wait_ms(f, 10 * RETRY);
    assert_int_equal(f->wire.sent_count, 11);
    uint64_t number = f->wire.sent[0].envelope->correlation;
    for (size_t i = 0; i < f->wire.sent_count; i++) {
        assert_int_equal(f->wire.sent[i].envelope->correlation, number);
        assert_string_equal(f->wire.sent[i].envelope->hello->cluster, "c1");
    }
    forget_sent(f);
    uint64_t link = f->wire.last_link;
    weir_node_on_link(f->node, link, true); /* the door is there: at once */
    assert_int_equal(only_sent(f, link)->correlation, number);
    give_welcome(f, link, "jm-1", number + 1, 1); /* not of this handshake */
    assert_string_equal(f->actor->events, "");
    give_welcome(f, link, "jm-1", number, 1);
    assert_string_equal(f->actor->events, "up jm jm-1 jobmanager ;");
    give_welcome(f, link, "jm-1", number, 1); /* of a repeat */
    assert_string_equal(f->actor->events, "up jm jm-1 jobmanager ;");
}

static void test_connect_checks(void **state)
{
    fixture *f = *state;
    weir_context *context = f->actor->context;
    connect_up(f, "jm-1");
    admit(f, 1, "cli-1", 1);
    assert_int_equal(weir_context_connect(context, "jm", "tcp://other", NULL), WEIR_EEXISTS);
    assert_int_equal(weir_context_connect(context, "jm2", "tcp://jm", NULL), WEIR_EEXISTS);
    assert_int_equal(weir_context_connect(context, "cli-1", "tcp://x", NULL), WEIR_EEXISTS);
    assert_int_equal(weir_context_connect(context, "here", "tcp://x", NULL), WEIR_EEXISTS);
    assert_int_equal(weir_context_connect(context, "a b", "tcp://x", NULL), WEIR_EINVALID);
    assert_int_equal(weir_context_connect(context, "", "tcp://x", NULL), WEIR_EINVALID);
    assert_int_equal(weir_context_connect(context, "x", "bad", NULL), WEIR_EINVALID);
    assert_int_equal(weir_context_connect(context, "x", "tcp://x", NULL), 0);
}

static void test_the_connector_beats_and_gives_up_the_silent(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    wait_ms(f, TIMEOUT - 1);
    assert_int_equal(f->wire.sent_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(f->wire.sent[i].envelope->body_case,
                         WEIR__PROTO__ENVELOPE__BODY_HEARTBEAT);
    give_heartbeat(f, link, "jm-1");
    wait_ms(f, TIMEOUT - 1);
    assert_string_equal(f->actor->events, "");
    forget_sent(f);
    wait_ms(f, 1);
    assert_string_equal(f->actor->events, "down jm jm-1 jobmanager no sign of life for 5 s;");
    assert_int_equal(f->wire.sent[0].envelope->body_case, WEIR__PROTO__ENVELOPE__BODY_HELLO);
    forget_sent(f);
    wait_ms(f, 1000 * 1000); /* it is tried for ever */
    assert_int_equal(f->wire.sent_count, 1000 * 1000 / RETRY);
}

static void test_unknown_peer_means_a_new_handshake(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    give_refuse(f, link, 0, "say hello", true);
    give_refuse(f, link, 0, "say hello", true); /* one handshake at a time */
    const weir_envelope *hello = only_sent(f, link);
    assert_int_equal(hello->body_case, WEIR__PROTO__ENVELOPE__BODY_HELLO);
    uint64_t number = hello->correlation;
    forget_sent(f);
    give_welcome(f, link, "jm-1", number, 1);
    assert_string_equal(f->actor->events, "up jm jm-1 jobmanager ;");
}

static void test_another_incarnation_is_down_then_up(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    /* What another process says on this link is not believed, but makes us ask. */
    give_heartbeat(f, link, "jm-2");
    uint64_t number = only_sent(f, link)->correlation;
    forget_sent(f);
    give_welcome(f, link, "jm-2", number, 1);
    assert_string_equal(f->actor->events, "down jm jm-1 jobmanager another incarnation took its "
                                          "place;up jm jm-2 jobmanager ;");
    give_heartbeat(f, link, "jm-1"); /* a late word of the former */
    assert_int_equal(f->wire.sent_count, 0);
}

static void test_a_refusal_is_final(void **state)
{
    fixture *f = *state;
    assert_int_equal(weir_context_connect(f->actor->context, "jm", "tcp://jm", NULL), 0);
    uint64_t link = f->wire.last_link;
    uint64_t number = only_sent(f, link)->correlation;
    forget_sent(f);
    ask(f, "jm", 10000);
    give_refuse(f, link, 0, "of another message", false);
    assert_string_equal(f->actor->events, "");
    give_refuse(f, link, number, "wrong cluster", false);
    assert_string_equal(f->actor->events,
                        "refused jm   wrong cluster;job failed -10 jm refused the connection: "
                        "wrong cluster;");
    f->actor->events[0] = '\0';
    ask(f, "jm", 10000);
    weir_node_run(f->node);
    assert_non_null(strstr(f->actor->events, "job failed -10"));
    forget_sent(f);
    wait_ms(f, 100 * RETRY);
    assert_int_equal(f->wire.sent_count, 0);
    assert_int_equal(f->wire.disconnected[0], link);
    weir_context_disconnect(f->actor->context, "jm"); /* and may be tried by hand */
    f->actor->events[0] = '\0';
    connect_up(f, "jm-1");
}

static void test_a_protocol_of_the_future_is_refused(void **state)
{
    fixture *f = *state;
    assert_int_equal(weir_context_connect(f->actor->context, "jm", "tcp://jm", NULL), 0);
    uint64_t number = only_sent(f, f->wire.last_link)->correlation;
    give_welcome(f, f->wire.last_link, "jm-1", number, 2);
    assert_non_null(strstr(f->actor->events, "refused jm"));
}

static void test_disconnect_says_goodbye(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    ask(f, "jm", 10000);
    forget_sent(f);
    weir_context_disconnect(f->actor->context, "jm");
    assert_int_equal(only_sent(f, link)->body_case, WEIR__PROTO__ENVELOPE__BODY_GOODBYE);
    weir_node_run(f->node);
    assert_string_equal(f->actor->events, "down jm jm-1 jobmanager disconnected;"
                                          "job failed -10 jm: disconnected;");
    assert_int_equal(f->wire.disconnected[0], link);
    forget_sent(f);
    f->actor->events[0] = '\0';
    connect_up(f, "jm-1");
}

/* --- requests of our own --- */

static void test_requests_are_repeated_until_answered(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    uint64_t number = ask(f, "jm", 10000);
    wait_ms(f, 4 * RETRY);
    assert_int_equal(f->wire.sent_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(f->wire.sent[i].envelope->correlation, number);
        assert_string_equal(f->wire.sent[i].envelope->to, "master");
        assert_string_equal(f->wire.sent[i].envelope->from, "door");
    }
    forget_sent(f);
    admit(f, 1, "cli-1", 1);
    give_reply(f, 1, "cli-1", number); /* not asked */
    assert_string_equal(f->actor->events, "");
    give_reply(f, link, "jm-1", number);
    give_reply(f, link, "jm-1", number);
    assert_string_equal(f->actor->events, "job J from jm/master;");
    wait_ms(f, INTERVAL - 5 * RETRY);
    assert_int_equal(f->wire.sent_count, 0);
    assert_int_not_equal(ask(f, "jm", 10000), number);
}

static void test_a_deadline_names_the_peer_and_the_kind(void **state)
{
    fixture *f = *state;
    connect_up(f, "jm-1");
    f->wire.is_dead = true;
    ask(f, "jm", 3000);
    wait_ms(f, 2999);
    assert_string_equal(f->actor->events, "");
    wait_ms(f, 1);
    assert_string_equal(f->actor->events,
                        "job failed -9 no answer from jm to SubmitJob within 3 s;");
    f->actor->events[0] = '\0';
    ask(f, "jm", 10000); /* longer than the silence allowed */
    wait_ms(f, 10000);
    assert_non_null(strstr(f->actor->events, "down jm jm-1"));
    assert_non_null(strstr(f->actor->events, "job failed -9 no answer from jm to SubmitJob within "
                                             "10 s; there is no connection to it;"));
}

static void test_a_request_waits_for_its_peer_and_for_a_successor(void **state)
{
    fixture *f = *state;
    assert_int_equal(weir_context_connect(f->actor->context, "jm", "tcp://jm", NULL), 0);
    uint64_t link = f->wire.last_link;
    uint64_t number = ask(f, "jm", 60000);
    wait_ms(f, RETRY / 2);
    uint64_t hello = only_sent(f, link)->correlation;
    forget_sent(f);
    give_welcome(f, link, "jm-1", hello, 1);
    assert_int_equal(only_sent(f, link)->correlation, number); /* at once */
    forget_sent(f);
    give_heartbeat(f, link, "jm-2");
    hello = only_sent(f, link)->correlation;
    forget_sent(f);
    give_welcome(f, link, "jm-2", hello, 1);
    assert_int_equal(only_sent(f, link)->correlation, number);
    give_reply(f, link, "jm-2", number);
    assert_non_null(strstr(f->actor->events, "job J from jm/master;"));
}

static void test_a_request_to_nobody_fails_from_the_loop(void **state)
{
    fixture *f = *state;
    ask(f, "never", 10000);
    assert_string_equal(f->actor->events, "");
    weir_node_run(f->node);
    assert_string_equal(f->actor->events, "job failed -10 never: there is no connection to it;");
}

static void test_forget(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    uint64_t number = ask(f, "jm", 10000);
    weir_context_forget(f->actor->context, number);
    give_reply(f, link, "jm-1", number);
    number = ask(f, "never", 10000); /* its outcome is queued already */
    weir_context_forget(f->actor->context, number);
    weir_context_forget(f->actor->context, 12345);
    wait_ms(f, 20000);
    assert_null(strstr(f->actor->events, "job failed"));
    assert_null(strstr(f->actor->events, "job J"));
}

static void test_the_end_of_an_actor_ends_its_requests_and_timers(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    bool destroyed = false;
    f->actor->destroyed = &destroyed;
    uint64_t number = ask(f, "jm", 10000);
    ask(f, "never", 10000); /* its outcome is queued */
    weir_context_set_timer(f->actor->context, 10);
    weir_context_end(f->actor->context, "door");
    assert_false(destroyed);
    /* Between its end and its burial it may still call; nothing comes of it. */
    assert_int_not_equal(weir_context_set_timer(f->actor->context, 10), 0);
    ask(f, "jm", 1);
    forget_sent(f);
    weir_node_run(f->node);
    assert_true(destroyed);
    give_reply(f, link, "jm-1", number);
    wait_ms(f, INTERVAL - 1);
    assert_int_equal(f->wire.sent_count, 0);
    f->actor = spawn(f->node, "door");
    assert_string_equal(f->actor->events, "start;");
}

static void test_an_error_reply_is_an_error(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    Weir__Proto__Error body = WEIR__PROTO__ERROR__INIT;
    body.text = (char *)(uintptr_t)"no such job";
    weir_envelope envelope = envelope_from("jm-1");
    envelope.reply = true;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_ERROR;
    envelope.error = &body;
    body.code = WEIR_ENOT_FOUND;
    envelope.correlation = ask(f, "jm", 10000);
    give(f, link, &envelope);
    assert_string_equal(f->actor->events, "job failed -2 no such job;");
    f->actor->events[0] = '\0';
    body.code = 0; /* would read as success */
    envelope.correlation = ask(f, "jm", 10000);
    give(f, link, &envelope);
    assert_string_equal(f->actor->events, "job failed -17 no such job;");
}

static void test_too_large_is_said_on_both_sides(void **state)
{
    fixture *f = *state;
    connect_up(f, "jm-1");
    admit(f, 1, "cli-1", 1);
    char *text = weir_calloc(1, 70000);
    memset(text, 'x', 69999);
    Weir__Proto__LogText body = WEIR__PROTO__LOG_TEXT__INIT;
    body.text = text;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_LOG_TEXT;
    envelope.log_text = &body;
    weir_context_request(f->actor->context, (weir_address){"jm", "x"}, &envelope, 1000, on_reply,
                         (void *)(uintptr_t)"log");
    weir_node_run(f->node);
    assert_non_null(strstr(f->actor->events, "log failed -8"));
    give_request(f, 1, "cli-1", 5);
    forget_sent(f);
    weir_context_reply(f->actor->context, &f->actor->last, &envelope);
    assert_int_equal(only_sent(f, 1)->error->code, WEIR_ETOO_LARGE);
    weir_free(text);
}

/* --- within the process --- */

static void test_local_messages_are_in_order_and_packed(void **state)
{
    fixture *f = *state;
    witness *other = spawn(f->node, "other");
    other->answers = true;
    Weir__Proto__SubmitJob job = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &job;
    for (uint64_t i = 0; i < 3; i++) {
        envelope.epoch = i;
        weir_context_send(f->actor->context, (weir_address){"", "other"}, &envelope);
    }
    weir_context_request(f->actor->context, (weir_address){NULL, "other"}, &envelope, 1000,
                         on_reply, (void *)(uintptr_t)"job");
    weir_context_request(f->actor->context, (weir_address){"here", "nobody"}, &envelope, 1000,
                         on_reply, (void *)(uintptr_t)"none");
    assert_int_equal(other->received, 0);
    weir_node_run(f->node);
    assert_string_equal(other->events,
                        "start;got 20 from /door epoch 0;got 20 from /door epoch 1;"
                        "got 20 from /door epoch 2;got 20 from /door epoch 2;");
    assert_string_equal(f->actor->events,
                        "job answer-4 from /other;none failed -2 there is no actor 'nobody' "
                        "here;");
    assert_int_equal(f->wire.sent_count, 0);
    other->answers = false;
    f->actor->events[0] = '\0';
    weir_context_request(f->actor->context, (weir_address){"", "other"}, &envelope, 1000, on_reply,
                         (void *)(uintptr_t)"job");
    wait_ms(f, 1000);
    assert_string_equal(f->actor->events,
                        "job failed -9 no answer from other to SubmitJob within 1 s;");
    f->actor->events[0] = '\0';
    weir_context_request(f->actor->context, (weir_address){"", "other"}, &envelope, 1000, on_reply,
                         (void *)(uintptr_t)"job");
    weir_node_run(f->node);
    weir_context_end(f->actor->context, "other");
    weir_node_run(f->node);
    assert_string_equal(f->actor->events,
                        "job failed -10 actor other ended without an answer;");
}

static void test_timers_fire_in_order(void **state)
{
    fixture *f = *state;
    weir_context *context = f->actor->context;
    uint64_t a = weir_context_set_timer(context, 30);
    uint64_t b = weir_context_set_timer(context, 10);
    uint64_t c = weir_context_set_timer(context, 10);
    uint64_t d = weir_context_set_timer(context, 20);
    weir_context_cancel_timer(context, d);
    weir_context_cancel_timer(context, 999);
    assert_int_equal(weir_node_run(f->node), f->wire.now_ms + 10);
    wait_ms(f, 100);
    char expected[128];
    snprintf(expected, sizeof expected, "timer %d;timer %d;timer %d;", (int)b, (int)c, (int)a);
    assert_string_equal(f->actor->events, expected);
    assert_int_equal(weir_node_run(f->node), INT64_MAX);
}

static void test_spawn_checks(void **state)
{
    fixture *f = *state;
    bool destroyed = false;
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"door", "a/b", ""};
        witness *actor = weir_calloc(1, sizeof *actor);
        actor->destroyed = &destroyed;
        assert_int_equal(weir_context_spawn(f->actor->context, names[i], &witness_class, actor,
                                            NULL),
                         i == 0 ? WEIR_EEXISTS : WEIR_EINVALID);
        assert_true(destroyed);
        destroyed = false;
    }
    weir_context_end(f->actor->context, "nobody");
}

static void test_stop_says_goodbye_and_destroys(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    admit(f, 1, "cli-1", 1);
    bool destroyed = false;
    f->actor->destroyed = &destroyed;
    ask(f, "never", 1000);
    forget_sent(f);
    weir_context_stop_node(f->actor->context);
    assert_false(weir_node_is_stopped(f->node));
    assert_int_equal(weir_node_run(f->node), INT64_MAX);
    assert_true(weir_node_is_stopped(f->node));
    assert_true(destroyed);
    assert_int_equal(f->wire.sent_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(f->wire.sent[i].envelope->body_case, WEIR__PROTO__ENVELOPE__BODY_GOODBYE);
    assert_int_equal(f->wire.sent[0].link, link);
    give_request(f, 1, "cli-1", 5);
    assert_int_equal(weir_node_run(f->node), INT64_MAX);
    assert_null(weir_node_context(f->node, "door"));
}

static void test_config_checks(void **state)
{
    fixture *f = *state;
    weir_node *node = NULL;
    weir_node_config config = config_of("bad name");
    assert_int_equal(weir_node_new(&config, &f->wire.transport, &node, NULL), WEIR_EINVALID);
    config = config_of("x");
    config.cluster = "";
    assert_int_equal(weir_node_new(&config, &f->wire.transport, &node, NULL), WEIR_EINVALID);
    config = config_of("x");
    config.heartbeat_timeout_ms = config.heartbeat_interval_ms;
    assert_int_equal(weir_node_new(&config, &f->wire.transport, &node, NULL), WEIR_EINVALID);
    config = config_of("x");
    for (uint64_t nth = 1;; nth++) {
        weir_memory_fail_at(nth);
        int rc = weir_node_new(&config, &f->wire.transport, &node, NULL);
        weir_memory_fail_at(0);
        if (rc == 0)
            break;
        assert_int_equal(rc, WEIR_ENO_MEMORY);
        assert_null(node);
    }
    weir_node_destroy(&node);
    weir_node_destroy(&node);
}

/* Wherever memory ends, nothing is corrupted, and a request has its outcome or the node stops. */
static void test_memory_may_end_anywhere(void **state)
{
    fixture *f = *state;
    for (uint64_t nth = 1; nth < 60; nth++) {
        weir_node_config config = config_of("there");
        weir_node *kept = f->node;
        assert_int_equal(weir_node_new(&config, &f->wire.transport, &f->node, NULL), 0);
        f->actor = spawn(f->node, "door");
        char events[sizeof f->actor->events];
        weir_memory_fail_at(nth);
        ask(f, "nobody", 100);
        if (weir_context_connect(f->actor->context, "jm", "tcp://jm", NULL) == 0)
            ask(f, "jm", 100);
        ask(f, "", 100);
        weir_context_set_timer(f->actor->context, 5);
        weir_node_on_message(f->node, 3, "\x0a\x01x", 3);
        memcpy(events, f->actor->events, sizeof events);
        weir_memory_fail_at(0);
        f->wire.now_ms += 1;
        int64_t end = f->wire.now_ms + 200;
        weir_context *door = weir_node_context(f->node, "door");
        assert_non_null(door);
        while (!weir_node_is_stopped(f->node) && f->wire.now_ms < end) {
            weir_node_run(f->node);
            if (!weir_node_is_stopped(f->node))
                memcpy(events, f->actor->events, sizeof events);
            f->wire.now_ms++;
        }
        if (!weir_node_is_stopped(f->node))
            assert_non_null(strstr(events, "job failed"));
        weir_node_destroy(&f->node);
        f->node = kept;
        forget_sent(f);
    }
    f->actor = NULL;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_hello_is_welcomed_once),
        T(test_bad_hellos_are_refused),
        T(test_a_link_speaks_for_one_process),
        T(test_an_alias_is_not_taken_over),
        T(test_a_stranger_is_told_to_say_hello),
        T(test_too_many_peers),
        T(test_records_of_the_gone_are_bounded),
        T(test_junk_is_logged_once_and_bounded),
        T(test_every_cut_of_a_message_is_survived),
        T(test_a_message_over_the_limit_is_dropped),
        T(test_bad_addresses_are_dropped),
        T(test_heartbeats_are_answered_and_silence_is_death),
        T(test_a_stalled_process_gives_its_peers_another_interval),
        T(test_goodbye_is_down_at_once_and_final),
        T(test_a_known_process_on_a_new_link_replaces_the_old),
        T(test_requests_run_once_and_repeats_are_answered),
        T(test_answers_survive_a_silence),
        T(test_memory_of_answers_is_bounded),
        T(test_nobody_of_that_name),
        T(test_an_actor_that_ends_leaves_no_request_unanswered),
        T(test_hello_is_repeated_until_welcomed),
        T(test_connect_checks),
        T(test_the_connector_beats_and_gives_up_the_silent),
        T(test_unknown_peer_means_a_new_handshake),
        T(test_another_incarnation_is_down_then_up),
        T(test_a_refusal_is_final),
        T(test_a_protocol_of_the_future_is_refused),
        T(test_disconnect_says_goodbye),
        T(test_requests_are_repeated_until_answered),
        T(test_a_deadline_names_the_peer_and_the_kind),
        T(test_a_request_waits_for_its_peer_and_for_a_successor),
        T(test_a_request_to_nobody_fails_from_the_loop),
        T(test_forget),
        T(test_the_end_of_an_actor_ends_its_requests_and_timers),
        T(test_an_error_reply_is_an_error),
        T(test_too_large_is_said_on_both_sides),
        T(test_local_messages_are_in_order_and_packed),
        T(test_timers_fire_in_order),
        T(test_spawn_checks),
        T(test_stop_says_goodbye_and_destroys),
        T(test_config_checks),
        T(test_memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
