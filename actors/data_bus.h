/* actors/data_bus.h -- the data connections of a task runner: one per pair of runners, messages of
 * two parts (header, body), bodies sent and received without a copy.
 *
 * The bus has a thread of its own; any thread may send (a mailbox underneath). It binds a ROUTER;
 * of a pair, the runner with the lower index connects. The first message each way is
 * a DataHeader Hello with the job's key: whatever else a stranger sends is dropped (and logged, a
 * few times). Order per pair is the order of sends; what is sent before the pair has met waits.
 *
 * A broken connection is never remade. It, or a peer that cannot be met in time, or a message that
 * could not be queued is reported by `lost`, once per peer: data may be gone, the job's
 * attempt must fail. A peer that ends in good order is lost, too: when a job is over, that is no
 * news. After it, sends to that peer are dropped.
 *
 * With the job's key everything over tcp is CURVE: both sides of a connection must have that very
 * key, which all runners of the job share and nobody else has. Its endpoint carries the key. */
#ifndef ACTORS_DATA_BUS_H
#define ACTORS_DATA_BUS_H

#include "base/error.h"
#include "base/key.h"

#include <stddef.h>
#include <stdint.h>

typedef struct weir_data_bus weir_data_bus;

typedef struct weir_data_bus_config {
    const char *bind; /* "tcp://127.0.0.1" or "inproc://..." */
    int port_first, port_last;
    const char *job;
    uint32_t runner;      /* own index */
    uint32_t message_max; /* bytes of a body */
    /* A connection whose other end does not acknowledge for so long is broken; a peer that could
     * not be met for so long is lost. 0: some 15 minutes; a minute. */
    int silence_ms, meet_ms;
    /* On the bus thread. `release(body, hint)` is the receiver's to call, on any thread. body NULL:
     * one-part message. The header is borrowed for the call. */
    void (*receive)(void *self, uint32_t from_runner, const void *header, size_t header_size,
                    void *body, size_t body_size, void (*release)(void *, void *), void *hint);
    /* After one or more calls of receive, before the thread sleeps; may be NULL. */
    void (*received)(void *self);
    void (*lost)(void *self, uint32_t runner, const char *text);
    void *self;
    const char *what, *port_key; /* for errors: who asks, and the port range's configuration key */
    const weir_key_pair *key;    /* of the job; copied; NULL: none */
} weir_data_bus_config;

int weir_data_bus_new(const weir_data_bus_config *config, weir_data_bus **ret,
                      weir_error *err) WEIR_MUST_CHECK;
/* Joins the thread; what is queued is dropped. Every body sent was released then, except one that a
 * receiver in this process (inproc) keeps for more than a second. No send may be under way. */
void weir_data_bus_destroy(weir_data_bus **bus);
const char *weir_data_bus_endpoint(const weir_data_bus *bus);
/* The peers of the job (the own number is skipped); once, before any send. `key` is the job's data
 * key: a number that tells jobs apart, no secret. WEIR_EREFUSED: an endpoint has not the job's key
 * pair. Starts the thread: nothing is received before. */
int weir_data_bus_join(weir_data_bus *bus, uint64_t key, const uint32_t *runners,
                       const char *const *endpoints, uint32_t count,
                       weir_error *err) WEIR_MUST_CHECK;
/* Copies the header (at most 4 KiB); takes the body: release (may be NULL) is called when it is
 * sent or dropped, on any thread. On failure the body stays the caller's: WEIR_ENOT_FOUND (no such
 * peer, or not joined), WEIR_ETOO_LARGE, WEIR_ENO_MEMORY. */
int weir_data_bus_send(weir_data_bus *bus, uint32_t runner, const void *header, size_t header_size,
                       void *body, size_t body_size, void (*release)(void *, void *),
                       void *hint) WEIR_MUST_CHECK;
/* For one who has more to send: the same, but it may lie there until weir_data_bus_wake. */
int weir_data_bus_put(weir_data_bus *bus, uint32_t runner, const void *header, size_t header_size,
                      void *body, size_t body_size, void (*release)(void *, void *),
                      void *hint) WEIR_MUST_CHECK;
void weir_data_bus_wake(weir_data_bus *bus);

#endif
