/* graph/task_plan.h -- cuts a graph into tasks: chains of operators joined by FORWARD edges that
 * run as one subtask per slot, and the edges between tasks with their channels. Pure and
 * deterministic.
 *
 * Slot sharing: subtask i of every task runs in slot i, so a job needs as many slots as its highest
 * parallelism. A channel joins one producer subtask and one consumer subtask of an edge; its number
 * is edge.first_channel + producer * edge.to_parallelism + consumer (FORWARD: + producer). */
#ifndef GRAPH_TASK_PLAN_H
#define GRAPH_TASK_PLAN_H

#include "graph/graph.h"

typedef struct weir_task {
    uint32_t index;
    const uint32_t *operators; /* of the chain, in topological order; the head first */
    uint32_t noperators;
    uint32_t parallelism;
    const char *name;       /* "source file -> split -> count (partial)" */
    weir_id id;             /* of the head operator */
    const uint32_t *inputs; /* indices of task edges that end here */
    uint32_t ninputs;
    const uint32_t *outputs; /* indices of task edges that start here */
    uint32_t noutputs;
} weir_task;

typedef struct weir_task_edge {
    uint32_t index;
    uint32_t graph_edge; /* index in graph.edges */
    uint32_t from, to;   /* task indices */
    uint32_t from_parallelism, to_parallelism;
    uint32_t first_channel, nchannels;
} weir_task_edge;

typedef struct weir_task_plan {
    weir_arena *arena;
    weir_task *tasks;
    uint32_t ntasks;
    weir_task_edge *edges;
    uint32_t nedges;
    uint32_t nchannels;
    uint32_t slots; /* that the job needs */
} weir_task_plan;

/* `chaining`: pipeline.operator-chaining.enabled. */
int weir_task_plan_new(const weir_graph *graph, bool chaining, weir_task_plan **ret,
                       weir_error *err) WEIR_MUST_CHECK;
void weir_task_plan_destroy(weir_task_plan **plan);
uint32_t weir_task_plan_channel(const weir_task_edge *edge, enum weir_edge_kind kind,
                                uint32_t producer, uint32_t consumer);
/* The edge that a channel belongs to; NULL: there is no such channel. */
const weir_task_edge *weir_task_plan_edge_of(const weir_task_plan *plan, uint32_t channel);

#endif
