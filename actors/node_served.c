/* actors/node_served.c -- requests of others: each runs once per incarnation of its sender; repeats
 * are ignored while it runs and answered from memory afterwards, until the sender says that it has
 * got the answer. Memory is bounded by count per peer and by bytes per node, too; what is over is
 * forgotten, oldest first, and a repeat of such a one runs again. Requests between actors of one
 * process pass here too, but leave nothing behind: nobody repeats them. */
#include "actors/node_internal.h"

#include "base/memory.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>

static void free_served(weir_node *node, struct weir__served *served)
{
    struct weir__peer *peer = served->peer;
    weir_number_map_take(&peer->served, served->correlation);
    if (served->answered) {
        TAILQ_REMOVE(&node->answered, served, of_node);
        TAILQ_REMOVE(&peer->answered, served, of_peer);
        peer->served_answered--;
        node->replies_bytes -= served->reply_size + sizeof *served;
    } else {
        TAILQ_REMOVE(&node->in_progress, served, of_node);
        peer->served_in_progress--;
    }
    weir_free(served->reply);
    weir_free(served);
}

void weir__served_forget(weir_node *node, struct weir__peer *peer, uint64_t correlation)
{
    struct weir__served *served = weir_number_map_get(&peer->served, correlation);
    if (served != NULL)
        free_served(node, served);
}

void weir__served_clear(weir_node *node, struct weir__peer *peer)
{
    for (;;) {
        size_t cursor = 0;
        void *value;
        if (!weir_number_map_next(&peer->served, &cursor, NULL, &value))
            break;
        free_served(node, value);
    }
    weir_number_map_deinit(&peer->served);
    peer->settled = 0;
}

/* A request that waits for long keeps the answers behind it: they are looked through only when it
 * has got its own. */
void weir__served_settle(weir_node *node, struct weir__peer *peer, uint64_t oldest)
{
    struct weir__served *next;
    if (oldest <= peer->settled)
        return;
    peer->settled = oldest;
    for (struct weir__served *served = TAILQ_FIRST(&peer->answered); served != NULL;
         served = next) {
        next = TAILQ_NEXT(served, of_peer);
        if (served->correlation < oldest)
            free_served(node, served);
    }
}

static void send_overload(weir_node *node, struct weir__peer *peer, uint64_t correlation);

/* Unless the answer is large and may still be on its way: then repeats must not multiply it. */
static void answer_again(weir_node *node, struct weir__served *served)
{
    const struct weir__peer *peer = served->peer;
    int64_t now = weir__node_now(node);
    if (peer->link == served->reply_link &&
        now - served->reply_ms < weir__node_transfer_ms(served->reply_size))
        return;
    served->reply_link = peer->link;
    served->reply_ms = now;
    node->transport->send(node->transport, peer->link, served->reply, served->reply_size);
}

bool weir__served_admit(weir_node *node, struct weir__peer *peer, uint64_t correlation)
{
    struct weir__served *served = weir_number_map_get(&peer->served, correlation);
    if (served != NULL) {
        if (served->answered && peer->up)
            answer_again(node, served);
        return false;
    }
    if (correlation < peer->settled)
        return false; /* a late repeat */
    if (peer != node->own && peer->served_in_progress >= node->config.replies_kept) {
        send_overload(node, peer, correlation);
        return false;
    }
    served = weir_calloc(1, sizeof *served);
    if (served == NULL)
        return false; /* a repeat may find memory */
    served->correlation = correlation;
    served->peer = peer;
    if (weir_number_map_put(&peer->served, correlation, served) != 0) {
        weir_free(served);
        return false;
    }
    TAILQ_INSERT_TAIL(&node->in_progress, served, of_node);
    peer->served_in_progress++;
    return true;
}

void weir__served_give(struct weir__peer *peer, uint64_t correlation, uint64_t actor)
{
    struct weir__served *served = weir_number_map_get(&peer->served, correlation);
    if (served != NULL)
        served->actor = actor;
}

/* Keeps the answer in node->scratch for repeats. */
static void remember(weir_node *node, struct weir__served *served, bool was_sent)
{
    struct weir__peer *peer = served->peer;
    size_t size = node->scratch.size;
    if (served->correlation < peer->settled) {
        free_served(node, served);
        return;
    }
    served->reply = size > WEIR__REPLIES_BYTES_MAX - sizeof *served ? NULL : weir_alloc(size);
    if (served->reply == NULL) {
        free_served(node, served);
        return;
    }
    memcpy(served->reply, node->scratch.data, size);
    served->reply_size = size;
    served->reply_link = was_sent ? peer->link : 0;
    served->reply_ms = weir__node_now(node);
    TAILQ_REMOVE(&node->in_progress, served, of_node);
    peer->served_in_progress--;
    served->answered = true;
    TAILQ_INSERT_TAIL(&node->answered, served, of_node);
    TAILQ_INSERT_TAIL(&peer->answered, served, of_peer);
    peer->served_answered++;
    node->replies_bytes += size + sizeof *served;
    while (peer->served_answered > node->config.replies_kept)
        free_served(node, TAILQ_FIRST(&peer->answered));
    while (node->replies_bytes > WEIR__REPLIES_BYTES_MAX)
        free_served(node, TAILQ_FIRST(&node->answered));
}

static int pack_error(weir_node *node, const weir_envelope *like, int code, const char *text)
{
    Weir__Proto__Error body = WEIR__PROTO__ERROR__INIT;
    body.code = code;
    body.text = (char *)(uintptr_t)text;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.from = like->from;
    envelope.to = like->to;
    envelope.correlation = like->correlation;
    envelope.reply = true;
    envelope.trace = like->trace;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_ERROR;
    envelope.error = &body;
    return weir__node_pack(node, &envelope, NULL);
}

static void send_overload(weir_node *node, struct weir__peer *peer, uint64_t correlation)
{
    weir_envelope like = WEIR__PROTO__ENVELOPE__INIT;
    like.from = (char *)(uintptr_t) "node";
    like.to = (char *)(uintptr_t) "node";
    like.correlation = correlation;
    if (pack_error(node, &like, WEIR_ERESOURCES,
                   "too many requests of this process are in progress; try again later") == 0)
        node->transport->send(node->transport, peer->link, node->scratch.data, node->scratch.size);
}

/* The reply to an actor of this process, in node->scratch. */
static void answer_local(weir_node *node)
{
    weir_envelope *copy;
    if (weir__node_unpack(node, node->scratch.data, node->scratch.size, &copy, NULL) != 0)
        weir__node_give_up(node, "a reply");
    else
        weir__request_answered(node, node->own, copy);
}

void weir__served_answer(weir_node *node, struct weir__peer *peer, uint64_t correlation,
                         weir_envelope *reply)
{
    struct weir__served *served = weir_number_map_get(&peer->served, correlation);
    if (served == NULL || served->answered)
        return; /* answered already, or its sender is gone */
    reply->correlation = correlation;
    reply->reply = true;
    weir_error error;
    int rc = weir__node_pack(node, reply, &error);
    if (rc != 0) {
        weir__node_log(node, WEIR_LOG_ERROR, "%s: a reply was not sent: %s", reply->from,
                       error.text);
        rc = pack_error(node, reply, rc, error.text);
    }
    if (rc != 0) {
        weir__node_give_up(node, "a reply");
        return;
    }
    if (peer == node->own) {
        free_served(node, served);
        answer_local(node);
        return;
    }
    bool was_sent = peer->up && node->transport->send(node->transport, peer->link,
                                                      node->scratch.data, node->scratch.size) == 0;
    remember(node, served, was_sent);
}

void weir__served_error(weir_node *node, struct weir__peer *peer, uint64_t correlation,
                        const char *from, const char *to, int code, const char *text)
{
    Weir__Proto__Error body = WEIR__PROTO__ERROR__INIT;
    body.code = code;
    body.text = (char *)(uintptr_t)text;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.from = (char *)(uintptr_t)from;
    envelope.to = (char *)(uintptr_t)to;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_ERROR;
    envelope.error = &body;
    weir__served_answer(node, peer, correlation, &envelope);
}

void weir__served_of_actor_end(weir_node *node, uint64_t actor, const char *name)
{
    char text[WEIR_ACTOR_NAME_MAX + 64];
    snprintf(text, sizeof text, "actor %s ended without an answer", name);
    struct weir__served *next;
    for (struct weir__served *served = TAILQ_FIRST(&node->in_progress); served != NULL;
         served = next) {
        next = TAILQ_NEXT(served, of_node);
        if (served->actor == actor)
            weir__served_error(node, served->peer, served->correlation, name, name,
                               WEIR_EUNAVAILABLE, text);
    }
}
