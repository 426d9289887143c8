/* exchange/frame.c -- see frame.h. */
#include "exchange/frame.h"

#include "base/memory.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"

/* A header of WEIR_FRAME_HEADER_MAX bytes, however odd, unpacks within this. */
#define HEADER_MEMORY_MAX (16u << 10)

weir_frame *weir_frame_new(enum weir_frame_kind kind, uint32_t channel)
{
    weir_frame *frame = weir_calloc(1, sizeof *frame);
    if (frame != NULL) {
        frame->kind = kind;
        frame->channel = channel;
        frame->cost = weir_frame_cost(frame);
    }
    return frame;
}

void weir_frame_destroy(weir_frame **frame)
{
    weir_frame *self = *frame;
    if (self == NULL) {
        return;
    }
    *frame = NULL;
    weir_batch_unref(&self->batch);
    if (self->raw_release != NULL) {
        self->raw_release(self->raw, self->raw_hint);
    }
    weir_free(self);
}

uint32_t weir_frame_cost(const weir_frame *frame)
{
    size_t size = WEIR_FRAME_COST_MIN;
    if (frame->kind == WEIR_FRAME_CREDIT) {
        size = 0;
    } else if (frame->kind == WEIR_FRAME_BATCH) {
        size = frame->batch != NULL ? weir_batch_size(frame->batch) : frame->raw_size;
        size = size < WEIR_FRAME_COST_MIN ? WEIR_FRAME_COST_MIN : size;
        size = size > WEIR_BATCH_SIZE_MAX ? WEIR_BATCH_SIZE_MAX : size;
    }
    return (uint32_t)size;
}

int weir_frame_pack_header(const weir_frame *frame, weir_buffer *out)
{
    Weir__Proto__DataHeader header = WEIR__PROTO__DATA_HEADER__INIT;
    Weir__Proto__Barrier barrier = WEIR__PROTO__BARRIER__INIT;
    header.channel = frame->channel;
    header.epoch = frame->epoch;
    header.sequence = frame->sequence;
    switch (frame->kind) {
    case WEIR_FRAME_BATCH: {
        size_t size = frame->batch != NULL ? weir_batch_size(frame->batch) : frame->raw_size;
        if (size > WEIR_BATCH_SIZE_MAX) {
            return WEIR_ETOO_LARGE;
        }
        header.body_case = WEIR__PROTO__DATA_HEADER__BODY_BATCH_SIZE;
        header.batch_size = (uint32_t)size;
        break;
    }
    case WEIR_FRAME_WATERMARK:
        header.body_case = WEIR__PROTO__DATA_HEADER__BODY_WATERMARK;
        header.watermark = frame->u.watermark;
        break;
    case WEIR_FRAME_BARRIER:
        barrier.checkpoint = frame->u.barrier.checkpoint;
        barrier.timestamp = frame->u.barrier.timestamp;
        barrier.options = frame->u.barrier.options;
        header.body_case = WEIR__PROTO__DATA_HEADER__BODY_BARRIER;
        header.barrier = &barrier;
        break;
    case WEIR_FRAME_END:
        header.body_case = WEIR__PROTO__DATA_HEADER__BODY_END_OF_INPUT;
        header.end_of_input = 1;
        break;
    case WEIR_FRAME_CREDIT:
        header.body_case = WEIR__PROTO__DATA_HEADER__BODY_CREDIT;
        header.credit = frame->u.credit;
        break;
    case WEIR_FRAME_IDLE:
        header.body_case = WEIR__PROTO__DATA_HEADER__BODY_IDLE;
        header.idle = frame->u.idle;
        break;
    default:
        return WEIR_EINTERNAL;
    }
    return weir_proto_pack(&header.base, out);
}

static int refuse(weir_error *err, const Weir__Proto__DataHeader *header, const char *what)
{
    return weir_error_set(err, WEIR_ECORRUPT,
                          "channel %u: frame %llu is damaged; %s; the connection is refused",
                          header->channel, (unsigned long long)header->sequence, what);
}

/* The sizes of a batch as the header tells them and as they came. */
static int check_batch_size(const Weir__Proto__DataHeader *header, const void *raw, size_t raw_size,
                            weir_error *err)
{
    if (raw_size > WEIR_BATCH_SIZE_MAX) {
        return weir_error_set(
            err, WEIR_ETOO_LARGE,
            "channel %u: a batch is too large; it has %zu bytes, the limit is %u; "
            "the connection is refused",
            header->channel, raw_size, WEIR_BATCH_SIZE_MAX);
    }
    if (raw == NULL || raw_size == 0 || header->batch_size != raw_size) {
        return weir_error_set(
            err, WEIR_ECORRUPT,
            "channel %u: frame %llu is damaged; its header tells of %u bytes, %zu "
            "came; the connection is refused",
            header->channel, (unsigned long long)header->sequence, header->batch_size, raw_size);
    }
    return 0;
}

/* Kind and body; what the wire can say wrongly is refused here. */
static int read_body(const Weir__Proto__DataHeader *header, weir_frame *frame, weir_error *err)
{
    switch (header->body_case) {
    case WEIR__PROTO__DATA_HEADER__BODY_BATCH_SIZE:
        frame->kind = WEIR_FRAME_BATCH;
        return 0;
    case WEIR__PROTO__DATA_HEADER__BODY_WATERMARK:
        frame->kind = WEIR_FRAME_WATERMARK;
        frame->u.watermark = header->watermark;
        return 0;
    case WEIR__PROTO__DATA_HEADER__BODY_BARRIER:
        frame->kind = WEIR_FRAME_BARRIER;
        frame->u.barrier.checkpoint = header->barrier->checkpoint;
        frame->u.barrier.timestamp = header->barrier->timestamp;
        frame->u.barrier.options = header->barrier->options;
        return 0;
    case WEIR__PROTO__DATA_HEADER__BODY_END_OF_INPUT:
        frame->kind = WEIR_FRAME_END;
        return header->end_of_input ? 0 : refuse(err, header, "an end of input that is none");
    case WEIR__PROTO__DATA_HEADER__BODY_CREDIT:
        frame->kind = WEIR_FRAME_CREDIT;
        frame->u.credit = header->credit;
        return header->credit != 0 ? 0 : refuse(err, header, "a grant of 0 bytes");
    case WEIR__PROTO__DATA_HEADER__BODY_IDLE:
        frame->kind = WEIR_FRAME_IDLE;
        frame->u.idle = header->idle;
        return 0;
    default:
        return refuse(err, header, "its body is missing or not one of a channel");
    }
}

static int from_header(const Weir__Proto__DataHeader *header, void *raw, size_t raw_size,
                       weir_frame **ret, weir_error *err)
{
    weir_frame *frame = weir_frame_new(WEIR_FRAME_BATCH, header->channel);
    if (frame == NULL) {
        return weir_error_set(
            err, WEIR_ENO_MEMORY,
            "channel %u: out of memory; a frame came; give the process more memory",
            header->channel);
    }
    int rc = read_body(header, frame, err);
    if (rc == 0 && frame->kind == WEIR_FRAME_BATCH) {
        rc = check_batch_size(header, raw, raw_size, err);
    } else if (rc == 0 && raw_size != 0) {
        rc = refuse(err, header, "bytes follow a frame that carries none");
    }
    if (rc != 0) {
        weir_frame_destroy(&frame);
        return rc;
    }
    frame->epoch = header->epoch;
    frame->sequence = header->sequence;
    frame->raw = raw;
    frame->raw_size = raw_size;
    frame->cost = weir_frame_cost(frame);
    *ret = frame;
    return 0;
}

int weir_frame_unpack(const void *header, size_t header_size, void *raw, size_t raw_size,
                      weir_batch_release release, void *hint, weir_frame **ret, weir_error *err)
{
    if (header_size > WEIR_FRAME_HEADER_MAX) {
        return weir_error_set(err, WEIR_ECORRUPT,
                              "data connection: a frame header is too large; it has %zu bytes, the "
                              "limit is %u; the connection is refused",
                              header_size, WEIR_FRAME_HEADER_MAX);
    }
    ProtobufCMessage *message = NULL;
    int rc = weir_proto_unpack(&weir__proto__data_header__descriptor, header, header_size,
                               HEADER_MEMORY_MAX, &message, err);
    if (rc != 0) {
        return rc;
    }
    rc = from_header((const Weir__Proto__DataHeader *)message, raw, raw_size, ret, err);
    weir_proto_free(message);
    if (rc == 0) {
        (*ret)->raw_release = release;
        (*ret)->raw_hint = hint;
    }
    return rc;
}
