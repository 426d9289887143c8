/* actors/reactor_door.c -- the door of a reactor: whom its messages come from.
 *
 * ZeroMQ checks a key when a connection is made, and never again. So every message is looked at: it
 * says which key it came with (its User-Id), and when keys were taken away since that key was last
 * looked up, it is looked up again. */
#include "actors/reactor_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static const char *hex_of(const uint8_t *id, size_t size, char hex[WEIR__ROUTING_ID_MAX * 2 + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        hex[i * 2] = digits[id[i] >> 4];
        hex[i * 2 + 1] = digits[id[i] & 15];
    }
    hex[size * 2] = '\0';
    return hex;
}

void weir__incoming_free(void *incoming)
{
    struct weir__incoming *in = incoming;
    weir_outbox_destroy(&in->outbox);
    weir_free(in);
}

const char *weir__door_address(weir_transport *self, uint64_t link)
{
    weir_reactor *reactor = (weir_reactor *)self;
    const struct weir__incoming *in = weir_number_map_get(&reactor->incoming_by_link, link);
    return in != NULL ? in->address : "";
}

void weir__incoming_forget(weir_reactor *reactor, uint64_t link)
{
    /* A ROUTER cannot close one connection; it is forgotten, and is a new link if it speaks again.
     */
    const struct weir__incoming *in = weir_number_map_take(&reactor->incoming_by_link, link);
    char hex[WEIR__ROUTING_ID_MAX * 2 + 1];
    if (in != NULL)
        weir_map_remove(reactor->incoming_by_id, hex_of(in->id, in->id_size, hex));
}

/* --- keys --- */

/* Of the frame behind the routing id, which ZeroMQ itself makes up. NULL: no keys here, or (with
 * keys) nobody said whose the message is. */
static const char *user_of(const weir_reactor *reactor, zmq_msg_t *frame)
{
    return reactor->authenticator == NULL ? NULL : zmq_msg_gets(frame, "User-Id");
}

/* The generation first: what changes in between is looked up again. */
static bool look_up(const weir_reactor *reactor, const char *user, uint64_t *ret_generation,
                    weir_identity *ret)
{
    *ret_generation = weir_authenticator_generation(reactor->authenticator);
    return weir_authenticator_identify(reactor->authenticator, user, ret);
}

bool weir__incoming_may_stay(const weir_reactor *reactor, const struct weir__incoming *in)
{
    uint64_t generation;
    weir_identity identity;
    if (reactor->authenticator == NULL ||
        in->generation == weir_authenticator_generation(reactor->authenticator))
        return true;
    return look_up(reactor, in->user, &generation, &identity);
}

/* Looks its key up again when keys changed, and lets the node see. False: it may not be here any
 * more, and is forgotten. */
static bool is_still_here(weir_reactor *reactor, struct weir__incoming *in)
{
    if (reactor->authenticator == NULL ||
        in->generation == weir_authenticator_generation(reactor->authenticator))
        return true;
    uint64_t link = in->link;
    bool is_here = look_up(reactor, in->user, &in->generation, &in->identity);
    weir_node_on_identity(reactor->node, link); /* it may forget the link */
    if (!is_here)
        weir__incoming_forget(reactor, link);
    return is_here && weir_number_map_get(&reactor->incoming_by_link, link) != NULL;
}

bool weir__door_identify(weir_transport *self, uint64_t link, weir_identity *ret)
{
    weir_reactor *reactor = (weir_reactor *)self;
    const struct weir__incoming *in = weir_number_map_get(&reactor->incoming_by_link, link);
    *ret = in != NULL ? in->identity : (weir_identity){.roles = 0};
    return ret->roles != 0;
}

int weir__door_issue_key(weir_transport *self, weir_roles roles, const char *scope,
                         weir_key_pair *ret, weir_error *err)
{
    weir_reactor *reactor = (weir_reactor *)self;
    int rc = weir_key_pair_new(ret, err);
    if (rc == 0)
        rc = weir_authenticator_admit(reactor->authenticator, &ret->shown, roles, scope, err);
    if (rc != 0)
        weir_key_pair_wipe(ret);
    return rc;
}

void weir__door_revoke_key(weir_transport *self, const weir_public_key *key)
{
    weir_authenticator_revoke(((weir_reactor *)self)->authenticator, key);
}

/* --- links --- */

static struct weir__incoming *enter(weir_reactor *reactor, const uint8_t *id, size_t size,
                                    const char *hex)
{
    struct weir__incoming *in = weir_calloc(1, sizeof *in);
    if (in == NULL)
        return NULL;
    in->outbox = weir_outbox_new(reactor->outbox);
    if (in->outbox == NULL) {
        weir__incoming_free(in);
        return NULL;
    }
    in->link = reactor->last_link + 1;
    in->id_size = size;
    memcpy(in->id, id, size);
    if (weir_map_put(reactor->incoming_by_id, hex, in) != 0) {
        weir__incoming_free(in);
        return NULL;
    }
    if (weir_number_map_put(&reactor->incoming_by_link, in->link, in) != 0) {
        weir_map_remove(reactor->incoming_by_id, hex);
        return NULL;
    }
    reactor->last_link++;
    return in;
}

/* The link of a routing id and a key; a new one for one that is not known. NULL: there are too
 * many, or the key may not be here. */
static struct weir__incoming *incoming_of(weir_reactor *reactor, zmq_msg_t *id, zmq_msg_t *frame)
{
    char hex[WEIR__ROUTING_ID_MAX * 2 + 1];
    size_t size = zmq_msg_size(id);
    if (size > WEIR__ROUTING_ID_MAX)
        return NULL;
    const char *user = user_of(reactor, frame);
    hex_of(zmq_msg_data(id), size, hex);
    struct weir__incoming *in = weir_map_get(reactor->incoming_by_id, hex);
    if (in != NULL && reactor->authenticator != NULL &&
        (user == NULL || strcmp(in->user, user) != 0)) {
        weir__incoming_forget(reactor, in->link);
        in = NULL;
    }
    if (in != NULL)
        return is_still_here(reactor, in) ? in : NULL;
    uint64_t generation = 0;
    weir_identity identity = {.roles = 0};
    if (reactor->authenticator != NULL && !look_up(reactor, user, &generation, &identity))
        return NULL;
    if (weir_map_count(reactor->incoming_by_id) >= reactor->incoming_max)
        return NULL;
    in = enter(reactor, zmq_msg_data(id), size, hex);
    if (in == NULL)
        return NULL;
    const char *address = zmq_msg_gets(frame, "Peer-Address");
    if (address != NULL)
        snprintf(in->address, sizeof in->address, "%s", address);
    if (user != NULL)
        weir_public_key_format(&identity.key, in->user);
    in->generation = generation;
    in->identity = identity;
    return in;
}

static bool receive(weir_reactor *reactor, zmq_msg_t *id, zmq_msg_t *frame)
{
    if (!weir__frame_receive(reactor->door, id))
        return false;
    if (!zmq_msg_more(id) || !weir__frame_receive(reactor->door, frame))
        return true;
    if (reactor->door_monitor != NULL)
        weir_door_watch_spoke(&reactor->watch, zmq_msg_get(frame, ZMQ_SRCFD));
    const struct weir__incoming *in = incoming_of(reactor, id, frame);
    if (in == NULL)
        weir__frame_was_last(reactor->door, frame);
    else
        weir__message_pass_on(reactor, reactor->door, in->link, frame);
    return true;
}

/* Of connections that came and went. News of a connection is here before its messages are. */
static void read_news(weir_reactor *reactor)
{
    int fd = -1;
    enum weir_zmq_news news;
    while ((news = weir_zmq_next_news(reactor->door_monitor, &fd)) != WEIR_ZMQ_NO_NEWS) {
        char line[WEIR_DOOR_LINE_MAX];
        if (news == WEIR_ZMQ_ACCEPTED)
            weir_door_watch_accepted(&reactor->watch, fd);
        else if (news == WEIR_ZMQ_DISCONNECTED &&
                 weir_door_watch_gone(&reactor->watch, fd, weir_clock_monotonic_ms(), line))
            weir_log_warn("%s", line);
    }
}

void weir__door_drain(weir_reactor *reactor)
{
    if (reactor->door_monitor != NULL)
        read_news(reactor);
    zmq_msg_t id, frame;
    zmq_msg_init(&id);
    zmq_msg_init(&frame);
    for (int left = WEIR__DRAIN_MAX; left > 0 && receive(reactor, &id, &frame); left--)
        continue;
    zmq_msg_close(&id);
    zmq_msg_close(&frame);
}
