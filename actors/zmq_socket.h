/* actors/zmq_socket.h -- ZeroMQ sockets with the settings that Weir requires of every one, and the
 * one ZeroMQ context of the process. Made by the first socket; thread-safe. A socket belongs to one
 * thread at a time. Sockets are the library's own `void *`, so that this header needs none of its.
 *
 * Plain libzmq throughout: CZMQ's frames cannot send or receive without a copy, and its mere
 * presence would cost every process a megabyte. So there is no CZMQ signal handler to switch off,
 * either. */
#ifndef ACTORS_ZMQ_SOCKET_H
#define ACTORS_ZMQ_SOCKET_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_ENDPOINT_MAX 256

typedef struct weir_zmq_settings {
    int64_t message_max; /* bytes of a frame; a longer one breaks the connection */
    int linger_ms;       /* how long a closed socket still sends */
    bool reconnects;     /* after a broken connection, 10 ms up to 1 s later */
} weir_zmq_settings;

/* Queues of 10,000 messages; nothing is queued for a peer that is not connected; a handshake has 2
 * s. A ROUTER reports what it cannot deliver; any other socket has a random id. */
int weir_zmq_open(int type, const weir_zmq_settings *settings, void **ret,
                  weir_error *err) WEIR_MUST_CHECK;
void weir_zmq_close(void **socket);
int weir_zmq_connect(void *socket, const char *endpoint, weir_error *err) WEIR_MUST_CHECK;

typedef struct weir_zmq_door {
    const char *bind;            /* "tcp://127.0.0.1" or "inproc://name" */
    int port_first, port_last;   /* tcp; 0, 0: any free one */
    const char *what, *port_key; /* who asks, and the configuration key of the range: for errors */
} weir_zmq_door;

/* Binds to the first free port of the range; `endpoint` is what others connect to. */
int weir_zmq_bind(void *socket, const weir_zmq_door *door, char endpoint[WEIR_ENDPOINT_MAX],
                  weir_error *err) WEIR_MUST_CHECK;

enum weir_zmq_news {
    WEIR_ZMQ_NO_NEWS,
    WEIR_ZMQ_ACCEPTED,
    WEIR_ZMQ_CONNECTED,
    WEIR_ZMQ_DISCONNECTED,
    WEIR_ZMQ_FAILED
};

/* A second socket that tells what becomes of the connections of the first: ACCEPTED when somebody
 * came to a bound one, CONNECTED when the protocol handshake is done, DISCONNECTED, FAILED when a
 * connection could not be made. None for inproc. `ret_fd` is the connection's descriptor in
 * ACCEPTED and DISCONNECTED; a descriptor is used again only after its DISCONNECTED is told, and
 * both are told before what the connection sent later can be received. */
int weir_zmq_watch(void *socket, void **ret_monitor, weir_error *err) WEIR_MUST_CHECK;
void weir_zmq_unwatch(void *socket, void **monitor);
enum weir_zmq_news weir_zmq_next_news(void *monitor, int *ret_fd); /* never blocks */

/* Ends the context: waits until closed sockets have sent what they may. No socket may be open. */
void weir_zmq_end_process(void);

#endif
