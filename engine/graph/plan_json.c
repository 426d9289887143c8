/* weir_plan_json: operators, edges and tasks of a plan for programs. */
#include "graph/plan_text.h"

#include <jansson.h>

/* Adds `value` and gives it up; a NULL value or object means that memory ended somewhere before,
 * and comes out as a missing result. */
static void put(json_t *object, const char *name, json_t *value, bool *failed)
{
    if (json_object_set_new(object, name, value) != 0)
        *failed = true;
}

static void put_string(json_t *object, const char *name, const char *text, bool *failed)
{
    put(object, name, json_string(text), failed);
}

static void put_number(json_t *object, const char *name, uint32_t number, bool *failed)
{
    put(object, name, json_integer(number), failed);
}

static void append(json_t *array, json_t *value, bool *failed)
{
    if (json_array_append_new(array, value) != 0)
        *failed = true;
}

static void put_id(json_t *object, const weir_id *id, bool *failed)
{
    char hex[WEIR_ID_HEX];

    put_string(object, "id", weir_id_format(id, hex), failed);
}

static json_t *schema_json(const weir_schema *schema, const char *name, bool *failed)
{
    json_t *object = json_object();
    weir_buffer text = WEIR_BUFFER_INIT;

    weir_schema_format(schema, &text);
    if (weir_buffer_check(&text) != 0)
        *failed = true;
    if (name != NULL)
        put_string(object, "name", name, failed);
    put_string(object, "record", weir_schema_name(schema), failed);
    put_string(object, "schema", weir_buffer_text(&text), failed);
    weir_buffer_deinit(&text);
    return object;
}

static json_t *keys_json(const weir_schema *schema, const uint32_t *keys, uint32_t count,
                         bool *failed)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < count; i++)
        append(array, json_string(weir_schema_at(schema, keys[i])->name), failed);
    return array;
}

static json_t *options_json(const weir_graph_option *options, uint32_t count, bool *failed)
{
    json_t *object = json_object();

    for (uint32_t i = 0; i < count; i++)
        put_string(object, options[i].name, options[i].value, failed);
    return object;
}

static json_t *operator_json(const weir_graph *graph, const weir_graph_operator *op, bool *failed)
{
    static const char *const phases[] = {"complete", "partial", "final"};
    json_t *object = json_object(), *inputs = json_array(), *outputs = json_array();

    put_number(object, "index", op->index, failed);
    put_id(object, &op->id, failed);
    put_string(object, "kind", weir_operator_kind_name(op->kind), failed);
    put_string(object, "phase", phases[op->phase], failed);
    put_string(object, "name", op->name, failed);
    put_string(object, "uid", op->uid, failed);
    put_string(object, "where", op->where, failed);
    put_number(object, "parallelism", weir_graph_operator_parallelism(graph, op->index), failed);
    put(object, "retracts", json_boolean(op->retracts), failed);
    for (uint32_t i = 0; i < op->ninputs; i++)
        append(inputs, schema_json(op->inputs[i], NULL, failed), failed);
    for (uint32_t i = 0; i < op->noutputs; i++)
        append(outputs, schema_json(op->outputs[i], op->output_names[i], failed), failed);
    put(object, "inputs", inputs, failed);
    put(object, "outputs", outputs, failed);
    if (op->nkeys > 0)
        put(object, "keys", keys_json(op->inputs[0], op->keys, op->nkeys, failed), failed);
    if (op->connector[0] != '\0') {
        put_string(object, "connector", op->connector, failed);
        put_string(object, "url", op->url, failed);
        put_string(object, "path", op->path, failed);
        put(object, "options", options_json(op->options, op->noptions, failed), failed);
    }
    if (op->kind == WEIR_OPERATOR_SOURCE)
        put(object, "bounded", json_boolean(op->bounded), failed);
    return object;
}

static json_t *edge_json(const weir_graph *graph, const weir_graph_edge *edge, bool *failed)
{
    json_t *object = json_object();

    put_number(object, "from", edge->from, failed);
    put_number(object, "output", edge->from_output, failed);
    put_number(object, "to", edge->to, failed);
    put_number(object, "input", edge->to_input, failed);
    put_string(object, "kind", weir_edge_kind_name(edge->kind), failed);
    if (edge->nkeys > 0)
        put(object, "keys",
            keys_json(graph->operators[edge->from].outputs[edge->from_output], edge->keys,
                      edge->nkeys, failed),
            failed);
    return object;
}

static json_t *task_json(const weir_task_plan *plan, const weir_task *task, bool *failed)
{
    json_t *object = json_object(), *operators = json_array(), *outputs = json_array();

    put_number(object, "index", task->index, failed);
    put_id(object, &task->id, failed);
    put_string(object, "name", task->name, failed);
    put_number(object, "parallelism", task->parallelism, failed);
    for (uint32_t i = 0; i < task->noperators; i++)
        append(operators, json_integer(task->operators[i]), failed);
    put(object, "operators", operators, failed);
    for (uint32_t i = 0; i < task->noutputs; i++) {
        const weir_task_edge *edge = &plan->edges[task->outputs[i]];
        json_t *output = json_object();

        put_number(output, "edge", edge->graph_edge, failed);
        put_number(output, "to", edge->to, failed);
        put_number(output, "channels", edge->nchannels, failed);
        append(outputs, output, failed);
    }
    put(object, "outputs", outputs, failed);
    return object;
}

static int dump(const char *bytes, size_t size, void *out)
{
    weir_buffer_append(out, bytes, size);
    return 0;
}

int weir_plan_json(const weir_graph *graph, const weir_task_plan *plan, weir_buffer *out)
{
    json_t *root = json_object(), *nodes = json_array(), *edges = json_array();
    json_t *tasks = json_array();
    bool failed = false;

    put_string(root, "name", graph->name, &failed);
    put_string(root, "mode", graph->batch ? "batch" : "streaming", &failed);
    put_number(root, "parallelism", graph->parallelism, &failed);
    put_number(root, "max_parallelism", graph->max_parallelism, &failed);
    put_number(root, "slots", plan->slots, &failed);
    put(root, "params", options_json(graph->params, graph->nparams, &failed), &failed);
    for (uint32_t i = 0; i < graph->noperators; i++)
        append(nodes, operator_json(graph, &graph->operators[i], &failed), &failed);
    for (uint32_t i = 0; i < graph->nedges; i++)
        append(edges, edge_json(graph, &graph->edges[i], &failed), &failed);
    for (uint32_t i = 0; i < plan->ntasks; i++)
        append(tasks, task_json(plan, &plan->tasks[i], &failed), &failed);
    put(root, "nodes", nodes, &failed);
    put(root, "edges", edges, &failed);
    put(root, "tasks", tasks, &failed);
    if (!failed && json_dump_callback(root, dump, out, JSON_INDENT(2)) != 0)
        failed = true;
    weir_buffer_putc(out, '\n');
    json_decref(root);
    return failed ? WEIR_ENO_MEMORY : weir_buffer_check(out);
}
