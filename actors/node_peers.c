/* actors/node_peers.c -- the table of peers: outgoing ones by alias, incoming ones by process id;
 * up, down, heartbeats. */
#include "actors/node_internal.h"

#include "base/memory.h"
#include "base/text.h"
#include "base/units.h"

#include <stdio.h>
#include <string.h>

int weir__peer_new(const char *name, bool outgoing, struct weir__peer **ret)
{
    struct weir__peer *peer = weir_calloc(1, sizeof *peer);
    if (peer == NULL)
        return WEIR_ENO_MEMORY;
    weir__text_copy(peer->name, sizeof peer->name, name);
    peer->outgoing = outgoing;
    TAILQ_INIT(&peer->answered);
    *ret = peer;
    return 0;
}

static void unlist(struct weir__peer *peer)
{
    if (peer->list == NULL)
        return;
    TAILQ_REMOVE(&peer->list->peers, peer, down_link);
    peer->list->count--;
    peer->list = NULL;
}

static void forget_oldest(weir_node *node, const struct weir__peer_list *list)
{
    struct weir__peer *oldest = TAILQ_FIRST(&list->peers);
    weir_map_take(node->records, oldest->name);
    weir__peer_free(node, oldest);
}

/* Of those that have said goodbye a few are enough: only a late hello is to be known. */
static void list(weir_node *node, struct weir__peer *peer)
{
    unlist(peer);
    peer->list = peer->goodbye ? &node->left : &node->lost;
    TAILQ_INSERT_TAIL(&peer->list->peers, peer, down_link);
    if (++peer->list->count > WEIR__GOODBYES_KEPT && peer->goodbye)
        forget_oldest(node, peer->list);
}

void weir__peer_free(weir_node *node, struct weir__peer *peer)
{
    if (peer == NULL)
        return;
    weir__served_clear(node, peer);
    weir_number_map_deinit(&peer->served);
    weir_timer_heap_cancel(&node->timers, peer->timer);
    unlist(peer);
    weir_free(peer->endpoint);
    weir_free(peer->trouble);
    weir_free(peer);
}

void weir__peer_set_trouble(struct weir__peer *peer, const char *why)
{
    weir_free(peer->trouble);
    peer->trouble = why[0] == '\0' ? NULL : weir_strdup(why); /* a hint; without memory, none */
}

struct weir__peer *weir__peer_find(const weir_node *node, const char *process)
{
    if (process[0] == '\0')
        return node->own;
    struct weir__peer *peer = weir_map_get(node->aliases, process);
    return peer != NULL ? peer : weir_map_get(node->records, process);
}

/* --- incoming --- */

struct weir__peer *weir__peer_record(weir_node *node, const char *process)
{
    struct weir__peer *peer = weir_map_get(node->records, process);
    if ((peer == NULL || !peer->up) && node->incoming_up >= node->config.peers_max)
        return NULL;
    if (peer != NULL)
        return peer;
    /* Room is made by forgetting whoever has been gone for longest. */
    size_t records_max = (size_t)node->config.peers_max + WEIR__RECORDS_EXTRA;
    while (weir_map_count(node->records) >= records_max && node->left.count > 0)
        forget_oldest(node, &node->left);
    while (weir_map_count(node->records) >= records_max && node->lost.count > 0)
        forget_oldest(node, &node->lost);
    if (weir__peer_new(process, false, &peer) != 0)
        return NULL;
    if (weir_map_put(node->records, process, peer) != 0) {
        weir__peer_free(node, peer);
        return NULL;
    }
    weir__text_copy(peer->process, sizeof peer->process, process);
    list(node, peer);
    return peer;
}

int weir__peer_attach(weir_node *node, struct weir__peer *peer, uint64_t link)
{
    if (peer->link == link)
        return 0;
    int rc = weir_number_map_put(&node->links, link, peer);
    if (rc != 0)
        return rc;
    weir__peer_detach(node, peer);
    peer->link = link;
    return 0;
}

void weir__peer_detach(weir_node *node, struct weir__peer *peer)
{
    if (peer->link == 0)
        return;
    weir_number_map_take(&node->links, peer->link);
    node->transport->disconnect(node->transport, peer->link);
    peer->link = 0;
}

/* --- up and down --- */

static void tell_actors(weir_node *node, const struct weir__peer *peer, enum weir_peer_event what,
                        const char *text)
{
    const char *name;
    void *value;
    for (size_t i = 0; weir_map_next(node->actors, &i, &name, &value);) {
        const weir_context *context = value;
        if (context->vtable->peer == NULL)
            continue;
        struct weir__event *event = weir_calloc(1, sizeof *event);
        char *copy = weir_strdup(text);
        if (event == NULL || copy == NULL) {
            weir_free(event);
            weir_free(copy);
            weir__node_give_up(node, "the news about a peer");
            return;
        }
        weir_text_clean(copy); /* a peer may have said it, and it was perhaps cut */
        event->kind = WEIR__EVENT_PEER;
        event->actor = context->serial;
        event->what = what;
        event->text = copy;
        memcpy(event->process, peer->name, sizeof event->process);
        memcpy(event->id, peer->process, sizeof event->id);
        memcpy(event->role, peer->role, sizeof event->role);
        weir__node_push(node, event);
    }
}

void weir__peer_up(weir_node *node, struct weir__peer *peer)
{
    int64_t now = weir__node_now(node);
    if (!peer->up && !peer->outgoing) {
        node->incoming_up++;
        unlist(peer);
    }
    peer->up = true;
    weir__peer_set_trouble(peer, "");
    peer->heard_ms = now;
    peer->next_heartbeat_ms = now + node->config.heartbeat_interval_ms;
    tell_actors(node, peer, WEIR_PEER_UP, "");
    weir__requests_resend(node, peer);
    weir__peer_tick(node, peer);
}

void weir__peer_down(weir_node *node, struct weir__peer *peer, const char *text)
{
    if (!peer->up)
        return;
    peer->up = false;
    if (!peer->outgoing) {
        node->incoming_up--;
        weir__peer_detach(node, peer);
        list(node, peer);
    }
    tell_actors(node, peer, WEIR_PEER_DOWN, text);
    weir__peer_tick(node, peer);
}

void weir__peer_refused(weir_node *node, struct weir__peer *peer, const char *text)
{
    weir__peer_down(node, peer, "it refused the connection");
    peer->refused = true;
    peer->shaking = false;
    weir__peer_detach(node, peer);
    weir__peer_tick(node, peer);
    tell_actors(node, peer, WEIR_PEER_REFUSED, text);
    weir_error error;
    weir_error_set(&error, WEIR_EUNAVAILABLE, "%s refused the connection: %s", peer->name, text);
    weir__requests_fail(node, peer->name, error.code, error.text);
}

/* --- time --- */

static void beat(weir_node *node, struct weir__peer *peer, int64_t now)
{
    Weir__Proto__Heartbeat body = WEIR__PROTO__HEARTBEAT__INIT;
    body.number = (uint64_t)now;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_HEARTBEAT;
    envelope.heartbeat = &body;
    peer->next_heartbeat_ms = now + node->config.heartbeat_interval_ms;
    weir__node_send(node, peer->link, &envelope);
}

/* An incoming one that said nothing about it gets ours. */
static int64_t timeout_of(const weir_node *node, const struct weir__peer *peer)
{
    return peer->timeout_ms > 0 ? peer->timeout_ms : node->config.heartbeat_timeout_ms;
}

/* Gives up a silent peer; an outgoing one is tried again from the first handshake message on. */
static void check_silence(weir_node *node, struct weir__peer *peer, int64_t now)
{
    if (!peer->up || now - peer->heard_ms < timeout_of(node, peer))
        return;
    char shown[48];
    char text[96];
    snprintf(text, sizeof text, "no sign of life for %s",
             weir_format_duration(now - peer->heard_ms, shown, sizeof shown));
    if (peer->outgoing) {
        peer->shaking = true;
        peer->hello = ++node->last_hello;
        peer->next_hello_ms = now;
    }
    weir__peer_down(node, peer, text);
}

static int64_t next_of(weir_node *node, struct weir__peer *peer, int64_t now)
{
    int64_t next = INT64_MAX;
    if (peer->shaking) {
        if (now >= peer->next_hello_ms)
            weir__peer_say_hello(node, peer);
        next = peer->next_hello_ms;
    }
    if (peer->up) {
        int64_t silent_ms = peer->heard_ms + timeout_of(node, peer);
        next = next < silent_ms ? next : silent_ms;
    }
    if (peer->up && peer->outgoing) {
        if (now >= peer->next_heartbeat_ms)
            beat(node, peer, now);
        next = next < peer->next_heartbeat_ms ? next : peer->next_heartbeat_ms;
    }
    return next;
}

void weir__peer_tick(weir_node *node, struct weir__peer *peer)
{
    int64_t now = weir__node_now(node);
    check_silence(node, peer, now);
    int64_t next = next_of(node, peer, now);
    weir_timer_heap_cancel(&node->timers, peer->timer);
    peer->timer = 0;
    if (next == INT64_MAX)
        return;
    peer->timer =
        weir_timer_heap_add(&node->timers, next, WEIR__TIMER_PEER, (uint64_t)(uintptr_t)peer);
    if (peer->timer == 0)
        weir__node_give_up(node, "a peer's heartbeats");
}

static void forgive(weir_node *node, const weir_map *peers, int64_t now)
{
    const char *name;
    void *value;
    for (size_t i = 0; weir_map_next(peers, &i, &name, &value);) {
        struct weir__peer *peer = value;
        int64_t heard = now - timeout_of(node, peer) + node->config.heartbeat_interval_ms;
        if (peer->up && peer->heard_ms < heard)
            peer->heard_ms = heard;
    }
}

void weir__peers_forgive(weir_node *node, int64_t now_ms)
{
    forgive(node, node->aliases, now_ms);
    forgive(node, node->records, now_ms);
}

/* --- the end --- */

static void say_goodbye(weir_node *node, struct weir__peer *peer, const char *reason)
{
    if (!peer->up)
        return;
    Weir__Proto__Goodbye body = WEIR__PROTO__GOODBYE__INIT;
    body.reason = (char *)(uintptr_t)reason;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_GOODBYE;
    envelope.goodbye = &body;
    weir__node_send(node, peer->link, &envelope);
}

void weir__peers_goodbye(weir_node *node)
{
    const char *name;
    void *value;
    for (size_t i = 0; weir_map_next(node->aliases, &i, &name, &value);)
        say_goodbye(node, value, "the process ends");
    for (size_t i = 0; weir_map_next(node->records, &i, &name, &value);)
        say_goodbye(node, value, "the process ends");
}

/* --- outgoing --- */

static int check_connect(const weir_node *node, const char *alias, const char *endpoint,
                         weir_error *err)
{
    if (node->stopping)
        return weir_error_set(err, WEIR_ESTATE, "%s: this process is stopping", alias);
    if (!weir__name_is_valid(alias, WEIR_PROCESS_NAME_MAX))
        return weir_error_set(err, WEIR_EINVALID,
                              "connect: an alias has 1 to %d of A-Z a-z 0-9 . _ : -; found '%s'",
                              WEIR_PROCESS_NAME_MAX - 1, alias);
    if (weir__peer_find(node, alias) != NULL || strcmp(alias, node->config.process) == 0)
        return weir_error_set(err, WEIR_EEXISTS, "%s: there is a process of this name already",
                              alias);
    const char *name;
    void *value;
    for (size_t i = 0; weir_map_next(node->aliases, &i, &name, &value);) {
        const struct weir__peer *peer = value;
        if (strcmp(peer->endpoint, endpoint) == 0)
            return weir_error_set(err, WEIR_EEXISTS, "%s: %s is connected already, as %s", alias,
                                  endpoint, name);
    }
    return 0;
}

static int enter(weir_node *node, struct weir__peer *peer, const char *endpoint, weir_error *err)
{
    peer->endpoint = weir_strdup(endpoint);
    if (peer->endpoint == NULL || weir_map_put(node->aliases, peer->name, peer) != 0)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: no memory for a connection", peer->name);
    uint64_t link = 0;
    int rc = node->transport->connect(node->transport, endpoint, peer->expected, &link, err);
    if (rc == 0) {
        rc = weir__peer_attach(node, peer, link);
        if (rc == 0)
            return 0;
        node->transport->disconnect(node->transport, link);
        weir_error_set(err, rc, "%s: no memory for a connection", peer->name);
    }
    weir_map_take(node->aliases, peer->name);
    return rc;
}

int weir__peer_connect(weir_node *node, const char *alias, const char *endpoint,
                       weir_roles expected, weir_error *err)
{
    int rc = check_connect(node, alias, endpoint, err);
    if (rc != 0)
        return rc;
    struct weir__peer *peer;
    rc = weir__peer_new(alias, true, &peer);
    if (rc != 0)
        return weir_error_set(err, rc, "%s: no memory for a connection", alias);
    peer->expected = expected;
    rc = enter(node, peer, endpoint, err);
    if (rc != 0) {
        weir__peer_free(node, peer);
        return rc;
    }
    weir__peer_shake(node, peer);
    return 0;
}

void weir__peer_disconnect(weir_node *node, const char *alias)
{
    if (node->stopped)
        return;
    struct weir__peer *peer = weir_map_get(node->aliases, alias);
    if (peer == NULL)
        return;
    say_goodbye(node, peer, "disconnected");
    weir__peer_down(node, peer, "disconnected");
    weir_map_take(node->aliases, alias);
    weir_error error;
    weir_error_set(&error, WEIR_EUNAVAILABLE, "%s: disconnected", peer->name);
    weir__requests_fail(node, peer->name, error.code, error.text);
    weir__peer_detach(node, peer);
    weir__peer_free(node, peer);
}
