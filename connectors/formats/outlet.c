#include "connectors/formats/outlet.h"

#include <string.h>

int weir_outlet_init(weir_outlet *outlet, const weir_graph_operator *op, weir_outlet_give give,
                     void *self, weir_error *err)
{
    char place[WEIR_FORMAT_PLACE_MAX];
    weir_format format;
    int rc = weir_format_resolve(op, true, &format, err);

    *outlet = (weir_outlet){.give = give, .self = self, .buffer = WEIR_BUFFER_INIT};
    if (rc != 0)
        return rc;
    rc = weir_encoder_new(weir_format_schema(op, true), &format, op->retracts,
                          weir_format_place(op, true, place), &outlet->encoder);
    if (rc != 0)
        return weir_error_set(err, rc, "%s: no memory to write; free some", place);
    return 0;
}

void weir_outlet_deinit(weir_outlet *outlet)
{
    weir_encoder_destroy(&outlet->encoder);
    weir_buffer_deinit(&outlet->buffer);
}

int weir_outlet_drain(weir_outlet *outlet, weir_error *err)
{
    while (outlet->sent < outlet->buffer.size) {
        size_t taken = 0;
        int rc = outlet->give(outlet->self, (const char *)outlet->buffer.data + outlet->sent,
                              outlet->buffer.size - outlet->sent, &taken, err);

        if (rc != 0)
            return rc;
        outlet->sent += taken;
    }
    weir_buffer_clear(&outlet->buffer);
    outlet->sent = 0;
    return 0;
}

int weir_outlet_write(weir_outlet *outlet, const weir_columns *columns, weir_error *err)
{
    weir_buffer *buffer = &outlet->buffer;
    int rc = 0;

    if (buffer->size - outlet->sent >= WEIR_OUTLET_SIZE)
        rc = weir_outlet_drain(outlet, err);
    if (rc < 0 || (rc == WEIR_READ_PENDING && buffer->size - outlet->sent >= WEIR_OUTLET_SIZE))
        return rc;
    if (outlet->sent > 0) {
        memmove(buffer->data, buffer->data + outlet->sent, buffer->size - outlet->sent);
        buffer->size -= outlet->sent;
        outlet->sent = 0;
    }
    rc = weir_encoder_append(outlet->encoder, columns, buffer, err);
    if (rc == 0 && buffer->size >= WEIR_OUTLET_SIZE)
        rc = weir_outlet_drain(outlet, err);
    return rc < 0 ? rc : 0; /* the rows are ours, wherever they are */
}

int weir_outlet_finish(weir_outlet *outlet, weir_error *err)
{
    if (weir_encoder_finish(outlet->encoder, &outlet->buffer) != 0)
        return weir_error_set(err, WEIR_ENO_MEMORY, "sink: no memory to finish; free some");
    return weir_outlet_drain(outlet, err);
}

size_t weir_outlet_lines(const char *bytes, size_t size, size_t limit, bool whole)
{
    const char *newline = NULL;

    if (size <= limit)
        return size;
    newline = memrchr(bytes, '\n', limit);
    if (newline == NULL && whole)
        newline = memchr(bytes + limit, '\n', size - limit);
    if (newline != NULL)
        return (size_t)(newline - bytes) + 1;
    return whole ? size : limit;
}
