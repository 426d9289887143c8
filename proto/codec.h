/* proto/codec.h -- packing and unpacking of every message. Unpacking counts what it allocates and
 * refuses a message that would take more than `memory_max` at any moment (protobuf can amplify its
 * input tens of times), fields that the message does not have (both sides speak the version that
 * the handshake settled), values that an enum does not have, and texts with embedded NUL or invalid
 * UTF-8. Our messages never nest recursively: protobuf-c has no depth limit of its own. */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include "base/buffer.h"
#include "base/error.h"

#include <protobuf-c/protobuf-c.h>

/* Before a message is packed that somebody must not fail to receive: WEIR_EINVALID, naming the
 * field, when weir_proto_unpack would refuse its content (a text that is not UTF-8, an enum's value
 * that does not exist). Texts end at their NUL. */
int weir_proto_check_text(const ProtobufCMessage *message, weir_error *err) WEIR_MUST_CHECK;
/* Appends the packed message. WEIR_ENO_MEMORY: nothing was appended. */
int weir_proto_pack(const ProtobufCMessage *message, weir_buffer *out) WEIR_MUST_CHECK;
/* WEIR_ECORRUPT, WEIR_ETOO_LARGE or WEIR_ENO_MEMORY. Free with weir_proto_free only (not with the
 * generated free_unpacked functions: the allocator is ours). */
int weir_proto_unpack(const ProtobufCMessageDescriptor *descriptor, const void *bytes, size_t size,
                      size_t memory_max, ProtobufCMessage **ret, weir_error *err) WEIR_MUST_CHECK;
/* A deep copy, through the wire form. */
int weir_proto_copy(const ProtobufCMessage *message, ProtobufCMessage **ret) WEIR_MUST_CHECK;
void weir_proto_free(ProtobufCMessage *message); /* NULL is fine */

/* For tests: WEIR_EINVALID, which names it, when a message reachable from `root` contains itself or
 * lies deeper than 16 levels. */
int weir_proto_check_nesting(const ProtobufCMessageDescriptor *root,
                             weir_error *err) WEIR_MUST_CHECK;

#endif
