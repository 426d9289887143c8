#include "graph/task_plan.h"

#include "base/memory.h"

#include <string.h>

#define CHANNELS_MAX (1u << 24) /* of a job */
#define NONE         UINT32_MAX

/* The cut while it is made. */
typedef struct planning {
    const weir_graph *graph;
    weir_task_plan *plan;
    uint32_t *order;        /* operators, upstream first */
    uint32_t *above;        /* per operator: the one it is chained to, or NONE */
    uint32_t *task_of;      /* per operator */
    uint32_t *first, *next; /* chained children: first of an operator, next of a child */
} planning;

static void planning_deinit(planning *p)
{
    weir_free(p->order);
    weir_free(p->above);
    weir_free(p->task_of);
    weir_free(p->first);
    weir_free(p->next);
}

static int planning_init(planning *p, const weir_graph *graph)
{
    uint32_t n = graph->noperators;

    memset(p, 0, sizeof(*p));
    p->graph = graph;
    p->order = weir_calloc(n + 1u, sizeof(uint32_t));
    p->above = weir_calloc(n + 1u, sizeof(uint32_t));
    p->task_of = weir_calloc(n + 1u, sizeof(uint32_t));
    p->first = weir_calloc(n + 1u, sizeof(uint32_t));
    p->next = weir_calloc(n + 1u, sizeof(uint32_t));
    if (p->order == NULL || p->above == NULL || p->task_of == NULL || p->first == NULL ||
        p->next == NULL)
        return WEIR_ENO_MEMORY;
    return weir_graph_order(graph, p->order);
}

/* Who is chained to whom: over the only edge into the consumer, if it is a forward one. */
static void find_chains(planning *p, bool chaining)
{
    const weir_graph *graph = p->graph;
    uint32_t *edges_in = p->next; /* borrowed: it is filled with links below */

    for (uint32_t i = 0; i < graph->noperators; i++)
        p->above[i] = p->first[i] = NONE;
    for (uint32_t e = 0; e < graph->nedges; e++)
        edges_in[graph->edges[e].to]++;
    for (uint32_t e = 0; chaining && e < graph->nedges; e++) {
        const weir_graph_edge *edge = &graph->edges[e];

        if (edge->kind == WEIR_EDGE_FORWARD && edges_in[edge->to] == 1 &&
            !graph->operators[edge->to].no_chain &&
            weir_graph_operator_parallelism(graph, edge->from) ==
                weir_graph_operator_parallelism(graph, edge->to))
            p->above[edge->to] = edge->from;
    }
    for (uint32_t i = 0; i < graph->noperators; i++)
        p->next[i] = NONE;
    /* From the back, so that the children of an operator stand in order. */
    for (uint32_t i = graph->noperators; i-- > 0;) {
        uint32_t op = p->order[i], above = p->above[op];

        if (above == NONE)
            continue;
        p->next[op] = p->first[above];
        p->first[above] = op;
    }
}

/* The operator after `op` in pre-order within the chain that begins with `head`. */
static uint32_t next_in_chain(const planning *p, uint32_t head, uint32_t op)
{
    if (p->first[op] != NONE)
        return p->first[op];
    while (op != head && p->next[op] == NONE)
        op = p->above[op];
    return op == head ? NONE : p->next[op];
}

static void put_name(weir_buffer *out, const weir_graph_operator *op)
{
    static const char *const phases[] = {"", " (partial)", " (final)"};

    weir_buffer_printf(out, "%s%s", op->name, phases[op->phase]);
}

static int fill_task(planning *p, weir_task *task, uint32_t head)
{
    weir_arena *arena = p->plan->arena;
    weir_buffer name = WEIR_BUFFER_INIT;
    uint32_t *operators, count = 0, before = NONE;

    for (uint32_t op = head; op != NONE; op = next_in_chain(p, head, op))
        count++;
    operators = weir_arena_alloc(arena, count * sizeof(*operators));
    if (operators == NULL)
        return WEIR_ENO_MEMORY;
    count = 0;
    for (uint32_t op = head; op != NONE; op = next_in_chain(p, head, op)) {
        if (op != head)
            weir_buffer_puts(&name, p->above[op] == before ? " -> " : ", ");
        put_name(&name, &p->graph->operators[op]);
        p->task_of[op] = task->index;
        operators[count++] = before = op;
    }
    task->operators = operators;
    task->noperators = count;
    task->parallelism = weir_graph_operator_parallelism(p->graph, head);
    task->id = p->graph->operators[head].id;
    task->name =
        weir_buffer_check(&name) == 0 ? weir_arena_strdup(arena, weir_buffer_text(&name)) : NULL;
    weir_buffer_deinit(&name);
    return task->name == NULL ? WEIR_ENO_MEMORY : 0;
}

static int make_tasks(planning *p)
{
    weir_task_plan *plan = p->plan;
    int rc = 0;

    for (uint32_t i = 0; i < p->graph->noperators; i++)
        plan->ntasks += p->above[i] == NONE;
    plan->tasks = weir_arena_alloc(plan->arena, plan->ntasks * sizeof(*plan->tasks));
    if (plan->tasks == NULL)
        return WEIR_ENO_MEMORY;
    plan->ntasks = 0;
    for (uint32_t i = 0; rc == 0 && i < p->graph->noperators; i++) {
        weir_task *task = &plan->tasks[plan->ntasks];

        if (p->above[p->order[i]] != NONE)
            continue;
        task->index = plan->ntasks++;
        rc = fill_task(p, task, p->order[i]);
        if (rc == 0 && task->parallelism > plan->slots)
            plan->slots = task->parallelism;
    }
    return rc;
}

static bool is_chained(const planning *p, const weir_graph_edge *edge)
{
    return p->above[edge->to] == edge->from;
}

static int make_edges(planning *p, weir_error *err)
{
    const weir_graph *graph = p->graph;
    weir_task_plan *plan = p->plan;
    uint64_t channels = 0;

    plan->edges = weir_arena_alloc(plan->arena, (graph->nedges + 1u) * sizeof(*plan->edges));
    if (plan->edges == NULL)
        return WEIR_ENO_MEMORY;
    for (uint32_t e = 0; e < graph->nedges; e++) {
        const weir_graph_edge *from = &graph->edges[e];
        weir_task_edge *edge = &plan->edges[plan->nedges];
        uint64_t count;

        if (is_chained(p, from))
            continue;
        edge->index = plan->nedges++;
        edge->graph_edge = e;
        edge->from = p->task_of[from->from];
        edge->to = p->task_of[from->to];
        edge->from_parallelism = plan->tasks[edge->from].parallelism;
        edge->to_parallelism = plan->tasks[edge->to].parallelism;
        count = from->kind == WEIR_EDGE_FORWARD
                    ? edge->from_parallelism
                    : (uint64_t)edge->from_parallelism * edge->to_parallelism;
        if (channels + count > CHANNELS_MAX)
            return weir_error_set(err, WEIR_ETOO_LARGE,
                                  "job '%s': its tasks need more than %u channels; lower the "
                                  "parallelism",
                                  graph->name, CHANNELS_MAX);
        edge->first_channel = (uint32_t)channels;
        edge->nchannels = (uint32_t)count;
        channels += count;
    }
    plan->nchannels = (uint32_t)channels;
    return 0;
}

/* Lists per task of the edges that end and start there, cut from one array each. */
static int link_edges(weir_task_plan *plan)
{
    size_t size = (plan->nedges + 1u) * sizeof(uint32_t);
    uint32_t *inputs = weir_arena_alloc(plan->arena, size);
    uint32_t *outputs = weir_arena_alloc(plan->arena, size);
    uint32_t **fill = weir_calloc(2 * (plan->ntasks + 1u), sizeof(*fill));

    if (inputs == NULL || outputs == NULL || fill == NULL) {
        weir_free(fill);
        return WEIR_ENO_MEMORY;
    }
    for (uint32_t e = 0; e < plan->nedges; e++) {
        plan->tasks[plan->edges[e].to].ninputs++;
        plan->tasks[plan->edges[e].from].noutputs++;
    }
    for (uint32_t t = 0; t < plan->ntasks; t++) {
        plan->tasks[t].inputs = fill[2 * t] = inputs;
        plan->tasks[t].outputs = fill[2 * t + 1] = outputs;
        inputs += plan->tasks[t].ninputs;
        outputs += plan->tasks[t].noutputs;
    }
    for (uint32_t e = 0; e < plan->nedges; e++) {
        *fill[2 * plan->edges[e].to]++ = e;
        *fill[2 * plan->edges[e].from + 1]++ = e;
    }
    weir_free(fill);
    return 0;
}

static int make_plan(planning *p, bool chaining, weir_error *err)
{
    int rc;

    p->plan = weir_calloc(1, sizeof(*p->plan));
    if (p->plan == NULL)
        return WEIR_ENO_MEMORY;
    p->plan->arena = weir_arena_new(0);
    if (p->plan->arena == NULL)
        return WEIR_ENO_MEMORY;
    find_chains(p, chaining);
    rc = make_tasks(p);
    if (rc == 0)
        rc = make_edges(p, err);
    return rc == 0 ? link_edges(p->plan) : rc;
}

int weir_task_plan_new(const weir_graph *graph, bool chaining, weir_task_plan **ret,
                       weir_error *err)
{
    planning p;
    int rc = planning_init(&p, graph);

    if (rc == 0)
        rc = make_plan(&p, chaining, err);
    if (rc == 0)
        *ret = p.plan;
    else
        weir_task_plan_destroy(&p.plan);
    planning_deinit(&p);
    if (rc == WEIR_ENO_MEMORY)
        weir_error_set(err, rc, "job '%s': out of memory", graph->name);
    if (rc == WEIR_EINVALID)
        weir_error_set(err, rc, "job '%s': its edges form a cycle", graph->name);
    return rc;
}

void weir_task_plan_destroy(weir_task_plan **plan)
{
    if (plan == NULL || *plan == NULL)
        return;
    weir_arena_destroy(&(*plan)->arena);
    weir_free(*plan);
    *plan = NULL;
}

uint32_t weir_task_plan_channel(const weir_task_edge *edge, enum weir_edge_kind kind,
                                uint32_t producer, uint32_t consumer)
{
    if (kind == WEIR_EDGE_FORWARD)
        return edge->first_channel + producer;
    return edge->first_channel + producer * edge->to_parallelism + consumer;
}

const weir_task_edge *weir_task_plan_edge_of(const weir_task_plan *plan, uint32_t channel)
{
    uint32_t low = 0, high = plan->nedges;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const weir_task_edge *edge = &plan->edges[middle];
        if (channel < edge->first_channel)
            high = middle;
        else if (channel - edge->first_channel >= edge->nchannels)
            low = middle + 1;
        else
            return edge;
    }
    return NULL;
}
