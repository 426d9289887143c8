/* A data frame from the wire: header and body.
 *
 *   u8 length and header, the rest: body */
#include "fuzz.h"

#include "base/memory.h"
#include "exchange/frame.h"

#include <string.h>

static void count_release(void *bytes, void *hint)
{
    weir_free(bytes);
    ++*(int *)hint;
}

static void check_equal(const weir_frame *a, const weir_frame *b)
{
    FUZZ_CHECK(a->kind == b->kind && a->channel == b->channel && a->epoch == b->epoch);
    FUZZ_CHECK(a->sequence == b->sequence && a->cost == b->cost && a->raw_size == b->raw_size);
    switch (a->kind) {
    case WEIR_FRAME_WATERMARK:
        FUZZ_CHECK(a->u.watermark == b->u.watermark);
        break;
    case WEIR_FRAME_BARRIER:
        FUZZ_CHECK(a->u.barrier.checkpoint == b->u.barrier.checkpoint &&
                   a->u.barrier.timestamp == b->u.barrier.timestamp &&
                   a->u.barrier.options == b->u.barrier.options);
        break;
    case WEIR_FRAME_CREDIT:
        FUZZ_CHECK(a->u.credit == b->u.credit && a->u.credit != 0);
        break;
    case WEIR_FRAME_IDLE:
        FUZZ_CHECK(a->u.idle == b->u.idle);
        break;
    case WEIR_FRAME_BATCH:
        FUZZ_CHECK(a->raw != NULL && a->raw_size > 0);
        break;
    default:
        FUZZ_CHECK(a->kind == WEIR_FRAME_END);
        break;
    }
}

static void check_accepted(const weir_frame *frame)
{
    weir_buffer header = WEIR_BUFFER_INIT;
    weir_error err = WEIR_ERROR_INIT;
    weir_frame *again = NULL;

    FUZZ_OK(weir_frame_pack_header(frame, &header));
    FUZZ_CHECK(header.size <= WEIR_FRAME_HEADER_MAX);
    FUZZ_OK(weir_frame_unpack(header.data, header.size, frame->raw, frame->raw_size, NULL, NULL,
                              &again, &err));
    check_equal(frame, again);
    weir_frame_destroy(&again);
    weir_buffer_deinit(&header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    size_t header_size, body_size;
    const uint8_t *from = fuzz_bytes(&input, &header_size);
    uint8_t *header = fuzz_copy(from, header_size);
    from = fuzz_rest(&input, &body_size);
    uint8_t *body = body_size > 0 ? fuzz_copy(from, body_size) : NULL;
    weir_frame *frame = NULL;
    weir_error err = WEIR_ERROR_INIT;
    int released = 0;

    int rc = weir_frame_unpack(header, header_size, body, body_size,
                               body != NULL ? count_release : NULL, &released, &frame, &err);
    FUZZ_CHECK(released == 0);
    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        FUZZ_CHECK(rc == WEIR_ECORRUPT || rc == WEIR_ETOO_LARGE);
        weir_free(body);
    } else {
        FUZZ_CHECK(frame->kind == WEIR_FRAME_BATCH || body == NULL);
        check_accepted(frame);
        weir_frame_destroy(&frame);
        FUZZ_CHECK(released == (body != NULL));
    }
    weir_free(header);
    return 0;
}
