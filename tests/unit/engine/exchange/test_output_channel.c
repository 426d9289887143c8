/* The producer's end: numbering, credit, overdraft, coalescing, failures. */
#include "exchange/output_channel.h"

#include "exchange/credit.h"
#include "exchange_support.h"

#define ID 9u

typedef struct fixture {
    keeping_port port;
    weir_output_channel *channel;
    weir_schema *schema;
    uint64_t credits;
} fixture;

static int setup(void **state)
{
    fixture *f = weir_calloc(1, sizeof *f);
    f->port.port.send = keep;
    f->schema = make_schema();
    assert_int_equal(weir_output_channel_new(ID, EPOCH, &f->port.port, &f->channel), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_output_channel_destroy(&f->channel);
    weir_output_channel_destroy(&f->channel);
    weir_frame_queue_deinit(&f->port.kept);
    weir_schema_unref(&f->schema);
    weir_free(f);
    return 0;
}

static int give(fixture *f, uint64_t bytes)
{
    weir_frame *frame = make_frame(WEIR_FRAME_CREDIT, ID, ++f->credits);
    frame->u.credit = bytes;
    int rc = weir_output_channel_credit(f->channel, frame, NULL);
    weir_frame_destroy(&frame);
    return rc;
}

static uint32_t send_batch(fixture *f, uint32_t rows)
{
    weir_batch *batch = make_batch(f->schema, 0, rows, 0, 20);
    size_t size = weir_batch_size(batch);
    assert_int_equal(weir_output_channel_batch(f->channel, batch, NULL), 0);
    return (uint32_t)size;
}

/* The next frame that was sent must be of this kind. */
static weir_frame *expect(fixture *f, enum weir_frame_kind kind, uint64_t sequence)
{
    weir_frame *frame = weir_frame_queue_pop(&f->port.kept);
    assert_non_null(frame);
    assert_int_equal(frame->kind, kind);
    assert_int_equal(frame->channel, ID);
    assert_int_equal(frame->epoch, EPOCH);
    assert_int_equal(frame->sequence, sequence);
    return frame;
}

static void drop(fixture *f, enum weir_frame_kind kind, uint64_t sequence)
{
    weir_frame *frame = expect(f, kind, sequence);
    weir_frame_destroy(&frame);
}

static void sends_nothing_before_the_grant(void **state)
{
    fixture *f = *state;
    assert_false(weir_output_channel_has_room(f->channel));
    assert_true(weir_output_channel_is_drained(f->channel));
    assert_int_equal(weir_output_channel_id(f->channel), ID);
    uint32_t size = send_batch(f, 1);
    weir_barrier barrier = {.checkpoint = 3};
    assert_int_equal(weir_output_channel_barrier(f->channel, &barrier, NULL), 0);
    assert_int_equal(f->port.count, 0);
    assert_int_equal(weir_output_channel_overdraft(f->channel), size + 64);
    assert_int_equal(give(f, 100000), 0);
    drop(f, WEIR_FRAME_BATCH, 1);
    weir_frame *frame = expect(f, WEIR_FRAME_BARRIER, 2);
    assert_int_equal(frame->u.barrier.checkpoint, 3);
    weir_frame_destroy(&frame);
    assert_true(weir_output_channel_is_drained(f->channel));
    assert_int_equal(weir_output_channel_overdraft(f->channel), 0);
    assert_true(weir_output_channel_has_room(f->channel));
}

static void spends_credit_to_the_byte(void **state)
{
    fixture *f = *state;
    weir_batch *probe = make_batch(f->schema, 0, 10, 0, 20);
    uint32_t size = (uint32_t)weir_batch_size(probe);
    weir_batch_unref(&probe);
    assert_int_equal(give(f, 3 * size - 1), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send_batch(f, 10), size);
    }
    assert_int_equal(f->port.count, 2);
    assert_false(weir_output_channel_has_room(f->channel));
    assert_int_equal(weir_output_channel_overdraft(f->channel), size);
    assert_int_equal(give(f, 1), 0); /* one byte is enough */
    assert_int_equal(f->port.count, 3);
    assert_false(weir_output_channel_has_room(f->channel)); /* spent to the end */
    assert_int_equal(give(f, 1), 0);
    assert_true(weir_output_channel_has_room(f->channel));
}

static void a_batch_over_the_window_goes_alone(void **state)
{
    fixture *f = *state;
    assert_int_equal(give(f, 200), 0);
    assert_int_equal(weir_output_channel_watermark(f->channel, 1, NULL), 0);
    assert_true(send_batch(f, 100) > 200);
    assert_int_equal(f->port.count, 1);
    assert_int_equal(give(f, 64), 0);
    assert_int_equal(f->port.count, 2); /* nothing is outstanding: it goes, and takes the window */
    assert_false(weir_output_channel_has_room(f->channel));
    send_batch(f, 1);
    assert_int_equal(give(f, 199), 0);
    assert_int_equal(f->port.count, 2);
    assert_int_equal(give(f, 1), 0);
    assert_int_equal(f->port.count, 3);
}

static void watermarks_and_idleness_coalesce(void **state)
{
    fixture *f = *state;
    assert_int_equal(weir_output_channel_watermark(f->channel, 1, NULL), 0);
    assert_int_equal(weir_output_channel_idle(f->channel, true, NULL), 0);
    assert_int_equal(weir_output_channel_watermark(f->channel, 2, NULL), 0);
    assert_int_equal(weir_output_channel_idle(f->channel, false, NULL), 0);
    send_batch(f, 1);
    for (int64_t i = 3; i < 1000; i++) {
        assert_int_equal(weir_output_channel_watermark(f->channel, i, NULL), 0);
    }
    weir_barrier barrier = {.checkpoint = 1};
    assert_int_equal(weir_output_channel_barrier(f->channel, &barrier, NULL), 0);
    assert_int_equal(weir_output_channel_watermark(f->channel, 1000, NULL), 0);
    assert_int_equal(give(f, 100000), 0);
    assert_int_equal(f->port.count, 6);
    weir_frame *frame = expect(f, WEIR_FRAME_WATERMARK, 1);
    assert_int_equal(frame->u.watermark, 2);
    weir_frame_destroy(&frame);
    frame = expect(f, WEIR_FRAME_IDLE, 2);
    assert_false(frame->u.idle);
    weir_frame_destroy(&frame);
    drop(f, WEIR_FRAME_BATCH, 3);
    frame = expect(f, WEIR_FRAME_WATERMARK, 4);
    assert_int_equal(frame->u.watermark, 999);
    weir_frame_destroy(&frame);
    drop(f, WEIR_FRAME_BARRIER, 5);
    drop(f, WEIR_FRAME_WATERMARK, 6);
    /* those that were sent are out of reach */
    assert_int_equal(weir_output_channel_watermark(f->channel, 1001, NULL), 0);
    assert_int_equal(weir_output_channel_idle(f->channel, true, NULL), 0);
    drop(f, WEIR_FRAME_WATERMARK, 7);
    drop(f, WEIR_FRAME_IDLE, 8);
}

static void watermarks_wait_for_credit(void **state)
{
    fixture *f = *state;
    assert_int_equal(give(f, 130), 0);
    for (int64_t i = 1; i <= 5; i++) {
        assert_int_equal(weir_output_channel_watermark(f->channel, i, NULL), 0);
    }
    assert_int_equal(f->port.count, 2);
    assert_int_equal(give(f, 62), 0);
    assert_int_equal(f->port.count, 3);
    drop(f, WEIR_FRAME_WATERMARK, 1);
    drop(f, WEIR_FRAME_WATERMARK, 2);
    weir_frame *frame = expect(f, WEIR_FRAME_WATERMARK, 3);
    assert_int_equal(frame->u.watermark, 5);
    weir_frame_destroy(&frame);
}

static void barriers_need_no_credit_but_are_bounded(void **state)
{
    fixture *f = *state;
    uint32_t window = 200;
    assert_int_equal(give(f, window), 0);
    send_batch(f, 100); /* the whole window */
    for (uint64_t i = 1; i <= 100; i++) {
        weir_barrier barrier = {.checkpoint = i};
        assert_int_equal(weir_output_channel_barrier(f->channel, &barrier, NULL), 0);
    }
    assert_int_equal(f->port.count, 1 + WEIR_CREDIT_SLACK / 64);
    assert_int_equal(weir_output_channel_end(f->channel, NULL), 0);
    assert_int_equal(f->port.count, 1 + WEIR_CREDIT_SLACK / 64);
    assert_int_equal(give(f, window), 0);
    assert_int_equal(f->port.count, 1 + (WEIR_CREDIT_SLACK + window) / 64);
    while (!weir_output_channel_is_drained(f->channel)) {
        assert_int_equal(give(f, 64), 0); /* one consumed, one more goes */
    }
    assert_int_equal(f->port.count, 102);
}

static void barriers_do_not_overtake(void **state)
{
    fixture *f = *state;
    weir_barrier barrier = {.checkpoint = 1};
    assert_int_equal(give(f, 64), 0);
    send_batch(f, 1);
    send_batch(f, 1);
    assert_int_equal(weir_output_channel_barrier(f->channel, &barrier, NULL), 0);
    assert_int_equal(f->port.count, 1);
    assert_int_equal(give(f, 64), 0);
    drop(f, WEIR_FRAME_BATCH, 1);
    drop(f, WEIR_FRAME_BATCH, 2);
    drop(f, WEIR_FRAME_BARRIER, 3);
}

static void nothing_follows_the_end(void **state)
{
    fixture *f = *state;
    weir_barrier barrier = {.checkpoint = 1};
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_output_channel_end(f->channel, NULL), 0);
    assert_int_equal(weir_output_channel_end(f->channel, &err), WEIR_ESTATE);
    assert_non_null(strstr(err.text, "channel 9: "));
    weir_batch *batch = make_batch(f->schema, 0, 1, 0, 0);
    assert_int_equal(weir_output_channel_batch(f->channel, batch, NULL), WEIR_ESTATE);
    assert_int_equal(weir_output_channel_watermark(f->channel, 1, NULL), WEIR_ESTATE);
    assert_int_equal(weir_output_channel_idle(f->channel, true, NULL), WEIR_ESTATE);
    assert_int_equal(weir_output_channel_barrier(f->channel, &barrier, NULL), WEIR_ESTATE);
    assert_int_equal(give(f, 100), 0);
    drop(f, WEIR_FRAME_END, 1);
    assert_null(f->port.kept.head);
}

/* Each case changes one thing of a credit that would be right. */
static void refuses_wrong_credit(void **state)
{
    (void)state;
    static const struct {
        enum weir_frame_kind kind;
        uint32_t channel;
        uint64_t epoch, sequence, credit;
        int expected;
        const char *text;
    } cases[] = {
        {WEIR_FRAME_CREDIT, ID, EPOCH, 2, 64, 0, ""},
        {WEIR_FRAME_WATERMARK, ID, EPOCH, 2, 64, WEIR_ECORRUPT, "kind 2"},
        {WEIR_FRAME_CREDIT, ID + 1, EPOCH, 2, 64, WEIR_ECORRUPT, "channel 10"},
        {WEIR_FRAME_CREDIT, ID, EPOCH - 1, 2, 64, WEIR_ESTALE, "expected 5, found 4"},
        {WEIR_FRAME_CREDIT, ID, EPOCH + 1, 2, 64, WEIR_ECORRUPT, "expected 5, found 6"},
        {WEIR_FRAME_CREDIT, ID, EPOCH, 1, 64, WEIR_ECORRUPT, "expected number 2, found 1"},
        {WEIR_FRAME_CREDIT, ID, EPOCH, 3, 64, WEIR_ECORRUPT, "expected number 2, found 3"},
        {WEIR_FRAME_CREDIT, ID, EPOCH, 2, 0, WEIR_ECORRUPT, "found 0"},
        {WEIR_FRAME_CREDIT, ID, EPOCH, 2, 65, WEIR_ECORRUPT, "expected 1 to 64 bytes, found 65"},
        {WEIR_FRAME_CREDIT, ID, EPOCH, 2, UINT64_MAX, WEIR_ECORRUPT, "cannot be"},
    };
    for (size_t i = 0; i < WEIR_COUNT(cases); i++) {
        void *own = NULL;
        setup(&own);
        fixture *f = own;
        assert_int_equal(give(f, 1000), 0);
        assert_int_equal(weir_output_channel_watermark(f->channel, 1, NULL), 0);
        weir_frame *frame = make_frame(cases[i].kind, cases[i].channel, cases[i].sequence);
        frame->epoch = cases[i].epoch;
        frame->u.credit = cases[i].credit;
        weir_error err = WEIR_ERROR_INIT;
        assert_int_equal(weir_output_channel_credit(f->channel, frame, &err), cases[i].expected);
        assert_non_null(strstr(err.text, cases[i].text));
        weir_frame_destroy(&frame);
        assert_int_equal(weir_output_channel_watermark(f->channel, 1, NULL),
                         cases[i].expected == 0 ? 0 : WEIR_ESTATE);
        teardown(&own);
    }
}

static void the_window_has_a_limit(void **state)
{
    fixture *f = *state;
    assert_int_equal(give(f, UINT32_MAX + 1ull), WEIR_ECORRUPT);
    assert_int_equal(give(f, 64), WEIR_ESTATE);
}

static void a_port_that_fails_fails_the_channel(void **state)
{
    fixture *f = *state;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(give(f, 1000), 0);
    f->port.fails = WEIR_EUNAVAILABLE;
    assert_int_equal(weir_output_channel_watermark(f->channel, 1, &err), WEIR_EUNAVAILABLE);
    assert_string_equal(err.text, "port: it is closed");
    f->port.fails = 0;
    assert_int_equal(weir_output_channel_end(f->channel, NULL), WEIR_ESTATE);
    assert_int_equal(give(f, 64), WEIR_ESTATE);
    assert_int_equal(f->port.count, 0);
}

static void survives_lack_of_memory(void **state)
{
    (void)state;
    void *own = NULL;
    for (int what = 0; what < 5; what++) {
        setup(&own);
        fixture *f = own;
        weir_barrier barrier = {.checkpoint = 1};
        weir_batch *batch = what == 0 ? make_batch(f->schema, 0, 1, 0, 0) : NULL;
        weir_memory_fail_at(1);
        int rc = what == 0   ? weir_output_channel_batch(f->channel, batch, NULL)
                 : what == 1 ? weir_output_channel_watermark(f->channel, 1, NULL)
                 : what == 2 ? weir_output_channel_barrier(f->channel, &barrier, NULL)
                 : what == 3 ? weir_output_channel_idle(f->channel, true, NULL)
                             : weir_output_channel_end(f->channel, NULL);
        weir_memory_fail_at(0);
        assert_int_equal(rc, WEIR_ENO_MEMORY);
        teardown(&own);
    }
    weir_output_channel *channel = NULL;
    weir_memory_fail_at(1);
    assert_int_equal(weir_output_channel_new(1, 1, NULL, &channel), WEIR_ENO_MEMORY);
    weir_memory_fail_at(0);
}

#define TEST(F) cmocka_unit_test_setup_teardown(F, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sends_nothing_before_the_grant),
        TEST(spends_credit_to_the_byte),
        TEST(a_batch_over_the_window_goes_alone),
        TEST(watermarks_and_idleness_coalesce),
        TEST(watermarks_wait_for_credit),
        TEST(barriers_need_no_credit_but_are_bounded),
        TEST(barriers_do_not_overtake),
        TEST(nothing_follows_the_end),
        cmocka_unit_test(refuses_wrong_credit),
        TEST(the_window_has_a_limit),
        TEST(a_port_that_fails_fails_the_channel),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
