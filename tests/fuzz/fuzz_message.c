/* tests/fuzz/fuzz_message.c -- see fuzz_message.h. */
#include "fuzz_message.h"

#include <string.h>

enum { SMALL = 64, REPEATED_MAX = 12 };

typedef struct making {
    fuzz_input *input;
    weir_arena *arena;
    const fuzz_pool *pool;
} making;

static void *room(weir_arena *arena, size_t size)
{
    void *block = weir_arena_alloc(arena, size + 1);
    FUZZ_CHECK(block != NULL);
    return block;
}

static size_t value_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return sizeof(uint64_t);
    default:
        return sizeof(uint32_t);
    }
}

/* ---- from bytes ---- */

static void make_value(making *m, const ProtobufCFieldDescriptor *field, uint8_t choice, void *to)
{
    ProtobufCBinaryData data = {0, NULL};
    size_t size;

    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        ProtobufCMessage *child = fuzz_message(m->input, m->arena, m->pool, field->descriptor);
        memcpy(to, &child, sizeof child);
    } else if (field->type == PROTOBUF_C_TYPE_STRING && choice <= m->pool->ntexts) {
        memcpy(to, &m->pool->texts[choice - 1], sizeof(char *));
    } else if (field->type == PROTOBUF_C_TYPE_BYTES && choice <= m->pool->nbytes) {
        const weir_buffer *bytes = m->pool->bytes[choice - 1];
        data = (ProtobufCBinaryData){bytes->size, bytes->data};
        memcpy(to, &data, sizeof data);
    } else if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_BYTES) {
        const uint8_t *from = fuzz_bytes(m->input, &size);
        uint8_t *copy = room(m->arena, size);
        memcpy(copy, from, size);
        copy[size] = '\0';
        data = (ProtobufCBinaryData){size, copy};
        if (field->type == PROTOBUF_C_TYPE_STRING)
            memcpy(to, &copy, sizeof copy);
        else
            memcpy(to, &data, sizeof data);
    } else {
        uint64_t number = choice <= SMALL ? choice - 1u : fuzz_u64(m->input);
        memcpy(to, &number, value_size(field));
    }
}

static void make_repeated(making *m, const ProtobufCFieldDescriptor *field, size_t count,
                          char *base)
{
    size_t size = value_size(field);
    char *items = room(m->arena, count * size);

    for (size_t i = 0; i < count; i++) {
        uint8_t choice = fuzz_u8(m->input);
        make_value(m, field, choice == 0 ? 1 : choice, items + i * size);
    }
    memcpy(base + field->offset, &items, sizeof items);
    memcpy(base + field->quantifier_offset, &count, sizeof count);
}

/* Messages of ours nest a few levels at most (weir_proto_check_nesting). */
ProtobufCMessage *fuzz_message(fuzz_input *input, weir_arena *arena, const fuzz_pool *pool,
                               const ProtobufCMessageDescriptor *descriptor)
{
    making m = {input, arena, pool};
    ProtobufCMessage *message = room(arena, descriptor->sizeof_message);

    protobuf_c_message_init(descriptor, message);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        char *base = (char *)message;
        uint8_t choice = fuzz_u8(input);

        if (choice == 0)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            make_repeated(&m, field, choice % REPEATED_MAX, base);
            continue;
        }
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
            memcpy(base + field->quantifier_offset, &field->id, sizeof field->id);
        make_value(&m, field, choice, base + field->offset);
    }
    return message;
}

/* ---- to bytes ---- */

static void put_text(weir_buffer *out, const fuzz_pool *pool, const char *text)
{
    for (size_t i = 0; i < pool->ntexts; i++) {
        if (strcmp(pool->texts[i], text) == 0) {
            weir_buffer_putc(out, (char)(i + 1));
            return;
        }
    }
    weir_buffer_putc(out, (char)255);
    fuzz_put_bytes(out, text, strlen(text));
}

static void put_data(weir_buffer *out, const fuzz_pool *pool, const ProtobufCBinaryData *data)
{
    for (size_t i = 0; i < pool->nbytes; i++) {
        if (pool->bytes[i]->size == data->len &&
            memcmp(pool->bytes[i]->data, data->data, data->len) == 0) {
            weir_buffer_putc(out, (char)(i + 1));
            return;
        }
    }
    weir_buffer_putc(out, (char)255);
    fuzz_put_bytes(out, data->data, data->len);
}

static void put_value(weir_buffer *out, const fuzz_pool *pool,
                      const ProtobufCFieldDescriptor *field, const void *at)
{
    uint64_t number = 0;

    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        weir_buffer_putc(out, 1);
        fuzz_put_message(out, pool, *(ProtobufCMessage *const *)at);
    } else if (field->type == PROTOBUF_C_TYPE_STRING) {
        put_text(out, pool, *(char *const *)at);
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        put_data(out, pool, at);
    } else {
        memcpy(&number, at, value_size(field));
        weir_buffer_putc(out, number < SMALL ? (char)(number + 1) : (char)255);
        if (number >= SMALL)
            fuzz_put_u64(out, number);
    }
}

static bool is_absent(const ProtobufCFieldDescriptor *field, const char *base)
{
    static const uint8_t zeros[sizeof(ProtobufCBinaryData)];
    const void *at = base + field->offset;
    uint32_t present;

    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        memcpy(&present, base + field->quantifier_offset, sizeof present);
        return present != field->id;
    }
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return (*(char *const *)at)[0] == '\0';
    return memcmp(at, zeros, value_size(field)) == 0;
}

void fuzz_put_message(weir_buffer *out, const fuzz_pool *pool, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    const char *base = (const char *)message;
    size_t count;

    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const void *at = base + field->offset;

        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            memcpy(&count, base + field->quantifier_offset, sizeof count);
            FUZZ_CHECK(count < REPEATED_MAX);
            weir_buffer_putc(out, (char)count);
            for (size_t k = 0; k < count; k++)
                put_value(out, pool, field, *(char *const *)at + k * value_size(field));
        } else if (is_absent(field, base)) {
            weir_buffer_putc(out, 0);
        } else {
            put_value(out, pool, field, at);
        }
    }
}
