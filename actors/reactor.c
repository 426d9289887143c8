/* actors/reactor.c -- the loop of a node over sockets.
 *
 * A turn: the node does what is due, then one zmq_poll over everything, then each ready source
 * gives a bounded number of messages, so that a noisy peer delays the others by one turn at most.
 * Sockets and watches may come and go in any callback: the items of a poll name their owners by
 * number. */
#include "actors/reactor.h"

#include "actors/reactor_internal.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WAIT_MAX_MS = 60000, FIRST_CAPACITY = 8 };

/* --- new and destroy --- */

static int open_door(weir_reactor *reactor, const weir_reactor_config *config, weir_error *err)
{
    if (config->bind == NULL)
        return 0;
    weir_zmq_settings settings = {
        .message_max = config->node.message_max,
        .linger_ms = 200,
        .reconnects = false,
        .silence_ms = reactor->silence_ms,
    };
    int rc = weir_zmq_open(ZMQ_ROUTER, &settings, &reactor->door, err);
    if (rc == 0 && strncmp(config->bind, "inproc://", 9) != 0)
        rc = weir_zmq_watch(reactor->door, &reactor->door_monitor, err);
    if (rc != 0)
        return rc;
    weir_zmq_door door = {
        .bind = config->bind,
        .port_first = config->port_first,
        .port_last = config->port_last,
        .what = config->what != NULL ? config->what : config->node.role,
        .port_key = config->port_key,
    };
    if (reactor->authenticator != NULL) {
        door.key = weir_security_key(reactor->security);
        door.domain = weir_authenticator_domain(reactor->authenticator);
    }
    return weir_zmq_bind(reactor->door, &door, reactor->endpoint, err);
}

/* A door over tcp that has a key has somebody who says whom to let in, or is none. */
static int take_security(weir_reactor *reactor, const weir_reactor_config *config, weir_error *err)
{
    weir_roles role = weir_role_parse(config->node.role);
    weir_roles_format(role, reactor->role);
    reactor->security = config->security;
    if (config->security == NULL || config->bind == NULL || strncmp(config->bind, "tcp://", 6) != 0)
        return 0;
    reactor->authenticator = weir_security_authenticator(config->security);
    if (reactor->authenticator != NULL)
        return 0;
    return weir_error_set(err, WEIR_EREFUSED,
                          "the %s has a key, and nothing says whose keys it lets in; set "
                          "security.allow-file",
                          config->node.role);
}

static int fill(weir_reactor *reactor, const weir_reactor_config *config, weir_error *err)
{
    int rc = take_security(reactor, config, err);
    if (rc != 0)
        return rc;
    weir__transport_init(reactor);
    reactor->message_max = config->node.message_max;
    int64_t silence_ms = config->node.heartbeat_timeout_ms;
    reactor->silence_ms = silence_ms < INT_MAX ? (int)silence_ms : INT_MAX;
    reactor->connections_max = config->connections_max;
    reactor->incoming_max = (size_t)config->node.peers_max + WEIR__INCOMING_EXTRA;
    reactor->interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reactor->interrupt_fd < 0)
        return weir_error_errno(err, errno, "reactor: cannot make an eventfd");
    reactor->incoming_by_id = weir_map_new(weir__incoming_free);
    reactor->outbox = weir_outbox_new(NULL);
    if (reactor->incoming_by_id == NULL || reactor->outbox == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "reactor: no memory for it");
    rc = open_door(reactor, config, err);
    if (rc != 0)
        return rc;
    return weir_node_new(&config->node, &reactor->transport, &reactor->node, err);
}

int weir_reactor_new(const weir_reactor_config *config, weir_reactor **ret, weir_error *err)
{
    weir_reactor *reactor = weir_calloc(1, sizeof *reactor);
    if (reactor == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "reactor: no memory for it");
    reactor->interrupt_fd = reactor->lookup_fd = -1;
    int rc = fill(reactor, config, err);
    if (rc != 0) {
        weir_reactor_destroy(&reactor);
        return rc;
    }
    *ret = reactor;
    return 0;
}

void weir_reactor_destroy(weir_reactor **reactor)
{
    if (reactor == NULL || *reactor == NULL)
        return;
    weir_reactor *gone = *reactor;
    *reactor = NULL;
    weir_node_destroy(&gone->node);
    weir__outgoing_sweep(gone, true);
    if (gone->door_monitor != NULL)
        weir_zmq_unwatch(gone->door, &gone->door_monitor);
    weir_zmq_close(&gone->door);
    weir_door_watch_deinit(&gone->watch);
    weir_map_destroy(&gone->incoming_by_id);
    weir_outbox_destroy(&gone->outbox);
    weir_number_map_deinit(&gone->incoming_by_link);
    if (gone->interrupt_fd >= 0)
        close(gone->interrupt_fd);
    if (gone->lookup_fd >= 0)
        close(gone->lookup_fd);
    weir_free(gone->outgoing);
    weir_free(gone->watches);
    weir_free(gone->items);
    weir_free(gone->owners);
    weir_free(gone);
}

weir_node *weir_reactor_node(weir_reactor *reactor)
{
    return reactor->node;
}

const char *weir_reactor_endpoint(const weir_reactor *reactor)
{
    return reactor->endpoint;
}

void weir_reactor_end_process(void)
{
    weir_zmq_end_process();
}

/* --- watched descriptors --- */

int weir_reactor_watch(weir_reactor *reactor, int fd, void (*ready)(void *data), void *data)
{
    if (reactor->watch_count == reactor->watch_capacity) {
        size_t capacity =
            reactor->watch_capacity == 0 ? FIRST_CAPACITY : reactor->watch_capacity * 2;
        struct weir__watch *moved = weir_realloc(reactor->watches, capacity * sizeof *moved);
        if (moved == NULL)
            return WEIR_ENO_MEMORY;
        reactor->watches = moved;
        reactor->watch_capacity = capacity;
    }
    reactor->watches[reactor->watch_count++] =
        (struct weir__watch){++reactor->last_watch, fd, ready, data};
    return 0;
}

void weir_reactor_unwatch(weir_reactor *reactor, int fd)
{
    size_t kept = 0;
    for (size_t i = 0; i < reactor->watch_count; i++) {
        if (reactor->watches[i].fd != fd)
            reactor->watches[kept++] = reactor->watches[i];
    }
    reactor->watch_count = kept;
}

static void call_watch(weir_reactor *reactor, uint64_t serial)
{
    for (size_t i = 0; i < reactor->watch_count; i++) {
        if (reactor->watches[i].serial == serial) {
            reactor->watches[i].ready(reactor->watches[i].data);
            return;
        }
    }
}

/* --- the loop --- */

void weir_reactor_interrupt(weir_reactor *reactor)
{
    uint64_t one = 1;
    ssize_t count = write(reactor->interrupt_fd, &one, sizeof one);
    (void)count; /* a full counter is readable, too */
}

static int reserve_items(weir_reactor *reactor)
{
    size_t needed = 2 + 2 * reactor->outgoing_count + reactor->watch_count;
    if (needed <= reactor->item_capacity)
        return 0;
    size_t capacity = needed * 2;
    zmq_pollitem_t *items = weir_realloc(reactor->items, capacity * sizeof *items);
    if (items == NULL)
        return WEIR_ENO_MEMORY;
    reactor->items = items;
    struct weir__item_owner *owners = weir_realloc(reactor->owners, capacity * sizeof *owners);
    if (owners == NULL)
        return WEIR_ENO_MEMORY;
    reactor->owners = owners;
    reactor->item_capacity = capacity;
    return 0;
}

static void add_item(weir_reactor *reactor, size_t *count, void *socket, int fd,
                     struct weir__item_owner owner)
{
    reactor->items[*count] = (zmq_pollitem_t){socket, fd, ZMQ_POLLIN, 0};
    reactor->owners[*count] = owner;
    ++*count;
}

static size_t list_items(weir_reactor *reactor)
{
    size_t count = 0;
    add_item(reactor, &count, NULL, reactor->interrupt_fd,
             (struct weir__item_owner){WEIR__ITEM_INTERRUPT, 0});
    if (reactor->door != NULL)
        add_item(reactor, &count, reactor->door, 0, (struct weir__item_owner){WEIR__ITEM_DOOR, 0});
    if (reactor->door_monitor != NULL)
        add_item(reactor, &count, reactor->door_monitor, 0,
                 (struct weir__item_owner){WEIR__ITEM_DOOR, 0});
    for (size_t i = 0; i < reactor->outgoing_count; i++) {
        const struct weir__outgoing *out = reactor->outgoing[i];
        add_item(reactor, &count, out->socket, 0,
                 (struct weir__item_owner){WEIR__ITEM_LINK, out->link});
        if (out->monitor != NULL)
            add_item(reactor, &count, out->monitor, 0,
                     (struct weir__item_owner){WEIR__ITEM_NEWS, out->link});
    }
    for (size_t i = 0; i < reactor->watch_count; i++)
        add_item(reactor, &count, NULL, reactor->watches[i].fd,
                 (struct weir__item_owner){WEIR__ITEM_FD, reactor->watches[i].serial});
    return count;
}

/* True: somebody interrupts. */
static bool serve(weir_reactor *reactor, struct weir__item_owner owner)
{
    struct weir__outgoing *out = NULL;
    switch (owner.kind) {
    case WEIR__ITEM_INTERRUPT: {
        uint64_t value;
        return read(reactor->interrupt_fd, &value, sizeof value) > 0;
    }
    case WEIR__ITEM_DOOR:
        weir__door_drain(reactor);
        break;
    case WEIR__ITEM_LINK:
        out = weir__outgoing_find(reactor, owner.number);
        if (out != NULL) {
            /* That the connection stands was told before what came over it. */
            weir__news_drain(reactor, out);
            weir__outgoing_drain(reactor, out);
        }
        break;
    case WEIR__ITEM_NEWS:
        out = weir__outgoing_find(reactor, owner.number);
        if (out != NULL)
            weir__news_drain(reactor, out);
        break;
    case WEIR__ITEM_FD:
        call_watch(reactor, owner.number);
        break;
    }
    return false;
}

/* Waits until `until_ms` at most and serves what is ready. 1: interrupted. */
static int turn(weir_reactor *reactor, int64_t until_ms)
{
    weir__outgoing_sweep(reactor, false);
    int rc = reserve_items(reactor);
    if (rc != 0)
        return rc;
    size_t count = list_items(reactor);
    int64_t now_ms = weir_clock_monotonic_ms(), look_ms = weir__names_tick(reactor, now_ms);
    until_ms = look_ms < until_ms ? look_ms : until_ms;
    int64_t wait_ms = until_ms == INT64_MAX ? WAIT_MAX_MS : until_ms - now_ms;
    wait_ms = wait_ms < 0 ? 0 : wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms;
    rc = zmq_poll(reactor->items, (int)count, (long)wait_ms);
    if (rc < 0)
        return zmq_errno() == EINTR ? 0 : WEIR_EINTERNAL;
    bool is_interrupted = false;
    for (size_t i = 0; rc > 0 && i < count; i++) {
        if (reactor->items[i].revents != 0)
            is_interrupted |= serve(reactor, reactor->owners[i]);
    }
    return is_interrupted ? 1 : 0;
}

int weir_reactor_run(weir_reactor *reactor, int64_t deadline_ms)
{
    for (bool is_late = false;;) {
        int64_t next_ms = weir_node_run(reactor->node);
        if (weir_node_is_stopped(reactor->node))
            return 0;
        if (is_late)
            return WEIR_ETIMEOUT;
        int rc = turn(reactor, next_ms < deadline_ms ? next_ms : deadline_ms);
        if (rc != 0)
            return rc > 0 ? 0 : rc;
        is_late = weir_clock_monotonic_ms() >= deadline_ms;
    }
}
