/* tests/unit/actors/test_reactor.c -- nodes over real sockets, in two threads. */
#include "actors/reactor.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum { REQUESTS = 300, WINDOW = 20, PATIENCE_MS = 60000 };

static weir_reactor_config config_of(const char *process, const char *bind)
{
    return (weir_reactor_config){
        .node = {.cluster = "c1",
                 .role = "dispatcher",
                 .process = process,
                 .version = "0.1.0",
                 .heartbeat_interval_ms = 100,
                 .heartbeat_timeout_ms = 5000,
                 .retry_interval_ms = 100,
                 .peers_max = 16,
                 .message_max = 256 << 10},
        .bind = bind,
        .connections_max = 16,
        .port_key = "rest.port",
    };
}

/* Answers; stops its node when the last of its peers is down. */
typedef struct server {
    weir_reactor *reactor;
    pthread_t thread;
    int received, ups, downs, stop_after_downs;
    char down_text[256];
} server;

static void server_receive(void *data, weir_context *context, const weir_envelope *message)
{
    server *self = data;
    self->received++;
    weir_reply_to to = weir_reply_to_of(message);
    Weir__Proto__SubmitReply body = WEIR__PROTO__SUBMIT_REPLY__INIT;
    body.job = message->submit_job->name;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    reply.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_REPLY;
    reply.submit_reply = &body;
    weir_context_reply(context, &to, &reply);
}

static void server_peer(void *data, weir_context *context, enum weir_peer_event event,
                        const weir_peer_info *peer)
{
    server *self = data;
    if (event == WEIR_PEER_UP)
        self->ups++;
    if (event != WEIR_PEER_DOWN)
        return;
    snprintf(self->down_text, sizeof self->down_text, "%s", peer->text);
    if (++self->downs == self->stop_after_downs)
        weir_context_stop_node(context);
}

static const weir_actor_class server_class = {
    .name = "server",
    .receive = server_receive,
    .peer = server_peer,
};

static void *server_main(void *data)
{
    server *self = data;
    int rc = weir_reactor_run(self->reactor, weir_clock_monotonic_ms() + PATIENCE_MS);
    return (void *)(intptr_t)rc;
}

static void server_start(server *self, const char *process, const char *bind, int port)
{
    weir_reactor_config config = config_of(process, bind);
    config.port_first = config.port_last = port;
    int rc; /* a port is free a moment after its socket was closed */
    do
        rc = weir_reactor_new(&config, &self->reactor, NULL);
    while (rc == WEIR_ERESOURCES && port != 0);
    assert_int_equal(rc, 0);
    assert_int_equal(
        weir_node_spawn(weir_reactor_node(self->reactor), "server", &server_class, self, NULL), 0);
    assert_int_equal(pthread_create(&self->thread, NULL, server_main, self), 0);
}

static void server_join(server *self)
{
    void *rc;
    assert_int_equal(pthread_join(self->thread, &rc), 0);
    assert_int_equal((intptr_t)rc, 0);
    weir_reactor_destroy(&self->reactor);
}

static void server_interrupt(server *self)
{
    weir_reactor_interrupt(self->reactor);
    server_join(self);
}

/* Asks REQUESTS times, checks each answer, then stops its node. */
typedef struct client {
    const char *endpoint;
    int started, answered, wrong, ups, downs, pause_at;
    char refused[512];
    char name[30000];
} client;

static void client_next(client *self, weir_context *context);

static void on_reply(void *data, weir_context *context, void *tag, const weir_envelope *reply,
                     const weir_error *error)
{
    client *self = data;
    if (error != NULL || (int)strtol(reply->submit_reply->job, NULL, 10) != (int)(intptr_t)tag)
        self->wrong++;
    self->answered++;
    if (self->answered == REQUESTS || self->answered == self->pause_at)
        weir_context_stop_node(context);
    else
        client_next(self, context);
}

static void client_next(client *self, weir_context *context)
{
    while (self->started < REQUESTS && self->started - self->answered < WINDOW) {
        int number = self->started++;
        memset(self->name, 'x', sizeof self->name - 1); /* not small: several reads each */
        int length = snprintf(self->name, sizeof self->name, "%d ", number);
        self->name[length] = 'x';
        Weir__Proto__SubmitJob body = WEIR__PROTO__SUBMIT_JOB__INIT;
        body.name = self->name;
        weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;
        request.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
        request.submit_job = &body;
        weir_context_request(context, (weir_address){"server", "server"}, &request, PATIENCE_MS,
                             on_reply, (void *)(intptr_t)number);
    }
}

static void client_start(void *data, weir_context *context)
{
    client *self = data;
    if (weir_context_connect(context, "server", self->endpoint, 0, NULL) != 0)
        self->wrong++;
    client_next(self, context);
}

static void client_peer(void *data, weir_context *context, enum weir_peer_event event,
                        const weir_peer_info *peer)
{
    client *self = data;
    self->ups += event == WEIR_PEER_UP;
    self->downs += event == WEIR_PEER_DOWN;
    if (event == WEIR_PEER_REFUSED) {
        snprintf(self->refused, sizeof self->refused, "%s", peer->text);
        weir_context_stop_node(context);
    }
}

static const weir_actor_class client_class = {
    .name = "client",
    .start = client_start,
    .peer = client_peer,
};

static weir_reactor *client_open(client *self, const char *process, const char *cluster)
{
    weir_reactor_config config = config_of(process, NULL);
    config.node.cluster = cluster;
    config.node.role = "client";
    weir_reactor *reactor = NULL;
    assert_int_equal(weir_reactor_new(&config, &reactor, NULL), 0);
    assert_string_equal(weir_reactor_endpoint(reactor), "");
    assert_int_equal(
        weir_node_spawn(weir_reactor_node(reactor), "client", &client_class, self, NULL), 0);
    return reactor;
}

static void client_run(client *self, const char *process)
{
    weir_reactor *reactor = client_open(self, process, "c1");
    assert_int_equal(weir_reactor_run(reactor, weir_clock_monotonic_ms() + PATIENCE_MS), 0);
    weir_reactor_destroy(&reactor);
    assert_int_equal(self->answered, REQUESTS);
    assert_int_equal(self->wrong, 0);
}

static void test_two_nodes_over_tcp(void **state)
{
    (void)state;
    server door = {.stop_after_downs = 2};
    server_start(&door, "server-1", "tcp://127.0.0.1", 0);
    char endpoint[256];
    snprintf(endpoint, sizeof endpoint, "%s", weir_reactor_endpoint(door.reactor));
    assert_int_equal(strncmp(endpoint, "tcp://127.0.0.1:", 16), 0);
    client one = {.endpoint = endpoint}, two = {.endpoint = endpoint};
    client_run(&one, "client-1");
    client_run(&two, "client-2");
    server_join(&door); /* the goodbyes end it */
    assert_int_equal(door.received, 2 * REQUESTS);
    assert_non_null(strstr(door.down_text, "goodbye"));
}

static void test_inproc_and_connecting_first(void **state)
{
    (void)state;
    client one = {.endpoint = "inproc://test-door"};
    weir_reactor *reactor = client_open(&one, "client-1", "c1");
    assert_int_equal(weir_reactor_run(reactor, weir_clock_monotonic_ms()), WEIR_ETIMEOUT);
    server door = {.stop_after_downs = 1};
    server_start(&door, "server-1", "inproc://test-door", 0);
    assert_string_equal(weir_reactor_endpoint(door.reactor), "inproc://test-door");
    assert_int_equal(weir_reactor_run(reactor, weir_clock_monotonic_ms() + PATIENCE_MS), 0);
    weir_reactor_destroy(&reactor);
    assert_int_equal(one.answered, REQUESTS);
    assert_int_equal(one.wrong, 0);
    server_join(&door);
    assert_int_equal(door.received, REQUESTS);
}

static int port_of(const char *endpoint)
{
    return (int)strtol(strrchr(endpoint, ':') + 1, NULL, 10);
}

static void test_a_successor_on_the_same_port(void **state)
{
    (void)state;
    server former = {0}, successor = {.stop_after_downs = 1};
    server_start(&former, "server-1", "tcp://127.0.0.1", 0);
    char endpoint[256];
    snprintf(endpoint, sizeof endpoint, "%s", weir_reactor_endpoint(former.reactor));
    client one = {.endpoint = endpoint};
    weir_reactor *reactor = client_open(&one, "client-1", "c1");
    while (one.answered < REQUESTS / 3) {
        int rc = weir_reactor_run(reactor, weir_clock_monotonic_ms());
        assert_int_equal(rc, WEIR_ETIMEOUT);
    }
    server_interrupt(&former); /* without a goodbye, as if killed */
    server_start(&successor, "server-2", "tcp://127.0.0.1", port_of(endpoint));
    assert_int_equal(weir_reactor_run(reactor, weir_clock_monotonic_ms() + PATIENCE_MS), 0);
    weir_reactor_destroy(&reactor);
    assert_int_equal(one.answered, REQUESTS);
    assert_int_equal(one.wrong, 0);
    assert_int_equal(one.downs, 1);
    assert_int_equal(one.ups, 2);
    server_join(&successor);
    assert_true(former.received + successor.received >= REQUESTS);
    assert_true(successor.received > 0);
}

static void test_another_cluster_is_refused(void **state)
{
    (void)state;
    server door = {0};
    server_start(&door, "server-1", "tcp://127.0.0.1", 0);
    client one = {.endpoint = weir_reactor_endpoint(door.reactor)};
    weir_reactor *reactor = client_open(&one, "client-1", "c2");
    assert_int_equal(weir_reactor_run(reactor, weir_clock_monotonic_ms() + PATIENCE_MS), 0);
    weir_reactor_destroy(&reactor);
    assert_non_null(strstr(one.refused, "cluster.id"));
    server_interrupt(&door);
    assert_int_equal(door.received, 0);
    assert_int_equal(door.ups, 0);
}

static void test_ports(void **state)
{
    (void)state;
    weir_reactor *first = NULL, *second = NULL, *third = NULL;
    weir_reactor_config config = config_of("a", "tcp://127.0.0.1");
    assert_int_equal(weir_reactor_new(&config, &first, NULL), 0);
    int port = port_of(weir_reactor_endpoint(first));
    config.port_first = config.port_last = port;
    config.what = "JobManager";
    config.port_key = "jobmanager.rpc.port";
    weir_error error;
    char expected[256];
    assert_int_equal(weir_reactor_new(&config, &second, &error), WEIR_ERESOURCES);
    assert_null(second);
    snprintf(expected, sizeof expected,
             "JobManager: port %d of tcp://127.0.0.1 is in use; stop what uses it, or change "
             "jobmanager.rpc.port",
             port);
    assert_string_equal(error.text, expected);
    config.port_last = port + 20;
    assert_int_equal(weir_reactor_new(&config, &second, NULL), 0);
    int next = port_of(weir_reactor_endpoint(second));
    assert_true(next > port && next <= port + 20);
    config.port_first = port;
    config.port_last = next;
    if (next == port + 1) { /* else somebody else has one of them */
        assert_int_equal(weir_reactor_new(&config, &third, &error), WEIR_ERESOURCES);
        snprintf(expected, sizeof expected, "no port of %d-%d", port, next);
        assert_non_null(strstr(error.text, expected));
    }
    config.bind = "tcp://not an address";
    assert_int_equal(weir_reactor_new(&config, &third, &error), WEIR_EINVALID);
    config.bind = "tcp://192.0.2.1"; /* no address of this host */
    assert_int_equal(weir_reactor_new(&config, &third, &error), WEIR_EINVALID);
    weir_reactor_destroy(&first);
    weir_reactor_destroy(&second);
    weir_reactor_destroy(&third);
}

static void send_junk(void *context, const char *endpoint, uint64_t seed)
{
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    int linger = 1000;
    zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal(zmq_connect(dealer, endpoint), 0);
    uint8_t bytes[1500];
    weir_prng prng = {seed};
    for (int i = 0; i < 50; i++) {
        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (uint8_t)weir_prng_next(&prng);
        size_t size = (size_t)weir_prng_below(&prng, sizeof bytes);
        int parts = (int)weir_prng_below(&prng, 4);
        for (int part = 0; part < parts; part++)
            zmq_send(dealer, bytes, size, ZMQ_SNDMORE);
        zmq_send(dealer, bytes, size, 0);
    }
    zmq_close(dealer);
}

static void test_junk_disturbs_nobody(void **state)
{
    (void)state;
    server door = {.stop_after_downs = 1};
    server_start(&door, "server-1", "tcp://127.0.0.1", 0);
    const char *endpoint = weir_reactor_endpoint(door.reactor);
    void *context = zmq_ctx_new();
    for (uint64_t i = 0; i < 100; i++)
        send_junk(context, endpoint, i);
    /* A frame over the limit breaks its own connection only. */
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    assert_int_equal(zmq_connect(dealer, endpoint), 0);
    char *large = weir_calloc(1, 1 << 20);
    zmq_send(dealer, large, 1 << 20, 0);
    client one = {.endpoint = endpoint};
    client_run(&one, "client-1");
    server_join(&door);
    assert_int_equal(door.received, REQUESTS);
    assert_int_equal(door.ups, 1);
    int linger = 0;
    zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
    zmq_close(dealer);
    zmq_ctx_term(context);
    weir_free(large);
}

typedef struct pipes {
    weir_reactor *reactor;
    int ends[2], other[2];
    int ready;
} pipes;

static void on_ready(void *data)
{
    pipes *self = data;
    char byte;
    assert_int_equal(read(self->ends[0], &byte, 1), 1);
    self->ready++;
    if (byte == 'u') {
        weir_reactor_unwatch(self->reactor, self->ends[0]);
        weir_reactor_unwatch(self->reactor, self->other[0]); /* ready in this turn, too */
    } else if (byte == 's') {
        weir_node_stop(weir_reactor_node(self->reactor));
    }
}

static void never(void *data)
{
    (void)data;
    fail_msg("called after it was unwatched");
}

static void test_watch_interrupt_and_deadline(void **state)
{
    (void)state;
    pipes p = {0};
    weir_reactor_config config = config_of("a", NULL);
    assert_int_equal(weir_reactor_new(&config, &p.reactor, NULL), 0);
    assert_int_equal(pipe(p.ends), 0);
    assert_int_equal(pipe(p.other), 0);
    assert_int_equal(weir_reactor_watch(p.reactor, p.ends[0], on_ready, &p), 0);
    assert_int_equal(write(p.ends[1], "a", 1), 1);
    assert_int_equal(weir_reactor_run(p.reactor, 0), WEIR_ETIMEOUT);
    assert_int_equal(p.ready, 1);
    assert_int_equal(weir_reactor_run(p.reactor, weir_clock_monotonic_ms() + 5), WEIR_ETIMEOUT);
    assert_int_equal(p.ready, 1);
    weir_reactor_interrupt(p.reactor);
    assert_int_equal(weir_reactor_run(p.reactor, INT64_MAX), 0);
    assert_false(weir_node_is_stopped(weir_reactor_node(p.reactor)));
    assert_int_equal(weir_reactor_run(p.reactor, 0), WEIR_ETIMEOUT); /* once */
    assert_int_equal(weir_reactor_watch(p.reactor, p.other[0], never, &p), 0);
    assert_int_equal(write(p.other[1], "x", 1), 1);
    assert_int_equal(write(p.ends[1], "uss", 3), 3);
    assert_int_equal(weir_reactor_run(p.reactor, 0), WEIR_ETIMEOUT);
    assert_int_equal(weir_reactor_run(p.reactor, 0), WEIR_ETIMEOUT);
    assert_int_equal(p.ready, 2);
    assert_int_equal(weir_reactor_watch(p.reactor, p.ends[0], on_ready, &p), 0);
    assert_int_equal(weir_reactor_run(p.reactor, INT64_MAX), 0);
    assert_true(weir_node_is_stopped(weir_reactor_node(p.reactor)));
    weir_reactor_destroy(&p.reactor);
    weir_reactor_destroy(&p.reactor);
    for (int i = 0; i < 2; i++) {
        close(p.ends[i]);
        close(p.other[i]);
    }
}

static int end_process(void **state)
{
    (void)state;
    weir_reactor_end_process();
    weir_reactor_end_process();
    return 0;
}

int main(void)
{
    weir_log_setup("test", WEIR_LOG_OFF);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_nodes_over_tcp),
        cmocka_unit_test(test_inproc_and_connecting_first),
        cmocka_unit_test(test_a_successor_on_the_same_port),
        cmocka_unit_test(test_another_cluster_is_refused),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_junk_disturbs_nobody),
        cmocka_unit_test(test_watch_interrupt_and_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, end_process);
}
