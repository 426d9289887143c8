/* After the build function has returned: what can be said only of the job as a whole. */
#include "base/memory.h"
#include "batch/key.h"
#include "graph/job_builder.h"

#include <string.h>

/* "job 'wordcount'": where an error stands that belongs to no line. */
static const char *job_where(weir_env *env)
{
    const char *where = weir_arena_printf(env->arena, "job '%s'", env->graph->name);

    if (where == NULL)
        env->no_memory = true;
    return where == NULL ? "job" : where;
}

static void check_ends(weir_env *env)
{
    bool sources = false, sinks = false;

    for (const weir_stream *stream = env->streams; stream != NULL; stream = stream->next) {
        const char *record = stream->schema == NULL ? "" : weir_schema_name(stream->schema);

        if (!stream->used)
            weir_job_note(env, &stream->call,
                          "nothing reads its stream%s%s%s; end it with weir_sink, or remove the "
                          "call",
                          record[0] == '\0' ? "" : " of '", record, record[0] == '\0' ? "" : "'");
    }
    for (uint32_t i = 0; i < env->graph->noperators; i++) {
        const weir_graph_operator *op = &env->graph->operators[i];

        sources = sources || op->kind == WEIR_OPERATOR_SOURCE;
        sinks = sinks || op->kind == WEIR_OPERATOR_SINK ||
                (op->kind == WEIR_OPERATOR_PROCESS && op->noutputs == 0);
    }
    if (env->limit_noted || env->no_memory)
        return;
    if (!sources)
        weir_job_note_at(env, job_where(env),
                         "a job needs at least one source; it has none; begin with "
                         "weir_source(env, url, type)");
    if (!sinks)
        weir_job_note_at(env, job_where(env),
                         "a job needs at least one sink; it has none; end a stream with "
                         "weir_sink(stream, url)");
}

static void settle_parallelism(weir_env *env)
{
    weir_graph *graph = env->graph;
    int32_t max = env->config->max_parallelism;
    uint32_t highest = 0;

    graph->parallelism = env->config->parallelism;
    if (graph->parallelism < 1 || graph->parallelism > WEIR_MAX_PARALLELISM_LIMIT) {
        weir_job_note_at(env, job_where(env), "parallelism is %u; it must be 1 to %u",
                         graph->parallelism, WEIR_MAX_PARALLELISM_LIMIT);
        graph->parallelism = 1;
    }
    for (uint32_t i = 0; i < graph->noperators; i++) {
        uint32_t own = weir_graph_operator_parallelism(graph, i);

        highest = own > highest ? own : highest;
    }
    if (max != -1 && (max < 1 || max > (int32_t)WEIR_MAX_PARALLELISM_LIMIT)) {
        weir_job_note_at(env, job_where(env),
                         "pipeline.max-parallelism is %d; it must be 1 to %u, or -1", (int)max,
                         WEIR_MAX_PARALLELISM_LIMIT);
        max = -1;
    }
    graph->max_parallelism =
        max == -1 ? weir_max_parallelism_default(highest == 0 ? 1 : highest) : (uint32_t)max;
    if (graph->parallelism > graph->max_parallelism)
        weir_job_note_at(env, job_where(env),
                         "parallelism is %u; pipeline.max-parallelism is %u; lower the first or "
                         "raise the second",
                         graph->parallelism, graph->max_parallelism);
    for (uint32_t i = 0; i < graph->noperators; i++) {
        const weir_graph_operator *op = &graph->operators[i];

        if (op->parallelism > graph->max_parallelism)
            weir_job_note_at(env, op->where,
                             "parallelism of '%s' is %u; pipeline.max-parallelism is %u; lower the "
                             "first or raise the second",
                             op->name, op->parallelism, graph->max_parallelism);
    }
}

/* Batch, when asked for or when every source ends by itself. */
static void settle_mode(weir_env *env)
{
    weir_graph *graph = env->graph;
    bool all_bounded = true;

    for (uint32_t i = 0; i < graph->noperators; i++) {
        weir_graph_operator *op = &graph->operators[i];
        const weir_connector *connector;

        if (op->kind != WEIR_OPERATOR_SOURCE || op->connector[0] == '\0')
            continue;
        connector = weir_connector_find(env->config->catalog, op->connector);
        op->bounded = connector == NULL || connector->bounded == NULL ||
                      connector->bounded(op, env->config->local);
        all_bounded = all_bounded && op->bounded;
        if (!op->bounded && env->config->runtime_mode == 2)
            weir_job_note_at(env, op->where,
                             "source: '%s' does not end by itself; batch mode needs sources that "
                             "do; set execution.runtime-mode to STREAMING or AUTOMATIC",
                             op->url);
    }
    graph->batch =
        env->config->runtime_mode == 2 || (env->config->runtime_mode == 0 && all_bounded);
}

static void settle_edge(weir_env *env, const weir_pending_edge *pending)
{
    weir_graph *graph = env->graph;
    const weir_part *part = &pending->part;
    uint32_t from = weir_graph_operator_parallelism(graph, part->from);
    uint32_t to = weir_graph_operator_parallelism(graph, pending->to);
    weir_graph_edge *edge = weir_graph_add_edge(graph);

    if (edge == NULL) {
        env->no_memory = true; /* the number was checked when it was connected */
        return;
    }
    edge->from = part->from;
    edge->from_output = part->from_output;
    edge->to = pending->to;
    edge->to_input = pending->to_input;
    edge->nkeys = part->nkeys;
    memcpy(edge->keys, part->keys, sizeof(edge->keys));
    if (part->kind == 0)
        edge->kind = from == to ? WEIR_EDGE_FORWARD : WEIR_EDGE_REBALANCE;
    else
        edge->kind = (enum weir_edge_kind)part->kind;
    if (part->kind == WEIR_EDGE_FORWARD && from != to)
        weir_job_note(env, &part->chosen,
                      "forward needs equal parallelism; '%s' has %u and '%s' has %u; make them "
                      "equal or use weir_rebalance",
                      graph->operators[part->from].name, from, graph->operators[pending->to].name,
                      to);
}

/* The order of operators is the order of the calls, so upstream is settled before downstream. */
static void settle_retracts(weir_env *env)
{
    weir_graph *graph = env->graph;
    uint32_t first = 0;

    /* Edges were appended operator by operator. */
    for (uint32_t i = 0; i < graph->noperators; i++) {
        weir_graph_operator *op = &graph->operators[i];
        const char *from = NULL;

        for (; first < graph->nedges && graph->edges[first].to == i; first++) {
            if (graph->operators[graph->edges[first].from].retracts)
                from = graph->operators[graph->edges[first].from].name;
        }
        switch (op->kind) {
        case WEIR_OPERATOR_REDUCE:
            if (from != NULL)
                weir_job_note_at(
                    env, op->where,
                    "reduce: '%s' before it takes rows back, which a reduce cannot do; "
                    "reduce before it, or run the job in batch mode",
                    from);
            op->retracts = !graph->batch;
            break;
        case WEIR_OPERATOR_COUNT:
            op->retracts = !graph->batch;
            break;
        default:
            op->retracts = from != NULL; /* of a sink: what comes in */
        }
    }
}

/* See environment.h for the texts that ids come from. */
static void settle_ids(weir_env *env)
{
    weir_graph *graph = env->graph;
    weir_buffer text = WEIR_BUFFER_INIT;
    uint32_t first = 0;

    for (uint32_t i = 0; i < graph->noperators; i++) {
        weir_graph_operator *op = &graph->operators[i];

        weir_buffer_clear(&text);
        if (op->uid[0] != '\0')
            weir_buffer_printf(&text, "uid:%s", op->uid);
        else
            weir_buffer_printf(&text, "auto:%s:%s:%u", weir_operator_kind_name(op->kind), op->name,
                               i);
        for (; first < graph->nedges && graph->edges[first].to == i; first++) {
            const weir_graph_edge *edge = &graph->edges[first];
            char hex[WEIR_ID_HEX];

            if (op->uid[0] == '\0')
                weir_buffer_printf(&text, ":%u/%s/%u", edge->to_input,
                                   weir_id_format(&graph->operators[edge->from].id, hex),
                                   edge->from_output);
        }
        op->id = weir_id_derive(weir_buffer_text(&text));
    }
    if (weir_buffer_check(&text) != 0)
        env->no_memory = true;
    weir_buffer_deinit(&text);
}

void weir_job_finish(weir_env *env)
{
    weir_error problem = WEIR_ERROR_INIT;
    int rc;

    check_ends(env);
    weir_job_finish_params(env);
    settle_parallelism(env);
    settle_mode(env);
    for (uint32_t i = 0; i < env->nedges && !env->no_memory; i++)
        settle_edge(env, &env->edges[i]);
    settle_retracts(env);
    if (env->nerrors > 0 || env->no_memory)
        return;
    settle_ids(env);
    rc = weir_graph_validate(env->graph, &problem);
    if (rc == WEIR_ENO_MEMORY)
        env->no_memory = true;
    else if (rc != 0)
        weir_job_note_at(env, job_where(env), "%s", problem.text);
}
