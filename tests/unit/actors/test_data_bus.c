/* tests/unit/actors/test_data_bus.c -- data buses of several runners in one process, over real
 * sockets. Senders keep a window of unacknowledged messages, as credits do. */
#include "actors/data_bus.h"
#include "actors/reactor.h"
#include "actors/zmq_socket.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum { MESSAGES = 100000, WINDOW = 3000, RUNNERS = 3, MESSAGE_MAX = 1 << 20, PATIENCE_S = 100 };

#define KEY UINT64_C(0x1122334455667788)

/* One runner: what it received, in order, per peer. */
typedef struct runner {
    weir_data_bus *bus;
    uint32_t index;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t received[RUNNERS], told[RUNNERS], bytes;
    int lost[RUNNERS], lost_total;
    char lost_text[512];
    const char *wrong;
    bool keeps; /* bodies */
    struct {
        void (*release)(void *, void *);
        void *body, *hint;
    } kept[64];
    size_t kept_count;
} runner;

static atomic_size_t released; /* bodies sent that came back */

static void release_sent(void *body, void *hint)
{
    (void)hint;
    weir_free(body);
    atomic_fetch_add(&released, 1);
}

/* Message n: a header of 8 bytes, and a body of a size and content that follow from n; every
 * seventh has none. */
static size_t size_of(uint64_t n)
{
    return n % 1000 == 0 ? 200000 : n * 37 % 900;
}

static bool is_intact(uint64_t n, const uint8_t *body, size_t size)
{
    if (size != size_of(n))
        return false;
    for (size_t i = 0; i < size; i += 97) {
        if (body[i] != (uint8_t)(n * 31 + i))
            return false;
    }
    return true;
}

static uint8_t *make_body(uint64_t n)
{
    size_t size = size_of(n);
    uint8_t *body = weir_alloc(size);
    for (size_t i = 0; i < size; i++)
        body[i] = (uint8_t)(n * 31 + i);
    return body;
}

static void on_receive(void *data, uint32_t from, const void *header, size_t header_size,
                       void *body, size_t body_size, void (*release)(void *, void *), void *hint)
{
    runner *self = data;
    uint64_t n = 0;
    pthread_mutex_lock(&self->lock);
    if (header_size != sizeof n || from >= RUNNERS) {
        self->wrong = "a strange header";
    } else {
        memcpy(&n, header, sizeof n);
        if (n != self->received[from])
            self->wrong = "out of order";
        else if (n % 7 == 0 ? body != NULL : body == NULL || !is_intact(n, body, body_size))
            self->wrong = "a damaged body";
        self->received[from] = n + 1;
        self->bytes += body_size;
    }
    pthread_cond_broadcast(&self->changed);
    if (body != NULL && self->keeps && self->kept_count < 64) {
        self->kept[self->kept_count].body = body;
        self->kept[self->kept_count].release = release;
        self->kept[self->kept_count++].hint = hint;
        body = NULL;
    }
    pthread_mutex_unlock(&self->lock);
    if (body != NULL)
        release(body, hint);
}

/* After the last of what was received, too: else what waits for it waits for ever. */
static void on_received(void *data)
{
    runner *self = data;
    pthread_mutex_lock(&self->lock);
    for (uint32_t i = 0; i < RUNNERS; i++)
        self->told[i] = self->received[i];
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void on_lost(void *data, uint32_t peer, const char *text)
{
    runner *self = data;
    pthread_mutex_lock(&self->lock);
    if (peer < RUNNERS)
        self->lost[peer]++;
    self->lost_total++;
    snprintf(self->lost_text, sizeof self->lost_text, "%s", text);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static const weir_key_pair *job_key; /* of the runners that are opened; NULL: none */

static weir_data_bus_config config_of(runner *self, uint32_t index, const char *bind)
{
    return (weir_data_bus_config){
        .bind = bind,
        .job = "0123456789abcdef0123456789abcdef",
        .runner = index,
        .message_max = MESSAGE_MAX,
        .receive = on_receive,
        .received = on_received,
        .lost = on_lost,
        .self = self,
        .what = "task runner",
        .port_key = "taskmanager.data.port",
        .key = job_key,
    };
}

static void runner_open(runner *self, uint32_t index, const char *bind)
{
    *self = (runner){.index = index};
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    weir_data_bus_config config = config_of(self, index, bind);
    assert_int_equal(weir_data_bus_new(&config, &self->bus, NULL), 0);
}

static void runner_close(runner *self)
{
    weir_data_bus_destroy(&self->bus);
    pthread_mutex_destroy(&self->lock);
    pthread_cond_destroy(&self->changed);
}

static void join_all(runner *runners, uint32_t count)
{
    uint32_t indices[RUNNERS];
    const char *endpoints[RUNNERS];
    for (uint32_t i = 0; i < count; i++) {
        indices[i] = i;
        endpoints[i] = weir_data_bus_endpoint(runners[i].bus);
    }
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(weir_data_bus_join(runners[i].bus, KEY, indices, endpoints, count, NULL),
                         0);
}

/* The same, but it may lie there until somebody wakes the bus. */
static int put_number(runner *from, uint32_t to, uint64_t n)
{
    if (n % 7 == 0)
        return weir_data_bus_put(from->bus, to, &n, sizeof n, NULL, 0, NULL, NULL);
    return weir_data_bus_put(from->bus, to, &n, sizeof n, make_body(n), size_of(n), release_sent,
                             NULL);
}

static int send_number(runner *from, uint32_t to, uint64_t n)
{
    if (n % 7 == 0)
        return weir_data_bus_send(from->bus, to, &n, sizeof n, NULL, 0, NULL, NULL);
    return weir_data_bus_send(from->bus, to, &n, sizeof n, make_body(n), size_of(n), release_sent,
                              NULL);
}

/* Waits until a runner has received `count` messages of a peer, or something else ended it. */
static bool await_received(runner *self, uint32_t from, uint64_t count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    int rc = 0;
    pthread_mutex_lock(&self->lock);
    while (rc == 0 && self->told[from] < count && self->wrong == NULL && self->lost_total == 0)
        rc = pthread_cond_timedwait(&self->changed, &self->lock, &until);
    bool is_done = self->told[from] >= count && self->wrong == NULL;
    pthread_mutex_unlock(&self->lock);
    return is_done;
}

static bool await_lost(runner *self, uint32_t peer)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    int rc = 0;
    pthread_mutex_lock(&self->lock);
    while (rc == 0 && self->lost[peer] == 0)
        rc = pthread_cond_timedwait(&self->changed, &self->lock, &until);
    bool is_lost = self->lost[peer] == 1;
    pthread_mutex_unlock(&self->lock);
    return is_lost;
}

typedef struct stream {
    runner *from, *to;
    bool failed;
} stream;

static void *send_stream(void *data)
{
    stream *self = data;
    for (uint64_t n = 0; n < MESSAGES && !self->failed; n++) {
        if (n % 50 == 0)
            weir_data_bus_wake(self->from->bus);
        if (n % 100 == 0 && n >= WINDOW)
            self->failed = !await_received(self->to, self->from->index, n - WINDOW + 100);
        self->failed |= put_number(self->from, self->to->index, n) != 0;
    }
    weir_data_bus_wake(self->from->bus);
    self->failed |= !await_received(self->to, self->from->index, MESSAGES);
    return NULL;
}

static void exchange(runner *runners, uint32_t count)
{
    stream streams[RUNNERS * RUNNERS];
    pthread_t threads[RUNNERS * RUNNERS];
    size_t used = 0;
    atomic_store(&released, 0);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < count; j++) {
            if (i == j)
                continue;
            streams[used] = (stream){&runners[i], &runners[j], false};
            assert_int_equal(pthread_create(&threads[used], NULL, send_stream, &streams[used]), 0);
            used++;
        }
    }
    for (size_t i = 0; i < used; i++) {
        pthread_join(threads[i], NULL);
        assert_false(streams[i].failed);
    }
    for (uint32_t i = 0; i < count; i++) {
        pthread_mutex_lock(&runners[i].lock); /* its bus runs on */
        const char *wrong = runners[i].wrong;
        int lost = runners[i].lost_total;
        pthread_mutex_unlock(&runners[i].lock);
        assert_null(wrong);
        assert_int_equal(lost, 0);
    }
}

/* Bodies sent by `used` streams: all but every seventh message. */
static size_t bodies_of(size_t used)
{
    return used * (MESSAGES - (MESSAGES + 6) / 7);
}

static void test_both_ways_over_tcp(void **state)
{
    (void)state;
    runner runners[2];
    for (uint32_t i = 0; i < 2; i++)
        runner_open(&runners[i], i, "tcp://127.0.0.1");
    join_all(runners, 2);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    exchange(runners, 2);
    clock_gettime(CLOCK_MONOTONIC, &after);
    double seconds =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    print_message("%d messages each way, %.1f s\n", MESSAGES, seconds);
    for (uint32_t i = 0; i < 2; i++)
        runner_close(&runners[i]);
    assert_int_equal(atomic_load(&released), bodies_of(2));
}

static void test_both_ways_with_keys(void **state)
{
    weir_key_pair pair;
    assert_int_equal(weir_key_pair_new(&pair, NULL), 0);
    job_key = &pair;
    test_both_ways_over_tcp(state);
    job_key = NULL;
}

static void test_three_runners_over_inproc(void **state)
{
    (void)state;
    runner runners[3];
    char bind[32];
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(bind, sizeof bind, "inproc://runner-%u", i);
        runner_open(&runners[i], i, bind);
    }
    join_all(runners, 3);
    exchange(runners, 3);
    for (uint32_t i = 0; i < 3; i++)
        runner_close(&runners[i]);
    assert_int_equal(atomic_load(&released), bodies_of(6));
}

static void test_sends_before_the_peers_have_met_wait(void **state)
{
    (void)state;
    runner runners[2];
    for (uint32_t i = 0; i < 2; i++)
        runner_open(&runners[i], i, "tcp://127.0.0.1");
    uint32_t indices[2] = {0, 1};
    const char *endpoints[2] = {weir_data_bus_endpoint(runners[0].bus),
                                weir_data_bus_endpoint(runners[1].bus)};
    uint64_t n = 0;
    assert_int_equal(weir_data_bus_send(runners[0].bus, 1, &n, sizeof n, NULL, 0, NULL, NULL),
                     WEIR_ENOT_FOUND);
    /* The accepting side first, and the other a good while after its first sends. */
    for (uint32_t i = 2; i-- > 0;) {
        assert_int_equal(weir_data_bus_join(runners[i].bus, KEY, indices, endpoints, 2, NULL), 0);
        for (n = 0; n < 500; n++)
            assert_int_equal(send_number(&runners[i], 1 - i, n), 0);
    }
    assert_true(await_received(&runners[0], 1, 500));
    assert_true(await_received(&runners[1], 0, 500));
    assert_int_equal(weir_data_bus_join(runners[0].bus, KEY, indices, endpoints, 2, NULL),
                     WEIR_ESTATE);
    for (uint32_t i = 0; i < 2; i++)
        runner_close(&runners[i]);
}

/* A port that nobody listens on: bound and closed again. */
static int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

/* A receiver that stands still fills every queue; what does not fit waits its turn, in order, on
 * the connecting side (which is told of room) and on the accepting side (which is not). */
static void test_a_full_peer_delays_but_loses_nothing(void **state)
{
    (void)state;
    enum { BEFORE = 70000, ALL = 95000 };
    for (uint32_t from = 0; from < 2; from++) {
        runner runners[2];
        for (uint32_t i = 0; i < 2; i++)
            runner_open(&runners[i], i, "tcp://127.0.0.1");
        join_all(runners, 2);
        runner *to = &runners[1 - from];
        assert_int_equal(send_number(&runners[from], to->index, 0), 0);
        assert_true(await_received(to, from, 1));
        int failed = 0;
        pthread_mutex_lock(&to->lock);
        for (uint64_t n = 1; n < BEFORE; n++)
            failed += send_number(&runners[from], to->index, n) != 0;
        pthread_mutex_unlock(&to->lock);
        for (uint64_t n = BEFORE; n < ALL; n++)
            failed += send_number(&runners[from], to->index, n) != 0;
        assert_int_equal(failed, 0);
        assert_true(await_received(to, from, ALL));
        for (uint32_t i = 0; i < 2; i++)
            runner_close(&runners[i]);
    }
}

static void test_a_door_that_opens_late_is_found(void **state)
{
    (void)state;
    int port = free_port();
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    runner early, late = {.index = 1};
    runner_open(&early, 0, "tcp://127.0.0.1");
    uint32_t indices[2] = {0, 1};
    const char *endpoints[2] = {weir_data_bus_endpoint(early.bus), endpoint};
    assert_int_equal(weir_data_bus_join(early.bus, KEY, indices, endpoints, 2, NULL), 0);
    assert_int_equal(send_number(&early, 1, 0), 0);
    pthread_mutex_init(&late.lock, NULL);
    pthread_cond_init(&late.changed, NULL);
    weir_data_bus_config config = config_of(&late, 1, "tcp://127.0.0.1");
    config.port_first = config.port_last = port;
    assert_int_equal(weir_data_bus_new(&config, &late.bus, NULL), 0);
    assert_int_equal(weir_data_bus_join(late.bus, KEY, indices, endpoints, 2, NULL), 0);
    assert_true(await_received(&late, 0, 1));
    runner_close(&early);
    runner_close(&late);
}

static void refuse_with(uint64_t key, const char *job, uint32_t claimed)
{
    runner door, other;
    runner_open(&door, 1, "tcp://127.0.0.1");
    other = (runner){.index = claimed};
    pthread_mutex_init(&other.lock, NULL);
    pthread_cond_init(&other.changed, NULL);
    weir_data_bus_config config = config_of(&other, claimed, "tcp://127.0.0.1");
    config.job = job;
    assert_int_equal(weir_data_bus_new(&config, &other.bus, NULL), 0);
    uint32_t door_peers[2] = {0, 1}, other_peers[2] = {claimed, 9};
    const char *endpoints[2] = {weir_data_bus_endpoint(other.bus),
                                weir_data_bus_endpoint(door.bus)};
    assert_int_equal(weir_data_bus_join(door.bus, KEY, door_peers, endpoints, 2, NULL), 0);
    /* To the other one the door is runner 9, so that it connects whatever it claims to be; the door
     * is to refuse it before that matters. */
    assert_int_equal(weir_data_bus_join(other.bus, key, other_peers, endpoints, 2, NULL), 0);
    uint64_t n = 0;
    assert_int_equal(
        weir_data_bus_send(other.bus, 9, &n, sizeof n, weir_alloc(8), 8, release_sent, NULL), 0);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&other.lock);
    int rc = 0;
    while (rc == 0 && other.lost_total == 0)
        rc = pthread_cond_timedwait(&other.changed, &other.lock, &until);
    pthread_mutex_unlock(&other.lock);
    assert_int_equal(other.lost_total, 1);
    assert_non_null(strstr(other.lost_text, "refused our hello"));
    assert_int_equal(door.received[0], 0);
    assert_int_equal(door.lost_total, 0);
    runner_close(&other);
    runner_close(&door);
}

static void test_strangers_are_refused(void **state)
{
    (void)state;
    atomic_store(&released, 0);
    refuse_with(KEY + 1, "0123456789abcdef0123456789abcdef", 0);
    refuse_with(KEY, "ffffffffffffffffffffffffffffffff", 0);
    refuse_with(KEY, "0123456789abcdef0123456789abcdef", 5); /* no runner of the job */
    assert_int_equal(atomic_load(&released), 3);
}

static void test_an_impostor_behind_the_endpoint_is_not_trusted(void **state)
{
    (void)state;
    runner one, three;
    runner_open(&one, 0, "tcp://127.0.0.1");
    runner_open(&three, 2, "tcp://127.0.0.1");
    uint32_t indices[3] = {0, 1, 2};
    const char *one_way[3] = {weir_data_bus_endpoint(one.bus), weir_data_bus_endpoint(three.bus),
                              "inproc://nobody"};
    const char *other_way[3] = {weir_data_bus_endpoint(one.bus), "inproc://nobody",
                                weir_data_bus_endpoint(three.bus)};
    assert_int_equal(weir_data_bus_join(three.bus, KEY, indices, other_way, 3, NULL), 0);
    assert_int_equal(weir_data_bus_join(one.bus, KEY, indices, one_way, 2, NULL), 0);
    assert_true(await_lost(&one, 1));
    assert_non_null(strstr(one.lost_text, "another runner answers"));
    runner_close(&one);
    runner_close(&three);
}

static void test_the_end_of_a_peer_is_noticed_on_both_sides(void **state)
{
    (void)state;
    for (uint32_t gone = 0; gone < 2; gone++) {
        runner runners[2];
        for (uint32_t i = 0; i < 2; i++)
            runner_open(&runners[i], i, "tcp://127.0.0.1");
        join_all(runners, 2);
        assert_int_equal(send_number(&runners[0], 1, 0), 0);
        assert_int_equal(send_number(&runners[1], 0, 0), 0);
        assert_true(await_received(&runners[0], 1, 1));
        assert_true(await_received(&runners[1], 0, 1));
        runner_close(&runners[gone]);
        runner *left = &runners[1 - gone];
        assert_true(await_lost(left, gone));
        assert_non_null(strstr(left->lost_text, "broke"));
        /* What is sent then is dropped, its body given back, and nothing said again. */
        atomic_store(&released, 0);
        for (uint64_t n = 1; n <= 50; n++)
            assert_int_equal(send_number(left, gone, n), 0);
        runner_close(left);
        assert_int_equal(atomic_load(&released), 43);
        assert_int_equal(left->lost_total, 1);
    }
}

static void pack_hello(weir_buffer *bytes, uint32_t index, uint64_t key)
{
    Weir__Proto__Hello hello = WEIR__PROTO__HELLO__INIT;
    hello.protocol = 2;
    hello.job = (char *)(uintptr_t) "0123456789abcdef0123456789abcdef";
    hello.runner = index;
    hello.key = key;
    Weir__Proto__DataHeader header = WEIR__PROTO__DATA_HEADER__INIT;
    header.body_case = WEIR__PROTO__DATA_HEADER__BODY_HELLO;
    header.hello = &hello;
    assert_int_equal(weir_proto_pack(&header.base, bytes), 0);
}

static int connect_raw(const char *endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)strtoul(strrchr(endpoint, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Comes to a door and leaves. Returns the socket when the door has closed its side. */
static int come_and_go(const char *endpoint)
{
    int fd = connect_raw(endpoint);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    char bytes[256];
    while (recv(fd, bytes, sizeof bytes, 0) > 0)
        continue;
    return fd;
}

/* Runner 0, played by hand: connected, its hello on the way. */
static void *greet_by_hand(const char *endpoint)
{
    const weir_zmq_settings settings = {.message_max = MESSAGE_MAX, .linger_ms = 10000};
    void *dealer = NULL;
    assert_int_equal(weir_zmq_open(ZMQ_DEALER, &settings, &dealer, NULL), 0);
    assert_int_equal(weir_zmq_connect(dealer, NULL, endpoint, NULL), 0);
    weir_buffer hello = WEIR_BUFFER_INIT;
    pack_hello(&hello, 0, KEY);
    assert_int_equal(zmq_send(dealer, hello.data, hello.size, 0), hello.size);
    weir_buffer_deinit(&hello);
    return dealer;
}

/* A message of one letter, which has no body: what a bus would send. */
static void send_by_hand(void *dealer, uint64_t n)
{
    uint8_t message[4 + 8 + sizeof n] = {1, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, sizeof n};
    memcpy(message + 12, &n, sizeof n);
    assert_int_equal(zmq_send(dealer, message, sizeof message, 0), sizeof message);
}

/* A port scanner's connection ends, and its descriptor is a peer's next; that the end is told when
 * the peer's hello is already there does not make it the peer's end. The peer is played by hand, so
 * that both are there before the bus begins to listen. */
static void test_the_end_of_a_stranger_is_nobodys_loss(void **state)
{
    (void)state;
    enum { FILLED = 64, STRANGERS = 8 };
    runner door;
    runner_open(&door, 1, "tcp://127.0.0.1");
    const char *endpoints[2] = {"tcp://127.0.0.1:1", weir_data_bus_endpoint(door.bus)};
    const uint32_t indices[2] = {0, 1};
    int filled[FILLED], strangers[2 * STRANGERS]; /* so that the lowest free ones are strangers' */
    for (size_t i = 0; i < FILLED; i++)
        filled[i] = dup(STDOUT_FILENO);
    for (size_t i = 0; i < STRANGERS; i++)
        strangers[i] = connect_raw(endpoints[1]);
    for (size_t i = 0; i < STRANGERS; i++) {
        char bytes[256];
        assert_int_equal(shutdown(strangers[i], SHUT_WR), 0);
        while (recv(strangers[i], bytes, sizeof bytes, 0) > 0)
            continue;
    }
    void *peer = greet_by_hand(endpoints[1]);
    for (size_t i = STRANGERS; i < WEIR_COUNT(strangers); i++) /* the hello is taken in meanwhile */
        strangers[i] = come_and_go(endpoints[1]);
    assert_int_equal(weir_data_bus_join(door.bus, KEY, indices, endpoints, 2, NULL), 0);
    send_by_hand(peer, 0);
    assert_true(await_received(&door, 0, 1));
    assert_int_equal(door.lost_total, 0);
    weir_zmq_close(&peer); /* its own end is noticed all the same */
    assert_true(await_lost(&door, 0));
    runner_close(&door);
    for (size_t i = 0; i < FILLED; i++)
        close(filled[i]);
    for (size_t i = 0; i < WEIR_COUNT(strangers); i++)
        close(strangers[i]);
}

/* Of a peer that came and went before the bus began to listen, the last words count, then its loss.
 */
static void test_a_peer_that_left_at_once_is_lost_after_its_last_words(void **state)
{
    (void)state;
    runner door;
    runner_open(&door, 1, "tcp://127.0.0.1");
    const char *endpoints[2] = {"tcp://127.0.0.1:1", weir_data_bus_endpoint(door.bus)};
    const uint32_t indices[2] = {0, 1};
    void *peer = greet_by_hand(endpoints[1]);
    send_by_hand(peer, 0);
    weir_zmq_close(&peer);
    for (size_t i = 0; i < 8; i++) /* it is taken in meanwhile */
        close(come_and_go(endpoints[1]));
    assert_int_equal(weir_data_bus_join(door.bus, KEY, indices, endpoints, 2, NULL), 0);
    assert_true(await_lost(&door, 0));
    runner_close(&door);
    assert_int_equal(door.lost_total, 1);
}

static void test_junk_and_a_second_hello(void **state)
{
    (void)state;
    runner runners[2];
    for (uint32_t i = 0; i < 2; i++)
        runner_open(&runners[i], i, "tcp://127.0.0.1");
    join_all(runners, 2);
    assert_int_equal(send_number(&runners[0], 1, 0), 0);
    assert_true(await_received(&runners[1], 0, 1));
    void *context = zmq_ctx_new();
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    assert_int_equal(zmq_connect(dealer, weir_data_bus_endpoint(runners[1].bus)), 0);
    for (int i = 0; i < 100; i++) {
        zmq_send(dealer, "junk", 4, i % 2 == 0 ? ZMQ_SNDMORE : 0);
        zmq_send(dealer, "junk", 4, ZMQ_SNDMORE);
        zmq_send(dealer, "", 0, 0);
    }
    weir_buffer hello = WEIR_BUFFER_INIT;
    pack_hello(&hello, 0, KEY + 1); /* the pair stands: the wrong key does not disturb it */
    zmq_send(dealer, hello.data, hello.size, 0);
    char answer[256];
    assert_true(zmq_recv(dealer, answer, sizeof answer, 0) > 0);
    assert_int_equal(send_number(&runners[0], 1, 1), 0);
    assert_true(await_received(&runners[1], 0, 2));
    assert_int_equal(runners[1].lost_total, 0);
    weir_buffer_clear(&hello);
    pack_hello(&hello, 0, KEY); /* the right one means that the first connection is no more */
    zmq_send(dealer, hello.data, hello.size, 0);
    assert_true(await_lost(&runners[1], 0));
    assert_non_null(strstr(runners[1].lost_text, "second time"));
    weir_buffer_deinit(&hello);
    int linger = 0;
    zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
    zmq_close(dealer);
    zmq_ctx_term(context);
    for (uint32_t i = 0; i < 2; i++)
        runner_close(&runners[i]);
}

static void test_too_many_parts_or_too_long_end_the_pair(void **state)
{
    (void)state;
    for (int variant = 0; variant < 2; variant++) {
        runner door;
        runner_open(&door, 1, "tcp://127.0.0.1");
        uint32_t indices[2] = {0, 1};
        const char *endpoints[2] = {"tcp://127.0.0.1:1", weir_data_bus_endpoint(door.bus)};
        assert_int_equal(weir_data_bus_join(door.bus, KEY, indices, endpoints, 2, NULL), 0);
        void *context = zmq_ctx_new();
        void *dealer = zmq_socket(context, ZMQ_DEALER);
        assert_int_equal(zmq_setsockopt(dealer, ZMQ_ROUTING_ID, "0123456789abcdef", 16), 0);
        assert_int_equal(zmq_connect(dealer, endpoints[1]), 0);
        weir_buffer hello = WEIR_BUFFER_INIT;
        pack_hello(&hello, 0, KEY);
        zmq_send(dealer, hello.data, hello.size, 0);
        char answer[256];
        assert_true(zmq_recv(dealer, answer, sizeof answer, 0) > 0);
        char *large = weir_calloc(1, MESSAGE_MAX + 1);
        zmq_send(dealer, "header", 6, ZMQ_SNDMORE);
        zmq_send(dealer, large, variant == 0 ? 10 : MESSAGE_MAX + 1,
                 variant == 0 ? ZMQ_SNDMORE : 0);
        if (variant == 0)
            zmq_send(dealer, "more", 4, 0);
        assert_true(await_lost(&door, 0));
        int linger = 0;
        zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
        zmq_close(dealer);
        zmq_ctx_term(context);
        weir_free(large);
        weir_buffer_deinit(&hello);
        runner_close(&door);
    }
}

static void test_limits_and_errors(void **state)
{
    (void)state;
    runner runners[2];
    for (uint32_t i = 0; i < 2; i++)
        runner_open(&runners[i], i, "tcp://127.0.0.1");
    uint32_t twice[3] = {0, 1, 1};
    const char *endpoints[3] = {"tcp://127.0.0.1:1", weir_data_bus_endpoint(runners[1].bus),
                                "tcp://127.0.0.1:1"};
    assert_int_equal(weir_data_bus_join(runners[0].bus, KEY, twice, endpoints, 3, NULL),
                     WEIR_EINVALID);
    join_all(runners, 2);
    char header[5000] = {0};
    weir_data_bus *bus = runners[0].bus;
    assert_int_equal(weir_data_bus_send(bus, 1, header, sizeof header, NULL, 0, NULL, NULL),
                     WEIR_ETOO_LARGE);
    assert_int_equal(weir_data_bus_send(bus, 1, header, 8, header, MESSAGE_MAX + 1, NULL, NULL),
                     WEIR_ETOO_LARGE);
    assert_int_equal(weir_data_bus_send(bus, 7, header, 8, NULL, 0, NULL, NULL), WEIR_ENOT_FOUND);
    assert_int_equal(weir_data_bus_send(bus, 0, header, 8, NULL, 0, NULL, NULL), WEIR_ENOT_FOUND);
    weir_data_bus_config config = config_of(&runners[0], 0, "tcp://127.0.0.1");
    config.port_first = config.port_last =
        (int)strtol(strrchr(weir_data_bus_endpoint(runners[1].bus), ':') + 1, NULL, 10);
    weir_data_bus *other = NULL;
    weir_error error;
    assert_int_equal(weir_data_bus_new(&config, &other, &error), WEIR_ERESOURCES);
    assert_null(other);
    assert_non_null(strstr(error.text, "taskmanager.data.port"));
    weir_data_bus_destroy(&other);
    for (uint32_t i = 0; i < 2; i++)
        runner_close(&runners[i]);
}

static void test_bodies_may_be_kept_beyond_the_bus(void **state)
{
    (void)state;
    runner runners[2];
    for (uint32_t i = 0; i < 2; i++)
        runner_open(&runners[i], i, "tcp://127.0.0.1");
    runners[1].keeps = true;
    join_all(runners, 2);
    for (uint64_t n = 0; n < 40; n++)
        assert_int_equal(send_number(&runners[0], 1, n), 0);
    assert_true(await_received(&runners[1], 0, 40));
    for (uint32_t i = 0; i < 2; i++)
        runner_close(&runners[i]);
    size_t kept = 0;
    for (uint64_t n = 0; n < 40; n++) {
        if (n % 7 == 0)
            continue;
        assert_true(is_intact(n, runners[1].kept[kept].body, size_of(n)));
        runners[1].kept[kept].release(runners[1].kept[kept].body, runners[1].kept[kept].hint);
        kept++;
    }
    assert_int_equal(kept, runners[1].kept_count);
}

static int end_process(void **state)
{
    (void)state;
    weir_reactor_end_process();
    return 0;
}

int main(void)
{
    weir_log_setup("test", WEIR_LOG_OFF);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_over_tcp),
        cmocka_unit_test(test_both_ways_with_keys),
        cmocka_unit_test(test_three_runners_over_inproc),
        cmocka_unit_test(test_sends_before_the_peers_have_met_wait),
        cmocka_unit_test(test_a_full_peer_delays_but_loses_nothing),
        cmocka_unit_test(test_a_door_that_opens_late_is_found),
        cmocka_unit_test(test_strangers_are_refused),
        cmocka_unit_test(test_an_impostor_behind_the_endpoint_is_not_trusted),
        cmocka_unit_test(test_the_end_of_a_peer_is_noticed_on_both_sides),
        cmocka_unit_test(test_the_end_of_a_stranger_is_nobodys_loss),
        cmocka_unit_test(test_a_peer_that_left_at_once_is_lost_after_its_last_words),
        cmocka_unit_test(test_junk_and_a_second_hello),
        cmocka_unit_test(test_too_many_parts_or_too_long_end_the_pair),
        cmocka_unit_test(test_limits_and_errors),
        cmocka_unit_test(test_bodies_may_be_kept_beyond_the_bus),
    };
    return cmocka_run_group_tests(tests, NULL, end_process);
}
