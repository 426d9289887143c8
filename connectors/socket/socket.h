/* socket/socket.h -- lines over a TCP connection that this side opens. Option table in socket.c. */
#ifndef CONNECTORS_SOCKET_SOCKET_H
#define CONNECTORS_SOCKET_SOCKET_H

#include "graph/connector.h"

extern const weir_connector weir_socket_connector;

/* Subtask 0 connects and reads until the peer closes; the others end at once. */
int weir_socket_open_reader(const weir_connector_context *context, weir_reader **ret,
                            weir_error *err) WEIR_MUST_CHECK;
/* One connection; refuses a parallelism above 1, for the rows have one order at the peer. */
int weir_socket_open_writer(const weir_connector_context *context, weir_writer **ret,
                            weir_error *err) WEIR_MUST_CHECK;

#endif
