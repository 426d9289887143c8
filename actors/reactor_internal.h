/* actors/reactor_internal.h -- what the files of the reactor share: reactor.c (the loop, watched
 * descriptors), reactor_transport.c (the sockets, as the node's transport), reactor_names.c (hosts
 * by name) and reactor_door.c (whom the door's messages come from). */
#ifndef ACTORS_REACTOR_INTERNAL_H
#define ACTORS_REACTOR_INTERNAL_H

#include "actors/door_watch.h"
#include "actors/number_map.h"
#include "actors/outbox.h"
#include "actors/reactor.h"
#include "actors/zmq_socket.h"
#include "base/map.h"

#include <zmq.h>

enum {
    WEIR__ROUTING_ID_MAX = 255,
    WEIR__INCOMING_EXTRA = 128, /* beyond peers_max: the node itself forgets strangers before */
    WEIR__DRAIN_MAX = 128,      /* messages of one socket in a turn of the loop */
    WEIR__BROKEN_OFF_MAX = 3,   /* handshakes: then it is told, for it may be the keys */
};

struct weir__destination;

/* An outgoing connection. Closed at the next turn of the loop, not by the node's callbacks: the
 * loop may be reading from it. */
struct weir__outgoing {
    uint64_t link;
    void *socket, *monitor;
    weir_outbox *outbox;
    weir_roles expected;
    struct weir__destination *destination; /* of a host by name; else NULL */
    unsigned broken_off;                   /* handshakes in a row */
    bool is_up; /* connected, as far as is known; nothing is queued for a peer that is not there */
    bool is_closed;
};

/* Whoever sent something to the door. A routing id is its owner's choice: with keys, one that comes
 * with another key is another link. */
struct weir__incoming {
    uint64_t link;
    weir_outbox *outbox;
    char address[INET6_ADDRSTRLEN];
    char user[WEIR_KEY_HEX]; /* the key it came with, as ZeroMQ tells it; "": no keys */
    uint64_t generation;     /* of the authenticator, when `identity` was looked up */
    weir_identity identity;
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
        WEIR__ITEM_DOOR, /* messages or news of it */
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
    int silence_ms; /* as weir_zmq_settings */
    size_t incoming_max;
    char role[WEIR_ROLES_TEXT_MAX];
    weir_security *security;           /* NULL: no keys */
    weir_authenticator *authenticator; /* of a door over tcp with keys; else NULL */
    void *door, *door_monitor;         /* no monitor over inproc */
    weir_door_watch watch;             /* of the door */
    weir_outbox *outbox;               /* of all connections */
    char endpoint[WEIR_ENDPOINT_MAX];
    uint64_t last_link;

    struct weir__outgoing **outgoing;
    size_t outgoing_count, outgoing_capacity;
    weir_map *incoming_by_id; /* owns them; keys are the ids in hex */
    weir_number_map incoming_by_link;

    struct weir__watch *watches;
    size_t watch_count, watch_capacity;
    uint64_t last_watch;

    int interrupt_fd, lookup_fd; /* lookup_fd: results of lookups are there; -1: no names */
    zmq_pollitem_t *items;
    struct weir__item_owner *owners;
    size_t item_capacity;
};

void weir__transport_init(weir_reactor *reactor); /* authenticator is set */
struct weir__outgoing *weir__outgoing_find(weir_reactor *reactor, uint64_t link);
void weir__outgoing_sweep(weir_reactor *reactor, bool all);
bool weir__frame_receive(void *socket, zmq_msg_t *frame);
/* Takes the rest of a message whose first frame is in `frame`. True: there was none. */
bool weir__frame_was_last(void *socket, const zmq_msg_t *frame);
void weir__message_pass_on(weir_reactor *reactor, void *socket, uint64_t link, zmq_msg_t *frame);
void weir__outgoing_drain(weir_reactor *reactor, struct weir__outgoing *out);
void weir__news_drain(weir_reactor *reactor, struct weir__outgoing *out);

/* reactor_names.c */
int weir__outgoing_connect(weir_reactor *reactor, const char *endpoint, struct weir__outgoing *out,
                           weir_error *err) WEIR_MUST_CHECK;
void weir__destination_free(struct weir__destination *destination);
/* Looks up what is due; returns when the next one is. */
int64_t weir__names_tick(weir_reactor *reactor, int64_t now_ms);

/* reactor_door.c */
void weir__door_drain(weir_reactor *reactor); /* its news, then its messages */
void weir__incoming_free(void *incoming);
void weir__incoming_forget(weir_reactor *reactor, uint64_t link);
bool weir__incoming_may_stay(const weir_reactor *reactor, const struct weir__incoming *in);
const char *weir__door_address(weir_transport *self, uint64_t link);
bool weir__door_identify(weir_transport *self, uint64_t link, weir_identity *ret);
int weir__door_issue_key(weir_transport *self, weir_roles roles, const char *scope,
                         weir_key_pair *ret, weir_error *err);
void weir__door_revoke_key(weir_transport *self, const weir_public_key *key);

#endif
