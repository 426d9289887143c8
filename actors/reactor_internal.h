/* actors/reactor_internal.h -- what the files of the reactor share: reactor.c (the loop, watched
 * descriptors) and reactor_transport.c (the sockets, as the node's transport). */
#ifndef ACTORS_REACTOR_INTERNAL_H
#define ACTORS_REACTOR_INTERNAL_H

#include "actors/number_map.h"
#include "actors/reactor.h"
#include "actors/zmq_socket.h"
#include "base/map.h"

#include <zmq.h>

enum {
    WEIR__ROUTING_ID_MAX = 255,
    WEIR__INCOMING_EXTRA = 128, /* beyond peers_max: the node itself forgets strangers before */
    WEIR__DRAIN_MAX = 128,      /* messages of one socket in a turn of the loop */
};

/* An outgoing connection. Closed at the next turn of the loop, not by the node's callbacks: the
 * loop may be reading from it. */
struct weir__outgoing {
    uint64_t link;
    void *socket, *monitor;
    bool is_up; /* connected, as far as is known; nothing is queued for a peer that is not there */
    bool is_closed;
};

/* Whoever sent something to the door. */
struct weir__incoming {
    uint64_t link;
    size_t id_size;
    uint8_t id[WEIR__ROUTING_ID_MAX];
};

struct weir__watch {
    uint64_t serial;
    int fd;
    void (*ready)(void *data);
    void *data;
};

/* Which of them a poll item is. */
struct weir__item_owner {
    enum {
        WEIR__ITEM_INTERRUPT,
        WEIR__ITEM_DOOR,
        WEIR__ITEM_LINK,
        WEIR__ITEM_NEWS,
        WEIR__ITEM_FD
    } kind;
    uint64_t number; /* a link or a watch's serial */
};

struct weir_reactor {
    weir_transport transport; /* first: the transport's self is the reactor */
    weir_node *node;
    uint32_t message_max, connections_max;
    size_t incoming_max;
    void *door;
    char endpoint[WEIR_ENDPOINT_MAX];
    uint64_t last_link;

    struct weir__outgoing **outgoing;
    size_t outgoing_count, outgoing_capacity;
    weir_map *incoming_by_id; /* owns them; keys are the ids in hex */
    weir_number_map incoming_by_link;

    struct weir__watch *watches;
    size_t watch_count, watch_capacity;
    uint64_t last_watch;

    int interrupt_fd;
    zmq_pollitem_t *items;
    struct weir__item_owner *owners;
    size_t item_capacity;
};

void weir__transport_init(weir_reactor *reactor);
struct weir__outgoing *weir__outgoing_find(weir_reactor *reactor, uint64_t link);
void weir__outgoing_sweep(weir_reactor *reactor, bool all);
void weir__door_drain(weir_reactor *reactor);
void weir__outgoing_drain(weir_reactor *reactor, struct weir__outgoing *out);
void weir__news_drain(weir_reactor *reactor, struct weir__outgoing *out);

#endif
