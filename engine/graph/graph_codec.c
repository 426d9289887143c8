#include "graph/graph_codec.h"

#include "base/memory.h"
#include "proto/codec.h"
#include "proto/graph.pb-c.h"

#include <string.h>

#define UNPACK_MEMORY_MAX ((size_t)64 << 20)

typedef Weir__Proto__JobGraph graph_message;
typedef Weir__Proto__GraphOperator operator_message;
typedef Weir__Proto__GraphEdge edge_message;
typedef Weir__Proto__GraphSchema schema_message;
typedef Weir__Proto__SchemaField field_message;
typedef Weir__Proto__GraphOption option_message;

/* ---- packing ---- */

typedef struct packing {
    weir_arena *arena;           /* all messages */
    const weir_schema **schemas; /* each once; indices travel */
    uint32_t nschemas, capacity;
    bool failed;
} packing;

/* protobuf-c does not write through the pointers of a message that it packs. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void *take(packing *p, size_t count, size_t size)
{
    void *block = weir_arena_alloc(p->arena, (count + 1) * size);

    if (block == NULL)
        p->failed = true;
    return block;
}

static uint32_t schema_index(packing *p, const weir_schema *schema)
{
    uint64_t fingerprint = weir_schema_fingerprint(schema);

    for (uint32_t i = 0; i < p->nschemas; i++) {
        const weir_schema *known = p->schemas[i];

        if (known == schema ||
            (weir_schema_fingerprint(known) == fingerprint && weir_schema_equal(known, schema) &&
             strcmp(weir_schema_name(known), weir_schema_name(schema)) == 0))
            return i;
    }
    if (p->nschemas == p->capacity) {
        uint32_t capacity = p->capacity == 0 ? 16 : p->capacity * 2;
        const weir_schema **larger = take(p, capacity, sizeof(*larger));

        if (larger == NULL)
            return 0;
        if (p->nschemas > 0)
            memcpy(larger, p->schemas, p->nschemas * sizeof(*larger));
        p->schemas = larger;
        p->capacity = capacity;
    }
    p->schemas[p->nschemas] = schema;
    return p->nschemas++;
}

static size_t count_fields(const weir_schema_field *fields, uint32_t count)
{
    size_t total = count;

    for (uint32_t i = 0; i < count; i++)
        total += count_fields(fields[i].children, fields[i].nchildren);
    return total;
}

/* Pre-order; a schema is at most WEIR_SCHEMA_DEPTH_MAX deep. */
static void pack_fields(const weir_schema_field *fields, uint32_t count, field_message *items,
                        field_message **list, size_t *used)
{
    for (uint32_t i = 0; i < count; i++) {
        field_message *item = &items[*used];

        weir__proto__schema_field__init(item);
        item->name = text_of(fields[i].name == NULL ? "" : fields[i].name);
        item->kind = fields[i].kind;
        item->nullable = fields[i].nullable;
        item->precision = fields[i].precision;
        item->scale = fields[i].scale;
        item->nchildren = fields[i].nchildren;
        list[(*used)++] = item;
        pack_fields(fields[i].children, fields[i].nchildren, items, list, used);
    }
}

static void pack_schema(packing *p, const weir_schema *schema, schema_message *into)
{
    const weir_schema_field *fields = weir_schema_fields(schema);
    uint32_t count = weir_schema_count(schema);
    size_t total = count_fields(fields, count), used = 0;
    field_message *items = take(p, total, sizeof(*items));

    weir__proto__graph_schema__init(into);
    into->name = text_of(weir_schema_name(schema));
    into->fields = take(p, total, sizeof(*into->fields));
    if (items == NULL || into->fields == NULL)
        return;
    pack_fields(fields, count, items, into->fields, &used);
    into->n_fields = used;
}

static size_t pack_options(packing *p, const weir_graph_option *options, uint32_t count,
                           option_message ***ret)
{
    option_message *items = take(p, count, sizeof(*items));

    *ret = take(p, count, sizeof(**ret));
    if (items == NULL || *ret == NULL)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        weir__proto__graph_option__init(&items[i]);
        items[i].name = text_of(options[i].name);
        items[i].value = text_of(options[i].value);
        (*ret)[i] = &items[i];
    }
    return count;
}

static void pack_shape(packing *p, const weir_graph_operator *op, operator_message *into)
{
    into->inputs = take(p, op->ninputs, sizeof(*into->inputs));
    into->outputs = take(p, op->noutputs, sizeof(*into->outputs));
    into->output_names = take(p, op->noutputs, sizeof(*into->output_names));
    into->keys = take(p, op->nkeys, sizeof(*into->keys));
    if (p->failed)
        return;
    for (uint32_t i = 0; i < op->ninputs; i++)
        into->inputs[into->n_inputs++] = schema_index(p, op->inputs[i]);
    for (uint32_t i = 0; i < op->noutputs; i++) {
        into->outputs[into->n_outputs++] = schema_index(p, op->outputs[i]);
        into->output_names[into->n_output_names++] = text_of(op->output_names[i]);
    }
    into->n_keys = op->nkeys;
    memcpy(into->keys, op->keys, op->nkeys * sizeof(op->keys[0]));
}

static void pack_operator(packing *p, const weir_graph_operator *op, operator_message *into)
{
    weir__proto__graph_operator__init(into);
    into->kind = (uint32_t)op->kind;
    into->phase = (uint32_t)op->phase;
    into->name = text_of(op->name);
    into->uid = text_of(op->uid);
    into->id.data = (uint8_t *)(uintptr_t)op->id.bytes;
    into->id.len = sizeof(op->id.bytes);
    into->where = text_of(op->where);
    into->parallelism = op->parallelism;
    into->no_chain = op->no_chain;
    into->origin = op->origin;
    into->retracts = op->retracts;
    into->count_field = op->count_field;
    into->count_input = op->count_input;
    into->connector = text_of(op->connector);
    into->url = text_of(op->url);
    into->path = text_of(op->path);
    into->bounded = op->bounded;
    into->n_options = pack_options(p, op->options, op->noptions, &into->options);
    pack_shape(p, op, into);
}

static void pack_edge(packing *p, const weir_graph_edge *edge, edge_message *into)
{
    weir__proto__graph_edge__init(into);
    into->from = edge->from;
    into->from_output = edge->from_output;
    into->to = edge->to;
    into->to_input = edge->to_input;
    into->kind = (uint32_t)edge->kind;
    into->keys = take(p, edge->nkeys, sizeof(*into->keys));
    if (into->keys == NULL)
        return;
    into->n_keys = edge->nkeys;
    memcpy(into->keys, edge->keys, edge->nkeys * sizeof(edge->keys[0]));
}

static void pack_lists(packing *p, const weir_graph *graph, graph_message *into)
{
    operator_message *operators = take(p, graph->noperators, sizeof(*operators));
    edge_message *edges = take(p, graph->nedges, sizeof(*edges));
    schema_message *schemas;

    into->operators = take(p, graph->noperators, sizeof(*into->operators));
    into->edges = take(p, graph->nedges, sizeof(*into->edges));
    if (p->failed)
        return;
    for (uint32_t i = 0; i < graph->noperators; i++) {
        pack_operator(p, &graph->operators[i], &operators[i]);
        into->operators[into->n_operators++] = &operators[i];
    }
    for (uint32_t i = 0; i < graph->nedges; i++) {
        pack_edge(p, &graph->edges[i], &edges[i]);
        into->edges[into->n_edges++] = &edges[i];
    }
    schemas = take(p, p->nschemas, sizeof(*schemas));
    into->schemas = take(p, p->nschemas, sizeof(*into->schemas));
    for (uint32_t i = 0; !p->failed && i < p->nschemas; i++) {
        pack_schema(p, p->schemas[i], &schemas[i]);
        into->schemas[into->n_schemas++] = &schemas[i];
    }
}

int weir_graph_pack(const weir_graph *graph, weir_buffer *out)
{
    packing p = {weir_arena_new((size_t)16 << 10), NULL, 0, 0, false};
    graph_message message = WEIR__PROTO__JOB_GRAPH__INIT;
    int rc = WEIR_ENO_MEMORY;

    if (p.arena == NULL)
        return rc;
    message.name = text_of(graph->name);
    message.parallelism = graph->parallelism;
    message.max_parallelism = graph->max_parallelism;
    message.batch = graph->batch;
    message.n_params = pack_options(&p, graph->params, graph->nparams, &message.params);
    pack_lists(&p, graph, &message);
    if (!p.failed)
        rc = weir_proto_pack(&message.base, out);
    weir_arena_destroy(&p.arena);
    return rc;
}

/* ---- unpacking ---- */

typedef struct unpacking {
    const graph_message *message;
    weir_graph *graph;
    weir_schema **schemas; /* one per schema of the message */
    weir_error *err;
} unpacking;

static int corrupt(unpacking *u, const char *what)
{
    return weir_error_set(u->err, WEIR_ECORRUPT, "job graph: %s; the bytes are damaged", what);
}

static int no_memory(unpacking *u)
{
    return weir_error_set(u->err, WEIR_ENO_MEMORY, "job graph: out of memory");
}

/* `count` fields from the list at *used, with all that hang below them. */
static int unpack_fields(unpacking *u, weir_arena *arena, const schema_message *from, size_t *used,
                         size_t count, uint32_t depth, weir_schema_field **ret)
{
    weir_schema_field *fields;
    int rc = 0;

    if (depth > WEIR_SCHEMA_DEPTH_MAX || count > WEIR_SCHEMA_FIELDS_MAX ||
        count > from->n_fields - *used)
        return corrupt(u, "the fields of a record type do not add up");
    fields = weir_arena_alloc(arena, (count + 1) * sizeof(*fields));
    if (fields == NULL)
        return no_memory(u);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const field_message *field;
        weir_schema_field *children = NULL;

        if (*used == from->n_fields)
            return corrupt(u, "the fields of a record type do not add up");
        field = from->fields[(*used)++];
        fields[i].name = field->name;
        fields[i].kind = field->kind;
        fields[i].nullable = field->nullable;
        fields[i].precision = field->precision;
        fields[i].scale = field->scale;
        if (field->nchildren > 0)
            rc = unpack_fields(u, arena, from, used, field->nchildren, depth + 1, &children);
        fields[i].children = children;
        fields[i].nchildren = field->nchildren;
    }
    *ret = fields;
    return rc;
}

/* Fields of the top level: those that are not passed over as children. */
static int count_top(unpacking *u, const schema_message *from, size_t *ret)
{
    size_t pending[WEIR_SCHEMA_DEPTH_MAX + 1], depth = 0, top = 0;

    for (size_t i = 0; i < from->n_fields; i++) {
        while (depth > 0 && pending[depth - 1] == 0)
            depth--;
        if (depth == 0)
            top++;
        else
            pending[depth - 1]--;
        if (from->fields[i]->nchildren == 0)
            continue;
        if (depth > WEIR_SCHEMA_DEPTH_MAX)
            return corrupt(u, "a record type is nested too deeply");
        pending[depth++] = from->fields[i]->nchildren;
    }
    *ret = top;
    return 0;
}

static int unpack_schema(unpacking *u, const schema_message *from, weir_schema **ret)
{
    weir_arena *arena;
    weir_schema_field *fields = NULL;
    size_t count = 0, used = 0;
    int rc = count_top(u, from, &count);

    if (rc != 0)
        return rc;
    arena = weir_arena_new(0);
    if (arena == NULL)
        return no_memory(u);
    rc = unpack_fields(u, arena, from, &used, count, 1, &fields);
    if (rc == 0 && used != from->n_fields)
        rc = corrupt(u, "the fields of a record type do not add up");
    if (rc == 0)
        rc = weir_schema_new(from->name, fields, (uint32_t)count, ret, u->err);
    weir_arena_destroy(&arena);
    return rc;
}

static int unpack_schemas(unpacking *u)
{
    size_t count = u->message->n_schemas;
    int rc = 0;

    if (count > (size_t)WEIR_GRAPH_OPERATORS_MAX * (WEIR_GRAPH_INPUTS_MAX + WEIR_GRAPH_OUTPUTS_MAX))
        return corrupt(u, "too many record types");
    u->schemas = weir_calloc(count + 1, sizeof(*u->schemas));
    if (u->schemas == NULL)
        return no_memory(u);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = unpack_schema(u, u->message->schemas[i], &u->schemas[i]);
    return rc;
}

static int take_text(unpacking *u, const char *text, const char **ret)
{
    if (text[0] == '\0') {
        *ret = "";
        return 0;
    }
    *ret = weir_arena_strdup(u->graph->arena, text);
    if (*ret != NULL)
        return 0;
    *ret = "";
    return no_memory(u);
}

static int unpack_options(unpacking *u, option_message *const *from, size_t count,
                          weir_graph_option **ret, uint32_t *ret_count)
{
    weir_graph_option *options;
    int rc = 0;

    if (count > WEIR_GRAPH_OPTIONS_MAX)
        return corrupt(u, "too many options");
    if (count == 0)
        return 0;
    options = weir_arena_alloc(u->graph->arena, count * sizeof(*options));
    if (options == NULL)
        return no_memory(u);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = take_text(u, from[i]->name, &options[i].name);
        if (rc == 0)
            rc = take_text(u, from[i]->value, &options[i].value);
    }
    *ret = options;
    *ret_count = (uint32_t)count;
    return rc;
}

static int take_schemas(unpacking *u, const uint32_t *indices, size_t count, size_t max,
                        weir_schema **into, uint32_t *ret_count)
{
    if (count > max)
        return corrupt(u, "an operator has too many inputs or outputs");
    for (size_t i = 0; i < count; i++) {
        if (indices[i] >= u->message->n_schemas)
            return corrupt(u, "an operator has an unknown record type");
        into[i] = weir_schema_ref(u->schemas[indices[i]]);
        *ret_count = (uint32_t)i + 1;
    }
    return 0;
}

static int take_keys(unpacking *u, const uint32_t *from, size_t count, uint32_t *into,
                     uint32_t *ret_count)
{
    if (count > WEIR_GRAPH_KEYS_MAX)
        return corrupt(u, "too many keys");
    if (count > 0)
        memcpy(into, from, count * sizeof(*into));
    *ret_count = (uint32_t)count;
    return 0;
}

static int unpack_shape(unpacking *u, const operator_message *from, weir_graph_operator *op)
{
    int rc = take_schemas(u, from->inputs, from->n_inputs, WEIR_GRAPH_INPUTS_MAX, op->inputs,
                          &op->ninputs);

    if (rc == 0)
        rc = take_schemas(u, from->outputs, from->n_outputs, WEIR_GRAPH_OUTPUTS_MAX, op->outputs,
                          &op->noutputs);
    if (rc == 0 && from->n_output_names != from->n_outputs)
        rc = corrupt(u, "an operator's outputs and their names differ in number");
    for (size_t i = 0; rc == 0 && i < from->n_output_names; i++)
        rc = take_text(u, from->output_names[i], &op->output_names[i]);
    return rc == 0 ? take_keys(u, from->keys, from->n_keys, op->keys, &op->nkeys) : rc;
}

static int unpack_texts(unpacking *u, const operator_message *from, weir_graph_operator *op)
{
    int rc = take_text(u, from->name, &op->name);

    if (rc == 0)
        rc = take_text(u, from->uid, &op->uid);
    if (rc == 0)
        rc = take_text(u, from->where, &op->where);
    if (rc == 0)
        rc = take_text(u, from->connector, &op->connector);
    if (rc == 0)
        rc = take_text(u, from->url, &op->url);
    if (rc == 0)
        rc = take_text(u, from->path, &op->path);
    return rc == 0 ? unpack_options(u, from->options, from->n_options, &op->options, &op->noptions)
                   : rc;
}

static int unpack_operator(unpacking *u, const operator_message *from)
{
    weir_graph_operator *op = weir_graph_add_operator(u->graph);
    int rc;

    if (op == NULL)
        return no_memory(u);
    if (from->kind > WEIR_OPERATOR_SINK || from->phase > WEIR_PHASE_FINAL ||
        from->id.len != sizeof(op->id.bytes))
        return corrupt(u, "an operator has an unknown kind or phase, or no id");
    op->kind = (enum weir_operator_kind)from->kind;
    op->phase = (enum weir_phase)from->phase;
    memcpy(op->id.bytes, from->id.data, sizeof(op->id.bytes));
    op->parallelism = from->parallelism;
    op->no_chain = from->no_chain;
    op->origin = from->origin;
    op->retracts = from->retracts;
    op->count_field = from->count_field;
    op->count_input = from->count_input;
    op->bounded = from->bounded;
    rc = unpack_texts(u, from, op);
    return rc == 0 ? unpack_shape(u, from, op) : rc;
}

static int unpack_edge(unpacking *u, const edge_message *from)
{
    weir_graph_edge *edge = weir_graph_add_edge(u->graph);

    if (edge == NULL)
        return no_memory(u);
    if (from->kind > WEIR_EDGE_BROADCAST)
        return corrupt(u, "an edge is of an unknown kind");
    edge->from = from->from;
    edge->from_output = from->from_output;
    edge->to = from->to;
    edge->to_input = from->to_input;
    edge->kind = (enum weir_edge_kind)from->kind;
    return take_keys(u, from->keys, from->n_keys, edge->keys, &edge->nkeys);
}

static int unpack_graph(unpacking *u)
{
    const graph_message *message = u->message;
    int rc;

    if (message->n_operators > WEIR_GRAPH_OPERATORS_MAX || message->n_edges > WEIR_GRAPH_EDGES_MAX)
        return corrupt(u, "too many operators or edges");
    u->graph->parallelism = message->parallelism;
    u->graph->max_parallelism = message->max_parallelism;
    u->graph->batch = message->batch;
    rc = unpack_options(u, message->params, message->n_params, &u->graph->params,
                        &u->graph->nparams);
    if (rc == 0)
        rc = unpack_schemas(u);
    for (size_t i = 0; rc == 0 && i < message->n_operators; i++)
        rc = unpack_operator(u, message->operators[i]);
    for (size_t i = 0; rc == 0 && i < message->n_edges; i++)
        rc = unpack_edge(u, message->edges[i]);
    return rc == 0 ? weir_graph_validate(u->graph, u->err) : rc;
}

int weir_graph_unpack(const void *bytes, size_t size, weir_graph **ret, weir_error *err)
{
    ProtobufCMessage *base = NULL;
    unpacking u = {NULL, NULL, NULL, err};
    int rc = weir_proto_unpack(&weir__proto__job_graph__descriptor, bytes, size, UNPACK_MEMORY_MAX,
                               &base, err);

    if (rc != 0)
        return rc;
    u.message = (const graph_message *)base;
    rc = weir_graph_new(u.message->name, &u.graph);
    if (rc == 0)
        rc = unpack_graph(&u);
    else
        no_memory(&u);
    for (size_t i = 0; u.schemas != NULL && i < u.message->n_schemas; i++)
        weir_schema_unref(&u.schemas[i]);
    weir_free(u.schemas);
    weir_proto_free(base);
    if (rc == 0)
        *ret = u.graph;
    else
        weir_graph_destroy(&u.graph);
    return rc;
}
