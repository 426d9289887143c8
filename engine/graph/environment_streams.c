/* Calls of the job API that make a stream of another stream without a new operator. */
#include "base/memory.h"
#include "base/units.h"
#include "batch/key.h"
#include "graph/job_builder.h"

#include <string.h>

#define PARTS_MAX 4096 /* streams in one union */

weir_stream *weir_job_stream(weir_stream *stream, const weir_call *call)
{
    weir_env *env = weir_job_building();

    if (stream != NULL)
        return stream;
    if (env == NULL)
        return NULL;
    weir_job_note(env, call, "the stream is NULL; give it the result of another call");
    return &env->lost;
}

weir_stream *weir_job_stream_new(weir_env *env, const weir_call *call, weir_schema *schema,
                                 uint32_t nparts)
{
    weir_stream *stream = weir_arena_alloc(env->arena, sizeof(*stream));

    if (stream != NULL && nparts > 0) {
        stream->parts = weir_arena_alloc(env->arena, nparts * sizeof(*stream->parts));
        if (stream->parts == NULL)
            stream = NULL;
    }
    if (stream == NULL) {
        env->no_memory = true;
        return &env->lost;
    }
    stream->env = env;
    stream->call = *call;
    stream->schema = schema;
    stream->nparts = nparts;
    *env->streams_tail = stream;
    env->streams_tail = &stream->next;
    return stream;
}

const weir_part *weir_job_keys(const weir_stream *stream)
{
    const weir_part *first = stream->parts;

    if (stream->nparts == 0 || first->kind != WEIR_EDGE_HASH)
        return NULL;
    for (uint32_t i = 1; i < stream->nparts; i++) {
        const weir_part *part = &stream->parts[i];

        if (part->kind != WEIR_EDGE_HASH || part->nkeys != first->nkeys ||
            memcmp(part->keys, first->keys, first->nkeys * sizeof(first->keys[0])) != 0)
            return NULL;
    }
    return first;
}

const char *weir_job_record_name(const weir_schema *schema)
{
    const char *name = schema == NULL ? "" : weir_schema_name(schema);

    return name[0] == '\0' ? "the stream" : name;
}

void weir_job_put_fields(weir_buffer *out, const weir_schema *schema)
{
    for (uint32_t i = 0; i < weir_schema_count(schema); i++)
        weir_buffer_printf(out, "%s%s", i == 0 ? "" : ", ", weir_schema_at(schema, i)->name);
}

void weir_job_put_similar(weir_buffer *out, const weir_schema *schema, const char *name)
{
    const char *names[WEIR_SCHEMA_FIELDS_MAX], *near;

    for (uint32_t i = 0; i < weir_schema_count(schema); i++)
        names[i] = weir_schema_at(schema, i)->name;
    near = weir_suggest(name, names, weir_schema_count(schema));
    if (near != NULL)
        weir_buffer_printf(out, "; did you mean '%s'?", near);
}

/* The same upstreams under another partitioning. */
static weir_stream *repartition(weir_stream *in, const weir_call *call, int kind,
                                const uint32_t *keys, uint32_t nkeys)
{
    weir_stream *out = weir_job_stream_new(in->env, call, in->schema, in->nparts);

    in->used = true;
    for (uint32_t i = 0; i < out->nparts; i++) {
        weir_part *part = &out->parts[i];

        part->from = in->parts[i].from;
        part->from_output = in->parts[i].from_output;
        part->kind = kind;
        part->chosen = *call;
        part->nkeys = nkeys;
        if (nkeys > 0)
            memcpy(part->keys, keys, nkeys * sizeof(*keys));
    }
    return out;
}

/* ---- key_by ---- */

typedef struct key_list {
    uint32_t keys[WEIR_GRAPH_KEYS_MAX], count;
    bool bad;
} key_list;

static void note_no_field(const weir_stream *in, const weir_call *call, const char *name)
{
    weir_buffer text = WEIR_BUFFER_INIT;

    weir_buffer_puts(&text, "it has: ");
    weir_job_put_fields(&text, in->schema);
    weir_job_put_similar(&text, in->schema, name);
    weir_job_note(in->env, call, "'%s' has no field '%s'; %s", weir_job_record_name(in->schema),
                  name, weir_buffer_text(&text));
    weir_buffer_deinit(&text);
}

static void add_key(key_list *list, const weir_stream *in, const weir_call *call, const char *name)
{
    const char *record = weir_job_record_name(in->schema);
    int at = weir_schema_find(in->schema, name);
    const weir_schema_field *field;

    list->bad = true;
    if (at < 0) {
        note_no_field(in, call, name);
        return;
    }
    field = weir_schema_at(in->schema, (uint32_t)at);
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->keys[i] == (uint32_t)at) {
            weir_job_note(in->env, call, "field '%s' is named twice; name it once", name);
            return;
        }
    }
    if (!weir_graph_kind_is_key(field->kind)) {
        weir_job_note(
            in->env, call,
            "field '%s' of '%s' is of type %s, which cannot be a key; take fields that are "
            "no array, map or row",
            name, record, weir_kind_name(field->kind));
        return;
    }
    if (list->count == WEIR_GRAPH_KEYS_MAX) {
        weir_job_note(in->env, call, "more than %d key fields; use fewer", WEIR_GRAPH_KEYS_MAX);
        return;
    }
    list->keys[list->count++] = (uint32_t)at;
    list->bad = false;
}

static void parse_keys(key_list *list, const weir_stream *in, const weir_call *call,
                       const char *fields)
{
    bool bad = false;

    for (const char *at = fields;; at++) {
        size_t size = strcspn(at, ","), start = strspn(at, " \t"), end = size;
        char *name;

        if (start > size)
            start = size;
        while (end > start && (at[end - 1] == ' ' || at[end - 1] == '\t'))
            end--;
        name = weir_arena_strndup(in->env->arena, at + start, end - start);
        if (name == NULL) {
            in->env->no_memory = true;
        } else if (name[0] == '\0') {
            weir_job_note(in->env, call,
                          "'%s' names no field; write key fields like \"a\" or \"a, b\"", fields);
            bad = true;
        } else {
            add_key(list, in, call, name);
            bad = bad || list->bad;
        }
        at += size;
        if (*at == '\0')
            break;
    }
    list->bad = bad;
}

weir_stream *weir_job_key_by(weir_stream *in, const weir_call *call, const char *fields)
{
    key_list list = {{0}, 0, false};
    weir_stream *out;

    if (fields == NULL)
        weir_job_note(in->env, call, "the key fields are NULL; write \"a\" or \"a, b\"");
    else if (in->schema != NULL)
        parse_keys(&list, in, call, fields);
    out = repartition(in, call, WEIR_EDGE_HASH, list.keys, list.count);
    /* What follows cannot be checked against keys that are not there. */
    if (list.bad || list.count == 0)
        out->schema = NULL;
    return out;
}

weir_stream *weir_job_partition(weir_stream *in, const weir_call *call, int how)
{
    static const int kinds[] = {0, WEIR_EDGE_FORWARD, WEIR_EDGE_REBALANCE, WEIR_EDGE_BROADCAST};

    if (how < WEIR_FORWARD || how > WEIR_BROADCAST) {
        weir_job_note(in->env, call,
                      "unknown partitioning %d; use weir_forward, weir_rebalance or weir_broadcast",
                      how);
        return in;
    }
    return repartition(in, call, kinds[how], NULL, 0);
}

/* ---- union, side ---- */

static void note_mismatch(weir_env *env, const weir_call *call, const weir_schema *a,
                          const weir_schema *b)
{
    weir_buffer first = WEIR_BUFFER_INIT, second = WEIR_BUFFER_INIT;

    weir_schema_format(a, &first);
    weir_schema_format(b, &second);
    weir_job_note(env, call,
                  "the streams differ in type; '%s' is (%.200s), '%s' is (%.200s); map one to the "
                  "other's type",
                  weir_job_record_name(a), weir_buffer_text(&first), weir_job_record_name(b),
                  weir_buffer_text(&second));
    weir_buffer_deinit(&first);
    weir_buffer_deinit(&second);
}

weir_stream *weir_job_union(weir_stream *a, weir_stream *b, const weir_call *call)
{
    weir_env *env = a->env;
    uint32_t nparts = a->nparts + b->nparts;
    weir_stream *out;

    a->used = true;
    if (b->env != env) {
        weir_job_note(env, call, "the streams belong to two jobs; use streams of this job");
        return weir_job_stream_new(env, call, a->schema, 0);
    }
    b->used = true;
    if (nparts > PARTS_MAX) {
        weir_job_note(env, call, "a union of %u streams; at most %d are possible", nparts,
                      PARTS_MAX);
        nparts = 0;
    }
    if (a->schema != NULL && b->schema != NULL && !weir_schema_equal(a->schema, b->schema))
        note_mismatch(env, call, a->schema, b->schema);
    out = weir_job_stream_new(env, call, a->schema != NULL ? a->schema : b->schema, nparts);
    for (uint32_t i = 0; i < out->nparts; i++)
        out->parts[i] = i < a->nparts ? a->parts[i] : b->parts[i - a->nparts];
    return out;
}

static void note_no_side(const weir_stream *in, const weir_call *call,
                         const weir_graph_operator *op, const char *output)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    const char *near;

    if (op->noutputs < 2) {
        weir_job_note(in->env, call, "'%s' has no side outputs; declare '%s' in its .sides",
                      op->name, output);
        return;
    }
    for (uint32_t i = 1; i < op->noutputs; i++)
        weir_buffer_printf(&text, "%s%s", i == 1 ? "" : ", ", op->output_names[i]);
    near = weir_suggest(output, &op->output_names[1], op->noutputs - 1);
    weir_job_note(in->env, call, "'%s' has no side output '%s'; it has: %s%s%s%s", op->name, output,
                  weir_buffer_text(&text), near == NULL ? "" : "; did you mean '",
                  near == NULL ? "" : near, near == NULL ? "" : "'?");
    weir_buffer_deinit(&text);
}

weir_stream *weir_job_side(weir_stream *in, const weir_call *call, const char *output)
{
    weir_env *env = in->env;
    const weir_graph_operator *op;
    weir_stream *out;

    in->used = true;
    if (in->nparts == 0)
        return weir_job_stream_new(env, call, NULL, 0);
    op = &env->graph->operators[in->parts[0].from];
    if (output == NULL || in->nparts > 1 || op->kind != WEIR_OPERATOR_PROCESS) {
        weir_job_note(env, call,
                      "the stream is not that of one weir_process, so it has no side "
                      "outputs; give it the result of weir_process and a name");
        return weir_job_stream_new(env, call, NULL, 0);
    }
    for (uint32_t i = 1; i < op->noutputs; i++) {
        if (strcmp(op->output_names[i], output) != 0)
            continue;
        out = weir_job_stream_new(env, call, op->outputs[i], 1);
        if (out->nparts == 1) {
            out->parts[0].from = op->index;
            out->parts[0].from_output = i;
        }
        return out;
    }
    note_no_side(in, call, op, output);
    return weir_job_stream_new(env, call, NULL, 0);
}

/* ---- set ---- */

/* A copy in the graph, or NULL when it is noted as wrong. */
static const char *take_text(weir_env *env, const weir_call *call, const char *text)
{
    const char *copy;

    if (text == NULL || text[0] == '\0' || strlen(text) > WEIR_GRAPH_NAME_MAX) {
        weir_job_note(env, call, "the text is %s; give 1 to %d bytes",
                      text == NULL || text[0] == '\0' ? "empty" : "too long", WEIR_GRAPH_NAME_MAX);
        return NULL;
    }
    copy = weir_arena_strdup(env->graph->arena, text);
    if (copy == NULL)
        env->no_memory = true;
    return copy;
}

static void set_uid(weir_env *env, const weir_call *call, weir_graph_operator *op, const char *text)
{
    const char *uid = take_text(env, call, text);

    if (uid == NULL)
        return;
    for (uint32_t i = 0; i < env->graph->noperators; i++) {
        const weir_graph_operator *other = &env->graph->operators[i];

        if (other != op && strcmp(other->uid, uid) == 0) {
            weir_job_note(env, call,
                          "'%s' is set twice; '%s' (%s) has it already; a uid names one operator, "
                          "choose another",
                          uid, other->name, other->where);
            return;
        }
    }
    if (op->uid[0] != '\0' && strcmp(op->uid, uid) != 0)
        weir_job_note(env, call, "'%s' has the uid '%s' already; set it once", op->name, op->uid);
    op->uid = uid;
}

static void set_parallelism(weir_env *env, const weir_call *call, weir_graph_operator *op,
                            int64_t number)
{
    if (number < 1 || number > WEIR_MAX_PARALLELISM_LIMIT)
        weir_job_note(env, call, "parallelism of '%s' is %lld; it must be 1 to %u", op->name,
                      (long long)number, WEIR_MAX_PARALLELISM_LIMIT);
    else
        op->parallelism = (uint32_t)number;
}

weir_stream *weir_job_set(weir_stream *in, const weir_call *call, int what, const char *text,
                          int64_t number)
{
    weir_env *env = in->env;
    weir_graph_operator *op;
    const char *name;

    if (in->nparts > 1)
        weir_job_note(env, call, "a union is no operator; set it on the streams before the union");
    if (in->nparts != 1)
        return in;
    op = &env->graph->operators[in->parts[0].from];
    switch (what) {
    case WEIR_SET_UID:
        set_uid(env, call, op, text);
        break;
    case WEIR_SET_NAME:
        name = take_text(env, call, text);
        if (name != NULL)
            op->name = name;
        break;
    case WEIR_SET_PARALLELISM:
        set_parallelism(env, call, op, number);
        break;
    case WEIR_SET_NO_CHAIN:
        op->no_chain = number != 0;
        break;
    default:
        weir_job_note(env, call, "unknown setting %d; the job needs a newer weir", what);
    }
    return in;
}
