#include "connectors/socket/connection.h"

#include "base/units.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLL_MS 5 /* a wait is for readable descriptors; one that connects becomes writable */

static int bad_path(const char *place, weir_error *err)
{
    return weir_error_set(err, WEIR_EINVALID,
                          "%s: the path must be //host:port with a port of 1 to 65535; it is not; "
                          "write for example socket://localhost:9000",
                          place);
}

int weir_connection_parse(const char *place, const char *path, char host[WEIR_HOST_MAX],
                          char port[8], weir_error *err)
{
    const char *from, *colon;
    size_t size;
    int64_t number;

    if (path == NULL || strncmp(path, "//", 2) != 0)
        return bad_path(place, err);
    from = path + 2;
    colon = strrchr(from, ':');
    if (colon == NULL)
        return bad_path(place, err);
    size = (size_t)(colon - from);
    if (size >= 2 && from[0] == '[' && colon[-1] == ']') {
        from++;
        size -= 2;
    } else if (memchr(from, ':', size) != NULL) {
        return bad_path(place, err);
    }
    if (size == 0 || size >= WEIR_HOST_MAX || strlen(colon + 1) > 5 ||
        weir_parse_int(colon + 1, 1, 65535, &number, NULL) != 0)
        return bad_path(place, err);
    memcpy(host, from, size);
    host[size] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return 0;
}

/* Starts on the next address that gets as far as connecting; false: none is left. */
static bool try_next(weir_connection *c)
{
    while (c->next != NULL) {
        const struct addrinfo *a = c->next;

        c->next = a->ai_next;
        if (c->fd >= 0)
            close(c->fd);
        c->fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
        if (c->fd < 0) {
            c->last_errno = errno;
            continue;
        }
        if (connect(c->fd, a->ai_addr, a->ai_addrlen) == 0) {
            c->connected = true;
            return true;
        }
        if (errno == EINPROGRESS || errno == EINTR)
            return true;
        c->last_errno = errno;
    }
    return false;
}

static int fail_connect(const weir_connection *c, weir_error *err)
{
    if (c->last_errno == ECONNREFUSED)
        return weir_error_set(err, WEIR_EUNAVAILABLE,
                              "%s: connection refused; nothing listens there; start the other side "
                              "first (to try: nc -lk PORT)",
                              c->place);
    if (c->last_errno == ETIMEDOUT)
        return weir_error_set(err, WEIR_ETIMEOUT,
                              "%s: no answer; the address was tried until connect-timeout; check "
                              "host, port and firewall",
                              c->place);
    return weir_error_errno(err, c->last_errno, "%s: cannot connect; check host and port",
                            c->place);
}

int weir_connection_open(weir_connection *c, const char *place, const char *path,
                         int64_t timeout_ms, int64_t now_ms, weir_error *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char host[WEIR_HOST_MAX], port[8];
    int rc = weir_connection_parse(place, path, host, port, err), result;

    *c = (weir_connection){.place = place, .fd = -1, .deadline_ms = now_ms + timeout_ms};
    if (rc != 0)
        return rc;
    result = getaddrinfo(host, port, &hints, &c->addresses);
    if (result != 0)
        return weir_error_set(err, WEIR_EUNAVAILABLE,
                              "%s: the host cannot be looked up; %s; check its name", place,
                              result == EAI_SYSTEM ? strerror(errno) : gai_strerror(result));
    c->next = c->addresses;
    if (!try_next(c)) {
        rc = fail_connect(c, err);
        weir_connection_close(c);
        return rc;
    }
    return 0;
}

void weir_connection_close(weir_connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    if (c->addresses != NULL)
        freeaddrinfo(c->addresses);
    c->fd = -1;
    c->addresses = c->next = NULL;
}

int weir_connection_advance(weir_connection *c, int64_t now_ms, weir_wait *ret_wait,
                            weir_error *err)
{
    while (!c->connected) {
        struct pollfd wanted = {.fd = c->fd, .events = POLLOUT};
        int problem = 0;
        socklen_t size = sizeof problem;

        if (poll(&wanted, 1, 0) <= 0) {
            if (now_ms < c->deadline_ms) {
                *ret_wait = (weir_wait){.fd = -1, .at_ms = now_ms + POLL_MS};
                return WEIR_READ_PENDING;
            }
            c->last_errno = ETIMEDOUT;
            return fail_connect(c, err);
        }
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &problem, &size) != 0)
            problem = errno;
        if (problem == 0) {
            c->connected = true;
            break;
        }
        c->last_errno = problem;
        if (!try_next(c))
            return fail_connect(c, err);
    }
    return 0;
}
