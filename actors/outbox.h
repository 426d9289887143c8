/* actors/outbox.h -- what a control connection was given to send and has not sent yet, so that a
 * peer that never reads costs a bounded amount of memory. ZeroMQ counts messages, not bytes, and
 * tells nobody; it does give each message's memory back when it is through with it, and that is
 * what is counted here.
 *
 * One for all connections of a process (`all`), and one for each of them. Within the limits a
 * message goes out; beyond them weir_outbox_send fails as if the connection's queue was full. When
 * all together are at their limit only small messages still pass, so that heartbeats and short
 * answers reach those who do read.
 *
 * Belongs to the thread of its sockets; what ZeroMQ gives back, on any thread and whenever it is,
 * is counted atomically, and the last message frees what a destroyed outbox left. */
#ifndef ACTORS_OUTBOX_H
#define ACTORS_OUTBOX_H

#include "base/error.h"

#include <stddef.h>

enum {
    WEIR_OUTBOX_ONE_MAX = 4 << 20,    /* bytes of a connection; one message may be larger */
    WEIR_OUTBOX_ALL_MAX = 48 << 20,   /* bytes of all */
    WEIR_OUTBOX_SMALL = 16 << 10,     /* a message that passes when all are at their limit ... */
    WEIR_OUTBOX_SPARE_MAX = 64 << 10, /* ... as long as its own connection has no more than this */
};

typedef struct weir_outbox weir_outbox;

/* `all` NULL: makes the one of all. NULL when memory ends. */
weir_outbox *weir_outbox_new(weir_outbox *all) WEIR_MUST_CHECK;
void weir_outbox_destroy(weir_outbox **box);
/* Sends a copy; behind the frame `to` (a ROUTER's routing id), or without one where that is NULL.
 * WEIR_EUNAVAILABLE: over a limit, the socket's queue is full, or nobody is there. */
int weir_outbox_send(weir_outbox *box, void *socket, const void *to, size_t to_size,
                     const void *bytes, size_t size) WEIR_MUST_CHECK;
size_t weir_outbox_bytes(const weir_outbox *box);

#endif
