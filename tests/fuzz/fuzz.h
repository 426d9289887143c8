/* tests/fuzz/fuzz.h -- what the fuzz targets share: input that is taken apart, and checks that
 * count in every build. A target is one file fuzz_<what>.c with LLVMFuzzerTestOneInput. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- input: bytes from the front, zeros when it is used up ---- */

typedef struct fuzz_input {
    const uint8_t *at;
    size_t left;
} fuzz_input;

uint8_t fuzz_u8(fuzz_input *input);
uint16_t fuzz_u16(fuzz_input *input);
uint32_t fuzz_u32(fuzz_input *input);
uint64_t fuzz_u64(fuzz_input *input);
/* One byte, modulo `limit`, which is 1 to 256. */
uint32_t fuzz_below(fuzz_input *input, uint32_t limit);
/* A length of one byte and so many bytes, or what is left. Never NULL. */
const uint8_t *fuzz_bytes(fuzz_input *input, size_t *ret_size);
/* All that is left. */
const uint8_t *fuzz_rest(fuzz_input *input, size_t *ret_size);

/* Exact copies on the heap, so that a read behind the end is seen; free with weir_free. The text
 * ends at the first NUL. */
void *fuzz_copy(const void *bytes, size_t size);
char *fuzz_text(const void *bytes, size_t size);

/* The other way round, for seeds. */
void fuzz_put_bytes(weir_buffer *out, const void *bytes, size_t size); /* at most 255 */
void fuzz_put_u32(weir_buffer *out, uint32_t value);
void fuzz_put_u64(weir_buffer *out, uint64_t value);

/* ---- checks ---- */

_Noreturn void fuzz_fail(const char *file, int line, const char *format, ...) WEIR_PRINTF(3, 4);

#define FUZZ_CHECK(condition)                                                                      \
    ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, "not so: %s", #condition))
#define FUZZ_OK(call)                                                                              \
    do {                                                                                           \
        int fuzz_code_ = (call);                                                                   \
        if (fuzz_code_ != 0)                                                                       \
            fuzz_fail(__FILE__, __LINE__, "%s gave %d (%s)", #call, fuzz_code_,                    \
                      weir_code_text(fuzz_code_));                                                 \
    } while (0)

/* Well-formed UTF-8 without control characters but newline and tab. */
bool fuzz_is_clean(const char *text);
/* Well-formed UTF-8; any character. */
bool fuzz_is_utf8(const void *bytes, size_t size);
/* One JSON value, white space around it. */
bool fuzz_is_json(const void *bytes, size_t size);
/* A failure has a code of the table, and a text that is not empty and can go into any message. */
void fuzz_check_failure(int code, const weir_error *err);
bool fuzz_same(const weir_buffer *a, const weir_buffer *b);

#endif
