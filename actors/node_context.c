/* actors/node_context.c -- what an actor may do. Thin: each call finds its way into the node. */
#include "actors/node_internal.h"

#include "base/memory.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>

int64_t weir_context_now_ms(weir_context *context)
{
    return weir__node_now(context->node);
}

int64_t weir_context_wall_ms(weir_context *context)
{
    weir_transport *transport = context->node->transport;
    return transport->wall_ms(transport);
}

uint64_t weir_context_random(weir_context *context)
{
    weir_transport *transport = context->node->transport;
    return transport->random(transport);
}

const char *weir_context_process(weir_context *context)
{
    return context->node->config.process;
}

const char *weir_context_actor(weir_context *context)
{
    return context->name;
}

uint64_t weir_context_set_timer(weir_context *context, int64_t delay_ms)
{
    weir_node *node = context->node;
    if (context->ended || node->stopped)
        return UINT64_MAX; /* a number that no timer has */
    int64_t at;
    if (__builtin_add_overflow(weir__node_now(node), delay_ms < 0 ? 0 : delay_ms, &at))
        at = INT64_MAX - 1;
    uint64_t number = weir_timer_heap_add(&node->timers, at, WEIR__TIMER_ACTOR, context->serial);
    if (number != 0)
        return number;
    weir__node_give_up(node, "a timer");
    return UINT64_MAX;
}

void weir_context_cancel_timer(weir_context *context, uint64_t timer)
{
    weir_timer_heap_cancel(&context->node->timers, timer);
}

static bool is_local(const weir_node *node, const char *process)
{
    return process == NULL || process[0] == '\0' || strcmp(process, node->config.process) == 0;
}

/* Packs with the addressing filled in; the caller's envelope is as before. */
static int pack_addressed(weir_context *context, const char *to, weir_envelope *envelope,
                          weir_error *err)
{
    weir_envelope addressed = *envelope;
    addressed.from = context->name;
    addressed.to = (char *)(uintptr_t)to;
    addressed.correlation = 0;
    addressed.reply = false;
    return weir__node_pack(context->node, &addressed, err);
}

void weir_context_send(weir_context *context, weir_address to, weir_envelope *envelope)
{
    weir_node *node = context->node;
    if (node->stopped)
        return;
    struct weir__peer *peer = NULL;
    if (!is_local(node, to.process)) {
        peer = weir__peer_find(node, to.process);
        if (peer == NULL || !peer->up)
            return;
    }
    weir_error error;
    int rc = pack_addressed(context, to.actor, envelope, &error);
    if (rc != 0) {
        weir__node_log(node, WEIR_LOG_ERROR, "%s: a message to %s was not sent: %s", context->name,
                       to.actor, error.text);
        return;
    }
    if (peer != NULL) {
        /* A full queue drops it, as the network might have. */
        node->transport->send(node->transport, peer->link, node->scratch.data, node->scratch.size);
        return;
    }
    weir_envelope *copy;
    rc = weir__node_unpack(node, node->scratch.data, node->scratch.size, &copy, &error);
    if (rc == 0)
        rc = weir__node_push_message(node, "", copy);
    if (rc != 0)
        weir__node_give_up(node, "a message to an actor of this process");
}

uint64_t weir_context_request(weir_context *context, weir_address to, weir_envelope *envelope,
                              int64_t deadline_ms, weir_reply_callback callback, void *data)
{
    weir_address address = {
        .process = is_local(context->node, to.process) ? "" : to.process,
        .actor = to.actor,
    };
    return weir__request_new(context, address, envelope, deadline_ms, callback, data);
}

void weir_context_forget(weir_context *context, uint64_t request)
{
    weir_node *node = context->node;
    struct weir__request *found = weir_number_map_get(&node->by_correlation, request);
    if (found != NULL) {
        if (found->actor == context->serial)
            weir__request_forget(node, found);
        return;
    }
    /* Its outcome may be queued. */
    struct weir__event *event;
    TAILQ_FOREACH(event, &node->events, link)
    {
        if (event->kind == WEIR__EVENT_REPLY && event->number == request &&
            event->actor == context->serial) {
            TAILQ_REMOVE(&node->events, event, link);
            weir__event_free(event);
            return;
        }
    }
}

weir_reply_to weir_reply_to_of(const weir_envelope *request)
{
    weir_reply_to to = {.correlation = request->correlation};
    weir__text_copy(to.process, sizeof to.process, request->from_process);
    weir__text_copy(to.actor, sizeof to.actor, request->from);
    return to;
}

void weir_context_reply(weir_context *context, const weir_reply_to *to, weir_envelope *reply)
{
    weir_node *node = context->node;
    struct weir__peer *peer = weir__peer_find(node, to->process);
    if (node->stopped || peer == NULL || to->correlation == 0)
        return;
    weir_envelope addressed = *reply;
    addressed.from = context->name;
    addressed.to = (char *)(uintptr_t)to->actor;
    weir__served_answer(node, peer, to->correlation, &addressed);
}

void weir_context_reply_ack(weir_context *context, const weir_reply_to *to)
{
    Weir__Proto__Ack ack = WEIR__PROTO__ACK__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    reply.body_case = WEIR__PROTO__ENVELOPE__BODY_ACK;
    reply.ack = &ack;
    weir_context_reply(context, to, &reply);
}

void weir_context_reply_error(weir_context *context, const weir_reply_to *to, int code,
                              const char *format, ...)
{
    weir_error error;
    va_list args;
    va_start(args, format);
    weir_error_vset(&error, code < 0 ? code : WEIR_EINTERNAL, format, args);
    va_end(args);
    weir_node *node = context->node;
    struct weir__peer *peer = weir__peer_find(node, to->process);
    if (!node->stopped && peer != NULL && to->correlation != 0)
        weir__served_error(node, peer, to->correlation, context->name, to->actor, error.code,
                           error.text);
}

int weir_context_connect(weir_context *context, const char *alias, const char *endpoint,
                         weir_roles expected, weir_error *err)
{
    return weir__peer_connect(context->node, alias, endpoint, expected, err);
}

void weir_context_disconnect(weir_context *context, const char *alias)
{
    weir__peer_disconnect(context->node, alias);
}

bool weir_context_is_up(weir_context *context, const char *process)
{
    if (is_local(context->node, process))
        return true;
    const struct weir__peer *peer = weir__peer_find(context->node, process);
    return peer != NULL && peer->up;
}

const char *weir_context_role(weir_context *context, const char *process)
{
    if (is_local(context->node, process))
        return context->node->config.role;
    const struct weir__peer *peer = weir__peer_find(context->node, process);
    return peer == NULL ? "" : peer->role;
}

const char *weir_context_trouble(weir_context *context, const char *alias)
{
    const struct weir__peer *peer = weir_map_get(context->node->aliases, alias);
    return peer == NULL || peer->trouble == NULL ? "" : peer->trouble;
}

/* --- keys --- */

bool weir_context_has_keys(weir_context *context)
{
    return context->node->transport->issue_key != NULL;
}

int weir_context_issue_key(weir_context *context, weir_roles roles, weir_key_pair *ret,
                           weir_error *err)
{
    weir_transport *transport = context->node->transport;
    if (transport->issue_key == NULL || context->ended)
        return weir_error_set(err, WEIR_ESTATE, "%s: there are no keys here", context->name);
    /* First the place where it is noted: what is issued is revoked at the end. */
    weir_public_key *moved =
        weir_realloc(context->keys, (context->key_count + 1) * sizeof *context->keys);
    if (moved == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: no memory for a key", context->name);
    context->keys = moved;
    int rc = transport->issue_key(transport, roles, context->name, ret, err);
    if (rc == 0)
        context->keys[context->key_count++] = ret->shown;
    return rc;
}

int weir_context_spawn(weir_context *context, const char *name, const weir_actor_class *vtable,
                       void *self, weir_error *err)
{
    return weir_node_spawn(context->node, name, vtable, self, err);
}

void weir_context_end(weir_context *context, const char *actor)
{
    /* By its own name an actor ends itself, even when a successor of that name exists already. */
    weir_context *ended = context;
    if (strcmp(actor, context->name) != 0)
        ended = weir_node_context(context->node, actor);
    if (ended != NULL)
        weir__actor_end(ended);
}

void weir_context_stop_node(weir_context *context)
{
    weir_node_stop(context->node);
}

void weir_context_fail_node(weir_context *context, int code, const char *format, ...)
{
    weir_node *node = context->node;
    weir_error error;
    va_list args;
    va_start(args, format);
    weir_error_vset(&error, code, format, args);
    va_end(args);
    if (node->failure == NULL && (node->failure = weir_alloc(sizeof error)) != NULL)
        *node->failure = error;
    else /* nobody else will say it */
        weir__node_log(node, WEIR_LOG_ERROR, "%s: %s", context->name, error.text);
    weir_node_stop(node);
}

void weir_context_log(weir_context *context, int level, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    weir__node_log(context->node, level, "%s: %s", context->name, text);
}
