/* operators/process.c -- the job's own operator: any number of records out, main output and sides,
 * one or two inputs. */
#include "operators/classes.h"
#include "operators/user_context.h"

#include "batch/record_reader.h"

typedef struct process {
    weir_operator base;
    weir_op op; /* the module's, in full size */
    weir_output_port ports[WEIR_GRAPH_OUTPUTS_MAX];
    weir_user_context user;
    weir_schema *in[WEIR_GRAPH_INPUTS_MAX];
    weir_record_reader *readers[WEIR_GRAPH_INPUTS_MAX];
    bool opened; /* the user's open succeeded: their close is due */
    bool ended;  /* on_end was called */
} process;

/* A module built against an older header knows fewer members: the rest is zero. */
static int copy_op(process *p, weir_error *err)
{
    const weir_user_code *code = p->base.context.code;
    const weir_op *op = code ? code->op : NULL;
    uint32_t ninputs = p->base.context.operator_->ninputs;

    if (!op || op->size < sizeof op->size)
        return weir_operator_error(&p->base, err, WEIR_EINVALID,
                                   "the module has no operator for it");
    memcpy(&p->op, op, op->size < sizeof p->op ? op->size : sizeof p->op);
    if (!p->op.on_batch && !p->op.on_input && (!p->op.on_record || ninputs > 1))
        return weir_operator_error(
            &p->base, err, WEIR_EINVALID, "it has no callback for %u input(s); set %s", ninputs,
            ninputs > 1 ? "on_input or on_batch" : "on_record, on_input or on_batch");
    return 0;
}

static int open_inputs(process *p, weir_error *err)
{
    const weir_operator_context *context = &p->base.context;
    const weir_type *types[WEIR_GRAPH_INPUTS_MAX] = {context->code->in, context->code->in2};

    for (uint32_t i = 0; i < context->operator_->ninputs; i++) {
        int rc =
            weir_user_schema(&p->base, types[i], context->operator_->inputs[i], &p->in[i], err);

        if (rc < 0)
            return rc;
        if (!p->op.on_batch && weir_record_reader_new(p->in[i], &p->readers[i]) < 0)
            return weir_operator_no_memory(&p->base, err, "opening the operator");
    }
    return 0;
}

/* Output 0 may be absent while there are sides; its schema is NULL then. */
static int open_outputs(process *p, weir_error *err)
{
    const weir_operator_context *context = &p->base.context;
    const weir_graph_operator *described = context->operator_;
    const weir_output *side = p->op.sides;

    for (uint32_t i = 0; i < described->noutputs; i++) {
        const weir_type *type = context->code->out;
        weir_schema *schema = NULL;
        int rc;

        if (i > 0) {
            type = side && side->name ? side->type : NULL;
            side += side && side->name ? 1 : 0;
        }
        if (!type && !described->outputs[i])
            continue;
        rc = weir_user_schema(&p->base, type, described->outputs[i], &schema, err);
        if (rc < 0)
            return rc;
        rc = weir_output_port_init(&p->ports[i], &p->base, schema, context->outputs[i]);
        weir_schema_unref(&schema);
        if (rc < 0)
            return weir_operator_no_memory(&p->base, err, "opening the operator");
    }
    return 0;
}

static int process_open(weir_operator *self, weir_error *err)
{
    process *p = (process *)self;
    int rc = copy_op(p, err);

    if (rc == 0)
        rc = open_inputs(p, err);
    if (rc == 0)
        rc = open_outputs(p, err);
    if (rc < 0)
        return rc;
    rc = weir_user_context_init(&p->user, self, p->ports, self->context.operator_->noutputs,
                                p->op.instance_size);
    if (rc < 0)
        return weir_operator_no_memory(self, err, "opening the operator");
    if (p->op.open) {
        rc = p->op.open(&p->user.ctx);
        if (!weir_user_context_ok(&p->user, rc))
            return weir_user_context_fail(&p->user, rc, NULL, NULL, 0, err);
    }
    p->opened = true;
    weir_user_context_allow_emits(&p->user, true);
    return 0;
}

static int fail_row(process *p, int rc, uint32_t input, const weir_columns *columns, uint32_t row,
                    weir_error *err)
{
    return weir_user_context_fail(&p->user, rc, p->in[input], columns, row, err);
}

/* One loop per callback: a flat map's loop tests nothing that it need not. */
static int each_record(process *p, const weir_columns *columns, weir_error *err)
{
    weir_user_context *user = &p->user;
    weir_record_reader *reader = p->readers[0];
    int (*on_record)(weir_ctx *, const void *) = p->op.on_record;
    weir_record_run run = {0};

    for (uint32_t row = 0; row < columns->rows; row++) {
        const void *record = weir_record_run_next(&run, reader, row, columns->rows);
        int rc;

        if (!record)
            return weir_operator_no_memory(&p->base, err, "reading a record");
        weir_user_context_set_row(user, columns, row);
        rc = on_record(&user->ctx, record);
        if (!weir_user_context_ok(user, rc))
            return fail_row(p, rc, 0, columns, row, err);
    }
    return 0;
}

static int each_input(process *p, uint32_t input, const weir_columns *columns, weir_error *err)
{
    weir_user_context *user = &p->user;
    weir_record_run run = {0};

    for (uint32_t row = 0; row < columns->rows; row++) {
        const void *record = weir_record_run_next(&run, p->readers[input], row, columns->rows);
        int rc;

        if (!record)
            return weir_operator_no_memory(&p->base, err, "reading a record");
        weir_user_context_set_row(user, columns, row);
        rc = p->op.on_input(&user->ctx, input, record);
        if (!weir_user_context_ok(user, rc))
            return fail_row(p, rc, input, columns, row, err);
    }
    return 0;
}

static int process_batch(weir_operator *self, uint32_t input, const weir_columns *columns,
                         weir_wait *ret_wait, weir_error *err)
{
    process *p = (process *)self;
    int rc;

    (void)ret_wait;
    if (columns->rows == 0)
        return 0;
    self->records_in += columns->rows;
    weir_user_context_set_batch(&p->user, columns);
    if (p->op.on_batch) {
        rc = p->op.on_batch(&p->user.ctx, input, columns);
        if (weir_user_context_ok(&p->user, rc))
            return 0;
        return weir_user_context_fail(&p->user, rc, NULL, NULL, 0, err);
    }
    weir_record_reader_set(p->readers[input], columns);
    return p->op.on_input ? each_input(p, input, columns, err) : each_record(p, columns, err);
}

static int process_flush(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    process *p = (process *)self;
    int rc = 0;

    (void)ret_wait;
    for (uint32_t i = 0; rc == 0 && i < self->context.operator_->noutputs; i++)
        if (p->ports[i].builder)
            rc = weir_output_port_hand_on(&p->ports[i], err);
    return rc;
}

static int process_end(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    process *p = (process *)self;

    if (!p->ended && p->op.on_end) {
        int rc;

        weir_user_context_set_batch(&p->user, NULL);
        rc = p->op.on_end(&p->user.ctx);
        if (!weir_user_context_ok(&p->user, rc)) {
            return weir_user_context_fail(&p->user, rc, NULL, NULL, 0, err);
        }
    }
    p->ended = true;
    return process_flush(self, ret_wait, err);
}

/* A close that fails cannot fail the task any more: the job's log gets the text. */
static void close_user(process *p)
{
    const weir_operator_context *context = &p->base.context;
    weir_error err = WEIR_ERROR_INIT;
    int rc;

    weir_user_context_set_batch(&p->user, NULL);
    weir_user_context_allow_emits(&p->user, false);
    p->user.failure = 0;
    p->user.reported = false;
    rc = p->op.close(&p->user.ctx);
    if (weir_user_context_ok(&p->user, rc) || !context->log)
        return;
    (void)weir_user_context_fail(&p->user, rc, NULL, NULL, 0, &err);
    context->log(context->log_self, err.text);
}

static void process_close(weir_operator *self)
{
    process *p = (process *)self;

    if (p->opened && p->op.close)
        close_user(p);
    weir_user_context_deinit(&p->user);
    for (uint32_t i = 0; i < WEIR_GRAPH_OUTPUTS_MAX; i++)
        weir_output_port_deinit(&p->ports[i]);
    for (uint32_t i = 0; i < WEIR_GRAPH_INPUTS_MAX; i++) {
        weir_record_reader_destroy(&p->readers[i]);
        weir_schema_unref(&p->in[i]);
    }
    weir_free(p);
}

static const weir_operator_class process_class = {
    .name = "process",
    .open = process_open,
    .process_batch = process_batch,
    .flush = process_flush,
    .end_of_input = process_end,
    .close = process_close,
};

const weir_operator_factory weir_process_factory = {&process_class, sizeof(process)};
