/* exchange/frame.c -- see frame.h. */
#include "exchange/frame.h"

#include "base/memory.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"

#include <string.h>

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

/* ---- batches and credits by hand ---- */

/* Nearly all frames are one of the two, and the general way takes longer than all else that is done
 * with a frame. The bytes are those of the general way; what does not look exactly so is left to
 * it.
 */
#define TAG_CHANNEL    0x08u /* varint */
#define TAG_EPOCH      0x11u /* 8 bytes */
#define TAG_SEQUENCE   0x19u /* 8 bytes */
#define TAG_BATCH_SIZE 0x20u /* varint */
#define TAG_CREDIT     0x40u /* varint */
#define QUICK_MAX      40u   /* bytes, at most: 1 + 5, 1 + 8, 1 + 8, 1 + 10 */

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        *to++ = (uint8_t)(value | 0x80);
    }
    *to++ = (uint8_t)value;
    return to;
}

static uint8_t *put_fixed(uint8_t *to, uint8_t tag, uint64_t value)
{
    if (value != 0) {
        *to++ = tag;
        memcpy(to, &value, sizeof value);
        to += sizeof value;
    }
    return to;
}

static int pack_quickly(const weir_frame *frame, uint8_t tag, uint64_t value, weir_buffer *out)
{
    uint8_t bytes[QUICK_MAX], *to = bytes;
    if (frame->channel != 0) {
        *to++ = TAG_CHANNEL;
        to = put_varint(to, frame->channel);
    }
    to = put_fixed(to, TAG_EPOCH, frame->epoch);
    to = put_fixed(to, TAG_SEQUENCE, frame->sequence);
    *to++ = tag;
    to = put_varint(to, value);
    weir_buffer_append(out, bytes, (size_t)(to - bytes));
    return weir_buffer_check(out);
}

/* NULL: it is cut off, longer than its value needs, or over `max`. */
static const uint8_t *get_varint(const uint8_t *at, const uint8_t *end, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    for (uint32_t shift = 0; at < end && shift < 63; shift += 7) {
        uint8_t byte = *at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return value <= max && (byte != 0 || shift == 0) ? at : NULL;
        }
    }
    return NULL;
}

static const uint8_t *get_fixed(const uint8_t *at, const uint8_t *end, uint8_t tag, uint64_t *ret)
{
    if (end - at > (ptrdiff_t)sizeof *ret && *at == tag) {
        memcpy(ret, at + 1, sizeof *ret);
        at += 1 + sizeof *ret;
    }
    return at;
}

/* False: it is not of the two kinds, or not as we pack it. */
static bool unpack_quickly(const void *bytes, size_t size, Weir__Proto__DataHeader *ret)
{
    const uint8_t *at = bytes, *end = at + size;
    uint64_t value = 0;
    if (at < end && *at == TAG_CHANNEL) {
        at = get_varint(at + 1, end, UINT32_MAX, &value);
        if (at == NULL) {
            return false;
        }
        ret->channel = (uint32_t)value;
    }
    at = get_fixed(at, end, TAG_EPOCH, &ret->epoch);
    at = get_fixed(at, end, TAG_SEQUENCE, &ret->sequence);
    if (at == end || (*at != TAG_BATCH_SIZE && *at != TAG_CREDIT)) {
        return false;
    }
    bool batch = *at == TAG_BATCH_SIZE;
    if (get_varint(at + 1, end, batch ? UINT32_MAX : UINT64_MAX, &value) != end) {
        return false;
    }
    ret->body_case =
        batch ? WEIR__PROTO__DATA_HEADER__BODY_BATCH_SIZE : WEIR__PROTO__DATA_HEADER__BODY_CREDIT;
    if (batch) {
        ret->batch_size = (uint32_t)value;
    } else {
        ret->credit = value;
    }
    return true;
}

/* ---- all of them ---- */

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
        return pack_quickly(frame, TAG_BATCH_SIZE, size, out);
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
        return pack_quickly(frame, TAG_CREDIT, frame->u.credit, out);
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
    Weir__Proto__DataHeader quick = WEIR__PROTO__DATA_HEADER__INIT;
    if (unpack_quickly(header, header_size, &quick)) {
        int result = from_header(&quick, raw, raw_size, ret, err);
        if (result == 0) {
            (*ret)->raw_release = release;
            (*ret)->raw_hint = hint;
        }
        return result;
    }
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
