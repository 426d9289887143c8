/* actors/reactor_transport.c -- the sockets of a reactor, as its node's transport.
 *
 * A message is one frame (behind the routing id that a ROUTER puts in front). What has more frames
 * is nobody's of ours; it reaches the node as an empty message, to be complained about in one
 * place. */
#include "actors/reactor_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINGER_MS = 200, FIRST_CAPACITY = 8 };

/* --- outgoing --- */

struct weir__outgoing *weir__outgoing_find(weir_reactor *reactor, uint64_t link)
{
    for (size_t i = 0; i < reactor->outgoing_count; i++) {
        struct weir__outgoing *out = reactor->outgoing[i];
        if (out->link == link && !out->is_closed)
            return out;
    }
    return NULL;
}

static void free_outgoing(struct weir__outgoing *out)
{
    weir_zmq_unwatch(out->socket, &out->monitor);
    weir_zmq_close(&out->socket);
    weir_free(out);
}

void weir__outgoing_sweep(weir_reactor *reactor, bool all)
{
    size_t kept = 0;
    for (size_t i = 0; i < reactor->outgoing_count; i++) {
        struct weir__outgoing *out = reactor->outgoing[i];
        if (all || out->is_closed)
            free_outgoing(out);
        else
            reactor->outgoing[kept++] = out;
    }
    reactor->outgoing_count = kept;
}

static int reserve_outgoing(weir_reactor *reactor)
{
    if (reactor->outgoing_count < reactor->outgoing_capacity)
        return 0;
    size_t capacity =
        reactor->outgoing_capacity == 0 ? FIRST_CAPACITY : reactor->outgoing_capacity * 2;
    struct weir__outgoing **moved =
        weir_realloc(reactor->outgoing, capacity * sizeof(struct weir__outgoing *));
    if (moved == NULL)
        return WEIR_ENO_MEMORY;
    reactor->outgoing = moved;
    reactor->outgoing_capacity = capacity;
    return 0;
}

static int open_outgoing(weir_reactor *reactor, const char *endpoint, struct weir__outgoing *out,
                         weir_error *err)
{
    weir_zmq_settings settings = {reactor->message_max, LINGER_MS, true};
    int rc = weir_zmq_open(ZMQ_DEALER, &settings, &out->socket, err);
    if (rc == 0 && strncmp(endpoint, "inproc://", 9) != 0)
        rc = weir_zmq_watch(out->socket, &out->monitor, err);
    out->is_up = out->monitor == NULL; /* inproc is always there */
    if (rc == 0)
        rc = weir_zmq_connect(out->socket, endpoint, err);
    return rc;
}

static int transport_connect(weir_transport *self, const char *endpoint, uint64_t *ret_link,
                             weir_error *err)
{
    weir_reactor *reactor = (weir_reactor *)self;
    if (reactor->outgoing_count >= reactor->connections_max)
        return weir_error_set(err, WEIR_ERESOURCES,
                              "cannot connect to '%s': this process has its %u connections already",
                              endpoint, reactor->connections_max);
    struct weir__outgoing *out = weir_calloc(1, sizeof *out);
    if (out == NULL || reserve_outgoing(reactor) != 0) {
        weir_free(out);
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for a connection to '%s'", endpoint);
    }
    int rc = open_outgoing(reactor, endpoint, out, err);
    if (rc != 0) {
        free_outgoing(out);
        return rc;
    }
    out->link = ++reactor->last_link;
    reactor->outgoing[reactor->outgoing_count++] = out;
    *ret_link = out->link;
    return 0;
}

/* --- incoming --- */

static const char *hex_of(const uint8_t *id, size_t size, char hex[WEIR__ROUTING_ID_MAX * 2 + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        hex[i * 2] = digits[id[i] >> 4];
        hex[i * 2 + 1] = digits[id[i] & 15];
    }
    hex[size * 2] = '\0';
    return hex;
}

/* The link of a routing id; a new one for one that is not known. NULL: there are too many. */
static struct weir__incoming *incoming_of(weir_reactor *reactor, const uint8_t *id, size_t size)
{
    char hex[WEIR__ROUTING_ID_MAX * 2 + 1];
    hex_of(id, size, hex);
    struct weir__incoming *in = weir_map_get(reactor->incoming_by_id, hex);
    if (in != NULL || weir_map_count(reactor->incoming_by_id) >= reactor->incoming_max)
        return in;
    in = weir_calloc(1, sizeof *in);
    if (in == NULL)
        return NULL;
    in->link = reactor->last_link + 1;
    in->id_size = size;
    memcpy(in->id, id, size);
    if (weir_map_put(reactor->incoming_by_id, hex, in) != 0) {
        weir_free(in);
        return NULL;
    }
    if (weir_number_map_put(&reactor->incoming_by_link, in->link, in) != 0) {
        weir_map_remove(reactor->incoming_by_id, hex);
        return NULL;
    }
    reactor->last_link++;
    return in;
}

static void transport_disconnect(weir_transport *self, uint64_t link)
{
    weir_reactor *reactor = (weir_reactor *)self;
    struct weir__outgoing *out = weir__outgoing_find(reactor, link);
    if (out != NULL) {
        out->is_closed = true;
        return;
    }
    /* A ROUTER cannot close one connection; it is forgotten, and is a new link if it speaks again.
     */
    const struct weir__incoming *in = weir_number_map_take(&reactor->incoming_by_link, link);
    char hex[WEIR__ROUTING_ID_MAX * 2 + 1];
    if (in != NULL)
        weir_map_remove(reactor->incoming_by_id, hex_of(in->id, in->id_size, hex));
}

/* --- sending --- */

static int send_frame(void *socket, const void *bytes, size_t size, int flags)
{
    int rc;
    do
        rc = zmq_send(socket, bytes, size, ZMQ_DONTWAIT | flags);
    while (rc < 0 && zmq_errno() == EINTR);
    return rc < 0 ? WEIR_EUNAVAILABLE : 0; /* EAGAIN, EHOSTUNREACH: not there, or full */
}

static int transport_send(weir_transport *self, uint64_t link, const void *bytes, size_t size)
{
    weir_reactor *reactor = (weir_reactor *)self;
    const struct weir__outgoing *out = weir__outgoing_find(reactor, link);
    if (out != NULL)
        return out->is_up ? send_frame(out->socket, bytes, size, 0) : WEIR_EUNAVAILABLE;
    const struct weir__incoming *in = weir_number_map_get(&reactor->incoming_by_link, link);
    if (in == NULL)
        return WEIR_EUNAVAILABLE;
    int rc = send_frame(reactor->door, in->id, in->id_size, ZMQ_SNDMORE);
    return rc == 0 ? send_frame(reactor->door, bytes, size, 0) : rc;
}

/* --- receiving --- */

static bool receive_frame(void *socket, zmq_msg_t *frame)
{
    int rc;
    do
        rc = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
    while (rc < 0 && zmq_errno() == EINTR);
    return rc >= 0;
}

/* The rest of a message whose first frame is in `frame`. True: there was none. */
static bool was_last(void *socket, const zmq_msg_t *frame)
{
    if (!zmq_msg_more(frame))
        return true;
    zmq_msg_t rest;
    zmq_msg_init(&rest);
    bool more = true;
    while (more && receive_frame(socket, &rest))
        more = zmq_msg_more(&rest) != 0;
    zmq_msg_close(&rest);
    return false;
}

static void pass_on(weir_reactor *reactor, void *socket, uint64_t link, zmq_msg_t *frame)
{
    if (was_last(socket, frame))
        weir_node_on_message(reactor->node, link, zmq_msg_data(frame), zmq_msg_size(frame));
    else
        weir_node_on_message(reactor->node, link, NULL, 0);
}

static bool door_receive(weir_reactor *reactor, zmq_msg_t *frame)
{
    if (!receive_frame(reactor->door, frame))
        return false;
    const struct weir__incoming *in =
        incoming_of(reactor, zmq_msg_data(frame), zmq_msg_size(frame));
    if (!zmq_msg_more(frame))
        return true;
    if (in == NULL)
        was_last(reactor->door, frame);
    else if (receive_frame(reactor->door, frame))
        pass_on(reactor, reactor->door, in->link, frame);
    return true;
}

void weir__door_drain(weir_reactor *reactor)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    for (int left = WEIR__DRAIN_MAX; left > 0 && door_receive(reactor, &frame); left--)
        continue;
    zmq_msg_close(&frame);
}

void weir__outgoing_drain(weir_reactor *reactor, struct weir__outgoing *out)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    for (int left = WEIR__DRAIN_MAX; left > 0 && !out->is_closed; left--) {
        if (!receive_frame(out->socket, &frame))
            break;
        pass_on(reactor, out->socket, out->link, &frame);
    }
    zmq_msg_close(&frame);
}

void weir__news_drain(weir_reactor *reactor, struct weir__outgoing *out)
{
    enum weir_zmq_news news;
    while (!out->is_closed && out->monitor != NULL &&
           (news = weir_zmq_next_news(out->monitor, NULL)) != WEIR_ZMQ_NO_NEWS) {
        if (news != WEIR_ZMQ_CONNECTED && news != WEIR_ZMQ_DISCONNECTED)
            continue;
        out->is_up = news == WEIR_ZMQ_CONNECTED;
        weir_node_on_link(reactor->node, out->link, out->is_up);
    }
}

/* --- time, chance, log --- */

static int64_t transport_now_ms(weir_transport *self)
{
    (void)self;
    return weir_clock_monotonic_ms();
}

static int64_t transport_wall_ms(weir_transport *self)
{
    (void)self;
    return weir_clock_wall_ms();
}

static uint64_t transport_random(weir_transport *self)
{
    (void)self;
    return weir_random_u64();
}

static void transport_log(weir_transport *self, int level, const char *line)
{
    (void)self;
    weir_log((enum weir_log_level)level, "%s", line);
}

void weir__transport_init(weir_reactor *reactor)
{
    reactor->transport = (weir_transport){
        transport_connect, transport_disconnect, transport_send, transport_now_ms,
        transport_wall_ms, transport_random,     transport_log,
    };
}
