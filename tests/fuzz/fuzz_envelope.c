/* Bytes as every message that is unpacked somewhere: refused with a reason, or read completely,
 * packed and read again to the same.
 *
 *   u8 which message, u8 memory in KiB (0: 1 MiB), the bytes */
#include "fuzz.h"

#include "base/memory.h"
#include "proto/codec.h"
#include "proto/control.pb-c.h"
#include "proto/data.pb-c.h"
#include "proto/graph.pb-c.h"

static const ProtobufCMessageDescriptor *const roots[] = {
    &weir__proto__envelope__descriptor,    &weir__proto__data_header__descriptor,
    &weir__proto__job_graph__descriptor,   &weir__proto__job_detail__descriptor,
    &weir__proto__runner_spec__descriptor, &weir__proto__submit_job__descriptor,
};

static void check_accepted(const ProtobufCMessage *message)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_buffer first = WEIR_BUFFER_INIT, second = WEIR_BUFFER_INIT, third = WEIR_BUFFER_INIT;
    ProtobufCMessage *again = NULL, *copy = NULL;

    FUZZ_OK(weir_proto_check_text(message, &err));
    FUZZ_OK(weir_proto_pack(message, &first));
    FUZZ_OK(
        weir_proto_unpack(message->descriptor, first.data, first.size, SIZE_MAX / 2, &again, &err));
    FUZZ_OK(weir_proto_pack(again, &second));
    FUZZ_CHECK(fuzz_same(&first, &second));
    FUZZ_OK(weir_proto_copy(message, &copy));
    FUZZ_OK(weir_proto_pack(copy, &third));
    FUZZ_CHECK(fuzz_same(&first, &third));
    weir_proto_free(again);
    weir_proto_free(copy);
    weir_buffer_deinit(&first);
    weir_buffer_deinit(&second);
    weir_buffer_deinit(&third);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    const ProtobufCMessageDescriptor *root = roots[fuzz_below(&input, WEIR_COUNT(roots))];
    size_t memory_max = (size_t)fuzz_u8(&input) << 10, length;
    const uint8_t *rest = fuzz_rest(&input, &length);
    uint8_t *bytes = fuzz_copy(rest, length);
    ProtobufCMessage *message = NULL;
    weir_error err = WEIR_ERROR_INIT;

    memory_max = memory_max == 0 ? 1u << 20 : memory_max;
    int rc = weir_proto_unpack(root, bytes, length, memory_max, &message, &err);
    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        FUZZ_CHECK(rc == WEIR_ECORRUPT || rc == WEIR_ETOO_LARGE);
        FUZZ_CHECK(message == NULL);
        FUZZ_CHECK(weir_proto_unpack(root, bytes, length, memory_max, &message, NULL) == rc);
    } else {
        check_accepted(message);
    }
    weir_proto_free(message);
    weir_free(bytes);
    return 0;
}
