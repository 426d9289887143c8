/* actors/node_internal.h -- what the files of the node share. Not for other classes.
 *
 *   node.c           life of a node and of its actors, the queue of events, run
 *   node_context.c   what an actor may do
 *   node_links.c     bytes in and out, strangers, messages
 *   node_hello.c     handshakes, and who may be whom
 *   node_peers.c     the table of peers, up and down, heartbeats
 *   node_requests.c  requests of our own, until their reply or deadline
 *   node_served.c    requests of others: run once, answered from memory
 *
 * Invariants: callbacks run only from weir_node_run, one at a time, from the queue of events or
 * from a timer, so no table changes under a walk. An event names its actor by serial number: an
 * actor that has ended gets nothing more. */
#ifndef ACTORS_NODE_INTERNAL_H
#define ACTORS_NODE_INTERNAL_H

#include "actors/node.h"
#include "actors/number_map.h"
#include "actors/timer_heap.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/map.h"

#include <sys/queue.h>

enum {
    WEIR__STRANGERS_MAX = 64, /* incoming links without a handshake that are remembered */
    WEIR__RECORDS_EXTRA =
        256, /* incoming peers that are down and still remembered, beyond peers_max */
    WEIR__GOODBYES_KEPT = 64, /* of those, that have said goodbye */
    WEIR__REPLIES_KEPT = 16384,
    WEIR__REPLIES_BYTES_MAX = 4 << 20, /* of all peers, with what keeps them; over it the oldest
                                        * answers are forgotten */
    WEIR__ROLE_MAX = 32,
    WEIR__SILENCE_MAX_MS = 600000, /* that a peer may ask for */
    WEIR__VERSION_MAX = 64,
    WEIR__REFUSAL_MAX = 512, /* of a text that is told to a peer */
};

enum weir__timer_kind { WEIR__TIMER_ACTOR, WEIR__TIMER_PEER, WEIR__TIMER_REQUEST };

/* What a link may be complained about: each kind is logged once. */
enum weir__complaint {
    WEIR__BAD_BYTES = 1 << 0,
    WEIR__BAD_HANDSHAKE = 1 << 1,
    WEIR__BAD_PROCESS = 1 << 2,
    WEIR__BAD_ADDRESS = 1 << 3,
    WEIR__BAD_KIND = 1 << 4,
    WEIR__BAD_LOAD = 1 << 5,
    WEIR__BAD_RIGHT = 1 << 6,
    WEIR__TROUBLE = 1 << 7,
};

/* An actor: its context is all that it sees. */
struct weir_context {
    weir_node *node;
    uint64_t serial;
    char name[WEIR_ACTOR_NAME_MAX];
    const weir_actor_class *vtable;
    void *self;
    weir_public_key *keys; /* that were issued to it */
    size_t key_count;
    bool ended; /* no longer in the tables; destroyed after the present callback */
    TAILQ_ENTRY(weir_context) link;
};

enum weir__event_kind {
    WEIR__EVENT_START,
    WEIR__EVENT_MESSAGE,
    WEIR__EVENT_PEER,
    WEIR__EVENT_REPLY,
};

struct weir__event {
    TAILQ_ENTRY(weir__event) link;
    enum weir__event_kind kind;
    uint64_t actor;                      /* its serial; MESSAGE is addressed by name */
    char process[WEIR_PROCESS_NAME_MAX]; /* MESSAGE, REPLY: from; PEER: whom it is about */
    weir_envelope *envelope;             /* MESSAGE, REPLY; NULL: a failed request */
    enum weir_peer_event what;           /* PEER */
    char id[WEIR_PROCESS_NAME_MAX];
    char role[WEIR__ROLE_MAX];
    char *text;      /* PEER, failed REPLY; may be NULL */
    int code;        /* failed REPLY */
    uint64_t number; /* REPLY: of the request */
    weir_reply_callback callback;
    void *data;
};

/* A request of another process that is in progress, or its answer. */
struct weir__served {
    uint64_t correlation;
    struct weir__peer *peer;
    uint64_t actor; /* whom it was given to; 0: nobody yet */
    bool answered;
    uint8_t *reply;
    size_t reply_size;
    uint64_t reply_link; /* where it was sent to last, and when */
    int64_t reply_ms;
    TAILQ_ENTRY(weir__served) of_node; /* in `in_progress` or in `answered` */
    TAILQ_ENTRY(weir__served) of_peer; /* answered ones, oldest first */
};
TAILQ_HEAD(weir__served_list, weir__served);

/* A process that this node talks to or has talked to: behind an alias (outgoing), or known by the
 * id of its handshake (incoming). An incoming one that is down stays as a record of what it was
 * answered, until room is needed. */
struct weir__peer {
    char name[WEIR_PROCESS_NAME_MAX];     /* as actors address it */
    char process[WEIR_PROCESS_NAME_MAX];  /* its incarnation; "" before the first handshake */
    char previous[WEIR_PROCESS_NAME_MAX]; /* outgoing: the incarnation before */
    char role[WEIR__ROLE_MAX];
    weir_roles rights;               /* that role; one */
    weir_roles expected;             /* outgoing: one of these; 0: any */
    bool has_key;                    /* incoming: its process is bound to `key` */
    weir_public_key key;             /* incoming */
    char scope[WEIR_ACTOR_NAME_MAX]; /* incoming: the only actor it may speak to; "": any */
    char *endpoint;                  /* outgoing */
    char *trouble;                   /* outgoing: why it cannot be reached; NULL: not known */
    uint64_t link;                   /* 0: none */
    uint64_t hello;                  /* number of the present or last handshake; grows */
    uint64_t timer;
    int64_t heard_ms, next_hello_ms, next_heartbeat_ms;
    int64_t timeout_ms; /* how long it may be silent */
    uint32_t complaints;
    bool outgoing, up, refused;
    bool shaking;                 /* outgoing: hello is repeated until it is welcomed */
    bool goodbye;                 /* incoming: it ended this connection itself */
    struct weir__peer_list *list; /* incoming and not up: in one of the node's */
    weir_number_map served;       /* correlation -> weir__served */
    uint64_t settled;             /* its requests before this one will not be repeated */
    size_t served_in_progress, served_answered;
    struct weir__served_list answered;
    TAILQ_ENTRY(weir__peer) down_link;
};

struct weir__peer_list { /* the longest gone first */
    TAILQ_HEAD(, weir__peer) peers;
    size_t count;
};

struct weir__request {
    uint64_t correlation, actor, timer;
    char process[WEIR_PROCESS_NAME_MAX]; /* "": local */
    char to[WEIR_ACTOR_NAME_MAX];
    const char *kind; /* "SubmitJob" */
    uint8_t *bytes;   /* packed, for repeats; NULL: local */
    size_t size;
    int64_t deadline_ms, allowed_ms, repeat_ms; /* repeat_ms: until the next repeat */
    struct weir__event *outcome; /* made in advance, so that it can always be delivered */
    TAILQ_ENTRY(weir__request) link;
};

struct weir__stranger {
    uint64_t link; /* 0: free */
    uint32_t complaints;
};

struct weir_node {
    weir_node_config config; /* texts are the node's own */
    weir_roles role;         /* one */
    weir_transport *transport;

    weir_map *actors;          /* name -> weir_context */
    weir_number_map by_serial; /* serial -> weir_context */
    TAILQ_HEAD(, weir_context) ended;
    uint64_t last_serial;
    TAILQ_HEAD(, weir__event) events;
    weir_timer_heap timers;

    weir_map *aliases;     /* outgoing peers */
    weir_map *records;     /* incoming ones, by process id */
    weir_number_map links; /* link -> peer */
    struct weir__peer_list left,
        lost; /* incoming ones that are down: with a goodbye, and without */
    size_t incoming_up;
    struct weir__peer *own; /* this process itself: what it asked of itself */
    struct weir__stranger strangers[WEIR__STRANGERS_MAX];
    size_t next_stranger;
    struct {
        int64_t since_ms;
        uint32_t count;
    } complained[2]; /* about strangers; about peers: the ones shall not drown the others */
    uint64_t last_hello;

    TAILQ_HEAD(, weir__request) requests;
    weir_number_map by_correlation;
    uint64_t correlation_base, last_correlation;
    struct weir__served_list in_progress, answered;
    size_t replies_bytes;

    weir_buffer scratch; /* a packed message on its way out */
    int64_t next_wake_ms;
    bool stopping, stopped;
    weir_error *failure; /* why it stops; NULL: in good order */
    bool said_unfit;     /* that a message of the node's own, which are repeated, cannot be sent */
};

/* node.c */
bool weir__name_is_valid(const char *name, size_t max);
void weir__text_copy(char *to, size_t size, const char *from); /* cuts */
void weir__node_log(weir_node *node, int level, const char *format, ...) WEIR_PRINTF(3, 4);
/* Memory ended where a promise would break silently: the node stops, loudly. */
void weir__node_give_up(weir_node *node, const char *what);
void weir__event_free(struct weir__event *event);
void weir__node_push(weir_node *node, struct weir__event *event);
/* Takes the envelope over, also on failure. */
int weir__node_push_message(weir_node *node, const char *process,
                            weir_envelope *envelope) WEIR_MUST_CHECK;
/* Ends an actor: out of the tables now, destroyed when no callback runs. */
void weir__actor_end(weir_context *context);
int64_t weir__node_now(weir_node *node);
/* How long a message of that size may take on a slow link; 0: it is small. */
int64_t weir__node_transfer_ms(size_t size);

/* node_links.c */
/* Fills in from_process for the time of packing, into node->scratch. WEIR_EINVALID: its receiver
 * would refuse it, so that it and who waits for it were lost without a word. */
int weir__node_pack(weir_node *node, weir_envelope *envelope, weir_error *err) WEIR_MUST_CHECK;
int weir__node_send(weir_node *node, uint64_t link, weir_envelope *envelope);
int weir__node_unpack(weir_node *node, const void *bytes, size_t size, weir_envelope **ret,
                      weir_error *err) WEIR_MUST_CHECK;
/* Logs what is wrong with a link, once per link and kind. */
void weir__node_complain(weir_node *node, uint64_t link, enum weir__complaint kind,
                         const char *format, ...) WEIR_PRINTF(4, 5);
void weir__stranger_forget(weir_node *node, uint64_t link);

/* node_hello.c */
void weir__peer_say_hello(weir_node *node, struct weir__peer *peer); /* of the present handshake */
void weir__peer_shake(weir_node *node, struct weir__peer *peer);     /* a new handshake */
void weir__peer_on_welcome(weir_node *node, struct weir__peer *peer, const weir_envelope *envelope);
void weir__peer_on_refuse(weir_node *node, struct weir__peer *peer, const weir_envelope *envelope);
void weir__node_on_hello(weir_node *node, uint64_t link, const weir_envelope *envelope);
void weir__node_refuse(weir_node *node, uint64_t link, uint64_t hello, int code, const char *text);

/* node_peers.c */
int weir__peer_new(const char *name, bool outgoing, struct weir__peer **ret) WEIR_MUST_CHECK;
void weir__peer_free(weir_node *node, struct weir__peer *peer);
void weir__peer_set_trouble(struct weir__peer *peer, const char *why); /* "": none */
struct weir__peer *weir__peer_find(const weir_node *node, const char *process);
int weir__peer_connect(weir_node *node, const char *alias, const char *endpoint,
                       weir_roles expected, weir_error *err) WEIR_MUST_CHECK;
void weir__peer_disconnect(weir_node *node, const char *alias);
/* The record of an incoming process, made when need be. NULL: no memory, or too many are up. */
struct weir__peer *weir__peer_record(weir_node *node, const char *process);
int weir__peer_attach(weir_node *node, struct weir__peer *peer, uint64_t link) WEIR_MUST_CHECK;
void weir__peer_detach(weir_node *node, struct weir__peer *peer); /* forgets the link */
void weir__peer_up(weir_node *node, struct weir__peer *peer);
void weir__peer_down(weir_node *node, struct weir__peer *peer, const char *text);
void weir__peer_refused(weir_node *node, struct weir__peer *peer, const char *text);
void weir__peer_tick(weir_node *node,
                     struct weir__peer *peer);             /* does what is due, sets its timer */
void weir__peers_forgive(weir_node *node, int64_t now_ms); /* after a stall of our own */
void weir__peers_goodbye(weir_node *node);

/* node_requests.c */
uint64_t weir__request_new(weir_context *context, weir_address to, weir_envelope *envelope,
                           int64_t allowed_ms, weir_reply_callback callback, void *data);
void weir__request_forget(weir_node *node, struct weir__request *request);
void weir__requests_of_actor_end(weir_node *node, uint64_t actor);
void weir__requests_resend(weir_node *node, const struct weir__peer *peer);
void weir__requests_fail(weir_node *node, const char *process, int code, const char *text);
void weir__request_tick(weir_node *node, struct weir__request *request);
/* A reply came; takes the envelope over. */
void weir__request_answered(weir_node *node, const struct weir__peer *peer,
                            weir_envelope *envelope);

/* node_served.c */
/* The peer has got its replies to all requests before `oldest`, or does not want them any more. */
void weir__served_settle(weir_node *node, struct weir__peer *peer, uint64_t oldest);
/* True: a new request, now in progress, to be delivered. False: it was dealt with. */
bool weir__served_admit(weir_node *node, struct weir__peer *peer, uint64_t correlation);
void weir__served_give(struct weir__peer *peer, uint64_t correlation, uint64_t actor);
void weir__served_answer(weir_node *node, struct weir__peer *peer, uint64_t correlation,
                         weir_envelope *reply);
void weir__served_error(weir_node *node, struct weir__peer *peer, uint64_t correlation,
                        const char *from, const char *to, int code, const char *text);
void weir__served_forget(weir_node *node, struct weir__peer *peer, uint64_t correlation);
void weir__served_clear(weir_node *node, struct weir__peer *peer);
void weir__served_of_actor_end(weir_node *node, uint64_t actor, const char *name);

#endif
