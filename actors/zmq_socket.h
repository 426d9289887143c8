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
#include "base/key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_ENDPOINT_MAX 256 /* with the NUL, and with its key */

typedef struct weir_zmq_settings {
    int64_t message_max; /* bytes of a frame; a longer one breaks the connection */
    int linger_ms;       /* how long a closed socket still sends */
    bool reconnects;     /* after a broken connection, 10 ms up to 1 s later */
    /* A TCP connection on which nothing of what was sent was acknowledged for so long is broken; 0:
     * after some 15 minutes, as the system has it. */
    int silence_ms;
    bool pings; /* so often that there is always something to be acknowledged */
} weir_zmq_settings;

/* Queues of 10,000 messages; nothing is queued for a peer that is not connected; a handshake has 2
 * s. A ROUTER reports what it cannot deliver; any other socket has a random id. */
int weir_zmq_open(int type, const weir_zmq_settings *settings, void **ret,
                  weir_error *err) WEIR_MUST_CHECK;
void weir_zmq_close(void **socket);

/* An endpoint may carry the key of who binds it: `tcp://host:port#<64 hex digits>`. Splits it;
 * `ret_has_key` (may be NULL) tells whether there was one. WEIR_EINVALID: too long, or no key. */
int weir_zmq_split(const char *endpoint, char address[WEIR_ENDPOINT_MAX], weir_public_key *ret_key,
                   bool *ret_has_key, weir_error *err) WEIR_MUST_CHECK;
/* WEIR_EREFUSED, as weir_zmq_connect would say. */
int weir_zmq_check(const char *endpoint, const weir_key_pair *key, weir_error *err) WEIR_MUST_CHECK;
/* With a key of our own (NULL: none) over CURVE, to whoever has the endpoint's key and to nobody
 * else. WEIR_EREFUSED when only one of the two has a key. inproc:// needs none and uses none. */
int weir_zmq_connect(void *socket, const weir_key_pair *key, const char *endpoint,
                     weir_error *err) WEIR_MUST_CHECK;

typedef struct weir_zmq_door {
    const char *bind;            /* "tcp://127.0.0.1" or "inproc://name" */
    int port_first, port_last;   /* tcp; 0, 0: any free one */
    const char *what, *port_key; /* who asks, and the configuration key of the range: for errors */
    const weir_key_pair *key;    /* for tcp: CURVE with this key; NULL: everybody may come in */
    const char *domain;          /* with a key: of the weir_authenticator that says who comes in */
} weir_zmq_door;

/* Binds to the first free port of the range; `endpoint` is what others connect to, with the key. A
 * door with a key lets nobody in without its authenticator's word: where that cannot be made sure
 * it does not open. */
int weir_zmq_bind(void *socket, const weir_zmq_door *door, char endpoint[WEIR_ENDPOINT_MAX],
                  weir_error *err) WEIR_MUST_CHECK;

enum weir_zmq_news {
    WEIR_ZMQ_NO_NEWS,
    WEIR_ZMQ_ACCEPTED,
    WEIR_ZMQ_CONNECTED,
    WEIR_ZMQ_DISCONNECTED,
    WEIR_ZMQ_FAILED,
    WEIR_ZMQ_BROKE_OFF, /* in the midst of the protocol handshake: FAILED, with more detail */
    WEIR_ZMQ_REFUSED,   /* the other side does not know our key */
    WEIR_ZMQ_MISMATCH   /* one side wants keys, the other does not */
};

/* A second socket that tells what becomes of the connections of the first: ACCEPTED when somebody
 * came to a bound one, CONNECTED when the protocol handshake is done, DISCONNECTED, FAILED when a
 * connection could not be made, REFUSED and MISMATCH when it never will. None for inproc. `ret_fd`
 * is the connection's descriptor in ACCEPTED and DISCONNECTED; a descriptor is used again only
 * after its DISCONNECTED is told, and both are told before what the connection sent later can be
 * received. */
int weir_zmq_watch(void *socket, void **ret_monitor, weir_error *err) WEIR_MUST_CHECK;
void weir_zmq_unwatch(void *socket, void **monitor);
enum weir_zmq_news weir_zmq_next_news(void *monitor, int *ret_fd); /* never blocks */

/* Ends the context: waits until closed sockets have sent what they may. No socket may be open. */
void weir_zmq_end_process(void);

#endif
