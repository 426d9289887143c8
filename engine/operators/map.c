/* operators/map.c -- one record out for each record in. */
#include "operators/classes.h"
#include "operators/user_context.h"

#include "batch/record_reader.h"

typedef struct map {
    weir_operator base;
    weir_output_port port;
    weir_user_context user;
    weir_schema *in;
    weir_record_reader *reader;
    void *out; /* the record that the function fills */
    uint32_t out_size;
} map;

static int map_open(weir_operator *self, weir_error *err)
{
    map *m = (map *)self;
    const weir_operator_context *context = &self->context;
    const weir_user_code *code = context->code;
    weir_schema *out = NULL;
    int rc;

    if (!code || !code->map)
        return weir_operator_error(self, err, WEIR_EINVALID, "the module has no function for it");
    rc = weir_user_schema(self, code->in, context->operator_->inputs[0], &m->in, err);
    if (rc < 0)
        return rc;
    rc = weir_user_schema(self, code->out, context->operator_->outputs[0], &out, err);
    if (rc < 0)
        return rc;
    m->out_size = weir_schema_record_size(out);
    m->out = weir_calloc(1, m->out_size);
    rc = weir_output_port_init(&m->port, self, out, context->outputs[0]);
    weir_schema_unref(&out);
    if (rc < 0 || !m->out || weir_record_reader_new(m->in, &m->reader) < 0 ||
        weir_user_context_init(&m->user, self, &m->port, 1, 0) < 0)
        return weir_operator_no_memory(self, err, "opening the operator");
    return 0;
}

static int map_process(weir_operator *self, uint32_t input, const weir_columns *columns,
                       weir_wait *ret_wait, weir_error *err)
{
    map *m = (map *)self;
    weir_user_context *user = &m->user;
    weir_map_fn fn = self->context.code->map;
    weir_record_run run = {0};

    (void)input;
    (void)ret_wait;
    self->records_in += columns->rows;
    weir_record_reader_set(m->reader, columns);
    weir_user_context_set_batch(user, columns);
    for (uint32_t row = 0; row < columns->rows; row++) {
        const void *record = weir_record_run_next(&run, m->reader, row, columns->rows);
        int rc;

        if (!record)
            return weir_operator_no_memory(self, err, "reading a record");
        weir_user_context_set_row(user, columns, row);
        memset(m->out, 0, m->out_size);
        rc = fn(&user->ctx, record, m->out);
        if (rc == 0)
            rc = weir_user_context_put(user, &m->port, m->out, user->timestamp, user->row_kind);
        if (!weir_user_context_ok(user, rc))
            return weir_user_context_fail(user, rc, m->in, columns, row, err);
    }
    return 0;
}

static int map_flush(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    (void)ret_wait;
    return weir_output_port_hand_on(&((map *)self)->port, err);
}

static void map_close(weir_operator *self)
{
    map *m = (map *)self;

    weir_user_context_deinit(&m->user);
    weir_output_port_deinit(&m->port);
    weir_record_reader_destroy(&m->reader);
    weir_schema_unref(&m->in);
    weir_free(m->out);
    weir_free(m);
}

static const weir_operator_class map_class = {
    .name = "map",
    .open = map_open,
    .process_batch = map_process,
    .flush = map_flush,
    .end_of_input = map_flush,
    .close = map_close,
};

const weir_operator_factory weir_map_factory = {&map_class, sizeof(map)};
