/* proto/codec.c -- see codec.h.
 *
 * protobuf-c unpacks a text into a C string and forgets its length, so an embedded NUL cannot be
 * seen in the message. Our allocator keeps each block's size in front of it: a text of n bytes lies
 * in a block of n + 1, whatever its content. The same size makes the count exact when blocks are
 * freed. */
#include "proto/codec.h"

#include "base/memory.h"
#include "base/text.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NESTING_MAX 16

/* Keeps the alignment of malloc. */
typedef struct block {
    _Alignas(max_align_t) size_t size;
} block;

typedef struct budget {
    size_t left;
    bool too_large, no_memory;
} budget;

static void *budget_alloc(void *data, size_t size)
{
    budget *self = data;
    if (size > SIZE_MAX - sizeof(block) || size + sizeof(block) > self->left) {
        self->too_large = true;
        return NULL;
    }
    block *head = weir_alloc(size + sizeof *head);
    if (head == NULL) {
        self->no_memory = true;
        return NULL;
    }
    head->size = size;
    self->left -= size + sizeof *head;
    return head + 1;
}

/* `data` is NULL when a message is freed after its unpacking. */
static void budget_free(void *data, void *memory)
{
    if (memory == NULL) {
        return;
    }
    budget *self = data;
    block *head = (block *)memory - 1;
    if (self != NULL) {
        self->left += head->size + sizeof *head;
    }
    weir_free(head);
}

int weir_proto_pack(const ProtobufCMessage *message, weir_buffer *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    int rc = weir_buffer_reserve(out, size);
    if (rc != 0) {
        return rc;
    }
    if (size > 0) {
        out->size += protobuf_c_message_pack(message, out->data + out->size);
        out->data[out->size] = 0;
    }
    return 0;
}

int weir_proto_copy(const ProtobufCMessage *message, ProtobufCMessage **ret)
{
    weir_buffer packed = WEIR_BUFFER_INIT;
    int rc = weir_proto_pack(message, &packed);

    if (rc == 0)
        rc = weir_proto_unpack(message->descriptor, packed.data, packed.size, SIZE_MAX / 2, ret,
                               NULL);
    weir_buffer_deinit(&packed);
    return rc;
}

void weir_proto_free(ProtobufCMessage *message)
{
    ProtobufCAllocator allocator = {.alloc = budget_alloc, .free = budget_free};
    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, &allocator);
    }
}

/* ---- the walk over a message ---- */

/* Where the message is from: unpacked by us, or made by a caller, whose texts end at their NUL. */
typedef struct origin {
    bool is_unpacked;
    int code; /* of what is refused */
} origin;

static int damaged(const ProtobufCMessageDescriptor *descriptor, const char *field,
                   const char *what, const origin *from, weir_error *err)
{
    return weir_error_set(err, from->code,
                          "message %s: field %s is damaged; %s; the message is refused",
                          descriptor->name, field, what);
}

static int check_text(const ProtobufCMessageDescriptor *descriptor,
                      const ProtobufCFieldDescriptor *field, const char *text, const origin *from,
                      weir_error *err)
{
    /* A default is no block of ours. */
    if (text == NULL || text == field->default_value || text == protobuf_c_empty_string) {
        return 0;
    }
    size_t size =
        from->is_unpacked ? ((const block *)(const void *)text - 1)->size - 1 : strlen(text);
    if (memchr(text, 0, size) != NULL) {
        return damaged(descriptor, field->name, "its text contains a NUL byte", from, err);
    }
    for (size_t i = 0; i < size;) {
        size_t length = weir_text_character(text + i, size - i);
        if (length == 0) {
            return damaged(descriptor, field->name, "its text is not UTF-8", from, err);
        }
        i += length;
    }
    return 0;
}

static int check_message(const ProtobufCMessage *message, const origin *from, weir_error *err);

static int check_value(const ProtobufCMessageDescriptor *descriptor,
                       const ProtobufCFieldDescriptor *field, const void *at, const origin *from,
                       weir_error *err)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return check_text(descriptor, field, *(char *const *)at, from, err);
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *child = *(ProtobufCMessage *const *)at;
        return child == NULL ? 0 : check_message(child, from, err);
    }
    if (field->type == PROTOBUF_C_TYPE_ENUM &&
        protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)at) == NULL) {
        return damaged(descriptor, field->name, "its value is not one of the enum's", from, err);
    }
    return 0;
}

/* Bytes of one item of a repeated field of the types that are looked into. */
static size_t item_size(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_ENUM ? sizeof(int) : sizeof(void *);
}

static int check_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                       const origin *from, weir_error *err)
{
    const char *base = (const char *)message;
    const void *at = base + field->offset;
    if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE &&
        field->type != PROTOBUF_C_TYPE_ENUM) {
        return 0;
    }
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
        const char *items = *(char *const *)at;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < count; i++) {
            rc = check_value(message->descriptor, field, items + i * item_size(field), from, err);
        }
        return rc;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id) {
        return 0;
    }
    return check_value(message->descriptor, field, at, from, err);
}

/* As deep as the message types nest, which is bounded (weir_proto_check_nesting). */
static int check_message(const ProtobufCMessage *message, const origin *from, weir_error *err)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    if (message->n_unknown_fields != 0) {
        return weir_error_set(err, from->code,
                              "message %s: it has a field that is not known; found number %u; the "
                              "message is refused: use one version of weir everywhere",
                              descriptor->name, message->unknown_fields[0].tag);
    }
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < descriptor->n_fields; i++) {
        rc = check_field(message, &descriptor->fields[i], from, err);
    }
    return rc;
}

int weir_proto_check_text(const ProtobufCMessage *message, weir_error *err)
{
    const origin from = {.is_unpacked = false, .code = WEIR_EINVALID};
    return check_message(message, &from, err);
}

int weir_proto_unpack(const ProtobufCMessageDescriptor *descriptor, const void *bytes, size_t size,
                      size_t memory_max, ProtobufCMessage **ret, weir_error *err)
{
    budget left = {.left = memory_max};
    ProtobufCAllocator allocator = {
        .alloc = budget_alloc, .free = budget_free, .allocator_data = &left};
    const uint8_t *from = bytes != NULL ? bytes : (const uint8_t *)"";
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, size, from);
    /* Some failed allocations of protobuf-c (of a bytes field, say) end in a message all the same.
     */
    if (left.too_large || left.no_memory) {
        weir_proto_free(message);
        return left.too_large
                   ? weir_error_set(err, WEIR_ETOO_LARGE,
                                    "message %s: it needs too much memory; %zu bytes of input need "
                                    "more than %zu; the message is refused",
                                    descriptor->name, size, memory_max)
                   : weir_error_set(err, WEIR_ENO_MEMORY,
                                    "message %s: out of memory; %zu bytes came; give the process "
                                    "more memory",
                                    descriptor->name, size);
    }
    if (message == NULL) {
        return weir_error_set(
            err, WEIR_ECORRUPT,
            "message %s: it cannot be read; %zu bytes came; the message is refused",
            descriptor->name, size);
    }
    const origin own = {.is_unpacked = true, .code = WEIR_ECORRUPT};
    int rc = check_message(message, &own, err);
    if (rc != 0) {
        weir_proto_free(message);
        return rc;
    }
    *ret = message;
    return 0;
}

/* ---- nesting ---- */

typedef struct nesting {
    const ProtobufCMessageDescriptor *path[NESTING_MAX];
    unsigned depth;
} nesting;

static int check_nesting(nesting *above, const ProtobufCMessageDescriptor *descriptor,
                         weir_error *err)
{
    bool again = false;
    for (unsigned i = 0; i < above->depth; i++) {
        again = again || above->path[i] == descriptor;
    }
    if (again || above->depth == NESTING_MAX) {
        return weir_error_set(
            err, WEIR_EINVALID,
            "message %s: %s; found below %s at depth %u; use an index into a list "
            "instead",
            descriptor->name, again ? "it contains itself" : "it nests too deep",
            above->path[above->depth - 1]->name, above->depth);
    }
    above->path[above->depth++] = descriptor;
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < descriptor->n_fields; i++) {
        if (descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) {
            rc = check_nesting(above, descriptor->fields[i].descriptor, err);
        }
    }
    above->depth--;
    return rc;
}

int weir_proto_check_nesting(const ProtobufCMessageDescriptor *root, weir_error *err)
{
    nesting above = {.depth = 0};
    return check_nesting(&above, root, err);
}
