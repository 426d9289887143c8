/* Frames: cost, header there and back, ownership of bytes, damage. */
#include "exchange/frame.h"

#include "exchange/input_gate.h"
#include "exchange_support.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"

static void costs_are_of_the_contract(void **state)
{
    (void)state;
    weir_schema *schema = make_schema();
    weir_batch *batch = make_batch(schema, 0, 100, 0, 10);
    weir_frame *frame = make_batch_frame(1, 1, batch);
    assert_int_equal(frame->cost, weir_batch_size(batch));
    weir_frame_destroy(&frame);
    assert_null(frame);
    weir_frame_destroy(&frame);
    weir_frame raw = {.kind = WEIR_FRAME_BATCH, .raw_size = 1};
    assert_int_equal(weir_frame_cost(&raw), 64);
    raw.raw_size = 65;
    assert_int_equal(weir_frame_cost(&raw), 65);
    for (int kind = WEIR_FRAME_BATCH; kind <= WEIR_FRAME_IDLE; kind++) {
        frame = weir_frame_new((enum weir_frame_kind)kind, 1);
        assert_int_equal(frame->cost, kind == WEIR_FRAME_CREDIT ? 0 : 64);
        weir_frame_destroy(&frame);
    }
    weir_schema_unref(&schema);
}

/* What is packed and unpacked by hand is what the general way makes and reads. */
static void the_quick_way_is_the_general_way(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,          1,           127,         128,
                                      16383,      16384,       2097152,     UINT32_MAX - 1,
                                      UINT32_MAX, 1ull << 35u, 1ull << 56u, UINT64_MAX >> 1,
                                      UINT64_MAX};
    for (size_t c = 0; c < 9; c++) {
        for (size_t e = 0; e < WEIR_COUNT(values); e++) {
            for (size_t v = 1; v < WEIR_COUNT(values); v++) {
                weir_frame *frame = make_frame(WEIR_FRAME_CREDIT, (uint32_t)values[c], values[e]);
                frame->epoch = values[(e + v) % WEIR_COUNT(values)];
                frame->u.credit = values[v];
                weir_buffer quick = WEIR_BUFFER_INIT, general = WEIR_BUFFER_INIT;
                Weir__Proto__DataHeader header = WEIR__PROTO__DATA_HEADER__INIT;
                header.channel = frame->channel;
                header.epoch = frame->epoch;
                header.sequence = frame->sequence;
                header.body_case = WEIR__PROTO__DATA_HEADER__BODY_CREDIT;
                header.credit = frame->u.credit;
                assert_int_equal(weir_frame_pack_header(frame, &quick), 0);
                assert_int_equal(weir_proto_pack(&header.base, &general), 0);
                assert_int_equal(quick.size, general.size);
                assert_memory_equal(quick.data, general.data, quick.size);
                weir_frame *found = NULL;
                assert_int_equal(
                    weir_frame_unpack(quick.data, quick.size, NULL, 0, NULL, NULL, &found, NULL),
                    0);
                assert_true(found->kind == WEIR_FRAME_CREDIT && found->channel == frame->channel &&
                            found->epoch == frame->epoch && found->sequence == frame->sequence &&
                            found->u.credit == frame->u.credit);
                weir_frame_destroy(&found);
                weir_frame_destroy(&frame);
                weir_buffer_deinit(&quick);
                weir_buffer_deinit(&general);
            }
        }
    }
}

/* Whatever the bytes say, it is what the general way reads in them. */
static void no_bytes_are_read_otherwise(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t round = 0; round < 200000; round++) {
        uint8_t bytes[64];
        size_t size = 0;
        static const uint8_t tags[] = {0x08, 0x11, 0x19, 0x20, 0x40, 0x20, 0x40, 0x52, 0x38};
        for (size_t field = 0; field < sizeof tags && size < 20; field++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            uint32_t dice = (uint32_t)(random >> 40);
            if (dice % 3 == 0) {
                continue;
            }
            bytes[size++] = tags[field];
            size_t length = field == 1 || field == 2 ? 8 : 1 + dice / 3 % 11;
            for (size_t i = 0; i < length; i++) {
                bytes[size++] = (uint8_t)((random >> (i * 7)) | (i + 1 < length ? 0x80 : 0));
            }
            bytes[size - 1] &= dice % 5 == 0 ? 0xff : 0x7f;
        }
        weir_frame *frame = NULL;
        ProtobufCMessage *message = NULL;
        int rc = weir_frame_unpack(bytes, size, NULL, 0, NULL, NULL, &frame, NULL);
        int general = weir_proto_unpack(&weir__proto__data_header__descriptor, bytes, size, 1 << 16,
                                        &message, NULL);
        const Weir__Proto__DataHeader *header = (Weir__Proto__DataHeader *)message;
        if (rc == 0) {
            assert_int_equal(general, 0);
            assert_true(frame->channel == header->channel && frame->epoch == header->epoch &&
                        frame->sequence == header->sequence);
            assert_int_equal(frame->kind == WEIR_FRAME_CREDIT,
                             header->body_case == WEIR__PROTO__DATA_HEADER__BODY_CREDIT);
            assert_true(frame->kind != WEIR_FRAME_CREDIT || frame->u.credit == header->credit);
        } else if (general == 0) { /* a batch without bytes, a credit of 0, a hello, nothing */
            assert_true(header->body_case != WEIR__PROTO__DATA_HEADER__BODY_CREDIT ||
                        header->credit == 0);
        }
        weir_frame_destroy(&frame);
        weir_proto_free(message);
    }
}

static void control_frames_come_back_as_they_were(void **state)
{
    (void)state;
    for (int kind = WEIR_FRAME_WATERMARK; kind <= WEIR_FRAME_IDLE; kind++) {
        weir_frame *frame = make_frame((enum weir_frame_kind)kind, 4000000000u, UINT64_MAX);
        switch (frame->kind) {
        case WEIR_FRAME_WATERMARK:
            frame->u.watermark = INT64_MIN;
            break;
        case WEIR_FRAME_BARRIER:
            frame->u.barrier =
                (weir_barrier){.checkpoint = UINT64_MAX, .timestamp = -9, .options = 3};
            break;
        case WEIR_FRAME_CREDIT:
            frame->u.credit = UINT64_MAX;
            break;
        default:
            frame->u.idle = true;
            break;
        }
        weir_frame copy = *frame;
        frame = over_the_wire(frame);
        assert_int_equal(frame->kind, copy.kind);
        assert_int_equal(frame->channel, copy.channel);
        assert_true(frame->epoch == copy.epoch && frame->sequence == copy.sequence);
        if (frame->kind == WEIR_FRAME_BARRIER) {
            assert_true(frame->u.barrier.checkpoint == UINT64_MAX);
            assert_true(frame->u.barrier.timestamp == -9 && frame->u.barrier.options == 3);
        } else if (frame->kind == WEIR_FRAME_IDLE) {
            assert_true(frame->u.idle);
        } else if (frame->kind != WEIR_FRAME_END) {
            assert_true(frame->u.watermark == copy.u.watermark);
        }
        weir_frame_destroy(&frame);
    }
}

static int unpack(const Weir__Proto__DataHeader *header, void *raw, size_t raw_size,
                  uint32_t *released)
{
    weir_buffer packed = WEIR_BUFFER_INIT;
    weir_frame *frame = NULL;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_proto_pack(&header->base, &packed), 0);
    int rc = weir_frame_unpack(packed.data, packed.size, raw, raw_size, free_raw, released, &frame,
                               &err);
    assert_int_equal(err.code, rc);
    assert_true((rc == 0) == (frame != NULL));
    weir_frame_destroy(&frame);
    weir_buffer_deinit(&packed);
    return rc;
}

static void owns_the_bytes_if_it_succeeds(void **state)
{
    (void)state;
    Weir__Proto__DataHeader header = WEIR__PROTO__DATA_HEADER__INIT;
    uint32_t released = 0;
    char *raw = weir_alloc(10);
    header.body_case = WEIR__PROTO__DATA_HEADER__BODY_BATCH_SIZE;
    header.batch_size = 9;
    assert_int_equal(unpack(&header, raw, 10, &released), WEIR_ECORRUPT);
    header.batch_size = 10;
    assert_int_equal(unpack(&header, NULL, 0, &released), WEIR_ECORRUPT);
    assert_int_equal(released, 0); /* still ours */
    assert_int_equal(unpack(&header, raw, 10, &released), 0);
    assert_int_equal(released, 1);
    header.batch_size = 0;
    assert_int_equal(unpack(&header, NULL, 0, &released), WEIR_ECORRUPT);
    header.batch_size = WEIR_BATCH_SIZE_MAX + 1;
    assert_int_equal(unpack(&header, &header, WEIR_BATCH_SIZE_MAX + 1, &released), WEIR_ETOO_LARGE);
    assert_int_equal(released, 1);
    /* an empty second part is owned as well */
    header.body_case = WEIR__PROTO__DATA_HEADER__BODY_WATERMARK;
    header.watermark = 1;
    assert_int_equal(unpack(&header, NULL, 0, &released), 0);
    assert_int_equal(released, 2);
}

static void refuses_headers_that_make_no_sense(void **state)
{
    (void)state;
    Weir__Proto__DataHeader header = WEIR__PROTO__DATA_HEADER__INIT;
    Weir__Proto__Hello hello = WEIR__PROTO__HELLO__INIT;
    char long_name[WEIR_FRAME_HEADER_MAX + 1] = {0};
    memset(long_name, 'x', WEIR_FRAME_HEADER_MAX);
    assert_int_equal(unpack(&header, NULL, 0, NULL), WEIR_ECORRUPT);
    header.body_case = WEIR__PROTO__DATA_HEADER__BODY_HELLO;
    header.hello = &hello;
    assert_int_equal(unpack(&header, NULL, 0, NULL), WEIR_ECORRUPT);
    hello.job = long_name;
    assert_int_equal(unpack(&header, NULL, 0, NULL), WEIR_ECORRUPT);
    header.body_case = WEIR__PROTO__DATA_HEADER__BODY_END_OF_INPUT;
    header.end_of_input = 0;
    assert_int_equal(unpack(&header, NULL, 0, NULL), WEIR_ECORRUPT);
    header.end_of_input = 1;
    assert_int_equal(unpack(&header, NULL, 0, NULL), 0);
    assert_int_equal(unpack(&header, long_name, 3, NULL), WEIR_ECORRUPT); /* bytes with an end */
    header.body_case = WEIR__PROTO__DATA_HEADER__BODY_CREDIT;
    header.credit = 0;
    assert_int_equal(unpack(&header, NULL, 0, NULL), WEIR_ECORRUPT);
    assert_int_equal(weir_frame_unpack("\x0a", 1, NULL, 0, NULL, NULL, NULL, NULL), WEIR_ECORRUPT);
    assert_int_equal(weir_frame_unpack(NULL, 0, NULL, 0, NULL, NULL, NULL, NULL), WEIR_ECORRUPT);
}

static void survives_lack_of_memory(void **state)
{
    (void)state;
    Weir__Proto__DataHeader header = WEIR__PROTO__DATA_HEADER__INIT;
    Weir__Proto__Barrier barrier = WEIR__PROTO__BARRIER__INIT;
    header.body_case = WEIR__PROTO__DATA_HEADER__BODY_BARRIER;
    header.barrier = &barrier;
    int rc = WEIR_ENO_MEMORY;
    for (unsigned n = 1; rc != 0; n++) {
        weir_buffer packed = WEIR_BUFFER_INIT;
        weir_frame *frame = NULL;
        assert_int_equal(weir_proto_pack(&header.base, &packed), 0);
        weir_memory_fail_at(n);
        rc = weir_frame_unpack(packed.data, packed.size, NULL, 0, NULL, NULL, &frame, NULL);
        weir_memory_fail_at(0);
        assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
        weir_frame_destroy(&frame);
        weir_buffer_deinit(&packed);
        assert_true(n < 20);
    }
}

/* A frame whose header or bytes have one or two bits flipped goes through a gate: an error, or
 * something that is well-formed; never a crash, and its bytes are released once. */
static void damaged_frame_into_a_gate(weir_schema *schema, const weir_buffer *header,
                                      const weir_batch *batch, uint64_t *random)
{
    keeping_port credits = KEEPING_PORT;
    weir_port *ports[1] = {&credits.port};
    weir_input_gate *gate = NULL;
    uint8_t bytes[WEIR_FRAME_HEADER_MAX];
    size_t size = batch != NULL ? weir_batch_size(batch) : 0;
    uint8_t *raw = size > 0 ? weir_alloc(size) : NULL;
    memcpy(bytes, header->data, header->size);
    if (size > 0) {
        memcpy(raw, weir_batch_bytes(batch), size);
    }
    for (uint32_t flips = 1 + below(random, 2); flips > 0; flips--) {
        bool in_header = size == 0 || below(random, 2) == 0;
        uint8_t *at = in_header ? bytes + below(random, (uint32_t)header->size)
                                : raw + below(random, (uint32_t)size);
        *at = (uint8_t)(*at ^ (1u << below(random, 8)));
    }
    assert_int_equal(weir_input_gate_new(schema, (uint32_t[]){3}, ports, 1, EPOCH, 4096, &gate), 0);
    assert_int_equal(weir_input_gate_start(gate, NULL), 0);
    weir_frame *frame = NULL;
    weir_error err = WEIR_ERROR_INIT;
    uint32_t released = 0;
    int rc = weir_frame_unpack(bytes, header->size, raw, size, free_raw, &released, &frame, &err);
    if (rc != 0) {
        free_raw(raw, &released);
    } else {
        weir_gate_item item;
        rc = weir_input_gate_receive(gate, frame, &err);
        while (rc == 0 && (rc = weir_input_gate_next(gate, &item, &err)) > 0) {
            rc = weir_input_gate_release(gate, &item, &err);
        }
    }
    assert_true(rc == 0 || err.text[0] != 0);
    weir_input_gate_destroy(&gate);
    weir_frame_queue_deinit(&credits.kept);
    assert_int_equal(released, 1);
}

static void survives_damage(void **state)
{
    (void)state;
    weir_schema *schema = make_schema();
    uint64_t random = 1;
    for (int kind = WEIR_FRAME_BATCH; kind <= WEIR_FRAME_IDLE; kind++) {
        weir_batch *batch = kind == WEIR_FRAME_BATCH ? make_batch(schema, 1, 3, 0, 5) : NULL;
        weir_frame *frame = make_frame((enum weir_frame_kind)kind, 3, 1);
        frame->batch = batch;
        frame->u.barrier.checkpoint = 77; /* in place of any of the bodies */
        if (kind == WEIR_FRAME_IDLE) {
            frame->u.idle = true;
        }
        weir_buffer header = WEIR_BUFFER_INIT;
        assert_int_equal(weir_frame_pack_header(frame, &header), 0);
        for (int i = 0; i < (kind == WEIR_FRAME_BATCH ? 6000 : 800); i++) {
            damaged_frame_into_a_gate(schema, &header, batch, &random);
        }
        weir_buffer_deinit(&header);
        weir_frame_destroy(&frame);
    }
    weir_schema_unref(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_are_of_the_contract),
        cmocka_unit_test(the_quick_way_is_the_general_way),
        cmocka_unit_test(no_bytes_are_read_otherwise),
        cmocka_unit_test(control_frames_come_back_as_they_were),
        cmocka_unit_test(owns_the_bytes_if_it_succeeds),
        cmocka_unit_test(refuses_headers_that_make_no_sense),
        cmocka_unit_test(survives_lack_of_memory),
        cmocka_unit_test(survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
