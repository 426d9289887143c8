/* tests/unit/actors/test_zmq_reconnect.c -- a connection that broke at one end alone: who connects
 * again is heard. */
#include "actors/zmq_socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <zmq.h>

enum { WAIT_MS = 10000, ID_SIZE = 16 };

static void say(void *socket, const char *text)
{
    assert_int_equal(zmq_send(socket, text, strlen(text), 0), (int)strlen(text));
}

static void expect(void *door, const char *text)
{
    char id[256], got[64] = "";
    assert_true(zmq_recv(door, id, sizeof id, 0) > 0);
    assert_true(zmq_recv(door, got, sizeof got - 1, 0) >= 0);
    assert_string_equal(got, text);
}

/* The same process again, as its library would connect again: with the same routing id. */
static void *connect_as(const char *id, const char *endpoint)
{
    weir_zmq_settings settings = {.message_max = 1000};
    weir_error error;
    void *socket = NULL;
    assert_int_equal(weir_zmq_open(ZMQ_DEALER, &settings, &socket, &error), 0);
    if (id != NULL)
        assert_int_equal(zmq_setsockopt(socket, ZMQ_ROUTING_ID, id, ID_SIZE), 0);
    assert_int_equal(weir_zmq_connect(socket, NULL, endpoint, &error), 0);
    return socket;
}

static void test_who_connects_again_is_heard(void **state)
{
    weir_zmq_settings settings = {.message_max = 1000};
    weir_zmq_door place = {.bind = "tcp://127.0.0.1", .what = "test"};
    char endpoint[WEIR_ENDPOINT_MAX], id[ID_SIZE];
    size_t size = sizeof id;
    int wait_ms = WAIT_MS;
    void *door = NULL;
    weir_error error;
    (void)state;

    assert_int_equal(weir_zmq_open(ZMQ_ROUTER, &settings, &door, &error), 0);
    assert_int_equal(zmq_setsockopt(door, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms), 0);
    assert_int_equal(weir_zmq_bind(door, &place, endpoint, &error), 0);
    void *first = connect_as(NULL, endpoint);
    assert_int_equal(zmq_getsockopt(first, ZMQ_ROUTING_ID, id, &size), 0);
    say(first, "one");
    expect(door, "one");
    void *second = connect_as(id, endpoint); /* the first connection still stands */
    say(second, "two");
    expect(door, "two");
    weir_zmq_close(&first);
    weir_zmq_close(&second);
    weir_zmq_close(&door);
    weir_zmq_end_process();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_connects_again_is_heard)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
