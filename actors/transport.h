/* actors/transport.h -- what carries a node's bytes: ZeroMQ sockets, or the simulator. Links are
 * numbers, chosen by the transport, never reused in a process. Not reliable: see actors/actor.h. */
#ifndef ACTORS_TRANSPORT_H
#define ACTORS_TRANSPORT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct weir_transport {
    int (*connect)(struct weir_transport *self, const char *endpoint, uint64_t *ret_link,
                   weir_error *err);
    void (*disconnect)(struct weir_transport *self, uint64_t link);
    /* Queues a copy of one message. WEIR_EUNAVAILABLE: no such link now, or its queue is full. */
    int (*send)(struct weir_transport *self, uint64_t link, const void *bytes, size_t size);
    int64_t (*now_ms)(struct weir_transport *self);
    int64_t (*wall_ms)(struct weir_transport *self);
    uint64_t (*random)(struct weir_transport *self);
    void (*log)(struct weir_transport *self, int level, const char *line);
} weir_transport;

#endif
