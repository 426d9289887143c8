/* actors/node_links.c -- bytes in and out of a node; handshakes; links of strangers.
 *
 *   connector                         acceptor
 *   PeerHello (number n)       ->
 *                              <-     Welcome (number n), or Refuse
 *   Heartbeat, messages        <->    Heartbeat back, messages
 *
 * Every handshake of a connector has a number, larger than those before, in the envelope's
 * correlation; it is repeated with its number until it is answered. So late, repeated and overtaken
 * handshake messages are told from the present one. The acceptor answers whatever comes on a link
 * without handshake (it restarted, or forgot the peer) with Refuse{unknown_peer}, which makes the
 * connector start a new handshake. */
#include "actors/node_internal.h"

#include "base/memory.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>

enum {
    UNPACK_OVERHEAD = 4, /* memory of a message by its largest size */
    UNPACK_ROOM = 64 << 10,
    COMPLAINTS_PER_WINDOW = 20, /* lines about strangers, whose links cost nothing to make */
    COMPLAINTS_WINDOW_MS = 10000,
    REFUSAL_MAX = 512,
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

static bool may_complain(weir_node *node, bool is_stranger)
{
    if (!is_stranger)
        return true;
    int64_t now = weir__node_now(node);
    if (now - node->complaints_since_ms >= COMPLAINTS_WINDOW_MS) {
        node->complaints_since_ms = now;
        node->complaints = 0;
    }
    return node->complaints++ < COMPLAINTS_PER_WINDOW;
}

static void complain(weir_node *node, uint64_t link, enum weir__complaint kind, const char *format,
                     ...) WEIR_PRINTF(4, 5);

/* Once per link and kind. */
static void complain(weir_node *node, uint64_t link, enum weir__complaint kind, const char *format,
                     ...)
{
    struct weir__peer *peer = weir_number_map_get(&node->links, link);
    uint32_t *done = peer != NULL ? &peer->complaints : &meet_stranger(node, link)->complaints;
    if ((*done & kind) != 0)
        return;
    *done |= kind;
    if (!may_complain(node, peer == NULL))
        return;
    char text[REFUSAL_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (peer != NULL)
        weir__node_log(node, WEIR_LOG_WARN, "peer %s (%s): %s", peer->name, peer->role, text);
    else
        weir__node_log(node, WEIR_LOG_WARN, "connection %llu without a handshake: %s",
                       (unsigned long long)link, text);
}

/* --- handshake: connector --- */

void weir__peer_say_hello(weir_node *node, struct weir__peer *peer)
{
    Weir__Proto__PeerHello hello = WEIR__PROTO__PEER_HELLO__INIT;
    hello.protocol_min = WEIR_PROTOCOL_MIN;
    hello.protocol_max = WEIR_PROTOCOL_MAX;
    hello.cluster = (char *)(uintptr_t)node->config.cluster;
    hello.process = (char *)(uintptr_t)node->config.process;
    hello.role = (char *)(uintptr_t)node->config.role;
    hello.version = (char *)(uintptr_t)node->config.version;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    envelope.correlation = peer->hello;
    peer->next_hello_ms = weir__node_now(node) + node->config.retry_interval_ms;
    weir__node_send(node, peer->link, &envelope); /* when it is lost, the next one may not be */
}

void weir__peer_shake(weir_node *node, struct weir__peer *peer)
{
    peer->shaking = true;
    peer->hello = ++node->last_hello;
    weir__peer_say_hello(node, peer);
    weir__peer_tick(node, peer);
}

static void on_welcome(weir_node *node, struct weir__peer *peer, const weir_envelope *envelope)
{
    const Weir__Proto__Welcome *welcome = envelope->welcome;
    if (!peer->shaking || envelope->correlation != peer->hello)
        return;
    if (!weir__name_is_valid(welcome->process, WEIR_PROCESS_NAME_MAX) ||
        strcmp(welcome->process, envelope->from_process) != 0 ||
        !weir__name_is_valid(welcome->role, WEIR__ROLE_MAX)) {
        complain(node, peer->link, WEIR__BAD_HANDSHAKE, "its welcome has bad names; ignored");
        return;
    }
    if (welcome->protocol < WEIR_PROTOCOL_MIN || welcome->protocol > WEIR_PROTOCOL_MAX) {
        char text[REFUSAL_MAX];
        snprintf(text, sizeof text,
                 "%s chose protocol version %u; this process speaks %u to %u; bring both to one "
                 "release",
                 peer->name, welcome->protocol, WEIR_PROTOCOL_MIN, WEIR_PROTOCOL_MAX);
        weir__peer_refused(node, peer, text);
        return;
    }
    if (peer->process[0] != '\0' && strcmp(peer->process, welcome->process) != 0) {
        if (peer->up)
            weir__peer_down(node, peer, "another incarnation took its place");
        weir__served_clear(node, peer);
        memcpy(peer->previous, peer->process, sizeof peer->previous);
    }
    weir__text_copy(peer->process, sizeof peer->process, welcome->process);
    weir__text_copy(peer->role, sizeof peer->role, welcome->role);
    peer->shaking = false;
    weir__peer_up(node, peer);
}

static void on_refuse(weir_node *node, struct weir__peer *peer, const weir_envelope *envelope)
{
    const Weir__Proto__Refuse *refuse = envelope->refuse;
    if (refuse->unknown_peer) {
        if (!peer->shaking)
            weir__peer_shake(node, peer);
    } else if (peer->shaking && envelope->correlation == peer->hello) {
        weir__peer_refused(node, peer, refuse->text);
    }
}

/* --- handshake: acceptor --- */

static void refuse(weir_node *node, uint64_t link, uint64_t hello, int code, const char *text)
{
    Weir__Proto__Refuse body = WEIR__PROTO__REFUSE__INIT;
    body.code = code;
    body.text = (char *)(uintptr_t)text;
    body.unknown_peer = hello == 0 && code == WEIR_EUNAVAILABLE;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_REFUSE;
    envelope.refuse = &body;
    envelope.correlation = hello;
    weir__node_send(node, link, &envelope);
}

static void welcome(weir_node *node, struct weir__peer *peer, uint32_t protocol)
{
    Weir__Proto__Welcome body = WEIR__PROTO__WELCOME__INIT;
    body.protocol = protocol;
    body.process = (char *)(uintptr_t)node->config.process;
    body.role = (char *)(uintptr_t)node->config.role;
    body.version = (char *)(uintptr_t)node->config.version;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_WELCOME;
    envelope.welcome = &body;
    envelope.correlation = peer->hello;
    envelope.reply = true;
    weir__node_send(node, peer->link, &envelope);
}

static uint32_t common_protocol(const Weir__Proto__PeerHello *hello)
{
    uint32_t newest =
        hello->protocol_max < WEIR_PROTOCOL_MAX ? hello->protocol_max : WEIR_PROTOCOL_MAX;
    uint32_t oldest =
        hello->protocol_min > WEIR_PROTOCOL_MIN ? hello->protocol_min : WEIR_PROTOCOL_MIN;
    return oldest <= newest ? newest : 0;
}

static int check_hello(const weir_node *node, const weir_envelope *envelope, weir_error *err)
{
    const Weir__Proto__PeerHello *hello = envelope->hello;
    const weir_node_config *config = &node->config;
    if (!weir__name_is_valid(hello->process, WEIR_PROCESS_NAME_MAX) ||
        !weir__name_is_valid(hello->role, WEIR__ROLE_MAX) || envelope->correlation == 0 ||
        strcmp(hello->process, envelope->from_process) != 0)
        return weir_error_set(
            err, WEIR_EINVALID,
            "the handshake has a bad process id or role; use Weir's own programs");
    if (common_protocol(hello) == 0)
        return weir_error_set(err, WEIR_EVERSION,
                              "protocol versions do not meet: %s speaks %u to %u, %s %s speaks %u "
                              "to %u; bring both to one release",
                              hello->process, hello->protocol_min, hello->protocol_max,
                              config->role, config->version, WEIR_PROTOCOL_MIN, WEIR_PROTOCOL_MAX);
    if (strcmp(hello->cluster, config->cluster) != 0)
        return weir_error_set(
            err, WEIR_EREFUSED,
            "wrong cluster: the %s is of cluster '%s', the %s of cluster '%.95s'; "
            "make cluster.id the same on both",
            config->role, config->cluster, hello->role, hello->cluster);
    if (strcmp(hello->process, config->process) == 0 ||
        weir_map_get(node->aliases, hello->process) != NULL)
        return weir_error_set(err, WEIR_EREFUSED,
                              "the process id '%s' is taken; start the process anew",
                              hello->process);
    return 0;
}

/* Late ones: of a handshake that a newer one of the same process has overtaken, or of a connection
 * that the process has closed since. */
static bool is_late(const struct weir__peer *peer, uint64_t number)
{
    return number < peer->hello || (peer->goodbye && number == peer->hello);
}

static void on_hello(weir_node *node, uint64_t link, const weir_envelope *envelope)
{
    const Weir__Proto__PeerHello *hello = envelope->hello;
    weir_error error;
    int rc = check_hello(node, envelope, &error);
    struct weir__peer *present = weir_number_map_get(&node->links, link);
    if (rc == 0 && present != NULL && strcmp(present->process, hello->process) != 0)
        rc = weir_error_set(&error, WEIR_EREFUSED, "this connection's process is '%s', not '%s'",
                            present->process, hello->process);
    struct weir__peer *peer = NULL;
    if (rc == 0) {
        peer = weir__peer_record(node, hello->process);
        if (peer == NULL)
            rc = weir_error_set(&error, WEIR_ERESOURCES,
                                "the %s has its %u connections already; close some, or allow more",
                                node->config.role, node->config.peers_max);
    }
    if (rc != 0) {
        complain(node, link, WEIR__BAD_HANDSHAKE, "refused: %s", error.text);
        refuse(node, link, envelope->correlation, error.code, error.text);
        return;
    }
    if (is_late(peer, envelope->correlation))
        return;
    bool is_new = !peer->up || peer->link != link || envelope->correlation > peer->hello;
    if (weir__peer_attach(node, peer, link) != 0)
        return; /* no memory: it will say hello again */
    struct weir__stranger *stranger = find_stranger(node, link);
    if (stranger != NULL)
        *stranger = (struct weir__stranger){0};
    peer->hello = envelope->correlation;
    peer->goodbye = false;
    weir__text_copy(peer->role, sizeof peer->role, hello->role);
    peer->heard_ms = weir__node_now(node);
    welcome(node, peer, common_protocol(hello));
    if (is_new)
        weir__peer_up(node, peer);
}

/* --- messages --- */

static void on_stranger(weir_node *node, uint64_t link, const weir_envelope *envelope)
{
    /* Answers to these would be answered in turn, or reach somebody who has left. */
    if (envelope->body_case == WEIR__PROTO__ENVELOPE__BODY_REFUSE ||
        envelope->body_case == WEIR__PROTO__ENVELOPE__BODY_WELCOME ||
        envelope->body_case == WEIR__PROTO__ENVELOPE__BODY_GOODBYE)
        return;
    refuse(node, link, 0, WEIR_EUNAVAILABLE, "say hello first");
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
    char text[REFUSAL_MAX];
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

/* For an actor: a message, a request or a reply. Takes the envelope over. */
static void on_actor_message(weir_node *node, struct weir__peer *peer, weir_envelope *envelope)
{
    if (!weir__name_is_valid(envelope->from, WEIR_ACTOR_NAME_MAX) ||
        !weir__name_is_valid(envelope->to, WEIR_ACTOR_NAME_MAX)) {
        complain(node, peer->link, WEIR__BAD_ADDRESS, "a message with a bad address; dropped");
    } else if (envelope->body_case == WEIR__PROTO__ENVELOPE__BODY__NOT_SET) {
        /* A newer release may send what this one does not know; its request deserves an answer. */
        complain(node, peer->link, WEIR__BAD_KIND, "a message of no known kind; dropped");
        if (!envelope->reply && envelope->correlation != 0 &&
            weir__served_admit(node, peer, envelope->correlation))
            weir__served_error(node, peer, envelope->correlation, envelope->to, envelope->from,
                               WEIR_EVERSION, "this kind of message is not known here");
    } else if (envelope->reply) {
        weir__request_answered(node, peer, envelope);
        return;
    } else if (envelope->correlation == 0 ||
               weir__served_admit(node, peer, envelope->correlation)) {
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
        complain(node, peer->link, WEIR__BAD_PROCESS,
                 "a message in the name of process '%.95s'; refused", envelope->from_process);
        refuse(node, peer->link, 0, WEIR_EREFUSED, "the process id is not that of the handshake");
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
        complain(node, link, WEIR__BAD_BYTES, "bytes that are no message: %s; dropped", error.text);
        return;
    }
    switch (envelope->body_case) {
    case WEIR__PROTO__ENVELOPE__BODY_HELLO:
        if (peer == NULL || !peer->outgoing)
            on_hello(node, link, envelope);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_WELCOME:
        if (peer != NULL && peer->outgoing)
            on_welcome(node, peer, envelope);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_REFUSE:
        if (peer != NULL && peer->outgoing)
            on_refuse(node, peer, envelope);
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
