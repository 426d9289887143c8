/* actors/zmq_socket.c -- ZeroMQ sockets with the settings that Weir requires. */
#include "actors/zmq_socket.h"

#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum {
    QUEUE_MESSAGES = 10000,
    HANDSHAKE_MS = 2000,
    CONNECT_MS = 2000, /* else the system's two minutes, in which a healed network is not noticed */
    RECONNECT_FIRST_MS = 10,
    RECONNECT_LAST_MS = 1000,
    BACKLOG = 512,
    PING_EVERY_MS = 30000, /* finds connections whose other host vanished; proves no life */
    PING_TIMEOUT_MS = 60000,
    SOCKETS_MAX = 4096,
    ID_SIZE = 16,
    /* ZMQ_ZAP_ENFORCE_DOMAIN of the draft API, which the stable header leaves out. Without it a
     * door whose authenticator is gone lets everybody in. */
    ENFORCE_DOMAIN = 93,
    REFUSED_STATUS = 400, /* of an authenticator */
};

/* Process-wide by contract: libzmq wants one context per process. */
static pthread_mutex_t context_lock = PTHREAD_MUTEX_INITIALIZER;
static void *context;
static atomic_uint last_monitor;

static void *get_context(void)
{
    pthread_mutex_lock(&context_lock);
    if (context == NULL) {
        context = zmq_ctx_new();
        if (context != NULL) {
            zmq_ctx_set(context, ZMQ_IO_THREADS, 1);
            zmq_ctx_set(context, ZMQ_MAX_SOCKETS, SOCKETS_MAX);
        }
    }
    void *found = context;
    pthread_mutex_unlock(&context_lock);
    return found;
}

void weir_zmq_end_process(void)
{
    pthread_mutex_lock(&context_lock);
    void *gone = context;
    context = NULL;
    pthread_mutex_unlock(&context_lock);
    if (gone == NULL)
        return;
    while (zmq_ctx_term(gone) != 0 && zmq_errno() == EINTR)
        continue;
}

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

/* An id that begins with 0 is reserved for those that a ROUTER makes up. */
static int set_random_id(void *socket)
{
    uint64_t id[ID_SIZE / sizeof(uint64_t)] = {weir_random_u64(), weir_random_u64()};
    uint8_t bytes[ID_SIZE];
    memcpy(bytes, id, sizeof bytes);
    bytes[0] |= 1;
    return zmq_setsockopt(socket, ZMQ_ROUTING_ID, bytes, sizeof bytes);
}

/* A host that vanished, and a cut, show in nothing but silence. */
static int bound_silence(void *socket, const weir_zmq_settings *settings)
{
    int rc = 0;
    if (settings->silence_ms > 0)
        rc |= set_int(socket, ZMQ_TCP_MAXRT, settings->silence_ms);
    if (settings->pings && settings->silence_ms > 0)
        rc |= set_int(socket, ZMQ_HEARTBEAT_IVL, settings->silence_ms / 4 + 1);
    else
        rc |= set_int(socket, ZMQ_HEARTBEAT_IVL, PING_EVERY_MS);
    return rc | set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, PING_TIMEOUT_MS);
}

static int apply(void *socket, int type, const weir_zmq_settings *settings)
{
    int rc = set_int(socket, ZMQ_LINGER, settings->linger_ms);
    rc |= set_int(socket, ZMQ_SNDHWM, QUEUE_MESSAGES);
    rc |= set_int(socket, ZMQ_RCVHWM, QUEUE_MESSAGES);
    rc |= zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &settings->message_max,
                         sizeof settings->message_max);
    rc |= set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    rc |= bound_silence(socket, settings);
    if (type == ZMQ_ROUTER) {
        rc |= set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
        /* Who connects again, while the connection that broke for him still stands here, is not
         * shut out until it breaks here, too. Nobody else knows his random id. */
        rc |= set_int(socket, ZMQ_ROUTER_HANDOVER, 1);
        rc |= set_int(socket, ZMQ_BACKLOG, BACKLOG);
        return rc;
    }
    rc |= set_random_id(socket);
    /* Not ZMQ_IMMEDIATE: with it libzmq throws away what has arrived and is not read yet when a
     * connection ends, and so the last words of a peer that answers and goes. The transport sends
     * to connected peers only, so that nothing is queued for others. */
    rc |= set_int(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    rc |= set_int(socket, ZMQ_RECONNECT_IVL, settings->reconnects ? RECONNECT_FIRST_MS : -1);
    rc |= set_int(socket, ZMQ_RECONNECT_IVL_MAX, settings->reconnects ? RECONNECT_LAST_MS : 0);
    return rc;
}

int weir_zmq_open(int type, const weir_zmq_settings *settings, void **ret, weir_error *err)
{
    void *used = get_context();
    void *socket = used == NULL ? NULL : zmq_socket(used, type);
    if (socket == NULL)
        return weir_error_set(err, WEIR_ERESOURCES,
                              "cannot make a ZeroMQ socket: %s; allow more open files (ulimit -n)",
                              zmq_strerror(zmq_errno()));
    if (apply(socket, type, settings) != 0) {
        weir_error_set(err, WEIR_EINTERNAL, "a ZeroMQ socket refuses its settings: %s",
                       zmq_strerror(zmq_errno()));
        weir_zmq_close(&socket);
        return WEIR_EINTERNAL;
    }
    *ret = socket;
    return 0;
}

void weir_zmq_close(void **socket)
{
    if (socket == NULL || *socket == NULL)
        return;
    zmq_close(*socket);
    *socket = NULL;
}

/* A bracket is an IPv6 address; names and IPv4 stay as they are. */
static void allow_ipv6(void *socket, const char *endpoint)
{
    set_int(socket, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
}

/* --- keys --- */

static bool is_tcp(const char *endpoint)
{
    return strncmp(endpoint, "tcp://", 6) == 0;
}

int weir_zmq_split(const char *endpoint, char address[WEIR_ENDPOINT_MAX], weir_public_key *ret_key,
                   bool *ret_has_key, weir_error *err)
{
    size_t length = strcspn(endpoint, "#");
    if (length >= WEIR_ENDPOINT_MAX)
        return weir_error_set(err, WEIR_EINVALID, "'%.60s...': an endpoint has at most %d bytes",
                              endpoint, WEIR_ENDPOINT_MAX - 1);
    memcpy(address, endpoint, length);
    address[length] = '\0';
    bool has_key = endpoint[length] == '#';
    if (ret_has_key != NULL)
        *ret_has_key = has_key;
    int rc = has_key ? weir_public_key_parse(endpoint + length + 1, ret_key, err) : 0;
    return rc == 0 ? 0 : weir_error_wrap(err, rc, "'%s', after '#'", address);
}

static int check_keys(const char *address, bool has_own, bool has_other, weir_error *err)
{
    if (!is_tcp(address) || has_own == has_other)
        return 0;
    if (has_other)
        return weir_error_set(err, WEIR_EREFUSED,
                              "'%s' has a key, and this process has none; give it one: set "
                              "security.key-file and security.allow-file",
                              address);
    return weir_error_set(err, WEIR_EREFUSED,
                          "'%s' comes without a key, and this process talks to none but those "
                          "whose key it knows; add the key: tcp://HOST:PORT#KEY",
                          address);
}

int weir_zmq_check(const char *endpoint, const weir_key_pair *key, weir_error *err)
{
    char address[WEIR_ENDPOINT_MAX];
    weir_public_key other;
    bool has_other;
    int rc = weir_zmq_split(endpoint, address, &other, &has_other, err);
    return rc == 0 ? check_keys(address, key != NULL, has_other, err) : rc;
}

static int no_curve(weir_error *err)
{
    return weir_error_set(err, WEIR_EINTERNAL,
                          "this ZeroMQ cannot use keys: %s; install the one of Debian 12 (libzmq5)",
                          zmq_strerror(zmq_errno()));
}

static int use_keys(void *socket, const weir_key_pair *own, const weir_public_key *other,
                    weir_error *err)
{
    int rc = zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own->shown.bytes, WEIR_KEY_SIZE);
    rc |= zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own->secret, WEIR_KEY_SIZE);
    rc |= zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, other->bytes, WEIR_KEY_SIZE);
    return rc == 0 ? 0 : no_curve(err);
}

/* Everything that keeps strangers out is read back: what a library leaves out it may also ignore.
 */
static int guard(void *socket, const weir_zmq_door *door, weir_error *err)
{
    int is_server = 0, mechanism = 0, is_enforced = 0;
    char domain[64] = "";
    size_t size = sizeof is_server, domain_size = sizeof domain;
    int rc = set_int(socket, ZMQ_CURVE_SERVER, 1);
    rc |= zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, door->key->secret, WEIR_KEY_SIZE);
    rc |= zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, door->domain, strlen(door->domain));
    rc |= set_int(socket, ENFORCE_DOMAIN, 1);
    if (rc != 0)
        return no_curve(err);
    rc |= zmq_getsockopt(socket, ZMQ_CURVE_SERVER, &is_server, &size);
    rc |= zmq_getsockopt(socket, ZMQ_MECHANISM, &mechanism, &size);
    rc |= zmq_getsockopt(socket, ENFORCE_DOMAIN, &is_enforced, &size);
    rc |= zmq_getsockopt(socket, ZMQ_ZAP_DOMAIN, domain, &domain_size);
    if (rc == 0 && is_server == 1 && mechanism == ZMQ_CURVE && is_enforced == 1 &&
        domain[0] != '\0' && strcmp(domain, door->domain) == 0)
        return 0;
    return weir_error_set(err, WEIR_EINTERNAL,
                          "%s: does not open its door: this ZeroMQ does not keep strangers out "
                          "(no ZMQ_ZAP_ENFORCE_DOMAIN); install the one of Debian 12 (libzmq5)",
                          door->what);
}

int weir_zmq_connect(void *socket, const weir_key_pair *key, const char *endpoint, weir_error *err)
{
    char address[WEIR_ENDPOINT_MAX];
    weir_public_key other;
    bool has_other;
    int rc = weir_zmq_split(endpoint, address, &other, &has_other, err);
    if (rc == 0)
        rc = check_keys(address, key != NULL, has_other, err);
    if (rc == 0 && is_tcp(address) && key != NULL)
        rc = use_keys(socket, key, &other, err);
    if (rc != 0)
        return rc;
    allow_ipv6(socket, address);
    if (zmq_connect(socket, address) == 0)
        return 0;
    int code = zmq_errno() == EMFILE ? WEIR_ERESOURCES : WEIR_EINVALID;
    return weir_error_set(err, code, "cannot connect to '%s': %s; an endpoint is tcp://HOST:PORT",
                          endpoint, zmq_strerror(zmq_errno()));
}

/* --- doors --- */

static int bound(void *socket, const weir_key_pair *key, char endpoint[WEIR_ENDPOINT_MAX],
                 weir_error *err)
{
    size_t size = WEIR_ENDPOINT_MAX - WEIR_KEY_HEX;
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
        return weir_error_set(err, WEIR_EINTERNAL, "cannot learn a bound endpoint: %s",
                              zmq_strerror(zmq_errno()));
    if (key != NULL && is_tcp(endpoint)) {
        char *end = endpoint + strlen(endpoint);
        *end = '#';
        weir_public_key_format(&key->shown, end + 1);
    }
    return 0;
}

static int cannot_bind(const weir_zmq_door *door, const char *endpoint, weir_error *err)
{
    return weir_error_set(err, WEIR_EINVALID,
                          "%s: cannot bind to '%s': %s; give an address of this host", door->what,
                          endpoint, zmq_strerror(zmq_errno()));
}

static int no_port(const weir_zmq_door *door, weir_error *err)
{
    const char *key = door->port_key == NULL ? "the port range" : door->port_key;
    if (door->port_first == door->port_last)
        return weir_error_set(err, WEIR_ERESOURCES,
                              "%s: port %d of %s is in use; stop what uses it, or change %s",
                              door->what, door->port_first, door->bind, key);
    return weir_error_set(err, WEIR_ERESOURCES,
                          "%s: no port of %d-%d of %s is free; stop what uses one, or change %s",
                          door->what, door->port_first, door->port_last, door->bind, key);
}

int weir_zmq_bind(void *socket, const weir_zmq_door *door, char endpoint[WEIR_ENDPOINT_MAX],
                  weir_error *err)
{
    allow_ipv6(socket, door->bind);
    bool has_port = is_tcp(door->bind);
    char tried[WEIR_ENDPOINT_MAX];
    int rc = door->key != NULL && has_port ? guard(socket, door, err) : 0;
    if (rc != 0)
        return rc;
    if (!has_port || (door->port_first == 0 && door->port_last == 0)) {
        int length = snprintf(tried, sizeof tried, has_port ? "%s:*" : "%s", door->bind);
        if (length >= (int)sizeof tried || zmq_bind(socket, tried) != 0)
            return cannot_bind(door, door->bind, err);
        return bound(socket, door->key, endpoint, err);
    }
    for (int port = door->port_first; port <= door->port_last; port++) {
        int length = snprintf(tried, sizeof tried, "%s:%d", door->bind, port);
        if (length < (int)sizeof tried && zmq_bind(socket, tried) == 0)
            return bound(socket, door->key, endpoint, err);
        if (length >= (int)sizeof tried || zmq_errno() != EADDRINUSE)
            return cannot_bind(door, tried, err);
    }
    return no_port(door, err);
}

/* --- monitors --- */

int weir_zmq_watch(void *socket, void **ret_monitor, weir_error *err)
{
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "inproc://weir-monitor-%u",
             atomic_fetch_add(&last_monitor, 1) + 1);
    const int events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                       ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    void *monitor = NULL;
    if (zmq_socket_monitor(socket, endpoint, events) == 0) {
        /* ZeroMQ's one I/O thread waits where the queue of news is full, and with it all
         * connections of the process: so it has no limit. Each connection is good for a few dozen
         * bytes. */
        monitor = zmq_socket(get_context(), ZMQ_PAIR);
        if (monitor != NULL && set_int(monitor, ZMQ_LINGER, 0) == 0 &&
            set_int(monitor, ZMQ_RCVHWM, 0) == 0 && zmq_connect(monitor, endpoint) == 0) {
            *ret_monitor = monitor;
            return 0;
        }
    }
    weir_error_set(err, WEIR_ERESOURCES,
                   "cannot watch a connection: %s; allow more open files (ulimit -n)",
                   zmq_strerror(zmq_errno()));
    weir_zmq_unwatch(socket, &monitor);
    return WEIR_ERESOURCES;
}

void weir_zmq_unwatch(void *socket, void **monitor)
{
    if (socket != NULL)
        zmq_socket_monitor(socket, NULL, 0);
    weir_zmq_close(monitor);
}

/* One report has two frames: number and value of the event; the address. */
static bool receive_report(void *monitor, uint16_t *ret_event, int32_t *ret_value)
{
    uint8_t report[6];
    if (zmq_recv(monitor, report, sizeof report, ZMQ_DONTWAIT) != (int)sizeof report)
        return false;
    char address[WEIR_ENDPOINT_MAX];
    if (zmq_recv(monitor, address, sizeof address, ZMQ_DONTWAIT) < 0)
        return false;
    memcpy(ret_event, report, sizeof *ret_event);
    memcpy(ret_value, report + sizeof *ret_event, sizeof *ret_value);
    return true;
}

enum weir_zmq_news weir_zmq_next_news(void *monitor, int *ret_fd)
{
    uint16_t event;
    int32_t value;
    while (receive_report(monitor, &event, &value)) {
        if (ret_fd != NULL)
            *ret_fd = value;
        switch (event) {
        case ZMQ_EVENT_ACCEPTED:
            return WEIR_ZMQ_ACCEPTED;
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            return WEIR_ZMQ_CONNECTED;
        case ZMQ_EVENT_DISCONNECTED:
            return WEIR_ZMQ_DISCONNECTED;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            return value == REFUSED_STATUS ? WEIR_ZMQ_REFUSED : WEIR_ZMQ_BROKE_OFF;
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
            return value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? WEIR_ZMQ_MISMATCH
                                                                       : WEIR_ZMQ_BROKE_OFF;
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return WEIR_ZMQ_BROKE_OFF;
        case ZMQ_EVENT_CLOSED:
            return WEIR_ZMQ_FAILED;
        default: /* MONITOR_STOPPED, and what newer libraries add */
            break;
        }
    }
    return WEIR_ZMQ_NO_NEWS;
}
