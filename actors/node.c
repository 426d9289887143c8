/* actors/node.c -- the life of a node and of its actors; the queue of events; run. */
#include "actors/node_internal.h"

#include "base/memory.h"
#include "proto/codec.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    EVENTS_PER_RUN = 4096,
    TIMERS_EVERY = 64,
    LOG_LINE_MAX = 1024,
    SLOW_BYTES_PER_MS = 64,  /* half a megabit per second */
    SMALL_BYTES = 16 * 1024, /* not worth waiting for */
};

bool weir__name_is_valid(const char *name, size_t max)
{
    size_t length = strnlen(name, max);
    if (length == 0 || length >= max)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && c != '.' && c != '_' && c != ':' && c != '-')
            return false;
    }
    return true;
}

void weir__text_copy(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

void weir__node_log(weir_node *node, int level, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    node->transport->log(node->transport, level, line);
}

int64_t weir__node_now(weir_node *node)
{
    return node->transport->now_ms(node->transport);
}

int64_t weir__node_transfer_ms(size_t size)
{
    return size < SMALL_BYTES ? 0 : (int64_t)(size / SLOW_BYTES_PER_MS);
}

void weir__node_give_up(weir_node *node, const char *what)
{
    if (!node->stopping)
        weir__node_log(node, WEIR_LOG_ERROR, "no memory for %s: this process stops", what);
    node->stopping = true;
}

/* --- new and destroy --- */

static int check_config(const weir_node_config *config, weir_error *err)
{
    if (!weir__name_is_valid(config->process, WEIR_PROCESS_NAME_MAX))
        return weir_error_set(err, WEIR_EINVALID,
                              "node: a process id has 1 to %d of A-Z a-z 0-9 . _ : -; found '%s'",
                              WEIR_PROCESS_NAME_MAX - 1, config->process);
    if (weir_role_parse(config->role) == 0)
        return weir_error_set(err, WEIR_EINVALID,
                              "node: there is no role '%s'; base/role.h names them", config->role);
    if (!weir__name_is_valid(config->cluster, WEIR_PROCESS_NAME_MAX))
        return weir_error_set(err, WEIR_EINVALID,
                              "node: a cluster id has 1 to %d of A-Z a-z 0-9 . _ : -; found '%s'; "
                              "change cluster.id",
                              WEIR_PROCESS_NAME_MAX - 1, config->cluster);
    if (config->heartbeat_interval_ms <= 0 || config->retry_interval_ms <= 0 ||
        config->heartbeat_timeout_ms <= config->heartbeat_interval_ms)
        return weir_error_set(err, WEIR_EINVALID,
                              "node: intervals are positive and the heartbeat's timeout is longer "
                              "than its interval; found interval %lld ms, timeout %lld ms, retry "
                              "%lld ms",
                              (long long)config->heartbeat_interval_ms,
                              (long long)config->heartbeat_timeout_ms,
                              (long long)config->retry_interval_ms);
    if (config->message_max == 0)
        return weir_error_set(err, WEIR_EINVALID, "node: the longest message has 0 bytes");
    return 0;
}

static int copy_config(weir_node *node, const weir_node_config *config)
{
    node->config = *config;
    node->role = weir_role_parse(config->role);
    node->config.cluster = weir_strdup(config->cluster);
    node->config.role = weir_strdup(config->role);
    node->config.process = weir_strdup(config->process);
    node->config.version = weir_strdup(config->version == NULL ? "" : config->version);
    if (node->config.replies_kept == 0)
        node->config.replies_kept = WEIR__REPLIES_KEPT;
    return node->config.cluster == NULL || node->config.role == NULL ||
                   node->config.process == NULL || node->config.version == NULL
               ? WEIR_ENO_MEMORY
               : 0;
}

static int fill(weir_node *node, const weir_node_config *config)
{
    int rc = copy_config(node, config);
    if (rc != 0)
        return rc;
    node->actors = weir_map_new(NULL);
    node->aliases = weir_map_new(NULL);
    node->records = weir_map_new(NULL);
    if (node->actors == NULL || node->aliases == NULL || node->records == NULL)
        return WEIR_ENO_MEMORY;
    return weir__peer_new("", false, &node->own);
}

int weir_node_new(const weir_node_config *config, weir_transport *transport, weir_node **ret,
                  weir_error *err)
{
    int rc = check_config(config, err);
    if (rc != 0)
        return rc;
    weir_node *node = weir_calloc(1, sizeof *node);
    if (node == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "node: no memory for it");
    TAILQ_INIT(&node->ended);
    TAILQ_INIT(&node->events);
    TAILQ_INIT(&node->left.peers);
    TAILQ_INIT(&node->lost.peers);
    TAILQ_INIT(&node->requests);
    TAILQ_INIT(&node->in_progress);
    TAILQ_INIT(&node->answered);
    node->transport = transport;
    node->next_wake_ms = INT64_MAX;
    rc = fill(node, config);
    if (rc != 0) {
        weir_node_destroy(&node);
        return weir_error_set(err, rc, "node: no memory for it");
    }
    /* 24 random bits tell incarnations apart, 40 count: a repeat of an earlier incarnation's number
     * by chance also needs the same process id, and those are unique. */
    node->correlation_base = transport->random(transport) << 40;
    *ret = node;
    return 0;
}

static void destroy_actor(weir_context *context)
{
    if (context->vtable->destroy != NULL)
        context->vtable->destroy(context->self);
    weir_free(context->keys);
    weir_free(context);
}

/* What is left of actors, events and requests; nobody is told anything. */
static void drop_work(weir_node *node)
{
    struct weir__event *event;
    while ((event = TAILQ_FIRST(&node->events)) != NULL) {
        TAILQ_REMOVE(&node->events, event, link);
        weir__event_free(event);
    }
    struct weir__request *request;
    while ((request = TAILQ_FIRST(&node->requests)) != NULL)
        weir__request_forget(node, request);
    weir_context *ended;
    while ((ended = TAILQ_FIRST(&node->ended)) != NULL) {
        TAILQ_REMOVE(&node->ended, ended, link);
        destroy_actor(ended);
    }
    const char *name;
    void *value;
    for (size_t i = 0; node->actors != NULL && weir_map_next(node->actors, &i, &name, &value);)
        destroy_actor(value);
    weir_map_destroy(&node->actors);
    weir_number_map_deinit(&node->by_serial);
    weir_timer_heap_deinit(&node->timers);
}

static void drop_peers(weir_node *node, weir_map **peers)
{
    const char *name;
    void *value;
    for (size_t i = 0; *peers != NULL && weir_map_next(*peers, &i, &name, &value);)
        weir__peer_free(node, value);
    weir_map_destroy(peers);
}

void weir_node_destroy(weir_node **node)
{
    if (node == NULL || *node == NULL)
        return;
    weir_node *gone = *node;
    *node = NULL;
    gone->stopping = true;
    drop_work(gone);
    drop_peers(gone, &gone->aliases);
    drop_peers(gone, &gone->records);
    weir__peer_free(gone, gone->own);
    weir_number_map_deinit(&gone->links);
    weir_number_map_deinit(&gone->by_correlation);
    weir_buffer_deinit(&gone->scratch);
    weir_free(gone->failure);
    weir_free((void *)(uintptr_t)gone->config.cluster);
    weir_free((void *)(uintptr_t)gone->config.role);
    weir_free((void *)(uintptr_t)gone->config.process);
    weir_free((void *)(uintptr_t)gone->config.version);
    weir_free(gone);
}

/* --- actors --- */

static int check_spawn(const weir_node *node, const char *name, weir_error *err)
{
    if (node->stopping)
        return weir_error_set(err, WEIR_ESTATE, "actor %s: this process is stopping", name);
    if (!weir__name_is_valid(name, WEIR_ACTOR_NAME_MAX))
        return weir_error_set(err, WEIR_EINVALID,
                              "actor: a name has 1 to %d of A-Z a-z 0-9 . _ : -; found '%s'",
                              WEIR_ACTOR_NAME_MAX - 1, name);
    if (weir_map_get(node->actors, name) != NULL)
        return weir_error_set(err, WEIR_EEXISTS, "actor %s: there is one of this name", name);
    return 0;
}

static int enter(weir_node *node, weir_context *context, struct weir__event *start)
{
    int rc = weir_number_map_put(&node->by_serial, context->serial, context);
    if (rc != 0)
        return rc;
    rc = weir_map_put(node->actors, context->name, context);
    if (rc != 0) {
        weir_number_map_take(&node->by_serial, context->serial);
        return rc;
    }
    start->kind = WEIR__EVENT_START;
    start->actor = context->serial;
    weir__node_push(node, start);
    return 0;
}

int weir_node_spawn(weir_node *node, const char *name, const weir_actor_class *vtable, void *self,
                    weir_error *err)
{
    int rc = check_spawn(node, name, err);
    weir_context *context = NULL;
    struct weir__event *start = NULL;
    if (rc == 0) {
        context = weir_calloc(1, sizeof *context);
        start = weir_calloc(1, sizeof *start);
        rc = context == NULL || start == NULL ? WEIR_ENO_MEMORY : 0;
        if (rc == 0) {
            context->node = node;
            context->serial = ++node->last_serial;
            context->vtable = vtable;
            context->self = self;
            weir__text_copy(context->name, sizeof context->name, name);
            rc = enter(node, context, start);
        }
        if (rc != 0)
            weir_error_set(err, rc, "actor %s: no memory for it", name);
    }
    if (rc != 0) {
        weir_free(context);
        weir_free(start);
        if (vtable->destroy != NULL)
            vtable->destroy(self);
    }
    return rc;
}

void weir__actor_end(weir_context *context)
{
    if (context->ended)
        return;
    weir_node *node = context->node;
    context->ended = true;
    weir_map_take(node->actors, context->name);
    weir_number_map_take(&node->by_serial, context->serial);
    weir_timer_heap_cancel_all(&node->timers, WEIR__TIMER_ACTOR, context->serial);
    weir__requests_of_actor_end(node, context->serial);
    for (size_t i = 0; i < context->key_count; i++)
        node->transport->revoke_key(node->transport, &context->keys[i]);
    context->key_count = 0;
    TAILQ_INSERT_TAIL(&node->ended, context, link);
}

/* Only while no callback runs. What the ended ones left unanswered is answered here, not at the end
 * itself, so that an actor may still answer between its end and its callback's return. */
static void bury(weir_node *node)
{
    weir_context *context;
    while ((context = TAILQ_FIRST(&node->ended)) != NULL) {
        TAILQ_REMOVE(&node->ended, context, link);
        weir__served_of_actor_end(node, context->serial, context->name);
        destroy_actor(context);
    }
}

weir_context *weir_node_context(weir_node *node, const char *actor)
{
    return node->actors == NULL ? NULL : weir_map_get(node->actors, actor);
}

/* --- events --- */

void weir__event_free(struct weir__event *event)
{
    if (event == NULL)
        return;
    if (event->envelope != NULL)
        weir_proto_free(&event->envelope->base);
    weir_free(event->text);
    weir_free(event);
}

void weir__node_push(weir_node *node, struct weir__event *event)
{
    TAILQ_INSERT_TAIL(&node->events, event, link);
}

int weir__node_push_message(weir_node *node, const char *process, weir_envelope *envelope)
{
    struct weir__event *event = weir_calloc(1, sizeof *event);
    if (event == NULL) {
        weir_proto_free(&envelope->base);
        return WEIR_ENO_MEMORY;
    }
    event->kind = WEIR__EVENT_MESSAGE;
    event->envelope = envelope;
    weir__text_copy(event->process, sizeof event->process, process);
    weir__node_push(node, event);
    return 0;
}

static void nobody_home(weir_node *node, const struct weir__event *event)
{
    const weir_envelope *message = event->envelope;
    if (message->correlation == 0)
        return;
    struct weir__peer *peer = weir__peer_find(node, event->process);
    if (peer == NULL)
        return;
    char text[WEIR_ACTOR_NAME_MAX + 64];
    snprintf(text, sizeof text, "there is no actor '%.*s' here", WEIR_ACTOR_NAME_MAX, message->to);
    weir__served_error(node, peer, message->correlation, message->to, message->from,
                       WEIR_ENOT_FOUND, text);
}

static void deliver_message(weir_node *node, struct weir__event *event)
{
    weir_envelope *message = event->envelope;
    weir_context *context = weir_map_get(node->actors, message->to);
    if (context == NULL || context->vtable->receive == NULL) {
        nobody_home(node, event);
        return;
    }
    if (message->correlation != 0) {
        struct weir__peer *peer = weir__peer_find(node, event->process);
        if (peer != NULL)
            weir__served_give(peer, message->correlation, context->serial);
    }
    context->vtable->receive(context->self, context, message);
}

static void deliver_reply(weir_context *context, const struct weir__event *event)
{
    const weir_envelope *reply = event->envelope;
    if (reply != NULL && reply->body_case != WEIR__PROTO__ENVELOPE__BODY_ERROR) {
        event->callback(context->self, context, event->data, reply, NULL);
        return;
    }
    weir_error error;
    if (reply == NULL)
        weir_error_set(&error, event->code, "%s", event->text == NULL ? "" : event->text);
    else /* a code that is not negative would read as success */
        weir_error_set(&error, reply->error->code < 0 ? reply->error->code : WEIR_EINTERNAL, "%s",
                       reply->error->text);
    event->callback(context->self, context, event->data, NULL, &error);
}

static void deliver_to(weir_context *context, const struct weir__event *event)
{
    switch (event->kind) {
    case WEIR__EVENT_START:
        if (context->vtable->start != NULL)
            context->vtable->start(context->self, context);
        break;
    case WEIR__EVENT_PEER:
        if (context->vtable->peer != NULL) {
            weir_peer_info info = {
                .process = event->process,
                .id = event->id,
                .role = event->role,
                .text = event->text == NULL ? "" : event->text,
            };
            context->vtable->peer(context->self, context, event->what, &info);
        }
        break;
    case WEIR__EVENT_REPLY:
        deliver_reply(context, event);
        break;
    case WEIR__EVENT_MESSAGE:
        break;
    }
}

static void deliver(weir_node *node, struct weir__event *event)
{
    /* Actors see the peer by the name under which they address it; the envelope's own text is put
     * back because whoever allocated it frees it. */
    weir_envelope *envelope = event->envelope;
    char *kept = NULL;
    if (envelope != NULL) {
        kept = envelope->from_process;
        envelope->from_process = event->process;
    }
    if (event->kind == WEIR__EVENT_MESSAGE) {
        deliver_message(node, event);
    } else {
        weir_context *context = weir_number_map_get(&node->by_serial, event->actor);
        if (context != NULL)
            deliver_to(context, event);
    }
    if (envelope != NULL)
        envelope->from_process = kept;
}

static bool run_event(weir_node *node)
{
    struct weir__event *event = TAILQ_FIRST(&node->events);
    if (event == NULL)
        return false;
    TAILQ_REMOVE(&node->events, event, link);
    deliver(node, event);
    weir__event_free(event);
    return true;
}

static bool run_timer(weir_node *node)
{
    weir_timer timer;
    if (!weir_timer_heap_pop(&node->timers, weir__node_now(node), &timer))
        return false;
    switch ((enum weir__timer_kind)timer.kind) {
    case WEIR__TIMER_ACTOR: {
        weir_context *context = weir_number_map_get(&node->by_serial, timer.owner);
        if (context != NULL && context->vtable->timer != NULL)
            context->vtable->timer(context->self, context, timer.number);
        break;
    }
    case WEIR__TIMER_PEER: {
        struct weir__peer *peer = (struct weir__peer *)(uintptr_t)timer.owner;
        peer->timer = 0;
        weir__peer_tick(node, peer);
        break;
    }
    case WEIR__TIMER_REQUEST: {
        struct weir__request *request = weir_number_map_get(&node->by_correlation, timer.owner);
        if (request != NULL) {
            request->timer = 0;
            weir__request_tick(node, request);
        }
        break;
    }
    }
    return true;
}

static void shut_down(weir_node *node)
{
    weir__peers_goodbye(node);
    drop_work(node);
    node->stopped = true;
}

/* A process that did not run for a while (stopped, swapped out) has heard from nobody, and what
 * they said meanwhile may still be on its way to us: peers get one more interval. */
static void notice_stall(weir_node *node)
{
    int64_t now = weir__node_now(node);
    if (node->next_wake_ms != INT64_MAX &&
        now - node->next_wake_ms > node->config.heartbeat_interval_ms)
        weir__peers_forgive(node, now);
}

int64_t weir_node_run(weir_node *node)
{
    if (node->stopped)
        return INT64_MAX;
    notice_stall(node);
    bool is_idle = false;
    for (int left = EVENTS_PER_RUN; left > 0 && !is_idle && !node->stopping; left--) {
        /* Timers wait for events, but not for ever: two actors may talk without end. */
        bool timers_first = left % TIMERS_EVERY == 0;
        is_idle = !(timers_first && run_timer(node)) && !run_event(node) && !run_timer(node);
        bury(node);
        is_idle = is_idle && TAILQ_EMPTY(&node->events);
    }
    if (node->stopping) {
        shut_down(node);
        return INT64_MAX;
    }
    node->next_wake_ms = is_idle ? weir_timer_heap_next_ms(&node->timers) : weir__node_now(node);
    return node->next_wake_ms;
}

bool weir_node_is_stopped(const weir_node *node)
{
    return node->stopped;
}

void weir_node_stop(weir_node *node)
{
    node->stopping = true;
}

const weir_error *weir_node_failure(const weir_node *node)
{
    return node->failure;
}
