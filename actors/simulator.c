/* actors/simulator.c -- many nodes in one thread, virtual time, one seed.
 *
 * Invariants: nothing depends on addresses, real time or real chance; every event is taken from the
 * queue in the order (time, number), and events of a paused node go back into it in that order. A
 * node is destroyed only while none of its callbacks runs. */
#include "actors/simulator.h"

#include "actors/number_map.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WALL_START_MS INT64_C(1700000000000)

enum { HINT_DELAY_US = 20000, HINTS_PERMILLE = 750, LATE_TIMES = 8, FIRST_CAPACITY = 64 };

enum event_kind { EVENT_MESSAGE, EVENT_LINK_UP, EVENT_LINK_DOWN, EVENT_WAKE, EVENT_RUN };

static const char *const event_names[] = {"message", "link-up", "link-down", "wake", "run"};

typedef struct event {
    int64_t at_us;
    uint64_t number;
    enum event_kind kind;
    weir_simulated_node *node; /* NULL: of nobody */
    weir_simulated_node *from; /* MESSAGE */
    uint64_t link;             /* WAKE: its generation */
    void (*run)(void *data);
    void *data;
    size_t size; /* MESSAGE */
    uint8_t bytes[];
} event;

struct weir_simulated_node {
    weir_transport transport; /* first: the transport's self is the node */
    weir_simulator *simulator;
    uint32_t index;
    char *endpoint;
    weir_node *node;
    bool alive;
    bool dying; /* killed by its own callback: dies when that returns */
    int64_t paused_until_us;
    int64_t wake_us;
    uint64_t wake_generation;
    void (*killed)(void *data);
    void *data;
};

/* What an outgoing link leads to: whoever has the endpoint now. Each process that it reached knows
 * it by a number of its own. */
typedef struct connection {
    uint64_t link;
    weir_simulated_node *connector;
    char *endpoint;
    weir_simulated_node *acceptor; /* last reached */
    uint64_t acceptor_link;        /* 0: none */
    int64_t last_us[2];            /* latest arrival at the acceptor, at the connector */
} connection;

typedef struct cut {
    weir_simulated_node *from, *to;
    int64_t until_us;
} cut;

struct weir_simulator {
    weir_prng prng;
    int64_t now_us;
    event **events; /* a binary heap */
    size_t count, capacity;
    uint64_t last_event, last_link;
    weir_simulated_node **nodes;
    size_t node_count, node_capacity;
    weir_number_map links; /* both numbers of each connection */
    cut *cuts;
    size_t cut_count, cut_capacity;
    weir_fault_plan plan;
    weir_fault_counts counts;
    weir_simulated_node *running; /* whose callbacks are on the stack */
    uint64_t hash;
    bool trace, failed;
};

/* --- the queue --- */

static bool is_before(const event *a, const event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static int grow(void **array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return 0;
    size_t larger = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;
    void *moved = weir_realloc(*array, larger * size);
    if (moved == NULL)
        return WEIR_ENO_MEMORY;
    *array = moved;
    *capacity = larger;
    return 0;
}

static int push(weir_simulator *simulator, event *new_event)
{
    void *events = simulator->events;
    int rc = grow(&events, &simulator->capacity, simulator->count, sizeof(event *));
    simulator->events = events;
    if (rc != 0) {
        simulator->failed = true;
        weir_free(new_event);
        return rc;
    }
    new_event->number = ++simulator->last_event;
    size_t place = simulator->count++;
    while (place > 0 && is_before(new_event, simulator->events[(place - 1) / 2])) {
        simulator->events[place] = simulator->events[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    simulator->events[place] = new_event;
    return 0;
}

static event *pop(weir_simulator *simulator)
{
    event *first = simulator->events[0];
    event *last = simulator->events[--simulator->count];
    size_t place = 0;
    for (;;) {
        size_t child = place * 2 + 1;
        if (child >= simulator->count)
            break;
        if (child + 1 < simulator->count &&
            is_before(simulator->events[child + 1], simulator->events[child]))
            child++;
        if (!is_before(simulator->events[child], last))
            break;
        simulator->events[place] = simulator->events[child];
        place = child;
    }
    if (simulator->count > 0)
        simulator->events[place] = last;
    return first;
}

static event *make_event(weir_simulator *simulator, enum event_kind kind, int64_t at_us,
                         weir_simulated_node *node, size_t size)
{
    event *made = weir_calloc(1, sizeof *made + size);
    if (made == NULL) {
        simulator->failed = true;
        return NULL;
    }
    made->kind = kind;
    made->at_us = at_us;
    made->node = node;
    made->size = size;
    return made;
}

static void push_hint(weir_simulator *simulator, weir_simulated_node *node, uint64_t link, bool up)
{
    /* A hint may fail to come: a host that vanishes closes no connection. */
    int64_t delay = (int64_t)weir_prng_below(&simulator->prng, HINT_DELAY_US);
    if (weir_prng_below(&simulator->prng, 1000) >= HINTS_PERMILLE)
        return;
    event *hint = make_event(simulator, up ? EVENT_LINK_UP : EVENT_LINK_DOWN,
                             simulator->now_us + delay, node, 0);
    if (hint == NULL)
        return;
    hint->link = link;
    if (push(simulator, hint) != 0)
        simulator->failed = true;
}

/* --- the network --- */

static weir_simulated_node *node_at(const weir_simulator *simulator, const char *endpoint)
{
    for (size_t i = simulator->node_count; i-- > 0;) {
        weir_simulated_node *node = simulator->nodes[i];
        if (node->alive && node->endpoint != NULL && strcmp(node->endpoint, endpoint) == 0)
            return node;
    }
    return NULL;
}

static bool is_cut(const weir_simulator *simulator, const weir_simulated_node *from,
                   const weir_simulated_node *to)
{
    for (size_t i = 0; i < simulator->cut_count; i++) {
        const cut *one = &simulator->cuts[i];
        if (one->from == from && one->to == to && one->until_us > simulator->now_us)
            return true;
    }
    return false;
}

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

static void carry(weir_simulator *simulator, weir_simulated_node *from, weir_simulated_node *to,
                  uint64_t link, const void *bytes, size_t size, int64_t at_us)
{
    event *message = make_event(simulator, EVENT_MESSAGE, at_us, to, size);
    if (message == NULL)
        return;
    message->from = from;
    message->link = link;
    memcpy(message->bytes, bytes, size);
    if (push(simulator, message) != 0)
        simulator->failed = true;
}

/* In order behind the direction's last one, unless it is overtaken. */
static void post(weir_simulator *simulator, weir_simulated_node *from, weir_simulated_node *to,
                 uint64_t link, const void *bytes, size_t size, int64_t *last_us)
{
    simulator->counts.messages++;
    int64_t late_us = simulator->plan.delay_max_us * LATE_TIMES + 1;
    int64_t at_us = simulator->now_us + delay_of(simulator);
    bool is_dropped = chance(simulator, simulator->plan.drop);
    bool is_repeated = chance(simulator, simulator->plan.repeat);
    bool is_overtaken = chance(simulator, simulator->plan.reorder);
    int64_t extra_us = (int64_t)weir_prng_below(&simulator->prng, (uint64_t)late_us);
    if (is_cut(simulator, from, to) || is_dropped) {
        simulator->counts.dropped++;
        return;
    }
    if (is_overtaken) {
        simulator->counts.reordered++;
        at_us += extra_us;
    } else {
        at_us = at_us > *last_us ? at_us : *last_us;
        *last_us = at_us;
    }
    carry(simulator, from, to, link, bytes, size, at_us);
    if (is_repeated) {
        simulator->counts.repeated++;
        carry(simulator, from, to, link, bytes, size, at_us + extra_us);
    }
}

static int transport_connect(weir_transport *self, const char *endpoint, weir_roles expected,
                             uint64_t *ret_link, weir_error *err)
{
    (void)expected; /* there are no keys; the node looks at the role */
    weir_simulated_node *node = (weir_simulated_node *)self;
    weir_simulator *simulator = node->simulator;
    connection *made = weir_calloc(1, sizeof *made);
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
    if (node_at(simulator, endpoint) != NULL)
        push_hint(simulator, node, made->link, true);
    *ret_link = made->link;
    return 0;
}

static void free_connection(weir_simulator *simulator, connection *gone)
{
    weir_number_map_take(&simulator->links, gone->link);
    if (gone->acceptor_link != 0)
        weir_number_map_take(&simulator->links, gone->acceptor_link);
    weir_free(gone->endpoint);
    weir_free(gone);
}

static void transport_disconnect(weir_transport *self, uint64_t link)
{
    weir_simulator *simulator = ((weir_simulated_node *)self)->simulator;
    connection *found = weir_number_map_get(&simulator->links, link);
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

static int reach(weir_simulator *simulator, connection *out)
{
    weir_simulated_node *acceptor = node_at(simulator, out->endpoint);
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
    connection *found = weir_number_map_get(&simulator->links, link);
    if (found == NULL)
        return WEIR_EUNAVAILABLE;
    if (found->link != link) { /* back from the acceptor */
        if (found->acceptor != node || !found->connector->alive)
            return WEIR_EUNAVAILABLE;
        post(simulator, node, found->connector, found->link, bytes, size, &found->last_us[1]);
        return 0;
    }
    int rc = reach(simulator, found);
    if (rc == 0)
        post(simulator, node, found->acceptor, found->acceptor_link, bytes, size,
             &found->last_us[0]);
    return rc;
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

/* --- life and death --- */

int weir_simulator_new(uint64_t seed, weir_simulator **ret)
{
    weir_simulator *simulator = weir_calloc(1, sizeof *simulator);
    if (simulator == NULL)
        return WEIR_ENO_MEMORY;
    simulator->prng.state = seed;
    simulator->hash = UINT64_C(0xCBF29CE484222325);
    simulator->plan = (weir_fault_plan){.delay_min_us = 50, .delay_max_us = 500};
    *ret = simulator;
    return 0;
}

static void die(weir_simulated_node *node)
{
    node->alive = false;
    node->dying = false;
    weir_node_destroy(&node->node);
    if (node->killed != NULL)
        node->killed(node->data);
}

/* Tells those who are connected to it, and drops its own connections. */
static void break_links(weir_simulator *simulator, const weir_simulated_node *gone)
{
    /* By number, not by place in the table, so that chance is asked in a fixed order. */
    for (uint64_t link = 1; link <= simulator->last_link; link++) {
        connection *found = weir_number_map_get(&simulator->links, link);
        if (found == NULL || found->link != link)
            continue;
        if (found->connector == gone)
            free_connection(simulator, found);
        else if (found->acceptor == gone && found->connector->alive)
            push_hint(simulator, found->connector, link, false);
    }
}

static void end_node(weir_simulator *simulator, weir_simulated_node *node)
{
    break_links(simulator, node);
    die(node);
}

void weir_simulator_destroy(weir_simulator **simulator)
{
    if (simulator == NULL || *simulator == NULL)
        return;
    weir_simulator *gone = *simulator;
    *simulator = NULL;
    for (size_t i = 0; i < gone->node_count; i++) {
        if (gone->nodes[i]->alive)
            end_node(gone, gone->nodes[i]);
    }
    for (size_t i = 0; i < gone->node_count; i++) {
        weir_free(gone->nodes[i]->endpoint);
        weir_free(gone->nodes[i]);
    }
    for (size_t i = 0; i < gone->count; i++)
        weir_free(gone->events[i]);
    weir_number_map_deinit(&gone->links);
    weir_free(gone->events);
    weir_free(gone->nodes);
    weir_free(gone->cuts);
    weir_free(gone);
}

static void announce(weir_simulator *simulator, const weir_simulated_node *node)
{
    for (uint64_t link = 1; node->endpoint != NULL && link <= simulator->last_link; link++) {
        connection *found = weir_number_map_get(&simulator->links, link);
        if (found != NULL && found->link == link && found->connector->alive &&
            strcmp(found->endpoint, node->endpoint) == 0)
            push_hint(simulator, found->connector, link, true);
    }
}

static int make_node(weir_simulator *simulator, const weir_node_config *config,
                     const char *endpoint, weir_simulated_node **ret, weir_error *err)
{
    weir_simulated_node *node = weir_calloc(1, sizeof *node);
    char *copy = weir_strdup(endpoint);
    if (node == NULL || (endpoint != NULL && copy == NULL)) {
        weir_free(node);
        weir_free(copy);
        return weir_error_set(err, WEIR_ENO_MEMORY, "simulator: no memory for a node");
    }
    node->transport = (weir_transport){
        .connect = transport_connect,
        .disconnect = transport_disconnect,
        .send = transport_send,
        .now_ms = transport_now_ms,
        .wall_ms = transport_wall_ms,
        .random = transport_random,
        .log = transport_log,
    };
    node->simulator = simulator;
    node->endpoint = copy;
    node->wake_us = INT64_MAX;
    int rc = weir_node_new(config, &node->transport, &node->node, err);
    if (rc != 0) {
        weir_free(node->endpoint);
        weir_free(node);
        return rc;
    }
    *ret = node;
    return 0;
}

int weir_simulator_add(weir_simulator *simulator, const weir_node_config *config,
                       const char *endpoint, void (*killed)(void *data), void *data,
                       weir_simulated_node **ret, weir_error *err)
{
    if (endpoint != NULL && node_at(simulator, endpoint) != NULL)
        return weir_error_set(err, WEIR_EEXISTS, "simulator: %s has a living node", endpoint);
    void *nodes = simulator->nodes;
    int rc = grow(&nodes, &simulator->node_capacity, simulator->node_count,
                  sizeof(weir_simulated_node *));
    simulator->nodes = nodes;
    if (rc != 0)
        return weir_error_set(err, rc, "simulator: no memory for a node");
    weir_simulated_node *node = NULL;
    rc = make_node(simulator, config, endpoint, &node, err);
    if (rc != 0)
        return rc;
    node->alive = true;
    node->killed = killed;
    node->data = data;
    node->index = (uint32_t)simulator->node_count;
    simulator->nodes[simulator->node_count++] = node;
    announce(simulator, node);
    *ret = node;
    return 0;
}

weir_node *weir_simulated_node_get(weir_simulated_node *node)
{
    return node->node;
}

bool weir_simulated_node_is_alive(const weir_simulated_node *node)
{
    return node->alive && !node->dying;
}

/* --- faults --- */

void weir_simulator_set_faults(weir_simulator *simulator, const weir_fault_plan *plan)
{
    simulator->plan = *plan;
    if (simulator->plan.delay_max_us < simulator->plan.delay_min_us)
        simulator->plan.delay_max_us = simulator->plan.delay_min_us;
}

void weir_simulator_kill(weir_simulator *simulator, weir_simulated_node *node)
{
    if (!weir_simulated_node_is_alive(node))
        return;
    simulator->counts.killed++;
    if (simulator->running == node)
        node->dying = true;
    else
        end_node(simulator, node);
}

void weir_simulator_pause(weir_simulator *simulator, weir_simulated_node *node, int64_t for_us)
{
    if (!weir_simulated_node_is_alive(node))
        return;
    simulator->counts.paused++;
    int64_t until_us = simulator->now_us + for_us;
    if (until_us > node->paused_until_us)
        node->paused_until_us = until_us;
}

static void cut_one_way(weir_simulator *simulator, weir_simulated_node *from,
                        weir_simulated_node *to, int64_t until_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < simulator->cut_count; i++) {
        if (simulator->cuts[i].until_us > simulator->now_us)
            simulator->cuts[kept++] = simulator->cuts[i];
    }
    simulator->cut_count = kept;
    void *cuts = simulator->cuts;
    int rc = grow(&cuts, &simulator->cut_capacity, simulator->cut_count, sizeof(cut));
    simulator->cuts = cuts;
    if (rc != 0) {
        simulator->failed = true;
        return;
    }
    simulator->cuts[simulator->cut_count++] = (cut){from, to, until_us};
}

void weir_simulator_cut(weir_simulator *simulator, weir_simulated_node *a, weir_simulated_node *b,
                        bool both_ways, int64_t for_us)
{
    simulator->counts.cut++;
    cut_one_way(simulator, a, b, simulator->now_us + for_us);
    if (both_ways)
        cut_one_way(simulator, b, a, simulator->now_us + for_us);
}

/* --- running --- */

int weir_simulator_schedule(weir_simulator *simulator, weir_simulated_node *node, int64_t delay_us,
                            void (*run)(void *data), void *data)
{
    event *task = make_event(simulator, EVENT_RUN, simulator->now_us + delay_us, node, 0);
    if (task == NULL)
        return WEIR_ENO_MEMORY;
    task->run = run;
    task->data = data;
    return push(simulator, task);
}

static void mix(weir_simulator *simulator, uint64_t value)
{
    simulator->hash = (simulator->hash ^ value) * UINT64_C(0x100000001B3);
    simulator->hash ^= simulator->hash >> 29;
}

static void record(weir_simulator *simulator, const event *one)
{
    mix(simulator, (uint64_t)one->at_us);
    mix(simulator, (uint64_t)one->kind);
    mix(simulator, one->node == NULL ? UINT64_MAX : one->node->index);
    mix(simulator, one->link);
    for (size_t i = 0; i < one->size; i++)
        mix(simulator, one->bytes[i]);
    if (!simulator->trace)
        return;
    fprintf(stderr, "%12" PRId64 " node %d %s link %" PRIu64 " bytes %zu\n", simulator->now_us,
            one->node == NULL ? -1 : (int)one->node->index, event_names[one->kind], one->link,
            one->size);
}

/* Lets a node do what is due and sets its next wake. */
static void pump(weir_simulator *simulator, weir_simulated_node *node)
{
    if (!node->alive)
        return;
    if (!node->dying) {
        simulator->running = node;
        int64_t next_ms = weir_node_run(node->node);
        simulator->running = NULL;
        int64_t wake_us = next_ms >= INT64_MAX / 1000 ? INT64_MAX : next_ms * 1000;
        if (wake_us != INT64_MAX && wake_us < simulator->now_us)
            wake_us = simulator->now_us;
        if (wake_us != node->wake_us && wake_us != INT64_MAX) {
            event *wake = make_event(simulator, EVENT_WAKE, wake_us, node, 0);
            if (wake != NULL) {
                wake->link = ++node->wake_generation;
                if (push(simulator, wake) != 0)
                    simulator->failed = true;
            }
        }
        node->wake_us = wake_us;
    }
    if (node->dying || weir_node_is_stopped(node->node))
        end_node(simulator, node);
}

static void pump_all(weir_simulator *simulator)
{
    for (size_t i = 0; i < simulator->node_count; i++) {
        weir_simulated_node *node = simulator->nodes[i];
        if (node->paused_until_us <= simulator->now_us)
            pump(simulator, node);
    }
}

static void perform(weir_simulator *simulator, const event *one)
{
    weir_simulated_node *node = one->node;
    simulator->running = node;
    switch (one->kind) {
    case EVENT_MESSAGE:
        weir_node_on_message(node->node, one->link, one->bytes, one->size);
        break;
    case EVENT_LINK_UP:
    case EVENT_LINK_DOWN:
        weir_node_on_link(node->node, one->link, one->kind == EVENT_LINK_UP);
        break;
    case EVENT_WAKE:
        node->wake_us = INT64_MAX;
        break;
    case EVENT_RUN:
        one->run(one->data);
        break;
    }
    simulator->running = NULL;
    if (node != NULL)
        pump(simulator, node);
    else
        pump_all(simulator); /* nobody's event may have touched any of them */
}

static void step(weir_simulator *simulator)
{
    event *one = pop(simulator);
    simulator->now_us = one->at_us > simulator->now_us ? one->at_us : simulator->now_us;
    weir_simulated_node *node = one->node;
    bool is_stale =
        node != NULL &&
        (!node->alive || (one->kind == EVENT_WAKE && one->link != node->wake_generation));
    if (!is_stale && node != NULL && node->paused_until_us > simulator->now_us) {
        one->at_us = node->paused_until_us;
        if (push(simulator, one) != 0)
            simulator->failed = true;
        return;
    }
    if (!is_stale && one->kind == EVENT_MESSAGE && is_cut(simulator, one->from, node)) {
        simulator->counts.dropped++;
        is_stale = true;
    }
    if (!is_stale) {
        record(simulator, one);
        perform(simulator, one);
    }
    weir_free(one);
}

int weir_simulator_run(weir_simulator *simulator, bool (*until)(void *data), void *data,
                       int64_t limit_us)
{
    pump_all(simulator);
    for (;;) {
        if (simulator->failed)
            return WEIR_ENO_MEMORY;
        if (until != NULL && until(data))
            return 0;
        if (simulator->count == 0)
            return WEIR_ETIMEOUT;
        if (simulator->events[0]->at_us > limit_us) {
            simulator->now_us = limit_us > simulator->now_us ? limit_us : simulator->now_us;
            return WEIR_ETIMEOUT;
        }
        step(simulator);
    }
}

uint64_t weir_simulator_random(weir_simulator *simulator, uint64_t bound)
{
    return weir_prng_below(&simulator->prng, bound);
}

int64_t weir_simulator_now_us(const weir_simulator *simulator)
{
    return simulator->now_us;
}

weir_fault_counts weir_simulator_faults(const weir_simulator *simulator)
{
    return simulator->counts;
}

uint64_t weir_simulator_hash(const weir_simulator *simulator)
{
    return simulator->hash;
}

void weir_simulator_trace(weir_simulator *simulator, bool on)
{
    simulator->trace = on;
}
