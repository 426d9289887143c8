/* actors/data_bus_peers.c -- connections of the data bus: handshakes, sending, receiving, loss.
 *
 * A connection is never remade behind the runner's back: the connecting socket does not reconnect,
 * and a second hello of a runner means that its first connection is gone. What was on the way then
 * is unknown, so the pair is lost, once and for good. */
#include "actors/data_bus_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    PROTOCOL = 1,
    PROTOCOL_REFUSED = 0, /* in an answer: the hello was refused */
    RETRY_MS = 50,
    GIVE_UP_MS = 60000,
    WAITING_MAX = 100000, /* letters; credits keep them far below */
    COMPLAINTS_MAX = 16,
    HELLO_MEMORY_MAX = 16 << 10,
};

/* --- loss --- */

static void drop_waiting(struct weir__bus_peer *peer)
{
    struct weir__letter *letter = peer->first, *next;
    for (; letter != NULL; letter = next) {
        next = letter->next;
        weir__letter_free(letter);
    }
    peer->first = NULL;
    peer->end = &peer->first;
    peer->waiting = 0;
}

static uint64_t key_of(const uint8_t *id, size_t size)
{
    uint64_t key = 0;
    memcpy(&key, id, size < sizeof key ? size : sizeof key);
    return key;
}

void weir__bus_peer_close(struct weir__bus_peer *peer)
{
    if (peer->socket != NULL)
        weir_zmq_unwatch(peer->socket, &peer->monitor);
    weir_zmq_close(&peer->socket);
    drop_waiting(peer);
}

static void lose(weir_data_bus *bus, struct weir__bus_peer *peer, const char *why)
{
    if (peer->state == WEIR__BUS_LOST)
        return;
    peer->state = WEIR__BUS_LOST;
    if (peer->id_size > 0)
        weir_number_map_take(&bus->by_id, key_of(peer->id, peer->id_size));
    weir__bus_peer_close(peer);
    char text[512];
    snprintf(text, sizeof text, "data connection with runner %u at %s: %s", peer->runner,
             peer->endpoint, why);
    bus->config.lost(bus->config.self, peer->runner, text);
}

static void complain(weir_data_bus *bus, const char *what)
{
    if (bus->complaints++ < COMPLAINTS_MAX)
        weir_log_warn("data bus of job %s: %s", bus->job, what);
}

/* --- frames --- */

static int send_frame(void *socket, const void *bytes, size_t size, int flags)
{
    int rc;
    do
        rc = zmq_send(socket, bytes, size, ZMQ_DONTWAIT | flags);
    while (rc < 0 && zmq_errno() == EINTR);
    return rc < 0 ? zmq_errno() : 0;
}

static bool receive_frame(void *socket, zmq_msg_t *frame)
{
    int rc;
    do
        rc = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
    while (rc < 0 && zmq_errno() == EINTR);
    return rc >= 0;
}

static void skip_rest(void *socket, const zmq_msg_t *last)
{
    bool more = zmq_msg_more(last) != 0;
    zmq_msg_t rest;
    zmq_msg_init(&rest);
    while (more && receive_frame(socket, &rest))
        more = zmq_msg_more(&rest) != 0;
    zmq_msg_close(&rest);
}

/* --- hello --- */

/* Returns 0 or errno. */
static int send_hello(weir_data_bus *bus, void *socket, const uint8_t *id, size_t id_size,
                      bool is_refusal)
{
    Weir__Proto__Hello hello = WEIR__PROTO__HELLO__INIT;
    hello.protocol = is_refusal ? PROTOCOL_REFUSED : PROTOCOL;
    hello.job = bus->job;
    hello.runner = bus->config.runner;
    hello.key = is_refusal ? 0 : bus->key;
    Weir__Proto__DataHeader header = WEIR__PROTO__DATA_HEADER__INIT;
    header.body_case = WEIR__PROTO__DATA_HEADER__BODY_HELLO;
    header.hello = &hello;
    weir_buffer bytes = WEIR_BUFFER_INIT;
    int rc = weir_proto_pack(&header.base, &bytes) == 0 ? 0 : ENOMEM;
    if (rc == 0 && id_size > 0)
        rc = send_frame(socket, id, id_size, ZMQ_SNDMORE);
    if (rc == 0)
        rc = send_frame(socket, bytes.data, bytes.size, 0);
    weir_buffer_deinit(&bytes);
    return rc;
}

/* The hello in a frame; NULL when it is something else. Free with weir_proto_free. */
static Weir__Proto__DataHeader *read_hello(zmq_msg_t *frame)
{
    ProtobufCMessage *message = NULL;
    int rc = weir_proto_unpack(&weir__proto__data_header__descriptor, zmq_msg_data(frame),
                               zmq_msg_size(frame), HELLO_MEMORY_MAX, &message, NULL);
    if (rc != 0)
        return NULL;
    Weir__Proto__DataHeader *header = (Weir__Proto__DataHeader *)message;
    if (header->body_case == WEIR__PROTO__DATA_HEADER__BODY_HELLO)
        return header;
    weir_proto_free(message);
    return NULL;
}

static bool is_of_job(const weir_data_bus *bus, const Weir__Proto__Hello *hello)
{
    return hello->protocol == PROTOCOL && strcmp(hello->job, bus->job) == 0 &&
           hello->key == bus->key;
}

/* --- sending --- */

static void wait_in_line(struct weir__bus_peer *peer, struct weir__letter *letter)
{
    letter->next = NULL;
    *peer->end = letter;
    peer->end = &letter->next;
    peer->waiting++;
}

/* The header stands before the body is given away: only then can nothing go back. */
static int send_body(void *socket, struct weir__letter *letter)
{
    zmq_msg_t body;
    if (zmq_msg_init_data(&body, letter->body, letter->body_size, weir__letter_release, letter) !=
        0) {
        weir__letter_free(letter);
        send_frame(socket, "", 0, 0); /* ends the message, so that the socket can be used */
        return ENOMEM;
    }
    int rc;
    do
        rc = zmq_msg_send(&body, socket, ZMQ_DONTWAIT);
    while (rc < 0 && zmq_errno() == EINTR);
    if (rc >= 0)
        return 0;
    zmq_msg_close(&body); /* releases it */
    return EPIPE;
}

/* EAGAIN: the letter is still the caller's. Else it is gone, one way or the other. */
static int send_letter(weir_data_bus *bus, struct weir__bus_peer *peer, struct weir__letter *letter)
{
    void *socket = peer->connects ? peer->socket : bus->door;
    int rc = 0;
    if (!peer->connects)
        rc = send_frame(socket, peer->id, peer->id_size, ZMQ_SNDMORE);
    bool has_begun = rc == 0 && !peer->connects;
    if (rc == 0)
        rc = send_frame(socket, letter->header, letter->header_size,
                        letter->body == NULL ? 0 : ZMQ_SNDMORE);
    if (rc == EAGAIN && !has_begun)
        return EAGAIN;
    if (rc != 0 || letter->body == NULL)
        weir__letter_free(letter);
    else
        rc = send_body(socket, letter);
    return rc == EAGAIN ? EPIPE : rc;
}

static void check_sent(weir_data_bus *bus, struct weir__bus_peer *peer, int rc)
{
    if (rc == ENOMEM)
        lose(bus, peer, "no memory to send a message");
    else if (rc != 0)
        lose(bus, peer, "the connection broke");
}

void weir__bus_peer_send(weir_data_bus *bus, struct weir__bus_peer *peer,
                         struct weir__letter *letter)
{
    if (peer->state == WEIR__BUS_LOST) {
        weir__letter_free(letter);
        return;
    }
    if (peer->state == WEIR__BUS_OPEN && peer->waiting == 0) {
        int rc = send_letter(bus, peer, letter);
        if (rc != EAGAIN) {
            check_sent(bus, peer, rc);
            return;
        }
    }
    wait_in_line(peer, letter);
    if (peer->waiting > WAITING_MAX)
        lose(bus, peer, "too many messages wait to be sent");
}

void weir__bus_peer_flush(weir_data_bus *bus, struct weir__bus_peer *peer)
{
    while (peer->state == WEIR__BUS_OPEN && peer->waiting > 0) {
        struct weir__letter *letter = peer->first;
        struct weir__letter *next = letter->next;
        int rc = send_letter(bus, peer, letter);
        if (rc == EAGAIN)
            return;
        peer->first = next;
        if (next == NULL)
            peer->end = &peer->first;
        peer->waiting--;
        check_sent(bus, peer, rc);
    }
}

/* --- the connecting side --- */

static void greet(weir_data_bus *bus, struct weir__bus_peer *peer)
{
    if (peer->state != WEIR__BUS_CONNECTING)
        return;
    int rc = send_hello(bus, peer->socket, NULL, 0, false);
    if (rc == 0)
        peer->state = WEIR__BUS_GREETING;
    else
        lose(bus, peer, "cannot say hello");
}

/* Before the first hello nothing is lost: the connection may be tried again. */
static void retry_later(struct weir__bus_peer *peer)
{
    weir_zmq_unwatch(peer->socket, &peer->monitor);
    weir_zmq_close(&peer->socket);
    peer->retry_ms = weir_clock_monotonic_ms() + RETRY_MS;
}

void weir__bus_peer_open(weir_data_bus *bus, struct weir__bus_peer *peer)
{
    if (peer->give_up_ms == 0)
        peer->give_up_ms = weir_clock_monotonic_ms() + GIVE_UP_MS;
    weir_error error;
    int rc = weir__bus_open(bus, ZMQ_DEALER, &peer->socket, &error);
    bool is_inproc = strncmp(peer->endpoint, "inproc://", 9) == 0;
    if (rc == 0 && !is_inproc)
        rc = weir_zmq_watch(peer->socket, &peer->monitor, &error);
    if (rc == 0)
        rc = weir_zmq_connect(peer->socket, peer->endpoint, &error);
    if (rc != 0)
        lose(bus, peer, error.text);
    else if (is_inproc) /* which has no news, and no connection that could fail */
        greet(bus, peer);
}

void weir__bus_peer_tick(weir_data_bus *bus, struct weir__bus_peer *peer, int64_t now_ms)
{
    if (!peer->connects || peer->state >= WEIR__BUS_OPEN)
        return;
    if (now_ms >= peer->give_up_ms)
        lose(bus, peer, "no answer within 60 s");
    else if (peer->socket == NULL && now_ms >= peer->retry_ms)
        weir__bus_peer_open(bus, peer);
}

void weir__bus_peer_news(weir_data_bus *bus, struct weir__bus_peer *peer)
{
    while (peer->monitor != NULL) {
        switch (weir_zmq_next_news(peer->monitor, NULL)) {
        case WEIR_ZMQ_NO_NEWS:
            return;
        case WEIR_ZMQ_ACCEPTED: /* of doors only */
            break;
        case WEIR_ZMQ_CONNECTED:
            greet(bus, peer);
            break;
        case WEIR_ZMQ_DISCONNECTED:
        case WEIR_ZMQ_FAILED:
            if (peer->state == WEIR__BUS_CONNECTING)
                retry_later(peer);
            else
                lose(bus, peer, "the connection broke");
            break;
        }
    }
}

static void on_answer(weir_data_bus *bus, struct weir__bus_peer *peer, zmq_msg_t *frame)
{
    Weir__Proto__DataHeader *header = read_hello(frame);
    const char *wrong = NULL;
    if (header == NULL)
        wrong = "it speaks before its hello";
    else if (header->hello->protocol == PROTOCOL_REFUSED)
        wrong = "it refused our hello: another job's runner, or another release";
    else if (!is_of_job(bus, header->hello) || header->hello->runner != peer->runner)
        wrong = "another runner answers there";
    if (header != NULL)
        weir_proto_free(&header->base);
    if (wrong != NULL) {
        lose(bus, peer, wrong);
        return;
    }
    peer->state = WEIR__BUS_OPEN;
    weir__bus_peer_flush(bus, peer);
}

/* --- receiving --- */

static void release_received(void *body, void *hint)
{
    (void)body;
    zmq_msg_close(hint);
    weir_free(hint);
}

/* The rest of a message whose header is in `header`. False: it was not of one or two parts, or
 * memory ended. */
static bool deliver(weir_data_bus *bus, void *socket, struct weir__bus_peer *peer,
                    zmq_msg_t *header)
{
    const weir_data_bus_config *config = &bus->config;
    if (!zmq_msg_more(header)) {
        config->receive(config->self, peer->runner, zmq_msg_data(header), zmq_msg_size(header),
                        NULL, 0, NULL, NULL);
        return true;
    }
    zmq_msg_t *body = weir_alloc(sizeof *body);
    if (body == NULL) {
        skip_rest(socket, header);
        return false;
    }
    zmq_msg_init(body);
    if (!receive_frame(socket, body) || zmq_msg_more(body)) {
        skip_rest(socket, body);
        release_received(NULL, body);
        return false;
    }
    config->receive(config->self, peer->runner, zmq_msg_data(header), zmq_msg_size(header),
                    zmq_msg_data(body), zmq_msg_size(body), release_received, body);
    return true;
}

void weir__bus_peer_drain(weir_data_bus *bus, struct weir__bus_peer *peer)
{
    zmq_msg_t header;
    zmq_msg_init(&header);
    for (int left = WEIR__BUS_DRAIN_MAX; left > 0 && peer->socket != NULL; left--) {
        if (!receive_frame(peer->socket, &header))
            break;
        if (peer->state == WEIR__BUS_OPEN) {
            if (!deliver(bus, peer->socket, peer, &header))
                lose(bus, peer, "a message of its could not be taken");
        } else {
            skip_rest(peer->socket, &header);
            on_answer(bus, peer, &header);
        }
    }
    zmq_msg_close(&header);
}

/* --- the accepting side --- */

static struct weir__bus_peer *find_accepted(const weir_data_bus *bus, const uint8_t *id,
                                            size_t size)
{
    struct weir__bus_peer *peer = weir_number_map_get(&bus->by_id, key_of(id, size));
    bool is_same = peer != NULL && peer->id_size == size && memcmp(peer->id, id, size) == 0;
    return is_same ? peer : NULL;
}

static bool accept_peer(weir_data_bus *bus, struct weir__bus_peer *peer, const uint8_t *id,
                        size_t size, int fd)
{
    if (size < sizeof(uint64_t) || size > sizeof peer->id ||
        weir_number_map_get(&bus->by_id, key_of(id, size)) != NULL ||
        weir_number_map_put(&bus->by_id, key_of(id, size), peer) != 0)
        return false;
    memcpy(peer->id, id, size);
    peer->id_size = size;
    peer->fd = fd;
    peer->is_gone = weir_number_map_get(&bus->closed_fds, (uint64_t)fd) != NULL;
    peer->state = WEIR__BUS_OPEN;
    int rc = send_hello(bus, bus->door, id, size, false);
    if (rc != 0)
        lose(bus, peer, "cannot answer its hello");
    else
        weir__bus_peer_flush(bus, peer);
    return true;
}

static struct weir__bus_peer *peer_of_fd(weir_data_bus *bus, int fd)
{
    for (size_t i = 0; i < bus->peer_count; i++) {
        struct weir__bus_peer *peer = &bus->peers[i];
        if (!peer->connects && peer->state == WEIR__BUS_OPEN && !peer->is_gone && peer->fd == fd)
            return peer;
    }
    return NULL;
}

/* Whose connection broke; nobody is lost yet, for messages of his may wait. Of a connection that is
 * no peer's, what was told last about its descriptor is remembered: its hello may wait, too. */
static void note_news(weir_data_bus *bus)
{
    int fd = -1;
    enum weir_zmq_news news;
    while (bus->door_monitor != NULL &&
           (news = weir_zmq_next_news(bus->door_monitor, &fd)) != WEIR_ZMQ_NO_NEWS) {
        struct weir__bus_peer *peer = peer_of_fd(bus, fd);
        if (news == WEIR_ZMQ_ACCEPTED)
            weir_number_map_take(&bus->closed_fds, (uint64_t)fd);
        else if (news == WEIR_ZMQ_DISCONNECTED && peer != NULL)
            peer->is_gone = true;
        else if (news == WEIR_ZMQ_DISCONNECTED &&
                 weir_number_map_put(&bus->closed_fds, (uint64_t)fd, bus) != 0)
            complain(bus, "no memory to note that a stranger left");
    }
}

/* Descriptors are used again. What is told until now about that of this connection is of it and of
 * those before, so it is heard first; else the end of a stranger would be taken for this peer's. */
static bool welcome(weir_data_bus *bus, struct weir__bus_peer *peer, const uint8_t *id, size_t size,
                    zmq_msg_t *frame)
{
    note_news(bus);
    return accept_peer(bus, peer, id, size, zmq_msg_get(frame, ZMQ_SRCFD));
}

/* The first message of a connection. */
static void on_stranger(weir_data_bus *bus, const uint8_t *id, size_t size, zmq_msg_t *frame)
{
    Weir__Proto__DataHeader *header = read_hello(frame);
    if (header == NULL) {
        complain(bus, "a stranger sent something without a hello; dropped");
        return;
    }
    const Weir__Proto__Hello *hello = header->hello;
    struct weir__bus_peer *peer = weir_number_map_get(&bus->by_runner, hello->runner);
    bool is_welcome = false;
    if (!is_of_job(bus, hello) || peer == NULL || peer->connects)
        complain(bus, "a hello with another job, key or protocol, or of no runner of this job; "
                      "refused");
    else if (peer->state == WEIR__BUS_OPEN)
        lose(bus, peer, "it connected a second time");
    else if (peer->state != WEIR__BUS_LOST)
        is_welcome = welcome(bus, peer, id, size, frame);
    weir_proto_free(&header->base);
    if (!is_welcome)
        (void)send_hello(bus, bus->door, id, size, true); /* when it has left, it needs no answer */
}

/* One message at the door. False: there is none. */
static bool door_receive(weir_data_bus *bus, zmq_msg_t *frame)
{
    if (!receive_frame(bus->door, frame))
        return false;
    uint8_t id[WEIR__BUS_ID_MAX];
    size_t size = zmq_msg_size(frame);
    if (size > sizeof id || !zmq_msg_more(frame)) {
        skip_rest(bus->door, frame);
        return true;
    }
    memcpy(id, zmq_msg_data(frame), size);
    struct weir__bus_peer *peer = find_accepted(bus, id, size);
    if (!receive_frame(bus->door, frame))
        return true;
    if (peer == NULL) {
        if (zmq_msg_more(frame))
            skip_rest(bus->door, frame);
        on_stranger(bus, id, size, frame);
    } else if (!deliver(bus, bus->door, peer, frame)) {
        lose(bus, peer, "a message of its could not be taken");
    }
    return true;
}

void weir__bus_door_drain(weir_data_bus *bus)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    for (int left = WEIR__BUS_DRAIN_MAX; left > 0 && door_receive(bus, &frame); left--)
        continue;
    zmq_msg_close(&frame);
}

void weir__bus_door_news(weir_data_bus *bus)
{
    note_news(bus);
    for (size_t i = 0; i < bus->peer_count; i++) {
        if (bus->peers[i].is_gone)
            lose(bus, &bus->peers[i], "the connection broke");
    }
}
