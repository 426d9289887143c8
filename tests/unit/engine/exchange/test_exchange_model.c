/* Producers and a gate, joined by queues that a seeded scheduler serves in any order: every row
 * comes exactly once and in its channel's order, what is outstanding stays within the window,
 * nothing ever stands still, the end comes once. Also joined without queues, where ports call back
 * at once. */
#include "exchange/credit.h"
#include "exchange/input_gate.h"
#include "exchange_support.h"

#include <stdio.h>

enum { DIRECT, QUEUED, WIRE };

typedef struct world world;

typedef struct link {       /* one channel: what the scheduler and the checks know of it */
    weir_port data, credit; /* `data` first: its port is the link */
    world *world;
    weir_output_channel *channel;
    weir_frame_queue to_gate, to_producer;
    uint64_t batch_bytes; /* of batches sent and not yet given back by the consumer */
    uint32_t batches;
    uint64_t outstanding; /* charged and not yet credited back, of all frames */
    bool granted;
    uint32_t steps_left; /* of the producer's script */
    int64_t sent, taken; /* rows */
    int64_t watermark;   /* sent */
    uint64_t barriers_sent, barriers_taken;
    bool was_idle; /* at any time: then its rows may be late */
    bool ended;
} link;

struct world {
    uint64_t random;
    int transport;
    uint32_t window, count;
    link *links;
    weir_schema *schema;
    weir_input_gate *gate;
    weir_gate_item held[4];
    uint32_t nheld;
    int64_t watermark;
    uint32_t ends;
    bool idle;
};

static link *link_of(world *w, uint32_t id)
{
    return &w->links[id - 100];
}

/* ---- the ports ---- */

static int send_data(weir_port *self, weir_frame *frame, weir_error *err)
{
    link *l = (link *)self;
    uint32_t window = l->world->window;
    bool slack = frame->kind == WEIR_FRAME_BARRIER || frame->kind == WEIR_FRAME_END;
    if (frame->kind == WEIR_FRAME_BATCH) {
        l->batch_bytes += weir_batch_size(frame->batch);
        l->batches++;
        assert_true(l->batch_bytes <= window ||
                    l->batches == 1); /* one that is larger goes alone */
    }
    l->outstanding += frame->cost < window ? frame->cost : window;
    assert_true(l->granted && l->outstanding <= window + (slack ? WEIR_CREDIT_SLACK : 0));
    if (l->world->transport == DIRECT) {
        return weir_input_gate_receive(l->world->gate, frame, err);
    }
    weir_frame_queue_push(&l->to_gate, frame);
    return 0;
}

static int take_credit(link *l, const weir_frame *frame, weir_error *err)
{
    if (l->granted) {
        assert_true(frame->u.credit <= l->outstanding);
        l->outstanding -= frame->u.credit;
    }
    l->granted = true;
    return weir_output_channel_credit(l->channel, frame, err);
}

static int send_credit(weir_port *self, weir_frame *frame, weir_error *err)
{
    link *l = (link *)(void *)((char *)self - offsetof(link, credit));
    if (l->world->transport == DIRECT) {
        int rc = take_credit(l, frame, err);
        weir_frame_destroy(&frame);
        return rc;
    }
    weir_frame_queue_push(&l->to_producer, frame);
    return 0;
}

static weir_frame *carried(const world *w, weir_frame *frame)
{
    return w->transport == WIRE ? over_the_wire(frame) : frame;
}

static bool deliver_data(link *l)
{
    weir_frame *frame = weir_frame_queue_pop(&l->to_gate);
    if (frame == NULL) {
        return false;
    }
    weir_error err = WEIR_ERROR_INIT;
    int rc = weir_input_gate_receive(l->world->gate, carried(l->world, frame), &err);
    if (rc != 0) {
        fail_msg("%s", err.text);
    }
    return true;
}

static bool deliver_credit(link *l)
{
    weir_frame *frame = weir_frame_queue_pop(&l->to_producer);
    if (frame == NULL) {
        return false;
    }
    frame = carried(l->world, frame);
    weir_error err = WEIR_ERROR_INIT;
    int rc = take_credit(l, frame, &err);
    if (rc != 0) {
        fail_msg("%s", err.text);
    }
    weir_frame_destroy(&frame);
    return true;
}

/* ---- the producer ---- */

static void produce_batch(world *w, link *l)
{
    uint32_t rows = 1 + below(&w->random, 5);
    size_t pad = below(&w->random, 20) == 0 ? w->window : below(&w->random, 300);
    weir_batch *batch = make_batch(w->schema, l->sent, rows, l->watermark + 1, pad % 30000);
    l->sent += rows;
    assert_int_equal(weir_output_channel_batch(l->channel, batch, NULL), 0);
}

static bool produce(world *w, link *l)
{
    /* Mostly as a task would, only with room; at times into the overdraft. */
    if (l->ended || (!weir_output_channel_has_room(l->channel) && below(&w->random, 8) != 0)) {
        return false;
    }
    if (l->steps_left == 0) {
        assert_int_equal(weir_output_channel_end(l->channel, NULL), 0);
        l->ended = true;
        return true;
    }
    l->steps_left--;
    uint32_t what = below(&w->random, 100);
    if (what < 60) {
        produce_batch(w, l);
    } else if (what < 85) {
        l->watermark += below(&w->random, 50);
        assert_int_equal(weir_output_channel_watermark(l->channel, l->watermark, NULL), 0);
    } else if (what < 95) {
        weir_barrier barrier = {.checkpoint = ++l->barriers_sent, .timestamp = l->sent};
        assert_int_equal(weir_output_channel_barrier(l->channel, &barrier, NULL), 0);
    } else {
        l->was_idle = true;
        assert_int_equal(weir_output_channel_idle(l->channel, below(&w->random, 2) == 0, NULL), 0);
    }
    return true;
}

/* ---- the consumer ---- */

static void check_batch(world *w, const weir_gate_item *item)
{
    link *l = link_of(w, item->channel);
    const weir_columns *columns = weir_batch_columns(item->batch);
    for (uint32_t i = 0; i < columns->rows; i++) {
        assert_int_equal(bigint_at(columns, 0, i), l->taken);
        l->taken++;
        assert_true(l->was_idle || bigint_at(columns, 1, i) > w->watermark);
    }
}

static void check_event(world *w, int event, const weir_gate_item *item)
{
    assert_int_equal(w->ends, 0);
    switch (event) {
    case WEIR_GATE_BATCH:
        check_batch(w, item);
        w->held[w->nheld++] = *item;
        break;
    case WEIR_GATE_WATERMARK:
        assert_true(item->watermark > w->watermark);
        w->watermark = item->watermark;
        assert_true(weir_input_gate_watermark(w->gate) == w->watermark);
        break;
    case WEIR_GATE_BARRIER:
        assert_true(item->barrier.checkpoint == ++link_of(w, item->channel)->barriers_taken);
        assert_int_equal(item->barrier.timestamp, link_of(w, item->channel)->taken);
        break;
    case WEIR_GATE_IDLE:
        assert_int_not_equal(item->idle, w->idle);
        w->idle = item->idle;
        break;
    default:
        assert_int_equal(event, WEIR_GATE_END);
        w->ends++;
        break;
    }
}

static bool consume(world *w)
{
    weir_gate_item item;
    weir_error err = WEIR_ERROR_INIT;
    bool expected = weir_input_gate_has_events(w->gate);
    if (w->nheld == WEIR_COUNT(w->held) || !expected) {
        return false;
    }
    int event = weir_input_gate_next(w->gate, &item, &err);
    if (event < 0) {
        fail_msg("%s", err.text);
    }
    if (event == WEIR_GATE_EMPTY) {
        return true; /* what was queued changed nothing */
    }
    check_event(w, event, &item);
    return true;
}

static bool release(world *w)
{
    if (w->nheld == 0) {
        return false;
    }
    weir_gate_item item = w->held[0];
    memmove(w->held, w->held + 1, --w->nheld * sizeof item);
    link *l = link_of(w, item.channel);
    l->batch_bytes -= weir_batch_size(item.batch);
    l->batches--;
    assert_int_equal(weir_input_gate_release(w->gate, &item, NULL), 0);
    return true;
}

/* ---- the scheduler ---- */

static bool step(world *w)
{
    link *l = &w->links[below(&w->random, w->count)];
    switch (below(&w->random, 5)) {
    case 0:
        return produce(w, l);
    case 1:
        return deliver_data(l);
    case 2:
        return deliver_credit(l);
    case 3:
        return consume(w);
    default:
        return release(w);
    }
}

/* Everything that can happen happens once; false: nothing could. */
static bool sweep(world *w)
{
    bool any = false;
    for (uint32_t i = 0; i < w->count; i++) {
        link *l = &w->links[i];
        bool room = weir_output_channel_has_room(l->channel) || l->steps_left == 0;
        any = (room && produce(w, l)) || any;
        any = deliver_data(l) || any;
        any = deliver_credit(l) || any;
    }
    any = consume(w) || any;
    return release(w) || any;
}

static void set_up(world *w, uint64_t seed, int transport, uint32_t count, uint32_t steps)
{
    static const uint32_t windows[] = {64, 100, 500, 2000, 20000};
    *w = (world){.random = seed, .transport = transport, .count = count, .watermark = INT64_MIN};
    w->window = windows[below(&w->random, WEIR_COUNT(windows))];
    w->schema = make_schema();
    w->links = weir_calloc(count, sizeof *w->links);
    uint32_t *ids = weir_calloc(count, sizeof *ids);
    weir_port **ports = weir_calloc(count, sizeof(weir_port *));
    for (uint32_t i = 0; i < count; i++) {
        link *l = &w->links[i];
        l->world = w;
        l->data.send = send_data;
        l->credit.send = send_credit;
        l->steps_left = below(&w->random, steps);
        ids[i] = 100 + i;
        ports[i] = &l->credit;
        assert_int_equal(weir_output_channel_new(ids[i], EPOCH, &l->data, &l->channel), 0);
    }
    assert_int_equal(weir_input_gate_new(w->schema, ids, ports, count, EPOCH, w->window, &w->gate),
                     0);
    weir_free(ids);
    weir_free(ports);
}

static void tear_down(world *w)
{
    for (uint32_t i = 0; i < w->count; i++) {
        weir_output_channel_destroy(&w->links[i].channel);
        weir_frame_queue_deinit(&w->links[i].to_gate);
        weir_frame_queue_deinit(&w->links[i].to_producer);
    }
    weir_input_gate_destroy(&w->gate);
    weir_schema_unref(&w->schema);
    weir_free(w->links);
}

static void check_end(const world *w)
{
    assert_int_equal(w->ends, 1);
    assert_false(weir_input_gate_has_events(w->gate));
    assert_int_equal(weir_input_gate_queued(w->gate), 0);
    for (uint32_t i = 0; i < w->count; i++) {
        const link *l = &w->links[i];
        assert_int_equal(l->taken, l->sent);
        assert_true(l->barriers_taken == l->barriers_sent);
        assert_true(weir_output_channel_is_drained(l->channel));
        assert_null(l->to_gate.head);
    }
}

static void run(uint64_t seed, int transport, uint32_t count, uint32_t steps)
{
    world w;
    set_up(&w, seed, transport, count, steps);
    for (uint32_t i = below(&w.random, 20); i > 0; i--) {
        step(&w); /* producers begin before the gate does */
    }
    assert_int_equal(weir_input_gate_start(w.gate, NULL), 0);
    uint32_t chaos = below(&w.random, 40 * steps) * (count < 50 ? count : 50);
    for (uint32_t i = 0; i < chaos; i++) {
        step(&w);
    }
    while (w.ends == 0) {
        if (!sweep(&w)) {
            fail_msg("seed %llu, transport %d: it stands still", (unsigned long long)seed,
                     transport);
        }
    }
    while (release(&w)) {
    }
    check_end(&w);
    tear_down(&w);
}

static void any_interleaving_gives_every_row_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        for (int transport = DIRECT; transport <= WIRE; transport++) {
            uint32_t count = 1 + (uint32_t)(seed % 7);
            run(seed, transport, count, 60);
        }
    }
}

static void a_thousand_channels_do_too(void **state)
{
    (void)state;
    run(1000, QUEUED, 1000, 12);
    run(1001, WIRE, 1000, 6);
    run(1002, DIRECT, 1000, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_interleaving_gives_every_row_once),
        cmocka_unit_test(a_thousand_channels_do_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
