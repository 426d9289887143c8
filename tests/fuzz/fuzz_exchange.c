/* tests/fuzz/fuzz_exchange.c -- see fuzz_exchange.h. */
#include "fuzz_exchange.h"

#include "base/memory.h"
#include "batch/builder.h"

#include <string.h>

weir_schema *fuzz_exchange_schema(void)
{
    static weir_schema *schema;
    if (schema == NULL)
        FUZZ_OK(weir_schema_parse("number bigint not null, pad string not null", &schema, NULL));
    return schema;
}

weir_batch *fuzz_exchange_batch(uint32_t index)
{
    static weir_batch *batches[FUZZ_BATCHES];
    static const size_t pads[FUZZ_BATCHES] = {0, 300, 5000};
    static char pad[5000];
    weir_builder *builder = NULL;

    if (batches[index] != NULL)
        return batches[index];
    FUZZ_OK(weir_builder_new(fuzz_exchange_schema(), 8, 1u << 20, &builder));
    for (int64_t i = 0; i < 2; i++) {
        FUZZ_OK(weir_builder_put_fixed(builder, 0, &i));
        FUZZ_OK(weir_builder_put_bytes(builder, 1, pad, pads[index]));
        FUZZ_OK(weir_builder_end_row(builder, INT64_MIN, WEIR_INSERT));
    }
    FUZZ_OK(weir_builder_finish(builder, &batches[index]));
    weir_builder_destroy(&builder);
    return batches[index];
}

static void release(void *bytes, void *hint)
{
    (void)hint;
    weir_free(bytes);
}

weir_frame *fuzz_raw_frame(fuzz_input *input)
{
    size_t header_size, body_size;
    const uint8_t *header = fuzz_bytes(input, &header_size);
    weir_frame *frame = NULL;
    weir_error err = WEIR_ERROR_INIT;

    body_size = fuzz_u16(input) % 2048;
    body_size = body_size < input->left ? body_size : input->left;
    uint8_t *body = body_size > 0 ? fuzz_copy(input->at, body_size) : NULL;
    input->at += body_size;
    input->left -= body_size;
    int rc = weir_frame_unpack(header, header_size, body, body_size, body != NULL ? release : NULL,
                               NULL, &frame, &err);
    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        weir_free(body);
    }
    return frame;
}
