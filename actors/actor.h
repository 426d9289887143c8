/* actors/actor.h -- an actor: a state machine that receives messages and timers and acts only
 * through its context. The same code runs over sockets (actors/reactor.h) and in the simulator
 * (actors/simulator.h).
 *
 * All control actors of a process run in one thread, one callback at a time; callbacks never block.
 * An address is a process and an actor's name in it. A process is named by what the node knows it
 * by: for an outgoing connection the alias given to weir_context_connect, for an incoming one the
 * id that the peer gave in its handshake; "" is the own process.
 *
 * Messages may be lost, delayed, repeated by the network underneath; a request is repeated until
 * its reply or its deadline, and the receiving node runs it once per incarnation and answers
 * repeats from its memory. Between two processes messages of one link may overtake each other only
 * across a reconnection. */
#ifndef ACTORS_ACTOR_H
#define ACTORS_ACTOR_H

#include "base/error.h"
#include "base/key.h"
#include "base/role.h"
#include "proto/control.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

#define WEIR_PROCESS_NAME_MAX 96 /* with the NUL */
#define WEIR_ACTOR_NAME_MAX   64

typedef Weir__Proto__Envelope weir_envelope;
typedef struct weir_context weir_context;

enum weir_peer_event {
    WEIR_PEER_UP,     /* handshake done; again, without a DOWN, after a reconnection of the same
                       * incarnation; another incarnation comes with a DOWN of the former */
    WEIR_PEER_DOWN,   /* silent for heartbeat.timeout, said goodbye, or was disconnected */
    WEIR_PEER_REFUSED /* it refused the handshake; `text` says why; it is not tried again */
};

typedef struct weir_peer_info {
    const char *process; /* as this node addresses it */
    const char *id;      /* its incarnation's id */
    const char *role;    /* "taskmanager" */
    const char *text;    /* REFUSED, DOWN: why */
} weir_peer_info;

typedef struct weir_actor_class {
    const char *name;
    void (*start)(void *self, weir_context *context);
    /* A message or request; replies go to the request's callback. Borrowed for the call. */
    void (*receive)(void *self, weir_context *context, const weir_envelope *message);
    void (*timer)(void *self, weir_context *context, uint64_t timer);
    void (*peer)(void *self, weir_context *context, enum weir_peer_event event,
                 const weir_peer_info *peer);
    void (*destroy)(void *self); /* last call; frees it */
} weir_actor_class;

typedef struct weir_address {
    const char *process; /* "" or NULL: this one */
    const char *actor;
} weir_address;

/* `reply` is NULL when `error` is set: the peer's Error, or WEIR_ETIMEOUT, WEIR_EUNAVAILABLE. */
typedef void (*weir_reply_callback)(void *self, weir_context *context, void *data,
                                    const weir_envelope *reply, const weir_error *error);

/* What is needed to answer a request later. Copy it out of the message. */
typedef struct weir_reply_to {
    char process[WEIR_PROCESS_NAME_MAX];
    char actor[WEIR_ACTOR_NAME_MAX];
    uint64_t correlation;
} weir_reply_to;

/* Time and chance. Monotonic and wall milliseconds; the simulator's are virtual. */
int64_t weir_context_now_ms(weir_context *context);
int64_t weir_context_wall_ms(weir_context *context);
uint64_t weir_context_random(weir_context *context);
const char *weir_context_process(weir_context *context); /* this incarnation's id */
const char *weir_context_actor(weir_context *context);

/* One-shot; returns its number (never 0). Cancelling one that fired is fine. */
uint64_t weir_context_set_timer(weir_context *context, int64_t delay_ms);
void weir_context_cancel_timer(weir_context *context, uint64_t timer);

/* Fills in the addressing of `envelope` (body and epoch are the caller's) and queues it. A message
 * to a peer that is not up is dropped: use a request where that matters. */
void weir_context_send(weir_context *context, weir_address to, weir_envelope *envelope);
/* Repeated every rpc.retry-interval until the reply or `deadline_ms` from now. The callback comes
 * exactly once, from the node's loop and never from this call, unless the actor ends before. A
 * process that was never connected, or refused us, gives WEIR_EUNAVAILABLE; one that is down is
 * waited for. Returns a number for weir_context_forget. */
uint64_t weir_context_request(weir_context *context, weir_address to, weir_envelope *envelope,
                              int64_t deadline_ms, weir_reply_callback callback, void *data);
void weir_context_forget(weir_context *context, uint64_t request); /* no callback will come */
weir_reply_to weir_reply_to_of(const weir_envelope *request);
void weir_context_reply(weir_context *context, const weir_reply_to *to, weir_envelope *reply);
void weir_context_reply_ack(weir_context *context, const weir_reply_to *to);
void weir_context_reply_error(weir_context *context, const weir_reply_to *to, int code,
                              const char *format, ...) WEIR_PRINTF(4, 5);

/* Outgoing connections, by alias; kept up (reconnected, handshake repeated) until disconnected. A
 * process is connected once: WEIR_EEXISTS when the alias or the endpoint is in use here. One that
 * is of none of the `expected` roles counts as one that refused us (0: any role; only without
 * keys). Disconnecting fails the requests that wait for it with WEIR_EUNAVAILABLE. */
int weir_context_connect(weir_context *context, const char *alias, const char *endpoint,
                         weir_roles expected, weir_error *err) WEIR_MUST_CHECK;
void weir_context_disconnect(weir_context *context, const char *alias); /* with a goodbye */
bool weir_context_is_up(weir_context *context, const char *process);
/* Whose it is, by its handshake: "taskmanager"; "" where there was none. */
const char *weir_context_role(weir_context *context, const char *process);
/* Why it is not up, as far as is known: "" or what to do. Lives until the next call. */
const char *weir_context_trouble(weir_context *context, const char *alias);

/* Whether this process's door is for those alone whose key is known. */
bool weir_context_has_keys(weir_context *context);
/* A new key that opens this process's door until the actor ends: as `roles`, to speak to this actor
 * alone. WEIR_ESTATE without keys. Wipe it when it is handed on. */
int weir_context_issue_key(weir_context *context, weir_roles roles, weir_key_pair *ret,
                           weir_error *err) WEIR_MUST_CHECK;

/* Another actor in this process, taken over; names are unique. End: after the present callback. */
int weir_context_spawn(weir_context *context, const char *name, const weir_actor_class *vtable,
                       void *self, weir_error *err) WEIR_MUST_CHECK;
void weir_context_end(weir_context *context, const char *actor);
/* Stops the whole process's node: goodbyes are sent, actors destroyed; the driver's loop returns.
 */
void weir_context_stop_node(weir_context *context);
/* The same, as a failure: the process ends with this error. The first one counts. */
void weir_context_fail_node(weir_context *context, int code, const char *format, ...)
    WEIR_PRINTF(3, 4);
void weir_context_log(weir_context *context, int level, const char *format, ...) WEIR_PRINTF(3, 4);

#endif
