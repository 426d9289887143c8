/* The output channel between a producer that sends anything and a consumer whose credits are right,
 * wrong, or of any bytes: nothing leaves without credit or out of order, and a wrong credit ends
 * it.
 *
 *   operations: u8 which, and what it needs */
#include "fuzz_exchange.h"

#include "base/memory.h"
#include "exchange/credit.h"
#include "exchange/output_channel.h"

enum { ID = 7 };

typedef struct world {
    weir_port port;
    weir_output_channel *channel;
    uint64_t sequence, credits, outstanding;
    uint32_t window; /* 0: not granted */
    bool failed, ended;
} world;

static int send(weir_port *self, weir_frame *frame, weir_error *err)
{
    world *w = (world *)self;
    uint32_t charge = weir_credit_charge(weir_frame_cost(frame), w->window);
    (void)err;
    FUZZ_CHECK(!w->failed && w->window != 0);
    FUZZ_CHECK(frame->channel == ID && frame->epoch == FUZZ_EPOCH);
    FUZZ_CHECK(frame->sequence == ++w->sequence);
    FUZZ_CHECK(weir_credit_allows(frame->kind, charge, w->outstanding, w->window));
    w->outstanding += charge;
    weir_frame_destroy(&frame);
    return 0;
}

static void check_sent(world *w, int rc, const weir_error *err)
{
    FUZZ_CHECK((rc != 0) == (w->failed || w->ended));
    if (rc != 0) {
        fuzz_check_failure(rc, err);
        FUZZ_CHECK(rc == WEIR_ESTATE);
    }
}

static void give(world *w, weir_frame *frame)
{
    weir_error err = WEIR_ERROR_INIT;
    uint64_t limit = w->window == 0 ? UINT32_MAX : w->outstanding;
    bool right = !w->failed && frame->kind == WEIR_FRAME_CREDIT && frame->channel == ID &&
                 frame->epoch == FUZZ_EPOCH && frame->sequence == w->credits + 1 &&
                 frame->u.credit > 0 && frame->u.credit <= limit;

    if (right) { /* before the call: what waits is sent in it */
        w->credits++;
        if (w->window == 0)
            w->window = (uint32_t)frame->u.credit;
        else
            w->outstanding -= frame->u.credit;
    }
    int rc = weir_output_channel_credit(w->channel, frame, &err);
    FUZZ_CHECK((rc == 0) == right);
    if (rc != 0)
        fuzz_check_failure(rc, &err);
    w->failed = w->failed || rc != 0;
    weir_frame_destroy(&frame);
}

static weir_frame *credit(const world *w, fuzz_input *input)
{
    static const uint32_t windows[] = {1, 64, 700, 32768};
    weir_frame *frame = weir_frame_new(WEIR_FRAME_CREDIT, ID);
    FUZZ_CHECK(frame != NULL);
    frame->epoch = FUZZ_EPOCH;
    frame->sequence = w->credits + 1;
    uint32_t part = fuzz_u8(input);
    frame->u.credit = w->window == 0 ? windows[part % WEIR_COUNT(windows)]
                                     : (w->outstanding * (part + 1u) + 255) / 256;
    return frame;
}

static void produce(world *w, fuzz_input *input, uint32_t what)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_barrier barrier = {.checkpoint = 3};
    int rc;

    switch (what) {
    case 0:
        rc = weir_output_channel_watermark(w->channel, (int8_t)fuzz_u8(input), &err);
        break;
    case 1:
        rc = weir_output_channel_barrier(w->channel, &barrier, &err);
        break;
    case 2:
        rc = weir_output_channel_idle(w->channel, fuzz_u8(input) & 1, &err);
        break;
    case 3:
        rc = weir_output_channel_end(w->channel, &err);
        check_sent(w, rc, &err);
        w->ended = true;
        return;
    default:
        rc = weir_output_channel_batch(
            w->channel, weir_batch_ref(fuzz_exchange_batch(fuzz_below(input, FUZZ_BATCHES))), &err);
        break;
    }
    check_sent(w, rc, &err);
}

static void step(world *w, fuzz_input *input)
{
    uint32_t what = fuzz_below(input, 12);
    weir_frame *frame;

    if (what < 6) {
        produce(w, input, what);
    } else if (what < 10) {
        frame = credit(w, input);
        if (what == 9 && fuzz_u8(input) % 8 == 0)
            frame->u.credit = fuzz_u64(input);
        if (frame->u.credit == 0)
            weir_frame_destroy(&frame); /* nothing is outstanding */
        else
            give(w, frame);
    } else {
        frame = fuzz_raw_frame(input);
        if (frame != NULL)
            give(w, frame);
    }
    bool drained = weir_output_channel_is_drained(w->channel);
    FUZZ_CHECK(drained == (weir_output_channel_overdraft(w->channel) == 0));
    FUZZ_CHECK(!weir_output_channel_has_room(w->channel) || (drained && w->window > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    world w = {.port = {.send = send}};

    FUZZ_OK(weir_output_channel_new(ID, FUZZ_EPOCH, &w.port, &w.channel));
    FUZZ_CHECK(weir_output_channel_id(w.channel) == ID);
    while (input.left > 0)
        step(&w, &input);
    weir_output_channel_destroy(&w.channel);
    return 0;
}
