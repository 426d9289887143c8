/* actors/simulator.h -- the other driver: many nodes in one thread, virtual time, one seed.
 *
 * Everything is an event in one queue ordered by virtual time, then by number; the same seed gives
 * the same run. Control messages between nodes are really packed and unpacked; each may be delayed,
 * dropped, repeated, overtaken or very late as the plan says. A killed node loses what was not
 * synced and never runs again (restart = a new node under the same endpoint); what it had sent
 * still arrives. A paused one gets its messages and timers late, all at once.
 *
 * Every fault is counted twice: when it was made, and when it mattered, that is, when it hit
 * something in flight that is more than a heartbeat. */
#ifndef ACTORS_SIMULATOR_H
#define ACTORS_SIMULATOR_H

#include "actors/node.h"

typedef struct weir_simulator weir_simulator;

typedef struct weir_fault_plan { /* chances per message, in 1/1000 */
    uint32_t drop, repeat, reorder;
    uint32_t late; /* it, and what follows it in its direction, comes up to late_max_us later */
    int64_t delay_min_us, delay_max_us, late_max_us;
} weir_fault_plan;

typedef struct weir_fault_counts {
    uint64_t messages;
    uint64_t dropped;      /* mattered: it was no heartbeat; so for the next ones, too */
    uint64_t repeated;     /* mattered: the repeat arrived at a living node */
    uint64_t reordered;    /* mattered: one that was sent later arrived earlier */
    uint64_t late;         /* mattered: it arrived at a living node */
    uint64_t killed;       /* mattered: messages to it or from it were under way */
    uint64_t paused;       /* mattered: a message or a task had to wait for it */
    uint64_t cut, cut_one; /* both ways, one way; mattered: a message was lost to it */
    uint64_t posthumous;   /* messages that arrived after their sender's end; mattered: another
                            * process had its endpoint by then */
} weir_fault_counts;

typedef struct weir_simulated_node weir_simulated_node;

int weir_simulator_new(uint64_t seed, weir_simulator **ret) WEIR_MUST_CHECK;
void weir_simulator_destroy(weir_simulator **simulator); /* and all its nodes */
void weir_simulator_set_faults(weir_simulator *simulator, const weir_fault_plan *plan);
uint64_t weir_simulator_random(weir_simulator *simulator, uint64_t bound);
int64_t weir_simulator_now_us(const weir_simulator *simulator);

/* A process. `endpoint` is where others connect ("sim://dispatcher"), NULL: no door. Its node has
 * the simulator's transport. `killed(data)` is called once, after its node is destroyed (killed,
 * stopped by itself, or with the simulator), to free what the driver holds. */
int weir_simulator_add(weir_simulator *simulator, const weir_node_config *config,
                       const char *endpoint, void (*killed)(void *data), void *data,
                       weir_simulated_node **ret, weir_error *err) WEIR_MUST_CHECK;
weir_node *weir_simulated_node_get(weir_simulated_node *node);
bool weir_simulated_node_is_alive(const weir_simulated_node *node);
/* From a callback of the node itself: the callback runs to its end, but nothing that the node sends
 * from now on leaves it. */
void weir_simulator_kill(weir_simulator *simulator, weir_simulated_node *node);
void weir_simulator_pause(weir_simulator *simulator, weir_simulated_node *node, int64_t for_us);
/* Something had to wait for its last pause to end. */
bool weir_simulated_node_was_held_up(const weir_simulated_node *node);
/* Cuts the links between two nodes (one way: messages from a to b) until healed. */
void weir_simulator_cut(weir_simulator *simulator, weir_simulated_node *a, weir_simulated_node *b,
                        bool both_ways, int64_t for_us);
void weir_simulator_heal(weir_simulator *simulator); /* all cuts */
/* A message that `from` did not send, on the link between the two. WEIR_EUNAVAILABLE: there is no
 * such link. */
int weir_simulator_inject(weir_simulator *simulator, const weir_simulated_node *from,
                          weir_simulated_node *to, const void *bytes, size_t size) WEIR_MUST_CHECK;

/* Runs `run(data)` at now + delay as an event of `node`: not run when the node was killed, delayed
 * while it is paused. NULL: of nobody. */
int weir_simulator_schedule(weir_simulator *simulator, weir_simulated_node *node, int64_t delay_us,
                            void (*run)(void *data), void *data) WEIR_MUST_CHECK;
/* Runs events until `until(data)` is true (0; NULL: never), none is left or virtual time passes
 * limit_us, a point in virtual time and not a duration (WEIR_ETIMEOUT). */
int weir_simulator_run(weir_simulator *simulator, bool (*until)(void *data), void *data,
                       int64_t limit_us) WEIR_MUST_CHECK;
weir_fault_counts weir_simulator_faults(const weir_simulator *simulator);   /* made */
weir_fault_counts weir_simulator_mattered(const weir_simulator *simulator); /* of them */
/* Of every event so far, with its time and bytes: equal for equal seeds. */
uint64_t weir_simulator_hash(const weir_simulator *simulator);
void weir_simulator_trace(weir_simulator *simulator, bool on); /* every event to stderr */

#endif
