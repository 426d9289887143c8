/* weir_graph_validate: the rules that a graph must keep, wherever it comes from. Order matters:
 * later checks rely on the indices that earlier ones have proved. */
#include "base/map.h"
#include "base/memory.h"
#include "batch/key.h"
#include "graph/graph.h"

#include <string.h>

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Length of the UTF-8 character at p, 0 when it is none. The text ends with NUL. */
static size_t utf8_length(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] < 0xe0)
        return is_continuation(p[1]) ? 2 : 0;
    if (p[0] >= 0xe0 && p[0] < 0xf0) {
        if (!is_continuation(p[1]) || !is_continuation(p[2]))
            return 0;
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
            return 0;
        return 3;
    }
    if (p[0] >= 0xf0 && p[0] < 0xf5) {
        if (!is_continuation(p[1]) || !is_continuation(p[2]) || !is_continuation(p[3]))
            return 0;
        if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
            return 0;
        return 4;
    }
    return 0;
}

static bool text_ok(const char *text, size_t max)
{
    const unsigned char *p = (const unsigned char *)text;

    if (text == NULL || strnlen(text, max + 1) > max)
        return false;
    while (*p != '\0') {
        size_t length = utf8_length(p);

        if (length == 0)
            return false;
        p += length;
    }
    return true;
}

/* "operator 3 'split' (wordcount.c:26)". The texts have been checked. */
#define OP_FORMAT   "operator %u '%s' (%s)"
#define OP_ARGS(op) (op)->index, (op)->name, (op)->where

static int bad_operator(const weir_graph_operator *op, weir_error *err, const char *what)
{
    return weir_error_set(err, WEIR_EINVALID, "job graph: " OP_FORMAT ": %s", OP_ARGS(op), what);
}

static int check_options(const weir_graph_option *options, uint32_t count)
{
    if (count > WEIR_GRAPH_OPTIONS_MAX || (count > 0 && options == NULL))
        return WEIR_EINVALID;
    for (uint32_t i = 0; i < count; i++) {
        if (!text_ok(options[i].name, WEIR_GRAPH_NAME_MAX) ||
            !text_ok(options[i].value, WEIR_GRAPH_TEXT_MAX))
            return WEIR_EINVALID;
    }
    return 0;
}

static int check_head(const weir_graph *graph, weir_error *err)
{
    if (!text_ok(graph->name, WEIR_GRAPH_NAME_MAX) || graph->name[0] == '\0')
        return weir_error_set(
            err, WEIR_EINVALID,
            "job graph: the job's name is empty, longer than %d bytes or not UTF-8",
            WEIR_GRAPH_NAME_MAX);
    if (graph->noperators == 0 || graph->noperators > WEIR_GRAPH_OPERATORS_MAX ||
        graph->nedges > WEIR_GRAPH_EDGES_MAX)
        return weir_error_set(
            err, WEIR_EINVALID,
            "job graph: %u operators and %u edges; 1 to %d operators and up to %d "
            "edges are possible",
            graph->noperators, graph->nedges, WEIR_GRAPH_OPERATORS_MAX, WEIR_GRAPH_EDGES_MAX);
    if (graph->max_parallelism < 1 || graph->max_parallelism > WEIR_MAX_PARALLELISM_LIMIT)
        return weir_error_set(err, WEIR_EINVALID,
                              "job graph: max parallelism is %u; it must be 1 to %u",
                              graph->max_parallelism, WEIR_MAX_PARALLELISM_LIMIT);
    if (graph->parallelism < 1 || graph->parallelism > graph->max_parallelism)
        return weir_error_set(err, WEIR_EINVALID,
                              "job graph: parallelism is %u; it must be 1 to %u (max parallelism)",
                              graph->parallelism, graph->max_parallelism);
    if (check_options(graph->params, graph->nparams) != 0)
        return weir_error_set(err, WEIR_EINVALID, "job graph: its parameters are not valid texts");
    return 0;
}

static int check_shape(const weir_graph_operator *op, weir_error *err)
{
    static const struct {
        uint8_t inputs_min, inputs_max, outputs_min, outputs_max;
    } shapes[] = {
        [WEIR_OPERATOR_SOURCE] = {0, 0, 1, 1}, [WEIR_OPERATOR_MAP] = {1, 1, 1, 1},
        [WEIR_OPERATOR_FILTER] = {1, 1, 1, 1}, [WEIR_OPERATOR_PROCESS] = {1, 2, 0, 16},
        [WEIR_OPERATOR_COUNT] = {1, 1, 1, 1},  [WEIR_OPERATOR_REDUCE] = {1, 1, 1, 1},
        [WEIR_OPERATOR_SINK] = {1, 1, 0, 0},
    };

    if ((unsigned)op->kind < WEIR_OPERATOR_SOURCE || (unsigned)op->kind > WEIR_OPERATOR_SINK)
        return bad_operator(op, err, "unknown kind of operator");
    if (op->ninputs < shapes[op->kind].inputs_min || op->ninputs > shapes[op->kind].inputs_max ||
        op->noutputs < shapes[op->kind].outputs_min || op->noutputs > shapes[op->kind].outputs_max)
        return bad_operator(op, err, "wrong number of inputs or outputs for its kind");
    for (uint32_t i = 0; i < op->ninputs; i++) {
        if (op->inputs[i] == NULL)
            return bad_operator(op, err, "an input has no record type");
    }
    for (uint32_t i = 0; i < op->noutputs; i++) {
        if (op->outputs[i] == NULL)
            return bad_operator(op, err, "an output has no record type");
        if (!text_ok(op->output_names[i], WEIR_GRAPH_NAME_MAX) ||
            (op->output_names[i][0] == '\0') != (i == 0))
            return bad_operator(op, err, "an output has no valid name");
    }
    return 0;
}

static int check_keys(const weir_schema *schema, const uint32_t *keys, uint32_t nkeys)
{
    if (nkeys < 1 || nkeys > WEIR_GRAPH_KEYS_MAX)
        return WEIR_EINVALID;
    for (uint32_t i = 0; i < nkeys; i++) {
        if (keys[i] >= weir_schema_count(schema) ||
            !weir_graph_kind_is_key(weir_schema_at(schema, keys[i])->kind))
            return WEIR_EINVALID;
        for (uint32_t k = 0; k < i; k++) {
            if (keys[k] == keys[i])
                return WEIR_EINVALID;
        }
    }
    return 0;
}

/* The output of a count is its keys, by name, and one bigint. */
static int check_count(const weir_graph_operator *op, weir_error *err)
{
    const weir_schema *in = op->inputs[0], *out = op->outputs[0];

    if (weir_schema_count(out) != op->nkeys + 1 || op->count_field >= weir_schema_count(out) ||
        weir_schema_at(out, op->count_field)->kind != WEIR_KIND_bigint)
        return bad_operator(op, err, "its output is not its keys and one bigint");
    for (uint32_t i = 0; i < op->nkeys; i++) {
        const weir_schema_field *key = weir_schema_at(in, op->keys[i]);
        int at = weir_schema_find(out, key->name);
        const weir_schema_field *field;

        if (at < 0 || (uint32_t)at == op->count_field)
            return bad_operator(op, err, "its output lacks a key");
        field = weir_schema_at(out, (uint32_t)at);
        if (field->kind != key->kind || field->precision != key->precision ||
            field->scale != key->scale)
            return bad_operator(op, err, "a key has another type in its output");
    }
    if (op->phase == WEIR_PHASE_FINAL &&
        (op->count_input >= weir_schema_count(in) ||
         weir_schema_at(in, op->count_input)->kind != WEIR_KIND_bigint))
        return bad_operator(op, err, "its input has no partial count");
    return 0;
}

static int check_semantics(const weir_graph_operator *op, weir_error *err)
{
    bool aggregate = op->kind == WEIR_OPERATOR_COUNT || op->kind == WEIR_OPERATOR_REDUCE;

    if ((unsigned)op->phase > (aggregate ? WEIR_PHASE_FINAL : WEIR_PHASE_COMPLETE))
        return bad_operator(op, err, "unknown phase");
    if (aggregate && check_keys(op->inputs[0], op->keys, op->nkeys) != 0)
        return bad_operator(op, err, "its keys are no columns of its input that can be keys");
    if (!aggregate && op->nkeys != 0)
        return bad_operator(op, err, "it has keys, but no use for them");
    if (op->kind == WEIR_OPERATOR_COUNT)
        return check_count(op, err);
    if ((op->kind == WEIR_OPERATOR_REDUCE || op->kind == WEIR_OPERATOR_FILTER) &&
        !weir_schema_equal(op->inputs[0], op->outputs[0]))
        return bad_operator(op, err, "its output differs in type from its input");
    return 0;
}

static int check_operator(const weir_graph *graph, uint32_t index, weir_error *err)
{
    const weir_graph_operator *op = &graph->operators[index];
    bool outside = op->kind == WEIR_OPERATOR_SOURCE || op->kind == WEIR_OPERATOR_SINK;
    int rc;

    if (!text_ok(op->name, WEIR_GRAPH_NAME_MAX) || !text_ok(op->uid, WEIR_GRAPH_NAME_MAX) ||
        !text_ok(op->where, WEIR_GRAPH_TEXT_MAX) || !text_ok(op->url, WEIR_GRAPH_TEXT_MAX) ||
        !text_ok(op->path, WEIR_GRAPH_TEXT_MAX) || !text_ok(op->connector, WEIR_GRAPH_NAME_MAX) ||
        op->name[0] == '\0')
        return weir_error_set(err, WEIR_EINVALID,
                              "job graph: a text of operator %u is missing, too long or not UTF-8; "
                              "names and uids have up to %d bytes",
                              index, WEIR_GRAPH_NAME_MAX);
    if (op->index != index || op->origin >= graph->noperators)
        return bad_operator(op, err, "its index or origin is wrong");
    if (op->parallelism > graph->max_parallelism)
        return weir_error_set(err, WEIR_EINVALID,
                              "job graph: " OP_FORMAT ": parallelism is %u; max parallelism is %u",
                              OP_ARGS(op), op->parallelism, graph->max_parallelism);
    if (outside != (op->connector[0] != '\0') || check_options(op->options, op->noptions) != 0)
        return bad_operator(op, err, "its connector or an option of it is missing or wrong");
    rc = check_shape(op, err);
    return rc != 0 ? rc : check_semantics(op, err);
}

static int bad_edge(const weir_graph *graph, const weir_graph_edge *edge, weir_error *err,
                    const char *what)
{
    return weir_error_set(err, WEIR_EINVALID, "job graph: edge from '%s' to '%s': %s",
                          graph->operators[edge->from].name, graph->operators[edge->to].name, what);
}

static int check_edge(const weir_graph *graph, const weir_graph_edge *edge, weir_error *err)
{
    const weir_graph_operator *from, *to;
    const weir_schema *schema;

    if (edge->from >= graph->noperators || edge->to >= graph->noperators)
        return weir_error_set(err, WEIR_EINVALID, "job graph: an edge joins no operator");
    from = &graph->operators[edge->from];
    to = &graph->operators[edge->to];
    if (edge->from_output >= from->noutputs || edge->to_input >= to->ninputs)
        return bad_edge(graph, edge, err, "there is no such output or input");
    schema = from->outputs[edge->from_output];
    if (!weir_schema_equal(schema, to->inputs[edge->to_input]))
        return bad_edge(graph, edge, err, "its ends differ in type");
    switch (edge->kind) {
    case WEIR_EDGE_HASH:
        if (check_keys(schema, edge->keys, edge->nkeys) != 0)
            return bad_edge(graph, edge, err, "its keys are no columns that can be keys");
        break;
    case WEIR_EDGE_FORWARD:
        if (weir_graph_operator_parallelism(graph, edge->from) !=
            weir_graph_operator_parallelism(graph, edge->to))
            return bad_edge(graph, edge, err, "forward needs equal parallelism");
        break;
    case WEIR_EDGE_REBALANCE:
    case WEIR_EDGE_BROADCAST:
        break;
    default:
        return bad_edge(graph, edge, err, "unknown kind of edge");
    }
    if (edge->kind != WEIR_EDGE_HASH && edge->nkeys != 0)
        return bad_edge(graph, edge, err, "only a hash edge has keys");
    if (to->nkeys > 0 && to->phase != WEIR_PHASE_PARTIAL &&
        (edge->nkeys != to->nkeys ||
         memcmp(edge->keys, to->keys, to->nkeys * sizeof(to->keys[0])) != 0))
        return bad_edge(graph, edge, err, "its keys are not those of the operator behind it");
    return 0;
}

static int check_inputs(const weir_graph *graph, weir_error *err)
{
    uint8_t *have = weir_calloc(graph->noperators, 1); /* bit i: input i has an edge */
    int rc = 0;

    if (have == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "job graph: out of memory");
    for (uint32_t e = 0; e < graph->nedges; e++)
        have[graph->edges[e].to] |= (uint8_t)(1u << graph->edges[e].to_input);
    for (uint32_t i = 0; rc == 0 && i < graph->noperators; i++) {
        if (have[i] != (1u << graph->operators[i].ninputs) - 1)
            rc = bad_operator(&graph->operators[i], err, "nothing flows into one of its inputs");
    }
    weir_free(have);
    return rc;
}

static int check_order(const weir_graph *graph, weir_error *err)
{
    uint32_t *order = weir_calloc(graph->noperators, sizeof(*order));
    int rc = order == NULL ? WEIR_ENO_MEMORY : weir_graph_order(graph, order);

    weir_free(order);
    if (rc == WEIR_EINVALID)
        return weir_error_set(err, rc, "job graph: its edges form a cycle; a job flows one way");
    return rc == 0 ? 0 : weir_error_set(err, rc, "job graph: out of memory");
}

static int check_ids(const weir_graph *graph, weir_error *err)
{
    weir_map *seen = weir_map_new(NULL);
    int rc = seen == NULL ? weir_error_set(err, WEIR_ENO_MEMORY, "job graph: out of memory") : 0;

    for (uint32_t i = 0; rc == 0 && i < graph->noperators; i++) {
        weir_graph_operator *op = &graph->operators[i];
        char hex[WEIR_ID_HEX];

        weir_id_format(&op->id, hex);
        if (weir_map_get(seen, hex) != NULL)
            rc = bad_operator(op, err, "another operator has its id");
        else if (weir_map_put(seen, hex, op) != 0)
            rc = weir_error_set(err, WEIR_ENO_MEMORY, "job graph: out of memory");
    }
    weir_map_destroy(&seen);
    return rc;
}

int weir_graph_validate(const weir_graph *graph, weir_error *err)
{
    int rc = check_head(graph, err);

    for (uint32_t i = 0; rc == 0 && i < graph->noperators; i++)
        rc = check_operator(graph, i, err);
    for (uint32_t e = 0; rc == 0 && e < graph->nedges; e++)
        rc = check_edge(graph, &graph->edges[e], err);
    if (rc == 0)
        rc = check_inputs(graph, err);
    if (rc == 0)
        rc = check_order(graph, err);
    return rc == 0 ? check_ids(graph, err) : rc;
}
