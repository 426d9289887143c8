/* tests/fuzz/fuzz_world.h -- a node with one real actor, and around it processes that say what the
 * input tells them: right messages and odd ones, answers, silence, bytes that are no message.
 * Virtual time.
 *
 * Whatever they say, what the node sends is well-formed, its log lines can be read, and every
 * request is answered once, by the end of an hour. */
#ifndef TESTS_FUZZ_FUZZ_WORLD_H
#define TESTS_FUZZ_FUZZ_WORLD_H

#include "fuzz_message.h"

#include "actors/node.h"

enum { FUZZ_PUPPETS = 8, FUZZ_ASKED = 24, FUZZ_WAITING = 48 };

#define FUZZ_JOB_A "000000000000000000000000000000aa"
#define FUZZ_JOB_B "000000000000000000000000000000bb"

typedef struct fuzz_puppet {
    uint64_t link; /* 0: none */
    char process[32];
    const char *role;
    bool incoming, up;
    bool welcome_due, heartbeat_due;
    uint64_t hello;
} fuzz_puppet;

typedef struct fuzz_asked { /* by the actor; not answered */
    uint64_t link, correlation;
    int body;
    char to[WEIR_ACTOR_NAME_MAX];
} fuzz_asked;

typedef struct fuzz_waiting { /* a puppet's request */
    uint32_t puppet;
    uint64_t correlation;
    uint32_t asked, answered;
    bool must;      /* it has to be answered; else it may be */
    uint64_t hello; /* of the connection on which it was asked */
} fuzz_waiting;

typedef struct fuzz_world fuzz_world;

typedef struct fuzz_role {
    const char *role;            /* of the node: "dispatcher" */
    const char *const *actors;   /* addressed most often; ends with NULL */
    const char *const *incoming; /* roles of those that connect; ends with NULL */
    const int *bodies;           /* that are sent most often; ends with 0 */
    uint64_t epoch;              /* most often in envelopes */
    void (*act)(fuzz_world *world, fuzz_input *input); /* what else can happen; may be NULL */
    bool answers_all;                                  /* every request is answered in the end */
} fuzz_role;

struct fuzz_world {
    weir_transport transport; /* first */
    const fuzz_role *role;
    weir_node *node;
    weir_arena *arena; /* of the messages of one step */
    int64_t now_ms;
    uint64_t random, links, correlations, hellos;
    fuzz_puppet puppets[FUZZ_PUPPETS];
    fuzz_asked asked[FUZZ_ASKED];
    size_t nasked;
    fuzz_waiting waiting[FUZZ_WAITING];
    size_t nwaiting;
    void *data; /* the target's own */
};

/* The texts and bytes that messages are made of. */
const fuzz_pool *fuzz_world_pool(void);
const weir_buffer *fuzz_world_graph(void); /* of a small job, packed */
const char *fuzz_world_artifact(void);     /* digest of the pool's first bytes */

void fuzz_world_init(fuzz_world *world, const fuzz_role *role);
/* Takes `self` over; starts the actor. */
void fuzz_world_spawn(fuzz_world *world, const char *name, const weir_actor_class *vtable,
                      void *self);
/* Steps until the input is used up, then an hour; checks; destroys the node. */
void fuzz_world_run(fuzz_world *world, fuzz_input *input);
/* One right request of a puppet that is there. */
void fuzz_world_tell(fuzz_world *world, uint32_t puppet, const char *to, int body_case,
                     ProtobufCMessage *body);
/* Lets everything happen that is due. */
void fuzz_world_settle(fuzz_world *world);

/* For seeds: one step each. */
void fuzz_put_come(weir_buffer *out, uint8_t puppet, uint8_t role);
void fuzz_put_send(weir_buffer *out, uint8_t puppet, uint8_t actor, uint8_t body_index,
                   const ProtobufCMessage *body);
void fuzz_put_answer(weir_buffer *out, uint8_t asked, const ProtobufCMessage *body);
void fuzz_put_time(weir_buffer *out, uint8_t which);

#endif
