/* operators/sink.c -- writes batches to a connector. */
#include "operators/classes.h"

#include "base/memory.h"

typedef struct sink {
    weir_operator base;
    weir_writer *writer;
} sink;

static int sink_open(weir_operator *self, weir_error *err)
{
    sink *s = (sink *)self;
    const weir_operator_context *context = &self->context;
    int rc;

    if (!context->connector_class || !context->connector_class->open_writer)
        return weir_operator_error(self, err, WEIR_EINVALID, "connector %s cannot be written to",
                                   context->operator_->connector);
    rc = context->connector_class->open_writer(context->connector, &s->writer, err);
    return rc < 0 ? weir_operator_wrap(self, err, rc) : 0;
}

static int sink_process(weir_operator *self, uint32_t input, const weir_columns *columns,
                        weir_wait *ret_wait, weir_error *err)
{
    sink *s = (sink *)self;
    int rc = s->writer->vtable->write(s->writer, columns, ret_wait, err);

    (void)input;
    if (rc == 0)
        self->records_in += columns->rows;
    return rc < 0 ? weir_operator_wrap(self, err, rc) : rc;
}

static int sink_flush(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    sink *s = (sink *)self;
    int rc = s->writer->vtable->flush ? s->writer->vtable->flush(s->writer, ret_wait, err) : 0;

    return rc < 0 ? weir_operator_wrap(self, err, rc) : rc;
}

static int sink_end(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    sink *s = (sink *)self;
    int rc = sink_flush(self, ret_wait, err);

    if (rc != 0 || !s->writer->vtable->finish)
        return rc;
    rc = s->writer->vtable->finish(s->writer, ret_wait, err);
    return rc < 0 ? weir_operator_wrap(self, err, rc) : rc;
}

static void sink_close(weir_operator *self)
{
    sink *s = (sink *)self;

    if (s->writer)
        s->writer->vtable->close(s->writer);
    weir_free(s);
}

static const weir_operator_class sink_class = {
    .name = "sink",
    .open = sink_open,
    .process_batch = sink_process,
    .flush = sink_flush,
    .end_of_input = sink_end,
    .close = sink_close,
};

const weir_operator_factory weir_sink_factory = {&sink_class, sizeof(sink)};
