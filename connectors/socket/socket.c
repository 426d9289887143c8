#include "connectors/socket/socket.h"

#include "base/memory.h"
#include "connectors/formats/format.h"
#include "connectors/socket/connection.h"

static const weir_connector_option options[] = {
    {"format", "", "line|csv", "default: line for a record of one string field, else csv", true,
     false},
    {"format", "", "csv|line|json", "default: line for a record of one string field, else csv",
     false, true},
    WEIR_FORMAT_OPTIONS_TEXT(true, true),
    {"header", "false", "bool", "csv: the first line holds names: it is skipped, or written", true,
     true},
    WEIR_FORMAT_OPTIONS_SOURCE,
    WEIR_FORMAT_OPTIONS_SINK,
    {"connect-timeout", "10s", "duration", "how long connecting may take", true, true},
};

static int check(const weir_graph_operator *op, bool sink, weir_error *err)
{
    char place[WEIR_FORMAT_PLACE_MAX], host[WEIR_HOST_MAX], port[8];
    weir_format format;
    int rc;

    rc = weir_connection_parse(weir_format_place(op, sink, place), op->path, host, port, err);
    return rc != 0 ? rc : weir_format_resolve(op, sink, &format, err);
}

static bool bounded(const weir_graph_operator *op, bool local)
{
    (void)op;
    (void)local;
    return false;
}

const weir_connector weir_socket_connector = {
    .name = "socket",
    .meaning = "Reads lines from a TCP server until it closes, or writes lines to one.",
    .path_meaning = "//host:port",
    .options = options,
    .noptions = WEIR_COUNT(options),
    .source = true,
    .sink = true,
    .check = check,
    .bounded = bounded,
    .open_reader = weir_socket_open_reader,
    .open_writer = weir_socket_open_writer,
};
