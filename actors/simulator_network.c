/* actors/simulator_network.c -- links between simulated nodes, and what happens to messages on
 * them. */
#include "actors/simulator_internal.h"

#include "base/memory.h"
#include "proto/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WALL_START_MS INT64_C(1700000000000)

enum { HINT_DELAY_US = 20000, HINTS_PERMILLE = 750, LATE_TIMES = 8, UNPACKED_MAX = 64 << 20 };

/* --- hints --- */

static void push_hint(weir_simulator *simulator, weir_simulated_node *node, uint64_t link, bool up)
{
    /* A hint may fail to come: a host that vanishes closes no connection. */
    int64_t delay = (int64_t)weir_prng_below(&simulator->prng, HINT_DELAY_US);
    if (weir_prng_below(&simulator->prng, 1000) >= HINTS_PERMILLE)
        return;
    weir__sim_event *hint =
        weir__sim_make_event(simulator, up ? WEIR__SIM_LINK_UP : WEIR__SIM_LINK_DOWN,
                             simulator->now_us + delay, node, 0);
    if (hint == NULL)
        return;
    hint->link = link;
    weir__sim_push(simulator, hint);
}

weir_simulated_node *weir__sim_node_at(const weir_simulator *simulator, const char *endpoint)
{
    for (size_t i = simulator->node_count; i-- > 0;) {
        weir_simulated_node *node = simulator->nodes[i];
        if (node->alive && node->endpoint != NULL && strcmp(node->endpoint, endpoint) == 0)
            return node;
    }
    return NULL;
}

static void free_connection(weir_simulator *simulator, weir__sim_connection *gone)
{
    weir_number_map_take(&simulator->links, gone->link);
    if (gone->acceptor_link != 0)
        weir_number_map_take(&simulator->links, gone->acceptor_link);
    weir_free(gone->endpoint);
    weir_free(gone);
}

/* The connections, by number and not by place in the table, so that chance is asked in a fixed
 * order. */
static weir__sim_connection *next_connection(const weir_simulator *simulator, uint64_t *link)
{
    while (++*link <= simulator->last_link) {
        weir__sim_connection *found = weir_number_map_get(&simulator->links, *link);
        if (found != NULL && found->link == *link)
            return found;
    }
    return NULL;
}

void weir__sim_break_links(weir_simulator *simulator, const weir_simulated_node *gone)
{
    weir__sim_connection *found;
    for (uint64_t link = 0; (found = next_connection(simulator, &link)) != NULL;) {
        if (found->connector == gone)
            free_connection(simulator, found);
        else if (found->acceptor == gone && found->connector->alive)
            push_hint(simulator, found->connector, link, false);
    }
}

void weir__sim_announce(weir_simulator *simulator, const weir_simulated_node *node)
{
    weir__sim_connection *found;
    if (node->endpoint == NULL)
        return;
    for (uint64_t link = 0; (found = next_connection(simulator, &link)) != NULL;) {
        if (found->connector->alive && strcmp(found->endpoint, node->endpoint) == 0)
            push_hint(simulator, found->connector, link, true);
    }
}

/* --- what faults hit --- */

bool weir__sim_is_worth(const weir__sim_event *message)
{
    ProtobufCMessage *unpacked = NULL;
    if (weir_proto_unpack(&weir__proto__envelope__descriptor, message->bytes, message->size,
                          UNPACKED_MAX, &unpacked, NULL) != 0)
        return true;
    bool is_heartbeat =
        ((weir_envelope *)unpacked)->body_case == WEIR__PROTO__ENVELOPE__BODY_HEARTBEAT;
    weir_proto_free(unpacked);
    return !is_heartbeat;
}

void weir__sim_print(const weir__sim_event *message)
{
    ProtobufCMessage *unpacked = NULL;
    if (weir_proto_unpack(&weir__proto__envelope__descriptor, message->bytes, message->size,
                          UNPACKED_MAX, &unpacked, NULL) != 0)
        return;
    const weir_envelope *envelope = (const weir_envelope *)unpacked;
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
        &weir__proto__envelope__descriptor, (unsigned)envelope->body_case);
    fprintf(stderr, " %s %s:%s -> %s %" PRIx64 "%s", field == NULL ? "nothing" : field->name,
            envelope->from_process, envelope->from, envelope->to, envelope->correlation,
            envelope->reply ? " reply" : "");
    weir_proto_free(unpacked);
}

static weir__sim_cut *find_cut(const weir_simulator *simulator, const weir_simulated_node *from,
                               const weir_simulated_node *to)
{
    for (size_t i = 0; i < simulator->cut_count; i++) {
        weir__sim_cut *one = &simulator->cuts[i];
        if (one->from == from && one->to == to && one->until_us > simulator->now_us)
            return one;
    }
    return NULL;
}

/* The cut's other half, if it has one, is the same fault. */
static void tell_cut(weir_simulator *simulator, weir__sim_cut *cut)
{
    weir__sim_cut *back = cut->both_ways ? find_cut(simulator, cut->to, cut->from) : NULL;
    if (cut->both_ways)
        simulator->mattered.cut++;
    else
        simulator->mattered.cut_one++;
    cut->untold = false;
    if (back != NULL)
        back->untold = false;
}

bool weir__sim_is_lost_to_cut(weir_simulator *simulator, const weir__sim_event *message)
{
    weir__sim_cut *cut = find_cut(simulator, message->from, message->node);
    if (cut == NULL)
        return false;
    if (cut->untold && weir__sim_is_worth(message))
        tell_cut(simulator, cut);
    return true;
}

void weir__sim_arrived(weir_simulator *simulator, const weir__sim_event *message)
{
    bool is_worth = (message->marks != 0 || !message->from->alive) && weir__sim_is_worth(message);
    weir__sim_connection *found = weir_number_map_get(&simulator->links, message->link);
    bool is_overtaken = false;
    if (found != NULL) {
        uint64_t *arrived = &found->arrived[found->link == message->link];
        is_overtaken = message->sequence < *arrived;
        *arrived = is_overtaken ? *arrived : message->sequence;
    }
    if (!is_worth)
        return;
    simulator->mattered.repeated += (message->marks & WEIR__SIM_REPEAT) != 0;
    simulator->mattered.late += (message->marks & WEIR__SIM_LATE) != 0;
    simulator->mattered.reordered += is_overtaken && (message->marks & WEIR__SIM_OVERTAKEN) != 0;
    if (message->from->alive)
        return;
    simulator->counts.posthumous++;
    simulator->mattered.posthumous += message->from->endpoint != NULL &&
                                      weir__sim_node_at(simulator, message->from->endpoint) != NULL;
}

/* --- messages --- */

static bool chance(weir_simulator *simulator, uint32_t permille)
{
    return weir_prng_below(&simulator->prng, 1000) < permille;
}

static int64_t delay_of(weir_simulator *simulator)
{
    const weir_fault_plan *plan = &simulator->plan;
    uint64_t range = (uint64_t)(plan->delay_max_us - plan->delay_min_us) + 1;
    return plan->delay_min_us + (int64_t)weir_prng_below(&simulator->prng, range);
}

static weir__sim_event *make_message(weir_simulator *simulator, const weir_simulated_node *from,
                                     weir_simulated_node *to, uint64_t link, const void *bytes,
                                     size_t size)
{
    weir__sim_event *message =
        weir__sim_make_event(simulator, WEIR__SIM_MESSAGE, simulator->now_us, to, size);
    if (message == NULL)
        return NULL;
    message->from = from;
    message->link = link;
    memcpy(message->bytes, bytes, size);
    return message;
}

static void repeat(weir_simulator *simulator, const weir__sim_event *first, int64_t later_us)
{
    weir__sim_event *again =
        make_message(simulator, first->from, first->node, first->link, first->bytes, first->size);
    if (again == NULL)
        return;
    simulator->counts.repeated++;
    again->at_us = first->at_us + later_us;
    again->sequence = first->sequence;
    again->marks = WEIR__SIM_REPEAT;
    weir__sim_push(simulator, again);
}

/* In order behind the direction's last one, unless it is overtaken. Takes the message over. */
static void post(weir_simulator *simulator, weir__sim_connection *by, bool back,
                 weir__sim_event *message)
{
    const weir_fault_plan *plan = &simulator->plan;
    simulator->counts.messages++;
    int64_t at_us = simulator->now_us + delay_of(simulator);
    bool is_dropped = chance(simulator, plan->drop);
    bool is_repeated = chance(simulator, plan->repeat);
    bool is_overtaken = chance(simulator, plan->reorder);
    bool is_late = plan->late > 0 && chance(simulator, plan->late);
    uint64_t range_us = (uint64_t)(plan->delay_max_us * LATE_TIMES + 1);
    int64_t extra_us = (int64_t)weir_prng_below(&simulator->prng, range_us);
    message->sequence = ++by->sent[back];
    if (is_dropped || weir__sim_is_lost_to_cut(simulator, message)) {
        simulator->counts.dropped += is_dropped;
        simulator->mattered.dropped += is_dropped && weir__sim_is_worth(message);
        weir_free(message);
        return;
    }
    if (is_late) {
        simulator->counts.late++;
        message->marks |= WEIR__SIM_LATE;
        at_us += (int64_t)weir_prng_below(&simulator->prng, (uint64_t)plan->late_max_us + 1);
    }
    if (is_overtaken) {
        simulator->counts.reordered++;
        message->marks |= WEIR__SIM_OVERTAKEN;
        at_us += extra_us;
    } else {
        at_us = at_us > by->last_us[back] ? at_us : by->last_us[back];
        by->last_us[back] = at_us;
    }
    message->at_us = at_us;
    if (is_repeated)
        repeat(simulator, message, extra_us);
    weir__sim_push(simulator, message);
}

int weir_simulator_inject(weir_simulator *simulator, const weir_simulated_node *from,
                          weir_simulated_node *to, const void *bytes, size_t size)
{
    weir__sim_connection *found;
    for (uint64_t link = 0; (found = next_connection(simulator, &link)) != NULL;) {
        bool forth = found->connector == from && found->acceptor == to && found->acceptor_link != 0;
        bool back = found->connector == to && found->acceptor == from;
        if (!forth && !back)
            continue;
        weir__sim_event *message = make_message(
            simulator, from, to, back ? found->link : found->acceptor_link, bytes, size);
        if (message == NULL)
            return WEIR_ENO_MEMORY;
        message->sequence = found->sent[back];
        weir__sim_push(simulator, message);
        return 0;
    }
    return WEIR_EUNAVAILABLE;
}

/* --- the transport --- */

static int transport_connect(weir_transport *self, const char *endpoint, weir_roles expected,
                             uint64_t *ret_link, weir_error *err)
{
    (void)expected; /* there are no keys; the node looks at the role */
    weir_simulated_node *node = (weir_simulated_node *)self;
    weir_simulator *simulator = node->simulator;
    weir__sim_connection *made = weir_calloc(1, sizeof *made);
    char *copy = weir_strdup(endpoint);
    if (made == NULL || copy == NULL ||
        weir_number_map_put(&simulator->links, simulator->last_link + 1, made) != 0) {
        weir_free(made);
        weir_free(copy);
        return weir_error_set(err, WEIR_ENO_MEMORY, "simulator: no memory for a connection");
    }
    made->link = ++simulator->last_link;
    made->connector = node;
    made->endpoint = copy;
    if (weir__sim_node_at(simulator, endpoint) != NULL)
        push_hint(simulator, node, made->link, true);
    *ret_link = made->link;
    return 0;
}

static void transport_disconnect(weir_transport *self, uint64_t link)
{
    weir_simulator *simulator = ((weir_simulated_node *)self)->simulator;
    weir__sim_connection *found = weir_number_map_get(&simulator->links, link);
    if (found == NULL)
        return;
    if (found->link == link) {
        free_connection(simulator, found);
        return;
    }
    /* The acceptor forgets it; what comes next on it comes as a new link. */
    weir_number_map_take(&simulator->links, link);
    found->acceptor_link = 0;
}

static int reach(weir_simulator *simulator, weir__sim_connection *out)
{
    weir_simulated_node *acceptor = weir__sim_node_at(simulator, out->endpoint);
    if (acceptor == NULL)
        return WEIR_EUNAVAILABLE;
    if (acceptor == out->acceptor && out->acceptor_link != 0)
        return 0;
    int rc = weir_number_map_put(&simulator->links, simulator->last_link + 1, out);
    if (rc != 0)
        return rc;
    if (out->acceptor_link != 0)
        weir_number_map_take(&simulator->links, out->acceptor_link);
    if (acceptor != out->acceptor)
        out->last_us[0] = out->last_us[1] = 0;
    out->acceptor = acceptor;
    out->acceptor_link = ++simulator->last_link;
    return 0;
}

static int transport_send(weir_transport *self, uint64_t link, const void *bytes, size_t size)
{
    weir_simulated_node *node = (weir_simulated_node *)self;
    weir_simulator *simulator = node->simulator;
    weir__sim_connection *found = weir_number_map_get(&simulator->links, link);
    if (found == NULL || node->dying)
        return WEIR_EUNAVAILABLE;
    bool back = found->link != link; /* from the acceptor */
    if (back && (found->acceptor != node || !found->connector->alive))
        return WEIR_EUNAVAILABLE;
    int rc = back ? 0 : reach(simulator, found);
    if (rc != 0)
        return rc;
    weir__sim_event *message =
        make_message(simulator, node, back ? found->connector : found->acceptor,
                     back ? found->link : found->acceptor_link, bytes, size);
    if (message == NULL)
        return WEIR_ENO_MEMORY;
    post(simulator, found, back, message);
    return 0;
}

static int64_t transport_now_ms(weir_transport *self)
{
    return ((weir_simulated_node *)self)->simulator->now_us / 1000;
}

static int64_t transport_wall_ms(weir_transport *self)
{
    return WALL_START_MS + transport_now_ms(self);
}

static uint64_t transport_random(weir_transport *self)
{
    return weir_prng_next(&((weir_simulated_node *)self)->simulator->prng);
}

static void transport_log(weir_transport *self, int level, const char *line)
{
    const weir_simulated_node *node = (weir_simulated_node *)self;
    if (node->simulator->trace)
        fprintf(stderr, "%12" PRId64 " node %u log %d %s\n", node->simulator->now_us, node->index,
                level, line);
}

const weir_transport weir__sim_transport = {
    .connect = transport_connect,
    .disconnect = transport_disconnect,
    .send = transport_send,
    .now_ms = transport_now_ms,
    .wall_ms = transport_wall_ms,
    .random = transport_random,
    .log = transport_log,
};
