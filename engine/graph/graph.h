/* graph/graph.h -- the job graph: operators and the edges between them, as the job described them.
 *
 * Pure data with one owner; built by graph/environment.h from a job module, carried to the cluster
 * by graph/graph_codec.h, rewritten by graph/optimizer.h, cut into tasks by graph/task_plan.h.
 * Order of operators is the order of the calls that made them, so it is a topological order. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/id.h"
#include "batch/schema.h"

#include <stdbool.h>
#include <stdint.h>

#define WEIR_GRAPH_OPERATORS_MAX 4096
#define WEIR_GRAPH_INPUTS_MAX    2
#define WEIR_GRAPH_OUTPUTS_MAX   16 /* main output and sides */
#define WEIR_GRAPH_KEYS_MAX      16
#define WEIR_GRAPH_EDGES_MAX     65536
#define WEIR_GRAPH_OPTIONS_MAX   1024  /* of one operator; parameters of a job */
#define WEIR_GRAPH_NAME_MAX      255   /* bytes of a name or uid */
#define WEIR_GRAPH_TEXT_MAX      65536 /* bytes of every other text */

enum weir_operator_kind { /* numbers travel on the wire */
                          WEIR_OPERATOR_SOURCE = 1,
                          WEIR_OPERATOR_MAP = 2,
                          WEIR_OPERATOR_FILTER = 3,
                          WEIR_OPERATOR_PROCESS = 4,
                          WEIR_OPERATOR_COUNT = 5,
                          WEIR_OPERATOR_REDUCE = 6,
                          WEIR_OPERATOR_SINK = 7
};

enum weir_phase {                          /* of COUNT and REDUCE */
                  WEIR_PHASE_COMPLETE = 0, /* all in one operator */
                  WEIR_PHASE_PARTIAL = 1, /* combines before the shuffle; output is not keyed yet */
                  WEIR_PHASE_FINAL = 2    /* merges partial results */
};

enum weir_edge_kind {
    WEIR_EDGE_FORWARD = 1,   /* subtask i to subtask i; same parallelism */
    WEIR_EDGE_HASH = 2,      /* by key group of `keys` */
    WEIR_EDGE_REBALANCE = 3, /* round robin, batch by batch */
    WEIR_EDGE_BROADCAST = 4  /* every batch to every subtask */
};

typedef struct weir_graph_option {
    const char *name, *value;
} weir_graph_option;

typedef struct weir_graph_operator {
    uint32_t index; /* in weir_graph.operators */
    enum weir_operator_kind kind;
    enum weir_phase phase;
    const char *name;     /* "split", "count", "source file" */
    const char *uid;      /* as set by the job, or "" */
    weir_id id;           /* of the uid; else of kind, name, position: see docs/job-api.md */
    const char *where;    /* "wordcount.c:26": the call that made it */
    uint32_t parallelism; /* 0: the job's */
    bool no_chain;
    uint32_t origin;  /* index of the operator in the graph that the module builds; differs
                         from `index` after the optimizer has inserted operators */
    uint32_t ninputs; /* 0..2 */
    weir_schema *inputs[WEIR_GRAPH_INPUTS_MAX];
    uint32_t noutputs; /* 0: a sink; output 0 is the main one */
    weir_schema *outputs[WEIR_GRAPH_OUTPUTS_MAX];
    const char *output_names[WEIR_GRAPH_OUTPUTS_MAX]; /* "" for the main one */
    bool retracts;                             /* its output (a sink's input) may hold -U, +U, -D */
    uint32_t keys[WEIR_GRAPH_KEYS_MAX], nkeys; /* COUNT, REDUCE: key columns of input 0 */
    uint32_t count_field;                      /* COUNT: column of output 0 that holds the count */
    uint32_t count_input;  /* COUNT, phase FINAL: column of input 0 that holds partial counts */
    const char *connector; /* SOURCE, SINK: "filesystem" */
    const char *url;       /* as the user sees it, parameters resolved, secrets included */
    const char *path;      /* of the URL: "/a/b.txt", "//host:port" */
    weir_graph_option *options; /* checked against the connector's table */
    uint32_t noptions;
    bool bounded; /* SOURCE: it ends by itself */
} weir_graph_operator;

typedef struct weir_graph_edge {
    uint32_t from, from_output; /* operator index, output */
    uint32_t to, to_input;
    enum weir_edge_kind kind;
    uint32_t keys[WEIR_GRAPH_KEYS_MAX], nkeys; /* HASH: columns of the output's schema */
} weir_graph_edge;

typedef struct weir_graph {
    weir_arena *arena; /* owns texts and arrays */
    const char *name;  /* of the job */
    weir_graph_operator *operators;
    uint32_t noperators, operators_capacity;
    weir_graph_edge *edges;
    uint32_t nedges, edges_capacity;
    weir_graph_option *params; /* --set, with defaults that the job asked for */
    uint32_t nparams;
    uint32_t parallelism; /* default of its operators; at least 1 */
    uint32_t max_parallelism;
    bool batch; /* execution.runtime-mode, resolved */
} weir_graph;

int weir_graph_new(const char *name, weir_graph **ret) WEIR_MUST_CHECK;
void weir_graph_destroy(weir_graph **graph);
/* Appends a zeroed operator (its index set) or edge; NULL when memory ends or a limit is passed.
 * The pointer is valid until the next append. Schemas put into it are owned (one reference each).
 */
weir_graph_operator *weir_graph_add_operator(weir_graph *graph) WEIR_MUST_CHECK;
weir_graph_edge *weir_graph_add_edge(weir_graph *graph) WEIR_MUST_CHECK;
/* Of the operator, or the job's where it has none of its own. */
uint32_t weir_graph_operator_parallelism(const weir_graph *graph, uint32_t index);
/* May a column of this kind be a key? Arrays, maps and rows may not. */
bool weir_graph_kind_is_key(uint32_t kind);
/* "source", "map", ...; "?" for a number outside the table. */
const char *weir_operator_kind_name(enum weir_operator_kind kind);
/* "forward", "hash", "rebalance", "broadcast"; "?" for a number outside the table. */
const char *weir_edge_kind_name(enum weir_edge_kind kind);
/* All operators, upstream before downstream, lowest index first where there is a choice, into
 * `order` (noperators entries). WEIR_EINVALID on a cycle. Edges must be in range. */
int weir_graph_order(const weir_graph *graph, uint32_t *order) WEIR_MUST_CHECK;
/* Every rule: edges join existing operators, schemas agree, no cycle, parallelism in 1..max, hash
 * keys exist and may be keys, sinks have inputs, FORWARD joins equal parallelism. For graphs from
 * the wire as much as for our own. */
int weir_graph_validate(const weir_graph *graph, weir_error *err) WEIR_MUST_CHECK;
/* Same operators, edges and types as far as a module's code is concerned (not parallelism). */
uint64_t weir_graph_fingerprint(const weir_graph *graph);

#endif
