#include "connectors/socket/connection.h"
#include "connectors/socket/socket.h"

#include "base/memory.h"
#include "base/units.h"
#include "connectors/formats/outlet.h"

#include <errno.h>
#include <sys/socket.h>

#define RETRY_MS 1

typedef struct socket_writer {
    weir_writer base;
    const weir_connector_context *context;
    char place[WEIR_FORMAT_PLACE_MAX];
    weir_connection connection;
    weir_outlet outlet;
} socket_writer;

static int give(void *self, const char *bytes, size_t size, size_t *ret_taken, weir_error *err)
{
    socket_writer *w = self;
    ssize_t n;

    do {
        n = send(w->connection.fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return WEIR_READ_PENDING;
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
        return weir_error_set(
            err, WEIR_EUNAVAILABLE,
            "%s: the peer closed the connection; rows were left to send; start it "
            "again, then the job",
            w->place);
    if (n < 0)
        return weir_error_errno(err, errno, "%s: cannot send", w->place);
    *ret_taken = (size_t)n;
    return 0;
}

/* 0 when connected; a full socket says by time only when it may have room again. */
static int proceed(socket_writer *w, int (*step)(weir_outlet *, weir_error *),
                   const weir_columns *columns, weir_wait *ret_wait, weir_error *err)
{
    int64_t now_ms = w->context->clock_ms(w->context->clock_self);
    int rc = weir_connection_advance(&w->connection, now_ms, ret_wait, err);

    if (rc != 0)
        return rc;
    rc = step != NULL ? step(&w->outlet, err) : weir_outlet_write(&w->outlet, columns, err);
    if (rc == WEIR_READ_PENDING)
        *ret_wait = (weir_wait){.fd = -1, .at_ms = now_ms + RETRY_MS};
    return rc;
}

static int write_rows(weir_writer *self, const weir_columns *columns, weir_wait *ret_wait,
                      weir_error *err)
{
    return proceed((socket_writer *)self, NULL, columns, ret_wait, err);
}

static int flush_rows(weir_writer *self, weir_wait *ret_wait, weir_error *err)
{
    return proceed((socket_writer *)self, weir_outlet_drain, NULL, ret_wait, err);
}

static int finish_rows(weir_writer *self, weir_wait *ret_wait, weir_error *err)
{
    socket_writer *w = (socket_writer *)self;
    int rc = proceed(w, weir_outlet_finish, NULL, ret_wait, err);

    /* The peer sees the end behind the last row. That it is gone already is its own affair. */
    if (rc == 0)
        (void)shutdown(w->connection.fd, SHUT_WR);
    return rc;
}

static void close_writer(weir_writer *self)
{
    socket_writer *w = (socket_writer *)self;

    weir_connection_close(&w->connection);
    weir_outlet_deinit(&w->outlet);
    weir_free(w);
}

static const struct weir_writer_class writer_class = {
    .write = write_rows,
    .flush = flush_rows,
    .finish = finish_rows,
    .close = close_writer,
};

static int start(socket_writer *w, weir_error *err)
{
    const weir_graph_operator *op = w->context->operator_;
    int64_t timeout_ms = 0;
    int rc;

    if (w->context->parallelism > 1)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: a socket sink needs parallelism 1; it has %u; run the job with "
                              "parallelism 1 (-p 1)",
                              w->place, w->context->parallelism);
    rc = weir_parse_duration_ms(weir_format_option(op, "connect-timeout", "10s"), &timeout_ms, err);
    if (rc == 0)
        rc = weir_outlet_init(&w->outlet, op, give, w, err);
    if (rc == 0)
        rc = weir_connection_open(&w->connection, w->place, op->path, timeout_ms,
                                  w->context->now_ms, err);
    return rc;
}

int weir_socket_open_writer(const weir_connector_context *context, weir_writer **ret,
                            weir_error *err)
{
    socket_writer *w = weir_calloc(1, sizeof *w);
    int rc;

    if (w == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "sink 'socket:%s': no memory; free some",
                              context->operator_->path);
    w->base.vtable = &writer_class;
    w->context = context;
    w->connection.fd = -1;
    weir_format_place(context->operator_, true, w->place);
    rc = start(w, err);
    if (rc != 0) {
        close_writer(&w->base);
        return rc;
    }
    *ret = &w->base;
    return 0;
}
