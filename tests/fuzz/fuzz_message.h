/* tests/fuzz/fuzz_message.h -- any message from bytes that choose field by field, so that what is
 * tried gets behind the unpacking: texts are most often ones that mean something.
 *
 * Per field, in order: u8 0: absent. A text or bytes: u8 n is the n-th of the pool, above it: a
 * length and the bytes. A number: up to 64: n - 1, above it: 8 bytes. A message: its fields. A
 * repeated field: so many of them. */
#ifndef TESTS_FUZZ_FUZZ_MESSAGE_H
#define TESTS_FUZZ_FUZZ_MESSAGE_H

#include "fuzz.h"

#include "base/arena.h"
#include "proto/control.pb-c.h"

typedef struct fuzz_pool {
    const char *const *texts;
    size_t ntexts; /* at most 200 */
    const weir_buffer *const *bytes;
    size_t nbytes;
} fuzz_pool;

/* Lives as long as the arena. */
ProtobufCMessage *fuzz_message(fuzz_input *input, weir_arena *arena, const fuzz_pool *pool,
                               const ProtobufCMessageDescriptor *descriptor);
/* The bytes that make this message, for seeds. */
void fuzz_put_message(weir_buffer *out, const fuzz_pool *pool, const ProtobufCMessage *message);

#endif
