/* What the tests of the exchange share: ports that keep frames, batches to send, a seeded random.
 */
#ifndef TEST_EXCHANGE_SUPPORT_H
#define TEST_EXCHANGE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "batch/builder.h"
#include "exchange/frame.h"
#include "exchange/frame_queue.h"
#include "exchange/output_channel.h"

#define EPOCH 5u

/* A port that keeps what is sent; `fails` makes it refuse. */
typedef struct keeping_port {
    weir_port port;
    weir_frame_queue kept;
    uint32_t count;
    int fails;
} keeping_port;

static inline int keep(weir_port *self, weir_frame *frame, weir_error *err)
{
    keeping_port *port = (keeping_port *)self;
    if (port->fails != 0) {
        weir_frame_destroy(&frame);
        return weir_error_set(err, port->fails, "port: it is closed");
    }
    weir_frame_queue_push(&port->kept, frame);
    port->count++;
    return 0;
}

#define KEEPING_PORT                                                                               \
    {                                                                                              \
        .port = {.send = keep }                                                                    \
    }

static inline weir_schema *make_schema(void)
{
    weir_schema *schema = NULL;
    assert_int_equal(weir_schema_parse("number bigint not null, time bigint not null, "
                                       "pad string not null",
                                       &schema, NULL),
                     0);
    return schema;
}

/* `rows` rows, numbered from `number`, with `pad` bytes each. */
static inline weir_batch *make_batch(weir_schema *schema, int64_t number, uint32_t rows,
                                     int64_t time, size_t pad)
{
    static const char spaces[32768] = {' '};
    weir_builder *builder = NULL;
    weir_batch *batch = NULL;
    assert_true(pad <= sizeof spaces);
    assert_int_equal(weir_builder_new(schema, rows + 1, WEIR_BATCH_SIZE_MAX, &builder), 0);
    for (uint32_t i = 0; i < rows; i++, number++) {
        assert_int_equal(weir_builder_put_fixed(builder, 0, &number), 0);
        assert_int_equal(weir_builder_put_fixed(builder, 1, &time), 0);
        assert_int_equal(weir_builder_put_bytes(builder, 2, spaces, pad), 0);
        assert_int_equal(weir_builder_end_row(builder, INT64_MIN, WEIR_INSERT), 0);
    }
    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    weir_builder_destroy(&builder);
    return batch;
}

static inline int64_t bigint_at(const weir_columns *columns, uint32_t column, uint32_t row)
{
    int64_t value;
    memcpy(&value, (const char *)columns->columns[column].values + row * sizeof value,
           sizeof value);
    return value;
}

static inline weir_frame *make_frame(enum weir_frame_kind kind, uint32_t channel, uint64_t sequence)
{
    weir_frame *frame = weir_frame_new(kind, channel);
    assert_non_null(frame);
    frame->epoch = EPOCH;
    frame->sequence = sequence;
    return frame;
}

static inline weir_frame *make_batch_frame(uint32_t channel, uint64_t sequence, weir_batch *batch)
{
    weir_frame *frame = make_frame(WEIR_FRAME_BATCH, channel, sequence);
    frame->batch = batch;
    frame->cost = weir_frame_cost(frame);
    return frame;
}

/* `hint`, if any, counts. */
static inline void free_raw(void *bytes, void *hint)
{
    weir_free(bytes);
    if (hint != NULL) {
        ++*(uint32_t *)hint;
    }
}

/* What the frame becomes on its way through a connection; the frame is destroyed. */
static inline weir_frame *over_the_wire(weir_frame *frame)
{
    weir_buffer header = WEIR_BUFFER_INIT;
    assert_int_equal(weir_frame_pack_header(frame, &header), 0);
    assert_true(header.size <= WEIR_FRAME_HEADER_MAX);
    size_t size = frame->batch != NULL ? weir_batch_size(frame->batch) : 0;
    void *raw = NULL;
    if (size > 0) {
        raw = weir_alloc(size);
        assert_non_null(raw);
        memcpy(raw, weir_batch_bytes(frame->batch), size);
    }
    weir_frame *arrived = NULL;
    assert_int_equal(
        weir_frame_unpack(header.data, header.size, raw, size, free_raw, NULL, &arrived, NULL), 0);
    assert_int_equal(arrived->cost, weir_frame_cost(frame));
    weir_buffer_deinit(&header);
    weir_frame_destroy(&frame);
    return arrived;
}

/* splitmix64 */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint32_t below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(next_random(state) % limit);
}

#endif
