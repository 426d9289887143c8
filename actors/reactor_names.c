/* actors/reactor_names.c -- outgoing connections to hosts by name. ZeroMQ would look names up in
 * its I/O thread, which stands still meanwhile: with a name service that does not answer, every
 * connection of the process would fall silent, and be given up. So it gets addresses only, which
 * are looked up beside everything; again while there is no connection, for a host may have moved.
 */
#include "actors/reactor_internal.h"

#include "actors/lookup.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 2000 };

/* Where an outgoing connection leads. */
struct weir__destination {
    char host[256];
    char rest[WEIR_ENDPOINT_MAX];      /* ":port" or ":port#key" */
    char connected[WEIR_ENDPOINT_MAX]; /* what ZeroMQ connects to; "": nothing yet */
    weir_lookup *lookup;               /* under way */
    int64_t next_ms;                   /* of the next one, while there is no connection */
};

/* NULL: no memory. *ret_is_name false: it is an address, or nothing that we understand. */
static struct weir__destination *read_endpoint(const char *endpoint, bool *ret_is_name)
{
    const char *host = strncmp(endpoint, "tcp://", 6) == 0 ? endpoint + 6 : "[";
    size_t length = strcspn(host, ":");
    struct weir__destination *read = weir_calloc(1, sizeof *read);
    *ret_is_name = false;
    if (read == NULL || host[length] != ':' || length == 0 || length >= sizeof read->host)
        return read;
    memcpy(read->host, host, length);
    *ret_is_name = !weir_address_is_numeric(read->host);
    int size = snprintf(read->rest, sizeof read->rest, "%s", host + length);
    if (size < 0 || (size_t)size >= sizeof read->rest)
        *ret_is_name = false;
    return read;
}

void weir__destination_free(struct weir__destination *destination)
{
    if (destination == NULL)
        return;
    weir_lookup_drop(&destination->lookup);
    weir_free(destination);
}

/* --- results --- */

static void connect_to(weir_reactor *reactor, struct weir__outgoing *out, const char *address)
{
    struct weir__destination *to = out->destination;
    char endpoint[sizeof to->rest + WEIR_ADDRESS_MAX + 8], bare[WEIR_ENDPOINT_MAX];
    weir_error error;
    snprintf(endpoint, sizeof endpoint, "tcp://%s%s", address, to->rest);
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(endpoint, "#"), endpoint);
    if (strcmp(to->connected, bare) == 0)
        return;
    if (to->connected[0] != '\0')
        zmq_disconnect(out->socket, to->connected);
    memcpy(to->connected, bare, sizeof bare);
    if (weir_zmq_connect(out->socket, weir_security_key(reactor->security), endpoint, &error) == 0)
        return;
    to->connected[0] = '\0';
    weir_node_on_trouble(reactor->node, out->link, false, error.text);
}

/* The node may close connections meanwhile; they stay in the table until the next turn. */
static void take_results(void *data)
{
    weir_reactor *reactor = data;
    uint64_t count;
    ssize_t size = read(reactor->lookup_fd, &count, sizeof count);
    (void)size; /* nothing there is fine, too */
    for (size_t i = 0; i < reactor->outgoing_count; i++) {
        struct weir__outgoing *out = reactor->outgoing[i];
        struct weir__destination *to = out->destination;
        char address[WEIR_ADDRESS_MAX];
        weir_error error;
        if (to == NULL || out->is_closed || to->lookup == NULL || !weir_lookup_is_done(to->lookup))
            continue;
        int rc = weir_lookup_result(to->lookup, address, &error);
        weir_lookup_drop(&to->lookup);
        if (out->is_up)
            continue;
        if (rc == 0)
            connect_to(reactor, out, address);
        else
            weir_node_on_trouble(reactor->node, out->link, false, error.text);
    }
}

/* --- lookups --- */

static int watch_results(weir_reactor *reactor)
{
    if (reactor->lookup_fd >= 0)
        return 0;
    reactor->lookup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reactor->lookup_fd < 0)
        return WEIR_ERESOURCES;
    return weir_reactor_watch(reactor, reactor->lookup_fd, take_results, reactor);
}

int weir__outgoing_connect(weir_reactor *reactor, const char *endpoint, struct weir__outgoing *out,
                           weir_error *err)
{
    const weir_key_pair *key = weir_security_key(reactor->security);
    bool is_name;
    struct weir__destination *destination = read_endpoint(endpoint, &is_name);
    if (destination == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for a connection to '%s'", endpoint);
    if (!is_name) {
        weir__destination_free(destination);
        return weir_zmq_connect(out->socket, key, endpoint, err);
    }
    out->destination = destination;
    int rc = weir_zmq_check(endpoint, key, err);
    if (rc == 0 && watch_results(reactor) != 0)
        rc = weir_error_set(err, WEIR_ERESOURCES,
                            "names cannot be looked up: %s; allow more open "
                            "files (ulimit -n)",
                            strerror(errno));
    return rc; /* the next turn of the loop looks it up */
}

int64_t weir__names_tick(weir_reactor *reactor, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < reactor->outgoing_count; i++) {
        struct weir__outgoing *out = reactor->outgoing[i];
        struct weir__destination *to = out->destination;
        weir_error error;
        if (to == NULL || out->is_closed || out->is_up || to->lookup != NULL)
            continue;
        if (now_ms >= to->next_ms) {
            to->next_ms = now_ms + LOOK_AGAIN_MS;
            if (weir_lookup_start(to->host, reactor->lookup_fd, &to->lookup, &error) != 0)
                weir_node_on_trouble(reactor->node, out->link, false, error.text);
        }
        if (to->lookup == NULL && to->next_ms < next_ms)
            next_ms = to->next_ms;
    }
    return next_ms;
}
