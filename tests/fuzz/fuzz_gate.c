/* The input gate, fed frames in any order: right ones, wrong numbers, epochs and channels, frames
 * and batches of any bytes. What it gives is in order, its credit adds up, and its first failure
 * stays.
 *
 *   u8 window, u8 channels; then operations: u8 which, and what it needs */
#include "fuzz_exchange.h"

#include "base/memory.h"
#include "exchange/credit.h"
#include "exchange/input_gate.h"

#include <string.h>

enum { CHANNELS_MAX = 3, HELD_MAX = 4 };

typedef struct producer {
    weir_port port; /* takes the credits */
    uint64_t sequence, credits;
    uint64_t charged, credited; /* without the first grant */
    bool granted, ended;
} producer;

typedef struct world {
    producer producers[CHANNELS_MAX];
    uint32_t count, window, nheld;
    weir_input_gate *gate;
    weir_gate_item held[HELD_MAX];
    int64_t watermark;
    bool ended;
    weir_error failure;
} world;

static int take_credit(weir_port *self, weir_frame *frame, weir_error *err)
{
    producer *of = (producer *)self;
    (void)err;
    FUZZ_CHECK(frame->kind == WEIR_FRAME_CREDIT && frame->epoch == FUZZ_EPOCH);
    FUZZ_CHECK(frame->sequence == ++of->credits && frame->u.credit > 0);
    if (of->granted) {
        of->credited += frame->u.credit;
        FUZZ_CHECK(of->credited <= of->charged);
    }
    of->granted = true;
    weir_frame_destroy(&frame);
    return 0;
}

/* Every call says the same from the first failure on. */
static void check_result(world *w, int rc, const weir_error *err)
{
    if (rc >= 0) {
        FUZZ_CHECK(w->failure.code == 0);
        return;
    }
    fuzz_check_failure(rc, err);
    if (w->failure.code == 0)
        w->failure = *err;
    FUZZ_CHECK(w->failure.code == rc && strcmp(w->failure.text, err->text) == 0);
}

static weir_frame *right_frame(world *w, fuzz_input *input, uint32_t index)
{
    uint32_t what = fuzz_below(input, 8);
    enum weir_frame_kind kind =
        what < WEIR_FRAME_BATCH || what > WEIR_FRAME_IDLE ? WEIR_FRAME_BATCH : what;
    weir_frame *frame = weir_frame_new(kind, 100 + index);
    FUZZ_CHECK(frame != NULL);
    frame->epoch = FUZZ_EPOCH;
    frame->sequence = w->producers[index].sequence + 1;
    switch (kind) {
    case WEIR_FRAME_BATCH:
        frame->batch = weir_batch_ref(fuzz_exchange_batch(fuzz_below(input, FUZZ_BATCHES)));
        break;
    case WEIR_FRAME_WATERMARK:
        frame->u.watermark = (int8_t)fuzz_u8(input);
        break;
    case WEIR_FRAME_BARRIER:
        frame->u.barrier.checkpoint = fuzz_u8(input);
        break;
    default:
        frame->u.idle = fuzz_u8(input) & 1;
        break;
    }
    return frame;
}

static void receive(world *w, weir_frame *frame)
{
    weir_error err = WEIR_ERROR_INIT;
    uint32_t index = frame->channel - 100, cost = weir_frame_cost(frame);
    enum weir_frame_kind kind = frame->kind;

    int rc = weir_input_gate_receive(w->gate, frame, &err);
    check_result(w, rc, &err);
    if (rc != 0)
        return;
    FUZZ_CHECK(index < w->count && !w->producers[index].ended);
    producer *of = &w->producers[index];
    of->sequence++;
    of->charged += weir_credit_charge(cost, w->window);
    of->ended = kind == WEIR_FRAME_END;
    uint64_t slack = kind == WEIR_FRAME_BARRIER || of->ended ? WEIR_CREDIT_SLACK : 0;
    FUZZ_CHECK(of->charged - of->credited <= w->window + slack);
}

static void wrong_frame(world *w, fuzz_input *input, weir_frame *frame)
{
    switch (fuzz_below(input, 4)) {
    case 0:
        frame->sequence += (uint64_t)(int8_t)fuzz_u8(input);
        break;
    case 1:
        frame->epoch = fuzz_u8(input);
        break;
    case 2:
        frame->channel = fuzz_u32(input);
        break;
    default:
        frame->kind = fuzz_u8(input);
        frame->u.credit = 0; /* no bits of another kind */
        break;
    }
    receive(w, frame);
}

static void check_batch(const weir_batch *batch)
{
    const weir_columns *columns = weir_batch_columns(batch);
    FUZZ_CHECK(columns->ncolumns == 2);
    for (uint32_t row = 0; row < columns->rows; row++) {
        weir_string text = weir_column_string(&columns->columns[1], row);
        for (uint32_t i = 0; i < text.n; i++)
            (void)*(volatile const char *)(text.p + i);
    }
}

static void release(world *w)
{
    weir_error err = WEIR_ERROR_INIT;
    if (w->nheld == 0)
        return;
    int rc = weir_input_gate_release(w->gate, &w->held[--w->nheld], &err);
    check_result(w, rc, &err);
    FUZZ_CHECK(w->held[w->nheld].batch == NULL);
}

static int next(world *w)
{
    weir_gate_item item;
    weir_error err = WEIR_ERROR_INIT;
    bool expected = weir_input_gate_has_events(w->gate);

    if (w->nheld == HELD_MAX)
        release(w);
    int event = weir_input_gate_next(w->gate, &item, &err);
    check_result(w, event, &err);
    FUZZ_CHECK(expected || event == WEIR_GATE_EMPTY);
    if (event < 0)
        return event;
    switch ((enum weir_gate_event)event) {
    case WEIR_GATE_EMPTY:
        FUZZ_CHECK(weir_input_gate_queued(w->gate) == 0);
        break;
    case WEIR_GATE_BATCH:
        FUZZ_CHECK(!w->ended && item.channel - 100 < w->count);
        check_batch(item.batch);
        w->held[w->nheld++] = item;
        break;
    case WEIR_GATE_WATERMARK:
        FUZZ_CHECK(item.watermark > w->watermark);
        FUZZ_CHECK(weir_input_gate_watermark(w->gate) == item.watermark);
        w->watermark = item.watermark;
        break;
    case WEIR_GATE_BARRIER:
        FUZZ_CHECK(!w->ended && item.channel - 100 < w->count);
        break;
    case WEIR_GATE_END:
        FUZZ_CHECK(!w->ended);
        w->ended = true;
        break;
    case WEIR_GATE_IDLE:
        break;
    }
    return event;
}

/* All that was received is given, all that was given is credited. */
static void drain(world *w)
{
    int event;
    while ((event = next(w)) > 0)
        release(w);
    while (w->nheld > 0)
        release(w);
    for (uint32_t i = 0; i < w->count && w->failure.code == 0; i++) {
        const producer *of = &w->producers[i];
        FUZZ_CHECK(of->ended || of->charged == of->credited);
    }
}

static void step(world *w, fuzz_input *input)
{
    uint32_t what = fuzz_below(input, 8);
    uint32_t index = fuzz_below(input, w->count);
    weir_frame *frame;

    switch (what) {
    case 0:
        frame = fuzz_raw_frame(input);
        if (frame != NULL)
            receive(w, frame);
        break;
    case 1:
        wrong_frame(w, input, right_frame(w, input, index));
        break;
    case 2: /* a batch of any bytes in a right frame */
        frame = fuzz_raw_frame(input);
        if (frame == NULL)
            break;
        frame->channel = 100 + index;
        frame->epoch = FUZZ_EPOCH;
        frame->sequence = w->producers[index].sequence + 1;
        receive(w, frame);
        break;
    case 3:
        (void)next(w);
        break;
    case 4:
        release(w);
        break;
    case 5:
        drain(w);
        break;
    default:
        receive(w, right_frame(w, input, index));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t windows[] = {1, 64, 1000, 32768};
    static const uint32_t ids[CHANNELS_MAX] = {101, 100, 102}; /* in no order */
    fuzz_input input = {data, size};
    world w = {.watermark = INT64_MIN};
    weir_port *ports[CHANNELS_MAX];
    weir_error err = WEIR_ERROR_INIT;

    w.window = windows[fuzz_below(&input, WEIR_COUNT(windows))];
    w.count = 1 + fuzz_below(&input, CHANNELS_MAX);
    w.count = w.count == 1 ? 2 : w.count; /* of the ids above, those without a gap */
    for (uint32_t i = 0; i < w.count; i++) {
        w.producers[ids[i] - 100].port.send = take_credit;
        ports[i] = &w.producers[ids[i] - 100].port;
    }
    FUZZ_OK(weir_input_gate_new(fuzz_exchange_schema(), ids, ports, w.count, FUZZ_EPOCH, w.window,
                                &w.gate));
    if (fuzz_u8(&input) % 16 != 0)
        FUZZ_OK(weir_input_gate_start(w.gate, &err));
    while (input.left > 0)
        step(&w, &input);
    drain(&w);
    weir_input_gate_destroy(&w.gate);
    return 0;
}
