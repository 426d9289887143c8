#include "graph/graph.h"

#include "base/memory.h"

#include <string.h>

int weir_graph_new(const char *name, weir_graph **ret)
{
    weir_graph *graph = weir_calloc(1, sizeof(*graph));

    if (graph == NULL)
        return WEIR_ENO_MEMORY;
    graph->arena = weir_arena_new(0);
    if (graph->arena != NULL)
        graph->name = weir_arena_strdup(graph->arena, name);
    if (graph->name == NULL) {
        weir_graph_destroy(&graph);
        return WEIR_ENO_MEMORY;
    }
    graph->parallelism = 1;
    graph->max_parallelism = 128;
    *ret = graph;
    return 0;
}

void weir_graph_destroy(weir_graph **graph)
{
    if (graph == NULL || *graph == NULL)
        return;
    for (uint32_t i = 0; i < (*graph)->noperators; i++) {
        weir_graph_operator *op = &(*graph)->operators[i];

        for (uint32_t k = 0; k < WEIR_GRAPH_INPUTS_MAX; k++)
            weir_schema_unref(&op->inputs[k]);
        for (uint32_t k = 0; k < WEIR_GRAPH_OUTPUTS_MAX; k++)
            weir_schema_unref(&op->outputs[k]);
    }
    weir_arena_destroy(&(*graph)->arena);
    weir_free(*graph);
    *graph = NULL;
}

/* A larger copy of an array of the arena; the old one stays there until the graph goes. */
static void *grow(weir_arena *arena, const void *old, uint32_t count, size_t size,
                  uint32_t *capacity)
{
    uint32_t wanted = *capacity == 0 ? 8 : *capacity * 2;
    void *array = weir_arena_alloc(arena, wanted * size);

    if (array == NULL)
        return NULL;
    if (count > 0)
        memcpy(array, old, count * size);
    *capacity = wanted;
    return array;
}

weir_graph_operator *weir_graph_add_operator(weir_graph *graph)
{
    weir_graph_operator *op;

    if (graph->noperators >= WEIR_GRAPH_OPERATORS_MAX)
        return NULL;
    if (graph->noperators == graph->operators_capacity) {
        weir_graph_operator *larger = grow(graph->arena, graph->operators, graph->noperators,
                                           sizeof(*larger), &graph->operators_capacity);

        if (larger == NULL)
            return NULL;
        graph->operators = larger;
    }
    op = &graph->operators[graph->noperators];
    memset(op, 0, sizeof(*op));
    op->index = op->origin = graph->noperators++;
    op->name = op->uid = op->where = op->connector = op->url = op->path = "";
    for (uint32_t i = 0; i < WEIR_GRAPH_OUTPUTS_MAX; i++)
        op->output_names[i] = "";
    return op;
}

weir_graph_edge *weir_graph_add_edge(weir_graph *graph)
{
    weir_graph_edge *edge;

    if (graph->nedges >= WEIR_GRAPH_EDGES_MAX)
        return NULL;
    if (graph->nedges == graph->edges_capacity) {
        weir_graph_edge *larger = grow(graph->arena, graph->edges, graph->nedges, sizeof(*larger),
                                       &graph->edges_capacity);

        if (larger == NULL)
            return NULL;
        graph->edges = larger;
    }
    edge = &graph->edges[graph->nedges++];
    memset(edge, 0, sizeof(*edge));
    return edge;
}

uint32_t weir_graph_operator_parallelism(const weir_graph *graph, uint32_t index)
{
    uint32_t own = graph->operators[index].parallelism;

    return own != 0 ? own : graph->parallelism;
}

bool weir_graph_kind_is_key(uint32_t kind)
{
    return kind >= WEIR_KIND_boolean && kind < WEIR_KIND_array;
}

const char *weir_operator_kind_name(enum weir_operator_kind kind)
{
    static const char *const names[] = {"?",       "source", "map",    "filter",
                                        "process", "count",  "reduce", "sink"};

    return (unsigned)kind < WEIR_COUNT(names) ? names[kind] : "?";
}

const char *weir_edge_kind_name(enum weir_edge_kind kind)
{
    static const char *const names[] = {"?", "forward", "hash", "rebalance", "broadcast"};

    return (unsigned)kind < WEIR_COUNT(names) ? names[kind] : "?";
}

/* ---- order ---- */

/* A heap of operator indices, the lowest on top: the order is then the same everywhere. */
static void heap_push(uint32_t *heap, uint32_t *count, uint32_t value)
{
    uint32_t i = (*count)++;

    while (i > 0 && heap[(i - 1) / 2] > value) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = value;
}

static uint32_t heap_pop(uint32_t *heap, uint32_t *count)
{
    uint32_t top = heap[0], last = heap[--(*count)], i = 0;

    while (2 * i + 1 < *count) {
        uint32_t child = 2 * i + 1;

        if (child + 1 < *count && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= last)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

/* Scratch of the topological sort: for operator i its edges are by_from[first[i]..first[i + 1]). */
typedef struct sorting {
    uint32_t *waiting, *heap, *first, *by_from;
} sorting;

static int sorting_init(sorting *s, const weir_graph *graph)
{
    uint32_t n = graph->noperators;

    s->waiting = weir_calloc(n + 1u, sizeof(uint32_t));
    s->heap = weir_calloc(n + 1u, sizeof(uint32_t));
    s->first = weir_calloc(n + 2u, sizeof(uint32_t));
    s->by_from = weir_calloc(graph->nedges + 1u, sizeof(uint32_t));
    if (s->waiting == NULL || s->heap == NULL || s->first == NULL || s->by_from == NULL)
        return WEIR_ENO_MEMORY;
    for (uint32_t e = 0; e < graph->nedges; e++) {
        s->waiting[graph->edges[e].to]++;
        s->first[graph->edges[e].from + 2]++;
    }
    for (uint32_t i = 0; i < n; i++)
        s->first[i + 2] += s->first[i + 1];
    for (uint32_t e = 0; e < graph->nedges; e++)
        s->by_from[s->first[graph->edges[e].from + 1]++] = e;
    return 0;
}

static void sorting_deinit(sorting *s)
{
    weir_free(s->waiting);
    weir_free(s->heap);
    weir_free(s->first);
    weir_free(s->by_from);
}

int weir_graph_order(const weir_graph *graph, uint32_t *order)
{
    sorting s = {NULL, NULL, NULL, NULL};
    uint32_t ready = 0, done = 0;
    int rc = sorting_init(&s, graph);

    for (uint32_t i = 0; rc == 0 && i < graph->noperators; i++) {
        if (s.waiting[i] == 0)
            heap_push(s.heap, &ready, i);
    }
    while (rc == 0 && ready > 0) {
        uint32_t index = heap_pop(s.heap, &ready);

        order[done++] = index;
        for (uint32_t k = s.first[index]; k < s.first[index + 1]; k++) {
            uint32_t to = graph->edges[s.by_from[k]].to;

            if (--s.waiting[to] == 0)
                heap_push(s.heap, &ready, to);
        }
    }
    if (rc == 0 && done != graph->noperators)
        rc = WEIR_EINVALID;
    sorting_deinit(&s);
    return rc;
}

/* ---- fingerprint ---- */

static void mix(uint64_t *hash, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        *hash ^= (value >> (8 * i)) & 0xff;
        *hash *= 0x100000001b3u;
    }
}

static void mix_text(uint64_t *hash, const char *text)
{
    for (; *text != '\0'; text++) {
        *hash ^= (unsigned char)*text;
        *hash *= 0x100000001b3u;
    }
    mix(hash, 0);
}

static void mix_schema(uint64_t *hash, const weir_schema *schema)
{
    mix(hash, schema == NULL ? 0 : weir_schema_fingerprint(schema));
}

static void mix_operator(uint64_t *hash, const weir_graph_operator *op)
{
    mix(hash, (uint64_t)op->kind);
    mix(hash, (uint64_t)op->phase);
    mix(hash, op->origin);
    /* Sources and sinks take their name from a URL, which parameters may change. */
    if (op->kind != WEIR_OPERATOR_SOURCE && op->kind != WEIR_OPERATOR_SINK)
        mix_text(hash, op->name);
    mix_text(hash, op->uid);
    mix(hash, op->ninputs);
    for (uint32_t i = 0; i < op->ninputs; i++)
        mix_schema(hash, op->inputs[i]);
    mix(hash, op->noutputs);
    for (uint32_t i = 0; i < op->noutputs; i++) {
        mix_schema(hash, op->outputs[i]);
        mix_text(hash, op->output_names[i]);
    }
    mix(hash, op->nkeys);
    for (uint32_t i = 0; i < op->nkeys; i++)
        mix(hash, op->keys[i]);
    mix(hash, op->count_field);
    mix(hash, op->count_input);
}

uint64_t weir_graph_fingerprint(const weir_graph *graph)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    mix(&hash, graph->noperators);
    for (uint32_t i = 0; i < graph->noperators; i++)
        mix_operator(&hash, &graph->operators[i]);
    mix(&hash, graph->nedges);
    for (uint32_t e = 0; e < graph->nedges; e++) {
        const weir_graph_edge *edge = &graph->edges[e];

        mix(&hash, edge->from);
        mix(&hash, edge->from_output);
        mix(&hash, edge->to);
        mix(&hash, edge->to_input);
        /* Which of forward and rebalance it is follows from parallelism. */
        mix(&hash, edge->kind == WEIR_EDGE_REBALANCE ? WEIR_EDGE_FORWARD : (uint64_t)edge->kind);
        mix(&hash, edge->nkeys);
        for (uint32_t k = 0; k < edge->nkeys; k++)
            mix(&hash, edge->keys[k]);
    }
    return hash;
}
