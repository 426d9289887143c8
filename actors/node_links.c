/* actors/node_links.c -- bytes in and out of a node; links of strangers; messages, and whether
 * their sender may send them. */
#include "actors/node_internal.h"

#include "actors/rights.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>

enum {
    UNPACK_OVERHEAD = 4, /* memory of a message by its largest size */
    UNPACK_ROOM = 64 << 10,
    COMPLAINTS_PER_WINDOW = 20, /* lines about strangers, whose links cost nothing to make */
    COMPLAINTS_WINDOW_MS = 10000,
};

/* --- bytes --- */

int weir__node_pack(weir_node *node, weir_envelope *envelope, weir_error *err)
{
    char *kept = envelope->from_process;
    envelope->from_process = (char *)(uintptr_t)node->config.process;
    weir_buffer_clear(&node->scratch);
    int rc = weir_proto_check_text(&envelope->base, err);
    bool is_fit = rc == 0;
    if (is_fit)
        rc = weir_proto_pack(&envelope->base, &node->scratch);
    envelope->from_process = kept;
    if (!is_fit)
        return rc;
    if (rc != 0)
        return weir_error_set(err, rc, "cannot pack a message: %s", weir_code_text(rc));
    if (node->scratch.size > node->config.message_max)
        return weir_error_set(err, WEIR_ETOO_LARGE,
                              "a message has %zu bytes; at most %u are allowed", node->scratch.size,
                              node->config.message_max);
    return 0;
}

int weir__node_send(weir_node *node, uint64_t link, weir_envelope *envelope)
{
    weir_error error;
    int rc = weir__node_pack(node, envelope, &error);
    if (rc != 0) {
        if (!node->said_unfit)
            weir__node_log(node, WEIR_LOG_ERROR, "a message was not sent: %s", error.text);
        node->said_unfit = true;
        return rc;
    }
    return node->transport->send(node->transport, link, node->scratch.data, node->scratch.size);
}

int weir__node_unpack(weir_node *node, const void *bytes, size_t size, weir_envelope **ret,
                      weir_error *err)
{
    size_t memory_max = (size_t)node->config.message_max * UNPACK_OVERHEAD + UNPACK_ROOM;
    ProtobufCMessage *message = NULL;
    int rc = weir_proto_unpack(&weir__proto__envelope__descriptor, bytes, size, memory_max,
                               &message, err);
    if (rc == 0)
        *ret = (weir_envelope *)message;
    return rc;
}

/* --- complaints and strangers --- */

static struct weir__stranger *find_stranger(weir_node *node, uint64_t link)
{
    for (size_t i = 0; i < WEIR__STRANGERS_MAX; i++) {
        if (node->strangers[i].link == link)
            return &node->strangers[i];
    }
    return NULL;
}

void weir__stranger_forget(weir_node *node, uint64_t link)
{
    struct weir__stranger *stranger = find_stranger(node, link);
    if (stranger != NULL)
        *stranger = (struct weir__stranger){0};
}

/* A link that did no handshake; the oldest of too many is forgotten. */
static struct weir__stranger *meet_stranger(weir_node *node, uint64_t link)
{
    struct weir__stranger *stranger = find_stranger(node, link);
    if (stranger != NULL)
        return stranger;
    stranger = &node->strangers[node->next_stranger];
    node->next_stranger = (node->next_stranger + 1) % WEIR__STRANGERS_MAX;
    if (stranger->link != 0)
        node->transport->disconnect(node->transport, stranger->link);
    *stranger = (struct weir__stranger){.link = link};
    return stranger;
}

static bool may_complain(weir_node *node, bool is_peer)
{
    int64_t now = weir__node_now(node);
    if (now - node->complained[is_peer].since_ms >= COMPLAINTS_WINDOW_MS) {
        node->complained[is_peer].since_ms = now;
        node->complained[is_peer].count = 0;
    }
    return node->complained[is_peer].count++ < COMPLAINTS_PER_WINDOW;
}

void weir__node_complain(weir_node *node, uint64_t link, enum weir__complaint kind,
                         const char *format, ...)
{
    struct weir__peer *peer = weir_number_map_get(&node->links, link);
    uint32_t *done = peer != NULL ? &peer->complaints : &meet_stranger(node, link)->complaints;
    if ((*done & kind) != 0)
        return;
    *done |= kind;
    if (!may_complain(node, peer != NULL))
        return;
    char text[WEIR__REFUSAL_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *address =
        node->transport->address == NULL ? "" : node->transport->address(node->transport, link);
    const char *from = address[0] == '\0' ? "" : " from ";
    if (peer != NULL)
        weir__node_log(node, WEIR_LOG_WARN, "peer %s (%s)%s%s: %s", peer->name, peer->role, from,
                       address, text);
    else
        weir__node_log(node, WEIR_LOG_WARN, "connection %llu%s%s without a handshake: %s",
                       (unsigned long long)link, from, address, text);
}

/* --- messages --- */

static void on_stranger(weir_node *node, uint64_t link, const weir_envelope *envelope)
{
    /* Answers to these would be answered in turn, or reach somebody who has left. */
    if (envelope->body_case == WEIR__PROTO__ENVELOPE__BODY_REFUSE ||
        envelope->body_case == WEIR__PROTO__ENVELOPE__BODY_WELCOME ||
        envelope->body_case == WEIR__PROTO__ENVELOPE__BODY_GOODBYE)
        return;
    weir__node_refuse(node, link, 0, WEIR_EUNAVAILABLE, "say hello first");
}

static void on_heartbeat(weir_node *node, struct weir__peer *peer, weir_envelope *envelope)
{
    if (peer->outgoing)
        return; /* our own, come back */
    Weir__Proto__Heartbeat body = WEIR__PROTO__HEARTBEAT__INIT;
    body.number = envelope->heartbeat->number;
    weir_envelope answer = WEIR__PROTO__ENVELOPE__INIT;
    answer.body_case = WEIR__PROTO__ENVELOPE__BODY_HEARTBEAT;
    answer.heartbeat = &body;
    weir__node_send(node, peer->link, &answer);
}

static void on_goodbye(weir_node *node, struct weir__peer *peer, const weir_envelope *envelope)
{
    char text[WEIR__REFUSAL_MAX];
    snprintf(text, sizeof text, "it said goodbye: %s", envelope->goodbye->reason);
    if (peer->outgoing) {
        weir__peer_down(node, peer, text);
        peer->shaking = true;
        peer->hello = ++node->last_hello;
        weir__peer_tick(node, peer);
    } else {
        peer->goodbye = true;
        weir__peer_down(node, peer, text);
        weir__served_clear(node, peer); /* a closed connection's requests are not repeated */
    }
}

/* Whether its role and its key allow a peer to send this message, which is no reply. */
static int check_right(const weir_node *node, const struct weir__peer *peer,
                       const weir_envelope *envelope, weir_error *err)
{
    const char *kind = weir_envelope_kind(envelope->body_case);
    if (!weir_right_to_send(envelope->body_case, peer->rights, node->role))
        return weir_error_set(err, WEIR_EREFUSED, "a %s may not send %s to a %s", peer->role, kind,
                              node->config.role);
    if (peer->scope[0] != '\0' && strcmp(peer->scope, envelope->to) != 0)
        return weir_error_set(err, WEIR_EREFUSED, "its key may speak to %s alone, not to %s",
                              peer->scope, envelope->to);
    return 0;
}

/* A request deserves an answer. */
static void turn_down(weir_node *node, struct weir__peer *peer, const weir_envelope *envelope,
                      int code, const char *text)
{
    if (!envelope->reply && envelope->correlation != 0 &&
        weir__served_admit(node, peer, envelope->correlation))
        weir__served_error(node, peer, envelope->correlation, envelope->to, envelope->from, code,
                           text);
}

/* A message without a reply always; a request when it has not come before. */
static bool is_to_run(weir_node *node, struct weir__peer *peer, const weir_envelope *envelope)
{
    if (envelope->correlation == 0)
        return true;
    weir__served_settle(node, peer, envelope->oldest);
    return weir__served_admit(node, peer, envelope->correlation);
}

/* For an actor: a message, a request or a reply. Takes the envelope over. */
static void on_actor_message(weir_node *node, struct weir__peer *peer, weir_envelope *envelope)
{
    weir_error error;
    if (!weir__name_is_valid(envelope->from, WEIR_ACTOR_NAME_MAX) ||
        !weir__name_is_valid(envelope->to, WEIR_ACTOR_NAME_MAX)) {
        weir__node_complain(node, peer->link, WEIR__BAD_ADDRESS,
                            "a message with a bad address; dropped");
    } else if (envelope->body_case == WEIR__PROTO__ENVELOPE__BODY__NOT_SET) {
        /* A newer release may send what this one does not know; its request deserves an answer.
         */
        weir__node_complain(node, peer->link, WEIR__BAD_KIND,
                            "a message of no known kind; dropped");
        turn_down(node, peer, envelope, WEIR_EVERSION, "this kind of message is not known here");
    } else if (envelope->reply) {
        weir__request_answered(node, peer, envelope);
        return;
    } else if (check_right(node, peer, envelope, &error) != 0) {
        weir__node_complain(node, peer->link, WEIR__BAD_RIGHT, "refused a message: %s", error.text);
        turn_down(node, peer, envelope, error.code, error.text);
    } else if (is_to_run(node, peer, envelope)) {
        uint64_t correlation = envelope->correlation;
        if (weir__node_push_message(node, peer->name, envelope) != 0 && correlation != 0)
            weir__served_forget(node, peer, correlation); /* its repeat may find memory */
        return;
    }
    weir_proto_free(&envelope->base);
}

/* The sender must be who the handshake said. False: dealt with. */
static bool check_sender(weir_node *node, struct weir__peer *peer, const weir_envelope *envelope)
{
    if (peer->up && strcmp(envelope->from_process, peer->process) == 0)
        return true;
    if (!peer->outgoing) {
        weir__node_complain(node, peer->link, WEIR__BAD_PROCESS,
                            "a message in the name of process '%.95s'; refused",
                            envelope->from_process);
        weir__node_refuse(node, peer->link, 0, WEIR_EREFUSED,
                          "the process id is not that of the handshake");
    } else if (peer->up && !peer->shaking && strcmp(envelope->from_process, peer->previous) != 0) {
        weir__peer_shake(node, peer); /* another incarnation answers */
    }
    return false;
}

/* Takes the envelope over. */
static void on_peer(weir_node *node, struct weir__peer *peer, weir_envelope *envelope)
{
    if (!check_sender(node, peer, envelope)) {
        weir_proto_free(&envelope->base);
        return;
    }
    peer->heard_ms = weir__node_now(node);
    switch (envelope->body_case) {
    case WEIR__PROTO__ENVELOPE__BODY_HEARTBEAT:
        on_heartbeat(node, peer, envelope);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_GOODBYE:
        on_goodbye(node, peer, envelope);
        break;
    default:
        on_actor_message(node, peer, envelope);
        return;
    }
    weir_proto_free(&envelope->base);
}

void weir_node_on_message(weir_node *node, uint64_t link, const void *bytes, size_t size)
{
    if (node->stopping)
        return;
    struct weir__peer *peer = weir_number_map_get(&node->links, link);
    if (peer == NULL)
        meet_stranger(node, link); /* whatever it says: so strangers stay bounded */
    weir_envelope *envelope = NULL;
    weir_error error;
    int rc;
    if (size == 0 || size > node->config.message_max)
        rc = weir_error_set(&error, WEIR_ETOO_LARGE, "it has %zu bytes; 1 to %u are allowed", size,
                            node->config.message_max);
    else
        rc = weir__node_unpack(node, bytes, size, &envelope, &error);
    if (rc != 0) {
        weir__node_complain(node, link, WEIR__BAD_BYTES, "bytes that are no message: %s; dropped",
                            error.text);
        return;
    }
    switch (envelope->body_case) {
    case WEIR__PROTO__ENVELOPE__BODY_HELLO:
        if (peer == NULL || !peer->outgoing)
            weir__node_on_hello(node, link, envelope);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_WELCOME:
        if (peer != NULL && peer->outgoing)
            weir__peer_on_welcome(node, peer, envelope);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_REFUSE:
        if (peer != NULL && peer->outgoing)
            weir__peer_on_refuse(node, peer, envelope);
        break;
    default:
        if (peer != NULL) {
            on_peer(node, peer, envelope);
            return;
        }
        on_stranger(node, link, envelope);
        break;
    }
    weir_proto_free(&envelope->base);
}

void weir_node_on_link(weir_node *node, uint64_t link, bool up)
{
    struct weir__peer *peer = weir_number_map_get(&node->links, link);
    if (node->stopping || peer == NULL || !peer->outgoing || !up)
        return; /* a break alone says nothing: heartbeats decide */
    if (peer->shaking)
        weir__peer_say_hello(node, peer);
    else
        weir__peer_shake(node, peer);
}

void weir_node_on_trouble(weir_node *node, uint64_t link, bool for_good, const char *why)
{
    struct weir__peer *peer = weir_number_map_get(&node->links, link);
    if (node->stopping || peer == NULL || !peer->outgoing)
        return;
    weir__peer_set_trouble(peer, why);
    if (for_good)
        weir__peer_refused(node, peer, why);
    else
        weir__node_complain(node, link, WEIR__TROUBLE, "cannot be reached: %s", why);
}
