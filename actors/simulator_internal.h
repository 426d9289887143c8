/* actors/simulator_internal.h -- what the files of the simulator share. Not for other classes.
 *
 *   simulator.c          the queue of events, life and death of nodes, faults, running
 *   simulator_network.c  links between nodes, and what happens to messages on them */
#ifndef ACTORS_SIMULATOR_INTERNAL_H
#define ACTORS_SIMULATOR_INTERNAL_H

#include "actors/number_map.h"
#include "actors/simulator.h"
#include "base/clock.h"

enum weir__sim_event_kind {
    WEIR__SIM_MESSAGE,
    WEIR__SIM_LINK_UP,
    WEIR__SIM_LINK_DOWN,
    WEIR__SIM_WAKE,
    WEIR__SIM_RUN
};

enum weir__sim_mark { WEIR__SIM_REPEAT = 1, WEIR__SIM_OVERTAKEN = 2, WEIR__SIM_LATE = 4 };

typedef struct weir__sim_event {
    int64_t at_us;
    uint64_t number;
    enum weir__sim_event_kind kind;
    weir_simulated_node *node;       /* NULL: of nobody */
    const weir_simulated_node *from; /* MESSAGE */
    uint64_t link;                   /* WAKE: its generation */
    uint64_t sequence;               /* MESSAGE: in its direction of its connection */
    unsigned marks;                  /* MESSAGE: enum weir__sim_mark */
    void (*run)(void *data);
    void *data;
    size_t size; /* MESSAGE */
    uint8_t bytes[];
} weir__sim_event;

struct weir_simulated_node {
    weir_transport transport; /* first: the transport's self is the node */
    weir_simulator *simulator;
    uint32_t index;
    char *endpoint;
    weir_node *node;
    bool alive;
    bool dying;        /* killed by its own callback: dies when that returns */
    bool pause_untold; /* the present pause has held up nothing so far */
    int64_t paused_until_us;
    int64_t wake_us;
    uint64_t wake_generation;
    void (*killed)(void *data);
    void *data;
};

/* What an outgoing link leads to: whoever has the endpoint now. Each process that it reached knows
 * it by a number of its own. Of the pairs the first is for what goes to the acceptor. */
typedef struct weir__sim_connection {
    uint64_t link;
    weir_simulated_node *connector;
    char *endpoint;
    weir_simulated_node *acceptor; /* last reached */
    uint64_t acceptor_link;        /* 0: none */
    int64_t last_us[2];            /* latest arrival */
    uint64_t sent[2], arrived[2];  /* highest sequence */
} weir__sim_connection;

typedef struct weir__sim_cut {
    weir_simulated_node *from, *to;
    int64_t until_us;
    bool both_ways, untold; /* untold: it has hit nothing so far */
} weir__sim_cut;

struct weir_simulator {
    weir_prng prng;
    int64_t now_us;
    weir__sim_event **events; /* a binary heap */
    size_t count, capacity;
    uint64_t last_event, last_link;
    weir_simulated_node **nodes;
    size_t node_count, node_capacity;
    weir_number_map links; /* both numbers of each connection */
    weir__sim_cut *cuts;
    size_t cut_count, cut_capacity;
    weir_fault_plan plan;
    weir_fault_counts counts, mattered;
    weir_simulated_node *running; /* whose callbacks are on the stack */
    uint64_t hash;
    bool trace, failed;
};

/* simulator.c */
/* NULL: no memory, and the run fails. */
weir__sim_event *weir__sim_make_event(weir_simulator *simulator, enum weir__sim_event_kind kind,
                                      int64_t at_us, weir_simulated_node *node, size_t size);
void weir__sim_push(weir_simulator *simulator, weir__sim_event *new_event); /* takes it over */

/* simulator_network.c */
extern const weir_transport weir__sim_transport;
/* The living node that has the endpoint, or NULL. */
weir_simulated_node *weir__sim_node_at(const weir_simulator *simulator, const char *endpoint);
/* Tells those who are connected to it, and drops its own connections. */
void weir__sim_break_links(weir_simulator *simulator, const weir_simulated_node *gone);
/* Tells those who wait for its endpoint. */
void weir__sim_announce(weir_simulator *simulator, const weir_simulated_node *node);
bool weir__sim_is_lost_to_cut(weir_simulator *simulator, const weir__sim_event *message);
void weir__sim_arrived(weir_simulator *simulator, const weir__sim_event *message); /* counts */
/* It is more than a heartbeat. */
bool weir__sim_is_worth(const weir__sim_event *message);
void weir__sim_print(
    const weir__sim_event *message); /* to stderr: what it is, from whom, to whom */

#endif
