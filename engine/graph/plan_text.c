#include "graph/plan_text.h"

#include <stdio.h>

static const char *phase_text(const weir_graph_operator *op)
{
    static const char *const phases[] = {"", " (partial)", " (final)"};

    return phases[op->phase];
}

/* "hash(card, at)" */
static void put_edge_kind(weir_buffer *out, const weir_graph *graph, const weir_graph_edge *edge)
{
    const weir_schema *schema = graph->operators[edge->from].outputs[edge->from_output];

    weir_buffer_puts(out, weir_edge_kind_name(edge->kind));
    for (uint32_t i = 0; i < edge->nkeys; i++)
        weir_buffer_printf(out, "%s%s", i == 0 ? "(" : ", ",
                           weir_schema_at(schema, edge->keys[i])->name);
    if (edge->nkeys > 0)
        weir_buffer_putc(out, ')');
}

static void put_operator(weir_buffer *out, const weir_graph_operator *op)
{
    char label[300];
    weir_buffer types = WEIR_BUFFER_INIT;

    snprintf(label, sizeof(label), "%s%s", op->name, phase_text(op));
    weir_buffer_printf(out, "      %-22s", label);
    if (op->url[0] != '\0')
        weir_buffer_printf(out, "  %s", op->url);
    if (op->noutputs > 0 && op->url[0] == '\0') {
        weir_schema_format(op->outputs[0], &types);
        weir_buffer_printf(out, "  %s", weir_buffer_text(&types));
    }
    if (op->uid[0] != '\0')
        weir_buffer_printf(out, "  uid %s", op->uid);
    if (op->retracts)
        weir_buffer_puts(out, "  retracts");
    weir_buffer_printf(out, "  (%s)\n", op->where);
    weir_buffer_deinit(&types);
}

static void put_task(weir_buffer *out, const weir_graph *graph, const weir_task_plan *plan,
                     const weir_task *task)
{
    char hex[WEIR_ID_HEX];

    weir_buffer_printf(out, "  task %u  %s   x%u   {%.8s}\n", task->index, task->name,
                       task->parallelism, weir_id_format(&task->id, hex));
    for (uint32_t i = 0; i < task->noperators; i++)
        put_operator(out, &graph->operators[task->operators[i]]);
    for (uint32_t i = 0; i < task->noutputs; i++) {
        const weir_task_edge *edge = &plan->edges[task->outputs[i]];
        const weir_graph_edge *from = &graph->edges[edge->graph_edge];
        const char *side = graph->operators[from->from].output_names[from->from_output];

        weir_buffer_puts(out, "      => ");
        put_edge_kind(out, graph, from);
        if (side[0] != '\0')
            weir_buffer_printf(out, " of '%s'", side);
        weir_buffer_printf(out, " => task %u\n", edge->to);
    }
}

int weir_plan_text(const weir_graph *graph, const weir_task_plan *plan, weir_buffer *out)
{
    weir_buffer_printf(out, "job %s   %s, parallelism %u, %u slot%s\n", graph->name,
                       graph->batch ? "batch" : "streaming", graph->parallelism, plan->slots,
                       plan->slots == 1 ? "" : "s");
    for (uint32_t i = 0; i < plan->ntasks; i++)
        put_task(out, graph, plan, &plan->tasks[i]);
    return weir_buffer_check(out);
}

/* ---- Graphviz ---- */

/* As the inside of a quoted dot string. */
static void put_quoted(weir_buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            weir_buffer_putc(out, '\\');
        if (*text == '\n')
            weir_buffer_puts(out, "\\n");
        else
            weir_buffer_putc(out, *text);
    }
}

static void put_cluster(weir_buffer *out, const weir_graph *graph, const weir_task *task)
{
    weir_buffer_printf(out, "  subgraph cluster_%u {\n    label=\"task %u x%u\";\n", task->index,
                       task->index, task->parallelism);
    for (uint32_t i = 0; i < task->noperators; i++) {
        const weir_graph_operator *op = &graph->operators[task->operators[i]];

        weir_buffer_printf(out, "    n%u [label=\"", op->index);
        put_quoted(out, op->name);
        weir_buffer_printf(out, "%s\"];\n", phase_text(op));
    }
    weir_buffer_puts(out, "  }\n");
}

int weir_plan_dot(const weir_graph *graph, const weir_task_plan *plan, weir_buffer *out)
{
    weir_buffer_puts(out, "digraph \"");
    put_quoted(out, graph->name);
    weir_buffer_puts(out, "\" {\n  rankdir=LR;\n  node [shape=box];\n");
    for (uint32_t i = 0; i < plan->ntasks; i++)
        put_cluster(out, graph, &plan->tasks[i]);
    for (uint32_t e = 0; e < graph->nedges; e++) {
        const weir_graph_edge *edge = &graph->edges[e];
        weir_buffer kind = WEIR_BUFFER_INIT;

        put_edge_kind(&kind, graph, edge);
        weir_buffer_printf(out, "  n%u -> n%u [label=\"", edge->from, edge->to);
        put_quoted(out, weir_buffer_text(&kind));
        weir_buffer_puts(out, "\"];\n");
        if (weir_buffer_check(&kind) != 0)
            out->failed = true;
        weir_buffer_deinit(&kind);
    }
    weir_buffer_puts(out, "}\n");
    return weir_buffer_check(out);
}
