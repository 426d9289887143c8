/* operators/source.c -- reads a connector into batches. */
#include "operators/classes.h"
#include "operators/output_port.h"

typedef struct source {
    weir_operator base;
    weir_output_port port;
    weir_reader *reader;
} source;

static int source_open(weir_operator *self, weir_error *err)
{
    source *s = (source *)self;
    const weir_operator_context *context = &self->context;
    int rc;

    rc = weir_output_port_init(&s->port, self, context->operator_->outputs[0], context->outputs[0]);
    if (rc < 0)
        return weir_operator_no_memory(self, err, "opening the source");
    if (!context->connector_class || !context->connector_class->open_reader)
        return weir_operator_error(self, err, WEIR_EINVALID, "connector %s cannot be read from",
                                   context->operator_->connector);
    rc = context->connector_class->open_reader(context->connector, &s->reader, err);
    return rc < 0 ? weir_operator_wrap(self, err, rc) : 0;
}

/* One read a turn. A split that ends leaves its rows waiting: with many small files the batches are
 * still full-size, and flush or the end of input hands them on. */
static int source_poll(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    source *s = (source *)self;
    int result = s->reader->vtable->read(s->reader, s->port.builder, ret_wait, err), rc;

    if (result < 0) {
        weir_output_port_clear(&s->port);
        return weir_operator_wrap(self, err, result);
    }
    if (result == WEIR_READ_PENDING || result == WEIR_READ_END)
        rc = weir_output_port_hand_on(&s->port, err);
    else
        rc = weir_output_port_advance(&s->port, err);
    return rc < 0 ? rc : result;
}

static int source_add_split(weir_operator *self, const void *split, size_t size, weir_error *err)
{
    source *s = (source *)self;
    int rc;

    if (!s->reader->vtable->add_split)
        return weir_operator_error(self, err, WEIR_ESTATE,
                                   "a split came for connector %s, whose readers take none",
                                   self->context.operator_->connector);
    rc = s->reader->vtable->add_split(s->reader, split, size, err);
    return rc < 0 ? weir_operator_wrap(self, err, rc) : 0;
}

static int source_flush(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    (void)ret_wait;
    return weir_output_port_hand_on(&((source *)self)->port, err);
}

static void source_close(weir_operator *self)
{
    source *s = (source *)self;

    if (s->reader)
        s->reader->vtable->close(s->reader);
    weir_output_port_deinit(&s->port);
    weir_free(s);
}

static const weir_operator_class source_class = {
    .name = "source",
    .open = source_open,
    .poll = source_poll,
    .add_split = source_add_split,
    .flush = source_flush,
    .end_of_input = source_flush,
    .close = source_close,
};

const weir_operator_factory weir_source_factory = {&source_class, sizeof(source)};
