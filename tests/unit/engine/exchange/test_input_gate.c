/* The consumer's end: order, fairness, credit back, watermarks, and every fault of a peer. */
#include "exchange/input_gate.h"

#include "exchange/credit.h"
#include "exchange_support.h"

#define WINDOW 4096u

typedef struct fixture {
    keeping_port ports[3];
    weir_schema *schema;
    weir_input_gate *gate;
    uint64_t sequences[3];
} fixture;

static const uint32_t ids[3] = {30, 10, 20}; /* in no order */

static void open_gate(fixture *f, uint32_t channels, uint32_t window)
{
    weir_port *ports[3];
    for (uint32_t i = 0; i < 3; i++) {
        f->ports[i] = (keeping_port)KEEPING_PORT;
        ports[i] = &f->ports[i].port;
        f->sequences[i] = 0;
    }
    f->schema = make_schema();
    assert_int_equal(weir_input_gate_new(f->schema, ids, ports, channels, EPOCH, window, &f->gate),
                     0);
}

static void close_gate(fixture *f)
{
    weir_input_gate_destroy(&f->gate);
    weir_input_gate_destroy(&f->gate);
    for (uint32_t i = 0; i < 3; i++) {
        weir_frame_queue_deinit(&f->ports[i].kept);
    }
    weir_schema_unref(&f->schema);
}

static void start(fixture *f, uint32_t channels, uint32_t window)
{
    open_gate(f, channels, window);
    assert_int_equal(weir_input_gate_start(f->gate, NULL), 0);
    for (uint32_t i = 0; i < channels; i++) {
        weir_frame *frame = weir_frame_queue_pop(&f->ports[i].kept);
        assert_int_equal(frame->kind, WEIR_FRAME_CREDIT);
        assert_int_equal(frame->channel, ids[i]);
        assert_true(frame->epoch == EPOCH && frame->sequence == 1);
        assert_int_equal(frame->u.credit, window);
        weir_frame_destroy(&frame);
    }
}

static weir_frame *frame_of(fixture *f, uint32_t channel, enum weir_frame_kind kind)
{
    return make_frame(kind, ids[channel], ++f->sequences[channel]);
}

static int receive(fixture *f, weir_frame *frame)
{
    return weir_input_gate_receive(f->gate, frame, NULL);
}

static void arrive(fixture *f, uint32_t channel, enum weir_frame_kind kind, int64_t value)
{
    weir_frame *frame = frame_of(f, channel, kind);
    if (kind == WEIR_FRAME_IDLE) {
        frame->u.idle = value != 0;
    } else if (kind == WEIR_FRAME_BARRIER) {
        frame->u.barrier =
            (weir_barrier){.checkpoint = (uint64_t)value, .timestamp = 4, .options = 1};
    } else {
        frame->u.watermark = value;
    }
    assert_int_equal(receive(f, frame), 0);
}

static uint32_t arrive_batch(fixture *f, uint32_t channel, int64_t number, size_t pad)
{
    weir_frame *frame = frame_of(f, channel, WEIR_FRAME_BATCH);
    frame->batch = make_batch(f->schema, number, 1, 0, pad);
    uint32_t cost = weir_frame_cost(frame);
    assert_int_equal(receive(f, frame), 0);
    return cost;
}

static weir_gate_item next(fixture *f, enum weir_gate_event expected)
{
    weir_gate_item item;
    assert_int_equal(weir_input_gate_has_events(f->gate), expected != WEIR_GATE_EMPTY);
    assert_int_equal(weir_input_gate_next(f->gate, &item, NULL), expected);
    return item;
}

/* A batch with this row comes next; it is given back. */
static void take_batch(fixture *f, uint32_t channel, int64_t number)
{
    weir_gate_item item = next(f, WEIR_GATE_BATCH);
    assert_int_equal(item.channel, ids[channel]);
    assert_int_equal(bigint_at(weir_batch_columns(item.batch), 0, 0), number);
    assert_int_equal(weir_input_gate_release(f->gate, &item, NULL), 0);
    assert_null(item.batch);
}

/* The credit that came back to a channel since the last call, and in how many frames. */
static uint64_t credited(fixture *f, uint32_t channel, uint32_t *ret_frames)
{
    uint64_t sum = 0;
    uint32_t frames = 0;
    for (weir_frame *frame; (frame = weir_frame_queue_pop(&f->ports[channel].kept)) != NULL;
         frames++) {
        assert_int_equal(frame->kind, WEIR_FRAME_CREDIT);
        sum += frame->u.credit;
        weir_frame_destroy(&frame);
    }
    if (ret_frames != NULL) {
        *ret_frames = frames;
    }
    return sum;
}

static void is_made_of_sound_arguments(void **state)
{
    (void)state;
    fixture f;
    keeping_port port = KEEPING_PORT;
    weir_port *ports[2] = {&port.port, &port.port};
    open_gate(&f, 1, WINDOW);
    weir_input_gate *gate = NULL;
    assert_int_equal(weir_input_gate_new(f.schema, ids, ports, 0, 1, 1, &gate), WEIR_EINVALID);
    assert_int_equal(weir_input_gate_new(f.schema, ids, ports, 1, 1, 0, &gate), WEIR_EINVALID);
    assert_int_equal(weir_input_gate_new(f.schema, (uint32_t[]){4, 4}, ports, 2, 1, 1, &gate),
                     WEIR_EINVALID);
    for (unsigned n = 1; n <= 5; n++) {
        weir_memory_fail_at(n);
        int rc = weir_input_gate_new(f.schema, ids, ports, 2, 1, 1, &gate);
        weir_memory_fail_at(0);
        assert_int_equal(rc, WEIR_ENO_MEMORY);
    }
    assert_null(gate);
    assert_int_equal(weir_input_gate_start(f.gate, NULL), 0);
    assert_int_equal(weir_input_gate_start(f.gate, NULL), WEIR_ESTATE);
    close_gate(&f);
}

static void gives_channels_their_turn(void **state)
{
    (void)state;
    fixture f;
    start(&f, 3, WINDOW);
    next(&f, WEIR_GATE_EMPTY);
    size_t queued = 0;
    for (int64_t i = 0; i < 3; i++) {
        queued += arrive_batch(&f, 0, i, 0);
    }
    queued += arrive_batch(&f, 1, 100, 0);
    queued += arrive_batch(&f, 2, 200, 0);
    assert_int_equal(weir_input_gate_queued(f.gate), queued);
    take_batch(&f, 0, 0);
    take_batch(&f, 1, 100);
    take_batch(&f, 2, 200);
    take_batch(&f, 0, 1);
    arrive_batch(&f, 1, 101, 0);
    take_batch(&f, 0, 2);
    take_batch(&f, 1, 101);
    assert_int_equal(weir_input_gate_queued(f.gate), 0);
    next(&f, WEIR_GATE_EMPTY);
    close_gate(&f);
}

static void returns_credit_in_quarters_and_at_the_end_of_the_queue(void **state)
{
    (void)state;
    fixture f;
    uint32_t frames = 0;
    start(&f, 1, 1u << 20);
    uint32_t cost = 0, count = 20;
    for (uint32_t i = 0; i < count; i++) {
        cost = arrive_batch(&f, 0, i, 30000);
    }
    uint64_t returned = 0;
    for (uint32_t i = 0; i < count; i++) {
        take_batch(&f, 0, i);
        uint64_t more = credited(&f, 0, &frames);
        assert_int_equal(more > 0, (i + 1) * cost - returned >= 1u << 18 || i + 1 == count);
        assert_true(frames <= 1);
        returned += more;
    }
    assert_int_equal(returned, count * cost);
    /* control frames are paid back, too, also behind a batch that was given back before */
    arrive_batch(&f, 0, 0, 0);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 1);
    take_batch(&f, 0, 0);
    assert_int_equal(credited(&f, 0, NULL), 0);
    next(&f, WEIR_GATE_WATERMARK);
    assert_true(credited(&f, 0, &frames) > 64);
    assert_int_equal(frames, 1);
    close_gate(&f);
}

static void several_batches_may_be_out(void **state)
{
    (void)state;
    fixture f;
    start(&f, 1, WINDOW);
    uint32_t cost = arrive_batch(&f, 0, 1, 0);
    arrive_batch(&f, 0, 2, 0);
    weir_gate_item first = next(&f, WEIR_GATE_BATCH), second = next(&f, WEIR_GATE_BATCH);
    assert_int_equal(credited(&f, 0, NULL), 0);
    assert_int_equal(weir_input_gate_release(f.gate, &first, NULL), 0);
    assert_int_equal(weir_input_gate_release(f.gate, &first, NULL), 0); /* nothing to give back */
    assert_int_equal(credited(&f, 0, NULL), cost);
    assert_int_equal(weir_input_gate_release(f.gate, &second, NULL), 0);
    assert_int_equal(credited(&f, 0, NULL), cost);
    close_gate(&f);
}

static void an_ended_producer_gets_no_credit(void **state)
{
    (void)state;
    fixture f;
    start(&f, 1, WINDOW);
    arrive_batch(&f, 0, 1, 2000);
    arrive(&f, 0, WEIR_FRAME_END, 0);
    f.ports[0].fails = WEIR_EUNAVAILABLE;
    take_batch(&f, 0, 1);
    next(&f, WEIR_GATE_END);
    next(&f, WEIR_GATE_EMPTY);
    next(&f, WEIR_GATE_EMPTY);
    close_gate(&f);
}

static void the_watermark_is_the_minimum_of_what_was_reached(void **state)
{
    (void)state;
    fixture f;
    start(&f, 2, WINDOW);
    assert_true(weir_input_gate_watermark(f.gate) == INT64_MIN);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 50);
    arrive_batch(&f, 1, 7, 0);
    arrive(&f, 1, WEIR_FRAME_WATERMARK, 40);
    arrive_batch(&f, 1, 8, 0);
    take_batch(&f, 1, 7);
    assert_int_equal(next(&f, WEIR_GATE_WATERMARK).watermark, 40);
    assert_int_equal(weir_input_gate_watermark(f.gate), 40);
    arrive(&f, 1, WEIR_FRAME_WATERMARK, 45);
    arrive(&f, 1, WEIR_FRAME_WATERMARK, 90);
    take_batch(&f, 1, 8);
    assert_int_equal(next(&f, WEIR_GATE_WATERMARK).watermark, 45);
    assert_int_equal(next(&f, WEIR_GATE_WATERMARK).watermark, 50);
    next(&f, WEIR_GATE_EMPTY);
    close_gate(&f);
}

static void idleness_is_told_when_all_are(void **state)
{
    (void)state;
    fixture f;
    start(&f, 2, WINDOW);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 10);
    arrive(&f, 1, WEIR_FRAME_IDLE, 1);
    assert_int_equal(next(&f, WEIR_GATE_WATERMARK).watermark, 10);
    next(&f, WEIR_GATE_EMPTY);
    arrive(&f, 0, WEIR_FRAME_IDLE, 1);
    assert_true(next(&f, WEIR_GATE_IDLE).idle);
    arrive(&f, 1, WEIR_FRAME_WATERMARK, 20);
    assert_int_equal(next(&f, WEIR_GATE_WATERMARK).watermark, 20);
    arrive(&f, 1, WEIR_FRAME_IDLE, 0);
    arrive_batch(&f, 1, 1, 0);
    assert_false(next(&f, WEIR_GATE_IDLE).idle);
    take_batch(&f, 1, 1);
    arrive(&f, 1, WEIR_FRAME_END, 0); /* the other one is idle */
    assert_true(next(&f, WEIR_GATE_IDLE).idle);
    arrive(&f, 0, WEIR_FRAME_END, 0);
    next(&f, WEIR_GATE_END);
    next(&f, WEIR_GATE_EMPTY);
    close_gate(&f);
}

static void barriers_come_per_channel(void **state)
{
    (void)state;
    fixture f;
    start(&f, 2, WINDOW);
    arrive_batch(&f, 0, 1, 0);
    arrive(&f, 0, WEIR_FRAME_BARRIER, 6);
    arrive(&f, 1, WEIR_FRAME_BARRIER, 6);
    take_batch(&f, 0, 1);
    weir_gate_item item = next(&f, WEIR_GATE_BARRIER);
    assert_int_equal(item.channel, ids[1]);
    assert_int_equal(item.barrier.checkpoint, 6);
    assert_int_equal(item.barrier.timestamp, 4);
    assert_int_equal(item.barrier.options, 1);
    assert_int_equal(next(&f, WEIR_GATE_BARRIER).channel, ids[0]);
    close_gate(&f);
}

/* ---- faults ---- */

/* The frame must be refused with this code and text, and the gate be failed for good. */
static void refused(fixture *f, weir_frame *frame, int code, const char *text)
{
    weir_error err = WEIR_ERROR_INIT, again = WEIR_ERROR_INIT;
    weir_gate_item item;
    assert_int_equal(weir_input_gate_receive(f->gate, frame, &err), code);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, text));
    assert_int_equal(receive(f, frame_of(f, 0, WEIR_FRAME_WATERMARK)), code);
    assert_true(weir_input_gate_has_events(f->gate));
    assert_int_equal(weir_input_gate_next(f->gate, &item, &again), code);
    assert_string_equal(again.text, err.text);
    assert_int_equal(weir_input_gate_start(f->gate, NULL), code);
    close_gate(f);
}

static void refuses_wrong_numbers(void **state)
{
    (void)state;
    fixture f;
    start(&f, 1, WINDOW);
    refused(&f, make_frame(WEIR_FRAME_WATERMARK, 30, 2), WEIR_ECORRUPT,
            "channel 30: a frame was lost, repeated or reordered; expected number 1, found 2");
    start(&f, 1, WINDOW);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 1);
    refused(&f, make_frame(WEIR_FRAME_WATERMARK, 30, 1), WEIR_ECORRUPT,
            "expected number 2, found 1");
    start(&f, 1, WINDOW);
    refused(&f, make_frame(WEIR_FRAME_WATERMARK, 30, 0), WEIR_ECORRUPT,
            "expected number 1, found 0");
}

static void refuses_wrong_epochs(void **state)
{
    (void)state;
    fixture f;
    for (int newer = 0; newer < 2; newer++) {
        start(&f, 1, WINDOW);
        weir_frame *frame = frame_of(&f, 0, WEIR_FRAME_WATERMARK);
        frame->epoch = newer ? EPOCH + 1 : EPOCH - 1;
        refused(&f, frame, newer ? WEIR_ECORRUPT : WEIR_ESTALE,
                newer ? "channel 30: a frame of a newer epoch; expected 5, found 6"
                      : "channel 30: a frame of an older epoch; expected 5, found 4");
    }
}

static void refuses_what_no_producer_sends(void **state)
{
    (void)state;
    fixture f;
    start(&f, 1, WINDOW);
    refused(&f, make_frame(WEIR_FRAME_WATERMARK, 10, 1), WEIR_ECORRUPT,
            "channel 10: it is not one");
    start(&f, 1, WINDOW);
    refused(&f, frame_of(&f, 0, WEIR_FRAME_CREDIT), WEIR_ECORRUPT, "found kind 5");
    start(&f, 1, WINDOW);
    refused(&f, frame_of(&f, 0, WEIR_FRAME_BATCH), WEIR_ECORRUPT,
            "found kind 1"); /* no batch in it */
    for (int kind = WEIR_FRAME_WATERMARK; kind <= WEIR_FRAME_END; kind++) {
        start(&f, 1, WINDOW);
        arrive(&f, 0, WEIR_FRAME_END, 0);
        refused(&f, frame_of(&f, 0, (enum weir_frame_kind)kind), WEIR_ECORRUPT, "follows its end");
    }
}

static void refuses_more_than_was_granted(void **state)
{
    (void)state;
    fixture f;
    open_gate(&f, 1, WINDOW);
    weir_error err = WEIR_ERROR_INIT; /* not started: nothing was granted */
    assert_int_equal(weir_input_gate_receive(f.gate, frame_of(&f, 0, WEIR_FRAME_BARRIER), &err),
                     WEIR_ECORRUPT);
    assert_non_null(strstr(err.text, "expected at most 0"));
    close_gate(&f);

    start(&f, 1, 130);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 1);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 2);
    refused(
        &f, frame_of(&f, 0, WEIR_FRAME_WATERMARK), WEIR_ECORRUPT,
        "more bytes than were granted; expected at most 130, found 128 outstanding and 64 more");

    start(&f, 1, 200);
    arrive_batch(&f, 0, 1, 3000); /* larger than the window, alone */
    weir_frame *frame = frame_of(&f, 0, WEIR_FRAME_BATCH);
    frame->batch = make_batch(f.schema, 1, 1, 0, 0);
    frame->cost = 0; /* what the peer says of its cost does not count */
    refused(&f, frame, WEIR_ECORRUPT, "more bytes");

    start(&f, 1, 200);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 1);
    frame = frame_of(&f, 0, WEIR_FRAME_BATCH);
    frame->batch = make_batch(f.schema, 1, 1, 0, 3000);
    refused(&f, frame, WEIR_ECORRUPT, "more bytes"); /* larger than the window, not alone */

    start(&f, 1, 64);
    for (uint32_t i = 0; i < 1 + WEIR_CREDIT_SLACK / 64; i++) {
        arrive(&f, 0, WEIR_FRAME_BARRIER, 1);
    }
    refused(&f, frame_of(&f, 0, WEIR_FRAME_BARRIER), WEIR_ECORRUPT, "more bytes");
}

static void credit_that_is_owed_is_not_granted(void **state)
{
    (void)state;
    fixture f;
    start(&f, 1, 300);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 1);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 2);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 3);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 4);
    next(&f, WEIR_GATE_WATERMARK);
    assert_int_equal(credited(&f, 0, NULL), 0); /* 64 are owed: less than a quarter */
    refused(&f, frame_of(&f, 0, WEIR_FRAME_WATERMARK), WEIR_ECORRUPT, "more bytes");
}

static void refuses_batches_that_are_damaged(void **state)
{
    (void)state;
    fixture f;
    uint32_t released = 0;
    start(&f, 1, WINDOW);
    weir_frame *frame = frame_of(&f, 0, WEIR_FRAME_BATCH);
    frame->raw_size = 500;
    frame->raw = weir_calloc(1, frame->raw_size);
    frame->raw_release = free_raw;
    frame->raw_hint = &released;
    assert_int_equal(receive(&f, frame), 0);
    weir_gate_item item;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_input_gate_next(f.gate, &item, &err), WEIR_ECORRUPT);
    assert_non_null(strstr(err.text, "channel 30: "));
    assert_int_equal(released, 1);
    assert_null(item.batch);
    close_gate(&f);
}

static void refuses_batches_of_another_schema(void **state)
{
    (void)state;
    fixture f;
    weir_schema *other = NULL;
    weir_batch *batch = NULL;
    weir_builder *builder = NULL;
    weir_gate_item item;
    assert_int_equal(weir_schema_parse("n bigint", &other, NULL), 0);
    assert_int_equal(weir_builder_new(other, 1, 1, &builder), 0);
    for (int wire = 0; wire < 2; wire++) {
        start(&f, 1, WINDOW);
        assert_int_equal(weir_builder_finish(builder, &batch), 0);
        weir_frame *frame = frame_of(&f, 0, WEIR_FRAME_BATCH);
        frame->batch = batch;
        frame->cost = weir_frame_cost(frame);
        assert_int_equal(receive(&f, wire ? over_the_wire(frame) : frame), 0);
        assert_int_equal(weir_input_gate_next(f.gate, &item, NULL), WEIR_EINVALID);
        close_gate(&f);
    }
    weir_builder_destroy(&builder);
    weir_schema_unref(&other);
}

static void a_port_that_fails_fails_the_gate(void **state)
{
    (void)state;
    fixture f;
    weir_error err = WEIR_ERROR_INIT;
    weir_gate_item item;
    start(&f, 1, WINDOW);
    arrive_batch(&f, 0, 1, 0);
    arrive(&f, 0, WEIR_FRAME_WATERMARK, 1);
    f.ports[0].fails = WEIR_EUNAVAILABLE;
    take_batch(&f, 0, 1);
    assert_int_equal(weir_input_gate_next(f.gate, &item, &err), WEIR_EUNAVAILABLE);
    assert_string_equal(err.text, "channel 30: credit: port: it is closed");
    assert_int_equal(weir_input_gate_next(f.gate, &item, NULL), WEIR_EUNAVAILABLE);
    close_gate(&f);

    open_gate(&f, 1, WINDOW);
    f.ports[0].fails = WEIR_EUNAVAILABLE;
    assert_int_equal(weir_input_gate_start(f.gate, NULL), WEIR_EUNAVAILABLE);
    close_gate(&f);
}

static void survives_lack_of_memory(void **state)
{
    (void)state;
    fixture f;
    weir_gate_item item;
    open_gate(&f, 2, WINDOW);
    weir_memory_fail_at(2);
    assert_int_equal(weir_input_gate_start(f.gate, NULL), WEIR_ENO_MEMORY);
    weir_memory_fail_at(0);
    close_gate(&f);

    start(&f, 1, WINDOW);
    weir_frame *frame = frame_of(&f, 0, WEIR_FRAME_BATCH);
    frame->batch = make_batch(f.schema, 1, 1, 0, 0);
    assert_int_equal(receive(&f, over_the_wire(frame)), 0);
    weir_memory_fail_at(1);
    assert_int_equal(weir_input_gate_next(f.gate, &item, NULL), WEIR_ENO_MEMORY);
    weir_memory_fail_at(0);
    close_gate(&f);

    start(&f, 1, WINDOW);
    arrive_batch(&f, 0, 1, 0);
    item = next(&f, WEIR_GATE_BATCH);
    weir_memory_fail_at(1);
    assert_int_equal(weir_input_gate_release(f.gate, &item, NULL), WEIR_ENO_MEMORY);
    weir_memory_fail_at(0);
    assert_null(item.batch);
    close_gate(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_made_of_sound_arguments),
        cmocka_unit_test(gives_channels_their_turn),
        cmocka_unit_test(returns_credit_in_quarters_and_at_the_end_of_the_queue),
        cmocka_unit_test(several_batches_may_be_out),
        cmocka_unit_test(an_ended_producer_gets_no_credit),
        cmocka_unit_test(the_watermark_is_the_minimum_of_what_was_reached),
        cmocka_unit_test(idleness_is_told_when_all_are),
        cmocka_unit_test(barriers_come_per_channel),
        cmocka_unit_test(refuses_wrong_numbers),
        cmocka_unit_test(refuses_wrong_epochs),
        cmocka_unit_test(refuses_what_no_producer_sends),
        cmocka_unit_test(refuses_more_than_was_granted),
        cmocka_unit_test(credit_that_is_owed_is_not_granted),
        cmocka_unit_test(refuses_batches_that_are_damaged),
        cmocka_unit_test(refuses_batches_of_another_schema),
        cmocka_unit_test(a_port_that_fails_fails_the_gate),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
