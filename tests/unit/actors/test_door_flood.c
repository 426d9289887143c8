/* tests/unit/actors/test_door_flood.c -- more connections at a data door than its news has room
 * for, before anybody reads them: the process's other connections go on. */
#include "actors/data_bus.h"
#include "actors/reactor.h"
#include "actors/zmq_socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

enum { CONNECTIONS = 4000, AT_A_TIME = 50, ANSWER_MS = 10000 };

static void on_receive(void *self, uint32_t from, const void *header, size_t header_size,
                       void *body, size_t body_size, void (*release)(void *, void *), void *hint)
{
    (void)self, (void)from, (void)header, (void)header_size, (void)body_size;
    if (body != NULL)
        release(body, hint);
}

static void on_lost(void *self, uint32_t runner, const char *text)
{
    (void)self, (void)runner, (void)text;
}

static weir_data_bus *open_bus(void)
{
    weir_data_bus_config config = {
        .bind = "tcp://127.0.0.1",
        .job = "0123456789abcdef0123456789abcdef",
        .message_max = 1 << 20,
        .receive = on_receive,
        .lost = on_lost,
    };
    weir_data_bus *bus;
    assert_int_equal(weir_data_bus_new(&config, &bus, NULL), 0);
    return bus;
}

static int dial(const char *endpoint)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)strtoul(strrchr(endpoint, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static void flood(const char *endpoint)
{
    int fds[AT_A_TIME];
    for (int i = 0; i < CONNECTIONS; i += AT_A_TIME) {
        for (int j = 0; j < AT_A_TIME; j++)
            fds[j] = dial(endpoint);
        for (int j = 0; j < AT_A_TIME; j++)
            if (fds[j] >= 0)
                close(fds[j]);
    }
}

/* A message over sockets of the same process that have nothing to do with the bus. */
static void expect_traffic(void)
{
    weir_zmq_settings settings = {.message_max = 1000, .linger_ms = 0, .reconnects = false};
    weir_zmq_door door = {.bind = "tcp://127.0.0.1", .what = "test"};
    char endpoint[WEIR_ENDPOINT_MAX], got[8];
    void *in, *out;
    int patience = ANSWER_MS;
    assert_int_equal(weir_zmq_open(ZMQ_DEALER, &settings, &in, NULL), 0);
    assert_int_equal(weir_zmq_open(ZMQ_DEALER, &settings, &out, NULL), 0);
    assert_int_equal(weir_zmq_bind(in, &door, endpoint, NULL), 0);
    assert_int_equal(weir_zmq_connect(out, NULL, endpoint, NULL), 0);
    zmq_setsockopt(in, ZMQ_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(zmq_send(out, "hello", 5, 0), 5);
    assert_int_equal(zmq_recv(in, got, sizeof got, 0), 5);
    weir_zmq_close(&in);
    weir_zmq_close(&out);
}

static void before_the_bus_has_joined(void **state)
{
    (void)state;
    weir_data_bus *bus = open_bus();
    flood(weir_data_bus_endpoint(bus));
    expect_traffic();
    weir_data_bus_destroy(&bus);
}

static void a_bus_without_peers_has_no_door(void **state)
{
    (void)state;
    weir_data_bus *bus = open_bus();
    uint32_t self = 0;
    const char *endpoint = weir_data_bus_endpoint(bus);
    assert_int_equal(weir_data_bus_join(bus, 1, &self, &endpoint, 1, NULL), 0);
    int fd;
    while ((fd = dial(endpoint)) >= 0) /* ZeroMQ closes it in a thread of its own */
        close(fd);
    expect_traffic();
    weir_data_bus_destroy(&bus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_bus_has_joined),
        cmocka_unit_test(a_bus_without_peers_has_no_door),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    weir_reactor_end_process();
    return failed;
}
