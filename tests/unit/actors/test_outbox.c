/* tests/unit/actors/test_outbox.c -- a peer that never reads, and one that does. */
#include "actors/outbox.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

static unsigned char block[1 << 20];

struct pair {
    void *context, *sender, *receiver;
};

static int open_pair(void **state)
{
    static struct pair pair;
    char endpoint[128];
    size_t size = sizeof endpoint;
    int none = 0, few = 1;
    pair.context = zmq_ctx_new();
    pair.receiver = zmq_socket(pair.context, ZMQ_PAIR);
    pair.sender = zmq_socket(pair.context, ZMQ_PAIR);
    zmq_setsockopt(pair.sender, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(pair.receiver, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(pair.receiver, ZMQ_RCVHWM, &few, sizeof few);
    if (zmq_bind(pair.receiver, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(pair.receiver, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0 ||
        zmq_connect(pair.sender, endpoint) != 0)
        return -1;
    *state = &pair;
    return 0;
}

static int close_pair(void **state)
{
    struct pair *pair = *state;
    zmq_close(pair->sender);
    zmq_close(pair->receiver);
    zmq_ctx_term(pair->context);
    return 0;
}

/* How many messages of that size go out before one does not. */
static size_t send_until_full(weir_outbox *box, void *socket, size_t size)
{
    size_t sent = 0;
    while (sent < 100000 && weir_outbox_send(box, socket, NULL, 0, block, size) == 0)
        sent++;
    return sent;
}

static void one_that_never_reads_is_bounded(void **state)
{
    struct pair *pair = *state;
    weir_outbox *all = weir_outbox_new(NULL), *box = weir_outbox_new(all);
    int hwm = 0; /* no limit of ZeroMQ's */
    zmq_setsockopt(pair->sender, ZMQ_SNDHWM, &hwm, sizeof hwm);
    size_t sent = send_until_full(box, pair->sender, sizeof block);
    assert_true(sent < 100); /* what the kernel took, and 4 MiB */
    assert_true(weir_outbox_bytes(box) <= WEIR_OUTBOX_ONE_MAX);
    assert_int_equal(weir_outbox_bytes(box), weir_outbox_bytes(all));
    /* When it does read, there is room again. */
    zmq_msg_t message;
    zmq_msg_init(&message);
    for (size_t i = 0; i < sent; i++) {
        assert_true(zmq_msg_recv(&message, pair->receiver, 0) == (int)sizeof block);
        assert_memory_equal(zmq_msg_data(&message), block, sizeof block);
    }
    zmq_msg_close(&message);
    while (weir_outbox_bytes(box) > 0)
        continue; /* the last is given back after its receipt */
    assert_int_equal(weir_outbox_send(box, pair->sender, NULL, 0, block, sizeof block), 0);
    weir_outbox_destroy(&box); /* before what it sent is gone */
    weir_outbox_destroy(&all);
}

/* A socket whose peer never comes. */
static void *open_lonely(struct pair *pair)
{
    void *socket = zmq_socket(pair->context, ZMQ_DEALER);
    int none = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal(zmq_connect(socket, "ipc:///nonexistent/weir"), 0);
    return socket;
}

static void a_message_larger_than_the_limit_passes_alone(void **state)
{
    weir_outbox *all = weir_outbox_new(NULL), *box = weir_outbox_new(all);
    void *socket = open_lonely(*state);
    size_t size = WEIR_OUTBOX_ONE_MAX + 1;
    unsigned char *large = weir_calloc(1, size);
    assert_non_null(large);
    assert_int_equal(weir_outbox_send(box, socket, NULL, 0, large, size), 0);
    assert_int_equal(weir_outbox_send(box, socket, NULL, 0, large, size), WEIR_EUNAVAILABLE);
    weir_free(large);
    zmq_close(socket);
    weir_outbox_destroy(&box);
    weir_outbox_destroy(&all);
}

static void all_together_are_bounded_and_small_ones_pass(void **state)
{
    struct pair *pair = *state;
    enum { PEERS = 20 };
    void *sockets[PEERS];
    weir_outbox *boxes[PEERS], *all = weir_outbox_new(NULL);
    for (size_t i = 0; i < PEERS; i++) {
        sockets[i] = open_lonely(pair);
        boxes[i] = weir_outbox_new(all);
        send_until_full(boxes[i], sockets[i], sizeof block);
    }
    assert_true(weir_outbox_bytes(all) <= WEIR_OUTBOX_ALL_MAX);
    assert_true(weir_outbox_bytes(all) + sizeof block > WEIR_OUTBOX_ALL_MAX);
    weir_outbox *fresh = weir_outbox_new(all);
    assert_int_equal(weir_outbox_send(fresh, sockets[0], NULL, 0, block, WEIR_OUTBOX_SMALL + 1),
                     weir_outbox_bytes(all) + WEIR_OUTBOX_SMALL + 1 <= WEIR_OUTBOX_ALL_MAX
                         ? 0
                         : WEIR_EUNAVAILABLE);
    assert_true(send_until_full(fresh, sockets[0], 1000) >= 10);
    assert_true(weir_outbox_bytes(fresh) <= WEIR_OUTBOX_SPARE_MAX + WEIR_OUTBOX_SMALL);
    for (size_t i = 0; i < PEERS; i++) {
        zmq_close(sockets[i]);
        weir_outbox_destroy(&boxes[i]);
    }
    weir_outbox_destroy(&fresh);
    weir_outbox_destroy(&all);
}

static void a_refused_message_is_not_counted(void **state)
{
    struct pair *pair = *state;
    weir_outbox *box = weir_outbox_new(NULL);
    void *router = zmq_socket(pair->context, ZMQ_ROUTER);
    int yes = 1;
    zmq_setsockopt(router, ZMQ_ROUTER_MANDATORY, &yes, sizeof yes);
    assert_int_equal(weir_outbox_send(box, router, "nobody", 6, "hello", 5), WEIR_EUNAVAILABLE);
    assert_int_equal(weir_outbox_bytes(box), 0);
    zmq_close(router);
    weir_outbox_destroy(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_never_reads_is_bounded, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(a_message_larger_than_the_limit_passes_alone, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(all_together_are_bounded_and_small_ones_pass, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(a_refused_message_is_not_counted, open_pair, close_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
