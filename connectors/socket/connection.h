/* socket/connection.h -- a TCP connection being opened without blocking, address after address.
 * Only the name lookup, once at open, may block. */
#ifndef CONNECTORS_SOCKET_CONNECTION_H
#define CONNECTORS_SOCKET_CONNECTION_H

#include "graph/connector.h"

#include <netdb.h>

#define WEIR_HOST_MAX 256

typedef struct weir_connection {
    const char *place; /* borrowed; begins every message */
    int fd;            /* non-blocking; -1: none */
    bool connected;
    int64_t deadline_ms;        /* of connecting; monotonic */
    struct addrinfo *addresses; /* of the lookup */
    struct addrinfo *next;      /* to be tried when this one fails */
    int last_errno;
} weir_connection;

/* "//host:port", "//[::1]:port". WEIR_EINVALID with the whole message. */
int weir_connection_parse(const char *place, const char *path, char host[WEIR_HOST_MAX],
                          char port[8], weir_error *err) WEIR_MUST_CHECK;
/* Looks the name up and starts connecting. */
int weir_connection_open(weir_connection *connection, const char *place, const char *path,
                         int64_t timeout_ms, int64_t now_ms, weir_error *err) WEIR_MUST_CHECK;
void weir_connection_close(weir_connection *connection);
/* 0: connected. WEIR_READ_PENDING: not yet, *ret_wait is set. WEIR_EUNAVAILABLE or WEIR_ETIMEOUT:
 * no address answered. */
int weir_connection_advance(weir_connection *connection, int64_t now_ms, weir_wait *ret_wait,
                            weir_error *err) WEIR_MUST_CHECK;

#endif
