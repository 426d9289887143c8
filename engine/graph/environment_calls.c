/* The building half of the job API: calls that make operators, and the table. */
#include "base/memory.h"
#include "graph/job_builder.h"

#include <stdio.h>
#include <string.h>

#define OP_SIZE_MAX 4096 /* of a weir_op of a newer header */

/* ---- pieces ---- */

/* Room for the user code of one more operator. */
static int reserve_code(weir_env *env)
{
    uint32_t capacity = env->code_capacity == 0 ? 16 : env->code_capacity * 2;
    weir_user_code *larger;

    if (env->graph->noperators < env->code_capacity)
        return 0;
    larger = weir_realloc(env->code, capacity * sizeof(*larger));
    if (larger == NULL)
        return WEIR_ENO_MEMORY;
    env->code = larger;
    env->code_capacity = capacity;
    return 0;
}

/* A new operator with texts and user code in place; NULL when memory or the limit ends. */
static weir_graph_operator *add_operator(weir_env *env, const weir_call *call,
                                         enum weir_operator_kind kind, const char *name)
{
    weir_arena *arena = env->graph->arena;
    weir_graph_operator *op = reserve_code(env) == 0 ? weir_graph_add_operator(env->graph) : NULL;

    if (op == NULL) {
        if (env->graph->noperators < WEIR_GRAPH_OPERATORS_MAX)
            env->no_memory = true;
        else if (!env->limit_noted)
            weir_job_note(env, call, "more than %d operators; a job cannot have more",
                          WEIR_GRAPH_OPERATORS_MAX);
        env->limit_noted = env->limit_noted || !env->no_memory;
        return NULL;
    }
    if (name == NULL || name[0] == '\0' || strlen(name) > WEIR_GRAPH_NAME_MAX) {
        weir_job_note(env, call, "the operator's name is missing or too long; give 1 to %d bytes",
                      WEIR_GRAPH_NAME_MAX);
        name = "?";
    }
    memset(&env->code[op->index], 0, sizeof(env->code[0]));
    op->kind = kind;
    op->name = weir_arena_strdup(arena, name);
    op->where =
        weir_arena_printf(arena, "%s:%d", call->file == NULL ? "?" : call->file, call->line);
    if (op->name == NULL || op->where == NULL) {
        env->no_memory = true;
        op->name = op->where = "";
    }
    return op;
}

/* The schema of a record type (a new reference), or NULL when it is noted as wrong. */
static weir_schema *type_schema(weir_env *env, const weir_call *call, const weir_type *type)
{
    weir_error problem = WEIR_ERROR_INIT;
    weir_schema *schema = NULL;
    int rc;

    if (type == NULL) {
        weir_job_note(env, call,
                      "the record type is NULL; declare it with WEIR_RECORD and give it "
                      "with WEIR_TYPE");
        return NULL;
    }
    rc = weir_schema_from_type(type, &schema, &problem);
    if (rc == WEIR_ENO_MEMORY)
        env->no_memory = true;
    else if (rc != 0)
        weir_job_note(env, call, "record '%s': %s", type->name == NULL ? "?" : type->name,
                      problem.text);
    return schema;
}

static void note_type(weir_env *env, const weir_call *call, const char *name,
                      const weir_schema *wants, const weir_schema *has)
{
    weir_buffer first = WEIR_BUFFER_INIT, second = WEIR_BUFFER_INIT;

    weir_schema_format(wants, &first);
    weir_schema_format(has, &second);
    weir_job_note(env, call,
                  "'%s' takes '%s' (%.200s); the stream carries '%s' (%.200s); make them the same",
                  name, weir_job_record_name(wants), weir_buffer_text(&first),
                  weir_job_record_name(has), weir_buffer_text(&second));
    weir_buffer_deinit(&first);
    weir_buffer_deinit(&second);
}

/* Joins the stream to an input of the operator; the edges' kinds are settled at the end. */
static void connect(weir_stream *in, const weir_call *call, weir_graph_operator *op, uint32_t input)
{
    weir_env *env = in->env;

    in->used = true;
    if (in->schema != NULL && op->inputs[input] != NULL &&
        !weir_schema_equal(in->schema, op->inputs[input]))
        note_type(env, call, op->name, op->inputs[input], in->schema);
    if (env->nedges + in->nparts > WEIR_GRAPH_EDGES_MAX) {
        weir_job_note(env, call, "more than %d edges; a job cannot have more",
                      WEIR_GRAPH_EDGES_MAX);
        return;
    }
    for (uint32_t i = 0; i < in->nparts; i++) {
        if (env->nedges == env->edges_capacity) {
            uint32_t capacity = env->edges_capacity == 0 ? 16 : env->edges_capacity * 2;
            weir_pending_edge *larger = weir_realloc(env->edges, capacity * sizeof(*larger));

            if (larger == NULL) {
                env->no_memory = true;
                return;
            }
            env->edges = larger;
            env->edges_capacity = capacity;
        }
        env->edges[env->nedges].part = in->parts[i];
        env->edges[env->nedges].to = op->index;
        env->edges[env->nedges++].to_input = input;
    }
}

static weir_stream *main_stream(weir_env *env, const weir_call *call, const weir_graph_operator *op)
{
    weir_stream *stream = weir_job_stream_new(env, call, op->outputs[0], 1);

    if (stream->nparts == 1)
        stream->parts[0].from = op->index;
    /* Who has no output is an end of the job by itself. */
    stream->used = op->noutputs == 0;
    return stream;
}

/* ---- sources and sinks ---- */

/* The connector of a source or sink: its name, "source file", and all of its URL. */
static void resolve(weir_env *env, const weir_call *call, weir_graph_operator *op, const char *url)
{
    bool sink = op->kind == WEIR_OPERATOR_SINK;
    const char *full, *name;
    const weir_connector *connector;
    weir_error problem = WEIR_ERROR_INIT;
    int rc;

    if (url == NULL) {
        weir_job_note(env, call, "the URL is NULL; write connector:path?option=value");
        return;
    }
    full = weir_job_expand(env, call, url);
    if (full == NULL)
        return;
    name = weir_arena_printf(env->graph->arena, "%s %.*s", sink ? "sink" : "source",
                             (int)strnlen(full, strcspn(full, ":")), full);
    if (name != NULL && strlen(name) <= WEIR_GRAPH_NAME_MAX)
        op->name = name;
    rc = weir_connector_resolve(env->config->catalog, env->graph->arena, full, sink, op, &problem);
    if (rc == WEIR_ENO_MEMORY || name == NULL) {
        env->no_memory = true;
    } else if (rc != 0) {
        weir_job_note(env, call, "%s", problem.text);
    } else {
        connector = weir_connector_find(env->config->catalog, op->connector);
        if (connector->local_only && !env->config->local)
            weir_job_note(
                env, call,
                "'%s' belongs to this terminal; the job runs on a cluster, which does not "
                "see it; run the job locally or use another connector",
                full);
    }
}

static weir_stream *call_source(weir_env *env, const char *url, const weir_type *type,
                                const char *file, int line)
{
    const weir_call call = {"source", file, line};
    weir_graph_operator *op = add_operator(env, &call, WEIR_OPERATOR_SOURCE, "source");

    if (op == NULL)
        return &env->lost;
    op->outputs[0] = type_schema(env, &call, type);
    op->noutputs = 1;
    env->code[op->index].out = type;
    resolve(env, &call, op, url);
    return main_stream(env, &call, op);
}

static void call_sink(weir_stream *in, const char *url, const char *file, int line)
{
    const weir_call call = {"sink", file, line};
    weir_graph_operator *op;

    in = weir_job_stream(in, &call);
    op = in == NULL ? NULL : add_operator(in->env, &call, WEIR_OPERATOR_SINK, "sink");
    if (op == NULL)
        return;
    op->ninputs = 1;
    if (in->schema != NULL)
        op->inputs[0] = weir_schema_ref(in->schema);
    connect(in, &call, op, 0);
    /* A connector may look at the schema, so without one it has nothing to look at. */
    if (in->schema != NULL)
        resolve(in->env, &call, op, url);
    else if (url != NULL)
        (void)weir_job_expand(in->env, &call, url);
}

/* ---- map and filter ---- */

static weir_stream *call_map(weir_stream *in, const char *name, weir_map_fn function,
                             const weir_type *in_type, const weir_type *out_type, const char *file,
                             int line)
{
    const weir_call call = {"map", file, line};
    weir_graph_operator *op;

    in = weir_job_stream(in, &call);
    op = in == NULL ? NULL : add_operator(in->env, &call, WEIR_OPERATOR_MAP, name);
    if (op == NULL)
        return in == NULL ? NULL : &in->env->lost;
    if (function == NULL)
        weir_job_note(in->env, &call, "the function is NULL; give a weir_map_fn");
    op->ninputs = op->noutputs = 1;
    op->inputs[0] = type_schema(in->env, &call, in_type);
    op->outputs[0] = type_schema(in->env, &call, out_type);
    in->env->code[op->index] = (weir_user_code){.map = function, .in = in_type, .out = out_type};
    connect(in, &call, op, 0);
    return main_stream(in->env, &call, op);
}

static weir_stream *call_filter(weir_stream *in, const char *name, weir_filter_fn function,
                                const weir_type *type, const char *file, int line)
{
    const weir_call call = {"filter", file, line};
    weir_graph_operator *op;

    in = weir_job_stream(in, &call);
    op = in == NULL ? NULL : add_operator(in->env, &call, WEIR_OPERATOR_FILTER, name);
    if (op == NULL)
        return in == NULL ? NULL : &in->env->lost;
    if (function == NULL)
        weir_job_note(in->env, &call, "the function is NULL; give a weir_filter_fn");
    op->ninputs = op->noutputs = 1;
    op->inputs[0] = type_schema(in->env, &call, type);
    if (op->inputs[0] != NULL)
        op->outputs[0] = weir_schema_ref(op->inputs[0]);
    in->env->code[op->index] = (weir_user_code){.filter = function, .in = type, .out = type};
    connect(in, &call, op, 0);
    return main_stream(in->env, &call, op);
}

/* ---- process ---- */

/* Our view of an operator: members that its header did not have are zero. False when it is noted as
 * unusable. */
static bool read_op(weir_env *env, const weir_call *call, const weir_op *given, weir_op *ret)
{
    size_t ours = sizeof(*ret);

    memset(ret, 0, sizeof(*ret));
    if (given == NULL) {
        weir_job_note(env, call, "the operator is NULL; give a weir_op");
        return false;
    }
    if (given->size < offsetof(weir_op, on_input) || given->size > OP_SIZE_MAX) {
        weir_job_note(env, call,
                      "the operator's size is %u, which cannot be; begin it with WEIR_OP(name, in, "
                      "out)",
                      given->size);
        return false;
    }
    for (size_t i = ours; i < given->size; i++) {
        if (((const unsigned char *)given)[i] != 0) {
            weir_job_note(env, call,
                          "operator '%s' sets members that this weir does not know; it was built "
                          "with newer headers; update weir or build it with this weir's headers",
                          given->name == NULL ? "?" : given->name);
            return false;
        }
    }
    memcpy(ret, given, given->size < ours ? given->size : ours);
    return true;
}

static void check_callbacks(weir_env *env, const weir_call *call, const weir_op *op,
                            uint32_t ninputs)
{
    int count = (op->on_record != NULL) + (op->on_input != NULL) + (op->on_batch != NULL);
    const char *name = op->name == NULL ? "?" : op->name;

    if (count != 1)
        weir_job_note(env, call, "'%s' has %s of on_record, on_input and on_batch; set exactly one",
                      name, count == 0 ? "none" : "several");
    else if (ninputs == 2 && op->on_record != NULL)
        weir_job_note(env, call,
                      "'%s' has on_record, which cannot tell its two inputs apart; set on_input",
                      name);
    if (ninputs == 1 && op->in2 != NULL)
        weir_job_note(env, call, "'%s' declares a second input (.in2); call weir_process2", name);
}

static void take_sides(weir_env *env, const weir_call *call, const weir_op *code,
                       weir_graph_operator *op)
{
    for (uint32_t i = 0; code->sides != NULL && code->sides[i].name != NULL; i++) {
        const weir_output *side = &code->sides[i];

        if (op->noutputs == WEIR_GRAPH_OUTPUTS_MAX) {
            weir_job_note(
                env, call,
                "'%s' has more than %d side outputs; use fewer, and end .sides with {NULL, "
                "NULL}",
                op->name, WEIR_GRAPH_OUTPUTS_MAX - 1);
            return;
        }
        if (side->name[0] == '\0' || strlen(side->name) > WEIR_GRAPH_NAME_MAX)
            weir_job_note(env, call,
                          "a side output of '%s' has an empty or too long name; give 1 to %d bytes",
                          op->name, WEIR_GRAPH_NAME_MAX);
        for (uint32_t k = 1; k < op->noutputs; k++) {
            if (strcmp(op->output_names[k], side->name) == 0)
                weir_job_note(env, call, "'%s' has two side outputs '%s'; rename one", op->name,
                              side->name);
        }
        op->outputs[op->noutputs] = type_schema(env, call, side->type);
        op->output_names[op->noutputs] = weir_arena_strdup(env->graph->arena, side->name);
        if (op->output_names[op->noutputs] == NULL) {
            op->output_names[op->noutputs] = "";
            env->no_memory = true;
        }
        op->noutputs++;
    }
}

static weir_stream *add_process(weir_stream **inputs, uint32_t ninputs, const weir_op *given,
                                const weir_call *call)
{
    weir_env *env = inputs[0]->env;
    weir_graph_operator *op;
    weir_op code;

    for (uint32_t i = 0; i < ninputs; i++)
        inputs[i]->used = true;
    if (!read_op(env, call, given, &code))
        return weir_job_stream_new(env, call, NULL, 0);
    op = add_operator(env, call, WEIR_OPERATOR_PROCESS, code.name);
    if (op == NULL)
        return &env->lost;
    check_callbacks(env, call, &code, ninputs);
    op->ninputs = ninputs;
    op->inputs[0] = type_schema(env, call, code.in);
    if (ninputs == 2)
        op->inputs[1] = type_schema(env, call, code.in2);
    if (code.out != NULL) {
        op->outputs[0] = type_schema(env, call, code.out);
        op->noutputs = 1;
        take_sides(env, call, &code, op);
    } else if (code.sides != NULL && code.sides[0].name != NULL) {
        weir_job_note(env, call, "'%s' has side outputs but no main output; set .out", op->name);
    }
    env->code[op->index] =
        (weir_user_code){.op = given, .in = code.in, .in2 = code.in2, .out = code.out};
    for (uint32_t i = 0; i < ninputs; i++)
        connect(inputs[i], call, op, i);
    return main_stream(env, call, op);
}

static weir_stream *call_process(weir_stream *in, const weir_op *op, const char *file, int line)
{
    const weir_call call = {"process", file, line};

    in = weir_job_stream(in, &call);
    return in == NULL ? NULL : add_process(&in, 1, op, &call);
}

/* Both streams, or stand-ins; one of another job is noted and replaced. */
static bool take_two(weir_stream **a, weir_stream **b, const weir_call *call)
{
    *a = weir_job_stream(*a, call);
    *b = weir_job_stream(*b, call);
    return *a != NULL && *b != NULL;
}

static weir_stream *call_process2(weir_stream *a, weir_stream *b, const weir_op *op,
                                  const char *file, int line)
{
    const weir_call call = {"process2", file, line};
    weir_stream *inputs[2];

    if (!take_two(&a, &b, &call))
        return NULL;
    if (b->env != a->env) {
        weir_job_note(a->env, &call, "the streams belong to two jobs; use streams of this job");
        b = &a->env->lost;
    }
    inputs[0] = a;
    inputs[1] = b;
    return add_process(inputs, 2, op, &call);
}

/* ---- count and reduce ---- */

static bool check_keyed(const weir_stream *in, const weir_call *call)
{
    if (weir_job_keys(in) != NULL)
        return true;
    if (in->nparts > 0)
        weir_job_note(in->env, call,
                      "the stream is not keyed; a %s works per key; call weir_key_by before it",
                      call->name);
    return false;
}

static void take_keys(weir_graph_operator *op, const weir_part *keys)
{
    op->nkeys = keys->nkeys;
    memcpy(op->keys, keys->keys, keys->nkeys * sizeof(keys->keys[0]));
}

static bool same_type(const weir_schema_field *a, const weir_schema_field *b)
{
    return a->kind == b->kind && a->precision == b->precision && a->scale == b->scale;
}

/* The field of the count's record that is no key; the record must be the keys and one bigint. */
static void check_count(weir_env *env, const weir_call *call, const weir_schema *in,
                        weir_graph_operator *op)
{
    const weir_schema *out = op->outputs[0];
    bool is_key[WEIR_SCHEMA_FIELDS_MAX] = {false};
    const char *record = weir_job_record_name(out);
    weir_buffer fields = WEIR_BUFFER_INIT;
    uint32_t others = 0;

    weir_job_put_fields(&fields, out);
    for (uint32_t i = 0; i < op->nkeys; i++) {
        const weir_schema_field *key = weir_schema_at(in, op->keys[i]);
        int at = weir_schema_find(out, key->name);

        if (at < 0)
            weir_job_note(
                env, call,
                "'%s' has no field '%s', which is a key of the stream; it has: %s; add it", record,
                key->name, weir_buffer_text(&fields));
        else if (!same_type(key, weir_schema_at(out, (uint32_t)at)))
            weir_job_note(env, call,
                          "field '%s' of '%s' is of another type than the key of the stream; it is "
                          "%s, the key is %s; make them the same",
                          key->name, record,
                          weir_kind_name(weir_schema_at(out, (uint32_t)at)->kind),
                          weir_kind_name(key->kind));
        if (at >= 0)
            is_key[at] = true;
    }
    for (uint32_t i = 0; i < weir_schema_count(out); i++) {
        if (!is_key[i]) {
            others++;
            op->count_field = i;
        }
    }
    if (others != 1 || weir_schema_at(out, op->count_field)->kind != WEIR_KIND_bigint)
        weir_job_note(
            env, call,
            "'%s' must be the keys and exactly one bigint more for the count; it has: %s; "
            "change the record",
            record, weir_buffer_text(&fields));
    weir_buffer_deinit(&fields);
}

static weir_stream *call_count(weir_stream *in, const weir_type *type, const char *file, int line)
{
    const weir_call call = {"count", file, line};
    weir_graph_operator *op;

    in = weir_job_stream(in, &call);
    op = in == NULL ? NULL : add_operator(in->env, &call, WEIR_OPERATOR_COUNT, "count");
    if (op == NULL)
        return in == NULL ? NULL : &in->env->lost;
    op->ninputs = op->noutputs = 1;
    if (in->schema != NULL)
        op->inputs[0] = weir_schema_ref(in->schema);
    op->outputs[0] = type_schema(in->env, &call, type);
    in->env->code[op->index].out = type;
    if (in->schema != NULL && check_keyed(in, &call)) {
        take_keys(op, weir_job_keys(in));
        if (op->outputs[0] != NULL)
            check_count(in->env, &call, in->schema, op);
    }
    connect(in, &call, op, 0);
    return main_stream(in->env, &call, op);
}

static weir_stream *call_reduce(weir_stream *in, weir_reduce_fn function, const weir_type *type,
                                const char *file, int line)
{
    const weir_call call = {"reduce", file, line};
    weir_graph_operator *op;

    in = weir_job_stream(in, &call);
    op = in == NULL ? NULL : add_operator(in->env, &call, WEIR_OPERATOR_REDUCE, "reduce");
    if (op == NULL)
        return in == NULL ? NULL : &in->env->lost;
    if (function == NULL)
        weir_job_note(in->env, &call, "the function is NULL; give a weir_reduce_fn");
    op->ninputs = op->noutputs = 1;
    op->inputs[0] = type_schema(in->env, &call, type);
    if (op->inputs[0] != NULL)
        op->outputs[0] = weir_schema_ref(op->inputs[0]);
    in->env->code[op->index] = (weir_user_code){.reduce = function, .in = type, .out = type};
    if (in->schema != NULL && check_keyed(in, &call))
        take_keys(op, weir_job_keys(in));
    connect(in, &call, op, 0);
    return main_stream(in->env, &call, op);
}

/* ---- calls that make no operator ---- */

static weir_stream *call_side(weir_stream *in, const char *output, const char *file, int line)
{
    const weir_call call = {"side", file, line};

    in = weir_job_stream(in, &call);
    return in == NULL ? NULL : weir_job_side(in, &call, output);
}

static weir_stream *call_union(weir_stream *a, weir_stream *b, const char *file, int line)
{
    const weir_call call = {"union", file, line};

    return take_two(&a, &b, &call) ? weir_job_union(a, b, &call) : NULL;
}

static weir_stream *call_key_by(weir_stream *in, const char *fields, const char *file, int line)
{
    const weir_call call = {"key_by", file, line};

    in = weir_job_stream(in, &call);
    return in == NULL ? NULL : weir_job_key_by(in, &call, fields);
}

static weir_stream *call_partition(weir_stream *in, int how, const char *file, int line)
{
    static const char *const names[] = {"partition", "forward", "rebalance", "broadcast"};
    const weir_call call = {how >= 1 && how <= 3 ? names[how] : names[0], file, line};

    in = weir_job_stream(in, &call);
    return in == NULL ? NULL : weir_job_partition(in, &call, how);
}

static weir_stream *call_set(weir_stream *in, int what, const char *text, int64_t number,
                             const char *file, int line)
{
    static const char *const names[] = {"set", "uid", "name", "parallelism", "no_chain"};
    const weir_call call = {what >= 1 && what <= 4 ? names[what] : names[0], file, line};

    in = weir_job_stream(in, &call);
    return in == NULL ? NULL : weir_job_set(in, &call, what, text, number);
}

static const char *call_param(weir_env *env, const char *name, const char *fallback,
                              const char *file, int line)
{
    const weir_call call = {"env_param", file, line};

    return weir_job_param(env, &call, name, fallback);
}

static void WEIR_PRINTF(4, 5)
    call_fail(weir_env *env, const char *file, int line, const char *format, ...)
{
    const weir_call call = {"", file, line};
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    weir_job_note(env, &call, "%s", text);
}

/* ---- the running half: nothing runs while a graph is built ---- */

static int no_emit_to(weir_ctx *ctx, uint32_t output, const void *record, int64_t timestamp,
                      int row_kind)
{
    (void)ctx, (void)output, (void)record, (void)timestamp, (void)row_kind;
    return WEIR_ESTATE;
}

static int no_emit_columns(weir_ctx *ctx, uint32_t output, const weir_columns *columns,
                           const uint32_t *selection, uint32_t count)
{
    (void)ctx, (void)output, (void)columns, (void)selection, (void)count;
    return WEIR_ESTATE;
}

static int WEIR_PRINTF(2, 3) no_fail(weir_ctx *ctx, const char *format, ...)
{
    (void)ctx, (void)format;
    return WEIR_ESTATE;
}

static void *no_instance(weir_ctx *ctx)
{
    (void)ctx;
    return NULL;
}

static const char *no_param(weir_ctx *ctx, const char *name)
{
    (void)ctx, (void)name;
    return NULL;
}

static uint32_t no_number(weir_ctx *ctx)
{
    (void)ctx;
    return 0;
}

static int64_t no_timestamp(weir_ctx *ctx)
{
    (void)ctx;
    return WEIR_NO_TIMESTAMP;
}

static int no_row_kind(weir_ctx *ctx)
{
    (void)ctx;
    return WEIR_INSERT;
}

static void WEIR_PRINTF(2, 3) no_log(weir_ctx *ctx, const char *format, ...)
{
    (void)ctx, (void)format;
}

void weir_environment_api(weir_api *api)
{
    *api = (weir_api){
        .size = sizeof(*api),
        .abi = WEIR_ABI,
        .source = call_source,
        .map = call_map,
        .filter = call_filter,
        .process = call_process,
        .process2 = call_process2,
        .side = call_side,
        .union_ = call_union,
        .key_by = call_key_by,
        .partition = call_partition,
        .count = call_count,
        .reduce = call_reduce,
        .sink = call_sink,
        .set = call_set,
        .env_param = call_param,
        .env_fail = call_fail,
        .emit_to = no_emit_to,
        .emit_columns = no_emit_columns,
        .fail = no_fail,
        .instance = no_instance,
        .param = no_param,
        .subtask = no_number,
        .parallelism = no_number,
        .timestamp = no_timestamp,
        .row_kind = no_row_kind,
        .log = no_log,
    };
}
