/* actors/reactor.h -- the real driver of a node: one thread, ZeroMQ sockets, timers, descriptors.
 *
 * One ROUTER bound for incoming connections (none for clients), one DEALER per outgoing one, each
 * with a monitor for hints. Settings: ROUTER_MANDATORY, finite HWM, MAXMSGSIZE, LINGER bounded,
 * RECONNECT_IVL 10 ms up to 1 s, HANDSHAKE_IVL 2 s, no ZMTP commands from strangers believed. One
 * ZeroMQ context per process, made by the first reactor, kept until weir_reactor_end_process.
 *
 * With keys everything over tcp is CURVE: the door knows of every message whose key it came with
 * and passes it on while that key may be here; connections are made to endpoints with keys alone.
 */
#ifndef ACTORS_REACTOR_H
#define ACTORS_REACTOR_H

#include "actors/mailbox.h"
#include "actors/node.h"
#include "actors/security.h"

typedef struct weir_reactor weir_reactor;

typedef struct weir_reactor_config {
    weir_node_config node;
    const char *bind;          /* "tcp://127.0.0.1" or "inproc://name"; NULL: no door */
    int port_first, port_last; /* tcp: the first free one is taken; 0, 0: any */
    uint32_t connections_max;  /* outgoing; incoming: node.peers_max */
    const char *what;          /* who asks, for errors: "TaskManager"; NULL: the role */
    const char *port_key;      /* the configuration key of the range, for errors; may be NULL */
    weir_security *security;   /* borrowed; with a door: with an authenticator; NULL: no keys */
} weir_reactor_config;

/* Binds. WEIR_ERESOURCES when no port of the range is free: the message names the range, who asks
 * for it (`what`) and the key to change. */
int weir_reactor_new(const weir_reactor_config *config, weir_reactor **ret,
                     weir_error *err) WEIR_MUST_CHECK;
void weir_reactor_destroy(weir_reactor **reactor);
weir_node *weir_reactor_node(weir_reactor *reactor);
const char *weir_reactor_endpoint(const weir_reactor *reactor); /* as bound; "" without a door */

/* Calls `ready(data)` in the loop whenever fd is readable, until unwatched. */
int weir_reactor_watch(weir_reactor *reactor, int fd, void (*ready)(void *data),
                       void *data) WEIR_MUST_CHECK;
void weir_reactor_unwatch(weir_reactor *reactor, int fd);
/* Loop until the node stops, or `deadline_ms` (monotonic; INT64_MAX: none) has passed: returns 0,
 * or WEIR_ETIMEOUT. May be called again after a timeout. */
int weir_reactor_run(weir_reactor *reactor, int64_t deadline_ms) WEIR_MUST_CHECK;
/* From any thread: the loop returns 0, once, as if the node had stopped. */
void weir_reactor_interrupt(weir_reactor *reactor);
/* Before exit of a process that used reactors or data buses: ends the ZeroMQ context. */
void weir_reactor_end_process(void);

#endif
