/* actors/transport.h -- what carries a node's bytes: ZeroMQ sockets, or the simulator. Links are
 * numbers, chosen by the transport, never reused in a process. Not reliable: see actors/actor.h. */
#ifndef ACTORS_TRANSPORT_H
#define ACTORS_TRANSPORT_H

#include "actors/actor.h"
#include "base/error.h"
#include "base/key.h"
#include "base/role.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whom a link belongs to, proven by its key. */
typedef struct weir_identity {
    weir_public_key key;
    weir_roles roles;                /* 0: it may do nothing, or nothing any more */
    char scope[WEIR_ACTOR_NAME_MAX]; /* the only actor that it may speak to; "": any */
} weir_identity;

typedef struct weir_transport {
    /* `expected`: the roles of which the other side's key must have one; 0: any will do, where
     * there are no keys. */
    int (*connect)(struct weir_transport *self, const char *endpoint, weir_roles expected,
                   uint64_t *ret_link, weir_error *err);
    void (*disconnect)(struct weir_transport *self, uint64_t link);
    /* Queues a copy of one message. WEIR_EUNAVAILABLE: no such link now, or its queue is full. */
    int (*send)(struct weir_transport *self, uint64_t link, const void *bytes, size_t size);
    int64_t (*now_ms)(struct weir_transport *self);
    int64_t (*wall_ms)(struct weir_transport *self);
    uint64_t (*random)(struct weir_transport *self);
    void (*log)(struct weir_transport *self, int level, const char *line);

    /* "127.0.0.1", where an incoming link comes from, as far as is known; NULL: nobody can tell. */
    const char *(*address)(struct weir_transport *self, uint64_t link);

    /* These are NULL where there are no keys. */

    /* Whose an incoming link is. False: nobody's who may be here. */
    bool (*identify)(struct weir_transport *self, uint64_t link, weir_identity *ret);
    /* A new key that this process's door lets in, as `roles`, to
     * speak to the actor `scope` alone, until it is revoked. */
    int (*issue_key)(struct weir_transport *self, weir_roles roles, const char *scope,
                     weir_key_pair *ret, weir_error *err);
    void (*revoke_key)(struct weir_transport *self, const weir_public_key *key);
} weir_transport;

#endif
