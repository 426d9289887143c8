/* actors/data_bus_peers.c -- connections of the data bus: handshakes, sending, receiving, loss.
 *
 * A connection is never remade behind the runner's back: the connecting socket does not reconnect,
 * and a second hello of a runner means that its first connection is gone. What was on the way then
 * is unknown, so the pair is lost, once and for good. */
#include "actors/data_bus_internal.h"
#include "actors/endpoint.h"
#include "base/clock.h"
#include "base/handover.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/units.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    PROTOCOL = 2,
    PROTOCOL_REFUSED = 0, /* in an answer: the hello was refused */
    RETRY_MS = 50,
    LOOK_AGAIN_MS = 1000,
    MEET_MS = 60000,
    CONGESTED_MS = 1,
    WAITING_MAX = 100000, /* letters; credits keep them far below */
    COMPLAINTS_MAX = 16,
    HELLO_MEMORY_MAX = 16 << 10,
};

#define BROKEN "the connection broke, or was silent for too long (heartbeat.timeout)"

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
    snprintf(text, sizeof text, "%.*s: %s", (int)strcspn(peer->endpoint, "#"), peer->endpoint, why);
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

/* Takes the letters of an envelope out of the line; returns the first, linked to the last. */
static struct weir__letter *take_letters(struct weir__bus_peer *peer, size_t count)
{
    struct weir__letter *first = peer->first, *last = first;
    for (size_t i = 1; i < count; i++)
        last = last->next;
    peer->first = last->next;
    if (peer->first == NULL)
        peer->end = &peer->first;
    peer->waiting -= count;
    last->next = NULL;
    return first;
}

static void free_gathered(void *body, void *hint)
{
    (void)hint;
    weir_free(body);
}

/* The head stands before the bodies are given away: only then can nothing go back. Letters of
 * gathered bodies are released here, others when their bodies were sent. */
static int send_bodies(void *socket, const struct weir__envelope *envelope,
                       struct weir__letter *letters)
{
    void *bytes = (void *)(uintptr_t)envelope->body;
    bool is_gathered = envelope->is_gathered;
    WEIR_HAND_OVER(bytes);
    zmq_msg_t body;
    int rc = zmq_msg_init_data(&body, bytes, envelope->body_size,
                               is_gathered ? free_gathered : weir__letters_release,
                               is_gathered ? NULL : letters);
    if (is_gathered || rc != 0)
        weir__letters_release(NULL, letters);
    if (rc != 0) {
        if (is_gathered)
            weir_free(bytes);
        send_frame(socket, "", 0, 0); /* ends the message, so that the socket can be used */
        return ENOMEM;
    }
    do
        rc = zmq_msg_send(&body, socket, ZMQ_DONTWAIT);
    while (rc < 0 && zmq_errno() == EINTR);
    if (rc >= 0)
        return 0;
    zmq_msg_close(&body); /* releases it */
    return EPIPE;
}

/* The first letters of the line, as many as go into one message. EAGAIN: they are still in line.
 * Else they are gone, one way or the other. */
static int send_letters(weir_data_bus *bus, struct weir__bus_peer *peer)
{
    struct weir__envelope *envelope = bus->envelope;
    void *socket = peer->connects ? peer->socket : bus->door;
    *(peer->connects ? &peer->is_due : &bus->door_due) = true; /* a send may hear what has come */
    if (weir__envelope_pack(envelope, peer->first, bus->config.message_max) != 0)
        return ENOMEM;
    int rc = 0;
    if (!peer->connects)
        rc = send_frame(socket, peer->id, peer->id_size, ZMQ_SNDMORE);
    bool has_begun = rc == 0 && !peer->connects;
    if (rc == 0)
        rc = send_frame(socket, envelope->head, envelope->head_size,
                        envelope->has_body ? ZMQ_SNDMORE : 0);
    if (rc != 0 && envelope->is_gathered)
        weir_free((void *)(uintptr_t)envelope->body);
    if (rc == EAGAIN && !has_begun)
        return EAGAIN;
    struct weir__letter *letters = take_letters(peer, envelope->letters);
    if (rc != 0 || !envelope->has_body)
        weir__letters_release(NULL, letters);
    else
        rc = send_bodies(socket, envelope, letters);
    return rc == EAGAIN ? EPIPE : rc;
}

static void check_sent(weir_data_bus *bus, struct weir__bus_peer *peer, int rc)
{
    if (rc == ENOMEM)
        lose(bus, peer, "no memory to send a message");
    else if (rc != 0)
        lose(bus, peer, BROKEN);
}

void weir__bus_peer_send(weir_data_bus *bus, struct weir__bus_peer *peer,
                         struct weir__letter *letter)
{
    if (peer->state == WEIR__BUS_LOST) {
        weir__letter_free(letter);
        return;
    }
    wait_in_line(peer, letter);
    if (peer->waiting > WAITING_MAX) /* a burst, or nothing goes out any more */
        weir__bus_peer_flush(bus, peer);
    if (peer->waiting > WAITING_MAX)
        lose(bus, peer, "too many messages wait to be sent");
}

/* A ROUTER does not tell when a full peer has room again, and a try may hear what has come and so
 * makes the socket due: a full peer is tried again after a while, and not at every turn. */
void weir__bus_peer_flush(weir_data_bus *bus, struct weir__bus_peer *peer)
{
    if (peer->full_until_ms != 0 && weir_clock_monotonic_ms() < peer->full_until_ms)
        return;
    peer->full_until_ms = 0;
    while (peer->state == WEIR__BUS_OPEN && peer->waiting > 0) {
        int rc = send_letters(bus, peer);
        if (rc == EAGAIN) {
            peer->full_until_ms = weir_clock_monotonic_ms() + CONGESTED_MS;
            return;
        }
        check_sent(bus, peer, rc);
    }
}

/* --- the connecting side --- */

static void greet(weir_data_bus *bus, struct weir__bus_peer *peer)
{
    if (peer->state != WEIR__BUS_CONNECTING)
        return;
    int rc = send_hello(bus, peer->socket, NULL, 0, false);
    peer->is_due = true;
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

static int meet_ms(const weir_data_bus *bus)
{
    return bus->config.meet_ms > 0 ? bus->config.meet_ms : MEET_MS;
}

void weir__bus_peer_open(weir_data_bus *bus, struct weir__bus_peer *peer)
{
    peer->is_due = peer->news_due = true;
    if (peer->give_up_ms == 0)
        peer->give_up_ms = weir_clock_monotonic_ms() + meet_ms(bus);
    char endpoint[WEIR_ENDPOINT_MAX];
    weir_error error;
    if (weir_endpoint_resolve(peer->endpoint, endpoint, sizeof endpoint, &error) != 0) {
        complain(bus, error.text); /* a name service may be away for a moment */
        peer->retry_ms = weir_clock_monotonic_ms() + LOOK_AGAIN_MS;
        return;
    }
    int rc = weir__bus_open(bus, ZMQ_DEALER, &peer->socket, &error);
    bool is_inproc = strncmp(peer->endpoint, "inproc://", 9) == 0;
    if (rc == 0 && !is_inproc)
        rc = weir_zmq_watch(peer->socket, &peer->monitor, &error);
    if (rc == 0)
        rc = weir_zmq_connect(peer->socket, bus->pair, endpoint, &error);
    if (rc != 0)
        lose(bus, peer, error.text);
    else if (is_inproc) /* which has no news, and no connection that could fail */
        greet(bus, peer);
}

void weir__bus_peer_tick(weir_data_bus *bus, struct weir__bus_peer *peer, int64_t now_ms)
{
    if (!peer->connects || peer->state >= WEIR__BUS_OPEN)
        return;
    if (now_ms >= peer->give_up_ms) {
        char shown[48], text[160];
        snprintf(text, sizeof text,
                 "no answer within %s; open this port between the two hosts, see "
                 "taskmanager.data.port and taskmanager.host",
                 weir_format_duration(meet_ms(bus), shown, sizeof shown));
        lose(bus, peer, text);
    } else if (peer->socket == NULL && now_ms >= peer->retry_ms) {
        weir__bus_peer_open(bus, peer);
    }
}

void weir__bus_peer_news(weir_data_bus *bus, struct weir__bus_peer *peer)
{
    peer->news_due = false;
    while (peer->monitor != NULL) {
        switch (weir_zmq_next_news(peer->monitor, NULL)) {
        case WEIR_ZMQ_NO_NEWS:
            return;
        case WEIR_ZMQ_ACCEPTED: /* of doors only */
            break;
        case WEIR_ZMQ_CONNECTED:
            greet(bus, peer);
            break;
        case WEIR_ZMQ_REFUSED:
        case WEIR_ZMQ_MISMATCH:
            lose(bus, peer, "it does not take this job's key: it is another job's, or has none");
            break;
        case WEIR_ZMQ_DISCONNECTED:
        case WEIR_ZMQ_FAILED:
        case WEIR_ZMQ_BROKE_OFF:
            if (peer->state == WEIR__BUS_CONNECTING)
                retry_later(peer);
            else
                lose(bus, peer, BROKEN);
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

/* The rest of a message whose head is in `head`. False: it was not of one or two parts, was
 * damaged, or memory ended. */
static bool deliver(weir_data_bus *bus, void *socket, const struct weir__bus_peer *peer,
                    zmq_msg_t *head)
{
    if (!zmq_msg_more(head))
        return weir__envelope_open(bus, peer->runner, zmq_msg_data(head), zmq_msg_size(head), NULL);
    zmq_msg_t body;
    zmq_msg_init(&body);
    bool is_fine = receive_frame(socket, &body) && !zmq_msg_more(&body);
    if (is_fine)
        is_fine =
            weir__envelope_open(bus, peer->runner, zmq_msg_data(head), zmq_msg_size(head), &body);
    else
        skip_rest(socket, &body);
    zmq_msg_close(&body);
    return is_fine;
}

void weir__bus_peer_drain(weir_data_bus *bus, struct weir__bus_peer *peer)
{
    zmq_msg_t header;
    zmq_msg_init(&header);
    for (int left = WEIR__BUS_DRAIN_MAX; left > 0 && peer->socket != NULL; left--) {
        peer->is_due = receive_frame(peer->socket, &header);
        if (!peer->is_due)
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
    bus->door_news_due |= peer->is_gone;
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
            peer->is_gone = bus->door_news_due = true; /* it is still to be lost */
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
    bus->door_due = true;
    for (int left = WEIR__BUS_DRAIN_MAX; left > 0 && bus->door_due; left--)
        bus->door_due = door_receive(bus, &frame);
    zmq_msg_close(&frame);
}

void weir__bus_door_news(weir_data_bus *bus)
{
    note_news(bus);
    bus->door_news_due = false;
    for (size_t i = 0; i < bus->peer_count; i++) {
        if (bus->peers[i].is_gone)
            lose(bus, &bus->peers[i], BROKEN);
    }
}
