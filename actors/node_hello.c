/* actors/node_hello.c -- handshakes, and who may be whom.
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

#include <stdio.h>
#include <string.h>

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
    hello.silence_ms = (uint64_t)node->config.silence_ms;
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

/* Who answers there must be who was looked for: its orders are obeyed by its role. */
static bool check_role(weir_node *node, struct weir__peer *peer,
                       const Weir__Proto__Welcome *welcome)
{
    char expected[WEIR_ROLES_TEXT_MAX], text[WEIR__REFUSAL_MAX];
    peer->rights = weir_role_parse(welcome->role);
    if (peer->rights != 0 && (peer->expected == 0 || (peer->expected & peer->rights) != 0))
        return true;
    snprintf(text, sizeof text, "a %s answers at %.*s, and a %s was looked for; check the address",
             welcome->role, (int)strcspn(peer->endpoint, "#"), peer->endpoint,
             weir_roles_format(peer->expected, expected));
    weir__peer_refused(node, peer, text);
    return false;
}

void weir__peer_on_welcome(weir_node *node, struct weir__peer *peer, const weir_envelope *envelope)
{
    const Weir__Proto__Welcome *welcome = envelope->welcome;
    if (!peer->shaking || envelope->correlation != peer->hello)
        return;
    if (!weir__name_is_valid(welcome->process, WEIR_PROCESS_NAME_MAX) ||
        strcmp(welcome->process, envelope->from_process) != 0 ||
        !weir__name_is_valid(welcome->role, WEIR__ROLE_MAX)) {
        weir__node_complain(node, peer->link, WEIR__BAD_HANDSHAKE,
                            "its welcome has bad names; ignored");
        return;
    }
    if (welcome->protocol < WEIR_PROTOCOL_MIN || welcome->protocol > WEIR_PROTOCOL_MAX) {
        char text[WEIR__REFUSAL_MAX];
        snprintf(text, sizeof text,
                 "%s chose protocol version %u; this process speaks %u to %u; bring both to one "
                 "release",
                 peer->name, welcome->protocol, WEIR_PROTOCOL_MIN, WEIR_PROTOCOL_MAX);
        weir__peer_refused(node, peer, text);
        return;
    }
    if (!check_role(node, peer, welcome))
        return;
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

void weir__peer_on_refuse(weir_node *node, struct weir__peer *peer, const weir_envelope *envelope)
{
    const Weir__Proto__Refuse *refuse = envelope->refuse;
    if (refuse->unknown_peer) {
        if (!peer->shaking)
            weir__peer_shake(node, peer);
    } else if (envelope->correlation == peer->hello) { /* also later: its key may have to go */
        weir__peer_refused(node, peer, refuse->text);
    }
}

/* --- handshake: acceptor --- */

void weir__node_refuse(weir_node *node, uint64_t link, uint64_t hello, int code, const char *text)
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

/* --- who may be whom --- */

/* What the other side's key says of a link. Without keys everybody is who he says he is. */
static int check_identity(weir_node *node, uint64_t link, const Weir__Proto__PeerHello *hello,
                          weir_identity *ret, weir_error *err)
{
    char key[WEIR_KEY_HEX], roles[WEIR_ROLES_TEXT_MAX];
    weir_roles role = weir_role_parse(hello->role);
    *ret = (weir_identity){.roles = role};
    if (role == 0)
        return weir_error_set(err, WEIR_EINVALID,
                              "'%s' is no role of a process; use Weir's own programs", hello->role);
    if (node->transport->identify == NULL)
        return 0;
    if (!node->transport->identify(node->transport, link, ret))
        return weir_error_set(err, WEIR_EREFUSED,
                              "its key may not come in at the %s; to let it in, on the %s's host: "
                              "weir keys allow %s KEY",
                              node->config.role, node->config.role, hello->role);
    if ((ret->roles & role) != 0)
        return 0;
    weir_public_key_format(&ret->key, key);
    return weir_error_set(err, WEIR_EREFUSED,
                          "key %s may be %s, not %s; to allow that, on the %s's host: weir keys "
                          "allow %s %s",
                          key, weir_roles_format(ret->roles, roles), hello->role, node->config.role,
                          hello->role, key);
}

/* A process id is its first key's: nobody takes over what another one was promised. */
static int bind_key(const weir_node *node, struct weir__peer *peer, const weir_identity *identity,
                    weir_error *err)
{
    if (node->transport->identify == NULL)
        return 0;
    if (peer->has_key && !weir_public_key_equal(&peer->key, &identity->key))
        return weir_error_set(err, WEIR_EREFUSED,
                              "the process id '%s' is of a process with another key; start the "
                              "process anew",
                              peer->name);
    peer->has_key = true;
    peer->key = identity->key;
    weir__text_copy(peer->scope, sizeof peer->scope, identity->scope);
    return 0;
}

void weir_node_on_identity(weir_node *node, uint64_t link)
{
    struct weir__peer *peer = weir_number_map_get(&node->links, link);
    weir_identity identity;
    if (node->stopping || peer == NULL || peer->outgoing || node->transport->identify == NULL)
        return;
    bool is_here = node->transport->identify(node->transport, link, &identity);
    if (is_here && (identity.roles & peer->rights) != 0 &&
        weir_public_key_equal(&identity.key, &peer->key)) {
        weir__text_copy(peer->scope, sizeof peer->scope, identity.scope);
        return;
    }
    char text[WEIR__REFUSAL_MAX], key[WEIR_KEY_HEX];
    snprintf(text, sizeof text, "its key may not be %s any more: %s", peer->role,
             weir_public_key_format(&peer->key, key));
    weir__node_log(node, WEIR_LOG_WARN, "peer %s (%s): %s", peer->name, peer->role, text);
    weir__node_refuse(node, link, peer->hello, WEIR_EREFUSED, text);
    weir__peer_down(node, peer, text);
    weir__served_clear(node, peer); /* no answer is kept for it */
}

/* Late ones: of a handshake that a newer one of the same process has overtaken, or of a connection
 * that the process has closed since. */
static bool is_late(const struct weir__peer *peer, uint64_t number)
{
    return number < peer->hello || (peer->goodbye && number == peer->hello);
}

static int64_t silence_of(const weir_node *node, const Weir__Proto__PeerHello *hello)
{
    int64_t wanted = hello->silence_ms < WEIR__SILENCE_MAX_MS ? (int64_t)hello->silence_ms
                                                              : (int64_t)WEIR__SILENCE_MAX_MS;

    return wanted > node->config.heartbeat_timeout_ms ? wanted : node->config.heartbeat_timeout_ms;
}

void weir__node_on_hello(weir_node *node, uint64_t link, const weir_envelope *envelope)
{
    const Weir__Proto__PeerHello *hello = envelope->hello;
    weir_error error;
    int rc = check_hello(node, envelope, &error);
    struct weir__peer *present = weir_number_map_get(&node->links, link);
    if (rc == 0 && present != NULL && strcmp(present->process, hello->process) != 0)
        rc = weir_error_set(&error, WEIR_EREFUSED, "this connection's process is '%s', not '%s'",
                            present->process, hello->process);
    weir_identity identity;
    if (rc == 0)
        rc = check_identity(node, link, hello, &identity, &error);
    struct weir__peer *peer = NULL;
    if (rc == 0) {
        peer = weir__peer_record(node, hello->process);
        if (peer == NULL && node->incoming_up < node->config.peers_max)
            return; /* no memory: it will say hello again */
        if (peer == NULL)
            rc = weir_error_set(&error, WEIR_ERESOURCES,
                                "the %s has its %u connections already; close some, or allow more",
                                node->config.role, node->config.peers_max);
    }
    if (rc == 0)
        rc = bind_key(node, peer, &identity, &error);
    if (rc != 0) {
        weir__node_complain(node, link, WEIR__BAD_HANDSHAKE, "refused: %s", error.text);
        weir__node_refuse(node, link, envelope->correlation, error.code, error.text);
        return;
    }
    if (is_late(peer, envelope->correlation))
        return;
    bool is_new = !peer->up || peer->link != link || envelope->correlation > peer->hello;
    if (weir__peer_attach(node, peer, link) != 0)
        return; /* no memory: it will say hello again */
    weir__stranger_forget(node, link);
    peer->hello = envelope->correlation;
    peer->goodbye = false;
    weir__text_copy(peer->role, sizeof peer->role, hello->role);
    peer->rights = weir_role_parse(hello->role);
    peer->heard_ms = weir__node_now(node);
    peer->timeout_ms = silence_of(node, hello);
    welcome(node, peer, common_protocol(hello));
    if (is_new)
        weir__peer_up(node, peer);
}
