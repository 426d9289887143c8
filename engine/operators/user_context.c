#include "operators/user_context.h"

#include "operators/classes.h"
#include "operators/row_text.h"

#include <stdio.h>

#define LOG_LINE_MAX 2048

static weir_user_context *context_of(weir_ctx *ctx)
{
    return (weir_user_context *)ctx;
}

/* ---- failures ---- */

/* Emits that go on in the same callback must take the slow way, which asks for failures. */
static int stick(weir_user_context *self, int code)
{
    self->failure = code;
    self->readable.span = 0;
    return code;
}

WEIR_PRINTF(3, 4)
static int refuse(weir_user_context *self, int code, const char *format, ...)
{
    va_list args;

    if (self->failure != 0)
        return self->failure;
    va_start(args, format);
    (void)weir_error_vset(&self->error, code, format, args);
    va_end(args);
    return stick(self, code);
}

/* A collector's error is whole: it names the operator downstream that it comes from. */
static int report(weir_user_context *self, int code)
{
    self->reported = true;
    return stick(self, code);
}

int weir_user_context_fail(weir_user_context *context, int rc, const weir_schema *schema,
                           const weir_columns *columns, uint32_t row, weir_error *err)
{
    char record[WEIR_ROW_TEXT_MAX + 1];
    int code;

    for (uint32_t i = 0; i < context->nports; i++)
        weir_output_port_clear(&context->ports[i]);
    if (context->failure == 0)
        (void)refuse(context, WEIR_EUSER,
                     "a callback returned %d without a message; call weir_fail to say why", rc);
    code = context->failure;
    if (context->reported) { /* whoever takes the output said it; here is what it came from */
        if (err)
            *err = context->error;
        if (err && schema) {
            weir_row_text(schema, columns, row, record, sizeof record);
            code = weir_error_set(err, code, "%.*s; record %s", WEIR_USER_TEXT_MAX,
                                  context->error.text, record);
        }
    } else if (schema) {
        weir_row_text(schema, columns, row, record, sizeof record);
        (void)weir_operator_error(context->operator_, err, code, "%.*s; record %s",
                                  WEIR_USER_TEXT_MAX, context->error.text, record);
    } else {
        (void)weir_operator_error(context->operator_, err, code, "%.*s", WEIR_USER_TEXT_MAX,
                                  context->error.text);
    }
    return code;
}

/* ---- emits ---- */

static int may_not_emit(weir_ctx *ctx, const void *record)
{
    (void)record;
    return refuse(context_of(ctx), WEIR_EUSER,
                  "weir_emit where nothing may be emitted; only on_record, on_input, on_batch and "
                  "on_end may; a map gives its record through `out`");
}

int weir_user_context_put(weir_user_context *context, weir_output_port *port, const void *record,
                          int64_t timestamp, uint8_t row_kind)
{
    int rc;

    if (context->failure != 0)
        return context->failure;
    rc = weir_output_port_begin(port, &context->error);
    if (rc < 0)
        return report(context, rc);
    rc = weir_builder_append_record(port->builder, record, timestamp, row_kind);
    if (rc == WEIR_EINVALID)
        return refuse(context, rc,
                      "emits a record that does not fit %s; a value is longer than its "
                      "type allows or has too many digits",
                      weir_schema_name(port->schema));
    if (rc == WEIR_ETOO_LARGE)
        return refuse(context, rc, "emits a record that is too large; a batch holds at most %u MiB",
                      WEIR_BATCH_SIZE_MAX >> 20);
    if (rc < 0)
        return refuse(context, rc, "cannot emit a record: %s", weir_code_text(rc));
    rc = weir_output_port_advance(port, &context->error);
    return rc < 0 ? report(context, rc) : 0;
}

static int emit_record(weir_ctx *ctx, const void *record)
{
    weir_user_context *self = context_of(ctx);

    return weir_user_context_put(self, self->ports, record, self->timestamp, WEIR_INSERT);
}

/* Member by member: a load of the whole struct would wait for the caller's two stores to retire. */
static inline weir_string load_string(const void *record, uint32_t offset)
{
    const uint8_t *at = (const uint8_t *)record + offset;
    weir_string string;

    memcpy(&string.p, at + offsetof(weir_string, p), sizeof string.p);
    memcpy(&string.n, at + offsetof(weir_string, n), sizeof string.n);
    return string;
}

/* A long string, a string from elsewhere, one with an event time, or a batch that is full. */
static __attribute__((noinline)) int emit_string_slowly(weir_ctx *ctx, const void *record)
{
    weir_user_context *self = context_of(ctx);
    weir_string string = load_string(record, self->string_offset);
    int rc;

    if (self->failure != 0)
        return self->failure;
    if (self->timestamp != WEIR_NO_TIMESTAMP)
        return emit_record(ctx, record);
    if (weir_output_port_put_string(self->ports, string))
        return 0;
    rc = weir_output_port_hand_on(self->ports, &self->error);
    if (rc < 0)
        return report(self, rc);
    return weir_output_port_put_string(self->ports, string) ? 0 : emit_record(ctx, record);
}

/* The hot call of a flat map over text: a short string of the batch in hand. Nothing is readable
 * when there are event times, or after a failure. */
static int emit_string(weir_ctx *ctx, const void *record)
{
    weir_user_context *self = context_of(ctx);

    if (__builtin_expect(weir_output_port_put_short(self->ports,
                                                    load_string(record, self->string_offset),
                                                    &self->readable),
                         1))
        return 0;
    return emit_string_slowly(ctx, record);
}

void weir_user_context_allow_emits(weir_user_context *context, bool emits)
{
    bool main_output = context->nports > 0 && context->ports[0].builder;

    context->emits = emits;
    context->ctx.emit = may_not_emit;
    if (emits && main_output)
        context->ctx.emit = context->ports[0].strings ? emit_string : emit_record;
}

static weir_output_port *port_of(weir_user_context *self, uint32_t output)
{
    if (self->failure != 0)
        return NULL;
    if (!self->emits) {
        (void)may_not_emit(&self->ctx, NULL);
        return NULL;
    }
    if (output >= self->nports || !self->ports[output].builder) {
        (void)refuse(self, WEIR_EUSER,
                     "emits to output %u, which it does not have; it has %u output(s), numbered "
                     "from 0",
                     output, self->nports);
        return NULL;
    }
    return &self->ports[output];
}

static int emit_to(weir_ctx *ctx, uint32_t output, const void *record, int64_t timestamp,
                   int row_kind)
{
    weir_user_context *self = context_of(ctx);
    weir_output_port *port = port_of(self, output);

    if (!port)
        return self->failure;
    if (row_kind < WEIR_INSERT || row_kind > WEIR_DELETE)
        return refuse(self, WEIR_EUSER,
                      "emits a record of row kind %d; it is one of 0..3 (+I, -U, "
                      "+U, -D)",
                      row_kind);
    return weir_user_context_put(self, port, record, timestamp, (uint8_t)row_kind);
}

/* User code filled these columns: what can be checked per batch is. */
static int check_columns(weir_user_context *self, const weir_output_port *port,
                         const weir_columns *columns, const uint32_t *selection, uint32_t count)
{
    uint32_t fields = weir_schema_count(port->schema);

    if (columns->size < sizeof *columns || columns->ncolumns != fields)
        return refuse(self, WEIR_EUSER, "emits %u columns; its output has %u", columns->ncolumns,
                      fields);
    for (uint32_t i = 0; i < fields; i++) {
        const weir_schema_field *field = weir_schema_at(port->schema, i);
        const weir_column *column = &columns->columns[i];

        if (column->kind != field->kind || column->rows != columns->rows)
            return refuse(self, WEIR_EUSER,
                          "emits a column %s of %u rows of %s; it takes %u rows of %s", field->name,
                          column->rows, weir_kind_name(column->kind), columns->rows,
                          weir_kind_name(field->kind));
        if (column->nulls > 0 && !field->nullable)
            return refuse(self, WEIR_EUSER, "emits NULL in column %s, which is declared not NULL",
                          field->name);
    }
    for (uint32_t i = 0; selection && i < count; i++)
        if (selection[i] >= columns->rows)
            return refuse(self, WEIR_EUSER, "emits row %u of columns that have %u rows",
                          selection[i], columns->rows);
    return 0;
}

static int emit_columns(weir_ctx *ctx, uint32_t output, const weir_columns *columns,
                        const uint32_t *selection, uint32_t count)
{
    weir_user_context *self = context_of(ctx);
    weir_output_port *port = port_of(self, output);
    int rc;

    if (!port)
        return self->failure;
    rc = check_columns(self, port, columns, selection, count);
    if (rc < 0)
        return rc;
    if (!selection && columns->rows <= self->operator_->context.batch_rows)
        rc = weir_output_port_pass(port, columns, &self->error);
    else
        rc = weir_output_port_gather(port, columns, selection, count, &self->error);
    return rc < 0 ? report(self, rc) : 0;
}

/* ---- the rest of the running half ---- */

WEIR_PRINTF(2, 3) static int user_fail(weir_ctx *ctx, const char *format, ...)
{
    weir_user_context *self = context_of(ctx);
    va_list args;

    if (self->failure != 0)
        return self->failure;
    va_start(args, format);
    (void)weir_error_vset(&self->error, WEIR_EUSER, format, args);
    va_end(args);
    return stick(self, WEIR_EUSER);
}

static void *user_instance(weir_ctx *ctx)
{
    return context_of(ctx)->instance;
}

static const char *user_param(weir_ctx *ctx, const char *name)
{
    const weir_graph *graph = context_of(ctx)->operator_->context.graph;

    for (uint32_t i = 0; i < graph->nparams; i++)
        if (strcmp(graph->params[i].name, name) == 0)
            return graph->params[i].value;
    return NULL;
}

static uint32_t user_subtask(weir_ctx *ctx)
{
    return context_of(ctx)->operator_->context.subtask;
}

static uint32_t user_parallelism(weir_ctx *ctx)
{
    return context_of(ctx)->operator_->context.parallelism;
}

static int64_t user_timestamp(weir_ctx *ctx)
{
    return context_of(ctx)->timestamp;
}

static int user_row_kind(weir_ctx *ctx)
{
    return context_of(ctx)->row_kind;
}

WEIR_PRINTF(2, 3) static void user_log(weir_ctx *ctx, const char *format, ...)
{
    const weir_operator_context *context = &context_of(ctx)->operator_->context;
    char line[LOG_LINE_MAX];
    va_list args;

    if (!context->log)
        return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    context->log(context->log_self, line);
}

void weir_user_context_api(weir_api *api)
{
    api->emit_to = emit_to;
    api->emit_columns = emit_columns;
    api->fail = user_fail;
    api->instance = user_instance;
    api->param = user_param;
    api->subtask = user_subtask;
    api->parallelism = user_parallelism;
    api->timestamp = user_timestamp;
    api->row_kind = user_row_kind;
    api->log = user_log;
}

/* ---- its life ---- */

int weir_user_context_init(weir_user_context *context, weir_operator *operator_,
                           weir_output_port *ports, uint32_t nports, uint32_t instance_size)
{
    memset(context, 0, sizeof *context);
    context->operator_ = operator_;
    context->ctx.api = operator_->context.api;
    context->ports = ports;
    context->nports = nports;
    context->timestamp = WEIR_NO_TIMESTAMP;
    if (nports > 0 && ports[0].strings)
        context->string_offset = weir_schema_at(ports[0].schema, 0)->offset;
    weir_user_context_allow_emits(context, false);
    if (instance_size == 0)
        return 0;
    context->instance = weir_calloc(1, instance_size);
    return context->instance ? 0 : WEIR_ENO_MEMORY;
}

void weir_user_context_deinit(weir_user_context *context)
{
    weir_free(context->instance);
    context->instance = NULL;
}

void weir_user_context_set_batch(weir_user_context *context, const weir_columns *columns)
{
    context->readable = (weir_readable){NULL, 0};
    context->timestamp = WEIR_NO_TIMESTAMP;
    context->row_kind = WEIR_INSERT;
    if (columns && columns->timestamps)
        return;
    for (uint32_t i = 0; columns && i < columns->ncolumns; i++) {
        const weir_column *column = &columns->columns[i];

        if (weir_kind_is_variable(column->kind) && column->rows > 0) {
            uint32_t size; /* a batch that came over a socket may lie unaligned */

            memcpy(&size, column->offsets + column->rows, sizeof size);
            context->readable.begin = column->values;
            context->readable.span = size >= 16 ? size - 15 : 0;
            return;
        }
    }
}

int weir_user_schema(const weir_operator *operator_, const weir_type *type,
                     weir_schema *graph_schema, weir_schema **ret, weir_error *err)
{
    weir_schema *schema = NULL;
    int rc;

    if (!type) {
        if (!graph_schema || weir_schema_record_size(graph_schema) == 0)
            return weir_operator_error(operator_, err, WEIR_EINVALID,
                                       "its record has no C struct; the job's module must declare "
                                       "the type");
        *ret = weir_schema_ref(graph_schema);
        return 0;
    }
    rc = weir_schema_from_type(type, &schema, err);
    if (rc < 0)
        return weir_operator_wrap(operator_, err, rc);
    if (graph_schema && !weir_schema_equal(schema, graph_schema)) {
        rc = weir_operator_error(operator_, err, WEIR_EINVALID,
                                 "record %s of the module differs from the job graph's; the graph "
                                 "was made by another build of the module; submit the job again",
                                 weir_schema_name(schema));
        weir_schema_unref(&schema);
        return rc;
    }
    *ret = schema;
    return 0;
}
