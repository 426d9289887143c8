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
    weir__destination_free(out->destination);
    weir_outbox_destroy(&out->outbox);
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
    weir_zmq_settings settings = {.message_max = reactor->message_max,
                                  .linger_ms = LINGER_MS,
                                  .reconnects = true,
                                  .silence_ms = reactor->silence_ms};
    int rc = weir_zmq_open(ZMQ_DEALER, &settings, &out->socket, err);
    if (rc == 0 && strncmp(endpoint, "inproc://", 9) != 0)
        rc = weir_zmq_watch(out->socket, &out->monitor, err);
    out->is_up = out->monitor == NULL; /* inproc is always there */
    if (rc == 0 && reactor->security != NULL)
        rc = weir_security_check(reactor->security, endpoint, out->expected, err);
    if (rc == 0)
        rc = weir__outgoing_connect(reactor, endpoint, out, err);
    return rc;
}

static int transport_connect(weir_transport *self, const char *endpoint, weir_roles expected,
                             uint64_t *ret_link, weir_error *err)
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
    out->expected = expected;
    out->outbox = weir_outbox_new(reactor->outbox);
    int rc = out->outbox == NULL ? weir_error_set(err, WEIR_ENO_MEMORY,
                                                  "no memory for a connection to '%s'", endpoint)
                                 : open_outgoing(reactor, endpoint, out, err);
    if (rc != 0) {
        free_outgoing(out);
        return rc;
    }
    out->link = ++reactor->last_link;
    reactor->outgoing[reactor->outgoing_count++] = out;
    *ret_link = out->link;
    return 0;
}

static void transport_disconnect(weir_transport *self, uint64_t link)
{
    weir_reactor *reactor = (weir_reactor *)self;
    struct weir__outgoing *out = weir__outgoing_find(reactor, link);
    if (out != NULL) {
        out->is_closed = true;
        return;
    }
    weir__incoming_forget(reactor, link);
}

/* --- sending --- */

static int transport_send(weir_transport *self, uint64_t link, const void *bytes, size_t size)
{
    weir_reactor *reactor = (weir_reactor *)self;
    const struct weir__outgoing *out = weir__outgoing_find(reactor, link);
    if (out != NULL)
        return out->is_up ? weir_outbox_send(out->outbox, out->socket, NULL, 0, bytes, size)
                          : WEIR_EUNAVAILABLE;
    const struct weir__incoming *in = weir_number_map_get(&reactor->incoming_by_link, link);
    if (in == NULL || !weir__incoming_may_stay(reactor, in))
        return WEIR_EUNAVAILABLE;
    return weir_outbox_send(in->outbox, reactor->door, in->id, in->id_size, bytes, size);
}

/* --- receiving --- */

bool weir__frame_receive(void *socket, zmq_msg_t *frame)
{
    int rc;
    do
        rc = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
    while (rc < 0 && zmq_errno() == EINTR);
    return rc >= 0;
}

bool weir__frame_was_last(void *socket, const zmq_msg_t *frame)
{
    if (!zmq_msg_more(frame))
        return true;
    zmq_msg_t rest;
    zmq_msg_init(&rest);
    bool more = true;
    while (more && weir__frame_receive(socket, &rest))
        more = zmq_msg_more(&rest) != 0;
    zmq_msg_close(&rest);
    return false;
}

void weir__message_pass_on(weir_reactor *reactor, void *socket, uint64_t link, zmq_msg_t *frame)
{
    if (weir__frame_was_last(socket, frame))
        weir_node_on_message(reactor->node, link, zmq_msg_data(frame), zmq_msg_size(frame));
    else
        weir_node_on_message(reactor->node, link, NULL, 0);
}

void weir__outgoing_drain(weir_reactor *reactor, struct weir__outgoing *out)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    for (int left = WEIR__DRAIN_MAX; left > 0 && !out->is_closed; left--) {
        if (!weir__frame_receive(out->socket, &frame))
            break;
        weir__message_pass_on(reactor, out->socket, out->link, &frame);
    }
    zmq_msg_close(&frame);
}

/* --- news of connections --- */

static void tell_mismatch(weir_reactor *reactor, const struct weir__outgoing *out)
{
    weir_node_on_trouble(reactor->node, out->link, true,
                         reactor->security == NULL
                             ? "it talks to none without a key, and this process has none; set "
                               "security.key-file and security.allow-file (weir help keys)"
                             : "it has no key, and this process talks to none without; set "
                               "security.key-file for it, too");
}

static void tell_refused(weir_reactor *reactor, const struct weir__outgoing *out)
{
    char text[256], hex[WEIR_KEY_HEX];
    snprintf(text, sizeof text,
             "it does not let this process's key in; on its host: weir keys allow %s %s",
             reactor->role,
             weir_public_key_format(&weir_security_key(reactor->security)->shown, hex));
    weir_node_on_trouble(reactor->node, out->link, true, text);
}

/* Now and then that happens to everybody; when nothing else does, the keys may be the cause: a
 * server that cannot read a greeting hangs up without a word. */
static void count_broken_off(weir_reactor *reactor, struct weir__outgoing *out)
{
    if (++out->broken_off != WEIR__BROKEN_OFF_MAX)
        return;
    weir_node_on_trouble(reactor->node, out->link, false,
                         reactor->security == NULL
                             ? "somebody listens there and hangs up: it may not be Weir"
                             : "it hangs up on us: its key may be another than the one that it is "
                               "said to have; compare with what `weir keys show` says on its host");
}

void weir__news_drain(weir_reactor *reactor, struct weir__outgoing *out)
{
    enum weir_zmq_news news;
    while (!out->is_closed && out->monitor != NULL &&
           (news = weir_zmq_next_news(out->monitor, NULL)) != WEIR_ZMQ_NO_NEWS) {
        switch (news) {
        case WEIR_ZMQ_CONNECTED:
        case WEIR_ZMQ_DISCONNECTED:
            out->is_up = news == WEIR_ZMQ_CONNECTED;
            out->broken_off = out->is_up ? 0 : out->broken_off;
            weir_node_on_link(reactor->node, out->link, out->is_up);
            break;
        case WEIR_ZMQ_BROKE_OFF:
            count_broken_off(reactor, out);
            break;
        case WEIR_ZMQ_REFUSED:
            tell_refused(reactor, out);
            break;
        case WEIR_ZMQ_MISMATCH:
            tell_mismatch(reactor, out);
            break;
        case WEIR_ZMQ_NO_NEWS:
        case WEIR_ZMQ_ACCEPTED:
        case WEIR_ZMQ_FAILED:
            break;
        }
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
        .connect = transport_connect,
        .disconnect = transport_disconnect,
        .send = transport_send,
        .now_ms = transport_now_ms,
        .wall_ms = transport_wall_ms,
        .random = transport_random,
        .log = transport_log,
        .address = weir__door_address,
    };
    if (reactor->authenticator == NULL)
        return;
    reactor->transport.identify = weir__door_identify;
    reactor->transport.issue_key = weir__door_issue_key;
    reactor->transport.revoke_key = weir__door_revoke_key;
}
