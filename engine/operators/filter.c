/* operators/filter.c -- keeps the records that a function says yes to. */
#include "operators/classes.h"
#include "operators/user_context.h"

#include "batch/record_reader.h"

typedef struct filter {
    weir_operator base;
    weir_output_port port;
    weir_user_context user;
    weir_schema *in;
    weir_record_reader *reader;
    uint32_t *selection; /* rows of the batch in hand that stay */
    uint32_t capacity;
} filter;

static int filter_open(weir_operator *self, weir_error *err)
{
    filter *f = (filter *)self;
    const weir_operator_context *context = &self->context;
    const weir_user_code *code = context->code;
    int rc;

    if (!code || !code->filter)
        return weir_operator_error(self, err, WEIR_EINVALID, "the module has no function for it");
    rc = weir_user_schema(self, code->in, context->operator_->inputs[0], &f->in, err);
    if (rc < 0)
        return rc;
    rc = weir_output_port_init(&f->port, self, f->in, context->outputs[0]);
    if (rc < 0 || weir_record_reader_new(f->in, &f->reader) < 0 ||
        weir_user_context_init(&f->user, self, &f->port, 1, 0) < 0)
        return weir_operator_no_memory(self, err, "opening the operator");
    return 0;
}

static int reserve(filter *f, uint32_t rows, weir_error *err)
{
    uint32_t *selection;

    if (rows <= f->capacity)
        return 0;
    selection = weir_realloc(f->selection, rows * sizeof *selection);
    if (!selection)
        return weir_operator_no_memory(&f->base, err, "filtering a batch");
    f->selection = selection;
    f->capacity = rows;
    return 0;
}

static int filter_process(weir_operator *self, uint32_t input, const weir_columns *columns,
                          weir_wait *ret_wait, weir_error *err)
{
    filter *f = (filter *)self;
    weir_user_context *user = &f->user;
    weir_filter_fn fn = self->context.code->filter;
    weir_record_run run = {0};
    uint32_t count = 0;
    int rc = reserve(f, columns->rows, err);

    (void)input;
    (void)ret_wait;
    if (rc < 0)
        return rc;
    self->records_in += columns->rows;
    weir_record_reader_set(f->reader, columns);
    weir_user_context_set_batch(user, columns);
    for (uint32_t row = 0; row < columns->rows; row++) {
        const void *record = weir_record_run_next(&run, f->reader, row, columns->rows);

        if (!record)
            return weir_operator_no_memory(self, err, "reading a record");
        weir_user_context_set_row(user, columns, row);
        f->selection[count] = row;
        count += fn(&user->ctx, record) ? 1 : 0;
        if (!weir_user_context_ok(user, 0))
            return weir_user_context_fail(user, 0, f->in, columns, row, err);
    }
    if (count == columns->rows)
        return weir_output_port_pass(&f->port, columns, err);
    return count > 0 ? weir_output_port_gather(&f->port, columns, f->selection, count, err) : 0;
}

static int filter_flush(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    (void)ret_wait;
    return weir_output_port_hand_on(&((filter *)self)->port, err);
}

static void filter_close(weir_operator *self)
{
    filter *f = (filter *)self;

    weir_user_context_deinit(&f->user);
    weir_output_port_deinit(&f->port);
    weir_record_reader_destroy(&f->reader);
    weir_schema_unref(&f->in);
    weir_free(f->selection);
    weir_free(f);
}

static const weir_operator_class filter_class = {
    .name = "filter",
    .open = filter_open,
    .process_batch = filter_process,
    .flush = filter_flush,
    .end_of_input = filter_flush,
    .close = filter_close,
};

const weir_operator_factory weir_filter_factory = {&filter_class, sizeof(filter)};
