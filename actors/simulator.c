/* actors/simulator.c -- many nodes in one thread, virtual time, one seed: the queue of events, life
 * and death of nodes, faults, running.
 *
 * Invariants: nothing depends on addresses, real time or real chance; every event is taken from the
 * queue in the order (time, number), and events of a paused node go back into it in that order. A
 * node is destroyed only while none of its callbacks runs. */
#include "actors/simulator_internal.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

static const char *const event_names[] = {"message", "link-up", "link-down", "wake", "run"};

/* --- the queue --- */

static bool is_before(const weir__sim_event *a, const weir__sim_event *b)
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

void weir__sim_push(weir_simulator *simulator, weir__sim_event *new_event)
{
    void *events = simulator->events;
    int rc = grow(&events, &simulator->capacity, simulator->count, sizeof(weir__sim_event *));
    simulator->events = events;
    if (rc != 0) {
        simulator->failed = true;
        weir_free(new_event);
        return;
    }
    new_event->number = ++simulator->last_event;
    size_t place = simulator->count++;
    while (place > 0 && is_before(new_event, simulator->events[(place - 1) / 2])) {
        simulator->events[place] = simulator->events[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    simulator->events[place] = new_event;
}

static weir__sim_event *pop(weir_simulator *simulator)
{
    weir__sim_event *first = simulator->events[0];
    weir__sim_event *last = simulator->events[--simulator->count];
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

weir__sim_event *weir__sim_make_event(weir_simulator *simulator, enum weir__sim_event_kind kind,
                                      int64_t at_us, weir_simulated_node *node, size_t size)
{
    weir__sim_event *made = weir_calloc(1, sizeof *made + size);
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

static void end_node(weir_simulator *simulator, weir_simulated_node *node)
{
    weir__sim_break_links(simulator, node);
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
    node->transport = weir__sim_transport;
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
    if (endpoint != NULL && weir__sim_node_at(simulator, endpoint) != NULL)
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
    weir__sim_announce(simulator, node);
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

/* Messages under way to or from it. */
static bool is_busy(const weir_simulator *simulator, const weir_simulated_node *node)
{
    for (size_t i = 0; i < simulator->count; i++) {
        const weir__sim_event *one = simulator->events[i];
        if (one->kind == WEIR__SIM_MESSAGE && (one->node == node || one->from == node) &&
            weir__sim_is_worth(one))
            return true;
    }
    return false;
}

void weir_simulator_kill(weir_simulator *simulator, weir_simulated_node *node)
{
    if (!weir_simulated_node_is_alive(node))
        return;
    simulator->counts.killed++;
    simulator->mattered.killed += is_busy(simulator, node);
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
    if (node->paused_until_us <= simulator->now_us)
        node->pause_untold = true;
    if (until_us > node->paused_until_us)
        node->paused_until_us = until_us;
}

bool weir_simulated_node_was_held_up(const weir_simulated_node *node)
{
    return node->paused_until_us > 0 && !node->pause_untold;
}

static void cut_one_way(weir_simulator *simulator, weir_simulated_node *from,
                        weir_simulated_node *to, bool both_ways, int64_t until_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < simulator->cut_count; i++) {
        if (simulator->cuts[i].until_us > simulator->now_us)
            simulator->cuts[kept++] = simulator->cuts[i];
    }
    simulator->cut_count = kept;
    void *cuts = simulator->cuts;
    int rc = grow(&cuts, &simulator->cut_capacity, simulator->cut_count, sizeof(weir__sim_cut));
    simulator->cuts = cuts;
    if (rc != 0) {
        simulator->failed = true;
        return;
    }
    simulator->cuts[simulator->cut_count++] = (weir__sim_cut){
        .from = from, .to = to, .until_us = until_us, .both_ways = both_ways, .untold = true};
}

void weir_simulator_cut(weir_simulator *simulator, weir_simulated_node *a, weir_simulated_node *b,
                        bool both_ways, int64_t for_us)
{
    if (both_ways)
        simulator->counts.cut++;
    else
        simulator->counts.cut_one++;
    cut_one_way(simulator, a, b, both_ways, simulator->now_us + for_us);
    if (both_ways)
        cut_one_way(simulator, b, a, both_ways, simulator->now_us + for_us);
}

void weir_simulator_heal(weir_simulator *simulator)
{
    simulator->cut_count = 0;
}

/* --- running --- */

int weir_simulator_schedule(weir_simulator *simulator, weir_simulated_node *node, int64_t delay_us,
                            void (*run)(void *data), void *data)
{
    weir__sim_event *task =
        weir__sim_make_event(simulator, WEIR__SIM_RUN, simulator->now_us + delay_us, node, 0);
    if (task == NULL)
        return WEIR_ENO_MEMORY;
    task->run = run;
    task->data = data;
    weir__sim_push(simulator, task);
    return simulator->failed ? WEIR_ENO_MEMORY : 0;
}

static void mix(weir_simulator *simulator, uint64_t value)
{
    simulator->hash = (simulator->hash ^ value) * UINT64_C(0x100000001B3);
    simulator->hash ^= simulator->hash >> 29;
}

static void record(weir_simulator *simulator, const weir__sim_event *one)
{
    mix(simulator, (uint64_t)one->at_us);
    mix(simulator, (uint64_t)one->kind);
    mix(simulator, one->node == NULL ? UINT64_MAX : one->node->index);
    mix(simulator, one->link);
    for (size_t i = 0; i < one->size; i++)
        mix(simulator, one->bytes[i]);
    if (!simulator->trace)
        return;
    fprintf(stderr, "%12" PRId64 " node %d %s link %" PRIu64 " bytes %zu", simulator->now_us,
            one->node == NULL ? -1 : (int)one->node->index, event_names[one->kind], one->link,
            one->size);
    if (one->kind == WEIR__SIM_MESSAGE)
        weir__sim_print(one);
    fprintf(stderr, "\n");
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
            weir__sim_event *wake =
                weir__sim_make_event(simulator, WEIR__SIM_WAKE, wake_us, node, 0);
            if (wake != NULL) {
                wake->link = ++node->wake_generation;
                weir__sim_push(simulator, wake);
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

static void perform(weir_simulator *simulator, const weir__sim_event *one)
{
    weir_simulated_node *node = one->node;
    simulator->running = node;
    switch (one->kind) {
    case WEIR__SIM_MESSAGE:
        weir_node_on_message(node->node, one->link, one->bytes, one->size);
        break;
    case WEIR__SIM_LINK_UP:
    case WEIR__SIM_LINK_DOWN:
        weir_node_on_link(node->node, one->link, one->kind == WEIR__SIM_LINK_UP);
        break;
    case WEIR__SIM_WAKE:
        node->wake_us = INT64_MAX;
        break;
    case WEIR__SIM_RUN:
        one->run(one->data);
        break;
    }
    simulator->running = NULL;
    if (node != NULL)
        pump(simulator, node);
    else
        pump_all(simulator); /* nobody's event may have touched any of them */
}

/* Puts off what comes to a paused node. */
static void put_off(weir_simulator *simulator, weir__sim_event *one)
{
    weir_simulated_node *node = one->node;
    if (node->pause_untold && (one->kind == WEIR__SIM_RUN ||
                               (one->kind == WEIR__SIM_MESSAGE && weir__sim_is_worth(one)))) {
        node->pause_untold = false;
        simulator->mattered.paused++;
    }
    one->at_us = node->paused_until_us;
    weir__sim_push(simulator, one);
}

static void step(weir_simulator *simulator)
{
    weir__sim_event *one = pop(simulator);
    simulator->now_us = one->at_us > simulator->now_us ? one->at_us : simulator->now_us;
    weir_simulated_node *node = one->node;
    bool is_stale =
        node != NULL &&
        (!node->alive || (one->kind == WEIR__SIM_WAKE && one->link != node->wake_generation));
    if (!is_stale && node != NULL && node->paused_until_us > simulator->now_us) {
        put_off(simulator, one);
        return;
    }
    if (!is_stale && one->kind == WEIR__SIM_MESSAGE) {
        is_stale = weir__sim_is_lost_to_cut(simulator, one);
        if (!is_stale)
            weir__sim_arrived(simulator, one);
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

weir_fault_counts weir_simulator_mattered(const weir_simulator *simulator)
{
    return simulator->mattered;
}

uint64_t weir_simulator_hash(const weir_simulator *simulator)
{
    return simulator->hash;
}

void weir_simulator_trace(weir_simulator *simulator, bool on)
{
    simulator->trace = on;
}
