/* actors/node.h -- the control actors of one process and what binds them to other processes:
 * handshakes, heartbeats, requests with deadlines, answers from memory for repeated requests. A
 * pure state machine over a transport; a driver feeds it. One thread.
 *
 * A message reaches an actor when its sender's role may send it to this node's role
 * (actors/rights.h). The role is what the sender's handshake says, and where the transport has keys
 * also one that its key has; a key with a scope reaches that actor alone. */
#ifndef ACTORS_NODE_H
#define ACTORS_NODE_H

#include "actors/actor.h"
#include "actors/transport.h"

#define WEIR_PROTOCOL_MIN 1u
#define WEIR_PROTOCOL_MAX 1u

typedef struct weir_node weir_node;

typedef struct weir_node_config {
    const char *cluster; /* cluster.id: a peer of another cluster is refused */
    const char *role;    /* one of base/role.h */
    const char *process; /* id of this incarnation, unique */
    const char *version;
    int64_t heartbeat_interval_ms, heartbeat_timeout_ms, retry_interval_ms;
    int64_t silence_ms; /* how long those it connects to are to bear its silence, when that is more
                         * than their own timeout; 0: as they like */
    uint32_t peers_max; /* incoming connections that did a handshake */
    uint32_t message_max;  /* bytes of one message */
    uint32_t replies_kept; /* per peer: requests in progress, over which more get WEIR_ERESOURCES,
                            * and answers remembered while memory allows; 0: 16,384 */
} weir_node_config;

int weir_node_new(const weir_node_config *config, weir_transport *transport, weir_node **ret,
                  weir_error *err) WEIR_MUST_CHECK; /* texts are copied */
void weir_node_destroy(weir_node **node);
int weir_node_spawn(weir_node *node, const char *name, const weir_actor_class *vtable, void *self,
                    weir_error *err) WEIR_MUST_CHECK; /* takes self over, also on failure */

/* From the driver. Bytes are not trusted: a bad message is refused, logged once per link and kind.
 */
void weir_node_on_message(weir_node *node, uint64_t link, const void *bytes, size_t size);
/* The transport saw the link come up (say hello again) or break (a hint: heartbeats decide, but the
 * handshake is repeated at once when it comes back). Unknown links are ignored. */
void weir_node_on_link(weir_node *node, uint64_t link, bool up);
/* An outgoing link cannot be made: `why`, as an error's text. It is tried again, unless `for_good`:
 * then the peer counts as one that refused us. */
void weir_node_on_trouble(weir_node *node, uint64_t link, bool for_good, const char *why);
/* What transport.identify says of an incoming link has changed: its peer may have to go. */
void weir_node_on_identity(weir_node *node, uint64_t link);
/* Runs local messages and what is due; returns the monotonic time of the next timer (INT64_MAX:
 * none). Call after every event and at that time. */
int64_t weir_node_run(weir_node *node);
bool weir_node_is_stopped(const weir_node *node);
/* The context of an actor, for its driver's callbacks (a child ended, a slot reported). NULL when
 * there is no such actor. */
weir_context *weir_node_context(weir_node *node, const char *actor);
void weir_node_stop(weir_node *node);
/* Why it stopped, when an actor said that it failed; else NULL. */
const weir_error *weir_node_failure(const weir_node *node);

#endif
