#include "graph/optimizer.h"

#include <string.h>

static int no_memory(weir_error *err)
{
    return weir_error_set(err, WEIR_ENO_MEMORY,
                          "optimizer: out of memory, or the job has too many operators");
}

/* Positions of the keys of `op` in its output, where a count keeps them by name. */
static void output_keys(const weir_graph_operator *op, uint32_t *ret)
{
    for (uint32_t i = 0; i < op->nkeys; i++) {
        const char *name = weir_schema_at(op->inputs[0], op->keys[i])->name;

        ret[i] = (uint32_t)weir_schema_find(op->outputs[0], name);
    }
}

/* A combiner on the upstream side of edge `e`: upstream -> PARTIAL by forward, PARTIAL -> `index`
 * by hash of the same keys where the partial output has them. */
static int insert_partial(weir_graph *graph, uint32_t index, uint32_t e, const uint32_t *keys,
                          weir_error *err)
{
    weir_graph_operator *partial = weir_graph_add_operator(graph);
    weir_graph_edge *in = partial == NULL ? NULL : weir_graph_add_edge(graph), *out;
    const weir_graph_operator *op = &graph->operators[index];
    char hex[WEIR_ID_HEX];
    const char *text;

    if (in == NULL)
        return no_memory(err);
    out = &graph->edges[e];
    text = weir_arena_printf(graph->arena, "partial:%s:%u", weir_id_format(&op->id, hex), e);
    if (text == NULL)
        return no_memory(err);
    partial->kind = op->kind;
    partial->phase = WEIR_PHASE_PARTIAL;
    partial->name = op->name;
    partial->where = op->where;
    partial->id = weir_id_derive(text);
    partial->origin = op->origin;
    partial->parallelism = weir_graph_operator_parallelism(graph, out->from);
    partial->ninputs = partial->noutputs = 1;
    partial->inputs[0] = weir_schema_ref(op->inputs[0]);
    partial->outputs[0] = weir_schema_ref(op->outputs[0]);
    partial->nkeys = op->nkeys;
    memcpy(partial->keys, op->keys, sizeof(op->keys));
    partial->count_field = op->count_field;

    in->from = out->from;
    in->from_output = out->from_output;
    in->to = partial->index;
    in->kind = WEIR_EDGE_FORWARD;
    out->from = partial->index;
    out->from_output = 0;
    memcpy(out->keys, keys, op->nkeys * sizeof(*keys));
    return 0;
}

static bool splits(const weir_graph *graph, uint32_t index)
{
    const weir_graph_operator *op = &graph->operators[index];

    if ((op->kind != WEIR_OPERATOR_COUNT && op->kind != WEIR_OPERATOR_REDUCE) ||
        op->phase != WEIR_PHASE_COMPLETE)
        return false;
    /* A combiner cannot take back what it has combined. */
    for (uint32_t e = 0; e < graph->nedges; e++) {
        if (graph->edges[e].to == index && (graph->edges[e].kind != WEIR_EDGE_HASH ||
                                            graph->operators[graph->edges[e].from].retracts))
            return false;
    }
    return true;
}

static int split(weir_graph *graph, uint32_t index, uint32_t nedges, weir_error *err)
{
    uint32_t keys[WEIR_GRAPH_KEYS_MAX] = {0};
    weir_graph_operator *op = &graph->operators[index];
    int rc = 0;

    output_keys(op, keys);
    for (uint32_t e = 0; rc == 0 && e < nedges; e++) {
        if (graph->edges[e].to == index)
            rc = insert_partial(graph, index, e, keys, err);
    }
    if (rc != 0)
        return rc;
    op = &graph->operators[index]; /* it may have moved */
    op->phase = WEIR_PHASE_FINAL;
    if (op->kind == WEIR_OPERATOR_COUNT) {
        weir_schema_unref(&op->inputs[0]);
        op->inputs[0] = weir_schema_ref(op->outputs[0]);
        op->count_input = op->count_field;
    }
    memcpy(op->keys, keys, sizeof(keys));
    return 0;
}

int weir_graph_optimize(weir_graph *graph, weir_error *err)
{
    uint32_t noperators = graph->noperators, nedges = graph->nedges;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && graph->batch && i < noperators; i++) {
        if (splits(graph, i))
            rc = split(graph, i, nedges, err);
    }
    return rc;
}
