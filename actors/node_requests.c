/* actors/node_requests.c -- requests of our own: repeated until the reply or the deadline. A
 * request leaves the tables when its outcome is queued; the event of the outcome is made with the
 * request, so that running out of memory later cannot lose a callback. */
#include "actors/node_internal.h"

#include "actors/rights.h"
#include "base/memory.h"
#include "base/units.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>

enum { REPEATS_RARER_MAX = 16 }; /* a power of 2: seldomest against the first */

static void free_request(struct weir__request *request)
{
    if (request == NULL)
        return;
    weir__event_free(request->outcome);
    weir_free(request->bytes);
    weir_free(request);
}

static struct weir__request *take(weir_node *node, struct weir__request *request)
{
    TAILQ_REMOVE(&node->requests, request, link);
    weir_number_map_take(&node->by_correlation, request->correlation);
    weir_timer_heap_cancel(&node->timers, request->timer);
    return request;
}

void weir__request_forget(weir_node *node, struct weir__request *request)
{
    free_request(take(node, request));
}

void weir__requests_of_actor_end(weir_node *node, uint64_t actor)
{
    struct weir__request *next;
    for (struct weir__request *request = TAILQ_FIRST(&node->requests); request != NULL;
         request = next) {
        next = TAILQ_NEXT(request, link);
        if (request->actor == actor)
            weir__request_forget(node, request);
    }
}

/* --- outcomes --- */

static void push_outcome(weir_node *node, struct weir__request *request)
{
    struct weir__event *event = request->outcome;
    request->outcome = NULL;
    weir__node_push(node, event);
    free_request(take(node, request));
}

static void fail(weir_node *node, struct weir__request *request, int code, const char *text)
{
    request->outcome->code = code;
    request->outcome->text = weir_strdup(text); /* without memory the code alone must do */
    push_outcome(node, request);
}

void weir__requests_fail(weir_node *node, const char *process, int code, const char *text)
{
    struct weir__request *next;
    for (struct weir__request *request = TAILQ_FIRST(&node->requests); request != NULL;
         request = next) {
        next = TAILQ_NEXT(request, link);
        if (strcmp(request->process, process) == 0)
            fail(node, request, code, text);
    }
}

void weir__request_answered(weir_node *node, const struct weir__peer *peer, weir_envelope *envelope)
{
    struct weir__request *request =
        weir_number_map_get(&node->by_correlation, envelope->correlation);
    if (request == NULL || strcmp(request->process, peer->name) != 0) {
        weir_proto_free(&envelope->base); /* a repeat, or nobody's */
        return;
    }
    request->outcome->envelope = envelope;
    push_outcome(node, request);
}

/* --- time --- */

/* Repeats become rarer: what is lost is mostly lost with its connection, after which all is sent
 * again; on a slow link they would only be in the way, and most of all those of what is large. */
static int64_t first_repeat_ms(const weir_node *node, const struct weir__request *request)
{
    return node->config.retry_interval_ms + weir__node_transfer_ms(request->size);
}

static void set_timer(weir_node *node, struct weir__request *request, int64_t now)
{
    int64_t next = request->deadline_ms;
    if (request->bytes != NULL && next - now > request->repeat_ms)
        next = now + request->repeat_ms;
    weir_timer_heap_cancel(&node->timers, request->timer);
    request->timer =
        weir_timer_heap_add(&node->timers, next, WEIR__TIMER_REQUEST, request->correlation);
    if (request->timer == 0)
        weir__node_give_up(node, "a request's deadline");
}

static void send_bytes(weir_node *node, const struct weir__request *request,
                       const struct weir__peer *peer)
{
    if (peer->up) /* what is dropped here is repeated */
        node->transport->send(node->transport, peer->link, request->bytes, request->size);
}

static void time_out(weir_node *node, struct weir__request *request)
{
    char shown[48];
    char text[WEIR_PROCESS_NAME_MAX + WEIR_ACTOR_NAME_MAX + 160];
    const char *within = weir_format_duration(request->allowed_ms, shown, sizeof shown);
    const struct weir__peer *peer = weir__peer_find(node, request->process);
    if (request->process[0] == '\0')
        snprintf(text, sizeof text, "no answer from %s to %s within %s", request->to, request->kind,
                 within);
    else
        snprintf(text, sizeof text, "no answer from %s to %s within %s%s", request->process,
                 request->kind, within,
                 peer != NULL && peer->up ? "" : "; there is no connection to it");
    fail(node, request, WEIR_ETIMEOUT, text);
}

void weir__request_tick(weir_node *node, struct weir__request *request)
{
    int64_t now = weir__node_now(node);
    if (now >= request->deadline_ms) {
        time_out(node, request);
        return;
    }
    const struct weir__peer *peer = weir__peer_find(node, request->process);
    if (request->bytes != NULL && peer != NULL)
        send_bytes(node, request, peer);
    if (request->repeat_ms < first_repeat_ms(node, request) * REPEATS_RARER_MAX)
        request->repeat_ms *= 2;
    set_timer(node, request, now);
}

void weir__requests_resend(weir_node *node, const struct weir__peer *peer)
{
    int64_t now = weir__node_now(node);
    struct weir__request *request;
    TAILQ_FOREACH(request, &node->requests, link)
    {
        if (strcmp(request->process, peer->name) != 0)
            continue;
        send_bytes(node, request, peer);
        request->repeat_ms = first_repeat_ms(node, request);
        set_timer(node, request, now);
    }
}

/* --- new --- */

static uint64_t next_correlation(weir_node *node)
{
    uint64_t number = node->correlation_base | (++node->last_correlation & 0xFFFFFFFFFF);
    return number == 0 ? next_correlation(node) : number;
}

static struct weir__request *make(weir_context *context, weir_address to,
                                  const weir_envelope *envelope, int64_t allowed_ms)
{
    weir_node *node = context->node;
    struct weir__request *request = weir_calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->outcome = weir_calloc(1, sizeof *request->outcome);
    request->correlation = next_correlation(node);
    if (request->outcome == NULL ||
        weir_number_map_put(&node->by_correlation, request->correlation, request) != 0) {
        free_request(request);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&node->requests, request, link);
    request->actor = context->serial;
    weir__text_copy(request->process, sizeof request->process, to.process);
    weir__text_copy(request->to, sizeof request->to, to.actor);
    request->kind = weir_envelope_kind(envelope->body_case);
    request->allowed_ms = allowed_ms < 0 ? 0 : allowed_ms;
    if (__builtin_add_overflow(weir__node_now(node), request->allowed_ms, &request->deadline_ms))
        request->deadline_ms = INT64_MAX - 1;
    request->outcome->kind = WEIR__EVENT_REPLY;
    request->outcome->actor = context->serial;
    request->outcome->number = request->correlation;
    memcpy(request->outcome->process, request->process, sizeof request->process);
    return request;
}

/* They stand in the order of their numbers, and this one is among them. */
static uint64_t oldest_to(const weir_node *node, const struct weir__request *request)
{
    const struct weir__request *other;
    TAILQ_FOREACH(other, &node->requests, link)
    {
        if (strcmp(other->process, request->process) == 0)
            return other->correlation;
    }
    return request->correlation;
}

static int pack(weir_context *context, const struct weir__request *request, weir_address to,
                const weir_envelope *envelope, weir_error *err)
{
    weir_envelope addressed = *envelope;
    addressed.from = context->name;
    addressed.to = (char *)(uintptr_t)to.actor;
    addressed.correlation = request->correlation;
    addressed.oldest = oldest_to(context->node, request);
    addressed.reply = false;
    if (!weir__name_is_valid(to.actor, WEIR_ACTOR_NAME_MAX))
        return weir_error_set(err, WEIR_EINVALID, "%s: '%s' is no actor's name", context->name,
                              to.actor);
    return weir__node_pack(context->node, &addressed, err);
}

/* To an actor of this process: the same packing, no wire. */
static int start_local(weir_node *node, struct weir__request *request, weir_error *err)
{
    weir_envelope *copy;
    int rc = weir__node_unpack(node, node->scratch.data, node->scratch.size, &copy, err);
    if (rc != 0)
        return rc;
    if (weir__served_admit(node, node->own, request->correlation)) {
        rc = weir__node_push_message(node, "", copy);
    } else {
        weir_proto_free(&copy->base);
        rc = WEIR_ENO_MEMORY;
    }
    return rc == 0 ? 0 : weir_error_set(err, rc, "no memory for a request");
}

static int start_remote(weir_node *node, struct weir__request *request, weir_error *err)
{
    const struct weir__peer *peer = weir__peer_find(node, request->process);
    if (peer == NULL || peer->refused)
        return weir_error_set(err, WEIR_EUNAVAILABLE, "%s: there is no connection to it",
                              request->process);
    request->size = node->scratch.size;
    request->bytes = weir_alloc(request->size);
    if (request->bytes == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for a request");
    memcpy(request->bytes, node->scratch.data, request->size);
    request->repeat_ms = first_repeat_ms(node, request);
    send_bytes(node, request, peer);
    return 0;
}

uint64_t weir__request_new(weir_context *context, weir_address to, weir_envelope *envelope,
                           int64_t allowed_ms, weir_reply_callback callback, void *data)
{
    weir_node *node = context->node;
    if (context->ended || node->stopped)
        return next_correlation(node);
    struct weir__request *request = make(context, to, envelope, allowed_ms);
    if (request == NULL) {
        weir__node_give_up(node, "a request");
        return next_correlation(node);
    }
    request->outcome->callback = callback;
    request->outcome->data = data;
    uint64_t number = request->correlation;
    weir_error error;
    int rc = pack(context, request, to, envelope, &error);
    if (rc == 0 && request->process[0] == '\0')
        rc = start_local(node, request, &error);
    else if (rc == 0)
        rc = start_remote(node, request, &error);
    if (rc == 0)
        set_timer(node, request, weir__node_now(node));
    else
        fail(node, request, rc, error.text);
    return number;
}
