/* graph/environment.h -- the building half of the job API: runs a module's build function and makes
 * a graph of it, collecting errors with file and line. Pure: knows connectors by a catalog only.
 *
 * Ids of operators: with a uid the first 128 bits of BLAKE2b of "uid:<uid>"; without one of
 * "auto:<kind>:<name>:<index>" followed by ":<input>/<id of the upstream operator>/<its output>"
 * for every edge into it, in the order of inputs and calls. So an id without a uid changes when
 * calls before it are added or removed; one with a uid never does.
 *
 * Parameters in URLs: `${name}`, `${name:default}`; `$$` is a dollar. Names are letters, digits,
 * '.', '_' and '-'; a default ends at the first '}'. */
#ifndef GRAPH_ENVIRONMENT_H
#define GRAPH_ENVIRONMENT_H

#include "graph/connector.h"
#include "graph/graph.h"

/* Its table pointer serves jobs; here it stays unused. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#include <weir/weir.h>
#pragma GCC diagnostic pop

typedef struct weir_environment_config {
    const weir_connector_catalog *catalog;
    const weir_graph_option *params; /* --set name=value */
    uint32_t nparams;
    const char *job_name;    /* pipeline.name; "" takes the module's */
    uint32_t parallelism;    /* parallelism.default or -p */
    int32_t max_parallelism; /* pipeline.max-parallelism; -1: derived */
    int runtime_mode;        /* 0 automatic, 1 streaming, 2 batch */
    bool local;              /* stdin: and print: of this terminal are there */
} weir_environment_config;

/* The user code of one operator, by its index in the graph; NULL functions where it has none. */
typedef struct weir_user_code {
    const weir_op *op; /* PROCESS; as the module gave it, possibly shorter than ours */
    weir_map_fn map;
    weir_filter_fn filter;
    weir_reduce_fn reduce;
    const weir_type *in, *in2, *out; /* record types, as declared by the module */
} weir_user_code;

typedef struct weir_environment weir_environment;

/* Runs module->build with `api` (whose building half must be weir_environment_api's). All errors
 * are in err, one per line, each `file:line: error: ...`, closed by "N error(s); nothing was
 * started". A parameter given with --set that nothing asked for is an error with a suggestion. */
int weir_environment_build(const weir_module *module, const weir_environment_config *config,
                           const weir_api *api, weir_environment **ret,
                           weir_error *err) WEIR_MUST_CHECK;
void weir_environment_destroy(weir_environment **environment);
weir_graph *weir_environment_graph(weir_environment *environment); /* borrowed */
const weir_user_code *weir_environment_code(const weir_environment *environment, uint32_t index);
/* The graph is handed over; the environment keeps the user code only. */
weir_graph *weir_environment_take_graph(weir_environment *environment);

/* Fills the building half of the table; the running half is set to functions that fail. */
void weir_environment_api(weir_api *api);

#endif
