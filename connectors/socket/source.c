#include "connectors/socket/connection.h"
#include "connectors/socket/socket.h"

#include "base/memory.h"
#include "base/units.h"
#include "connectors/formats/fd_input.h"

#define BUFFER_SIZE (256u << 10)

typedef struct socket_reader {
    weir_reader base;
    const weir_connector_context *context;
    char place[WEIR_FORMAT_PLACE_MAX];
    weir_connection connection;
    weir_decoder *decoder; /* NULL: not subtask 0 */
} socket_reader;

static int read_rows(weir_reader *self, weir_builder *into, weir_wait *ret_wait, weir_error *err)
{
    socket_reader *r = (socket_reader *)self;
    int rc;

    if (r->decoder == NULL)
        return WEIR_READ_END;
    rc = weir_connection_advance(&r->connection, r->context->clock_ms(r->context->clock_self),
                                 ret_wait, err);
    if (rc != 0)
        return rc;
    return weir_fd_input_read(r->connection.fd, r->decoder, r->place, into, ret_wait, err);
}

static void close_reader(weir_reader *self)
{
    socket_reader *r = (socket_reader *)self;

    weir_connection_close(&r->connection);
    weir_decoder_destroy(&r->decoder);
    weir_free(r);
}

static const struct weir_reader_class reader_class = {.read = read_rows, .close = close_reader};

static int start(socket_reader *r, weir_error *err)
{
    const weir_graph_operator *op = r->context->operator_;
    weir_format format;
    int64_t timeout_ms = 0;
    int rc = weir_format_resolve(op, false, &format, err);

    if (rc == 0)
        rc = weir_parse_duration_ms(weir_format_option(op, "connect-timeout", "10s"), &timeout_ms,
                                    err);
    if (rc != 0)
        return rc;
    rc = weir_decoder_new(weir_format_schema(op, false), &format, r->place, BUFFER_SIZE,
                          &r->decoder);
    if (rc == 0)
        rc = weir_decoder_start(r->decoder, "", 0, UINT64_MAX, format.header);
    if (rc != 0)
        return weir_error_set(err, rc, "%s: no memory to read; free some", r->place);
    return weir_connection_open(&r->connection, r->place, op->path, timeout_ms, r->context->now_ms,
                                err);
}

int weir_socket_open_reader(const weir_connector_context *context, weir_reader **ret,
                            weir_error *err)
{
    socket_reader *r = weir_calloc(1, sizeof *r);
    int rc;

    if (r == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "source 'socket:%s': no memory; free some",
                              context->operator_->path);
    r->base.vtable = &reader_class;
    r->context = context;
    r->connection.fd = -1;
    weir_format_place(context->operator_, false, r->place);
    rc = context->subtask == 0 ? start(r, err) : 0;
    if (rc != 0) {
        close_reader(&r->base);
        return rc;
    }
    *ret = &r->base;
    return 0;
}
