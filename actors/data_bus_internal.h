/* actors/data_bus_internal.h -- what the files of the data bus share: data_bus.c (the bus, its
 * thread, letters), data_bus_peers.c (connections, handshakes, sending and receiving) and
 * data_bus_envelope.c (many letters in one message).
 * Everything but the mailbox, the table of peers' numbers and the tally belongs to the bus thread
 * once it runs. */
#ifndef ACTORS_DATA_BUS_INTERNAL_H
#define ACTORS_DATA_BUS_INTERNAL_H

#include "actors/authenticator.h"
#include "actors/data_bus.h"
#include "actors/mailbox.h"
#include "actors/number_map.h"
#include "actors/zmq_socket.h"
#include "base/buffer.h"

#include <poll.h>
#include <pthread.h>
#include <zmq.h>

enum {
    WEIR__BUS_ID_MAX = 255,
    WEIR__BUS_DRAIN_MAX = 256,   /* messages of one socket in a turn */
    WEIR__BUS_HEADER_MAX = 4096, /* bytes of a header, and of all in a message of several */
    WEIR__BUS_LETTERS_MAX = 256, /* in a message */
    WEIR__BUS_HEAD_MAX = 4 + WEIR__BUS_LETTERS_MAX * 8 + WEIR__BUS_HEADER_MAX,
};

/* Counts the bodies that ZeroMQ still holds; outlives the bus when a receiver within this process
 * keeps one for long. */
struct weir__tally {
    pthread_mutex_t lock;
    pthread_cond_t none_left;
    size_t bodies;
    bool is_orphan; /* the last one frees it */
};

/* A message on its way out. */
struct weir__letter {
    weir_mail mail; /* first */
    struct weir__letter *next;
    struct weir__tally *tally;
    uint32_t runner;
    void *body;
    size_t body_size;
    void (*release)(void *body, void *hint);
    void *hint;
    size_t header_size;
    uint8_t header[];
};

struct weir__envelope;

/* CONNECTING -> GREETING -> OPEN, or LOST from anywhere and for good.
 * The connecting side says hello when the connection stands, the accepting side answers with its
 * own; until then letters wait. */
enum weir__bus_state { WEIR__BUS_CONNECTING, WEIR__BUS_GREETING, WEIR__BUS_OPEN, WEIR__BUS_LOST };

struct weir__bus_peer {
    uint32_t runner;
    char *endpoint;
    bool connects; /* it is our side that connects */
    enum weir__bus_state state;
    void *socket, *monitor;       /* connecting */
    int64_t retry_ms, give_up_ms; /* connecting */
    uint8_t id[WEIR__BUS_ID_MAX]; /* accepting: its routing id */
    size_t id_size;
    int fd;       /* accepting: of its connection, as the monitor names it; -1 */
    bool is_gone; /* accepting: its connection broke; lost when the door's messages are taken */
    bool is_due, news_due; /* connecting: the socket, the monitor has something, or may have */
    struct weir__letter *first, **end; /* letters that wait */
    size_t waiting;
    int64_t full_until_ms; /* its queue was full: not tried again before; 0: it was not */
};

struct weir_data_bus {
    weir_data_bus_config config;     /* texts are the bus's own */
    struct weir__envelope *envelope; /* the thread's, to pack into */
    char *job;
    uint64_t key;
    weir_key_pair *pair;               /* of the job; NULL: none */
    weir_authenticator *authenticator; /* of a door with a key */
    void *door, *door_monitor;
    char endpoint[WEIR_ENDPOINT_MAX];
    weir_mailbox *mailbox;
    struct weir__bus_peer *peers;
    size_t peer_count;
    weir_number_map by_runner;  /* fixed once joined: any thread may read */
    weir_number_map by_id;      /* first 8 bytes of a routing id -> accepted peer */
    weir_number_map closed_fds; /* of the door's connections that ended without being a peer's */
    uint32_t complaints;
    struct weir__tally *tally;
    weir_mail stop;
    pthread_t thread;
    bool joined;
    /* The thread's: what it hears from, and what it must look at. */
    struct pollfd *items;
    bool **dues; /* by item; NULL for the mailbox */
    bool door_due, door_news_due;
    bool has_received; /* since config.received was called */
};

/* data_bus.c */
int weir__bus_open(const weir_data_bus *bus, int type, void **ret,
                   weir_error *err) WEIR_MUST_CHECK; /* a socket with the bus's limits */
void weir__letter_free(struct weir__letter *letter); /* drops it: releases the body */
/* As a release of zmq_msg_init_data, with the first of linked letters as hint: drops them all. */
void weir__letters_release(void *body, void *letters);

/* data_bus_envelope.c */

/* The first letters of a line as one message. The letters stay in the line, and their bodies
 * theirs, but for those that were gathered: then `body` is a copy, to be freed. */
struct weir__envelope {
    size_t letters, headers; /* how many, and bytes of their headers */
    bool has_body, is_gathered;
    const uint8_t *body;
    size_t body_size;
    size_t head_size;
    uint8_t head[WEIR__BUS_HEAD_MAX];
};
int weir__envelope_pack(struct weir__envelope *envelope, const struct weir__letter *first,
                        size_t body_max) WEIR_MUST_CHECK;
/* Hands the letters of a message to config.receive; `body` NULL: it had one part; else it is left
 * empty. False: it is damaged, or memory ended. */
bool weir__envelope_open(weir_data_bus *bus, uint32_t runner, const void *head, size_t head_size,
                         zmq_msg_t *body) WEIR_MUST_CHECK;

/* data_bus_peers.c */
void weir__bus_peer_open(weir_data_bus *bus, struct weir__bus_peer *peer);
void weir__bus_peer_close(struct weir__bus_peer *peer);
void weir__bus_peer_tick(weir_data_bus *bus, struct weir__bus_peer *peer, int64_t now_ms);
void weir__bus_peer_send(weir_data_bus *bus, struct weir__bus_peer *peer,
                         struct weir__letter *letter);
void weir__bus_peer_flush(weir_data_bus *bus, struct weir__bus_peer *peer);
void weir__bus_peer_drain(weir_data_bus *bus, struct weir__bus_peer *peer);
void weir__bus_peer_news(weir_data_bus *bus, struct weir__bus_peer *peer);
void weir__bus_door_drain(weir_data_bus *bus);
void weir__bus_door_news(weir_data_bus *bus);

#endif
